//! The turns of one side: what has arrived is read, what the engine tells is heard, what it has to say is sent.

use bytes::Buf;
use raddle_core::{Input, Role, Timestamp};

use super::{World, recording};
use crate::{outcome::Fault, pair::pipe::Piece, resources::judge_input, trace::note};

/// Turns at one moment, after which it counts as spinning.
const TURNS_MAX: u32 = 2_000;
/// Events that one side hears in one turn.
const EVENTS_MAX: u32 = 100;

impl World<'_> {
    /// Brings what has arrived; answers whether there was anything.
    pub(super) fn arrive(&mut self, at: usize, role: Role) -> bool {
        let mut any = false;
        loop {
            let (now, link) = (self.now, &mut self.links[at]);
            let (side, other, pipe) = match role {
                Role::Client => (&mut link.client, &mut link.server, &mut link.down),
                Role::Server => (&mut link.server, &mut link.client, &mut link.up),
            };
            match pipe.read(now) {
                None => return any,
                Some(Piece::Bytes(bytes)) => {
                    side.arrive(bytes);
                    recording::arrival(self.trace, at, now, role, bytes);
                    // There is room in it again.
                    other.dirty |= other.out.has_remaining();
                }
                // What has arrived before it is read before it.
                Some(Piece::End(how)) if side.unread => {
                    pipe.unread(how, now);
                    side.dirty = true;
                    return true;
                }
                Some(Piece::End(how)) => {
                    side.dirty = true;
                    side.input_ends(how, now);
                    recording::end(self.trace, at, now, role, how);
                    note!(self, "{} {:?}: transport ends by {:?}", at, role, how);
                }
            }
            any = true;
            if !self.plan.style.gathers {
                return true;
            }
        }
    }

    /// Gives every side turns until none has more to do at this moment.
    pub(super) fn settle_all(&mut self) -> Result<(), Fault> {
        let mut turns = 0;
        loop {
            let mut moved = false;
            let mut next = 0;
            // There may be more of them at the end than at the beginning.
            while next < self.links.len() {
                let at = next;
                next += 1;
                if !self.links[at].is_dirty() {
                    continue;
                }
                moved = true;
                if std::mem::take(&mut self.links[at].client.dirty) {
                    self.settle(at, Role::Client)?;
                }
                if std::mem::take(&mut self.links[at].server.dirty) {
                    self.settle(at, Role::Server)?;
                }
                // Who is to be settled once more is not done with yet.
                let link = &mut self.links[at];
                if !link.is_dirty() {
                    link.look_at_clock();
                }
            }
            if !moved {
                return Ok(());
            }
            turns += 1;
            if turns > TURNS_MAX {
                return Err(self.stuck("I-23: spins"));
            }
        }
    }

    fn settle(&mut self, at: usize, role: Role) -> Result<(), Fault> {
        let now = Timestamp(self.now);
        let link = &mut self.links[at];
        let (side, peer) = match role {
            Role::Client => (&mut link.client, &link.server),
            Role::Server => (&mut link.server, &link.client),
        };
        // The beginning of a frame changes nothing in an engine.
        let mut idles = false;
        if std::mem::take(&mut side.unread) {
            let before = side.input.len();
            let verdict = side.handle_input(now, self.tape.reads_in_crumbs());
            side.decoder_agrees(peer)?;
            idles = side.input.len() == before;
            match verdict {
                Input::NeedMore { .. } => {}
                Input::EventsFull => (side.unread, side.dirty) = (true, true),
                Input::Closed => side.input.clear(),
            }
        }
        // What comes beyond, waits for the next turn, of which there are so many.
        for _ in 0..EVENTS_MAX {
            let side = self.links[at].raw(role);
            side.work.calls();
            let Some(event) = side.tally.wakes.poll(&mut side.conn)? else {
                break;
            };
            self.links[at].raw(role).dirty = true;
            for event in self.plant(at, role, event) {
                self.event(at, role, event)?;
            }
        }
        if self.transmit(at, role)? {
            self.links[at].raw(role).dirty = true;
        } else {
            let side = self.links[at].raw(role);
            if idles && !side.dirty {
                judge_input(&side.conn, &side.input, &side.out)?;
            } else if !side.dirty && side.is_due() {
                side.conn.check();
                side.audit()?;
                if side.tally.is_due() {
                    side.counted()?;
                }
                side.rest().judge()?;
                self.links[at].conserved()?;
            }
            self.hang_up(at, role);
            self.record_waits(at, role);
        }
        Ok(())
    }

    /// What is told instead of `event`, in tests of those who judge.
    #[cfg(not(test))]
    fn plant(&mut self, _: usize, _: Role, event: raddle_core::Event) -> [raddle_core::Event; 1] {
        [event]
    }

    /// Cuts frames and gives them to the transport; answers whether there were any.
    fn transmit(&mut self, at: usize, role: Role) -> Result<bool, Fault> {
        let (now, link) = (self.now, &mut self.links[at]);
        let side = link.raw(role);
        let before = side.out.remaining();
        side.asks();
        let cut = side.conn.poll_transmit(&mut side.out, Timestamp(now));
        side.work.passes(cut);
        if side.out.remaining() > before {
            side.observe(before)?;
            self.record_cut_frames(at, role, before);
        }
        let link = &mut self.links[at];
        let (side, pipe) = match role {
            Role::Client => (&mut link.client, &mut link.up),
            Role::Server => (&mut link.server, &mut link.down),
        };
        pipe.write(&mut side.out, now, self.tape);
        side.wrote();
        Ok(cut > 0)
    }
}
