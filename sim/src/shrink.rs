//! Makes a tape that fails as simple as it can be.

#![expect(
    clippy::disallowed_methods,
    reason = "how long to search is a matter of patience; what is found is checked by running it"
)]

use std::time::{Duration, Instant};

use crate::{case::Case, outcome::Fault, runner, tape::Tape, trace::Trace};

/// What shrinking came to.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The simplest run found that fails in the same way.
    pub case: Case,
    /// How it fails.
    pub fault: Fault,
    /// Events of the run that was to be shrunk.
    pub before: u64,
    /// Events of its run.
    pub events: u64,
    /// Runs that it took.
    pub runs: u64,
}

/// What a failure is known by: its text without the numbers, which change with the run, but for that of its invariant.
pub(crate) fn kind(fault: &Fault) -> String {
    let text = fault.what.lines().next().unwrap_or_default();
    let (invariant, rest) = match text.split_once(": ") {
        Some((invariant, rest)) if invariant.starts_with("I-") => (invariant, rest),
        _ => ("", text),
    };
    let rest: String = rest.chars().filter(|c| !c.is_ascii_digit()).collect();
    let words: Vec<_> = invariant
        .split(' ')
        .chain(rest.split_whitespace())
        .collect();
    let mut kind = words.join(" ").trim().to_owned();
    kind.truncate(kind.floor_char_boundary(60));
    kind.trim().to_owned()
}

struct Shrinker<'f> {
    fails: &'f dyn Fn(&mut Tape) -> Option<(Fault, u64)>,
    kind: String,
    best: Tape,
    score: (u64, usize, u128),
    fault: Fault,
    until: Instant,
    runs: u64,
}

/// Shrinks `case`, which fails, for at most `time`. `None` when it does not fail.
///
/// # Errors
/// When its fault cannot be switched on.
pub fn shrink(case: &Case, time: Duration) -> Result<Option<Shrunk>, String> {
    let world = case.world;
    let fails = |tape: &mut Tape| {
        let mut trace = Trace::keeping(0);
        let result = runner::once(tape, &mut trace, |tape, trace| world.attempt(tape, trace));
        result.err().map(|fault| (fault, trace.events()))
    };
    let simplest = case.switched(|| shrink_by(&fails, &case.tape, time))?;
    Ok(simplest.map(|simplest| Shrunk {
        case: Case {
            fails: Some(kind(&simplest.fault)),
            tape: simplest.tape,
            ..case.clone()
        },
        fault: simplest.fault,
        before: simplest.before,
        events: simplest.events,
        runs: simplest.runs,
    }))
}

/// What shrinking a tape came to.
#[derive(Clone, Debug)]
pub struct Simplest {
    /// The simplest tape found that fails in the same way.
    pub tape: Tape,
    /// How it fails.
    pub fault: Fault,
    /// Events of the run that was to be shrunk.
    pub before: u64,
    /// Events of its run.
    pub events: u64,
    /// Runs that it took.
    pub runs: u64,
}

/// As [`shrink`], with the failure as a function that answers the fault and the number of events.
#[must_use]
pub fn shrink_by(
    fails: &dyn Fn(&mut Tape) -> Option<(Fault, u64)>,
    tape: &Tape,
    time: Duration,
) -> Option<Simplest> {
    let mut tape = tape.clone();
    tape.rewind();
    tape.record();
    let (fault, events) = fails(&mut tape)?;
    let best = tape.recorded();
    let mut shrinker = Shrinker {
        fails,
        kind: kind(&fault),
        score: score(events, &best),
        best,
        fault,
        until: Instant::now() + time,
        runs: 1,
    };
    while shrinker.pass() {}
    Some(Simplest {
        tape: shrinker.best,
        before: events,
        fault: shrinker.fault,
        events: shrinker.score.0,
        runs: shrinker.runs,
    })
}

/// Fewer events first, then fewer choices that are not calm, then smaller ones.
fn score(events: u64, tape: &Tape) -> (u64, usize, u128) {
    (events, tape.weight(), tape.sum())
}

impl Shrinker<'_> {
    /// Tries every simplification once; answers whether any held.
    fn pass(&mut self) -> bool {
        let before = self.score;
        for lane in 0..self.best.lanes() {
            self.attempt(lane, Vec::new());
            self.cut_spans(lane);
            self.lower_values(lane);
        }
        self.score < before && Instant::now() < self.until
    }

    /// Takes spans out, and sets spans to zero, from long to short.
    fn cut_spans(&mut self, lane: usize) {
        let mut span = self.best.values(lane).len() / 2;
        while span > 0 {
            let mut at = 0;
            while at + span <= self.best.values(lane).len() {
                let values = self.best.values(lane);
                let cut = [&values[..at], &values[at + span..]].concat();
                let mut zeroed = values.to_vec();
                zeroed[at..at + span].fill(0);
                if !self.attempt(lane, cut) && !self.attempt(lane, zeroed) {
                    at += span;
                }
                if Instant::now() > self.until {
                    return;
                }
            }
            span /= 2;
        }
    }

    /// Lowers each choice as far as it goes, by halves.
    fn lower_values(&mut self, lane: usize) {
        let mut at = 0;
        while at < self.best.values(lane).len() {
            let mut low = 0;
            while let Some(&value) = self.best.values(lane).get(at)
                && low < value
                && Instant::now() < self.until
            {
                let middle = low + (value - low) / 2;
                let mut values = self.best.values(lane).to_vec();
                values[at] = middle;
                if !self.attempt(lane, values) {
                    low = middle + 1;
                }
            }
            at += 1;
        }
    }

    /// Takes the change over when the run still fails in the same way and got simpler.
    fn attempt(&mut self, lane: usize, values: Vec<u64>) -> bool {
        if values == self.best.values(lane) || Instant::now() > self.until {
            return false;
        }
        let mut tape = self.best.with_values(lane, values);
        self.runs += 1;
        let Some((fault, events)) = (self.fails)(&mut tape) else {
            return false;
        };
        tape.rewind();
        let score = score(events, &tape);
        if kind(&fault) != self.kind || score >= self.score {
            return false;
        }
        (self.best, self.score, self.fault) = (tape, score, fault);
        true
    }
}
