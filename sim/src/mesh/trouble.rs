//! What befalls connections.

use raddle_core::{ErrorCode, Role, TransportEnd};

use super::{World, plan::Trouble};
use crate::{oracle::Way, trace::note};

impl World<'_> {
    pub(super) fn trouble(&mut self, trouble: Trouble) {
        let (Trouble::Stall(at, ..)
        | Trouble::Cut(at)
        | Trouble::HalfClose(at, _)
        | Trouble::Drain(at, _)
        | Trouble::Close(at, _)) = trouble;
        if self.links.is_empty() {
            return;
        }
        let (at, now) = (at % self.links.len(), self.now);
        note!(self, "{}: {:?}", at, trouble);
        self.links[at].troubled |= !matches!(trouble, Trouble::Stall(..));
        match trouble {
            Trouble::Stall(_, way, long) => {
                self.marks.hit("one connection stalls");
                self.record_trouble(at, Some(way), now + long);
                match way {
                    Way::Up => self.links[at].up.stall(now + long),
                    Way::Down => self.links[at].down.stall(now + long),
                }
            }
            Trouble::Cut(_) => {
                self.marks.hit("one connection breaks");
                self.record_trouble(at, None, now);
                for role in [Role::Client, Role::Server] {
                    let pipe = self.links[at].outgoing(role);
                    if self.tape.lane("break").chance(1, 2) {
                        pipe.lose(self.tape);
                    }
                    let lane = self.tape.lane("break");
                    let how = lane.pick(&[TransportEnd::Eof, TransportEnd::Failed]);
                    self.links[at].outgoing(role).end(how, now, self.tape);
                }
            }
            Trouble::HalfClose(_, role) => {
                self.marks.hit("one way of a connection ends");
                let pipe = self.links[at].outgoing(role);
                pipe.end(TransportEnd::Eof, now, self.tape);
            }
            Trouble::Drain(_, role) => {
                self.marks.hit("one connection drains");
                self.side(at, role).conn.drain();
            }
            Trouble::Close(_, role) => {
                self.marks.hit("one connection is closed");
                let debug = bytes::Bytes::from_static(b"simulated");
                let conn = &mut self.side(at, role).conn;
                conn.close(ErrorCode::INTERNAL_ERROR, debug);
            }
        }
        self.links[at].look_at_clock();
    }
}
