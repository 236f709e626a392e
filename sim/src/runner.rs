//! One run of any world, so that what fails is told as well as it can be.

use std::{
    cell::Cell,
    io::Write,
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::{
    endless,
    outcome::{Fault, Outcome},
    tape::Tape,
    trace::Trace,
};

/// What a program answers whose output nobody reads: what a shell says where SIGPIPE has ended one.
pub const UNREAD: i32 = 141;

/// Lines of a failure's trace.
const LINES_MAX: usize = 64;

/// Runs `world` without keeping text. When it fails it is run again from the same tape, with its text.
///
/// A panic of the engine is a failure of the run like any other (I-28).
///
/// # Errors
/// What was wrong, with the end of the trace.
pub fn run(
    tape: &mut Tape,
    world: impl Fn(&mut Tape, &mut Trace) -> Result<Outcome, Fault>,
) -> Result<Outcome, Fault> {
    let mut trace = Trace::keeping(0);
    let first = match guarded(tape, &mut trace, &world) {
        Ok(outcome) => return Ok(outcome),
        Err(fault) => fault,
    };
    let (again, trace) = told(tape, &world, LINES_MAX);
    let mut fault = first.with_trace(&trace);
    // I-32: the same tape gives the same run.
    if again.err().is_none_or(|again| again.what != fault.what) {
        fault.what = format!(
            "I-32: took another course when it was run again. First: {}",
            fault.what
        );
    }
    Err(fault)
}

/// Runs `world` from the beginning of `tape`, and keeps up to `lines_max` lines of what happens.
pub fn told(
    tape: &mut Tape,
    world: &impl Fn(&mut Tape, &mut Trace) -> Result<Outcome, Fault>,
    lines_max: usize,
) -> (Result<Outcome, Fault>, Trace) {
    tape.rewind();
    let mut trace = Trace::keeping(lines_max);
    let result = guarded(tape, &mut trace, world);
    (result, trace)
}

/// Runs `world` once more, from a tape that has not been drawn from, and compares (I-32).
///
/// # Errors
/// When the course is another one, with the first event that differs.
pub fn repeats(
    first: &Outcome,
    tape: &mut Tape,
    world: impl Fn(&mut Tape, &mut Trace) -> Result<Outcome, Fault>,
) -> Result<(), Fault> {
    let mut same = tape.clone();
    let what = "I-32: the same tape takes another course";
    same_course(first, [tape, &mut same], what, world)
}

/// Runs `world` once more from a fresh `tape`, with engines that read what arrives in crumbs, and compares (I-05).
///
/// # Errors
/// When the course is another one, with the first event that differs.
pub fn repeats_in_crumbs(
    first: &Outcome,
    tape: &mut Tape,
    world: impl Fn(&mut Tape, &mut Trace) -> Result<Outcome, Fault>,
) -> Result<(), Fault> {
    let mut crumbs = tape.clone().in_crumbs();
    let what = "I-05: cut in other pieces, the same bytes take another course";
    same_course(first, [tape, &mut crumbs], what, world)
}

fn same_course(
    first: &Outcome,
    [tape, other]: [&mut Tape; 2],
    what: &str,
    world: impl Fn(&mut Tape, &mut Trace) -> Result<Outcome, Fault>,
) -> Result<(), Fault> {
    let again = guarded(other, &mut Trace::keeping(0), &world);
    if again.as_ref().is_ok_and(|again| again.hash == first.hash) {
        return Ok(());
    }
    let (_, one) = told(tape, &world, usize::MAX);
    let (result, other) = told(other, &world, usize::MAX);
    let differs = one.lines().zip(other.lines()).position(|(a, b)| a != b);
    let mut text = match differs {
        Some(at) => {
            let line = |trace: &Trace| trace.lines().nth(at).unwrap_or_default().to_owned();
            format!(
                "event {at} is first `{}`, then `{}`",
                line(&one),
                line(&other)
            )
        }
        None => "but its text, when kept, is the same".to_owned(),
    };
    if let Err(fault) = result {
        text += &format!("; and it fails: {}", fault.what);
    }
    Err(Fault::run(format!("{what}: {text}")))
}

thread_local! {
    /// Whether this thread is in the middle of a run.
    static RUNS: Cell<bool> = const { Cell::new(false) };
}

/// Keeps panics of a run from being printed where they happen: they are told with it. Others are faults of a program, which
/// says so in one line, and ends without a word when nobody reads what it prints any more.
pub fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        if RUNS.get() {
            return;
        }
        let text = panic.payload_as_str().unwrap_or_default();
        if text.starts_with("failed printing to stdout") {
            std::process::exit(UNREAD);
        }
        let _ = writeln!(std::io::stderr(), "{panic}");
    }));
}

/// One run of `world` from where `tape` stands; a panic is a fault.
///
/// # Errors
/// What was wrong.
pub fn once(
    tape: &mut Tape,
    trace: &mut Trace,
    world: impl Fn(&mut Tape, &mut Trace) -> Result<Outcome, Fault>,
) -> Result<Outcome, Fault> {
    guarded(tape, trace, &world)
}

fn guarded(
    tape: &mut Tape,
    trace: &mut Trace,
    world: &impl Fn(&mut Tape, &mut Trace) -> Result<Outcome, Fault>,
) -> Result<Outcome, Fault> {
    let before = RUNS.replace(true);
    let ended = catch_unwind(AssertUnwindSafe(|| world(tape, trace)));
    RUNS.set(before);
    if let Some(fault) = endless::stopped() {
        return Err(fault);
    }
    ended.unwrap_or_else(|panic| {
        let what = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        Err(Fault::run(format!(
            "I-28: panic: {}",
            what.unwrap_or("of no text")
        )))
    })
}
