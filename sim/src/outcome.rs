//! What a run was: its counts when it went well, the fault when it did not.

use std::{collections::BTreeMap, fmt};

use crate::{oracle::Ends, trace::Trace};

/// A run in which nothing was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The hash of its trace.
    pub hash: u64,
    /// The number of events in its trace.
    pub events: u64,
    /// How its requests ended.
    pub ends: Ends,
    /// How often each thing happened that ought to happen in some run.
    pub marks: Marks,
}

/// Counts of things that ought to happen sometimes. A simulation in which they never do tests less than it seems to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks(BTreeMap<&'static str, u64>);

impl Marks {
    /// Counts one more of `mark`.
    pub fn hit(&mut self, mark: &'static str) {
        *self.0.entry(mark).or_default() += 1;
    }

    /// Counts so many more of `mark`.
    pub fn add_to(&mut self, mark: &'static str, count: u64) {
        *self.0.entry(mark).or_default() += count;
    }

    /// How often `mark` was hit.
    #[must_use]
    pub fn count(&self, mark: &str) -> u64 {
        self.0.get(mark).copied().unwrap_or_default()
    }

    /// Adds the counts of another run.
    pub fn add(&mut self, other: &Self) {
        for (mark, count) in &other.0 {
            *self.0.entry(mark).or_default() += count;
        }
    }
}

/// Something that must not happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The number of the request with which it happened, when it was one request's matter.
    pub request: Option<u64>,
    /// What happened, and what should have.
    pub what: String,
    /// The end of the trace, when the run has added it.
    pub trace: String,
}

impl Fault {
    /// A fault of one request.
    #[must_use]
    pub fn of(request: u64, what: impl Into<String>) -> Self {
        Self {
            request: Some(request),
            what: what.into(),
            trace: String::new(),
        }
    }

    /// A fault of the whole run.
    #[must_use]
    pub fn run(what: impl Into<String>) -> Self {
        Self {
            request: None,
            what: what.into(),
            trace: String::new(),
        }
    }

    /// The same with the end of `trace`, for the reader of a failure.
    #[must_use]
    pub fn with_trace(mut self, trace: &Trace) -> Self {
        self.trace = trace.to_string();
        self
    }
}

impl Marks {
    /// All marks that were hit, by name, with how often.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(&mark, &count)| (mark, count))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(request) = self.request {
            write!(f, "request #{request}: ")?;
        }
        f.write_str(&self.what)?;
        if !self.trace.is_empty() {
            write!(f, "\n{}", self.trace)?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}
