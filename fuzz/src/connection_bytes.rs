//! Any bytes into an engine of either role, cut anywhere, between any commands: it never panics, its invariants hold,
//! what it sends is whole frames, every stream ends once, and a connection that ends by a fault says which.
//!
//! The first bytes of the input choose the role and the cuts, the rest is what arrives:
//! `fuzz/smoke connection_bytes 60` runs it for a minute.
use std::collections::BTreeMap;

use bytes::{Buf, Bytes, BytesMut};
use raddle_core::{
    Config, Connection, ErrorCode, Event, Input, Lifecycle, RequestHead, ResponseHead, Role,
    StreamHandle, Then, Timestamp, Transmit, TransportEnd,
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const SETTINGS_ACK: &[u8] = &[0, 0, 0, 4, 1, 0, 0, 0, 0];

/// The body of a request or an answer. More than a stream's buffer takes at once.
const BODY: &[u8] = &[0; 70_000];
/// Times that output may be asked for until there is none. Bodies end, and there are at most a few hundred streams of them,
/// of two buffers each; of everything else one time brings all.
const ROUNDS_MAX: usize = 1_000;

/// What the application does, chosen by the input.
struct Choices<'a>(&'a [u8], usize);

impl Choices<'_> {
    /// The next choice; the same ones again when they are used up.
    fn next(&mut self) -> u8 {
        let choice = self.0.get(self.1 % self.0.len().max(1)).copied();
        self.1 += 1;
        choice.unwrap_or(0)
    }
}

struct Harness<'a> {
    connection: Connection,
    out: Transmit,
    choices: Choices<'a>,
    /// Whether the last event of each stream has come.
    streams: BTreeMap<StreamHandle, bool>,
    /// What is left of bodies that were begun.
    bodies: BTreeMap<StreamHandle, Bytes>,
    closed: bool,
    now: Timestamp,
}

impl Harness<'_> {
    fn shake_hands(&mut self, role: Role, inbox: &mut BytesMut) {
        if role == Role::Server {
            inbox.extend_from_slice(PREFACE);
        }
        inbox.extend_from_slice(SETTINGS);
        self.input(inbox);
        self.output();
        inbox.extend_from_slice(SETTINGS_ACK);
        self.input(inbox);
    }

    /// Sends requests, some of which still owe a body.
    fn open(&mut self) {
        for n in 0..4 {
            let head = RequestHead::new(b"GET", b"http", Some(b"a"), b"/").finish();
            let then = if n % 2 == 0 { Then::End } else { Then::More };
            if let Ok(stream) = self.connection.open(head, then) {
                self.note(stream, false);
            }
        }
        self.output();
    }

    fn input(&mut self, inbox: &mut BytesMut) {
        loop {
            let before = inbox.len();
            let input = self.connection.handle_input(inbox, self.now);
            self.connection.check();
            let events = self.events();
            match input {
                Input::EventsFull => assert!(events > 0, "stopped for events that were not there"),
                Input::NeedMore { at_least } => {
                    assert!(at_least > 0);
                    return;
                }
                Input::Closed => {
                    assert!(self.connection.lifecycle() >= Lifecycle::Closing);
                    inbox.clear();
                    return;
                }
            }
            assert!(inbox.len() < before || events > 0, "no progress");
        }
    }

    fn events(&mut self) -> usize {
        let mut count = 0;
        while let Some(event) = self.connection.poll_event() {
            assert!(!self.closed, "{event:?} came behind the last event");
            count += 1;
            self.take(event);
            self.connection.check();
        }
        count
    }

    fn note(&mut self, stream: StreamHandle, ends: bool) {
        let before = self.streams.insert(stream, ends);
        assert_ne!(before, Some(true), "{stream:?} went on after its end");
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Request { stream, .. } => {
                self.note(stream, false);
                self.answer(stream);
            }
            Event::Data { stream, data, .. } => {
                self.note(stream, false);
                match self.choices.next() % 4 {
                    0 => self.connection.discard(stream),
                    1 => {}
                    _ => self.connection.release(stream, data.len()),
                }
            }
            Event::Interim { stream, .. }
            | Event::Response { stream, .. }
            | Event::Trailers { stream, .. }
            | Event::StopSending { stream } => self.note(stream, false),
            Event::Writable { stream } => {
                self.note(stream, false);
                self.give(stream);
            }
            Event::Finished { stream } | Event::Failed { stream, .. } => self.note(stream, true),
            Event::Closed { error } => {
                assert_eq!(error, self.connection.error());
                assert!(
                    self.streams.values().all(|ended| *ended),
                    "a stream did not end"
                );
                self.closed = true;
            }
            Event::Ready | Event::Openable | Event::Pong { .. } | Event::PeerDraining => {}
        }
    }

    fn answer(&mut self, stream: StreamHandle) {
        let head = ResponseHead::new(200).finish();
        match self.choices.next() % 6 {
            0 => {}
            1 => self.connection.reset(stream, ErrorCode::CANCEL),
            2 => drop(self.connection.respond(stream, head, Then::End)),
            3 => {
                let interim = ResponseHead::new(103).finish();
                let _ = self.connection.inform(stream, interim);
                let _ = self.connection.respond(stream, head, Then::More);
            }
            _ => {
                let _ = self.connection.respond(stream, head, Then::More);
                self.give(stream);
            }
        }
    }

    /// Gives what there is room for of a stream's body.
    fn give(&mut self, stream: StreamHandle) {
        let body = self.bodies.entry(stream);
        let body = body.or_insert_with(|| Bytes::from_static(BODY));
        if !body.is_empty() {
            let _ = self.connection.send_data(stream, body, Then::End);
        }
    }

    /// Takes what the engine wants to send, and reads it as frames.
    fn output(&mut self) {
        let mut sent = Vec::new();
        let mut rounds = 0;
        while self.connection.poll_transmit(&mut self.out, self.now) > 0 {
            rounds += 1;
            assert!(rounds < ROUNDS_MAX, "output without an end");
            sent.extend_from_slice(&self.out.copy_to_bytes(self.out.remaining()));
            self.connection.check();
            self.events();
        }
        let mut rest = sent.strip_prefix(PREFACE).unwrap_or(&sent);
        while let Some((head, payload)) = rest.split_first_chunk::<9>() {
            let len = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            assert!(
                head[3] <= 9 && len <= payload.len(),
                "a frame of our own: {head:?}"
            );
            rest = &payload[len..];
        }
        assert!(rest.is_empty(), "a part of a frame was sent");
    }
}

/// Runs one input.
///
/// # Panics
/// When the engine breaks one of the promises above.
pub fn run(data: &[u8]) {
    let Some((&[options, cut, seconds, command], data)) = data.split_first_chunk::<4>() else {
        return;
    };
    let role = if options & 1 == 0 {
        Role::Server
    } else {
        Role::Client
    };
    let config = Config {
        // Small ones are reached by short inputs.
        concurrent_streams_max: if options & 2 == 0 { 100 } else { 2 },
        connection_window_bytes: 65_535,
        stream_window_bytes: if options & 4 == 0 { 65_535 } else { 10 },
        header_list_bytes_max: if options & 8 == 0 { 65_536 } else { 200 },
        enable_connect_protocol: options & 16 != 0,
        ..Config::default()
    };
    let mut harness = Harness {
        connection: Connection::new(role, config, Timestamp(0)),
        out: Transmit::new(),
        choices: Choices(data, 0),
        streams: BTreeMap::new(),
        bodies: BTreeMap::new(),
        closed: false,
        now: Timestamp(0),
    };
    let mut inbox = BytesMut::new();
    if options & 32 == 0 {
        harness.shake_hands(role, &mut inbox);
    }
    if role == Role::Client {
        harness.open();
    }
    for piece in data.chunks(usize::from(cut).max(1)) {
        inbox.extend_from_slice(piece);
        harness.input(&mut inbox);
        harness.output();
        harness.now.0 += u64::from(seconds) * 100_000_000;
        if harness
            .connection
            .poll_timeout()
            .is_some_and(|due| due <= harness.now)
        {
            harness.connection.handle_timeout(harness.now);
            harness.events();
        }
    }
    match command % 4 {
        0 => harness.connection.drain(),
        1 => harness.connection.close(ErrorCode::NO_ERROR, Bytes::new()),
        _ => {}
    }
    harness.output();
    harness.connection.handle_output_lost(&harness.out);
    // A server may still answer a client that only says no more.
    for end in [TransportEnd::Eof, TransportEnd::Failed] {
        harness.connection.handle_transport_end(end, harness.now);
        harness.events();
    }
    assert!(harness.closed, "the end was told");
}
