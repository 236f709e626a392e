//! One rule that the peer breaks, for which the connection has to end.

use raddle_core::{Lifecycle, Role};

use super::{
    World,
    acts::Kind,
    wrong::{PUSH_PROMISE, Place},
};
use crate::{
    outcome::Fault,
    wire::{Frame, kind},
};

/// Frames without use that are more than any defence lets pass.
const FLOOD: u32 = 5_000;
/// Frames at once that no engine may keep answers for.
const UNANSWERED: usize = 80;

impl World<'_> {
    /// The peer breaks a rule, and the engine has to end the connection.
    pub(super) fn violate(&mut self) -> Result<(), Fault> {
        if self.conn.lifecycle() >= Lifecycle::Closing || self.peer.first > 1 {
            return Ok(());
        }
        self.cross_the_end()?;
        let (idle, mut pace) = (self.idle_stream(), 16);
        let (name, frames) = match self.tape.below(32) {
            0 => (
                "RST_STREAM on an idle stream",
                vec![Frame::new(kind::RST_STREAM, 0, idle, &[0, 0, 0, 8])],
            ),
            1 => {
                let data = Frame::new(kind::DATA, 0, idle, &[]);
                ("DATA on an idle stream", vec![data])
            }
            2 => (
                "an update of nothing",
                vec![Frame::new(kind::WINDOW_UPDATE, 0, 0, &[0; 4])],
            ),
            3 => (
                "a frame size of 0",
                vec![Frame::new(kind::SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 0])],
            ),
            4 => (
                "a window beyond 31 bits",
                vec![Frame::new(kind::WINDOW_UPDATE, 0, 0, &[0x7f, 255, 255, 255]); 2],
            ),
            5 => return self.raised(),
            6 => (
                "a flood of PING",
                vec![Frame::new(kind::PING, 0, 0, &[1; 8]); FLOOD as usize],
            ),
            7 => (
                "a flood of SETTINGS",
                vec![Frame::new(kind::SETTINGS, 0, 0, &[]); FLOOD as usize],
            ),
            8 => {
                pace = usize::MAX;
                let ping = Frame::new(kind::PING, 0, 0, &[1; 8]);
                ("PING without room for answers", vec![ping; UNANSWERED])
            }
            9 => {
                pace = usize::MAX;
                let settings = vec![Frame::new(kind::SETTINGS, 0, 0, &[]); UNANSWERED];
                ("SETTINGS without room for answers", settings)
            }
            10 => ("padding longer than its frame", vec![padded()]),
            11 => return self.overrun(),
            12 => return self.large_list(),
            13 => return self.wrong_length(),
            14..19 => return self.broken_block(),
            31 => ("a promise that nobody allowed", vec![self.promise()]),
            _ => return self.wrong_frame(),
        };
        self.marks.hit(mark_of(name));
        for (at, frame) in frames.iter().enumerate() {
            self.deliver(frame);
            // What is answered at once shows only at its rate.
            if at % pace == pace - 1 {
                self.turn()?;
            }
        }
        self.turn()?;
        if self.conn.lifecycle() < Lifecycle::Closing {
            return Err(Fault::run(format!("I-28: lets pass: {name}")));
        }
        Ok(())
    }

    /// As much as there may be of something, and then more; or a peer that leaves, and leaves more behind.
    pub(super) fn meet_an_edge(&mut self) -> Result<(), Fault> {
        if self.conn.lifecycle() >= Lifecycle::Closing || self.peer.first > 1 {
            return Ok(());
        }
        match self.tape.below(4) {
            0 => self.overflow(),
            1 => {
                for _ in 0..2 {
                    self.leave();
                    self.turn()?;
                }
                self.calm_down()
            }
            _ => self.without_bound(),
        }
    }

    /// PUSH_PROMISE on a stream that is open, if there is one.
    fn promise(&mut self) -> Frame {
        let stream = self.stream_at(Place::Live).unwrap_or(1);
        Frame::new(PUSH_PROMISE, 4, stream, b"\0\0\0\x02\x82\x84\x87")
    }

    /// A request of before GOAWAY was read: what follows it must not make the engine look at more than it has said.
    fn cross_the_end(&mut self) -> Result<(), Fault> {
        self.broken = true;
        let may = self.role == Role::Server && self.peer.next <= 0x7fff_ffff;
        if !may || !self.observer.has_left() || !self.tape.lane("crossing").chance(1, 2) {
            return Ok(());
        }
        let block = self.block(b"\x83\x87\x84\x01\x01a");
        let id = self.peer.next;
        self.peer.next += 2;
        self.deliver(&Frame::new(kind::HEADERS, 4, id, &block));
        self.turn()
    }

    /// One byte more than a stream's window, on a stream that has one.
    fn overrun(&mut self) -> Result<(), Fault> {
        let Some((id, len)) = self.peer.overrun() else {
            return Ok(());
        };
        self.marks.hit("C17");
        self.deliver(&Frame::new(kind::DATA, 0, id, &vec![7; len]));
        self.turn()?;
        let reset = |frame: &Frame| frame.kind == kind::RST_STREAM && frame.stream == id;
        let stopped = self.peer.inbox.iter().any(reset) || self.app.is_reset(id);
        if self.conn.lifecycle() < Lifecycle::Closing && !stopped {
            return Err(Fault::run(
                "I-11: lets pass: a byte beyond a stream's window",
            ));
        }
        Ok(())
    }

    /// A body that is shorter or longer than its content-length, on a stream of its own or as an answer.
    fn wrong_length(&mut self) -> Result<(), Fault> {
        let (id, head) = match self.role {
            Role::Client => (self.some_stream(|stream| !stream.head), &b"\x88"[..]),
            Role::Server if self.peer.engine_left || self.peer.next > 0x7fff_ffff => return Ok(()),
            Role::Server => (Some(self.peer.next), &b"\x83\x87\x84\x01\x01a"[..]),
        };
        // What answers CONNECT has no length.
        let fits = |id: &u32| !self.app.kind(*id).is_some_and(Kind::is_tunnel);
        let Some(id) = id.filter(fits) else {
            return Ok(());
        };
        self.marks.hit("S06");
        // content-length: 3
        let block = self.block(&[head, b"\x0f\x0d\x013"].concat());
        let body = vec![7; self.tape.pick(&[2, 5])];
        self.deliver(&Frame::new(kind::HEADERS, 4, id, &block));
        self.deliver(&Frame::new(kind::DATA, 1, id, &body));
        self.turn()?;
        let reset = |frame: &Frame| frame.kind == kind::RST_STREAM && frame.stream == id;
        let stopped = self.peer.inbox.iter().any(reset) || self.app.is_reset(id);
        if self.conn.lifecycle() < Lifecycle::Closing && !stopped {
            return Err(Fault::run(
                "I-28: lets pass: a body of another length than its head says",
            ));
        }
        Ok(())
    }

    /// The stream that would be the next one to be opened.
    pub(super) fn idle_stream(&self) -> u32 {
        match self.role {
            Role::Client => self.observer.highest() + 2 - (self.observer.highest() + 1) % 2,
            Role::Server => self.peer.next,
        }
    }

    /// A GOAWAY that takes back another counts for nothing, and ends nothing by itself.
    fn raised(&mut self) -> Result<(), Fault> {
        self.marks.hit("G06");
        for last in [0, 9] {
            let payload = [0, 0, 0, last, 0, 0, 0, 0];
            self.deliver(&Frame::new(kind::GOAWAY, 0, 0, &payload));
        }
        self.turn()?;
        match self.conn.peer_goaway() {
            Some(said) if said.last.to_u32() > 0 => Err(Fault::run(
                "I-28: lets pass: a GOAWAY that takes back another",
            )),
            _ => Ok(()),
        }
    }

    /// A list beyond the limit, of cookies, is not handed to the application.
    pub(super) fn large_list(&mut self) -> Result<(), Fault> {
        if self.role == Role::Client
            || self.peer.engine_left
            || self.peer.next > 0x7fff_ffff
            || self.observer.lacks_end(self.peer.next)
        {
            return Ok(());
        }
        let mut block = b"\x83\x87\x84\x01\x01a".to_vec();
        match self.tape.lane("lists").below(4) {
            // Few bytes, and more fields than some take.
            1 if self.bounds.fields < 30 => block.extend(b"\x00\x01a\x01b".repeat(30)),
            // One field, which the table has to forget all others for.
            2 => {
                block.extend_from_slice(b"\x40\x01a\x7f\xd9\x35");
                block.extend_from_slice(&[b'b'; 7_000]);
            }
            _ => block.extend(b"\x0f\x11\x0a1234567890".repeat(200)),
        }
        self.tape.lane("peer");
        let block = self.block(&block);
        // Nothing else is on its way.
        self.turn()?;
        let streams = self.app.streams.len();
        let id = self.peer.next;
        self.peer.next += 2;
        self.peer.refused.insert(id);
        self.deliver(&Frame::new(kind::HEADERS, 5, id, &block));
        self.turn()?;
        if self.app.streams.len() > streams {
            return Err(Fault::run("I-15: a list beyond the limit is handed out"));
        }
        Ok(())
    }
}

/// The race that breaking this rule is.
fn mark_of(name: &str) -> &'static str {
    match name {
        "RST_STREAM on an idle stream" => "B07",
        "a window beyond 31 bits" => "C06",
        "an update of nothing" => "C09",
        "a frame size of 0" => "D07",
        "a promise that nobody allowed" => "S11",
        _ => "violation",
    }
}

/// A frame that is nothing but padding, and not enough of it.
fn padded() -> Frame {
    Frame::new(kind::DATA, 8, 1, &[5, 0, 0])
}
