//! What happened, as a chain of hashes and the last lines of text.

use std::{collections::VecDeque, fmt};

/// Lines kept for a failure's report.
const TAIL_MAX: usize = 64;
/// FNV-1a, 64 bits: the offset basis and the prime.
const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// The record of a run. Each event's hash includes those of all before it, so that two runs whose hashes are equal
/// took the same course.
#[derive(Clone, Debug)]
pub struct Trace {
    hash: u64,
    events: u64,
    tail: VecDeque<String>,
}

impl Default for Trace {
    fn default() -> Self {
        Self {
            hash: BASIS,
            events: 0,
            tail: VecDeque::new(),
        }
    }
}

impl Trace {
    /// Adds an event by its text.
    pub fn push(&mut self, text: impl Into<String>) {
        let text = text.into();
        self.mix(text.as_bytes());
        if self.tail.len() == TAIL_MAX {
            self.tail.pop_front();
        }
        self.tail.push_back(text);
    }

    /// Adds an event by bytes that make no text; the report shows how many.
    pub fn push_bytes(&mut self, bytes: &[u8]) {
        self.mix(bytes);
        self.push(format!("{} bytes", bytes.len()));
    }

    /// The hash of everything so far.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The number of events so far.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    fn mix(&mut self, bytes: &[u8]) {
        // The length goes in too: "ab" and "c" are not "a" and "bc".
        for byte in bytes.iter().copied().chain(bytes.len().to_le_bytes()) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(PRIME);
        }
        self.events += 1;
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} events, hash {:016x}; the last of them:",
            self.events, self.hash
        )?;
        self.tail
            .iter()
            .try_for_each(|line| writeln!(f, "  {line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(events: &[&str]) -> u64 {
        let mut trace = Trace::default();
        for event in events {
            trace.push(*event);
        }
        trace.hash()
    }

    #[test]
    fn the_hash_depends_on_every_event_and_on_their_order() {
        assert_eq!(hash(&["a", "b"]), hash(&["a", "b"]));
        assert_ne!(hash(&["a", "b"]), hash(&["b", "a"]));
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
        assert_ne!(hash(&["a"]), hash(&["a", ""]));
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut trace = Trace::default();
        for n in 0..100 {
            trace.push(format!("event {n};"));
        }
        let text = trace.to_string();
        assert_eq!(trace.events(), 100);
        assert!(text.contains("event 99;") && text.contains("event 36;"));
        assert!(!text.contains("event 35;"));
    }
}
