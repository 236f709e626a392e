//! What holds between any two calls.

use super::Connection;

impl Connection {
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
