//! The table of faults that are switched on.

use std::time::Duration;

use raddle_core::Planted;
use raddle_sim::{case::Case, mutants::hunt, tape::Tape};

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

/// How long a fault is looked for before it is shrunk.
const HUNT_MAX: Duration = Duration::from_secs(5);

/// The names of the faults that can be switched on.
pub(crate) fn names() -> Vec<String> {
    Planted::ALL.iter().map(|p| format!("{p:?}")).collect()
}

/// The first seed that finds the fault of this name.
pub(crate) fn first_find(name: &str) -> Result<Case, String> {
    let mut all = Planted::ALL.iter();
    let planted = all.find(|planted| format!("{planted:?}") == name);
    let planted = planted.ok_or_else(|| format!("no fault is called `{name}`"))?;
    let found = hunt(Some(*planted), 0, u64::MAX, HUNT_MAX);
    let found = found.ok_or_else(|| format!("{name} is not found in {HUNT_MAX:?}"))?;
    let mut case = Case::new(found.world, Tape::from_seed(found.seed));
    case.planted = Some(name.to_owned());
    Ok(case)
}
