//! The races that have to be met: two things that happen in either order, or at once.
//!
//! Each that simulation can make has a mark, which is hit when it comes to pass. A campaign has to hit them all: one that
//! is never hit says that the simulation tests less than it seems to. The others name the tests that make them.

mod table;

use crate::outcome::Marks;

/// Who makes a race.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Tier 0, which hits this mark.
    Engines(&'static str),
    /// Tier 1, which hits this mark.
    Network(&'static str),
    /// The script of its number in `tests/tests/races`.
    Script,
    /// The test of this file and name.
    Test(&'static str, &'static str),
}

/// A race, and what stands for it.
#[derive(Clone, Copy, Debug)]
pub struct Race {
    /// Its short name.
    pub id: &'static str,
    /// What happens at once.
    pub what: &'static str,
    /// Who makes it: each of these.
    pub by: &'static [By],
}

/// All of them.
pub const ALL: &[Race] = &table::ALL;

impl By {
    /// The mark that runs of `tier` hit.
    #[must_use]
    pub fn mark(self, tier: u8) -> Option<&'static str> {
        match (self, tier) {
            (Self::Engines(mark), 0) | (Self::Network(mark), 1) => Some(mark),
            _ => None,
        }
    }

    fn place(self, id: &str) -> String {
        match self {
            Self::Engines(_) => "tier 0".to_owned(),
            Self::Network(_) => "tier 1".to_owned(),
            Self::Script => format!("tests/tests/races, {}_*", id.to_lowercase()),
            Self::Test(file, name) => format!("{file}, {name}"),
        }
    }
}

impl Race {
    /// How often it came to pass in runs of `tier`; `None` when that is not where it is made.
    #[must_use]
    pub fn hits(&self, tier: u8, marks: &Marks) -> Option<u64> {
        match self.by.iter().find_map(|by| by.mark(tier)) {
            Some(mark) => Some(marks.count(mark)),
            // The letter of a race is also its mark, wherever it is seen.
            None => Some(marks.count(self.id)).filter(|&count| count > 0),
        }
    }

    /// Where it is made.
    #[must_use]
    pub fn place(&self) -> String {
        let places: Vec<_> = self.by.iter().map(|by| by.place(self.id)).collect();
        places.join("; ")
    }
}

/// The races that a tier has to hit.
#[must_use]
pub fn of_tier(tier: u8) -> Vec<Race> {
    let belongs = |race: &&Race| race.by.iter().any(|by| by.mark(tier).is_some());
    ALL.iter().filter(belongs).copied().collect()
}
