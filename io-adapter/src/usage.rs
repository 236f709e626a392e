//! What a connection has in use, for a simulation that looks for what is left behind, and for benchmarks.

use std::{sync::Arc, time::Duration};

use crate::shared::Shared;

/// Looks at a connection without being one of its handles: the connection ends as if nobody looked.
#[derive(Clone, Debug)]
pub struct Usage {
    shared: Arc<Shared>,
}

impl Usage {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: Arc::clone(shared),
        }
    }

    /// Streams in use, those among them that have ended and that somebody here still holds.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.shared.lock().live
    }

    /// Places for streams that were given out and not used yet.
    #[must_use]
    pub fn places(&self) -> usize {
        self.shared.lock().permits.given()
    }

    /// Who stands in line for a place.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.lock().permits.waiting()
    }

    /// PINGs that somebody waits for.
    #[must_use]
    pub fn pings(&self) -> usize {
        self.shared.lock().pongs.len()
    }

    /// How often somebody found the connection's state locked, and how long all of them waited, since it was made.
    #[must_use]
    pub fn lock_waits(&self) -> (u64, Duration) {
        self.shared.waits.total()
    }

    /// Asserts what holds between any two calls. It walks all streams.
    ///
    /// # Panics
    /// When something does not hold.
    pub fn check(&self) {
        self.shared.lock().check();
    }
}
