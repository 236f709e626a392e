//! What the engine may cost, in work and in time.

use bytes::Buf;
use raddle_core::{Connection, ErrorCode, Lifecycle, Timestamp};

use super::World;
use crate::{
    outcome::Fault,
    trace::note,
    wire::{Frame, kind},
    work::{UNITS, UNITS_PER_BYTE, UNITS_PER_STREAM},
};

/// Deadlines that pass in that time.
const DEADLINES_MAX: u32 = 1_000;

/// What one turn has cost.
pub(super) struct Cost {
    units: u64,
    lifecycle: Lifecycle,
    /// Bytes that came in and went out.
    pub(super) bytes: usize,
}

impl Cost {
    pub(super) fn begin(conn: &Connection) -> Self {
        Self {
            units: conn.stats().work_units,
            lifecycle: conn.lifecycle(),
            bytes: 0,
        }
    }

    /// I-19: work is bounded by what passes, not by what is there. `walked` streams may each be looked at, and so often
    /// the application has `touched` one.
    pub(super) fn judge(
        &self,
        conn: &Connection,
        walked: usize,
        touched: u64,
    ) -> Result<(), Fault> {
        let units = conn.stats().work_units - self.units;
        let may =
            UNITS + touched + UNITS_PER_BYTE * self.bytes as u64 + UNITS_PER_STREAM * walked as u64;
        // The end of a connection is told to all of its streams.
        if units > may && conn.lifecycle() == self.lifecycle {
            return Err(Fault::run(format!(
                "I-19: {units} units of work for {} bytes, where {may} would do",
                self.bytes
            )));
        }
        Ok(())
    }
}

impl World<'_> {
    /// The transport takes nothing any more, and nobody says so. The connection has to end in time (I-27).
    pub(super) fn transport_dies(&mut self) -> Result<(), Fault> {
        if self.conn.lifecycle() >= Lifecycle::Closing {
            return Ok(());
        }
        self.marks.hit("dead transport");
        note!(self, "the transport takes nothing any more");
        // The time to write, and that to close.
        let until = self.now + self.bounds.times.write + self.bounds.times.close;
        self.record_dead_transport(until, "the transport takes nothing");
        // Something that has to be answered, so that there is something to write.
        self.deliver(&Frame::new(kind::PING, 0, 0, b"anybody?"));
        match self.tape.below(4) {
            0 => self.conn.close(ErrorCode::NO_ERROR, bytes::Bytes::new()),
            1 => self.conn.drain(),
            2 => self.deliver(&Frame::new(kind::WINDOW_UPDATE, 0, 0, &[0; 4])),
            _ => {}
        }
        self.broken = true;
        for _ in 0..DEADLINES_MAX {
            self.turn_blocked()?;
            let due = match self.conn.poll_timeout() {
                _ if self.conn.lifecycle() == Lifecycle::Closed => {
                    return match self.app.streams.len() {
                        0 => Ok(()),
                        open => Err(Fault::run(format!(
                            "I-01: {open} streams are open behind the end"
                        ))),
                    };
                }
                Some(due) if due.0 <= until => due,
                due => {
                    return Err(Fault::run(format!(
                        "I-27: does not end although nothing can be written; it waits until {due:?}, {:?}",
                        self.conn.lifecycle()
                    )));
                }
            };
            self.now = self.now.max(due.0);
            self.conn.handle_timeout(Timestamp(self.now));
        }
        Err(Fault::run("I-23: deadlines without end"))
    }

    /// A turn whose output stays where it is.
    pub(super) fn turn_blocked(&mut self) -> Result<(), Fault> {
        let now = Timestamp(self.now);
        for _ in 0..super::TURNS_MAX {
            let verdict = self.conn.handle_input(&mut self.input, now);
            self.app.tally.read(verdict);
            let moved = self.hear()?;
            let before = self.out.remaining();
            self.app.tally.asks(&self.conn, before, self.bounds.output);
            let cut = self.conn.poll_transmit(&mut self.out, now);
            self.record_cut_frames(before);
            if self.out.has_remaining() {
                self.conn.handle_transport_blocked(&self.out, now);
            }
            if !moved && cut == 0 {
                self.record_waits();
                return Ok(());
            }
        }
        Err(Fault::run("I-23: the engine spins"))
    }
}
