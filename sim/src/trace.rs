//! What happened, as a chain of hashes and the last lines of text.

use std::{
    collections::VecDeque,
    fmt::{self, Write},
    hash::{Hash, Hasher},
    ops::Range,
};

use crate::{endless, view::Recorder};

/// Lines kept for a failure's report.
const TAIL_MAX: usize = 64;
/// Events between two looks at the hash, where they are wanted.
pub(crate) const STEP: u64 = 32;
/// Events after which a run has no end. Long ones have thousands.
const EVENTS_MAX: u64 = 2_000_000;
/// FNV-1a, 64 bits: the offset basis and the prime.
const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;
/// An odd number whose bits are spread evenly: 2^64 by the golden ratio.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The record of a run. Each event's hash includes those of all before it, so that two runs whose hashes are equal
/// took the same course.
#[derive(Clone, Debug)]
pub struct Trace {
    hash: u64,
    events: u64,
    /// Lines of text that are kept, at most; 0 while only the hash is wanted.
    lines_max: usize,
    tail: VecDeque<String>,
    /// The events whose lines are kept.
    kept: Range<u64>,
    /// Sixteen bits of the hash after every [`STEP`] events, when they are wanted.
    steps: Option<Vec<u16>>,
    /// What the run leaves in and leaves out, when anybody is to read it.
    options: Option<String>,
    /// Where a picture of the run is made, when one is asked for.
    pub(crate) recorder: Option<Box<Recorder>>,
}

impl Default for Trace {
    fn default() -> Self {
        Self {
            hash: BASIS,
            events: 0,
            lines_max: TAIL_MAX,
            tail: VecDeque::new(),
            kept: 0..u64::MAX,
            steps: None,
            options: None,
            recorder: None,
        }
    }
}

impl Trace {
    /// A trace that keeps the last `lines_max` lines. Without lines it costs next to nothing; the hash is the same.
    #[must_use]
    pub fn keeping(lines_max: usize) -> Self {
        Self {
            lines_max,
            ..Self::default()
        }
    }

    /// A trace that keeps every line of these events, counted from 0, and of no others.
    pub(crate) fn of_events(kept: Range<u64>) -> Self {
        Self {
            kept,
            ..Self::keeping(usize::MAX)
        }
    }

    /// A trace without lines that looks at its hash after every [`STEP`] events.
    pub(crate) fn stepping() -> Self {
        Self {
            steps: Some(Vec::new()),
            ..Self::keeping(0)
        }
    }

    /// What those looks have seen.
    pub(crate) fn steps(&self) -> &[u16] {
        self.steps.as_deref().unwrap_or_default()
    }

    /// A trace of another run that keeps as many lines as this one.
    #[must_use]
    pub fn another(&self) -> Self {
        Self::keeping(self.lines_max)
    }

    /// Adds an event by what it is made of. Its text is made only when somebody keeps it.
    pub(crate) fn log(&mut self, mix: Mix, text: fmt::Arguments<'_>) {
        if self.lines_max > 0 {
            self.keep(text.to_string());
        }
        self.hash = Mix(self.hash).with(&mix.0).0;
        self.step();
    }

    /// Adds an event by its text.
    pub fn note(&mut self, text: fmt::Arguments<'_>) {
        self.log(Mix::of("").with(&Said(text)), text);
    }

    fn step(&mut self) {
        self.events += 1;
        if self.events > EVENTS_MAX {
            endless::stop("events");
        }
        if self.events.is_multiple_of(STEP)
            && let Some(steps) = &mut self.steps
        {
            steps.push(self.hash as u16);
        }
    }

    /// Tells what the run leaves in and leaves out, which is no event: it stands before the lines, however many of them
    /// are kept, and at the beginning of a recording.
    pub fn tell_options(&mut self, text: impl FnOnce() -> String) {
        if self.lines_max == 0 && self.recorder.is_none() {
            return;
        }
        let text = text();
        if let Some(recorder) = &mut self.recorder {
            recorder.app(0, None, None, None, &format!("options: {text}"));
        }
        self.options = Some(text);
    }

    /// What the run leaves in and leaves out, if it was told.
    #[must_use]
    pub fn options(&self) -> Option<&str> {
        self.options.as_deref()
    }

    /// Adds a line that is no event: it is not part of the hash.
    pub fn comment(&mut self, text: impl FnOnce() -> String) {
        if self.lines_max > 0 {
            self.keep(text());
        }
    }

    fn keep(&mut self, text: String) {
        if !self.kept.contains(&self.events) {
            return;
        }
        if self.tail.len() == self.lines_max {
            self.tail.pop_front();
        }
        self.tail.push_back(text);
    }

    /// The lines that were kept.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.tail.iter().map(String::as_str)
    }

    /// Adds an event by its text.
    pub fn push(&mut self, text: impl Into<String>) {
        self.note(format_args!("{}", text.into()));
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
}

/// Writes an event down in a trace, or in what has one: its words as a literal, with a place for each of the values that
/// follow. The values are mixed into the hash as they are ([`Hash`]), and become text only where somebody keeps text.
macro_rules! note {
    ($to:expr, $words:literal $(, $value:expr)* $(,)?) => {{
        let mix = const { $crate::trace::Mix::of($words) }$(.with(&$value))*;
        $to.log(mix, format_args!($words $(, $value)*));
    }};
}
pub(crate) use note;

/// The hash of one event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mix(u64);

impl Mix {
    /// That of an event of these words: FNV-1a.
    pub(crate) const fn of(words: &str) -> Self {
        let (bytes, mut at, mut hash) = (words.as_bytes(), 0, BASIS);
        while at < bytes.len() {
            hash = (hash ^ bytes[at] as u64).wrapping_mul(PRIME);
            at += 1;
        }
        Self(hash)
    }

    /// The same with another value behind it.
    pub(crate) fn with(mut self, value: &(impl Hash + ?Sized)) -> Self {
        value.hash(&mut self);
        self
    }
}

/// Every build and every platform gives the same: numbers of any size count as words of 64 bits.
impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(value.into());
    }

    fn write_u16(&mut self, value: u16) {
        self.write_u64(value.into());
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(value.into());
    }

    fn write_u64(&mut self, word: u64) {
        // A high bit does not reach the low half of a product, of which a course keeps a part: the high half is put in.
        let product = (self.0 ^ word).wrapping_mul(ODD);
        self.0 = product ^ (product >> 32);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn write_isize(&mut self, value: isize) {
        self.write_u64(value as u64);
    }
}

/// Something that counts by its text, because it comes seldom or has too many parts.
pub(crate) struct Said<T>(pub(crate) T);

impl<T: fmt::Debug> Hash for Said<T> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        struct Letters<'h, H>(&'h mut H);
        impl<H: Hasher> fmt::Write for Letters<'_, H> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                // One by one, because nobody promises in which parts a text is made.
                text.bytes().for_each(|byte| self.0.write_u8(byte));
                Ok(())
            }
        }
        // It takes everything.
        let _ = write!(Letters(hasher), "{:?}", self.0);
    }
}

impl<T: fmt::Debug> fmt::Debug for Said<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: fmt::Display> fmt::Display for Said<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(options) = &self.options {
            writeln!(f, "options: {options}")?;
        }
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

    #[test]
    fn options_stand_before_the_lines_however_many_there_are() {
        let mut trace = Trace::default();
        trace.tell_options(|| "no trailers".to_owned());
        let hash = trace.hash();
        assert_eq!((hash, trace.events()), (hash_of_nothing(), 0));
        (0..1_000).for_each(|n| trace.push(format!("event {n};")));
        assert!(trace.to_string().starts_with("options: no trailers\n"));
        // Nobody asks for the text of a run of which nothing is kept.
        Trace::keeping(0).tell_options(|| unreachable!());
    }

    fn hash_of_nothing() -> u64 {
        hash(&[])
    }
}
