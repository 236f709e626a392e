//! The table of faults that are switched on.

use std::time::Duration;

use raddle_core::Planted;
use raddle_sim::{
    case::Case,
    mutants::{Found, hunt, hunt_adapter},
    tape::Tape,
};

use crate::MutantArgs;

/// Runs of the sound engine for each run of the sound adapter.
const SOUND_RATIO: u64 = 40;

/// Prints the table; answers whether every fault was found, and nothing where there was none.
pub(crate) fn run(args: &MutantArgs) -> bool {
    let mut well = sound("engine", args.sound, |runs| {
        hunt(None, 0, runs, Duration::MAX)
    });
    well &= sound("adapter", args.sound / SOUND_RATIO, |runs| {
        hunt_adapter(None, 0, runs, Duration::MAX)
    });
    let time = Duration::from_secs(args.seconds);
    let (mut found, mut all) = (0, 0);
    let mut one = |name: String, hunt: &dyn Fn() -> Option<Found>| {
        if name.contains(&args.only) {
            all += 1;
            found += u32::from(tell(&name, hunt(), args.seconds));
        }
    };
    for &planted in Planted::ALL {
        let hunt = || hunt(Some(planted), 0, u64::MAX, time);
        one(format!("{planted:?}"), &hunt);
    }
    for &planted in raddle_io::planted::Planted::ALL {
        let hunt = || hunt_adapter(Some(planted), 0, u64::MAX, time);
        one(format!("adapter {planted:?}"), &hunt);
    }
    println!("{found} of {all} found");
    well && found == all
}

fn sound(what: &str, runs: u64, hunt: impl FnOnce(u64) -> Option<Found>) -> bool {
    let alarm = hunt(runs);
    match &alarm {
        None => println!("sound {what}: no alarm in {runs} runs"),
        Some(Found {
            seed, world, fault, ..
        }) => println!("sound {what}: seed {seed} as {world}: {fault}"),
    }
    alarm.is_none()
}

fn tell(name: &str, found: Option<Found>, seconds: u64) -> bool {
    let Some(found) = found else {
        println!("| {name} | not found in {seconds} s | | | |");
        return false;
    };
    let what = found.fault.what.lines().next().unwrap_or_default();
    println!(
        "| {name} | {} | {:.3} s | {} {} | {} |",
        found.runs,
        found.time.as_secs_f64(),
        found.world,
        found.seed,
        what.chars().take(100).collect::<String>()
    );
    true
}

/// How long a fault is looked for before it is shrunk.
const HUNT_MAX: Duration = Duration::from_secs(20);

/// The names of the faults that can be switched on.
pub(crate) fn names() -> Vec<String> {
    Planted::ALL.iter().map(|p| format!("{p:?}")).collect()
}

/// The first seed from `first` on that finds the fault of this name, and what it was run as.
pub(crate) fn find(name: &str, first: u64) -> Result<(u64, Case), String> {
    let mut all = Planted::ALL.iter();
    let planted = all.find(|planted| format!("{planted:?}") == name);
    let planted = planted.ok_or_else(|| format!("no fault is called `{name}`"))?;
    let found = hunt(Some(*planted), first, u64::MAX, HUNT_MAX);
    let found = found.ok_or_else(|| format!("{name} is not found in {HUNT_MAX:?}"))?;
    let mut case = Case::new(found.world, Tape::from_seed(found.seed));
    case.planted = Some(name.to_owned());
    Ok((found.seed, case))
}
