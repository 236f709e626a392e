//! Ends in which a deadline and what would have moved it meet.

use bytes::Buf;
use raddle_core::{Lifecycle, Timestamp, Violation};

use super::{
    World,
    quiet::{DEADLINES_MAX, IDLE_MAX, SECOND},
};
use crate::{
    outcome::Fault,
    trace::note,
    wire::{Frame, kind},
};

/// Nanoseconds in which a PING is due where streams are open, and a while.
const ASKED_MAX: u64 = 40 * SECOND;
/// For how long a machine sleeps, in nanoseconds.
const SLEEP: u64 = 3_600 * SECOND;

/// Whether a frame asks for an answer.
fn asks(frame: &Frame) -> bool {
    frame.kind == kind::PING && !frame.is_ack()
}

impl World<'_> {
    /// One of these ends.
    pub(super) fn tick(&mut self) -> Result<(), Fault> {
        let choice = self.tape.below(3);
        if self.conn.lifecycle() >= Lifecycle::Closing || self.peer.first > 1 {
            return Ok(());
        }
        // Nobody owes anybody an answer.
        self.pass_time(self.now, true)?;
        match choice {
            _ if self.idle + ASKED_MAX + self.bounds.times.answer > IDLE_MAX => self.calm_down(),
            0 => self.answer_on_the_tick(),
            1 => self.ask_in_vain(),
            _ => self.sleep(),
        }
    }

    /// Lets time pass until the engine asks its peer for an answer; answers whether it did.
    fn wait_for_ping(&mut self) -> Result<bool, Fault> {
        let until = self.now + ASKED_MAX;
        for _ in 0..DEADLINES_MAX {
            if self.peer.inbox.iter().any(asks) {
                return Ok(true);
            }
            match self.conn.poll_timeout() {
                Some(due) if due.0 <= until => {
                    self.now = self.now.max(due.0);
                    self.conn.handle_timeout(Timestamp(self.now));
                    self.turn()?;
                }
                _ => return Ok(false),
            }
        }
        Err(Fault::run("I-23: deadlines without end"))
    }

    /// The peer looks at everything, and its answers lie where the engine reads them.
    pub(super) fn answer_unread(&mut self) {
        while !self.peer.inbox.is_empty() {
            if let Some(answer) = self.peer.look() {
                self.deliver(&answer);
            }
        }
    }

    /// F04: the answer to a PING arrives in the moment of its deadline. What is read first counts, and there is one result.
    fn answer_on_the_tick(&mut self) -> Result<(), Fault> {
        if !self.wait_for_ping()? {
            return self.calm_down();
        }
        let deadline = self.now + self.bounds.times.answer;
        self.pass_time(deadline - 1, false)?;
        self.now = deadline;
        if self.conn.poll_timeout() != Some(Timestamp(deadline)) {
            return self.calm_down();
        }
        self.marks.hit("F04");
        if self.tape.lane("ticks").chance(1, 4) {
            note!(self, "the deadline is looked at before the answer");
            self.broken = true;
            self.conn.handle_timeout(Timestamp(deadline));
            self.answer_unread();
            self.turn()?;
            return self.has_to_be_over("the answer to PING came behind its deadline");
        }
        note!(self, "the answer is read before its deadline is looked at");
        self.answer_unread();
        self.turn()?;
        self.conn.handle_timeout(Timestamp(deadline));
        self.turn()?;
        self.has_to_live("the answer to PING was read on its deadline")?;
        self.calm_down()
    }

    /// F03: nothing is written any more, not even a PING; its deadline runs all the same.
    fn ask_in_vain(&mut self) -> Result<(), Fault> {
        note!(self, "the transport takes nothing any more");
        let silence = self.silence_max();
        self.record_dead_transport(self.now + silence, "the transport takes nothing");
        self.broken = true;
        let mut asked = None;
        for _ in 0..DEADLINES_MAX {
            let empty = !self.out.has_remaining();
            self.turn_blocked()?;
            let head = self.out.chunk();
            if empty && head.len() > 4 && head[3] == kind::PING && head[4] == 0 {
                asked = Some(self.now);
            }
            if self.conn.lifecycle() >= Lifecycle::Closing {
                return self.judge_asked(asked);
            }
            let until = asked.map_or(self.now + silence, |at| at + self.bounds.times.answer);
            match self.conn.poll_timeout().filter(|due| due.0 <= until) {
                Some(due) => self.now = self.now.max(due.0),
                None if asked.is_some() => {
                    return self.has_to_be_over("a PING cannot be written");
                }
                None => return Ok(()),
            }
            self.conn.handle_timeout(Timestamp(self.now));
        }
        Err(Fault::run("I-23: deadlines without end"))
    }

    /// It is over: by the PING that was not written, if there was one, and in its time.
    fn judge_asked(&mut self, asked: Option<u64>) -> Result<(), Fault> {
        let Some(at) = asked else { return Ok(()) };
        self.marks.hit("F03");
        let violation = self.conn.error().and_then(|error| error.violation);
        let due = at + self.bounds.times.answer;
        // Where it has less time to write than its peer has to answer, that ends it first.
        let first = violation == Some(Violation::WriteTimeout) && self.now <= due;
        if (violation, self.now) == (Some(Violation::PingTimeout), due) || first {
            return Ok(());
        }
        Err(Fault::run(format!(
            "I-27: ends by {violation:?} at {}, its PING was due at {due}",
            self.now,
        )))
    }

    /// F09: the machine sleeps. What has arrived by then is read before any deadline is looked at, and nobody is given up
    /// for a time in which nobody could do anything.
    fn sleep(&mut self) -> Result<(), Fault> {
        if self.tape.lane("ticks").chance(1, 2) {
            // What it asks for is there when it wakes up.
            self.wait_for_ping()?;
        }
        self.answer_unread();
        self.deliver(&Frame::new(kind::PING, 0, 0, b"good day"));
        for _ in 0..self.tape.lane("ticks").below(4) {
            self.peer_step()?;
        }
        note!(self, "an hour is slept");
        self.now += SLEEP;
        self.turn()?;
        let open: Vec<_> = self.app.streams.keys().copied().collect();
        if self.conn.lifecycle() >= Lifecycle::Closing || open.is_empty() {
            return Ok(());
        }
        self.marks.hit("F09");
        self.conn.handle_timeout(Timestamp(self.now));
        self.turn()?;
        self.has_to_live("the clock has jumped, and the peer was heard of")?;
        match open
            .iter()
            .find(|handle| !self.app.streams.contains_key(handle))
        {
            None => self.calm_down(),
            Some(handle) => Err(Fault::run(format!(
                "I-27: {handle:?} is given up because the clock has jumped"
            ))),
        }
    }

    /// Whatever has ended it, it was no rule that the peer has broken.
    fn has_to_live(&self, what: &str) -> Result<(), Fault> {
        match self.conn.error().and_then(|error| error.violation) {
            None => Ok(()),
            Some(violation) => Err(Fault::run(format!(
                "I-27: ends by {violation:?}, although {what}"
            ))),
        }
    }
}
