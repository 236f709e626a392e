//! What the peer knows: its end of every window, and how far each stream has come.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::wire::{Frame, Writer, kind};

#[derive(Debug)]
pub(super) struct Peer {
    /// Frames of the engine's that it has not looked at.
    pub(super) inbox: VecDeque<Frame>,
    pub(super) streams: BTreeMap<u32, Stream>,
    /// Its own window of the connection, and what a stream starts with.
    pub(super) window: i64,
    pub(super) base: i64,
    /// Bytes of DATA that it has not given credit for.
    pub(super) uncredited: u64,
    pub(super) next: u32,
    /// The first stream of the run.
    pub(super) first: u32,
    /// The code of its RST_STREAM, by stream.
    pub(super) said: BTreeMap<u32, u32>,
    /// Streams that the engine may well refuse.
    pub(super) refused: BTreeSet<u32>,
    pub(super) goaway: Option<u32>,
    /// What is to be told of its GOAWAY: the last stream that it has named; the first code that is an error, or else the
    /// last, and the length of what came with that.
    pub(super) goaway_said: Option<(u32, u32, usize)>,
    pub(super) engine_left: bool,
    pub(super) highest: u32,
    /// Its end of the table of the engine's decoder.
    pub(super) writer: Writer,
    /// The codes of the engine's RST_STREAM frames, by stream.
    pub(super) resets: BTreeMap<u32, u32>,
    /// The code of its GOAWAY.
    pub(super) reason: u32,
    /// The settings of an extension that it has sent, by number.
    pub(super) extensions: BTreeMap<u16, u32>,
    /// PINGs of the engine's since it has last sent a head or a body.
    pub(super) asked: u32,
    /// Those that it had not answered by then.
    pub(super) owed: u64,
    /// When that was, and how many the application had asked for by then.
    pub(super) heard_at: u64,
    pub(super) app_asked: u64,
    /// PINGs of the engine's that the application has not asked for, in all.
    pub(super) unasked: u64,
    /// PINGs that it has answered.
    pub(super) answers: u64,
    /// It has said that it goes by RFC 9218.
    pub(super) goes_by_urgency: bool,
    /// It does not acknowledge SETTINGS.
    pub(super) mute: bool,
    /// Frames that are worth nothing and may not be sent without end.
    pub(super) idle: u32,
    /// Interim responses that it sends on one stream.
    pub(super) interims_max: u8,
}

#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) window: i64,
    pub(super) head: bool,
    pub(super) end: bool,
    pub(super) over: bool,
    pub(super) got_end: bool,
    pub(super) uncredited: u64,
    /// Bytes that its head says are still to come.
    pub(super) left: Option<u64>,
    /// It carries DATA and nothing else.
    pub(super) tunnel: bool,
    /// Its window has become the largest that there is.
    pub(super) wide: bool,
    /// Bytes of its body that it has sent.
    pub(super) body: usize,
    /// Interim responses that it has sent.
    pub(super) interims: u8,
}

/// More interim responses than any answer needs.
pub(super) const INTERIMS_MAX: u8 = 12;

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
            goaway_said: None,
            engine_left: false,
            highest: 0,
            writer: Writer::new(),
            resets: BTreeMap::new(),
            reason: 0,
            extensions: BTreeMap::new(),
            asked: 0,
            owed: 0,
            heard_at: 0,
            app_asked: 0,
            unasked: 0,
            answers: 0,
            goes_by_urgency: false,
            mute: false,
            idle: 0,
            interims_max: INTERIMS_MAX,
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

    /// The window of a stream that may still be sent on, with the updates that it has not looked at.
    pub(super) fn stream_window_to_come(&self, id: u32) -> Option<i64> {
        let stream = self.streams.get(&id)?;
        let updates = self
            .inbox
            .iter()
            .filter(|frame| frame.kind == kind::WINDOW_UPDATE && frame.stream == id);
        let window = stream.window + updates.map(|frame| i64::from(frame.word(0))).sum::<i64>();
        // SETTINGS that it has not looked at open all windows; what they take back holds once it has.
        let settings = self
            .inbox
            .iter()
            .filter(|frame| frame.kind == kind::SETTINGS && !frame.is_ack());
        let bases = settings.flat_map(|frame| frame.settings().filter(|&(id, _)| id == 4));
        let base = bases
            .last()
            .map_or(self.base, |(_, value)| i64::from(value));
        let window = window + (base - self.base).max(0);
        (!stream.end && !stream.over).then_some(window)
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

    /// What a stream's window begins with.
    pub(super) fn base(&self) -> i64 {
        self.base
    }

    /// Whether the windows let so many bytes pass.
    pub(super) fn has_room(&self, id: u32, len: u64) -> bool {
        let room = self.streams.get(&id).map_or(0, |stream| stream.window);
        i64::try_from(len).is_ok_and(|len| len <= room.min(self.window))
    }

    /// Whether one more interim response may be sent, which is counted then.
    pub(super) fn informs(&mut self, id: u32) -> bool {
        let stream = self.streams.entry(id).or_default();
        stream.interims = stream.interims.saturating_add(1);
        stream.interims <= self.interims_max
    }

    /// So many bytes of DATA are sent.
    pub(super) fn spend(&mut self, id: u32, len: u64) {
        self.window -= len as i64;
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.window -= len as i64;
        }
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
                for (_, value) in frame.settings().filter(|&(id, _)| id == 1) {
                    self.writer.limit_table(value as usize);
                }
                return (!self.mute).then(|| Frame::new(kind::SETTINGS, 1, 0, &[]));
            }
            kind::PING if !frame.is_ack() => {
                self.answers += 1;
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

/// The flags that are not defined for a kind of frame.
pub(super) fn undefined(kind: u8) -> u8 {
    !match kind {
        kind::DATA => 0x9,
        kind::HEADERS => 0x2d,
        kind::SETTINGS | kind::PING => 0x1,
        kind::CONTINUATION => 0x4,
        // PUSH_PROMISE.
        5 => 0xc,
        _ => 0,
    }
}
