//! Looks for faults of the engine that are switched on, to see whether they are found.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use raddle_core::{Connection, Planted};

use crate::{
    campaign::World,
    outcome::{Fault, Outcome},
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
    let run = |world: World, seed| with(planted, || world.run_seed(seed));
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
    let run = |world: World, seed| {
        raddle_io::planted::plant(planted);
        let outcome = world.run_seed(seed);
        raddle_io::planted::plant(None);
        outcome
    };
    search(1, run, first, runs_max, time_max)
}

fn search(
    tier: u8,
    run: impl Fn(World, u64) -> Result<Outcome, Fault>,
    first: u64,
    runs_max: u64,
    time_max: Duration,
) -> Option<Found> {
    let worlds = World::of_tier(tier);
    let start = Instant::now();
    let mut runs = 0;
    for seed in first.. {
        for &world in &worlds {
            if runs >= runs_max || start.elapsed() > time_max {
                return None;
            }
            runs += 1;
            if let Err(fault) = run(world, seed) {
                return Some(Found {
                    seed,
                    world,
                    runs,
                    time: start.elapsed(),
                    fault,
                });
            }
        }
    }
    None
}
