//! What befalls the connection.

use raddle_core::{Role, TransportEnd};

use super::{World, plan::Trouble};
use crate::{oracle::Way, trace::note};

impl World<'_> {
    pub(super) fn trouble(&mut self, trouble: Trouble) {
        note!(self, "{:?}", trouble);
        match trouble {
            Trouble::Drain(role) => {
                self.marks.hit(match role {
                    Role::Client => "drain by client",
                    Role::Server => "drain by server",
                });
                self.touch(role).conn.drain();
            }
            Trouble::Close(role, code) => {
                self.marks.hit("close");
                let debug = bytes::Bytes::from_static(b"simulated");
                self.touch(role).conn.close(code, debug);
            }
            Trouble::Stall(way, long) => {
                self.marks.hit("stall");
                let until = self.now + long;
                self.record_stall(way, until);
                match way {
                    Way::Up => self.up.stall(until),
                    Way::Down => self.down.stall(until),
                }
            }
            Trouble::Break(way) => {
                let pipe = match way {
                    Way::Up => &mut self.up,
                    Way::Down => &mut self.down,
                };
                pipe.cut_after = Some(0);
            }
            Trouble::Ping(role) => {
                if self.touch(role).conn.ping().is_some() {
                    self.marks.hit("ping");
                }
            }
        }
    }

    /// The transport breaks: what is on its way may be lost, and both ends hear of it in some way.
    pub(super) fn cut(&mut self) {
        note!(self, "the transport breaks");
        self.record_break();
        self.marks.hit("cut");
        if self.client.out.holds_request() {
            self.marks.hit("H02");
        }
        for pipe in [&mut self.up, &mut self.down] {
            if self.tape.lane("break").chance(1, 2) {
                pipe.lose(self.tape);
            }
            let how = self
                .tape
                .lane("break")
                .pick(&[TransportEnd::Eof, TransportEnd::Failed]);
            pipe.end(how, self.now, self.tape);
        }
    }
}
