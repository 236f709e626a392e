//! The honest twins of floods: as many frames, each of them with a reason that makes it none too many. And two floods that
//! have such a reason up to a point.

use raddle_core::{ErrorCode, Lifecycle, ResponseHead, Role, StreamHandle, Then};

use super::World;
use crate::{
    outcome::Fault,
    trace::note,
    wire::{Frame, kind},
};

/// Rounds beyond what a defence lets pass at once, with what it lets pass again meanwhile.
const MORE: u32 = 70;
/// Frames that may still come on a stream that the application has reset.
const LATE: u32 = 4;
const PRIORITY: u8 = 2;

impl World<'_> {
    /// One of them, with defences that let `burst` frames of a kind pass.
    pub(super) fn twin(&mut self, burst: u32) -> Result<(), Fault> {
        if self.peer.first > 1 {
            return Ok(());
        }
        self.marks.hit("honest twin");
        let choice = match self.role {
            Role::Server => self.tape.lane("twins").below(7),
            Role::Client => 5,
        };
        note!(self, "the honest twin {} of a flood", choice);
        match choice {
            0 => self.reset_answered(burst),
            1 => self.reset_served(burst),
            2 => self.send_late(burst),
            3 => self.ask_with_priorities(burst),
            4 => self.ask_what_it_does_not_hear(burst),
            6 => self.cross_a_drain(),
            _ => self.give_credit(burst),
        }
    }

    fn unharmed(&self, what: &str) -> Result<(), Fault> {
        if self.conn.lifecycle() < Lifecycle::Closing {
            return Ok(());
        }
        Err(Fault::run(format!(
            "I-28: ends for {what}, which are none too many: {:?}",
            self.conn.error()
        )))
    }

    /// A request, and the stream that the application has of it.
    fn ask(&mut self) -> Result<(u32, Option<StreamHandle>), Fault> {
        let id = self.peer.next;
        self.request(false)?;
        let mut streams = self.app.streams.iter();
        let found = streams.find(|(_, live)| live.id == Some(id));
        Ok((id, found.map(|(&handle, _)| handle)))
    }

    fn answer_whole(&mut self, handle: Option<StreamHandle>) -> Result<(), Fault> {
        if let Some(handle) = handle {
            let head = ResponseHead::new(204).finish();
            if self.conn.respond(handle, head, Then::End).is_ok()
                && let Some(live) = self.app.streams.get_mut(&handle)
            {
                live.total = Some(0);
            }
        }
        self.turn()
    }

    fn say(&mut self, kind: u8, id: u32, payload: &[u8]) -> Result<(), Fault> {
        self.deliver(&Frame::new(kind, 0, id, payload));
        self.turn()
    }

    /// Resets of streams whose answer is out.
    fn reset_answered(&mut self, burst: u32) -> Result<(), Fault> {
        for _ in 0..burst + MORE {
            let (id, handle) = self.ask()?;
            self.answer_whole(handle)?;
            self.say(kind::RST_STREAM, id, &[0, 0, 0, 8])?;
        }
        self.unharmed("resets of what was answered")
    }

    /// As many resets as are let pass; and again, behind as many requests that were served.
    fn reset_served(&mut self, burst: u32) -> Result<(), Fault> {
        for round in 0..2 {
            for _ in 0..burst {
                let (id, _) = self.ask()?;
                self.say(kind::RST_STREAM, id, &[0, 0, 0, 8])?;
            }
            for _ in 0..burst * (1 - round) {
                let (id, handle) = self.ask()?;
                self.deliver(&Frame::new(kind::DATA, 1, id, &[]));
                self.answer_whole(handle)?;
            }
        }
        self.unharmed("resets with as many requests that were served")
    }

    /// What was on its way when the application reset its stream; and then more than can have been.
    fn send_late(&mut self, burst: u32) -> Result<(), Fault> {
        let mut last = 0;
        for _ in 0..burst.div_ceil(LATE) + MORE {
            let (id, handle) = self.ask()?;
            last = id;
            if let Some(handle) = handle {
                self.app.codes.insert(id, 8);
                self.conn.reset(handle, ErrorCode::CANCEL);
                self.turn()?;
            }
            for _ in 0..LATE {
                self.say(kind::DATA, id, &[])?;
            }
        }
        self.unharmed("frames that were on their way")?;
        self.broken = true;
        for _ in 0..burst + MORE {
            if self.conn.lifecycle() < Lifecycle::Closing {
                self.say(kind::DATA, last, &[])?;
            }
        }
        match self.conn.lifecycle() {
            Lifecycle::Closing | Lifecycle::Closed => Ok(()),
            _ => Err(Fault::run("I-28: lets pass: late frames without end")),
        }
    }

    /// Requests, each with two frames about its priority.
    fn ask_with_priorities(&mut self, burst: u32) -> Result<(), Fault> {
        for _ in 0..burst + MORE {
            let (id, handle) = self.ask()?;
            for _ in 0..2.min(burst) {
                self.say(PRIORITY, id, &[0; 5])?;
            }
            self.deliver(&Frame::new(kind::DATA, 1, id, &[]));
            self.answer_whole(handle)?;
        }
        self.unharmed("priorities of requests")
    }

    /// Requests whose answers the peer takes none of, for it takes no head of any size.
    fn ask_what_it_does_not_hear(&mut self, burst: u32) -> Result<(), Fault> {
        let limit = [&6_u16.to_be_bytes()[..], &100_u32.to_be_bytes()].concat();
        self.say(kind::SETTINGS, 0, &limit)?;
        self.broken = true;
        for _ in 0..burst + MORE {
            let (_, Some(handle)) = self.ask()? else {
                break;
            };
            let head = ResponseHead::new(200).field(b"x-more", &[b'v'; 300]);
            let _ = self.conn.respond(handle, head.finish(), Then::End);
            self.conn.reset(handle, ErrorCode::INTERNAL_ERROR);
            self.turn()?;
        }
        match self.conn.lifecycle() {
            Lifecycle::Closing | Lifecycle::Closed => Ok(()),
            _ => Err(Fault::run(
                "I-28: lets pass: requests whose answers are not taken",
            )),
        }
    }

    /// Requests with some frames each that were on their way when the engine said that it looks at no more of them: as many
    /// as it takes at once.
    fn cross_a_drain(&mut self) -> Result<(), Fault> {
        while let Some(id) = self.conn.ping() {
            self.app.pings.insert(id);
            self.app.asked += 1;
        }
        note!(self, "app: drains, with no room for a PING");
        self.app.drained = true;
        // Whatever has been asked for is a stream in progress.
        let (_, kept) = self.ask()?;
        self.conn.drain();
        self.turn()?;
        for _ in 0..self.bounds.streams {
            let id = self.peer.next;
            self.request(false)?;
            for _ in 1..LATE {
                self.say(kind::DATA, id, &[])?;
            }
        }
        self.unharmed("requests that cross the end")?;
        self.answer_whole(kept)
    }

    /// Credit for what has come, in pieces as small as those of some clients: no more of them at once than a defence
    /// counts up to, and more than that in all.
    fn give_credit(&mut self, burst: u32) -> Result<(), Fault> {
        let mut given = 0;
        for _ in 0..2 * (burst + MORE) {
            if given > 2 * burst + MORE || self.conn.lifecycle() >= Lifecycle::Closing {
                break;
            }
            if self.peer.inbox.iter().all(|frame| frame.kind != kind::DATA) {
                self.want_much()?;
            }
            let mut left = burst / 2;
            while let Some(frame) = self.peer.inbox.front().cloned() {
                if let Some(answer) = self.peer.look() {
                    self.deliver(&answer);
                }
                let len = frame.payload.len() as u32;
                let pieces = (1 + len / 1_024).min(left).min(len);
                if frame.kind == kind::DATA && !frame.ends_stream() && pieces > 0 {
                    left -= pieces;
                    given += 2 * pieces;
                    self.give_back(frame.stream, len, pieces);
                }
            }
            self.fill()?;
            self.turn()?;
        }
        self.unharmed("updates for what has come")
    }

    /// Gives `len` bytes of credit back, in so many pieces.
    fn give_back(&mut self, id: u32, len: u32, pieces: u32) {
        for piece in 0..pieces {
            let bytes = (len / pieces + u32::from(piece < len % pieces)).to_be_bytes();
            self.deliver(&Frame::new(kind::WINDOW_UPDATE, 0, id, &bytes));
            self.deliver(&Frame::new(kind::WINDOW_UPDATE, 0, 0, &bytes));
        }
        self.peer.uncredited -= u64::from(len);
        if let Some(stream) = self.peer.streams.get_mut(&id) {
            stream.uncredited -= u64::from(len);
        }
    }
}
