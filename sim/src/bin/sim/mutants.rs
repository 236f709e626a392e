//! The table of faults that are switched on.

use std::time::Duration;

use raddle_core::Planted;
use raddle_sim::mutants::hunt;

use crate::MutantArgs;

/// Prints the table; answers whether every fault was found, and nothing where there was none.
pub(crate) fn run(args: &MutantArgs) -> bool {
    let mut well = true;
    match hunt(None, 0, args.sound, Duration::MAX) {
        None => println!("sound engine: no alarm in {} runs", args.sound),
        Some(found) => {
            well = false;
            println!(
                "sound engine: seed {} as {}: {}",
                found.seed, found.world, found.fault
            );
        }
    }
    let time = Duration::from_secs(args.seconds);
    let (mut found_all, mut all) = (0, 0);
    for &planted in Planted::ALL {
        let name = format!("{planted:?}");
        if !name.contains(&args.only) {
            continue;
        }
        all += 1;
        match hunt(Some(planted), 0, u64::MAX, time) {
            Some(found) => {
                found_all += 1;
                let what = found
                    .fault
                    .what
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                println!(
                    "| {name} | {} | {:.3} s | {} {} | {} |",
                    found.runs,
                    found.time.as_secs_f64(),
                    found.world,
                    found.seed,
                    what.chars().take(100).collect::<String>()
                );
            }
            None => println!("| {name} | not found in {} s | | | |", args.seconds),
        }
    }
    println!("{found_all} of {all} found");
    well && found_all == all
}
