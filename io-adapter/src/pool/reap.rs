//! Lets go of connections that nobody uses.

use std::sync::{Arc, Weak};

use tokio::time::{Instant, sleep_until};

use super::{
    Inner,
    origin::{Gone, idle_least, later},
};

/// One for a pool, for as long as it has connections: one for each connection would outlive it by up to the time that a
/// connection may be idle. It ends with the pool, and when that is drained.
pub(super) struct Reaper(Weak<Inner>);

impl Reaper {
    /// Begins in a task of its own.
    pub(super) fn start(inner: &Arc<Inner>) {
        let mut reaper = Self(Arc::downgrade(inner));
        let ends = Arc::clone(&inner.ends);
        tokio::spawn(async move {
            while let Some(next) = reaper.reap() {
                tokio::select! {
                    biased;
                    () = ends.notified() => {}
                    () = sleep_until(next) => {}
                }
            }
        });
    }

    /// Answers when to look again; `None` when there is nothing left to look after.
    fn reap(&mut self) -> Option<Instant> {
        let inner = self.0.upgrade()?;
        let mut gone = Gone::default();
        let mut state = inner.lock();
        let next = state
            .origins
            .values_mut()
            .filter_map(|origin| origin.keep(&inner.config, &mut gone))
            .min();
        if next.is_none() {
            state.reaps = false;
            // The next one may have begun when this is dropped.
            self.0 = Weak::new();
        }
        // Whoever comes later is not idle for long enough before that.
        let newcomer = later(Instant::now(), idle_least(&inner.config));
        next.map(|next| next.min(newcomer))
    }
}

impl Drop for Reaper {
    /// Ended by a panic of somebody's transport, or with its runtime: the next connection brings another.
    fn drop(&mut self) {
        if let Some(inner) = self.0.upgrade() {
            inner.lock().reaps = false;
        }
    }
}
