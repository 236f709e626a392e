//! How the peer begins: well, with a choice of settings; or so that the connection has to end at once, or in time.

use raddle_core::{Lifecycle, Role};

use super::{World, wrong::Answer};
use crate::{
    outcome::Fault,
    wire::{Frame, kind},
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Limits on header lists that leave room for some heads, and for none.
const LISTS: [u32; 3] = [1_000, 230, 100];

impl World<'_> {
    /// The peer begins; answers whether the run is over with that.
    pub(super) fn begin(&mut self) -> Result<bool, Fault> {
        let server = self.role == Role::Server;
        let how = self.tape.lane("beginning").below(96);
        if how == 1 && server {
            let mut preface = PREFACE.to_vec();
            let at = self.tape.index(preface.len());
            preface[at] ^= 1 << self.tape.below(8);
            let (first, rest) = preface.split_at(self.tape.index(preface.len()));
            self.broken = true;
            self.deliver_bytes(first);
            self.turn()?;
            self.deliver_bytes(rest);
            if self.conn.lifecycle() >= Lifecycle::Closing {
                return Ok(true);
            }
            return self
                .judge_wrong(&[], Answer::Connection(&[1]))
                .map(|()| true);
        }
        if how == 2 {
            return self.pass_silently().map(|()| true);
        }
        if server {
            self.deliver_bytes(PREFACE);
        }
        if how == 3 {
            let (kind, flags, payload) = self.tape.pick(&[
                (kind::PING, 0, &[1; 8][..]),
                (kind::SETTINGS, 1, b""),
                (kind::WINDOW_UPDATE, 0, &[0, 0, 0, 1]),
                (kind::GOAWAY, 0, &[0; 8]),
                (0x42, 0, b"unknown"),
            ]);
            let frame = Frame::new(kind, flags, 0, payload);
            let answer = Answer::Connection(&[1]);
            return self.judge_wrong(&[frame], answer).map(|()| true);
        }
        let early = self.act_early()?;
        let mut payload = Vec::new();
        let mut set = |id: u16, value: u32| {
            payload.extend_from_slice(&id.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        };
        if self.tape.chance(1, 2) {
            self.peer.goes_by_urgency = true;
            set(9, 1);
        }
        if !server && self.tape.chance(1, 4) {
            set(8, 1);
        }
        // What was made before cannot be smaller.
        if self.tape.chance(1, 8) && !early {
            set(6, self.tape.pick(&LISTS));
        }
        self.deliver(&Frame::new(kind::SETTINGS, 0, 0, &payload));
        if how != 4 {
            return Ok(false);
        }
        self.peer.mute = true;
        self.turn()?;
        self.broken = true;
        self.marks.hit("D11");
        self.wait_for_settings(true, "nobody acknowledges its SETTINGS")?;
        Ok(true)
    }

    /// Sometimes the application does not wait for what its peer has to say.
    fn act_early(&mut self) -> Result<bool, Fault> {
        let early = self.bounds.flood.is_none() && self.tape.lane("first").chance(1, 8);
        if early {
            self.early = true;
            for _ in 0..self.tape.between(1, 6) {
                self.act()?;
            }
            if self.tape.chance(1, 2) {
                let handles: Vec<_> = self.app.streams.keys().copied().collect();
                handles.into_iter().for_each(|handle| self.urge(handle));
            }
            self.turn()?;
        }
        self.tape.lane("beginning");
        Ok(early)
    }

    /// The peer never says anything.
    fn pass_silently(&mut self) -> Result<(), Fault> {
        self.broken = true;
        self.turn()?;
        self.wait_for_settings(false, "nobody sends SETTINGS")
    }

    /// I-27: the time for SETTINGS passes, and the connection ends with it, and not before.
    fn wait_for_settings(&mut self, answers: bool, what: &str) -> Result<(), Fault> {
        let due = self.now + self.bounds.times.settings;
        self.pass_time(due - 1, answers)?;
        if self
            .conn
            .error()
            .is_some_and(|error| error.violation.is_some())
        {
            return Err(Fault::run("I-27: ends before the time for SETTINGS"));
        }
        self.pass_time(due, answers)?;
        self.has_to_be_over(what)
    }
}
