//! Leaky buckets against abuse, one per cause.
//!
//! Each bucket holds what a peer may make us do for nothing in return; it refills with time, so that no connection is
//! ever too old to be used, and work that serves a request is not charged or refills the bucket of its cause.

use crate::{stats::Defences, time::Timestamp, violation::Violation};

/// What is charged for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Ping,
    Settings,
    /// Streams that the peer opened and reset before they were answered.
    Reset,
    /// Streams that the peer made us refuse or reset.
    StreamError,
    EmptyData,
    WindowUpdate,
    Priority,
    UnknownFrame,
    GoAway,
}

impl Cause {
    const COUNT: usize = 9;

    fn violation(self) -> Violation {
        match self {
            Self::Ping => Violation::PingFlood,
            Self::Settings => Violation::SettingsFlood,
            Self::Reset => Violation::ResetFlood,
            Self::StreamError => Violation::StreamErrorFlood,
            Self::EmptyData => Violation::EmptyDataFlood,
            Self::WindowUpdate => Violation::WindowUpdateFlood,
            Self::Priority => Violation::PriorityFlood,
            Self::UnknownFrame => Violation::UnknownFrameFlood,
            Self::GoAway => Violation::GoAwayFlood,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: u32,
    /// When `tokens` was true.
    at: Timestamp,
    /// How often it was charged.
    charged: u64,
}

#[derive(Debug)]
pub(crate) struct Buckets {
    buckets: [Bucket; Cause::COUNT],
    burst: u32,
    refill_per_second: u32,
}

impl Buckets {
    pub(crate) fn new(burst: u32, refill_per_second: u32, now: Timestamp) -> Self {
        Self {
            buckets: [Bucket {
                tokens: burst,
                at: now,
                charged: 0,
            }; Cause::COUNT],
            burst,
            refill_per_second,
        }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// The violation of this cause when the bucket is empty.
    pub(crate) fn charge(&mut self, cause: Cause, now: Timestamp) -> Result<(), Violation> {
        let bucket = &mut self.buckets[cause as usize];
        bucket.charged += 1;
        if bucket.tokens == 0 {
            // Refilled only here: a bucket that is never empty costs no arithmetic.
            let nanos = now.since(bucket.at).as_nanos();
            let earned = nanos * u128::from(self.refill_per_second) / 1_000_000_000;
            bucket.tokens = u32::try_from(earned).unwrap_or(u32::MAX).min(self.burst);
            if bucket.tokens == 0 {
                return Err(cause.violation());
            }
            bucket.at = now;
        }
        bucket.tokens -= 1;
        Ok(())
    }

    /// Tells how often each bucket was charged.
    pub(crate) fn report(&self, defences: &mut Defences) {
        let of = |cause: Cause| self.buckets[cause as usize].charged;
        defences.pings = of(Cause::Ping);
        defences.settings = of(Cause::Settings);
        defences.resets = of(Cause::Reset);
        defences.stream_errors = of(Cause::StreamError);
        defences.empty_data = of(Cause::EmptyData);
        defences.window_updates = of(Cause::WindowUpdate);
        defences.priorities = of(Cause::Priority);
        defences.unknown_frames = of(Cause::UnknownFrame);
        defences.goaways = of(Cause::GoAway);
    }

    /// Gives tokens back because useful work was done that explains further events of this cause.
    pub(crate) fn refund(&mut self, cause: Cause, tokens: u32) {
        let bucket = &mut self.buckets[cause as usize];
        bucket.tokens = bucket.tokens.saturating_add(tokens).min(self.burst);
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_runs_dry_and_refills_with_time() {
        let start = Timestamp(5);
        let mut buckets = Buckets::new(3, 10, start);
        for _ in 0..3 {
            assert_eq!(buckets.charge(Cause::Ping, start), Ok(()));
        }
        assert_eq!(
            buckets.charge(Cause::Ping, start),
            Err(Violation::PingFlood)
        );
        assert_eq!(
            buckets.charge(Cause::Reset, start),
            Ok(()),
            "causes do not share a bucket"
        );
        let later = start.after(Duration::from_millis(200));
        assert_eq!(buckets.charge(Cause::Ping, later), Ok(()));
        assert_eq!(buckets.charge(Cause::Ping, later), Ok(()));
        assert_eq!(
            buckets.charge(Cause::Ping, later),
            Err(Violation::PingFlood)
        );
        buckets.refund(Cause::Ping, 100);
        assert_eq!(buckets.charge(Cause::Ping, later), Ok(()));
    }
}
