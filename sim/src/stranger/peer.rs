//! The peer: what it knows, and what it may do next.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use raddle_core::Role;

use super::World;
use crate::{
    outcome::Fault,
    wire::{Frame, kind},
};

#[derive(Debug)]
pub(super) struct Peer {
    /// Frames of the engine's that it has not looked at.
    pub(super) inbox: VecDeque<Frame>,
    pub(super) streams: BTreeMap<u32, Stream>,
    /// Its own window of the connection, and what a stream starts with.
    window: i64,
    base: i64,
    /// Bytes of DATA that it has not given credit for.
    uncredited: u64,
    pub(super) next: u32,
    /// The first stream of the run.
    pub(super) first: u32,
    /// The code of its RST_STREAM, by stream.
    pub(super) said: BTreeMap<u32, u32>,
    /// Streams that the engine may well refuse.
    pub(super) refused: BTreeSet<u32>,
    pub(super) goaway: Option<u32>,
    pub(super) engine_left: bool,
    highest: u32,
    /// It has put a field into the table of the engine's decoder.
    inserted: bool,
    /// Frames that are worth nothing and may not be sent without end.
    idle: u32,
}

#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) window: i64,
    pub(super) head: bool,
    end: bool,
    pub(super) over: bool,
    got_end: bool,
    uncredited: u64,
}

impl Peer {
    pub(super) fn new(client: bool, first: u32) -> Self {
        Self {
            inbox: VecDeque::new(),
            streams: BTreeMap::new(),
            window: 65_535,
            base: 65_535,
            uncredited: 0,
            first,
            next: if client { first } else { 2 },
            said: BTreeMap::new(),
            refused: BTreeSet::new(),
            goaway: None,
            engine_left: false,
            highest: 0,
            inserted: false,
            idle: 0,
        }
    }

    /// The connection's window, with the updates that it has not looked at.
    pub(super) fn window_to_come(&self) -> i64 {
        let updates = self
            .inbox
            .iter()
            .filter(|frame| frame.kind == kind::WINDOW_UPDATE && frame.stream == 0);
        self.window + updates.map(|frame| i64::from(frame.word(0))).sum::<i64>()
    }

    /// A stream, and one byte more than it lets pass; `None` when there is no stream for that.
    pub(super) fn overrun(&self) -> Option<(u32, usize)> {
        let open = |(_, stream): &(&u32, &Stream)| stream.head && !stream.end && !stream.over;
        let fits = |window: i64| (0..16_000).contains(&window) && window < self.window;
        // What it has not looked at may have made the window larger.
        let found = self.streams.iter().filter(open).find(|(id, stream)| {
            let update = |frame: &Frame| frame.kind == kind::WINDOW_UPDATE && frame.stream == **id;
            fits(stream.window) && !self.inbox.iter().any(update)
        });
        let settled = !self.inbox.iter().any(|frame| frame.kind == kind::SETTINGS);
        let (&id, stream) = found.filter(|_| settled)?;
        Some((id, stream.window as usize + 1))
    }

    /// Looks at the next frame; answers what it has to answer at once.
    pub(super) fn look(&mut self) -> Option<Frame> {
        let frame = self.inbox.pop_front()?;
        let id = frame.stream;
        let end = frame.ends_stream();
        match frame.kind {
            kind::SETTINGS if !frame.is_ack() => {
                for (_, value) in frame.settings().filter(|&(id, _)| id == 4) {
                    let moved = i64::from(value) - self.base;
                    self.base = i64::from(value);
                    self.streams
                        .values_mut()
                        .for_each(|stream| stream.window += moved);
                }
                return Some(Frame::new(kind::SETTINGS, 1, 0, &[]));
            }
            kind::PING if !frame.is_ack() => {
                return Some(Frame::new(kind::PING, 1, 0, &frame.payload));
            }
            kind::GOAWAY => self.engine_left = true,
            kind::WINDOW_UPDATE if id == 0 => self.window += i64::from(frame.word(0)),
            kind::HEADERS => {
                let base = self.base;
                self.highest = self.highest.max(id);
                // It has said that it will not look at this one.
                let server = self.next.is_multiple_of(2);
                let over = server && self.goaway.is_some_and(|last| id > last);
                self.streams.entry(id).or_insert_with(|| Stream {
                    window: base,
                    over,
                    ..Stream::default()
                });
            }
            kind::DATA => self.uncredited += frame.payload.len() as u64,
            _ => {}
        }
        if let Some(stream) = self.streams.get_mut(&id) {
            match frame.kind {
                kind::WINDOW_UPDATE => stream.window += i64::from(frame.word(0)),
                kind::DATA => stream.uncredited += frame.payload.len() as u64,
                kind::RST_STREAM => stream.over = true,
                _ => {}
            }
            stream.got_end |= end;
            stream.over |= stream.got_end && stream.end;
        }
        None
    }
}

fn word(value: u32) -> [u8; 4] {
    value.to_be_bytes()
}

impl World<'_> {
    /// The peer does one thing that it may do.
    pub(super) fn peer_step(&mut self) -> Result<(), Fault> {
        let client = self.role == Role::Server;
        if self.peer_more() {
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
            14 if self.tape.chance(1, 4) => self.leave(),
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
    fn block(&mut self, start: &[u8]) -> Vec<u8> {
        let mut block = start.to_vec();
        match self.tape.below(4) {
            1 => {
                block.extend_from_slice(b"\x40\x03x-a\x01v");
                self.peer.inserted = true;
            }
            2 if self.peer.inserted => block.push(0xbe),
            _ => {}
        }
        block
    }

    fn send_block(&mut self, id: u32, block: &[u8], end: bool) {
        let flags = u8::from(end);
        if self.tape.chance(1, 4) {
            let (one, other) = block.split_at(self.tape.index(block.len()));
            self.deliver(&Frame::new(kind::HEADERS, flags, id, one));
            self.deliver(&Frame::new(kind::CONTINUATION, 4, id, other));
        } else {
            self.deliver(&Frame::new(kind::HEADERS, flags | 4, id, block));
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
        let stream = Stream {
            window: self.peer.base,
            head: true,
            end,
            ..Stream::default()
        };
        self.peer.streams.insert(id, stream);
    }

    fn answer_some(&mut self) {
        let Some(id) = self.some_stream(|stream| !stream.head) else {
            return;
        };
        if self.tape.chance(1, 4) {
            let block = self.block(b"\x08\x03103");
            self.send_block(id, &block, false);
            return;
        }
        let end = self.tape.chance(1, 3);
        let block = self.block(b"\x88");
        self.send_block(id, &block, end);
        self.finish_half(id, end);
        if let Some(stream) = self.peer.streams.get_mut(&id) {
            stream.head = true;
        }
    }

    fn finish_half(&mut self, id: u32, end: bool) {
        if let Some(stream) = self.peer.streams.get_mut(&id) {
            stream.end |= end;
            stream.over |= stream.end && stream.got_end;
        }
    }

    fn send_some(&mut self) {
        let Some(id) = self.some_stream(|stream| stream.head && !stream.end) else {
            return;
        };
        let window = self.peer.streams[&id].window.min(self.peer.window).max(0) as usize;
        let padding = self.tape.pick(&[None, None, Some(0), Some(1), Some(255)]);
        let extra = padding.map_or(0, |padding| padding + 1);
        let end = self.tape.chance(1, 6);
        // Nothing but an end fits into no window.
        let (len, padding) = match window.checked_sub(extra) {
            Some(room) => (self.tape.size(room.min(16_000)), padding),
            None => (0, None),
        };
        if len == 0 && padding.is_none() && !end {
            if self.peer.idle >= 20 {
                return;
            }
            self.peer.idle += 1;
        }
        let mut payload = Vec::new();
        payload.extend(padding.map(|padding| padding as u8));
        payload.resize(payload.len() + len, 7);
        payload.resize(payload.len() + padding.unwrap_or(0), 0);
        let flags = u8::from(end) | if padding.is_some() { 8 } else { 0 };
        self.peer.window -= payload.len() as i64;
        if let Some(stream) = self.peer.streams.get_mut(&id) {
            stream.window -= payload.len() as i64;
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
            _ => (1, &[4_096, 0, 100, 8_000]),
        };
        let mut payload = Vec::new();
        for _ in 0..self.tape.between(1, 3) {
            payload.extend_from_slice(&id.to_be_bytes());
            payload.extend_from_slice(&word(self.tape.pick(values)));
        }
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

    fn leave(&mut self) {
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
        let payload = [word(last), word(0)].concat();
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
                self.deliver(&Frame::new(kind::HEADERS, 5, id, b"\x88"));
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
