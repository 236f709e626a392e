//! A path that brings much within one round trip, or little, to a reader who keeps up with it or does not; and the
//! receive windows that have to follow it (I-10), with the PINGs by which it is measured (I-19).
//!
//! What is held against the engine is what it promises of `connection_window_bytes_max`: a sample is what arrives while a
//! PING is out, one that nearly fills a stream's window makes the windows four times as large, one that fills half of
//! it twice, and a row of small ones halves them. Whoever reads slowly gets no more, and nobody is asked for a short message.

use raddle_core::{Lifecycle, Role, StreamHandle};

use super::{World, acts::Kind, quiet::SECOND};
use crate::{
    outcome::Fault,
    trace::note,
    wire::{Frame, kind},
};

const WINDOW_MAX: u64 = 0x7fff_ffff;
/// Bytes of one frame, and of all that is sent in such a run.
const FRAME: u64 = 16_000;
const BYTES_MAX: u64 = 250_000;
/// Between two samples that change nothing.
const REST: u64 = SECOND;
/// Small samples in a row by which the windows become smaller.
const SMALL_MAX: u32 = 4;

/// What the windows have to be.
#[derive(Debug)]
struct Path {
    window: u64,
    least: u64,
    most: u64,
    stream_least: u64,
    /// The window that the stream was told of when it was read last.
    stream: u64,
    small: u32,
    /// The windows have just grown, and what is on its way does not know.
    grown: bool,
    /// The next sample is the first that shows what the growth was good for.
    tried: bool,
    rests_until: u64,
    /// What was wanted when it was looked at last, and the credit that the engine had given by then: of the connection, and
    /// of the stream.
    before: [(u64, i64); 2],
}

impl Path {
    fn stream_window(&self) -> u64 {
        WINDOW_MAX.min(self.stream_least * self.window / self.least)
    }

    /// So many bytes have arrived while the PING was out, and `held` are not read.
    fn sample(&mut self, bytes: u64, held: u64, now: u64) {
        if std::mem::take(&mut self.grown) {
            self.tried = true;
            return;
        }
        let tried = std::mem::take(&mut self.tried);
        let window = self.stream_window();
        let reads = held <= window / 2;
        if bytes >= window / 2 && self.window < self.most && reads {
            self.small = 0;
            let times = if bytes >= window / 3 * 2 { 4 } else { 2 };
            self.window = self.most.min(self.window * times);
            self.grown = true;
            return;
        }
        self.small = match bytes < window / 4 {
            true if tried => SMALL_MAX,
            true => self.small + 1,
            false => 0,
        };
        if self.small >= SMALL_MAX {
            self.small = 0;
            self.window = self.least.max(self.window / 2);
        }
        self.rests_until = now + REST;
    }
}

impl World<'_> {
    /// Round trips of one stream, each with more or less in it.
    pub(super) fn follow_path(&mut self) -> Result<(), Fault> {
        let Some((id, handle)) = self.incoming()? else {
            return Ok(());
        };
        self.marks.hit("path");
        let (least, most) = self.told.windows;
        let announced = self.bounds.settings.iter().find(|(id, _)| *id == 4);
        let stream = announced.map_or(65_535, |&(_, bytes)| u64::from(bytes));
        let mut path = Path {
            window: u64::from(least),
            least: u64::from(least),
            most: u64::from(most),
            stream_least: stream,
            stream,
            small: 0,
            grown: false,
            tried: false,
            rests_until: 0,
            before: [(0, 0); 2],
        };
        let mut left = BYTES_MAX;
        let rounds = self.tape.lane("path").between(3, 24);
        for _ in 0..rounds {
            let tenths = self.tape.lane("path").pick(&[4, 4, 10, 30]);
            self.now += tenths * SECOND / 10;
            self.pass_time(self.now, true)?;
            if left == 0 || !self.app.streams.contains_key(&handle) {
                break;
            }
            self.round_trip(id, &mut path, &mut left)?;
        }
        self.calm_down()
    }

    /// A stream on which the peer sends a body.
    fn incoming(&mut self) -> Result<Option<(u32, StreamHandle)>, Fault> {
        self.answer_unread();
        self.turn()?;
        match self.role {
            Role::Server => self.request(false)?,
            Role::Client => self.open_as(Kind::Plain, 0),
        }
        self.turn()?;
        let found = self.app.streams.iter().next();
        let Some((&handle, id)) = found.and_then(|(handle, live)| Some((handle, live.id?))) else {
            return Ok(None);
        };
        self.answer_unread();
        if self.role == Role::Client {
            let block = self.block(b"\x88");
            self.send_block(id, &block, false);
            self.hope_for_any(id);
            if let Some(stream) = self.peer.streams.get_mut(&id) {
                stream.head = true;
            }
        }
        self.turn()?;
        let open = self.conn.lifecycle() == Lifecycle::Open;
        Ok(open.then_some((id, handle)))
    }

    fn round_trip(&mut self, id: u32, path: &mut Path, left: &mut u64) -> Result<(), Fault> {
        let tape = self.tape.lane("path");
        let percent = tape.pick(&[100, 100, 70, 60, 40, 5, 5]);
        let reads = !tape.chance(1, 5);
        note!(
            self,
            "a round trip with {}% of a window, read: {}",
            percent,
            reads
        );
        // As little at first as no short message has, and then more.
        let step = (path.stream / 5).clamp(1, FRAME);
        let mut asked = false;
        for _ in 0..20 {
            if asked || *left == 0 {
                break;
            }
            let (held, before) = (self.app.held(), *left);
            let due = self.send_part(id, step, path, left);
            self.turn()?;
            asked = self.asks_now();
            if due.is_some_and(|due| due != asked) {
                return Err(Fault::run(format!(
                    "I-19: a PING for the path is due: {due:?}, and goes out: {asked}; {path:?}"
                )));
            }
            self.read_part(path, reads, held + before - *left)?;
            if due.is_none() || self.now < path.rests_until {
                break;
            }
        }
        if !asked {
            return self.judge_path(id, path);
        }
        let wanted = path.stream_window() * percent / 100;
        let mut sent = 0;
        while sent < wanted && *left > 0 {
            let (held, before) = (self.app.held(), *left);
            let due = self.send_part(id, (wanted - sent).min(FRAME), path, left);
            sent += before - *left;
            self.turn()?;
            self.read_part(path, reads, held + before - *left)?;
            if due.is_none() {
                break;
            }
        }
        self.now += SECOND / 10;
        self.answer_unread();
        path.sample(sent, self.app.held(), self.now);
        self.turn()?;
        self.judge_path(id, path)
    }

    fn asks_now(&self) -> bool {
        let mut inbox = self.peer.inbox.iter();
        inbox.any(|frame| frame.kind == kind::PING && !frame.is_ack())
    }

    /// A part of the body of `len` bytes, or as many as the windows let pass; answers whether the path is to be measured then,
    /// if nobody does so already, and nothing where nothing can be sent.
    fn send_part(&mut self, id: u32, len: u64, path: &Path, left: &mut u64) -> Option<bool> {
        self.answer_updates();
        let window = self.peer.streams[&id].window.min(self.peer.window);
        let len = len.min(u64::try_from(window).unwrap_or(0)).min(*left);
        if len == 0 {
            return None;
        }
        *left -= len;
        let mut payload = Vec::new();
        self.write_body(id, len as usize, &mut payload);
        self.peer.spend(id, len);
        self.deliver(&Frame::new(kind::DATA, 0, id, &payload));
        let drawn =
            |target: u64, window: i64, parts: i64| (target as i64 - window) * parts > target as i64;
        let much = drawn(path.stream, self.peer.streams[&id].window, 4)
            || drawn(path.window, self.peer.window, 2);
        Some(much && path.least < path.most && self.now >= path.rests_until)
    }

    /// The peer looks at what it is granted, and at nothing that is to be answered.
    fn answer_updates(&mut self) {
        while let Some(frame) = self.peer.inbox.front()
            && frame.kind == kind::WINDOW_UPDATE
        {
            self.peer.look();
        }
    }

    /// The application reads, or not. Of what was told, which makes `all` that it would hold, it has read some at once.
    fn read_part(&mut self, path: &mut Path, reads: bool, all: u64) -> Result<(), Fault> {
        let mut any = self.app.held() < all;
        if reads && self.app.held() > 0 {
            any = true;
            self.app.release_all(&mut self.conn);
            self.turn()?;
        }
        if any {
            path.stream = path.stream_window();
        }
        Ok(())
    }

    /// The windows are what they have to be, and the peer has been told of half of them at least.
    fn judge_path(&mut self, id: u32, path: &mut Path) -> Result<(), Fault> {
        let receives = u64::from(self.conn.receive_window());
        if receives != path.window {
            return Err(Fault::run(format!(
                "I-10: a window of {receives}, where the path wants {path:?}"
            )));
        }
        let held = self.app.held() as i64;
        let account = self.observer.account_of(id);
        let rows = [
            (
                path.window,
                Some(self.peer.window_to_come()),
                Some(self.observer.account()),
            ),
            (path.stream, self.peer.stream_window_to_come(id), account),
        ];
        for (at, (target, has, account)) in rows.into_iter().enumerate() {
            let (Some(has), Some(account)) = (has, account) else {
                continue;
            };
            let room = target as i64 - held;
            let now = (target, account.credit_sent);
            let (wanted, given) = std::mem::replace(&mut path.before[at], now);
            // What was given for more than is wanted now cannot be taken back.
            let too_much = has > room && account.credit_sent > given && wanted == target;
            let too_little = room > has.max(0) && 2 * has <= room;
            if too_much || too_little {
                return Err(Fault::run(format!(
                    "I-10: a window of {has} with {held} held, where {target} are wanted, by {path:?}"
                )));
            }
        }
        Ok(())
    }
}
