//! Ends in which nobody needs the connection any more: what many streams took is given back in its time and not before
//! (I-15), names of what has gone mean nothing (I-01), and a server leaves to the moment (I-27).

use raddle_core::{Lifecycle, MemoryFootprint, Role};

use super::{World, acts::Kind, quiet::SECOND};
use crate::{
    outcome::Fault,
    trace::note,
    wire::{Frame, kind},
};

/// More streams at once than an engine has room for at least.
const CROWD: usize = 6;
/// For how long memory is kept for more of them, and when it has to have been given back: whoever looked just before the
/// last of them came looks once more.
const KEPT: u64 = 5 * SECOND;
const GIVEN_BACK: u64 = 10 * SECOND;
/// Bytes that may stay: for priorities and for settings of extensions, if there were any.
const PRIORITIES: usize = 1_024;
const EXTENSIONS: usize = 256;

impl World<'_> {
    /// Many streams come to their end at once, and the peer stays.
    pub(super) fn rest(&mut self) -> Result<(), Fault> {
        self.calm_down()?;
        if self.bounds.streams <= CROWD || !self.crowd()? {
            return Ok(());
        }
        self.marks.hit("rests");
        let ended = self.app.ended_at.unwrap_or_default();
        let crowded = self.conn.memory_footprint();
        self.stir()?;
        self.rest_until(ended + KEPT - 1)?;
        self.judge_kept(&crowded)?;
        self.stir()?;
        self.rest_until(ended + GIVEN_BACK)?;
        self.judge_given_back()?;
        let gone = self.app.gone;
        if self.tape.lane("rest").chance(1, 2) && self.crowd_again()? {
            self.app.gone = gone;
            self.ask_of_the_gone()?;
            self.calm_down()?;
        }
        self.leave_unused()
    }

    /// So many streams, all of which end; answers whether they did, just now.
    fn crowd(&mut self) -> Result<bool, Fault> {
        if !self.crowd_again()? {
            return Ok(false);
        }
        self.calm_down()?;
        Ok(self.conn.lifecycle() == Lifecycle::Open && self.app.held() == 0)
    }

    fn crowd_again(&mut self) -> Result<bool, Fault> {
        let most = self.peer.next > 0x7fff_0000 || self.peer.engine_left;
        if self.conn.lifecycle() != Lifecycle::Open || most {
            return Ok(false);
        }
        for _ in 0..CROWD {
            match self.role {
                Role::Server => self.request(false)?,
                Role::Client => {
                    self.open_as(Kind::Plain, 0);
                    self.turn()?;
                }
            }
        }
        Ok(self.app.streams.len() == CROWD)
    }

    fn rest_until(&mut self, until: u64) -> Result<(), Fault> {
        self.pass_time(until, true)?;
        self.now = until;
        self.turn()
    }

    /// The peer says something that is about no stream.
    fn stir(&mut self) -> Result<(), Fault> {
        let tape = self.tape.lane("rest");
        self.now += tape.below(SECOND);
        match tape.below(4) {
            1 => {
                self.deliver(&Frame::new(kind::PING, 0, 0, b"i'm here"));
                self.asked_at = self.now;
            }
            2 => self.deliver(&Frame::new(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
            3 => self.deliver(&Frame::new(kind::SETTINGS, 0, 0, &[])),
            _ => {}
        }
        self.turn()
    }

    /// Traffic with pauses allocates nothing.
    fn judge_kept(&self, before: &MemoryFootprint) -> Result<(), Fault> {
        let now = self.conn.memory_footprint();
        if now.table < before.table || now.events < before.events || now.hpack < before.hpack {
            return Err(Fault::run(format!(
                "I-15: memory is given back at once: {before:?} becomes {now:?}"
            )));
        }
        Ok(())
    }

    fn judge_given_back(&self) -> Result<(), Fault> {
        let now = self.conn.memory_footprint();
        let tables = self.observer.table_bytes() + self.peer.writer.table_bytes();
        let early = self.observer.counts().priorities > 0;
        let known = !self.peer.extensions.is_empty();
        let table = PRIORITIES * usize::from(early) + EXTENSIONS * usize::from(known);
        let rows = [
            ("the table", now.table, table),
            ("events", now.events, 0),
            ("buffers", now.buffers, 0),
            ("HPACK", now.hpack, tables),
            ("header lists", now.header_lists, 0),
        ];
        for (what, bytes, most) in rows {
            if bytes > most {
                return Err(Fault::run(format!(
                    "I-15: {bytes} bytes for {what}, which needs {most} without any stream: {now:?}"
                )));
            }
        }
        Ok(())
    }

    /// A server drains when nobody has used it for so long, and a client does not.
    fn leave_unused(&mut self) -> Result<(), Fault> {
        let idle = u64::try_from(self.bounds.idle.as_nanos()).unwrap_or(u64::MAX);
        let ended = self.app.ended_at.unwrap_or_default();
        let used = |world: &Self| world.asked_at.max(ended);
        if self.tape.lane("rest").chance(1, 2) {
            let until = self.now + self.tape.below(idle / 2);
            self.rest_until(until.min(used(self) + idle - SECOND))?;
            self.stir()?;
        }
        let due = used(self) + idle;
        note!(self, "nobody needs it");
        self.rest_until(due - 1)?;
        if self.conn.lifecycle() != Lifecycle::Open {
            return Err(Fault::run("I-27: leaves before its time, or a client does"));
        }
        self.rest_until(due)?;
        let leaves = self.conn.lifecycle() >= Lifecycle::Draining;
        if leaves != (self.role == Role::Server) {
            return Err(Fault::run(format!(
                "I-27: is {:?} when nobody has used it for so long",
                self.conn.lifecycle()
            )));
        }
        Ok(())
    }
}
