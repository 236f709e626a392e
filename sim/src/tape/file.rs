//! Tapes as text, and the moves by which a tape is made simpler.

use std::{fmt, str::FromStr};

use super::{Generator, Lane, NOWHERE, PLACES, Source, Tape};

/// The first line of the text.
const TITLE: &str = "raddle tape 1";

/// A line with the title, then one line for each lane: its name, a colon, and its choices as decimal numbers.
impl fmt::Display for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{TITLE}")?;
        for lane in &self.lanes {
            let len = significant(&lane.values);
            if len > 0 {
                write!(f, "{}:", lane.name)?;
                for value in &lane.values[..len] {
                    write!(f, " {value}")?;
                }
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

impl FromStr for Tape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        if lines.next() != Some(TITLE) {
            return Err(format!("not a tape: its first line is not `{TITLE}`"));
        }
        let mut tape = Tape::new(Source::Saved);
        for line in lines {
            let (name, values) = line
                .split_once(':')
                .ok_or_else(|| format!("not a lane: `{line}`"))?;
            let values = values
                .split_whitespace()
                .map(|value| {
                    value
                        .parse()
                        .map_err(|_| format!("not a choice: `{value}`"))
                })
                .collect::<Result<Vec<u64>, String>>()?;
            tape.lanes.retain(|lane| *lane.name != *name);
            tape.lanes.push(Lane {
                name: name.to_owned().into(),
                generator: Generator::Mix(0),
                values,
                at: 0,
            });
        }
        // Lanes may have moved.
        tape.places = [NOWHERE; PLACES];
        Ok(tape)
    }
}

/// How many values there are before those that are zero anyway.
fn significant(values: &[u64]) -> usize {
    values
        .iter()
        .rposition(|&value| value != 0)
        .map_or(0, |at| at + 1)
}

/// What shrinking needs: a recorded tape as rows of numbers.
impl Tape {
    /// How many lanes there are.
    #[must_use]
    pub fn lanes(&self) -> usize {
        self.lanes.len()
    }

    /// The recorded choices of a lane.
    #[must_use]
    pub fn values(&self, lane: usize) -> &[u64] {
        let values = &self.lanes[lane].values;
        &values[..significant(values)]
    }

    /// The same with other choices in one lane, from its beginning.
    #[must_use]
    pub fn with_values(&self, lane: usize, values: Vec<u64>) -> Self {
        let mut tape = self.recorded();
        tape.lanes[lane].values = values;
        tape
    }

    /// All choices added up.
    #[must_use]
    pub fn sum(&self) -> u128 {
        let values = self.lanes.iter().flat_map(|lane| &lane.values);
        values.map(|&value| u128::from(value)).sum()
    }

    /// Choices that are not zero: the measure of how simple a tape is.
    #[must_use]
    pub fn weight(&self) -> usize {
        let values = self.lanes.iter().flat_map(|lane| &lane.values);
        values.filter(|&&value| value != 0).count()
    }
}
