//! Ends in which things get on, but slowly: a stream whose window opens by a little now and then, and a transport that takes
//! some for minutes.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};
use raddle_core::{
    ErrorCode, Lifecycle, ResponseHead, Role, StreamHandle, Then, Timestamp, Waiting,
};

use super::{
    TURNS_MAX, World,
    acts::Kind,
    app::{BODY_MAX, Live},
    more::BASE_MAX,
    short::Short,
};
use crate::{
    outcome::Fault,
    trace::note,
    wire::{Frame, kind},
};

const SECOND: u64 = 1_000_000_000;
/// More of the connection's window than is used.
const WIDE: u32 = 1 << 20;
/// More than the 1 KiB in which a deadline moves.
const SOME: usize = 1_100;
/// How long a transport is slow, and how often it takes some: before the answer to a PING in it is overdue.
const SLOW: u64 = 300 * SECOND;
const PACE: u64 = 8 * SECOND;

/// Frames that are cut, and that the transport has not taken.
#[derive(Debug, Default)]
struct Pending {
    /// Each with what has to be taken in all for it to be whole.
    frames: VecDeque<(usize, Frame)>,
    cut: usize,
    taken: usize,
}

fn word(value: u32) -> [u8; 4] {
    value.to_be_bytes()
}

impl World<'_> {
    /// One of these ends.
    pub(super) fn slow(&mut self) -> Result<(), Fault> {
        if self.conn.lifecycle() >= Lifecycle::Draining || self.peer.first > 1 {
            return Ok(());
        }
        match self.tape.lane("slow").below(4) {
            0 => self.drip(false),
            1 => self.drip(true),
            2 => self.take_some(),
            _ => self.close_slowly(),
        }
    }

    /// The application has much to send, on two streams if it can.
    pub(super) fn want_much(&mut self) -> Result<(), Fault> {
        match self.role {
            Role::Client => {
                for _ in 0..2 {
                    self.open_as(Kind::Plain, BODY_MAX);
                }
            }
            Role::Server => {
                if self.app.streams.len() < self.bounds.streams {
                    self.open_stream();
                    self.turn()?;
                }
                let handles: Vec<_> = self.app.streams.keys().copied().collect();
                for handle in handles {
                    let head = ResponseHead::new(200).finish();
                    let asked = self.app.streams[&handle].kind;
                    if asked != Kind::Head
                        && self.conn.respond(handle, head, Then::More).is_ok()
                        && let Some(live) = self.app.streams.get_mut(&handle)
                    {
                        (live.left, live.total) = (Some(BODY_MAX), Some(BODY_MAX));
                    }
                }
            }
        }
        self.fill()?;
        self.turn()
    }

    /// The window of a stream opens by `bytes`.
    fn open_by(&mut self, id: u32, bytes: u32) {
        self.deliver(&Frame::new(kind::WINDOW_UPDATE, 0, id, &word(bytes)));
    }

    /// The first stream that its own window holds back.
    fn held_stream(&self) -> Option<(StreamHandle, u32)> {
        let held = |handle: &StreamHandle| self.conn.explain(*handle) == Waiting::StreamWindow;
        let mut streams = self.app.streams.iter();
        let (&handle, live) = streams.find(|(handle, _)| held(handle))?;
        Some((handle, live.id?))
    }

    /// The peer opens one window by a little now and then, or by what counts; and in the end not at all.
    fn drip(&mut self, enough: bool) -> Result<(), Fault> {
        // In which a stream is given up that gets on by less than 1 KiB between two looks: not before the first, and by the
        // second.
        let Some(stall) = self.bounds.times.stall else {
            return self.calm_down();
        };
        let stall_max = stall / 2 * 3;
        self.want_much()?;
        let Some((handle, id)) = self.held_stream() else {
            return Ok(());
        };
        self.marks.hit("drips");
        self.broken = true;
        let (bytes, every) = match enough {
            true => (SOME as u32, stall / 3),
            false => (
                self.tape.lane("slow").between(1, 200) as u32,
                stall / 15 * 2,
            ),
        };
        self.deliver(&Frame::new(kind::WINDOW_UPDATE, 0, 0, &word(WIDE)));
        // Where the initial window was lowered below what was sent, nothing gets on before that is made up for.
        let debt = -self.observer.rooms(id).0;
        if enough && debt > 0 {
            self.open_by(id, debt as u32);
        }
        note!(
            self,
            "the peer opens {} by {} bytes now and then",
            id,
            bytes
        );
        let begin = self.now;
        let mut last = begin;
        while self.app.streams.contains_key(&handle) && last < begin + 2 * stall {
            self.pass_time(last + every, true)?;
            last += every;
            self.now = last;
            if !enough && last >= begin + stall_max {
                break;
            }
            self.open_by(id, bytes);
            self.turn()?;
        }
        let open = self.app.streams.contains_key(&handle);
        let over = self.conn.lifecycle() >= Lifecycle::Closing;
        let given = self.app.streams.get(&handle).map(Live::given);
        let sent = self.observer.unfinished(id);
        let unsent = given.is_some_and(|given| sent.is_some_and(|(sent, _)| sent < given));
        match (enough, open) {
            (false, true) if !over && unsent => Err(self.held_for_ever(id)),
            (true, false) if !over && self.app.stalled.contains(&handle) => Err(Fault::run(
                format!("I-21: stream {id} is given up although it gets on"),
            )),
            (true, true) if unsent => {
                // What it was given last does not count for longer than anything else.
                self.pass_time(last + stall_max, true)?;
                let open = self.app.streams.contains_key(&handle);
                match open && self.conn.lifecycle() < Lifecycle::Closing {
                    true => Err(self.held_for_ever(id)),
                    false => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn held_for_ever(&self, id: u32) -> Fault {
        Fault::run(format!(
            "I-21: stream {id} is held back for ever, or for too long"
        ))
    }

    /// No window is in the way any more.
    fn widen_all(&mut self) -> Result<(), Fault> {
        let payload = [&4_u16.to_be_bytes()[..], &word(BASE_MAX)].concat();
        self.deliver(&Frame::new(kind::SETTINGS, 0, 0, &payload));
        self.deliver(&Frame::new(kind::WINDOW_UPDATE, 0, 0, &word(WIDE)));
        Ok(())
    }

    /// The transport takes a little more than 1 KiB at a time, for minutes; and then all, and nobody is worse off.
    fn take_some(&mut self) -> Result<(), Fault> {
        self.marks.hit("slow transport");
        note!(self, "the transport takes some each {} s", PACE / SECOND);
        let mut pending = Pending::default();
        self.widen_all()?;
        self.turn_slowly(0, &mut pending)?;
        self.want_much_slowly(&mut pending)?;
        for _ in 0..SLOW / PACE {
            self.pass_slowly(self.now + PACE, &mut pending)?;
            self.turn_slowly(SOME, &mut pending)?;
            self.judge_patience()?;
        }
        self.turn_slowly(usize::MAX, &mut pending)?;
        // A deadline for writing that still ran would end it now.
        self.pass_time(self.now + self.bounds.times.write + 10 * SECOND, true)?;
        self.judge_patience()?;
        self.peer.idle = 0;
        self.calm_down()
    }

    fn want_much_slowly(&mut self, pending: &mut Pending) -> Result<(), Fault> {
        if self.role == Role::Client {
            self.open_as(Kind::Plain, BODY_MAX);
        }
        for (&handle, live) in &mut self.app.streams {
            let head = ResponseHead::new(200).finish();
            let fits = self.role == Role::Server && live.kind != Kind::Head;
            if fits && self.conn.respond(handle, head, Then::More).is_ok() {
                (live.left, live.total) = (Some(BODY_MAX), Some(BODY_MAX));
            }
        }
        self.fill()?;
        self.turn_slowly(0, pending)
    }

    /// Time passes for who is slow and honest.
    fn pass_slowly(&mut self, until: u64, pending: &mut Pending) -> Result<(), Fault> {
        while let Some(due) = self.conn.poll_timeout().filter(|due| due.0 <= until) {
            self.now = self.now.max(due.0);
            self.conn.handle_timeout(Timestamp(self.now));
            self.turn_slowly(0, pending)?;
            self.judge_patience()?;
        }
        self.now = until;
        Ok(())
    }

    fn judge_patience(&self) -> Result<(), Fault> {
        match self.conn.error().and_then(|error| error.violation) {
            Some(violation) => Err(Fault::run(format!(
                "I-27: accuses an honest peer, whose transport is slow: {violation}"
            ))),
            None => Ok(()),
        }
    }

    /// A turn at whose end the transport has taken `room` bytes at most, and the peer has answered what it has got.
    fn turn_slowly(&mut self, mut room: usize, pending: &mut Pending) -> Result<(), Fault> {
        let now = Timestamp(self.now);
        for _ in 0..TURNS_MAX {
            let before = self.input.len();
            let verdict = self.conn.handle_input(&mut self.input, now);
            self.app.tally.read(verdict);
            let read = before - self.input.len();
            self.observer.read(read);
            let heard = self.hear()?;
            let cut = self.cut_slowly(now, pending)?;
            let take = room.min(self.out.remaining());
            room -= take;
            self.record_taken(take);
            self.out.advance(take);
            pending.taken += take;
            while let Some((_, frame)) = pending
                .frames
                .pop_front_if(|(end, _)| *end <= pending.taken)
            {
                self.peer.inbox.push_back(frame);
            }
            while !self.peer.inbox.is_empty() {
                if let Some(answer) = self.peer.look() {
                    self.deliver(&answer);
                }
            }
            if self.out.has_remaining() {
                self.conn.handle_transport_blocked(&self.out, now);
            }
            let over = self.conn.lifecycle() >= Lifecycle::Closing;
            if read + cut + take == 0 && !heard && (over || self.input.is_empty()) {
                self.record_waits();
                return Ok(());
            }
        }
        Err(Fault::run("I-23: the engine spins"))
    }

    /// Cuts frames, which are judged now and arrive later.
    fn cut_slowly(&mut self, now: Timestamp, pending: &mut Pending) -> Result<usize, Fault> {
        let before = self.out.remaining();
        self.app.tally.asks(&self.conn, before, self.bounds.output);
        let cut = self.conn.poll_transmit(&mut self.out, now);
        self.note_ids()?;
        self.record_cut_frames(before);
        let bytes: Vec<u8> = self.out.parts().flatten().copied().collect();
        let mut frames = Vec::new();
        self.observer.sent(&bytes[before..], Some(&mut frames))?;
        self.judge_full(before, &frames)?;
        for frame in frames {
            note!(self.trace, "engine: {}", Short(&frame));
            self.accept(&frame)?;
            pending.cut += 9 + frame.payload.len();
            pending.frames.push_back((pending.cut, frame));
        }
        Ok(cut)
    }

    /// The application ends the connection, and its transport takes the rest bit by bit: as long as that gets on, it is
    /// waited for.
    fn close_slowly(&mut self) -> Result<(), Fault> {
        self.marks.hit("slow transport");
        let mut pending = Pending::default();
        self.widen_all()?;
        self.turn_slowly(0, &mut pending)?;
        self.want_much_slowly(&mut pending)?;
        // Before it has had its time.
        let pace = self.bounds.times.close / 10 * 9;
        note!(
            self,
            "app: closes, and the transport takes some each {} ms",
            pace / 1_000_000
        );
        self.conn.close(ErrorCode::NO_ERROR, Bytes::new());
        self.app.closed = Some((0, 0));
        self.turn_slowly(0, &mut pending)?;
        while self.out.has_remaining() {
            if self.conn.lifecycle() == Lifecycle::Closed {
                return Err(Fault::run(format!(
                    "I-27: is over with {} bytes of output that get on",
                    self.out.remaining()
                )));
            }
            self.now += pace;
            if self
                .conn
                .poll_timeout()
                .is_some_and(|due| due.0 <= self.now)
            {
                self.conn.handle_timeout(Timestamp(self.now));
            }
            self.turn_slowly(SOME, &mut pending)?;
        }
        match self.conn.lifecycle() {
            Lifecycle::Closed => Ok(()),
            other => Err(Fault::run(format!(
                "I-27: is {other:?} when all is written"
            ))),
        }
    }
}
