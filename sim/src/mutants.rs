//! Looks for faults of the engine that are switched on, to see whether they are found.

#![allow(
    clippy::disallowed_methods,
    reason = "how long each search took is told, and decides nothing"
)]

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use raddle_core::{Connection, Planted};

use crate::{
    campaign::World,
    outcome::{Fault, Outcome},
    watch::{self, Desk},
};

thread_local! {
    static PLANTED: Cell<Option<Planted>> = const { Cell::new(None) };
}

/// Plants what is to be planted in an engine that has just been made.
pub(crate) fn plant(conn: &mut Connection) {
    conn.plant(PLANTED.get());
}

/// A fault that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The seed that found it.
    pub seed: u64,
    /// What the seed was run as.
    pub world: World,
    /// Runs until then.
    pub runs: u64,
    /// Time until then.
    pub time: Duration,
    /// What was wrong.
    pub fault: Fault,
}

/// Calls `act` with a fault switched on in every engine that is made in this thread.
pub fn with<T>(planted: Option<Planted>, act: impl FnOnce() -> T) -> T {
    PLANTED.set(planted);
    let answer = act();
    PLANTED.set(None);
    answer
}

/// Runs seeds from `first` on in all worlds of tier 0, with a fault of the engine switched on, until one fails, or
/// `runs_max` have gone well or `time_max` has passed.
#[must_use]
pub fn hunt(
    planted: Option<Planted>,
    first: u64,
    runs_max: u64,
    time_max: Duration,
) -> Option<Found> {
    let run = move |world: World, seed| with(planted, || world.run_seed(seed));
    search(0, run, first, runs_max, time_max)
}

/// As [`hunt`], in all worlds of tier 1 and with a fault of the adapter.
#[must_use]
pub fn hunt_adapter(
    planted: Option<raddle_io::planted::Planted>,
    first: u64,
    runs_max: u64,
    time_max: Duration,
) -> Option<Found> {
    let run = move |world: World, seed| {
        raddle_io::planted::plant(planted);
        let outcome = world.run_seed(seed);
        raddle_io::planted::plant(None);
        outcome
    };
    search(1, run, first, runs_max, time_max)
}

/// How long one run may take, before it counts as one without an end. The thread that it runs in goes on by itself.
const RUN_MAX: Duration = Duration::from_secs(20);

fn search(
    tier: u8,
    run: impl Fn(World, u64) -> Result<Outcome, Fault> + Send + 'static,
    first: u64,
    runs_max: u64,
    time_max: Duration,
) -> Option<Found> {
    let worlds = World::of_tier(tier);
    let start = Instant::now();
    let runs = Arc::new(AtomicU64::new(0));
    let (desk, counted) = (Desk::default(), Arc::clone(&runs));
    let seat = desk.clone();
    let found = move |seed, world, fault| Found {
        seed,
        world,
        runs: runs.load(Ordering::Relaxed),
        time: start.elapsed(),
        fault,
    };
    let tell = found.clone();
    let search = move || {
        for seed in first.. {
            for &world in &worlds {
                let before = counted.fetch_add(1, Ordering::Relaxed);
                if before >= runs_max || start.elapsed() > time_max {
                    return None;
                }
                if let Err(fault) = seat.at(seed, world, || run(world, seed)) {
                    return Some(tell(seed, world, fault));
                }
            }
        }
        None
    };
    let stuck = || {
        let (seed, world) = desk.stuck(RUN_MAX)?;
        Some(found(seed, world, watch::no_end(RUN_MAX)))
    };
    watch::beside(search, stuck).unwrap_or_else(Some)
}
