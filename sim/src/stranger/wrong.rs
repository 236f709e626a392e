//! One frame, or one header block, of which the RFCs say what it has to lead to.

use raddle_core::{Lifecycle, Role};

use super::{World, pool};
use crate::{
    outcome::Fault,
    trace::note,
    wire::{Frame, kind},
};

/// Error codes (RFC 9113 §7).
const PROTOCOL: u32 = 1;
pub(super) const FLOW: u32 = 3;
const CLOSED: u32 = 5;
const SIZE: u32 = 6;
const COMPRESSION: u32 = 9;
/// Where any end will do: whatever it says, it is a bound of the engine's own.
pub(super) const BOUND: &[u32] = &[PROTOCOL, SIZE, COMPRESSION, 11];
/// Kinds of frames that [`kind`] does not name.
const PRIORITY: u8 = 2;
pub(super) const PUSH_PROMISE: u8 = 5;
const KINDS: [u8; 13] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 0, 1];
const UNKNOWN: u8 = 0x42;
const PADDED: u8 = 8;
const WITH_PRIORITY: u8 = 0x20;
const ACK: u8 = 1;
pub(super) const FRAME_MAX: usize = 16_384;
const LENGTHS: [usize; 14] = [
    0,
    1,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    12,
    20,
    18,
    FRAME_MAX,
    FRAME_MAX + 1,
];
/// Streams behind the newest one that every engine remembers, and time in which it does.
const REMEMBERED: u32 = 60;
const REMEMBERED_FOR: u64 = 4_000_000_000;
/// Settings with values that they cannot have, and what those are answered by.
const SETTINGS: [(u16, u32, u32); 10] = [
    (2, 2, PROTOCOL),
    (2, u32::MAX, PROTOCOL),
    (4, 0x8000_0000, FLOW),
    (4, u32::MAX, FLOW),
    (5, 0, PROTOCOL),
    (5, 16_383, PROTOCOL),
    (5, 1 << 24, PROTOCOL),
    (5, u32::MAX, PROTOCOL),
    (8, 2, PROTOCOL),
    (9, 2, PROTOCOL),
];

/// What a frame has to lead to: the codes that may be given for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The end of the connection.
    Connection(&'static [u32]),
    /// That of its stream, or of the connection (RFC 9113 §5.4.2).
    Stream(&'static [u32]),
}

/// Where a frame is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Zero,
    /// A stream that was never opened.
    Idle,
    /// One whose number is the engine's to give.
    Foreign,
    /// One on which the peer may go on.
    Live,
    /// One on which it has to say no more.
    Ended,
}

const PLACES: [Place; 5] = [
    Place::Zero,
    Place::Idle,
    Place::Foreign,
    Place::Live,
    Place::Ended,
];
/// Frames that are drawn until one is wrong.
const DRAWS_MAX: u32 = 16;

use Answer::{Connection, Stream};

impl World<'_> {
    /// A frame that is wrong for one reason or another.
    pub(super) fn wrong_frame(&mut self) -> Result<(), Fault> {
        match self.tape.below(8) {
            0 => return self.within_a_block(),
            1 => return self.wrong_setting(),
            2 => return self.without_bound(),
            3 => return self.overflow(),
            _ => {}
        }
        for _ in 0..DRAWS_MAX {
            if let Some((frame, answer)) = self.draw_wrong() {
                return self.judge_wrong(&[frame], answer);
            }
        }
        Ok(())
    }

    /// A frame, and what it has to lead to, if it is wrong for certain.
    fn draw_wrong(&mut self) -> Option<(Frame, Answer)> {
        // One of three is a part of a message at the wrong time.
        let late = self.tape.chance(1, 3);
        let (kind, place) = match late {
            true => (self.tape.pick(&KINDS[..2]), self.tape.pick(&PLACES[2..])),
            false => (self.tape.pick(&KINDS), self.tape.pick(&PLACES)),
        };
        let stream = self.stream_at(place)?;
        let max = self.frame_max();
        let len = match (self.tape.pick(&LENGTHS), kind) {
            (len, _) if len > FRAME_MAX => max + 1,
            (len, PRIORITY) if len > 8 => 5,
            (len, kind::RST_STREAM | kind::WINDOW_UPDATE | kind::PRIORITY_UPDATE) if len > 8 => 4,
            (len, kind::PING | kind::GOAWAY) if len > 8 => 8,
            (len, _) => len,
        };
        let mut payload = self.tape.bytes(len.min(24));
        if self.tape.chance(1, 4) {
            payload.fill(0);
        }
        payload.resize(len, 0);
        if let Some(first) = payload.first_mut()
            && self.tape.chance(1, 4)
        {
            // Padding that just fits, or just does not.
            *first = (len as u64).saturating_sub(self.tape.below(8)) as u8;
        }
        if kind == kind::HEADERS && self.tape.chance(1, 2) {
            payload = b"\x88".to_vec();
        }
        if kind == PUSH_PROMISE && self.tape.chance(1, 2) {
            // A stream of the server's, and what it would be asked for.
            payload = b"\0\0\0\x02\x82\x84\x87".to_vec();
        }
        let flags = match late || self.tape.chance(1, 2) {
            true => 0,
            false => self.tape.below(256) as u8,
        };
        let whole = matches!(kind, kind::HEADERS | PUSH_PROMISE) && self.tape.chance(3, 4);
        let flags = flags | if whole { 4 } else { 0 };
        let frame = Frame::new(kind, flags, stream, &payload);
        let answer = self.answer_to(&frame, place)?;
        Some((frame, answer))
    }

    /// The longest frame that the engine has said it takes.
    pub(super) fn frame_max(&self) -> usize {
        let said = self.bounds.settings.iter().find(|(id, _)| *id == 5);
        said.map_or(FRAME_MAX, |&(_, size)| size as usize)
    }

    pub(super) fn stream_at(&mut self, place: Place) -> Option<u32> {
        let idle = self.idle_stream();
        match place {
            Place::Zero => Some(0),
            Place::Idle => Some(idle),
            Place::Foreign => Some(idle + 1 - 2 * (1 - idle % 2)).filter(|_| idle > 2),
            Place::Live => {
                let id = self.some_stream(|stream| !stream.end)?;
                let open = self.app.kind(id).is_some() && !self.app.is_reset(id);
                (open && !self.peer.resets.contains_key(&id)).then_some(id)
            }
            Place::Ended => {
                let fresh =
                    |id: u32| idle.saturating_sub(id) < REMEMBERED && self.now < REMEMBERED_FOR;
                let found = self.peer.streams.iter().find(|(id, stream)| {
                    let reset =
                        self.peer.resets.contains_key(id) || self.peer.said.contains_key(id);
                    stream.end && fresh(**id) && !reset && !self.observer.has_left_behind(**id)
                });
                found.map(|(&id, _)| id)
            }
        }
    }

    /// What the frame has to lead to; `None` where it may well be right, or where that depends on what is not known here.
    fn answer_to(&self, frame: &Frame, place: Place) -> Option<Answer> {
        let len = frame.payload.len();
        let zero = place == Place::Zero;
        let unopened = matches!(place, Place::Idle | Place::Foreign);
        let anything = Some(Connection(&[PROTOCOL, SIZE]));
        if len > self.frame_max() {
            return Some(Stream(&[SIZE, PROTOCOL, CLOSED]));
        }
        match frame.kind {
            kind::DATA | kind::HEADERS => self.answer_to_message(frame, place),
            PRIORITY if zero => anything,
            PRIORITY if len != 5 && place == Place::Live => Some(Stream(&[SIZE])),
            kind::RST_STREAM if zero || unopened => anything,
            kind::RST_STREAM if len != 4 => Some(Connection(&[SIZE])),
            kind::SETTINGS | kind::PING | kind::GOAWAY if !zero => anything,
            kind::SETTINGS if frame.flags & ACK != 0 && len > 0 => Some(Connection(&[SIZE])),
            kind::SETTINGS if !len.is_multiple_of(6) && frame.flags & ACK == 0 => {
                Some(Connection(&[SIZE]))
            }
            PUSH_PROMISE => anything,
            kind::PING if len != 8 => Some(Connection(&[SIZE])),
            kind::GOAWAY if len < 8 => Some(Connection(&[SIZE])),
            kind::WINDOW_UPDATE if len != 4 => Some(Connection(&[SIZE])),
            kind::WINDOW_UPDATE if unopened => anything,
            kind::WINDOW_UPDATE if frame.word(0) == 0 && zero => Some(Connection(&[PROTOCOL])),
            kind::WINDOW_UPDATE if frame.word(0) == 0 && place == Place::Live => {
                Some(Stream(&[PROTOCOL]))
            }
            kind::CONTINUATION => Some(Connection(&[PROTOCOL])),
            kind::PRIORITY_UPDATE if self.role == Role::Client || !zero => anything,
            kind::PRIORITY_UPDATE if len < 4 => Some(Connection(&[SIZE])),
            kind::PRIORITY_UPDATE if frame.word(0).is_multiple_of(2) => {
                Some(Connection(&[PROTOCOL]))
            }
            _ => None,
        }
    }

    fn answer_to_message(&self, frame: &Frame, place: Place) -> Option<Answer> {
        let (len, flags) = (frame.payload.len(), frame.flags);
        let head = frame.kind == kind::HEADERS;
        let first = usize::from(flags & PADDED != 0);
        let fixed = match head && flags & WITH_PRIORITY != 0 {
            true => 5,
            false => 0,
        };
        if place == Place::Zero {
            return Some(Connection(&[PROTOCOL, SIZE]));
        }
        if len < first + fixed {
            return Some(Connection(&[PROTOCOL, SIZE]));
        }
        if first == 1 && usize::from(frame.payload[0]) + first + fixed > len {
            return Some(Connection(&[PROTOCOL]));
        }
        let whole = !head || frame.ends_headers();
        match place {
            _ if !whole => None,
            Place::Idle if head && self.role == Role::Server => None,
            Place::Idle | Place::Foreign => Some(Connection(&[PROTOCOL, COMPRESSION])),
            Place::Ended if head => Some(Stream(&[CLOSED, COMPRESSION])),
            Place::Ended => Some(Stream(&[CLOSED, FLOW])),
            // §8.1: a response begins with its head.
            Place::Live if !head => {
                let stream = &self.peer.streams[&frame.stream];
                let fits = self.peer.has_room(frame.stream, len as u64);
                let awaited =
                    self.app.kind(frame.stream).is_some() && !self.app.is_reset(frame.stream);
                (!stream.head && fits && awaited).then_some(Stream(&[PROTOCOL]))
            }
            _ => None,
        }
    }

    /// A header block begins, and something else follows than the rest of it (RFC 9113 §6.10).
    fn within_a_block(&mut self) -> Result<(), Fault> {
        let Some(id) = self.some_place_for_a_block() else {
            return Ok(());
        };
        let begin = Frame::new(kind::HEADERS, 0, id, &[]);
        let (kind, len) = self.tape.pick(&[
            (kind::DATA, 0),
            (kind::HEADERS, 0),
            (PRIORITY, 5),
            (kind::RST_STREAM, 4),
            (kind::SETTINGS, 0),
            (kind::PING, 8),
            (kind::GOAWAY, 8),
            (kind::WINDOW_UPDATE, 4),
            (kind::CONTINUATION, 0),
            (UNKNOWN, 3),
            (kind::PRIORITY_UPDATE, 4),
        ]);
        let stream = match kind {
            kind::SETTINGS | kind::PING | kind::GOAWAY | kind::PRIORITY_UPDATE => 0,
            kind::CONTINUATION => id + 2,
            _ => self.tape.pick(&[id, id, 0]),
        };
        let then = Frame::new(kind, self.tape.pick(&[0, 4]), stream, &vec![1; len]);
        self.judge_wrong(&[begin, then], Connection(&[PROTOCOL]))
    }

    pub(super) fn some_place_for_a_block(&mut self) -> Option<u32> {
        match self.role {
            Role::Client => self.some_stream(|stream| !stream.head),
            Role::Server => (!self.peer.engine_left).then_some(self.peer.next),
        }
    }

    fn wrong_setting(&mut self) -> Result<(), Fault> {
        let set = |id: u8, value: u8| Frame::new(kind::SETTINGS, 0, 0, &[0, id, 0, 0, 0, value]);
        match self.tape.below(6) {
            // RFC 8441 §3 and RFC 9218 §2.1: what may not be taken back.
            0 => return self.judge_wrong(&[set(8, 1), set(8, 0)], Connection(&[PROTOCOL])),
            1 => {
                let other = u8::from(!self.peer.goes_by_urgency);
                return self.judge_wrong(&[set(9, other)], Connection(&[PROTOCOL]));
            }
            _ => {}
        }
        let (id, value, code) = match self.tape.chance(1, 8) && self.role == Role::Client {
            // §6.5.2: a server has nothing to enable.
            true => (2, 1, PROTOCOL),
            false => self.tape.pick(&SETTINGS),
        };
        let payload = [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
        let frame = Frame::new(kind::SETTINGS, 0, 0, &payload);
        let answer = match code {
            FLOW => Connection(&[FLOW]),
            _ => Connection(&[PROTOCOL]),
        };
        self.judge_wrong(&[frame], answer)
    }

    /// A header block that cannot be decoded (RFC 9113 §4.3).
    pub(super) fn broken_block(&mut self) -> Result<(), Fault> {
        let Some(id) = self.some_place_for_a_block() else {
            return Ok(());
        };
        let lines = match self.role {
            Role::Client => pool::response(self.tape.lane("lists")),
            Role::Server => pool::request(self.tape.lane("lists"), false),
        };
        let tape = self.tape.lane("tables");
        let (what, block) = self.peer.writer.broken(tape, &lines);
        note!(self.trace, "peer: {}", what);
        self.name_broken(what);
        self.send_block(id, &block, false);
        self.judge_wrong(&[], Connection(&[COMPRESSION]))
    }

    /// Delivers frames, and judges what they lead to.
    pub(super) fn judge_wrong(&mut self, frames: &[Frame], answer: Answer) -> Result<(), Fault> {
        self.name_wrong(frames);
        self.broken = true;
        frames.iter().for_each(|frame| self.deliver(frame));
        let before = self.peer.inbox.len();
        self.turn()?;
        let last = frames.last();
        let said = self.peer.inbox.iter().skip(before);
        let ends: Vec<(bool, u32)> = said
            .filter_map(|frame| match frame.kind {
                kind::GOAWAY => Some((true, frame.word(4))),
                kind::RST_STREAM if last.is_some_and(|last| last.stream == frame.stream) => {
                    Some((false, frame.word(0)))
                }
                _ => None,
            })
            .collect();
        let (codes, stream_will_do) = match answer {
            Connection(codes) => (codes, false),
            Stream(codes) => (codes, true),
        };
        let fits =
            |&(goaway, code): &(bool, u32)| codes.contains(&code) && (stream_will_do || goaway);
        let over = self.conn.lifecycle() >= Lifecycle::Closing;
        if ends.iter().any(fits) && (over || ends.iter().any(|&(goaway, _)| !goaway)) {
            return Ok(());
        }
        let text = last.map_or_else(
            || "a header block".into(),
            |last| super::short::Short(last).to_string(),
        );
        Err(Fault::run(format!(
            "I-28: {text} has to lead to {answer:?}, and leads to {ends:?}, {:?}",
            self.conn.lifecycle()
        )))
    }
}
