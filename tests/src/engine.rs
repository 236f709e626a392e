//! Engines without sockets: one end with what was said to it, and two ends with a wire between them.

use std::collections::BTreeMap;

use bytes::{Buf, BytesMut};
use raddle_core::{
    Config, Connection, Event, Input, RequestHead, Role, StreamHandle, Timestamp, Transmit,
};

use crate::wire;

/// One engine, the bytes that it has not read yet, and the events that it has told.
#[derive(Debug)]
pub struct End {
    /// The engine.
    pub connection: Connection,
    /// Bytes that have arrived and are not read.
    pub inbox: BytesMut,
    /// Events since they were last taken.
    pub events: Vec<Event>,
    /// The time that every call gets.
    pub now: Timestamp,
    out: Transmit,
}

impl End {
    /// A fresh engine at time 0.
    #[must_use]
    pub fn new(role: Role, config: Config) -> Self {
        Self {
            connection: Connection::new(role, config, Timestamp(0)),
            inbox: BytesMut::new(),
            events: Vec::new(),
            now: Timestamp(0),
            out: Transmit::new(),
        }
    }

    /// An engine that has exchanged SETTINGS with a peer of all defaults, its output and events so far forgotten.
    ///
    /// # Panics
    /// When it does not get there.
    #[must_use]
    pub fn established(role: Role) -> Self {
        Self::established_with(role, Config::default())
    }

    /// As [`established`](Self::established), under `config`.
    ///
    /// # Panics
    /// When it does not get there.
    #[must_use]
    pub fn established_with(role: Role, config: Config) -> Self {
        let mut end = Self::new(role, config);
        if role == Role::Server {
            end.input(wire::PREFACE);
        }
        end.input(&wire::settings(&[]));
        end.output();
        end.input(&wire::settings_ack());
        assert_eq!(end.take_events(), [Event::Ready]);
        end
    }

    fn collect(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            self.connection.check();
            self.events.push(event);
        }
    }

    /// Reads bytes behind those that wait; the invariants are checked when something was read.
    pub fn input(&mut self, bytes: &[u8]) -> Input {
        self.inbox.extend_from_slice(bytes);
        loop {
            let before = self.inbox.len();
            let input = self.connection.handle_input(&mut self.inbox, self.now);
            // Walks every stream; a byte that completes no frame is not worth it.
            if self.inbox.len() != before {
                self.connection.check();
            }
            self.collect();
            if input != Input::EventsFull {
                return input;
            }
        }
    }

    /// Everything that the engine wants to say now.
    pub fn output(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.connection.poll_transmit(&mut self.out, self.now) > 0 {
            self.connection.check();
            bytes.extend_from_slice(&self.out.copy_to_bytes(self.out.remaining()));
        }
        self.collect();
        bytes
    }

    /// The same as frames.
    ///
    /// # Panics
    /// When the engine puts a part of a frame out, which it never does.
    pub fn output_frames(&mut self) -> Vec<wire::Frame> {
        let (frames, rest) = wire::frames(&self.output());
        assert_eq!(rest, 0, "output consists of whole frames");
        frames
    }

    /// Lets one deadline after the other pass until the connection ends, ten at most, and reads what has not been read.
    pub fn wait_out(&mut self) -> Input {
        for _ in 0..10 {
            let Some(due) = self.connection.poll_timeout() else {
                break;
            };
            self.now = due;
            self.connection.handle_timeout(due);
            if self.connection.error().is_some() {
                break;
            }
            self.output();
        }
        self.input(&[])
    }

    /// The events since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        self.collect();
        std::mem::take(&mut self.events)
    }
}

/// A client and a server with a wire between them.
#[derive(Debug)]
pub struct Pair {
    /// The end that opens streams.
    pub client: End,
    /// The end that answers.
    pub server: End,
    /// Where the wire is cut, both ways.
    pub cuts: Cuts,
}

/// Where a stream of bytes is cut into the pieces that arrive together.
#[derive(Clone, Copy, Debug)]
pub struct Cuts {
    /// Bytes between two cuts.
    pub every: usize,
    /// Where the first cut is.
    pub first: usize,
    up: usize,
    down: usize,
}

impl Cuts {
    /// Cuts after `first` bytes of each direction and then after every `every` more.
    ///
    /// # Panics
    /// When `every` is 0.
    #[must_use]
    pub fn new(every: usize, first: usize) -> Self {
        assert!(every > 0, "pieces have bytes");
        Self {
            every,
            first,
            up: 0,
            down: 0,
        }
    }

    /// Everything at once.
    #[must_use]
    pub fn none() -> Self {
        Self::new(usize::MAX, 0)
    }

    /// The length of the next piece at position `at` of a direction.
    fn piece(&self, at: usize, left: usize) -> usize {
        if self.every == usize::MAX {
            return left;
        }
        let to_cut = if at < self.first {
            self.first - at
        } else {
            self.every - (at - self.first) % self.every
        };
        to_cut.min(left)
    }
}

impl Pair {
    /// Two fresh engines.
    #[must_use]
    pub fn new(client: Config, server: Config) -> Self {
        Self {
            client: End::new(Role::Client, client),
            server: End::new(Role::Server, server),
            cuts: Cuts::none(),
        }
    }

    /// Carries once each way; whether anything moved.
    pub fn carry(&mut self) -> bool {
        let up = self.client.output();
        let down = self.server.output();
        let mut rest = &up[..];
        while !rest.is_empty() {
            let len = self.cuts.piece(self.cuts.up, rest.len());
            self.server.input(&rest[..len]);
            self.cuts.up += len;
            rest = &rest[len..];
        }
        let mut rest = &down[..];
        while !rest.is_empty() {
            let len = self.cuts.piece(self.cuts.down, rest.len());
            self.client.input(&rest[..len]);
            self.cuts.down += len;
            rest = &rest[len..];
        }
        !up.is_empty() || !down.is_empty()
    }

    /// Carries until neither end has anything to say.
    pub fn settle(&mut self) {
        while self.carry() {}
    }
}

/// The stream of an event that has one, and whether it is the last of it.
#[must_use]
pub fn stream_of(event: &Event) -> Option<(StreamHandle, bool)> {
    match event {
        Event::Request { stream, .. }
        | Event::Interim { stream, .. }
        | Event::Response { stream, .. }
        | Event::Data { stream, .. }
        | Event::Trailers { stream, .. }
        | Event::Writable { stream }
        | Event::StopSending { stream } => Some((*stream, false)),
        Event::Finished { stream } | Event::Failed { stream, .. } => Some((*stream, true)),
        _ => None,
    }
}

/// The events of each stream in their order, and those of the connection under `None`. Across streams the order is no
/// promise: an outcome comes behind everything that arrived with it.
#[must_use]
pub fn by_stream(events: Vec<Event>) -> BTreeMap<Option<StreamHandle>, Vec<Event>> {
    let mut streams: BTreeMap<_, Vec<Event>> = BTreeMap::new();
    for event in events {
        let stream = stream_of(&event).map(|(stream, _)| stream);
        streams.entry(stream).or_default().push(event);
    }
    streams
}

/// Asserts that every stream among `events` ends exactly once, with its last event; answers how many there are.
///
/// # Panics
/// When one does not.
#[must_use]
pub fn assert_ends_once(events: &[Event]) -> usize {
    let mut ended: BTreeMap<StreamHandle, bool> = BTreeMap::new();
    for event in events {
        if let Some((stream, ends)) = stream_of(event) {
            let before = ended.insert(stream, ends);
            assert_ne!(
                before,
                Some(true),
                "{stream:?} went on after its end: {event:?}"
            );
        }
    }
    let open: Vec<_> = ended.iter().filter(|(_, ends)| !**ends).collect();
    assert!(open.is_empty(), "streams did not end: {open:?}");
    ended.len()
}

/// A GET of this path.
#[must_use]
pub fn get(path: &str) -> RequestHead {
    RequestHead::new(b"GET", b"http", Some(b"test"), path.as_bytes()).finish()
}

/// A POST to this path.
#[must_use]
pub fn post(path: &str) -> RequestHead {
    RequestHead::new(b"POST", b"http", Some(b"test"), path.as_bytes()).finish()
}
