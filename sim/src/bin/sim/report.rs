//! One run: again, or in full.

use std::io::Write;

use raddle_sim::{
    case::Case,
    view::{self, Header},
};

use crate::{Format, OneArgs, TraceArgs, Wrong};

pub(crate) fn replay(args: &OneArgs) -> Result<bool, Wrong> {
    match args.case()?.run() {
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
    std::io::stdout().lock().write_all(&bytes)?;
    Ok(result.is_ok())
}
