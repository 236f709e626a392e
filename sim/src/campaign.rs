//! What a seed runs, and many seeds in a row.

use std::fmt;

#[cfg(feature = "network")]
use crate::net::{self, Pairing};
use crate::{
    mesh::{self, Topology},
    outcome::{Fault, Outcome},
    pair, runner,
    tape::Tape,
    trace::Trace,
};

/// One run of this many is run twice, to see that it takes the same course; and another one, with input in crumbs.
const TWICE_EVERY: u64 = 100;

/// What a run is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Two engines and everything that a transport may do to them; nothing wrong may come of it.
    Safety,
    /// Two engines whose troubles end at some moment, from where everything has to come to its end in time.
    Liveness,
    /// One engine, and a peer that uses every freedom it has, and sometimes breaks a rule.
    Abuse,
    /// Several connections over several servers, and who is not touched by others' troubles.
    Pool,
    /// The same with a proxy in the middle, which forwards bodies and resets.
    Proxy,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Safety,
        Self::Liveness,
        Self::Abuse,
        Self::Pool,
        Self::Proxy,
    ];

    /// The name by which people choose it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Safety => "safety",
            Self::Liveness => "liveness",
            Self::Abuse => "abuse",
            Self::Pool => "pool",
            Self::Proxy => "proxy",
        }
    }
}

/// What a seed or a tape is run as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// Tier 0: engines without a runtime.
    Engines(Profile),
    /// Tier 1: clients and servers over a simulated network.
    #[cfg(feature = "network")]
    Network(Pairing),
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Engines(profile) => f.write_str(profile.name()),
            #[cfg(feature = "network")]
            Self::Network(pairing) => write!(f, "{pairing:?}"),
        }
    }
}

impl World {
    /// Every world of a tier.
    #[must_use]
    pub fn of_tier(tier: u8) -> Vec<Self> {
        match tier {
            0 => Profile::ALL.map(Self::Engines).to_vec(),
            #[cfg(not(feature = "network"))]
            _ => Vec::new(),
            #[cfg(feature = "network")]
            _ => Pairing::ALL.map(Self::Network).to_vec(),
        }
    }

    /// The world of this name, of any tier.
    ///
    /// # Errors
    /// When there is none, with the names that there are.
    pub fn named(name: &str) -> Result<Self, String> {
        let mut all = Self::of_tier(0);
        all.extend(Self::of_tier(1));
        let found = all.iter().find(|world| world.to_string() == name);
        found.copied().ok_or_else(|| {
            let names: Vec<_> = all.iter().map(Self::to_string).collect();
            format!("no world `{name}`; there are {}", names.join(", "))
        })
    }

    /// The tier that it belongs to.
    #[must_use]
    pub fn tier(self) -> u8 {
        match self {
            Self::Engines(_) => 0,
            #[cfg(feature = "network")]
            Self::Network(_) => 1,
        }
    }

    /// Runs one tape.
    ///
    /// # Errors
    /// What was wrong.
    pub fn run(self, tape: &mut Tape) -> Result<Outcome, Fault> {
        runner::run(tape, |tape, trace| self.attempt(tape, trace))
    }

    /// Runs one tape from its beginning, and keeps the text of all that happens.
    pub fn told(self, tape: &mut Tape) -> (Result<Outcome, Fault>, Trace) {
        runner::told(
            tape,
            &|tape: &mut Tape, trace: &mut Trace| self.attempt(tape, trace),
            usize::MAX,
        )
    }

    pub(crate) fn attempt(self, tape: &mut Tape, trace: &mut Trace) -> Result<Outcome, Fault> {
        match self {
            Self::Engines(Profile::Abuse) => crate::stranger::attempt(tape, trace),
            Self::Engines(Profile::Pool) => mesh::attempt(tape, trace, Topology::Pool),
            Self::Engines(Profile::Proxy) => mesh::attempt(tape, trace, Topology::Proxy),
            Self::Engines(profile) => pair::attempt(tape, trace, profile),
            #[cfg(feature = "network")]
            Self::Network(pairing) => net::attempt(tape, trace, pairing),
        }
    }

    /// Runs a seed; some of them twice (I-32, I-05).
    ///
    /// # Errors
    /// What was wrong.
    pub fn run_seed(self, seed: u64) -> Result<Outcome, Fault> {
        let outcome = self.run(&mut Tape::from_seed(seed))?;
        if seed.is_multiple_of(TWICE_EVERY) {
            runner::repeats(&outcome, &mut Tape::from_seed(seed), |tape, trace| {
                self.attempt(tape, trace)
            })?;
        } else if seed % TWICE_EVERY == TWICE_EVERY / 2 && self.tier() == 0 {
            let mut tape = Tape::from_seed(seed);
            runner::repeats_in_crumbs(&outcome, &mut tape, |tape, trace| {
                self.attempt(tape, trace)
            })?;
        }
        Ok(outcome)
    }
}
