//! The simulator, with the fuzzer's bytes as its choices: whatever they are, the run ends well.
//!
//! `fuzz/smoke pair_tape 60` runs two engines for a minute, `fuzz/smoke hostile_tape 60` one engine and a peer that
//! breaks rules. What is found is run again by `sim replay --fuzzed pair_tape FILE`, and made simple by `sim shrink`.

use raddle_sim::fuzzed::Target;

/// Runs one input as one engine and a peer that breaks rules.
///
/// # Panics
/// When anything in the run was wrong.
pub fn hostile_tape(data: &[u8]) {
    run(Target::HostileTape, data);
}

/// Runs one input as two engines.
///
/// # Panics
/// When anything in the run was wrong.
pub fn pair_tape(data: &[u8]) {
    run(Target::PairTape, data);
}

fn run(target: Target, data: &[u8]) {
    let (world, mut tape) = target.read(data);
    if let Err(fault) = world.run(&mut tape) {
        panic!(
            "{fault}\nreplay: cargo run -p raddle-sim --bin sim -- replay --fuzzed {} FILE",
            target.name()
        );
    }
}
