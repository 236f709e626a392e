//! Who looks on while seeds run, so that a run without an end fails by its seed instead of holding up a campaign.
//!
//! Runs have bounds of their own, counted in moments, turns and events. What loops inside one of these, in the engine or
//! in one poll of a task, comes past none of them. Only a clock sees it, and that stands outside of every run.

#![expect(
    clippy::disallowed_methods,
    reason = "whether a run gets stuck is seen by the clock, and changes nothing in it"
)]

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{campaign::World, outcome::Fault};

/// How often somebody looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Where a thread that runs seeds says which of them it is at.
#[derive(Clone, Debug, Default)]
pub struct Desk(Arc<Mutex<Option<At>>>);

#[derive(Clone, Copy, Debug)]
struct At {
    seed: u64,
    world: World,
    since: Instant,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Option<At>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `seed` as `world` by `run`, which is all that this thread does until then.
    pub fn at<T>(&self, seed: u64, world: World, run: impl FnOnce() -> T) -> T {
        let since = Instant::now();
        *self.lock() = Some(At { seed, world, since });
        let answer = run();
        *self.lock() = None;
        answer
    }

    /// What it has been at for longer than `max`.
    #[must_use]
    pub fn stuck(&self, max: Duration) -> Option<(u64, World)> {
        let at = (*self.lock())?;
        (at.since.elapsed() > max).then_some((at.seed, at.world))
    }
}

/// The fault of a run that goes on for longer than `max`.
#[must_use]
pub fn no_end(max: Duration) -> Fault {
    Fault::run(format!("I-21: no end: it has run for {max:?}, and goes on"))
}

/// Does `act` in a thread of its own. `Err` when `stuck`, which is asked now and then, has an answer before it ends; that
/// thread goes on then, and nobody waits for it.
///
/// # Panics
/// When `act` does.
pub fn beside<T: Send + 'static, S>(
    act: impl FnOnce() -> T + Send + 'static,
    stuck: impl Fn() -> Option<S>,
) -> Result<T, S> {
    let (sender, ended) = mpsc::channel();
    let thread = thread::spawn(move || {
        // Who waits for it may have gone.
        let _ = sender.send(act());
    });
    loop {
        match ended.recv_timeout(LOOK_EVERY) {
            Ok(answer) => return Ok(answer),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => match thread.join() {
                Err(panic) => std::panic::resume_unwind(panic),
                Ok(()) => unreachable!("it answers before it ends"),
            },
        }
        if let Some(stuck) = stuck() {
            return Err(stuck);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_that_does_not_end_is_named() {
        let desk = Desk::default();
        let world = World::of_tier(0)[0];
        let seat = desk.clone();
        let run = move || {
            seat.at(6, world, || ());
            seat.at(7, world, || {
                loop {
                    thread::park();
                }
            })
        };
        let ended: Result<(), _> = beside(run, || desk.stuck(LOOK_EVERY / 2));
        assert_eq!(ended.expect_err("it never ends"), (7, world));
    }

    #[test]
    fn a_seed_that_ends_is_not() {
        let desk = Desk::default();
        let seat = desk.clone();
        let run = move || seat.at(7, World::of_tier(0)[0], || 3);
        assert_eq!(beside(run, || desk.stuck(Duration::from_secs(600))), Ok(3));
        assert_eq!(desk.stuck(Duration::ZERO), None);
    }
}
