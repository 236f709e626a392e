//! How a run ends that would go on for ever and has nobody to whom it could answer with a fault: in the middle of what it
//! writes down, or in a socket. It counts, and looks at no clock, so that it ends at the same event each time.

use std::cell::Cell;

use crate::outcome::Fault;

thread_local! {
    static TOO_MANY: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Ends the run that this thread is at.
///
/// # Panics
/// Always: that is how it ends.
pub(crate) fn stop(too_many: &'static str) -> ! {
    TOO_MANY.set(Some(too_many));
    panic!("no end: too many {too_many}");
}

/// The fault of a run that was ended so.
pub(crate) fn stopped() -> Option<Fault> {
    let too_many = TOO_MANY.take()?;
    Some(Fault::run(format!("I-21: no end: too many {too_many}")))
}

#[cfg(test)]
mod tests {
    use crate::{runner, tape::Tape, trace::Trace};

    #[test]
    fn a_run_that_goes_on_for_ever_fails_and_repeats() {
        let world = |_: &mut Tape, trace: &mut Trace| {
            loop {
                trace.push("round and round");
            }
        };
        let fault = runner::run(&mut Tape::from_seed(1), world).expect_err("it never ends");
        assert!(
            fault.what.starts_with("I-21: no end: too many events"),
            "{fault}"
        );
        assert!(fault.trace.contains("round and round"), "{fault}");
    }
}
