//! The backends: who can be reached, and who has the least to do.

use std::{
    error::Error,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use raddle_io::Target;
use tokio::time::Instant;

use crate::{
    limits::Limits,
    notice::{Notices, causes},
};

/// Every backend, in the order of the command line.
#[derive(Debug)]
pub struct Backends {
    list: Vec<Backend>,
    /// Where the search for the least busy begins, so that equals take turns.
    turn: AtomicUsize,
    back_off_min: Duration,
    back_off_max: Duration,
    notices: Notices,
}

/// One backend.
#[derive(Debug)]
pub struct Backend {
    target: Target,
    outstanding: AtomicUsize,
    health: Mutex<Health>,
}

#[derive(Debug, Default)]
struct Health {
    failures: u32,
    /// Failures ever counted: who was on the way before the last of them tells nothing new.
    counted: u64,
    down_until: Option<Instant>,
}

/// A backend that was chosen, and counts this request as its own until it is dropped.
#[derive(Debug)]
pub struct Chosen {
    backends: std::sync::Arc<Backends>,
    at: usize,
    /// How many failures had been counted when it was chosen.
    counted: u64,
}

impl Backends {
    /// Backends that are all taken for healthy.
    #[must_use]
    pub fn new(targets: Vec<Target>, limits: &Limits) -> Self {
        let backend = |target| Backend {
            target,
            outstanding: AtomicUsize::new(0),
            health: Mutex::default(),
        };
        Self {
            list: targets.into_iter().map(backend).collect(),
            turn: AtomicUsize::new(0),
            back_off_min: limits.back_off_min,
            back_off_max: limits.back_off_max,
            notices: Notices::default(),
        }
    }

    /// Tells `notices`, and not stderr, which backends are down and which are back.
    #[must_use]
    pub fn telling(mut self, notices: Notices) -> Self {
        self.notices = notices;
        self
    }

    /// The healthy backend with the fewest requests in progress that is not among the `full` ones; one that is not in `tried`,
    /// if there is any.
    pub fn choose(self: &std::sync::Arc<Self>, tried: &[usize], full: &[usize]) -> Option<Chosen> {
        let now = Instant::now();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let in_turn = (0..self.list.len()).map(|step| (turn + step) % self.list.len());
        let healthy = in_turn.filter(|at| !full.contains(at) && self.list[*at].is_healthy(now));
        let busy = |&at: &usize| {
            (
                tried.contains(&at),
                self.list[at].outstanding.load(Ordering::Relaxed),
            )
        };
        let at = healthy.min_by_key(busy)?;
        self.list[at].outstanding.fetch_add(1, Ordering::Relaxed);
        Some(Chosen {
            backends: std::sync::Arc::clone(self),
            at,
            counted: self.list[at].health().counted,
        })
    }

    /// How long until the first backend that is marked down is tried again.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        let now = Instant::now();
        let waits = self
            .list
            .iter()
            .filter_map(|backend| backend.health().down_until);
        waits
            .min()
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }
}

impl Backend {
    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_healthy(&self, now: Instant) -> bool {
        self.health().down_until.is_none_or(|until| until <= now)
    }
}

impl Chosen {
    /// Its place in the list, for `tried`.
    #[must_use]
    pub fn index(&self) -> usize {
        self.at
    }

    /// Where it is.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.backends.list[self.at].target
    }

    /// It has answered.
    pub fn succeeded(&self) {
        let mut health = self.backends.list[self.at].health();
        let was_down = health.down_until.take().is_some();
        health.failures = 0;
        drop(health);
        if was_down {
            self.backends
                .notices
                .tell(format_args!("backend {} is back", self.target()));
        }
    }

    /// It could not be reached, for this reason: nobody tries it for a while, and longer after each further failure.
    /// Requests that waited for one dial together have seen one failure.
    pub fn unreachable(&self, error: &dyn Error) {
        let Some(pause) = self.count_failure() else {
            return;
        };
        // With no lock held: whoever reads it may be slow. The pauses are what keeps it from being told too often.
        self.backends.notices.tell(format_args!(
            "backend {} is down, and left alone for {pause:?}: {}",
            self.target(),
            causes(error)
        ));
    }

    /// How long it is left alone for this failure, unless that was counted already.
    fn count_failure(&self) -> Option<Duration> {
        let mut health = self.backends.list[self.at].health();
        if health.counted != self.counted {
            return None;
        }
        health.counted += 1;
        let pause = self
            .backends
            .back_off_min
            .saturating_mul(1 << health.failures.min(16))
            .min(self.backends.back_off_max);
        health.failures = health.failures.saturating_add(1);
        health.down_until = Some(Instant::now() + pause);
        Some(pause)
    }
}

impl Drop for Chosen {
    fn drop(&mut self) {
        self.backends.list[self.at]
            .outstanding
            .fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn refused() -> std::io::Error {
        std::io::ErrorKind::ConnectionRefused.into()
    }

    fn two() -> Arc<Backends> {
        let targets =
            ["http://a:1", "http://b:1"].map(|uri| Target::of(&uri.parse().unwrap()).unwrap());
        let backends = Backends::new(targets.to_vec(), &Limits::default());
        Arc::new(backends.telling(Notices::to(|_| {})))
    }

    #[tokio::test(start_paused = true)]
    async fn the_least_busy_is_chosen_and_equals_take_turns() {
        let backends = two();
        let first = backends.choose(&[], &[]).unwrap();
        let second = backends.choose(&[], &[]).unwrap();
        assert_ne!(first.index(), second.index());
        let busy = second.index();
        drop(first);
        assert_ne!(backends.choose(&[], &[]).unwrap().index(), busy);
    }

    #[tokio::test(start_paused = true)]
    async fn who_waited_for_one_dial_together_has_seen_one_failure() {
        let backends = two();
        let waiting: Vec<_> = (0..40).filter_map(|_| backends.choose(&[], &[])).collect();
        waiting.iter().for_each(|one| one.unreachable(&refused()));
        assert!(backends.choose(&[], &[]).is_none(), "both are down");
        assert_eq!(backends.retry_after(), Limits::default().back_off_min);
        // One try more is one failure more.
        tokio::time::advance(Limits::default().back_off_min).await;
        let again = [
            backends.choose(&[], &[]).unwrap(),
            backends.choose(&[], &[]).unwrap(),
        ];
        again.iter().for_each(|one| one.unreachable(&refused()));
        assert_eq!(backends.retry_after(), 2 * Limits::default().back_off_min);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_down_is_left_alone_for_a_while() {
        let backends = two();
        let first = backends.choose(&[], &[]).unwrap();
        first.unreachable(&refused());
        let down = first.index();
        drop(first);
        for _ in 0..4 {
            assert_ne!(backends.choose(&[], &[]).unwrap().index(), down);
        }
        let other = backends.choose(&[], &[]).unwrap();
        other.unreachable(&refused());
        assert!(backends.choose(&[], &[]).is_none());
        assert_eq!(backends.retry_after(), Limits::default().back_off_min);
        tokio::time::advance(Limits::default().back_off_min).await;
        // `other` still counts a request of its own.
        let chosen = backends.choose(&[], &[]).unwrap();
        assert_eq!(chosen.index(), down);
        chosen.succeeded();
        chosen.unreachable(&refused());
        assert_eq!(
            backends.retry_after(),
            Duration::ZERO,
            "the other one may be tried at once"
        );
    }
}
