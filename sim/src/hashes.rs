//! Courses of runs that are kept in a file, so that every build takes the same ones (I-33): with optimisation and
//! without, on this platform and on another.

use std::fmt::{self, Write};

use crate::{
    campaign::World,
    outcome::Fault,
    runner,
    tape::Tape,
    trace::{STEP, Trace},
};

/// Seeds of each world of tier 0 that are kept.
const SEEDS: u64 = 40;
/// How the file is written anew.
const ANEW: &str =
    "cargo run --release -p raddle-sim --bin sim -- hashes --write sim/tests/hashes.txt";

/// The course of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Course {
    world: World,
    seed: u64,
    hash: u64,
    events: u64,
    /// Sixteen bits of the hash after every [`STEP`] events.
    steps: Vec<u16>,
}

impl Course {
    /// Runs `seed` as `world`.
    ///
    /// # Errors
    /// What was wrong in it.
    pub fn run(world: World, seed: u64) -> Result<Self, Fault> {
        let mut trace = Trace::stepping();
        let attempt = |tape: &mut Tape, trace: &mut Trace| world.attempt(tape, trace);
        runner::once(&mut Tape::from_seed(seed), &mut trace, attempt)?;
        Ok(Self {
            world,
            seed,
            hash: trace.hash(),
            events: trace.events(),
            steps: trace.steps().to_vec(),
        })
    }

    fn read(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let world = World::named(words.next()?).ok()?;
        let seed = words.next()?.parse().ok()?;
        let hash = u64::from_str_radix(words.next()?, 16).ok()?;
        let events = words.next()?.parse().ok()?;
        let steps = words.map(|word| u16::from_str_radix(word, 16).ok());
        Some(Self {
            world,
            seed,
            hash,
            events,
            steps: steps.collect::<Option<_>>()?,
        })
    }

    /// How another course of the same seed differs, with what happens where it first does.
    fn differs(&self, now: &Self) -> String {
        let pairs = self.steps.iter().zip(&now.steps);
        let same = pairs.take_while(|(a, b)| a == b).count() as u64 * STEP;
        let mut text = format!(
            "I-33: seed {} as {} takes another course than is kept: {} events and hash {:016x}, kept are {} and \
             {:016x}.\nThe first {same} events are the same. Then come, one of them or the next the first that is not:",
            self.seed, self.world, now.events, now.hash, self.events, self.hash
        );
        let mut trace = Trace::of_events(same..same + STEP);
        let attempt = |tape: &mut Tape, trace: &mut Trace| self.world.attempt(tape, trace);
        // It went well just now.
        let _ = runner::once(&mut Tape::from_seed(self.seed), &mut trace, attempt);
        for line in trace.lines() {
            // A string takes everything.
            let _ = write!(text, "\n  {line}");
        }
        text
    }
}

impl fmt::Display for Course {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {:016x} {}",
            self.world, self.seed, self.hash, self.events
        )?;
        self.steps
            .iter()
            .try_for_each(|step| write!(f, " {step:04x}"))
    }
}

/// The file as this build would write it.
///
/// # Errors
/// What was wrong in one of the runs.
pub fn write() -> Result<String, Fault> {
    let mut text = format!(
        "# Courses of runs: world, seed, hash of all events, events, and sixteen bits of the hash after every {STEP}.\n\
         # Every build has to take them. A change that is meant to alter them writes this file anew:\n# {ANEW}\n"
    );
    for world in World::of_tier(0) {
        for seed in 0..SEEDS {
            // A string takes everything.
            let _ = writeln!(text, "{}", Course::run(world, seed)?);
        }
    }
    Ok(text)
}

/// Takes every course of the file again; answers how many there are.
///
/// # Errors
/// When one is another one now (I-33), where it first differs; when a run fails; when the file is no such file.
pub fn check(file: &str) -> Result<u64, String> {
    let mut courses = 0;
    let (mut first, mut others) = (None, 0_u64);
    for line in file.lines().filter(|line| !line.starts_with('#')) {
        let kept = Course::read(line).ok_or_else(|| format!("no course: `{line}`"))?;
        let now = Course::run(kept.world, kept.seed)
            .map_err(|fault| format!("seed {} as {} fails: {fault}", kept.seed, kept.world))?;
        courses += 1;
        if now != kept {
            others += u64::from(first.is_some());
            first.get_or_insert_with(|| kept.differs(&now));
        }
    }
    match first {
        None if courses > 0 => Ok(courses),
        None => Err("there are no courses in it".to_owned()),
        Some(what) => Err(format!(
            "{what}\n{others} others differ, too, of {courses} in all. If that is what was wanted:\n  {ANEW}"
        )),
    }
}
