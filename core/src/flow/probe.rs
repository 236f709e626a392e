//! How large the receive windows have to be for the path: a stream's as large as what arrives within one round trip,
//! so that one stream alone can fill it, and the connection's in proportion.
//!
//! A window smaller than the path's bandwidth times its delay makes the sender wait for our updates; a larger one only
//! lets more pile up when nobody reads. So a PING goes out when much arrives, and what arrives until its answer is
//! there is one sample. A sample that nearly fills a stream's window makes both four times as large, one that fills half
//! of it twice; a row of samples that fill a small part of it halves them. A window that is more than twice what arrives
//! never makes the sender wait, although our updates come only for half of it.

use core::time::Duration;

use crate::{config::WINDOW_MAX, time::Timestamp};

/// Between two samples that change nothing. PING frames are cheap, and peers count them all the same.
const REST: Duration = Duration::from_secs(1);
/// Samples in a row that have to be small before the window shrinks: traffic comes in bursts.
const SMALL_MAX: u8 = 4;

/// The sizes of the receive windows. All figures in bytes.
#[derive(Debug)]
pub(crate) struct Probe {
    window: u32,
    least: u32,
    most: u32,
    /// A stream's window while the connection's is `least`.
    stream_least: u32,
    /// What has arrived since the last sample began.
    arrived: u64,
    sampling: bool,
    /// The windows have grown by the last sample: what the next one brings was on its way before the sender knew.
    grown: bool,
    /// The next sample is the first that shows what the larger windows are good for.
    tried: bool,
    /// No sample begins before.
    next: Timestamp,
    small: u8,
}

impl Probe {
    /// A window of `least` for the connection, which may grow to `most`, and of `stream_least` for a stream.
    pub(crate) fn new(stream_least: u32, least: u32, most: u32, now: Timestamp) -> Self {
        Self {
            window: least,
            least,
            most: most.max(least),
            stream_least,
            arrived: 0,
            sampling: false,
            grown: false,
            tried: false,
            next: now,
            small: 0,
        }
    }

    /// The size that the connection's window is to have.
    pub(crate) fn window(&self) -> u32 {
        self.window
    }

    /// The size that the window of a stream is to have, if it is read.
    pub(crate) fn stream_window(&self) -> u32 {
        let grown = u64::from(self.stream_least) * u64::from(self.window) / u64::from(self.least);
        // Both factors have 31 bits, and `window` is at least `least`.
        grown.min(u64::from(WINDOW_MAX)) as u32
    }

    /// Counts what a DATA frame brings, `bulk` or not; whether a sample is to begin, by a PING.
    pub(crate) fn received(&mut self, bytes: u32, bulk: bool, now: Timestamp) -> bool {
        self.arrived += u64::from(bytes);
        !self.sampling && bulk && self.least < self.most && now >= self.next
    }

    /// Begins a sample: the PING is on its way.
    pub(crate) fn begin(&mut self) {
        self.sampling = true;
        self.arrived = 0;
    }

    /// Ends the sample: the answer is here, and `held` bytes have been received that nobody has released yet.
    pub(crate) fn end(&mut self, held: u64, now: Timestamp) {
        let sample = self.arrived;
        self.sampling = false;
        if core::mem::take(&mut self.grown) {
            self.tried = true;
            return;
        }
        let tried = core::mem::take(&mut self.tried);
        let window = u64::from(self.stream_window());
        if sample >= window / 2 {
            self.small = 0;
            // A larger window helps nobody who reads slower than the path brings.
            if self.window < self.most && held <= window / 2 {
                let factor = if sample >= window / 3 * 2 { 4 } else { 2 };
                self.window = self.window.saturating_mul(factor).min(self.most);
                self.grown = true;
                return;
            }
        } else if sample >= window / 4 {
            self.small = 0;
        } else {
            // Growth by the larger step may have been too much.
            self.small += if tried { SMALL_MAX } else { 1 };
            if self.small >= SMALL_MAX {
                self.small = 0;
                self.window = (self.window / 2).max(self.least);
            }
        }
        self.next = now.after(REST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: u32 = 1 << 20;
    const MOST: u32 = 8 << 20;
    const STREAM: u32 = 256 << 10;

    fn probe() -> Probe {
        Probe::new(STREAM, LEAST, MOST, Timestamp(0))
    }

    /// One sample in which `bytes` arrive, and if the windows grow by it the one behind it, which does not count.
    fn sample(probe: &mut Probe, bytes: u32, now: Timestamp) {
        let before = probe.window();
        for _ in 0..2 {
            assert!(probe.received(1, true, now));
            probe.begin();
            probe.received(bytes, true, now);
            probe.end(0, now);
            if probe.window() <= before {
                break;
            }
        }
    }

    #[test]
    fn a_window_that_is_filled_grows_up_to_the_most() {
        let mut probe = probe();
        for (part, times) in [(2, 2), (1, 8), (1, 8)] {
            let bytes = probe.stream_window() / part;
            sample(&mut probe, bytes, Timestamp(0));
            assert_eq!(probe.window(), times * LEAST);
        }
        assert!(!probe.received(1, true, Timestamp(0)), "and then rests");
        assert!(probe.received(1, true, Timestamp(0).after(REST)));
        assert!(!probe.received(1, false, Timestamp(0).after(REST)));
    }

    #[test]
    fn a_step_that_was_too_large_is_taken_back_by_half() {
        let mut probe = probe();
        sample(&mut probe, STREAM * 2 / 3, Timestamp(0));
        assert_eq!(probe.window(), 4 * LEAST);
        sample(&mut probe, STREAM * 2 / 3, Timestamp(0));
        assert_eq!(probe.window(), 2 * LEAST);
        assert!(!probe.received(1, true, Timestamp(0)), "and then rests");
    }

    #[test]
    fn a_window_does_not_grow_for_what_nobody_reads() {
        let mut probe = probe();
        probe.begin();
        probe.received(LEAST, true, Timestamp(0));
        probe.end(u64::from(LEAST), Timestamp(0));
        assert_eq!(probe.window(), LEAST);
    }

    #[test]
    fn a_window_that_is_mostly_unused_shrinks_down_to_the_least() {
        let mut probe = probe();
        let mut now = Timestamp(0);
        for _ in 0..3 {
            let full = probe.stream_window();
            sample(&mut probe, full, now);
        }
        assert_eq!(probe.window(), MOST);
        for left in [4, 2, 1, 1] {
            for _ in 0..SMALL_MAX {
                now = now.after(REST);
                sample(&mut probe, 1_000, now);
            }
            assert_eq!(probe.window(), left * LEAST);
        }
    }

    #[test]
    fn bursts_keep_the_window() {
        let mut probe = probe();
        sample(&mut probe, STREAM, Timestamp(0));
        let mut now = Timestamp(0);
        for round in 0..40 {
            now = now.after(REST);
            let bytes = if round % 3 == 0 { STREAM } else { 1_000 };
            sample(&mut probe, bytes, now);
            assert_eq!(probe.window(), 4 * LEAST);
        }
    }

    #[test]
    fn a_fixed_window_is_never_sampled() {
        let mut probe = Probe::new(STREAM, LEAST, LEAST, Timestamp(0));
        assert!(!probe.received(u32::MAX, true, Timestamp(0)));
    }
}
