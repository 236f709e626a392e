//! What holds between any two calls.

use super::Connection;

/// What an engine keeps, for those who keep account of the same from outside.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Bytes of the connection's window that were handed out and have not been given back.
    pub held: u64,
    /// Bytes that the peer may send on the connection.
    pub window: i64,
    /// Streams in the table.
    pub live: usize,
    /// Streams that count against a limit.
    pub counted: usize,
}

impl Connection {
    /// What can be counted from outside, too. For simulation.
    #[doc(hidden)]
    #[must_use]
    pub fn audit(&self) -> Audit {
        Audit {
            held: self.credit.held(),
            window: self.credit.window(),
            live: self.streams.live(),
            counted: self.streams.counted(),
        }
    }

    /// Switches a fault of this connection on.
    #[cfg(feature = "planted")]
    #[doc(hidden)]
    pub fn plant(&mut self, planted: Option<crate::Planted>) {
        self.plants.planted = planted;
        self.streams.plants.planted = planted;
        self.pings.plants.planted = planted;
        self.remote.plants.planted = planted;
    }

    /// Makes `id` the identifier of the next stream, so that a test sees the last of them.
    #[cfg(feature = "planted")]
    #[doc(hidden)]
    pub fn skip_to(&mut self, id: crate::StreamId) {
        self.next_id = self.next_id.and(Some(id));
    }

    /// Asserts every invariant of the engine. For tests and simulation: it walks all streams.
    ///
    /// # Panics
    /// When an invariant does not hold, with its name.
    #[doc(hidden)]
    pub fn check(&self) {
        self.streams.check();
        self.credit.check();
        assert_eq!(
            self.streams.held(),
            self.credit.held(),
            "credit of the connection is held by its streams alone"
        );
        assert!(
            self.window.window(crate::config::WINDOW_INITIAL) >= 0,
            "the connection's send window was overspent"
        );
        assert!(
            self.events.len() <= self.config.events_max,
            "the event ring is bounded"
        );
        assert!(
            self.output.refusals.len() <= super::transmit::REFUSALS_MAX,
            "refusals are bounded"
        );
        if self.is_over() {
            assert!(!self.streams.any_open(), "a stream outlived its connection");
        }
    }
}
