//! A window of the peer's: how many bytes of DATA it still takes.

use crate::config::WINDOW_MAX;

/// The distance of a send window from its base, in bytes.
///
/// A stream's base is the peer's SETTINGS_INITIAL_WINDOW_SIZE, kept once for all streams, so that a change of it costs
/// nothing per stream (RFC 9113 §6.9.2). The connection's base is constant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outbound {
    offset: i64,
}

impl Outbound {
    /// The window in bytes. It may be negative: the peer lowered its base below what was in flight.
    pub(crate) fn window(self, base: u32) -> i64 {
        i64::from(base) + self.offset
    }

    /// How far the window is above its base, in bytes.
    pub(crate) fn offset(self) -> i64 {
        self.offset
    }

    /// How many bytes may be sent now.
    pub(crate) fn available(self, base: u32) -> usize {
        usize::try_from(self.window(base)).unwrap_or(0)
    }

    /// Spends what a DATA frame carries.
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.offset -= bytes as i64;
    }

    /// Adds the increment of a WINDOW_UPDATE; `false` when the window would leave 31 bits, and then it is unchanged.
    #[must_use]
    pub(crate) fn grow(&mut self, increment: u32, base: u32) -> bool {
        // RFC 9113 §6.9.1: a sender MUST NOT allow a window to exceed 2^31-1.
        if self.window(base) + i64::from(increment) > i64::from(WINDOW_MAX) {
            return false;
        }
        self.offset += i64::from(increment);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 9113 §6.9.2: a lowered base makes windows negative, and updates bring them back.
    #[test]
    fn a_window_goes_negative_and_comes_back() {
        let mut window = Outbound::default();
        window.spend(60_000);
        assert_eq!(window.window(65_535), 5_535);
        assert_eq!(window.window(16_384), -43_616);
        assert_eq!(window.available(16_384), 0);
        assert!(window.grow(43_617, 16_384));
        assert_eq!(window.available(16_384), 1);
    }

    // RFC 9113 §6.9.1
    #[test]
    fn a_window_stops_at_31_bits() {
        let mut window = Outbound::default();
        assert!(window.grow(0x7fff_ffff - 65_535, 65_535));
        assert!(!window.grow(1, 65_535));
        assert_eq!(window.window(65_535), i64::from(WINDOW_MAX));
    }
}
