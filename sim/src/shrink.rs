//! Makes a tape that fails as simple as it can be.

use std::time::{Duration, Instant};

use crate::{campaign::World, outcome::Fault, runner, tape::Tape, trace::Trace};

/// What shrinking came to.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The simplest tape found that fails in the same way.
    pub tape: Tape,
    /// How it fails.
    pub fault: Fault,
    /// Events of its run.
    pub events: u64,
    /// Runs that it took.
    pub runs: u64,
}

/// What a failure is known by: its text without the numbers, which change with the run.
fn kind(fault: &Fault) -> String {
    let text = fault.what.lines().next().unwrap_or_default();
    let mut kind: String = text.chars().filter(|c| !c.is_ascii_digit()).collect();
    kind.truncate(kind.floor_char_boundary(60));
    kind
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

/// Shrinks `tape`, which fails in `world`, for at most `time`. `None` when it does not fail.
#[must_use]
pub fn shrink(world: World, tape: &Tape, time: Duration) -> Option<Shrunk> {
    let fails = |tape: &mut Tape| {
        let mut trace = Trace::keeping(0);
        let result = runner::once(tape, &mut trace, |tape, trace| world.attempt(tape, trace));
        result.err().map(|fault| (fault, trace.events()))
    };
    shrink_by(&fails, tape, time)
}

/// As [`shrink`], with the failure as a function that answers the fault and the number of events.
#[must_use]
pub fn shrink_by(
    fails: &dyn Fn(&mut Tape) -> Option<(Fault, u64)>,
    tape: &Tape,
    time: Duration,
) -> Option<Shrunk> {
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
    Some(Shrunk {
        tape: shrinker.best,
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
