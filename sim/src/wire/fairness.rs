//! Whose turn it is to send DATA (I-24), from what the applications gave and from the windows alone.
//!
//! Who has bytes to send and a window to send them in waits for a turn. The most urgent go first (RFC 9218 §4.1); equals
//! go in the order in which they came, a turn of bytes each, and then to the back. So nobody waits longer than one turn
//! of each of those that were there before.

use std::fmt;

use super::observer::wrong;
use crate::outcome::Fault;

/// Bytes of a turn: of a message that may come in parts, and of one whose sender has asked for it in one piece.
const TURN: [u64; 2] = [16_384, 65_536];

/// What a sender asked for, as RFC 9218 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Urgency {
    pub(crate) level: u8,
    /// It was said that its parts are of no use alone.
    pub(crate) whole: bool,
}

impl Default for Urgency {
    fn default() -> Self {
        Self {
            level: 3,
            whole: false,
        }
    }
}

impl Urgency {
    /// Reads the text of the parameters, as far as simulations write it.
    pub(crate) fn parse(text: &[u8]) -> Self {
        let mut urgency = Self {
            whole: true,
            ..Self::default()
        };
        for part in text.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            match part {
                [b'u', b'=', level @ b'0'..=b'7'] => urgency.level = level - b'0',
                b"i" => urgency.whole = false,
                _ => {}
            }
        }
        urgency
    }
}

impl fmt::Display for Urgency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "u={}", self.level)?;
        f.write_str(if self.whole { "" } else { ", i" })
    }
}

/// A stream that could send.
#[derive(Debug)]
struct Waiter {
    stream: u32,
    urgency: Urgency,
    /// When it came to be able to.
    joined: u64,
    /// When it came, or was served last.
    since: u64,
    /// A change of all windows at once has let it go on, or may have moved its place: it is judged from its next turn on.
    loose: bool,
    /// Bytes that others have sent since.
    passed: Vec<(u32, u64)>,
}

/// All that wait for a turn.
#[derive(Debug, Default)]
pub(crate) struct Fairness {
    waiters: Vec<Waiter>,
    /// Outputs so far. What comes between two of them comes at once.
    now: u64,
    /// Turns that somebody else has had while another waited, which a run may be proud of.
    pub(crate) crowded: u64,
}

impl Fairness {
    /// How many wait for a turn.
    pub(crate) fn waiting(&self) -> usize {
        self.waiters.len()
    }

    /// The engine is asked for output.
    pub(crate) fn tick(&mut self) {
        self.now += 1;
    }

    /// `stream` can send, or cannot.
    pub(crate) fn set(&mut self, stream: u32, can: bool, loose: bool, urgency: Urgency) {
        let found = self.waiters.iter().position(|w| w.stream == stream);
        match (found, can) {
            (Some(at), false) => {
                self.waiters.remove(at);
                self.forget(stream);
            }
            (Some(at), true) => {
                let waiter = &mut self.waiters[at];
                let before = std::mem::replace(&mut waiter.urgency, urgency);
                if before.level != urgency.level {
                    // To the back of another line.
                    (waiter.joined, waiter.since) = (self.now, self.now);
                    waiter.passed.clear();
                }
                if before != urgency {
                    self.forget(stream);
                }
            }
            (None, true) => self.waiters.push(Waiter {
                stream,
                urgency,
                joined: self.now,
                since: self.now,
                loose,
                passed: Vec::new(),
            }),
            (None, false) => {}
        }
    }

    /// Who leaves the line comes back behind everybody, for a turn of its own.
    fn forget(&mut self, stream: u32) {
        for waiter in &mut self.waiters {
            waiter.passed.retain(|&(passed, _)| passed != stream);
        }
    }

    /// All windows have moved at once: who comes first is not known until each has been served.
    pub(crate) fn loosen(&mut self) {
        for waiter in &mut self.waiters {
            waiter.loose = true;
            waiter.passed.clear();
        }
    }

    /// `stream` sends `len` bytes.
    pub(crate) fn serve(&mut self, stream: u32, len: u64) -> Result<(), Fault> {
        let now = self.now;
        let served = self.waiters.iter_mut().find(|w| w.stream == stream);
        let Some(served) = served else {
            return Ok(());
        };
        let (urgency, loose, joined) = (served.urgency, served.loose, served.joined);
        (served.since, served.loose) = (now, false);
        served.passed.clear();
        let turn = TURN[usize::from(urgency.whole)];
        for waiter in self.waiters.iter_mut() {
            if waiter.stream == stream || waiter.loose || waiter.urgency.level > urgency.level {
                continue;
            }
            let id = waiter.stream;
            if waiter.urgency.level < urgency.level {
                return Err(wrong(format!(
                    "I-24: stream {stream} of urgency {} goes before stream {id} of urgency {}",
                    urgency.level, waiter.urgency.level
                )));
            }
            if joined > waiter.since && !loose {
                return Err(wrong(format!(
                    "I-24: stream {stream} goes before stream {id}, which was there before it"
                )));
            }
            self.crowded += 1;
            let at = waiter.passed.iter().position(|&(id, _)| id == stream);
            let at = at.unwrap_or_else(|| {
                waiter.passed.push((stream, 0));
                waiter.passed.len() - 1
            });
            waiter.passed[at].1 += len;
            if waiter.passed[at].1 > turn {
                return Err(wrong(format!(
                    "I-24: stream {stream} has sent {} bytes while stream {id} waits; a turn is {turn}",
                    waiter.passed[at].1
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(streams: &[u32]) -> Fairness {
        let mut fairness = Fairness::default();
        for &stream in streams {
            fairness.tick();
            fairness.set(stream, true, false, Urgency::default());
        }
        fairness.tick();
        fairness
    }

    #[test]
    fn turns_in_order_are_fair() {
        let mut fairness = line(&[1, 3, 5]);
        for stream in [1, 3, 5, 1, 3, 5] {
            fairness.serve(stream, 16_384).expect("it is its turn");
        }
    }

    #[test]
    fn one_that_goes_on_is_found() {
        let mut fairness = line(&[1, 3]);
        fairness.serve(1, 16_384).expect("its turn");
        let fault = fairness.serve(1, 1).expect_err("the turn is over");
        assert!(fault.what.contains("I-24"), "{fault}");
    }

    #[test]
    fn the_last_that_came_does_not_go_first() {
        assert!(line(&[1, 3]).serve(3, 1).is_err());
    }

    #[test]
    fn who_asks_for_longer_turns_keeps_the_place_in_the_line() {
        let mut fairness = line(&[1, 3]);
        fairness.set(1, true, false, Urgency::parse(b"u=3"));
        fairness.serve(1, 1).expect("it was there first");
        let mut fairness = line(&[1, 3]);
        fairness.set(1, true, false, Urgency::parse(b"u=4"));
        fairness.set(1, true, false, Urgency::parse(b"u=3"));
        assert!(fairness.serve(1, 1).is_err(), "it left the line");
    }

    #[test]
    fn the_urgent_go_first_and_who_asks_for_it_gets_longer_turns() {
        let mut fairness = line(&[1]);
        fairness.set(3, true, false, Urgency::parse(b"u=2"));
        assert!(fairness.serve(1, 1).is_err());
        fairness.serve(3, 65_536).expect("the urgent one");
        fairness.set(1, true, false, Urgency::parse(b"u=2, i"));
        assert!(fairness.serve(3, 65_536).is_ok());
        assert!(fairness.serve(3, 1).is_err());
    }
}
