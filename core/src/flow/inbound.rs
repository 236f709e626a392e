//! The credit ledger of one receive window.
//!
//! Every byte of a window is in exactly one place: in the *window* that the peer may fill, *held* by whoever has been
//! given it, or *unsent*, given back to us and not yet to the peer. The law, at every moment:
//! window + held + unsent = target.

/// One receive window, of a stream or of the connection. All figures in bytes.
#[derive(Clone, Debug)]
pub(crate) struct Inbound {
    /// What the peer may still send. Negative after the target fell below what was in flight (RFC 9113 §6.9.2).
    window: i64,
    held: u64,
    unsent: u64,
    target: u32,
}

impl Inbound {
    /// A window that the peer knows as `window` and that is meant to be `target`, which is not less.
    pub(crate) fn new(window: u32, target: u32) -> Self {
        debug_assert!(
            window <= target,
            "a window grows to its target, and shrinks by `retarget`"
        );
        Self {
            window: i64::from(window),
            held: 0,
            unsent: u64::from(target - window),
            target,
        }
    }

    /// Takes `bytes` off the window; `false` when the peer had not so much, and then nothing is taken.
    #[must_use]
    pub(crate) fn receive(&mut self, bytes: u32) -> bool {
        // RFC 9113 §6.9.1: an empty frame may come whatever the window is, also when lowered settings left it negative.
        if bytes > 0 && i64::from(bytes) > self.window {
            return false;
        }
        self.window -= i64::from(bytes);
        self.held += u64::from(bytes);
        true
    }

    /// Takes back up to `bytes` of what is held; answers how much that was.
    pub(crate) fn release(&mut self, bytes: u64) -> u64 {
        let bytes = bytes.min(self.held);
        self.held -= bytes;
        self.unsent += bytes;
        bytes
    }

    /// Bytes that were handed out and not given back.
    pub(crate) fn held(&self) -> u64 {
        self.held
    }

    /// What the peer may still send, in bytes.
    pub(crate) fn window(&self) -> i64 {
        self.window
    }

    /// Whether a WINDOW_UPDATE is worth its frame: when it at least doubles what the peer may send. An empty window is
    /// opened by any credit at all, so that no rule of ours leaves a blocked sender waiting, and with nothing held the
    /// update comes when half of the target is used up.
    pub(crate) fn update_due(&self) -> bool {
        self.unsent > 0 && self.unsent as i64 >= self.window
    }

    /// Turns the unsent credit into an increment for the peer.
    pub(crate) fn take_update(&mut self) -> u32 {
        // The law bounds it by the target, which has 31 bits.
        let increment = core::mem::take(&mut self.unsent) as u32;
        self.window += i64::from(increment);
        increment
    }

    /// Moves the target, and the window with it, because the peer acknowledged a SETTINGS_INITIAL_WINDOW_SIZE.
    pub(crate) fn retarget(&mut self, target: u32) {
        self.window += i64::from(target) - i64::from(self.target);
        self.target = target;
    }

    /// Asserts the law.
    pub(crate) fn check(&self) {
        let sum = i128::from(self.window) + i128::from(self.held) + i128::from(self.unsent);
        assert_eq!(
            sum,
            i128::from(self.target),
            "credit was lost or made: {self:?}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credit_is_conserved_on_every_way_round() {
        let mut ledger = Inbound::new(65_535, 65_535);
        assert!(ledger.receive(40_000));
        ledger.check();
        assert!(
            !ledger.receive(25_536),
            "RFC 9113 §6.9.1: the window must not be overrun"
        );
        assert_eq!(
            ledger.release(50_000),
            40_000,
            "no more than was held comes back"
        );
        ledger.check();
        assert!(ledger.update_due());
        assert_eq!(ledger.take_update(), 40_000);
        assert_eq!(ledger.window(), 65_535);
        ledger.check();
    }

    #[test]
    fn an_empty_window_is_opened_by_any_credit() {
        let mut ledger = Inbound::new(100, 100);
        assert!(ledger.receive(100));
        assert!(!ledger.update_due());
        ledger.release(1);
        assert!(ledger.update_due());
    }

    #[test]
    fn an_update_waits_until_it_doubles_the_window() {
        let mut ledger = Inbound::new(100, 100);
        assert!(ledger.receive(49));
        ledger.release(49);
        assert!(!ledger.update_due());
        assert!(ledger.receive(1));
        ledger.release(1);
        assert!(ledger.update_due());
    }

    // RFC 9113 §6.9.2
    #[test]
    fn a_lowered_target_makes_the_window_negative() {
        let mut ledger = Inbound::new(65_535, 65_535);
        assert!(ledger.receive(60_000));
        ledger.retarget(1_000);
        assert_eq!(ledger.window(), -59_000);
        ledger.check();
        // RFC 9113 §6.9.1: the end of a stream needs no window.
        assert!(ledger.receive(0));
        assert!(!ledger.receive(1));
        ledger.release(60_000);
        assert_eq!(ledger.take_update(), 60_000);
        assert_eq!(ledger.window(), 1_000);
    }
}
