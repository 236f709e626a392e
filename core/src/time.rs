//! Time as the engine sees it: a number that the caller passes in.

use core::time::Duration;

/// Nanoseconds since an origin that the caller picks and keeps.
///
/// The engine never reads a clock. Whoever drives it passes `now` to each input, and `now` must never go back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// This moment plus `duration`, or the last representable moment.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// The deadlines of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Timer {
    /// The peer's preface and first SETTINGS are due.
    Handshake,
    /// The acknowledgement of our SETTINGS is due.
    SettingsAck,
    /// The header block in progress has to end.
    HeaderBlock,
    /// Silence has lasted long enough to ask for a PING.
    KeepAlive,
    /// The answer to the keep-alive PING is due.
    KeepAliveAck,
    /// Places of streams that were reset are to come back.
    Slots,
    /// The transport has to take some of the output.
    WriteStall,
    /// Streams that a window of the peer's holds back have to have got on.
    Stall,
    /// A server's connection without streams has waited long enough for another.
    Idle,
    /// A connection without streams gives back the memory that it needed for them.
    Tidy,
    /// A connection that is over closes, whether or not its last bytes could be written.
    HardClose,
}

/// One slot per [`Timer`]; small enough that a scan is cheaper than a heap.
#[derive(Debug)]
pub(crate) struct Timers {
    slots: [Timestamp; Timer::COUNT],
}

/// The last moment that can be written down, which never comes: a deadline there is none.
pub(crate) const NEVER: Timestamp = Timestamp(u64::MAX);
/// Where a timer stands that was set for a moment which cannot be written down: it is set, and never due. Whoever sets
/// what is not set would otherwise be asked to for ever.
const BEYOND: Timestamp = Timestamp(u64::MAX - 1);

impl Default for Timers {
    fn default() -> Self {
        Self {
            slots: [NEVER; Timer::COUNT],
        }
    }
}

impl Timer {
    const COUNT: usize = 11;
    const ALL: [Self; Self::COUNT] = [
        Self::Handshake,
        Self::SettingsAck,
        Self::HeaderBlock,
        Self::KeepAlive,
        Self::KeepAliveAck,
        Self::Slots,
        Self::WriteStall,
        Self::Stall,
        Self::Idle,
        Self::Tidy,
        Self::HardClose,
    ];
}

impl Timers {
    pub(crate) fn set(&mut self, timer: Timer, at: Timestamp) {
        self.slots[timer as usize] = at.min(BEYOND);
    }

    pub(crate) fn stop(&mut self, timer: Timer) {
        self.slots[timer as usize] = NEVER;
    }

    pub(crate) fn is_set(&self, timer: Timer) -> bool {
        self.slots[timer as usize] < NEVER
    }

    pub(crate) fn stop_all(&mut self) {
        *self = Self::default();
    }

    /// Stops every timer but `kept`.
    pub(crate) fn stop_others(&mut self, kept: Timer) {
        let at = self.slots[kept as usize];
        self.stop_all();
        self.slots[kept as usize] = at;
    }

    /// The nearest deadline.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.slots.iter().min().copied().filter(|at| *at < BEYOND)
    }

    /// Takes one timer that is due, in the fixed order of [`Timer`].
    pub(crate) fn expire(&mut self, now: Timestamp) -> Option<Timer> {
        let due = |timer: &Timer| self.slots[*timer as usize] <= now.min(Timestamp(BEYOND.0 - 1));
        let timer = Timer::ALL.into_iter().find(due)?;
        self.stop(timer);
        Some(timer)
    }
}
