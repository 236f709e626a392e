//! The loop around an engine: how often it turns, and what it does not do each time.

use bytes::Buf;
use raddle_core::{Role, Timestamp};

use super::{Task, World, end::End};
use crate::{crumbs, outcome::Fault, tape::Tape};

const MILLISECOND: u64 = 1_000_000;

/// How one end's loop goes. As it is by default it does everything at once, and once.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turning {
    /// It turns more often than it need.
    again: bool,
    /// Events that it takes at a time, and how long it leaves the others.
    leaves: Option<(usize, u64)>,
    /// How long it leaves what is to be sent.
    corks: Option<u64>,
    /// How late it looks at deadlines.
    pub(super) late: u64,
    /// It asks for output only when the transport has taken all of what it had.
    waits: bool,
    /// It says when the transport takes no more.
    tells: bool,
}

/// Where it stands.
#[derive(Debug, Default)]
pub(super) struct Turns {
    pub(super) how: Turning,
    /// Events that it takes before it leaves the others.
    patience: usize,
    /// Until when it leaves them.
    pub(super) deaf: Option<u64>,
    /// Until when it leaves what is to be sent, and whether that is to go now.
    corked: bool,
    uncorked: bool,
}

impl Turning {
    pub(super) fn draw(tape: &mut Tape) -> Self {
        if !tape.chance(1, 3) {
            return Self::default();
        }
        let long = |tape: &mut Tape| tape.pick(&[1, 20, 200]) * MILLISECOND;
        let leaves = tape
            .chance(1, 3)
            .then(|| (tape.pick(&[1, 2, 10]), long(tape)));
        Self {
            again: tape.chance(1, 2),
            leaves,
            corks: tape
                .chance(1, 4)
                .then(|| tape.pick(&[0, 1, 5]) * MILLISECOND),
            late: tape.pick(&[0, 0, 1, 500]) * MILLISECOND,
            waits: tape.chance(1, 3),
            tells: tape.chance(1, 2),
        }
    }
}

impl Turns {
    pub(super) fn new(how: Turning) -> Self {
        Self {
            how,
            patience: how.leaves.map_or(0, |(events, _)| events),
            ..Self::default()
        }
    }

    /// Everything that can be done at this moment is done, and nothing is left for later.
    pub(super) fn is_through(&self) -> bool {
        self.deaf.is_none() && !self.corked
    }
}

impl End {
    /// When it looks at its next deadline.
    pub(super) fn looks_at(&self) -> Option<u64> {
        let due = self.conn.poll_timeout()?;
        Some(due.0.saturating_add(self.turns.how.late))
    }

    /// Whether it asks for output now.
    pub(super) fn asks_for_output(&self) -> bool {
        !(self.turns.how.waits && self.out.has_remaining())
    }

    /// Says what the transport has left, where it does.
    pub(super) fn tell_left(&mut self, now: u64) {
        if self.turns.how.tells && self.out.has_remaining() {
            self.conn
                .handle_transport_blocked(&self.out, Timestamp(now));
        }
    }
}

impl World<'_> {
    /// Takes the events that there are, or some; answers whether there were any.
    pub(super) fn hear(&mut self, role: Role) -> Result<bool, Fault> {
        let mut any = false;
        while self.end(role).turns.deaf.is_none() {
            let Some(event) = self.end(role).poll_event()? else {
                break;
            };
            any = true;
            match self.planted {
                None => self.event(role, event)?,
                Some(_) => {
                    for event in self.plant(role, event) {
                        self.event(role, event)?;
                    }
                }
            }
            let turns = &mut self.end(role).turns;
            if let Some((events, long)) = turns.how.leaves {
                turns.patience -= 1;
                if turns.patience == 0 {
                    turns.patience = events;
                    self.end(role).turns.deaf = Some(self.now + long);
                    self.later(long, Task::Hear(role));
                }
            }
        }
        Ok(any)
    }

    /// Takes events again.
    pub(super) fn hear_again(&mut self, role: Role) {
        let end = self.end(role);
        (end.turns.deaf, end.dirty) = (None, true);
    }

    /// Whether what is to be sent is left for later.
    pub(super) fn is_corked(&mut self, role: Role) -> bool {
        let end = self.end(role);
        let Some(long) = end.turns.how.corks else {
            return false;
        };
        if end.turns.uncorked {
            return false;
        }
        let wants = end.conn.wants_transmit();
        if wants && !std::mem::replace(&mut end.turns.corked, true) {
            self.later(long, Task::Uncork(role));
        }
        wants
    }

    /// What is to be sent goes.
    pub(super) fn uncork(&mut self, role: Role) {
        let end = self.end(role);
        (end.turns.corked, end.turns.uncorked, end.dirty) = (false, true, true);
    }

    /// It has nothing more to do at this moment: sometimes it looks once more.
    pub(super) fn turn_again(&mut self, role: Role) -> Result<(), Fault> {
        let now = Timestamp(self.now);
        let end = self.end(role);
        end.turns.uncorked = false;
        if !end.turns.how.again
            || end.unread
            || !end.turns.is_through()
            || end.looks_at() <= Some(now.0)
        {
            return Ok(());
        }
        crumbs::again(&mut end.conn, &mut end.input, &mut end.out, now)
    }

    /// Cuts frames and gives them to the transport; answers whether there were any.
    pub(super) fn transmit(&mut self, role: Role) -> Result<bool, Fault> {
        let now = self.now;
        let end = self.end(role);
        if !end.asks_for_output() {
            self.write_out(role)?;
        }
        let end = self.end(role);
        if !end.asks_for_output() {
            return Ok(false);
        }
        let (wants, before) = (end.conn.wants_transmit(), end.out.remaining());
        end.tally
            .asks(&end.conn, before, end.config.output_bytes_max);
        let cut = end.conn.poll_transmit(&mut end.out, Timestamp(now));
        end.work.passes(cut);
        if before == 0 && wants != (cut > 0) {
            return Err(Fault::run(format!(
                "I-22: {role:?} wants to transmit: {wants}, but {cut} bytes came"
            )));
        }
        // E03: whoever gives a request up, what is encoded of it is written.
        if self.end(role).out.remaining() != before + cut {
            return Err(Fault::run(format!(
                "I-12: {role:?} takes back what was encoded"
            )));
        }
        self.end(role).observe(before)?;
        self.record_cut_frames(role, before);
        self.write_out(role)?;
        // Where something has gone there is room for more.
        Ok(cut > 0 || self.end(role).out.remaining() < before)
    }

    /// Gives the transport what it takes.
    fn write_out(&mut self, role: Role) -> Result<(), Fault> {
        let now = self.now;
        let (end, pipe) = match role {
            Role::Client => (&mut self.client, &mut self.up),
            Role::Server => (&mut self.server, &mut self.down),
        };
        let broken = pipe.write(&mut end.out, now, self.tape);
        end.wrote();
        end.tell_left(now);
        if broken {
            end.write_fails();
            self.cut();
        }
        self.note_written();
        Ok(())
    }
}
