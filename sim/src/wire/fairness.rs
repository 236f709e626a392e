//! Whose turn it is to send DATA (I-24), from what the applications gave and from the windows alone.
//!
//! Who has bytes to send and a window to send them in waits for a turn. The most urgent go first (RFC 9218 §4.1); equals
//! go in the order in which they came, a turn of bytes each, and then to the back. So nobody waits longer than one turn
//! of each of those that were there before.

use std::fmt;

use super::{
    observer::wrong,
    rounds::{Place, Rounds},
};
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
        Self::parse_over(None, text)
    }

    /// The same, where something else was said before: what is not named stays as it is.
    pub(crate) fn parse_over(before: Option<Self>, text: &[u8]) -> Self {
        let mut urgency = before.unwrap_or(Self {
            whole: true,
            ..Self::default()
        });
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
    /// Where among its equals.
    place: Place,
}

/// All that wait for a turn.
#[derive(Debug, Default)]
pub(crate) struct Fairness {
    waiters: Vec<Waiter>,
    rounds: Rounds,
    /// Who has just sent, and whether the connection's window has cut its turn short.
    served: Option<(u32, bool)>,
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
        self.rounds.tick();
    }

    /// `stream` can send, or cannot.
    pub(crate) fn set(&mut self, stream: u32, can: bool, loose: bool, urgency: Urgency) {
        let found = self.waiters.iter().position(|w| w.stream == stream);
        let served = self.served.take_if(|(served, _)| *served == stream);
        match (found, can) {
            (Some(at), false) => {
                let level = self.waiters.remove(at).urgency.level;
                self.forget(stream);
                if self.waiters.iter().all(|w| w.urgency.level != level) {
                    self.rounds.clear(level);
                }
            }
            (Some(at), true) => {
                let waiter = &mut self.waiters[at];
                if let Some((_, steps_back)) = served {
                    let level = waiter.urgency.level;
                    self.rounds.go_on(&mut waiter.place, level, steps_back);
                }
                let before = std::mem::replace(&mut waiter.urgency, urgency);
                if before.level != urgency.level {
                    // To the back of another line.
                    self.rounds.join(urgency.level, &mut waiter.place);
                    (waiter.joined, waiter.since) = (self.now, self.now);
                    waiter.passed.clear();
                }
                if before != urgency {
                    self.forget(stream);
                }
            }
            (None, true) => {
                let place = self.rounds.place(urgency.level, loose);
                self.waiters.push(Waiter {
                    stream,
                    urgency,
                    joined: self.now,
                    since: self.now,
                    loose,
                    passed: Vec::new(),
                    place,
                });
            }
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
            self.rounds.lose(waiter.urgency.level);
            waiter.loose = true;
            waiter.passed.clear();
        }
    }

    /// `stream` sends `len` bytes, which may be the `rest` of what the connection's window lets pass.
    pub(crate) fn serve(&mut self, stream: u32, len: u64, rest: bool) -> Result<(), Fault> {
        let now = self.now;
        let served = self.waiters.iter_mut().find(|w| w.stream == stream);
        let Some(served) = served else {
            return Ok(());
        };
        let (urgency, loose, joined) = (served.urgency, served.loose, served.joined);
        (served.since, served.loose) = (now, false);
        served.passed.clear();
        self.judge_round(stream, urgency)?;
        let turn = TURN[usize::from(urgency.whole)];
        let served = self.waiters.iter_mut().find(|w| w.stream == stream);
        let turn = served.map_or(turn, |served| Rounds::spend(&mut served.place, len, turn));
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
        self.served = Some((stream, rest && !urgency.whole));
        Ok(())
    }

    /// Whose turn it is among those of one urgency.
    fn judge_round(&mut self, stream: u32, urgency: Urgency) -> Result<(), Fault> {
        let level = urgency.level;
        let equals = self.waiters.iter_mut().filter(|w| w.urgency.level == level);
        let mut equals = equals.map(|w| (w.stream, &mut w.place));
        let before = self.rounds.before(stream, level, &mut equals);
        before.map_or(Ok(()), |other| {
            Err(wrong(format!(
                "I-24: stream {stream} goes before stream {other}, whose turn it is"
            )))
        })
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

    /// A turn of a stream that goes on to have bytes.
    fn turn(fairness: &mut Fairness, stream: u32, len: u64) -> Result<(), Fault> {
        let found = fairness.waiters.iter().find(|w| w.stream == stream);
        let urgency = found.expect("it waits").urgency;
        fairness.serve(stream, len, false)?;
        fairness.set(stream, true, false, urgency);
        Ok(())
    }

    #[test]
    fn turns_in_order_are_fair() {
        let mut fairness = line(&[1, 3, 5]);
        for stream in [1, 3, 5, 1, 3, 5] {
            turn(&mut fairness, stream, 16_384).expect("it is its turn");
        }
    }

    #[test]
    fn one_that_goes_on_is_found() {
        let mut fairness = line(&[1, 3]);
        turn(&mut fairness, 1, 16_384).expect("its turn");
        let fault = turn(&mut fairness, 1, 1).expect_err("the turn is over");
        assert!(fault.what.contains("I-24"), "{fault}");
    }

    #[test]
    fn the_last_that_came_does_not_go_first() {
        assert!(turn(&mut line(&[1, 3]), 3, 1).is_err());
    }

    #[test]
    fn who_asks_for_longer_turns_keeps_the_place_in_the_line() {
        let mut fairness = line(&[1, 3]);
        fairness.set(1, true, false, Urgency::parse(b"u=3"));
        turn(&mut fairness, 1, 1).expect("it was there first");
        let mut fairness = line(&[1, 3]);
        fairness.set(1, true, false, Urgency::parse(b"u=4"));
        fairness.set(1, true, false, Urgency::parse(b"u=3"));
        assert!(turn(&mut fairness, 1, 1).is_err(), "it left the line");
    }

    #[test]
    fn the_urgent_go_first_and_who_asks_for_it_gets_longer_turns() {
        let mut fairness = line(&[1]);
        fairness.set(3, true, false, Urgency::parse(b"u=2"));
        assert!(turn(&mut fairness, 1, 1).is_err());
        turn(&mut fairness, 3, 65_536).expect("the urgent one");
        fairness.set(1, true, false, Urgency::parse(b"u=2, i"));
        assert!(turn(&mut fairness, 3, 65_536).is_ok());
        assert!(turn(&mut fairness, 3, 1).is_err());
    }

    #[test]
    fn a_message_that_is_of_no_use_in_parts_keeps_its_turn() {
        let mut fairness = line(&[1, 3]);
        fairness.set(1, true, false, Urgency::parse(b"u=3"));
        turn(&mut fairness, 1, 16_384).expect("its turn");
        let fault = turn(&mut fairness, 3, 1).expect_err("the turn goes on");
        assert!(fault.what.contains("whose turn it is"), "{fault}");
        turn(&mut fairness, 1, 49_152).expect("the rest of it");
        turn(&mut fairness, 3, 16_384).expect("now the other");
    }

    #[test]
    fn who_takes_the_last_of_the_window_lets_the_others_of_the_round_go() {
        let mut fairness = line(&[1, 3]);
        for stream in [1, 3, 1, 3] {
            fairness.serve(stream, 100, true).expect("a grant each");
            fairness.set(stream, true, false, Urgency::default());
        }
        fairness.serve(1, 100, true).expect("a grant each");
        fairness.set(1, true, false, Urgency::default());
        assert!(fairness.serve(1, 100, true).is_err(), "the other waits");
        // Who needs no other turn and comes again is behind those who wait.
        let mut fairness = line(&[1, 3]);
        fairness.serve(1, 100, false).expect("its turn");
        fairness.set(1, false, false, Urgency::default());
        fairness.set(1, true, false, Urgency::default());
        assert!(fairness.serve(1, 100, false).is_err(), "it left the line");
    }

    #[test]
    fn who_comes_into_a_round_waits_for_the_next() {
        let mut fairness = line(&[1, 3]);
        turn(&mut fairness, 1, 16_384).expect("the first turn of the round");
        fairness.tick();
        fairness.set(5, true, false, Urgency::default());
        // The window cuts it short, and nobody is left in the round but it.
        fairness.serve(3, 100, true).expect("the second one");
        fairness.set(3, true, false, Urgency::default());
        turn(&mut fairness, 3, 16_284).expect("the rest of the second one");
        assert!(
            turn(&mut fairness, 5, 1).is_err(),
            "it came behind the first"
        );
        turn(&mut fairness, 1, 16_384).expect("it waits for longer");
        turn(&mut fairness, 5, 16_384).expect("and now it");
    }

    #[test]
    fn nothing_is_known_of_an_order_that_all_windows_have_moved() {
        let mut fairness = line(&[1, 3]);
        turn(&mut fairness, 1, 16_384).expect("its turn");
        fairness.loosen();
        turn(&mut fairness, 1, 16_384).expect("who knows");
        fairness.set(1, false, false, Urgency::default());
        turn(&mut fairness, 3, 16_384).expect("it is alone");
        fairness.tick();
        fairness.set(1, true, false, Urgency::default());
        turn(&mut fairness, 3, 16_384).expect("it was there before");
        assert!(turn(&mut fairness, 3, 1).is_err(), "now the order is known");
    }
}
