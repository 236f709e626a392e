//! The peer: what it may do next.

use raddle_core::{Lifecycle, Role};

use super::{World, acts::Kind, known::Stream};
use crate::{
    outcome::Fault,
    wire::{Frame, kind},
};

fn word(value: u32) -> [u8; 4] {
    value.to_be_bytes()
}

impl World<'_> {
    /// The peer does one thing that it may do.
    pub(super) fn peer_step(&mut self) -> Result<(), Fault> {
        let client = self.role == Role::Server;
        if self.peer_more()? || self.peer_lists() {
            return Ok(());
        }
        match self.tape.lane("peer").below(16) {
            0..=3 => {
                for _ in 0..self.tape.between(1, 8) {
                    if let Some(answer) = self.peer.look() {
                        self.deliver(&answer);
                    }
                }
            }
            4 | 5 if client => self.open_stream(),
            4 | 5 => self.answer_some(),
            6..=8 => self.send_some(),
            9 => self.grant(1),
            10 => self.change_settings(),
            11 => self.deliver(&Frame::new(kind::PING, 0, 0, b"abcdefgh")),
            12 => self.reset_some(),
            13 if self.peer.idle < 20 => {
                self.peer.idle += 1;
                self.deliver(&Frame::new(0x42, 0xff, 5, b"unknown"));
            }
            14 if self.tape.chance(1, 4) => {
                self.leave();
                while self.tape.lane("leaving").chance(1, 2) {
                    self.leave();
                }
            }
            15 if client && self.tape.chance(1, 20) && self.peer.next < 10 => {
                self.marks.hit("burst");
                (0..280).for_each(|_| self.open_stream());
            }
            15 if client && self.tape.chance(1, 4) => {
                self.marks.hit("large list");
                self.large_list()?;
            }
            _ => {}
        }
        Ok(())
    }

    pub(super) fn some_stream(&mut self, fits: impl Fn(&Stream) -> bool) -> Option<u32> {
        let found = self
            .peer
            .streams
            .iter()
            .filter(|(_, stream)| !stream.over && fits(stream));
        let ids: Vec<u32> = found.map(|(&id, _)| id).collect();
        (!ids.is_empty()).then(|| ids[self.tape.index(ids.len())])
    }

    /// A header block, with or without a field of the dynamic table.
    pub(super) fn block(&mut self, start: &[u8]) -> Vec<u8> {
        let more = self.tape.below(4);
        let writer = &mut self.peer.writer;
        let mut block = writer.begin(self.tape.lane("tables"));
        self.tape.lane("peer");
        let begin = block.len();
        block.extend_from_slice(start);
        writer.note(start);
        let begin = begin + start.len();
        match more {
            1 => block.extend_from_slice(b"\x40\x03x-a\x01v"),
            2 if writer.newest_is(b"x-a", b"v") => block.push(0xbe),
            _ => {}
        }
        writer.note(&block[begin..]);
        block
    }

    /// Sends a block, in one frame or in several, with all that HEADERS may carry beside it.
    pub(super) fn send_block(&mut self, id: u32, block: &[u8], end: bool) {
        let mut cuts = vec![block.len()];
        if self.tape.chance(1, 4) {
            cuts.insert(0, self.tape.index(block.len()));
        }
        let tape = self.tape.lane("blocks");
        for _ in 0..3 {
            if tape.chance(1, 16) {
                cuts.push(tape.index(block.len() + 1));
            }
        }
        cuts.sort_unstable();
        let padding = tape.chance(1, 8).then(|| tape.pick(&[0, 1, 255]));
        let priority = tape.chance(1, 8).then(|| tape.bytes(5));
        self.tape.lane("peer");
        let (mut flags, mut payload) = (u8::from(end), Vec::new());
        if let Some(padding) = padding {
            flags |= 8;
            payload.push(padding);
        }
        if let Some(priority) = priority {
            flags |= 0x20;
            payload.extend_from_slice(&priority);
        }
        let (mut begin, mut kind) = (0, kind::HEADERS);
        for (at, &cut) in cuts.iter().enumerate() {
            payload.extend_from_slice(&block[begin..cut]);
            if kind == kind::HEADERS {
                payload.resize(payload.len() + usize::from(padding.unwrap_or(0)), 0);
            }
            let last = if at + 1 == cuts.len() { 4 } else { 0 };
            self.deliver(&Frame::new(kind, flags | last, id, &payload));
            payload.clear();
            (begin, kind, flags) = (cut, kind::CONTINUATION, 0);
        }
    }

    pub(super) fn open_stream(&mut self) {
        if self.peer.engine_left || self.peer.next > 0x7fff_ffff {
            return;
        }
        let id = self.peer.next;
        self.peer.next += 2;
        let tunnel = self.tunnels && self.tape.chance(1, 6);
        let block = match tunnel {
            // RFC 8441 §4.
            true => self.block(b"\x02\x07CONNECT\0\x09:protocol\x09websocket\x87\x84\x01\x01a"),
            false => self.block(b"\x83\x87\x84\x01\x01a"),
        };
        let end = !tunnel && self.tape.chance(1, 4);
        self.send_block(id, &block, end);
        self.hope_for_any(id);
        let stream = Stream {
            window: self.peer.base,
            head: true,
            end,
            tunnel,
            ..Stream::default()
        };
        self.peer.streams.insert(id, stream);
    }

    fn answer_some(&mut self) {
        let Some(id) = self.some_stream(|stream| !stream.head) else {
            return;
        };
        if self.tape.chance(1, 4) {
            if self.peer.informs(id) {
                let block = self.block(b"\x08\x03103");
                self.send_block(id, &block, false);
                self.hope_for_any(id);
            }
            return;
        }
        let end = self.tape.chance(1, 3);
        let block = self.block(b"\x88");
        self.send_block(id, &block, end);
        self.hope_for_any(id);
        self.finish_half(id, end);
        let asked = self.app.kind(id);
        if let Some(stream) = self.peer.streams.get_mut(&id) {
            stream.head = true;
            stream.left = (asked == Some(Kind::Head)).then_some(0);
            stream.tunnel = asked.is_some_and(Kind::is_tunnel);
        }
    }

    pub(super) fn finish_half(&mut self, id: u32, end: bool) {
        if let Some(stream) = self.peer.streams.get_mut(&id) {
            if end && stream.tunnel && !stream.end && !stream.got_end {
                self.marks.hit("S13");
            }
            stream.end |= end;
            stream.over |= stream.end && stream.got_end;
        }
    }

    fn send_some(&mut self) {
        if self.tape.lane("pieces").chance(1, 6) {
            return self.send_pieces();
        }
        self.tape.lane("peer");
        let Some(id) = self.some_stream(|stream| stream.head && !stream.end) else {
            return;
        };
        let window = self.peer.streams[&id].window.min(self.peer.window).max(0) as usize;
        let padding = self.tape.pick(&[None, None, Some(0), Some(1), Some(255)]);
        let extra = padding.map_or(0, |padding| padding + 1);
        let end = self.tape.chance(1, 6);
        let left = self.peer.streams[&id].left;
        // Nothing but an end fits into no window.
        let (len, padding) = match window.checked_sub(extra) {
            Some(room) => (self.tape.size(room.min(16_000)), padding),
            None => (0, None),
        };
        let len = left.map_or(len, |left| len.min(left as usize));
        let left = left.map(|left| left - len as u64);
        let end = end && left.unwrap_or(0) == 0;
        if len == 0 && padding.is_none() && !end {
            if self.peer.idle >= 20 {
                return;
            }
            self.peer.idle += 1;
        }
        let mut payload = Vec::new();
        payload.extend(padding.map(|padding| padding as u8));
        self.write_body(id, len, &mut payload);
        payload.resize(payload.len() + padding.unwrap_or(0), 0);
        let flags = u8::from(end) | if padding.is_some() { 8 } else { 0 };
        self.peer.window -= payload.len() as i64;
        if let Some(stream) = self.peer.streams.get_mut(&id) {
            stream.window -= payload.len() as i64;
            stream.left = left;
        }
        self.deliver(&Frame::new(kind::DATA, flags, id, &payload));
        self.finish_half(id, end);
    }

    /// Gives back a part of the credit that the engine has used, or all of it and more.
    fn grant(&mut self, least: u64) {
        let bytes = self
            .peer
            .uncredited
            .min(least + self.tape.below(self.peer.uncredited + 1));
        if bytes > 0 {
            self.peer.uncredited -= bytes;
            self.deliver(&Frame::new(kind::WINDOW_UPDATE, 0, 0, &word(bytes as u32)));
        }
        let Some(id) = self.some_stream(|stream| stream.uncredited > 0 && !stream.got_end) else {
            return;
        };
        if let Some(stream) = self.peer.streams.get_mut(&id) {
            let bytes = std::mem::take(&mut stream.uncredited) as u32;
            self.deliver(&Frame::new(kind::WINDOW_UPDATE, 0, id, &word(bytes)));
        }
    }

    fn change_settings(&mut self) {
        let (id, values): (u16, &[u32]) = match self.tape.below(4) {
            0 => (4, &[0, 1, 100, 65_535, 100_000]),
            1 => (3, &[100, 1, 2, 5]),
            3 if self.tape.lane("settings").chance(1, 2) => return self.mix_settings(),
            _ => (1, &[4_096, 0, 100, 8_000]),
        };
        self.tape.lane("peer");
        let mut payload = Vec::new();
        for _ in 0..self.tape.between(1, 3) {
            payload.extend_from_slice(&id.to_be_bytes());
            payload.extend_from_slice(&word(self.tape.pick(values)));
        }
        self.deliver(&Frame::new(kind::SETTINGS, 0, 0, &payload));
    }

    /// Several settings in one frame, each more than once at times: they count in their order (RFC 9113 §6.5.3).
    fn mix_settings(&mut self) {
        let mut payload = Vec::new();
        for _ in 0..self.tape.between(1, 6) {
            let (id, values): (u16, &[u32]) = self.tape.pick(&[
                (1, &[4_096, 0, 100][..]),
                (3, &[100, 1, 5]),
                (4, &[65_535, 0, 1_000, 100_000]),
                (5, &[16_384, 26_384, 16_385, 60_000]),
                (6, &[100_000, 300, 1_000, 17_000]),
            ]);
            payload.extend_from_slice(&id.to_be_bytes());
            payload.extend_from_slice(&word(self.tape.pick(values)));
        }
        self.tape.lane("peer");
        self.deliver(&Frame::new(kind::SETTINGS, 0, 0, &payload));
    }

    fn reset_some(&mut self) {
        let Some(id) = self.some_stream(|stream| !stream.got_end || !stream.end) else {
            return;
        };
        let stream = &self.peer.streams[&id];
        let code = match self.role {
            Role::Client if stream.end => 0,
            Role::Client if !stream.head => self.tape.pick(&[7, 8, 2, 0]),
            _ => self.tape.pick(&[8, 2, 0]),
        };
        self.peer.said.insert(id, code);
        self.deliver(&Frame::new(kind::RST_STREAM, 0, id, &word(code)));
        if let Some(stream) = self.peer.streams.get_mut(&id) {
            stream.over = true;
        }
    }

    pub(super) fn leave(&mut self) {
        let client = self.role == Role::Server;
        let lasts = [
            0x7fff_ffff,
            self.peer.highest,
            self.peer.highest.saturating_sub(4),
        ];
        let last = if client { 0 } else { self.tape.pick(&lasts) };
        let last = last.min(self.peer.goaway.unwrap_or(u32::MAX));
        self.marks.hit("goaway by peer");
        self.peer.goaway = Some(last);
        for (_, stream) in self
            .peer
            .streams
            .iter_mut()
            .filter(|(id, _)| !client && **id > last)
        {
            stream.over = true;
        }
        let tape = self.tape.lane("reasons");
        let reason = tape.pick(&[0, 0, 0, 0, 0, 2, 11, 0xbeef]);
        if self.peer.reason == 0 && self.conn.lifecycle() < Lifecycle::Closing {
            self.peer.reason = reason;
        }
        let debug = vec![b'.'; tape.pick(&[0, 0, 9])];
        let code = self.peer.reason;
        self.peer.goaway_said = Some(match self.peer.goaway_said {
            Some((_, before, len)) if before != 0 => (last, before, len),
            _ => (last, code, debug.len()),
        });
        let payload = [&word(last)[..], &word(self.peer.reason), &debug].concat();
        self.tape.lane("peer");
        self.deliver(&Frame::new(kind::GOAWAY, 0, 0, &payload));
    }

    /// Brings everything nearer to its end; answers whether there was anything to do.
    pub(super) fn peer_calm(&mut self) -> bool {
        let mut moved = !self.peer.inbox.is_empty() | self.answer_all();
        while !self.peer.inbox.is_empty() {
            if let Some(answer) = self.peer.look() {
                self.deliver(&answer);
            }
        }
        let payload = [
            &3_u16.to_be_bytes()[..],
            &word(100),
            &4_u16.to_be_bytes(),
            &word(65_535),
        ]
        .concat();
        if std::mem::replace(&mut self.peer.idle, 1_000) < 1_000 {
            self.deliver(&Frame::new(kind::SETTINGS, 0, 0, &payload));
            moved = true;
        }
        moved |= self.peer.uncredited > 0;
        // Only when nothing is left of the window: a peer may well wait for that.
        self.grant(u64::MAX / 2);
        let ids: Vec<u32> = self.peer.streams.keys().copied().collect();
        for id in ids {
            let gone = self
                .peer
                .goaway
                .is_some_and(|last| self.role == Role::Client && id > last);
            let stream = &self.peer.streams[&id];
            if stream.over || gone {
                continue;
            }
            if stream.uncredited > 0 && !stream.got_end {
                let bytes = stream.uncredited as u32;
                self.deliver(&Frame::new(kind::WINDOW_UPDATE, 0, id, &word(bytes)));
                moved = true;
            }
            let (head, end) = (self.peer.streams[&id].head, self.peer.streams[&id].end);
            if !head {
                let block = self.block(b"\x88");
                self.deliver(&Frame::new(kind::HEADERS, 5, id, &block));
            } else if !end && self.peer.streams[&id].left.unwrap_or(0) > 0 {
                // What its head has promised does not come any more.
                self.peer.said.insert(id, 8);
                self.deliver(&Frame::new(kind::RST_STREAM, 0, id, &word(8)));
            } else if !end {
                self.deliver(&Frame::new(kind::DATA, 1, id, &[]));
            }
            moved |= !head || !end;
            self.finish_half(id, true);
            if let Some(stream) = self.peer.streams.get_mut(&id) {
                (stream.head, stream.uncredited) = (true, 0);
            }
        }
        moved
    }
}
