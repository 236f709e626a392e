//! What the tests share.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "fresh seeds, which are told when they fail"
)]

use std::{
    hash::{BuildHasher, RandomState},
    io::{self, Write},
};

use raddle_sim::outcome::{Fault, Outcome};

/// Names the seed from which a run is to be repeated.
const VARIABLE: &str = "RADDLE_SIM_SEED";

/// The outcome of a seed that `test` ran.
///
/// # Panics
/// With the fault, the end of its trace and the command that repeats it.
pub(crate) fn good(test: &str, seed: u64, outcome: Result<Outcome, Fault>) -> Outcome {
    outcome.unwrap_or_else(|fault| panic!("seed {seed}: {fault}\n{}", replay(test, seed)))
}

/// Seeds that nobody has seen, `count` of them in a row, or the one that the environment names.
pub(crate) fn fresh_seeds(test: &str, count: u64) -> impl Iterator<Item = u64> {
    let (first, count) = match std::env::var(VARIABLE) {
        Ok(text) => (text.parse().expect("a seed is a decimal number"), 1),
        // The keys of the standard library's maps are the one source of entropy that needs no package.
        Err(_) => (RandomState::new().hash_one(0) >> 1, count),
    };
    // Past the capture of the test harness: a seed that nobody saw cannot be tried again.
    let _ = writeln!(
        io::stdout().lock(),
        "{test}: {count} from seed {first} on; {}",
        replay(test, first)
    );
    first..first + count
}

fn replay(test: &str, seed: u64) -> String {
    format!("to repeat: {VARIABLE}={seed} cargo test -p raddle-sim --test {test} nobody_has_seen")
}
