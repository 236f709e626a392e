//! One run: again, or in full.

#![expect(
    clippy::disallowed_methods,
    reason = "how long things took is told, and when to stop; no run depends on it"
)]

use std::{
    io::{ErrorKind, Write},
    time::{Duration, Instant},
};

use raddle_sim::{
    case::Case,
    runner::UNREAD,
    view::{self, Header},
    watch,
};

use crate::{Format, ReplayArgs, TraceArgs, Wrong};

pub(crate) fn replay(args: &ReplayArgs) -> Result<bool, Wrong> {
    let (case, max) = (args.one.case()?, Duration::from_secs(args.stuck_max));
    let begun = Instant::now();
    let stuck = || (begun.elapsed() > max).then(|| watch::no_end(max));
    // Who is stuck is left behind, and ends with the process.
    match watch::beside(move || case.run(), stuck).unwrap_or_else(Err) {
        Ok(outcome) => {
            println!(
                "well: {} events, hash {:016x}, {:?}",
                outcome.events, outcome.hash, outcome.ends
            );
            Ok(true)
        }
        Err(fault) => {
            println!("{fault}");
            Ok(false)
        }
    }
}

pub(crate) fn trace(args: &TraceArgs) -> Result<bool, Wrong> {
    let case = args.one.case()?;
    case.switched(|| show(args, &case))?
}

fn show(args: &TraceArgs, case: &Case) -> Result<bool, Wrong> {
    let (world, mut tape) = (case.world, case.tape.clone());
    let one = &args.one;
    let format = match args.format {
        Format::Text => view::Format::Text,
        Format::Jsonl => view::Format::Jsonl,
        Format::Html => view::Format::Html,
        Format::Pcapng => view::Format::Pcapng,
        Format::Qlog => view::Format::Qlog,
        Format::Perfetto => view::Format::Perfetto,
    };
    let (result, recorder) = view::record(world, &mut tape);
    let header = Header::simulated(one.seed, world.tier(), &result, one.again(case));
    let bytes = view::export(&recorder.finish(header), format);
    match std::io::stdout().lock().write_all(&bytes) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(UNREAD),
        written => written?,
    }
    Ok(result.is_ok())
}
