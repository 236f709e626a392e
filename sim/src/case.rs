//! A run as it is kept: what it runs as, the fault that is switched on, and the tape.

use std::{fmt, str::FromStr};

use crate::{
    campaign::World,
    outcome::{Fault, Outcome},
    shrink::kind,
    tape::Tape,
};

/// A run as text: that of its tape, with up to three lines behind the title, and with lines for people that begin
/// with `#`.
///
/// ```text
/// raddle tape 1
/// # a body is dropped while it arrives
/// world safety
/// planted DiscardUncredited
/// fails I-10: Client has bytes of credit out
/// main: 4 0 1
/// ```
#[derive(Clone, Debug)]
pub struct Case {
    /// What it is run as.
    pub world: World,
    /// The fault of the engine that is switched on, by its name.
    pub planted: Option<String>,
    /// How it fails with that fault: a beginning of what is said, without the numbers.
    pub fails: Option<String>,
    /// Its choices.
    pub tape: Tape,
}

impl Case {
    /// A case without a fault that is switched on.
    #[must_use]
    pub fn new(world: World, tape: Tape) -> Self {
        Self {
            world,
            planted: None,
            fails: None,
            tape,
        }
    }

    /// Runs it, with its fault switched on.
    ///
    /// # Errors
    /// What was wrong, or that this build has no faults to switch on.
    pub fn run(&self) -> Result<Outcome, Fault> {
        self.switched(|| self.world.run(&mut self.tape.clone()))
            .unwrap_or_else(|what| Err(Fault::run(what)))
    }

    /// Does `act` with its fault switched on.
    ///
    /// # Errors
    /// When no fault has that name, or this build has none.
    pub fn switched<T>(&self, act: impl FnOnce() -> T) -> Result<T, String> {
        switched(self.planted.as_deref(), act)
    }

    /// As a regression: without its fault it has to go well. Where faults can be switched on it has to fail with its
    /// fault as it once did: a tape that no longer leads there tests nothing.
    ///
    /// # Errors
    /// What does not hold.
    pub fn kept(&self) -> Result<(), String> {
        let sound = self.world.run(&mut self.tape.clone());
        sound.map_err(|fault| format!("failed once, and fails again: {fault}"))?;
        if self.planted.is_none() || !CAN_PLANT {
            return Ok(());
        }
        let again = "Write it anew: sim shrink --planted NAME";
        let fault = self.run().err();
        let fault = fault.ok_or_else(|| format!("its fault is not found any more. {again}"))?;
        let (kind, wanted) = (kind(&fault), self.fails.as_deref().unwrap_or_default());
        // In a build with assertions, one of them may be the first to see it.
        let asserted = cfg!(debug_assertions) && kind.starts_with("I-28 panic");
        if kind.starts_with(wanted) || asserted {
            return Ok(());
        }
        Err(format!("fails by `{kind}`, not by `{wanted}`. {again}"))
    }

    /// As [`kept`](Self::kept), for a test.
    ///
    /// # Panics
    /// When it does not hold.
    pub fn assert_kept(&self) {
        if let Err(what) = self.kept() {
            panic!("{what}\n{self}");
        }
    }

    /// A test that can be pasted.
    #[must_use]
    pub fn as_test(&self, name: &str) -> String {
        format!(
            "#[test]\nfn {name}() {{\n    let case: raddle_sim::case::Case = r#\"\n{self}\"#\n    .parse()\n    \
             .expect(\"it is a case\");\n    case.assert_kept();\n}}\n"
        )
    }
}

/// Whether faults of the engine can be switched on in this build.
pub const CAN_PLANT: bool = cfg!(feature = "planted");

/// Does `act` with the fault of this name switched on in every engine that is made in this thread.
///
/// # Errors
/// When no fault has that name, or this build has none.
#[cfg(feature = "planted")]
pub fn switched<T>(name: Option<&str>, act: impl FnOnce() -> T) -> Result<T, String> {
    let Some(name) = name else {
        return Ok(act());
    };
    let mut all = raddle_core::Planted::ALL.iter();
    let found = all.find(|planted| format!("{planted:?}") == name);
    let found = found.ok_or_else(|| format!("no fault is called `{name}`"))?;
    Ok(crate::mutants::with(Some(*found), act))
}

/// Does `act` with the fault of this name switched on in every engine that is made in this thread.
///
/// # Errors
/// When a fault is named: this build has none.
#[cfg(not(feature = "planted"))]
pub fn switched<T>(name: Option<&str>, act: impl FnOnce() -> T) -> Result<T, String> {
    match name {
        None => Ok(act()),
        Some(name) => Err(format!(
            "to switch on `{name}`, build it with `--features planted`"
        )),
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tape = self.tape.to_string();
        let (title, lanes) = tape.split_once('\n').unwrap_or((&tape, ""));
        writeln!(f, "{title}\nworld {}", self.world)?;
        if let Some(planted) = &self.planted {
            writeln!(f, "planted {planted}")?;
        }
        if let Some(fails) = &self.fails {
            writeln!(f, "fails {fails}")?;
        }
        f.write_str(lanes)
    }
}

impl FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut case = Self::new(World::of_tier(0)[0], Tape::from_seed(0));
        let mut tape = String::new();
        let mut world = None;
        for line in text.lines().map(str::trim) {
            match line.split_once(' ') {
                Some(("world", name)) => world = Some(World::named(name)?),
                Some(("planted", name)) => case.planted = Some(name.to_owned()),
                Some(("fails", kind)) => case.fails = Some(kind.to_owned()),
                _ if line.starts_with('#') => {}
                _ => tape = tape + line + "\n",
            }
        }
        case.world = world.ok_or("a line `world NAME` is missing")?;
        case.tape = tape.parse()?;
        Ok(case)
    }
}
