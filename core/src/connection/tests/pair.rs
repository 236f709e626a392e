//! Two engines with a wire between them and one clock.

use std::collections::BTreeMap;
use std::vec::Vec;

use bytes::{Buf, BytesMut};

use crate::{Config, Connection, Event, Input, Role, StreamHandle, Timestamp, Transmit};

/// One end, what it has received and not read, and what it was told.
pub(super) struct End {
    pub(super) connection: Connection,
    pub(super) inbox: BytesMut,
    pub(super) events: Vec<Event>,
    out: Transmit,
}

/// A client and a server. Every step checks the invariants of both.
pub(super) struct Pair {
    pub(super) client: End,
    pub(super) server: End,
    pub(super) now: Timestamp,
    /// Bytes are delivered in pieces of this size.
    pub(super) cut: usize,
}

impl End {
    pub(super) fn new(role: Role, config: Config) -> Self {
        Self {
            connection: Connection::new(role, config, Timestamp(0)),
            inbox: BytesMut::new(),
            events: Vec::new(),
            out: Transmit::new(),
        }
    }

    fn collect(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            self.connection.check();
            self.events.push(event);
        }
    }

    /// Everything the engine wants on the wire.
    pub(super) fn output(&mut self, now: Timestamp) -> Vec<u8> {
        let mut bytes = Vec::new();
        let wanted = self.connection.wants_transmit();
        while self.connection.poll_transmit(&mut self.out, now) > 0 {
            self.connection.check();
            bytes.extend(self.out.copy_to_bytes(self.out.remaining()));
        }
        assert_eq!(wanted, !bytes.is_empty(), "wants_transmit told the truth");
        assert!(!self.connection.wants_transmit());
        self.collect();
        bytes
    }

    /// Reads `bytes` behind what has not been read yet.
    pub(super) fn input(&mut self, bytes: &[u8], now: Timestamp) -> Input {
        self.inbox.extend_from_slice(bytes);
        loop {
            let input = self.connection.handle_input(&mut self.inbox, now);
            self.connection.check();
            self.collect();
            if input != Input::EventsFull {
                return input;
            }
        }
    }

    pub(super) fn take_events(&mut self) -> Vec<Event> {
        self.collect();
        core::mem::take(&mut self.events)
    }
}

impl Pair {
    pub(super) fn new(client: Config, server: Config) -> Self {
        Self {
            client: End::new(Role::Client, client),
            server: End::new(Role::Server, server),
            now: Timestamp(0),
            cut: usize::MAX,
        }
    }

    /// A pair whose SETTINGS are exchanged and whose events so far are forgotten.
    pub(super) fn established() -> Self {
        let mut pair = Self::new(Config::default(), Config::default());
        pair.settle();
        pair.client.take_events();
        pair.server.take_events();
        pair
    }

    /// Carries bytes both ways until neither end has anything to say.
    pub(super) fn settle(&mut self) {
        while self.carry() {}
    }

    /// Carries once each way; whether anything moved.
    pub(super) fn carry(&mut self) -> bool {
        let up = self.client.output(self.now);
        let down = self.server.output(self.now);
        for piece in up.chunks(self.cut.min(up.len().max(1))) {
            self.server.input(piece, self.now);
        }
        for piece in down.chunks(self.cut.min(down.len().max(1))) {
            self.client.input(piece, self.now);
        }
        !up.is_empty() || !down.is_empty()
    }
}

/// Asserts that every handle among `events` ends exactly once, with its last event; answers how many there are.
pub(super) fn assert_ends_once(events: &[Event]) -> usize {
    let mut ended: BTreeMap<StreamHandle, bool> = BTreeMap::new();
    for event in events {
        let (stream, ends) = match event {
            Event::Request { stream, .. }
            | Event::Interim { stream, .. }
            | Event::Response { stream, .. }
            | Event::Data { stream, .. }
            | Event::Trailers { stream, .. }
            | Event::Writable { stream }
            | Event::StopSending { stream } => (*stream, false),
            Event::Finished { stream } | Event::Failed { stream, .. } => (*stream, true),
            _ => continue,
        };
        let before = ended.insert(stream, ends);
        assert_ne!(
            before,
            Some(true),
            "{stream:?} went on after its end: {event:?}"
        );
    }
    assert!(
        ended.values().all(|&ends| ends),
        "a stream did not end: {ended:?}"
    );
    ended.len()
}
