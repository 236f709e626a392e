//! Ends in which time passes: a peer that is silent, or stays, a block that does not go on, a transport that takes crumbs.

use bytes::Buf;
use raddle_core::{Lifecycle, Role, StreamHandle, Timestamp, Waiting};

use super::{World, bounds::KEEP_ALIVE, more::BASE_MAX};
use crate::{
    outcome::Fault,
    trace::note,
    wire::{Frame, kind},
};

pub(super) const SECOND: u64 = 1_000_000_000;
/// In which windows hold back streams that nobody gives up for that.
const HELD_LONG: u64 = 2_000 * SECOND;
/// Time that passes in a run, with nothing else. Who opens no window for much longer is given up.
pub(super) const IDLE_MAX: u64 = 100 * SECOND;
/// Deadlines that pass in such a time.
pub(super) const DEADLINES_MAX: u32 = 1_000;

impl World<'_> {
    /// One of these ends.
    pub(super) fn quiet(&mut self) -> Result<(), Fault> {
        if self.conn.lifecycle() >= Lifecycle::Closing || self.peer.first > 1 {
            return Ok(());
        }
        match self.tape.below(5) {
            0 => self.fall_silent(),
            1 => self.stop_in_a_block(),
            2 => self.take_crumbs(),
            3 => self.hold_back(),
            _ => self.stay(),
        }
    }

    /// Time passes, and everybody answers: nobody is accused for that.
    pub(super) fn let_time_pass(&mut self) -> Result<(), Fault> {
        let long = self.tape.lane("time").pick(&[1, 6, 40]) * SECOND;
        if self.broken || self.idle + long > IDLE_MAX {
            return Ok(());
        }
        self.idle += long;
        let until = self.now + long;
        note!(self, "{} s pass", long / SECOND);
        self.pass_time(until, true)?;
        self.now = until;
        Ok(())
    }

    /// Lets time pass up to `until`, deadline by deadline. A peer that `answers` looks at what it is sent.
    pub(super) fn pass_time(&mut self, until: u64, answers: bool) -> Result<(), Fault> {
        for _ in 0..DEADLINES_MAX {
            while answers && !self.peer.inbox.is_empty() {
                if let Some(answer) = self.peer.look() {
                    self.deliver(&answer);
                }
                self.turn()?;
            }
            match self.conn.poll_timeout() {
                Some(due) if due.0 <= until => {
                    self.now = self.now.max(due.0);
                    self.conn.handle_timeout(Timestamp(self.now));
                    self.turn()?;
                }
                _ => return Ok(()),
            }
        }
        Err(Fault::run("I-23: deadlines without end"))
    }

    pub(super) fn has_to_be_over(&self, what: &str) -> Result<(), Fault> {
        if self.conn.lifecycle() >= Lifecycle::Closing {
            return Ok(());
        }
        Err(Fault::run(format!(
            "I-27: does not end: {what}; it is {:?} and waits until {:?}",
            self.conn.lifecycle(),
            self.conn.poll_timeout()
        )))
    }

    /// The peer says nothing any more, while something is expected of it.
    fn fall_silent(&mut self) -> Result<(), Fault> {
        if !self.bounds.keeps_alive {
            return Ok(());
        }
        self.marks.hit("silent peer");
        note!(self, "the peer falls silent");
        self.broken = true;
        self.app.release_all(&mut self.conn);
        if self.tape.lane("again").chance(1, 2) {
            // The last that is heard of it, and a beginning of something: it is there each time that the engine looks.
            let begun = self.tape.between(1, 16) as usize;
            self.deliver_bytes(&[0, 0, 8, kind::PING, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7][..begun]);
        }
        self.turn()?;
        // Who has been asked twice for nothing is asked less often from then on, even if it has said something meanwhile
        // without having answered.
        let most = match u64::from(self.peer.asked) + self.peer.owed {
            0 | 1 => {
                u64::try_from(KEEP_ALIVE.as_nanos()).unwrap_or(u64::MAX) + self.bounds.times.answer
            }
            _ => self.silence_max(),
        };
        self.pass_time(self.now + most, false)?;
        match self.app.streams.is_empty() {
            true => Ok(()),
            false => self.has_to_be_over("the peer is silent"),
        }
    }

    /// A header block begins, and does not go on.
    fn stop_in_a_block(&mut self) -> Result<(), Fault> {
        let id = match self.role {
            Role::Client => self.some_stream(|stream| !stream.head),
            Role::Server => (!self.peer.engine_left).then_some(self.peer.next),
        };
        let Some(id) = id else { return Ok(()) };
        self.marks.hit("block without end");
        self.broken = true;
        // Nobody owes anybody an answer.
        self.pass_time(self.now, true)?;
        let id = self.end_a_block(id)?;
        self.deliver(&Frame::new(kind::HEADERS, 0, id, &[]));
        self.turn()?;
        let block = self.bounds.times.block;
        let until = self.now + block;
        if self.tape.chance(1, 2) {
            // What comes in drops does not move its deadline.
            for _ in 0..2 {
                self.now += block / 5 * 2;
                self.deliver(&Frame::new(kind::CONTINUATION, 0, id, &[]));
                self.turn()?;
                self.pass_time(self.now, false)?;
            }
        }
        // Who is in a block can say nothing else.
        self.pass_time(until - 1, false)?;
        if self
            .conn
            .error()
            .is_some_and(|error| error.violation.is_some())
        {
            return Err(Fault::run("I-27: ends before the time for a header block"));
        }
        self.pass_time(until, false)?;
        self.has_to_be_over("a header block does not go on")
    }

    /// Sometimes another block ends just before, at the end of its own time, and the next one begins behind it at once.
    fn end_a_block(&mut self, id: u32) -> Result<u32, Fault> {
        if !self.tape.lane("blocks in a row").chance(1, 2) || self.bounds.interims < 2 {
            return Ok(id);
        }
        let (block, next) = match self.role {
            Role::Client => (self.block(b"\x08\x03103"), id),
            Role::Server if id > 0x7fff_fff0 => return Ok(id),
            Role::Server => (self.block(b"\x83\x87\x84\x01\x01a"), id + 2),
        };
        self.peer.next = self.peer.next.max(next);
        self.deliver(&Frame::new(kind::HEADERS, 0, id, &[]));
        self.turn()?;
        self.now += self.bounds.times.block / 5 * 4;
        // Both are there when the engine looks.
        self.deliver(&Frame::new(kind::CONTINUATION, 4, id, &block));
        Ok(next)
    }

    /// The transport takes a byte each second.
    fn take_crumbs(&mut self) -> Result<(), Fault> {
        self.marks.hit("crumbs");
        note!(self, "the transport takes crumbs");
        self.broken = true;
        for _ in 0..8 {
            self.deliver(&Frame::new(kind::PING, 0, 0, b"anybody?"));
        }
        let until = self.now + self.bounds.times.write + self.bounds.times.close.max(SECOND);
        self.record_dead_transport(until, "the transport takes a byte each second");
        while self.now < until && self.conn.lifecycle() < Lifecycle::Closed {
            self.turn_blocked()?;
            if self.out.has_remaining() {
                self.record_taken(1);
                self.out.advance(1);
            }
            self.now += SECOND;
            if self
                .conn
                .poll_timeout()
                .is_some_and(|due| due.0 <= self.now)
            {
                self.conn.handle_timeout(Timestamp(self.now));
            }
        }
        // A graceful end asks for nothing more than that all is taken.
        match self.out.has_remaining() {
            false => Ok(()),
            true => self.has_to_be_over("its transport takes a byte each second"),
        }
    }

    /// Nanoseconds in which a connection ends whose peer is silent while something is expected of it: the longest time
    /// between two PINGs twice, and a minute.
    pub(super) fn silence_max(&self) -> u64 {
        2 * self.bounds.times.quiet + 60 * SECOND
    }

    /// The peer answers what has to be answered, and opens no window.
    fn hold_back(&mut self) -> Result<(), Fault> {
        self.marks.hit("held back");
        note!(self, "the peer opens no window any more");
        self.broken = true;
        if self.tape.lane("slow").chance(1, 2) {
            // Nothing but the window of the connection is in the way.
            let wide = [&[0, 4][..], &BASE_MAX.to_be_bytes()].concat();
            self.deliver(&Frame::new(kind::SETTINGS, 0, 0, &wide));
            self.want_much()?;
        }
        let before = self.held_streams();
        let Some(stall) = self.bounds.times.stall else {
            return self.hold_back_for_ever(&before);
        };
        if self.tape.lane("slow").chance(1, 2) {
            // One that comes later has as much time.
            self.pass_time(self.now + stall / 3, true)?;
            self.now += stall / 3;
            self.want_much()?;
        }
        self.pass_time(self.now + stall / 2 * 3, true)?;
        // Another one may have got the place of one that was given up.
        let after = self.held_streams();
        match before.iter().find(|handle| after.contains(handle)) {
            Some(&handle) if self.conn.lifecycle() < Lifecycle::Closing => {
                Err(Fault::run(format!(
                    "I-21: stream {:?} is held back for ever",
                    self.conn.stream_id(handle)
                )))
            }
            _ => Ok(()),
        }
    }

    /// Where no time is set for it, nobody is given up for that.
    fn hold_back_for_ever(&mut self, before: &[StreamHandle]) -> Result<(), Fault> {
        self.pass_time(self.now + HELD_LONG, true)?;
        let after = self.held_streams();
        match before.iter().find(|handle| !after.contains(handle)) {
            Some(handle) if self.conn.lifecycle() < Lifecycle::Closing => Err(Fault::run(format!(
                "I-27: {handle:?} is given up as held back, for which there was no time"
            ))),
            _ => Ok(()),
        }
    }

    fn held_streams(&self) -> Vec<StreamHandle> {
        let held = |waiting| matches!(waiting, Waiting::StreamWindow | Waiting::ConnectionWindow);
        let handles = self.app.streams.keys().copied();
        handles
            .filter(|&handle| held(self.conn.explain(handle)))
            .collect()
    }

    /// Everything comes to its end, and the peer stays: who is not needed any more has to go.
    fn stay(&mut self) -> Result<(), Fault> {
        self.calm_down()?;
        self.marks.hit("stays");
        self.broken = true;
        // A client's connection is its owner's.
        if self.role == Role::Client || self.tape.chance(1, 2) {
            note!(self, "app: drains");
            self.conn.drain();
            self.turn()?;
        }
        let idle = u64::try_from(self.bounds.idle.as_nanos()).unwrap_or(u64::MAX);
        self.pass_time(self.now + idle, true)?;
        self.has_to_be_over("nobody needs it")
    }
}
