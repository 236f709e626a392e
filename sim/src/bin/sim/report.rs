//! One run: again, in full, or made simple.

use std::{io::Write, time::Duration};

use raddle_sim::{
    shrink,
    view::{self, Header},
};

use crate::{Format, OneArgs, Wrong};

/// How long a failure is made simpler.
const SHRINK_MAX: Duration = Duration::from_secs(20);

pub(crate) fn replay(args: &OneArgs) -> Result<bool, Wrong> {
    let world = args.world()?;
    match world.run(&mut args.tape()?) {
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

pub(crate) fn trace(args: &OneArgs) -> Result<bool, Wrong> {
    let world = args.world()?;
    let format = match args.format {
        Format::Text => view::Format::Text,
        Format::Jsonl => view::Format::Jsonl,
        Format::Html => view::Format::Html,
        Format::Pcapng => view::Format::Pcapng,
        Format::Qlog => view::Format::Qlog,
        Format::Perfetto => view::Format::Perfetto,
    };
    if let Some((result, recorder)) = view::record(world, &mut args.tape()?) {
        let header = Header::simulated(args.seed, args.tier, &result, args.again(world));
        let bytes = view::export(&recorder.finish(header), format);
        std::io::stdout().lock().write_all(&bytes)?;
        return Ok(result.is_ok());
    }
    if format != view::Format::Text {
        return Err("only runs of tier 0 are shown in other forms than text".into());
    }
    let (result, trace) = world.told(&mut args.tape()?);
    trace.lines().for_each(|line| println!("{line}"));
    match result {
        Ok(outcome) => println!("well: hash {:016x}", outcome.hash),
        Err(fault) => {
            println!("{fault}");
            return Ok(false);
        }
    }
    Ok(true)
}

pub(crate) fn shrink(args: &OneArgs) -> Result<bool, Wrong> {
    let world = args.world()?;
    let Some(shrunk) = shrink::shrink(world, &args.tape()?, SHRINK_MAX) else {
        println!("it does not fail");
        return Ok(true);
    };
    let (_, trace) = world.told(&mut shrunk.tape.clone());
    println!("{} events after {} runs:", shrunk.events, shrunk.runs);
    trace.lines().for_each(|line| println!("  {line}"));
    println!("{}\n", shrunk.fault);
    println!(
        "Save the tape as a file FILE, and run it by: sim replay --tier {} --as {world} FILE\n",
        args.tier
    );
    println!("{}", shrunk.tape);
    println!("Or put it into sim/tests/tapes/ as `{world}-NAME.tape`: a test runs what is there.");
    Ok(false)
}
