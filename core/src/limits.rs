//! Leaky buckets against abuse, one per cause.
//!
//! Each bucket holds what a peer may make us do for nothing in return; it refills with time, so that no connection is
//! ever too old to be used, and work that serves a request is not charged or refills the bucket of its cause.

use crate::{stats::Defences, time::Timestamp, violation::Violation};

/// Nanoseconds.
const SECOND: u64 = 1_000_000_000;

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

impl Bucket {
    /// Adds what time has brought. What it leaves of a token counts for the next one.
    fn refill(&mut self, burst: u32, per_second: u32, now: Timestamp) {
        if now <= self.at {
            return;
        }
        let nanos = now.0 - self.at.0;
        let earned = nanos.saturating_mul(u64::from(per_second)) / SECOND;
        if earned >= u64::from(burst - self.tokens) {
            // It runs over: nothing is saved up beyond the burst.
            self.tokens = burst;
            self.at = now;
        } else if earned > 0 {
            self.tokens += earned as u32;
            self.at.0 += earned * SECOND / u64::from(per_second);
        }
    }
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
        bucket.refill(self.burst, self.refill_per_second, now);
        if bucket.tokens == 0 {
            return Err(cause.violation());
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

    #[test]
    fn time_saves_up_no_more_than_the_burst() {
        let mut buckets = Buckets::new(3, 10, Timestamp(0));
        assert_eq!(buckets.charge(Cause::Ping, Timestamp(0)), Ok(()));
        let later = Timestamp(0).after(Duration::from_secs(40));
        let taken = (0..10).filter(|_| buckets.charge(Cause::Ping, later).is_ok());
        assert_eq!(taken.count(), 3);
    }

    #[test]
    fn no_part_of_a_token_is_lost() {
        let mut buckets = Buckets::new(100, 10, Timestamp(0));
        while buckets.charge(Cause::Ping, Timestamp(0)).is_ok() {}
        // One and a half are earned each time.
        let times = (1..=20).map(|n| Timestamp(0).after(Duration::from_millis(150 * n)));
        let taken = times.flat_map(|now| [now; 2]);
        let taken = taken.filter(|&now| buckets.charge(Cause::Ping, now).is_ok());
        assert_eq!(taken.count(), 30);
    }
}
