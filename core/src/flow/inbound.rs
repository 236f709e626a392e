//! The credit ledger of one receive window.
//!
//! Every byte of a window is in exactly one place: in the *window* that the peer may fill, *held* by whoever has been
//! given it, or *unsent*, given back to us and not yet to the peer. The law, at every moment:
//! window + held + unsent = target + excess, where *excess* is what a target that was lowered has still to get back.

use crate::config::WINDOW_MAX;

/// One receive window, of a stream or of the connection. All figures in bytes. By the law, what is held and unsent is no
/// more than the highest target, which has 31 bits, and what a window may be below zero, which is less than as much.
#[derive(Clone, Debug)]
pub(crate) struct Inbound {
    /// What the peer may still send. Negative after the target fell below what was in flight (RFC 9113 §6.9.2).
    window: i64,
    held: u32,
    unsent: u32,
    target: u32,
    /// Credit above the target that is out; it is kept when it comes back.
    excess: u32,
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
            unsent: target - window,
            target,
            excess: 0,
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
        self.held += bytes;
        true
    }

    /// Takes back up to `bytes` of what is held; answers how much that was.
    pub(crate) fn release(&mut self, bytes: u64) -> u64 {
        let bytes = bytes.min(u64::from(self.held)) as u32;
        self.held -= bytes;
        let kept = bytes.min(self.excess);
        self.excess -= kept;
        self.unsent += bytes - kept;
        u64::from(bytes)
    }

    /// Bytes that were handed out and not given back.
    pub(crate) fn held(&self) -> u64 {
        u64::from(self.held)
    }

    /// What the peer may still send, in bytes.
    pub(crate) fn window(&self) -> i64 {
        self.window
    }

    /// Whether a WINDOW_UPDATE is worth its frame: when it at least doubles what the peer may send. An empty window is
    /// opened by any credit at all, so that no rule of ours leaves a blocked sender waiting, and with nothing held the
    /// update comes when half of the target is used up.
    pub(crate) fn update_due(&self) -> bool {
        self.unsent > 0 && i64::from(self.unsent) >= self.window
    }

    /// Whether what is unsent is no more than half of the window and a byte.
    pub(crate) fn unsent_is_half(&self) -> bool {
        self.unsent <= self.target / 2 + 1
    }

    /// Turns the unsent credit into an increment for the peer. A frame carries 31 bits of it (RFC 9113 §6.9), and a window
    /// that is below zero may be owed more: the rest stays unsent.
    pub(crate) fn take_update(&mut self) -> u32 {
        let increment = self.unsent.min(WINDOW_MAX);
        self.unsent -= increment;
        self.window += i64::from(increment);
        increment
    }

    /// Moves the target, and the window with it, because the peer acknowledged a SETTINGS_INITIAL_WINDOW_SIZE.
    /// `resize` is for targets that SETTINGS do not move.
    pub(crate) fn retarget(&mut self, target: u32) {
        self.window += i64::from(target) - i64::from(self.target);
        self.target = target;
    }

    /// Whether more than one part in `parts` of the target has been drawn from the window.
    pub(crate) fn is_drawn(&self, parts: u32) -> bool {
        let drawn = i64::from(self.target) - self.window;
        drawn * i64::from(parts) > i64::from(self.target)
    }

    /// What the window is meant to be.
    pub(crate) fn target(&self) -> u32 {
        self.target
    }

    /// Moves the target by what the peer is told or not told: a higher one is credit to announce, and a lower one is
    /// reached by keeping what comes back. The peer's window never shrinks by it.
    pub(crate) fn resize(&mut self, target: u32) {
        if target >= self.target {
            let more = target - self.target;
            let kept = more.min(self.excess);
            self.excess -= kept;
            self.unsent += more - kept;
        } else {
            let less = self.target - target;
            let kept = less.min(self.unsent);
            self.unsent -= kept;
            self.excess += less - kept;
        }
        self.target = target;
    }

    /// Asserts the law.
    pub(crate) fn check(&self) {
        let sum = i128::from(self.window) + i128::from(self.held) + i128::from(self.unsent);
        assert_eq!(
            sum,
            i128::from(self.target) + i128::from(self.excess),
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

    #[test]
    fn a_resized_window_grows_at_once_and_shrinks_as_credit_comes_back() {
        let mut ledger = Inbound::new(1_000, 1_000);
        assert!(ledger.receive(600));
        ledger.resize(3_000);
        ledger.check();
        assert!(ledger.update_due());
        assert_eq!(ledger.take_update(), 2_000);
        assert_eq!(ledger.window(), 2_400);
        ledger.release(600);
        ledger.resize(1_000);
        ledger.check();
        assert_eq!(
            ledger.window(),
            2_400,
            "what the peer was promised it keeps"
        );
        assert!(ledger.receive(2_400));
        ledger.release(2_400);
        ledger.check();
        assert_eq!(ledger.take_update(), 1_000);
        assert_eq!(ledger.window(), 1_000);
        // A target that rises again before that takes back what was still to be kept.
        assert!(ledger.receive(1_000));
        ledger.resize(500);
        ledger.resize(1_000);
        ledger.release(1_000);
        ledger.check();
        assert_eq!(ledger.take_update(), 1_000);
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

    #[test]
    fn a_quarter_is_not_more_than_a_quarter() {
        let mut ledger = Inbound::new(100, 100);
        assert!(ledger.receive(25));
        assert!(!ledger.is_drawn(4));
        assert!(ledger.receive(1));
        assert!(ledger.is_drawn(4));
    }
}
