//! Failures made simple, one or all that can be switched on.

#![expect(
    clippy::disallowed_methods,
    reason = "how long things took is told, and when to stop; no run depends on it"
)]

use std::{
    path::Path,
    time::{Duration, Instant},
};

use raddle_sim::shrink::{self, Shrunk};

use crate::{ShrinkArgs, Wrong};

/// How long a failure is made simpler.
const SHRINK_MAX: Duration = Duration::from_secs(20);
/// Finds of a fault of which the shortest is kept: one may lead by another way to the same end.
const FINDS_MAX: u32 = 8;
/// Events of a find that need not be shorter.
const SHORT: u64 = 30;

pub(crate) fn run(args: &ShrinkArgs) -> Result<bool, Wrong> {
    if args.one.planted.as_deref() == Some("all") {
        return table(args.keep.as_deref());
    }
    if args.keep.is_some() {
        return Err(Wrong("`--keep` goes with `--planted all`".into()));
    }
    let case = args.one.case()?;
    let Some(shrunk) = shrink::shrink(&case, SHRINK_MAX)? else {
        println!("it does not fail");
        return Ok(true);
    };
    let case = &shrunk.case;
    let (_, trace) = case.switched(|| case.world.told(&mut case.tape.clone()))?;
    println!(
        "{} events, {} before; {} runs:",
        shrunk.events, shrunk.before, shrunk.runs
    );
    if let Some(options) = trace.options() {
        println!("  options: {options}");
    }
    trace.lines().for_each(|line| println!("  {line}"));
    println!("{}\n", shrunk.fault);
    let features = match case.planted {
        Some(_) => " --features planted",
        None => "",
    };
    println!(
        "As a file FILE that this command runs: cargo run -p raddle-sim{features} --bin sim -- replay FILE"
    );
    println!("In sim/tests/tapes/ as NAME.tape: a test runs what is there.\n");
    println!("{case}");
    println!(
        "As a test:\n\n{}",
        case.as_test("a_failure_that_was_shrunk")
    );
    Ok(false)
}

/// Shrinks finds of every fault that can be switched on, until one is short, and keeps the shortest.
///
/// Into the folder `keep` go their tapes, one file each.
fn table(keep: Option<&Path>) -> Result<bool, Wrong> {
    let mut all = Vec::new();
    println!("| fault | world | events before | after | time | runs |");
    println!("|---|---|---|---|---|---|");
    for name in names()? {
        let (mut first, mut best, mut time) = (0, None::<Shrunk>, 0.0);
        for _ in 0..FINDS_MAX {
            let (seed, case) = match crate::find(&name, first) {
                Ok(found) => found,
                Err(Wrong(what)) if best.is_none() => {
                    println!("| `{name}` | {what} | | | | |");
                    break;
                }
                Err(_) => break,
            };
            let start = Instant::now();
            let Some(shrunk) = shrink::shrink(&case, SHRINK_MAX / FINDS_MAX)? else {
                return Err(Wrong(format!("{name}: what was found does not fail again")));
            };
            time += start.elapsed().as_secs_f64();
            first = seed + 1;
            if best.as_ref().is_none_or(|best| shrunk.events < best.events) {
                best = Some(shrunk);
            }
            if best.as_ref().is_some_and(|best| best.events <= SHORT) {
                break;
            }
        }
        let Some(shrunk) = best else { continue };
        println!(
            "| `{name}` | {} | {} | {} | {time:.2} s | {} |",
            shrunk.case.world, shrunk.before, shrunk.events, shrunk.runs
        );
        if let Some(folder) = keep {
            let file = folder.join(format!("planted-{name}.tape"));
            std::fs::write(&file, shrunk.case.to_string())
                .map_err(|error| Wrong(format!("{}: {error}", file.display())))?;
        }
        all.push((shrunk.events, time));
    }
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    println!(
        "{} shrunk; median: {} events after {:.2} s",
        all.len(),
        median(all.iter().map(|(events, _)| *events as f64).collect()),
        median(all.iter().map(|(_, time)| *time).collect())
    );
    Ok(!all.is_empty())
}

#[cfg(feature = "planted")]
fn names() -> Result<Vec<String>, Wrong> {
    Ok(crate::mutants::names())
}

#[cfg(not(feature = "planted"))]
fn names() -> Result<Vec<String>, Wrong> {
    Err(Wrong("build it with `--features planted`".into()))
}
