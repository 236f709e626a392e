//! Every deadline takes effect on a transport that takes nothing: no end of a connection waits for something to be
//! written.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use raddle_core::{
    Config, Connection, ErrorCode, Event, Lifecycle, Role, Then, Timestamp, Transmit, Violation,
};
use raddle_tests::{
    engine::{get, post},
    wire::{self, POST, kind},
};

const MILLISECOND: u64 = 1_000_000;
/// Longer than any other deadline is.
const NEVER: Duration = Duration::from_secs(100_000);
/// Bytes of output that the transport holds and never takes.
const STUCK: usize = 10_000;

/// A deadline, as its field of `Config` is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deadline {
    Handshake,
    SettingsAck,
    HeaderBlock,
    WriteStall,
    NoProgress,
    Idle,
    KeepAlive,
    HardClose,
}

const ALL: [Deadline; 8] = [
    Deadline::Handshake,
    Deadline::SettingsAck,
    Deadline::HeaderBlock,
    Deadline::WriteStall,
    Deadline::NoProgress,
    Deadline::Idle,
    Deadline::KeepAlive,
    Deadline::HardClose,
];

/// Milliseconds that the deadline under test leaves, and that the last word of a connection has.
const SHORT: u64 = 7_000;
const CLOSE: u64 = 1_000;

/// Only this deadline is near, and behind each the time for the last word.
fn config(deadline: Deadline) -> Config {
    let short = Duration::from_millis(SHORT);
    let of = |wanted: &[Deadline]| match wanted.contains(&deadline) {
        true => short,
        false => NEVER,
    };
    Config {
        settings_timeout: of(&[Deadline::Handshake, Deadline::SettingsAck]),
        header_block_timeout: of(&[Deadline::HeaderBlock]),
        write_timeout: of(&[Deadline::WriteStall]),
        stall_timeout: Some(of(&[Deadline::NoProgress])),
        idle_timeout: Some(of(&[Deadline::Idle])),
        keep_alive_interval: (deadline == Deadline::KeepAlive).then_some(short),
        keep_alive_timeout: Duration::from_millis(CLOSE),
        close_timeout: Duration::from_millis(CLOSE),
        ..Config::default()
    }
}

/// An engine and a transport which has taken nothing since some moment.
struct Stuck {
    connection: Connection,
    out: Transmit,
    events: Vec<Event>,
    now: u64,
}

impl Stuck {
    fn new(role: Role, deadline: Deadline) -> Self {
        Self {
            connection: Connection::new(role, config(deadline), Timestamp(0)),
            out: Transmit::new(),
            events: Vec::new(),
            now: 0,
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        let now = Timestamp(self.now * MILLISECOND);
        self.connection
            .handle_input(&mut BytesMut::from(bytes), now);
        self.write();
    }

    fn write(&mut self) {
        let now = Timestamp(self.now * MILLISECOND);
        self.connection.poll_transmit(&mut self.out, now);
        if self.out.has_remaining() {
            self.connection.handle_transport_blocked(&self.out, now);
        }
        while let Some(event) = self.connection.poll_event() {
            self.events.push(event);
        }
        self.connection.check();
    }

    /// What was written until now has been taken.
    fn take(&mut self) {
        self.write();
        self.out.advance(self.out.remaining());
        self.write();
    }

    /// Lets time pass; every deadline comes to its turn, and the transport takes nothing.
    fn pass(&mut self, until: u64) {
        let end = Timestamp(until * MILLISECOND);
        while let Some(due) = self.connection.poll_timeout().filter(|&due| due <= end) {
            assert!(due.0 >= self.now * MILLISECOND, "time goes on");
            self.now = due.0.div_ceil(MILLISECOND);
            self.connection.handle_timeout(due);
            self.write();
        }
        self.now = until;
    }
}

/// An engine in whose way only this deadline stands, and whose transport is full of an answer or an upload.
fn stuck(role: Role, deadline: Deadline) -> Stuck {
    let mut stuck = Stuck::new(role, deadline);
    if deadline == Deadline::Handshake {
        return stuck;
    }
    let preface = match role {
        Role::Server => wire::PREFACE,
        Role::Client => b"",
    };
    // A window for the body that fills the transport, and none for what comes behind it.
    let settings = wire::settings(&[(4, STUCK as u32)]);
    stuck.hear(&[preface, &settings].concat());
    if deadline != Deadline::SettingsAck {
        stuck.take();
        stuck.hear(&wire::settings_ack());
    }
    let stream = match role {
        Role::Client => stuck.connection.open(post("/"), Then::More).unwrap(),
        Role::Server => {
            stuck.hear(&wire::headers(1, POST, false));
            let found = stuck.events.iter().find_map(|event| match event {
                Event::Request { stream, .. } => Some(*stream),
                _ => None,
            });
            let stream = found.expect("a request");
            let head = raddle_core::ResponseHead::new(200).finish();
            let answered = stuck.connection.respond(stream, head, Then::More);
            answered.unwrap();
            stream
        }
    };
    let behind = usize::from(deadline == Deadline::NoProgress);
    let mut body = Bytes::from(vec![7; STUCK + behind]);
    let sent = stuck.connection.send_data(stream, &mut body, Then::More);
    sent.unwrap();
    stuck.write();
    assert!(stuck.out.remaining() >= STUCK, "the transport is full");
    match deadline {
        Deadline::HeaderBlock => {
            let id = if role == Role::Server { 3 } else { 1 };
            stuck.hear(&wire::frame(kind::HEADERS, 0, id, &[]));
        }
        Deadline::Idle => stuck.hear(&wire::rst_stream(1, ErrorCode::CANCEL.to_u32())),
        Deadline::HardClose => {
            stuck
                .connection
                .close(ErrorCode::INTERNAL_ERROR, Bytes::new());
            stuck.write();
        }
        _ => {}
    }
    stuck
}

fn violation(deadline: Deadline) -> Option<Violation> {
    match deadline {
        Deadline::Handshake => Some(Violation::HandshakeTimeout),
        Deadline::SettingsAck => Some(Violation::SettingsTimeout),
        Deadline::HeaderBlock => Some(Violation::HeaderBlockTimeout),
        Deadline::WriteStall => Some(Violation::WriteTimeout),
        Deadline::KeepAlive => Some(Violation::PingTimeout),
        Deadline::NoProgress | Deadline::Idle | Deadline::HardClose => None,
    }
}

#[test]
fn every_deadline_ends_a_connection_that_cannot_write() {
    for role in [Role::Client, Role::Server] {
        for deadline in ALL {
            if deadline == Deadline::NoProgress
                || (deadline, role) == (Deadline::Idle, Role::Client)
            {
                // Of a stream, and of a server: below.
                continue;
            }
            let mut stuck = stuck(role, deadline);
            let waiting = stuck.out.remaining();
            let (fires, closes) = match deadline {
                Deadline::HardClose => (0, CLOSE),
                // The PING is due after a silence, and its answer after another.
                Deadline::KeepAlive => (SHORT + CLOSE, SHORT + 2 * CLOSE),
                // It drains, and waits for the answer to the PING between its two GOAWAYs.
                Deadline::Idle => (SHORT, SHORT + 2 * CLOSE),
                _ => (SHORT, SHORT + CLOSE),
            };
            if deadline != Deadline::HardClose {
                stuck.pass(fires - 1);
                let lifecycle = stuck.connection.lifecycle();
                assert!(lifecycle <= Lifecycle::Open, "{role:?} {deadline:?}");
            }
            stuck.pass(fires);
            let error = stuck.connection.error().and_then(|error| error.violation);
            assert_eq!(error, violation(deadline), "{role:?} {deadline:?}");
            if deadline == Deadline::Idle {
                assert_eq!(stuck.connection.lifecycle(), Lifecycle::Draining);
            }
            stuck.pass(closes - 1);
            assert_eq!(stuck.connection.lifecycle(), Lifecycle::Closing);
            stuck.pass(closes);
            let lifecycle = stuck.connection.lifecycle();
            assert_eq!(lifecycle, Lifecycle::Closed, "{role:?} {deadline:?}");
            let ends = stuck
                .events
                .iter()
                .filter(|event| matches!(event, Event::Closed { .. }));
            assert_eq!(ends.count(), 1, "the application was told once");
            assert!(stuck.out.remaining() >= waiting, "nothing was taken");
            assert_eq!(stuck.connection.gauges().streams, 0, "nothing is left");
        }
    }
}

#[test]
fn a_stream_that_gets_nowhere_is_given_up_by_a_connection_that_cannot_write() {
    for role in [Role::Client, Role::Server] {
        let mut stuck = stuck(role, Deadline::NoProgress);
        stuck.pass(SHORT - 1);
        assert_eq!(stuck.connection.gauges().streams, 1);
        stuck.pass(SHORT * 3 / 2);
        let given_up = stuck.events.iter().any(|event| {
            matches!(event, Event::Failed { error, .. }
                if error.violation == Some(Violation::StreamStalled))
        });
        assert!(given_up, "{role:?}");
        assert_eq!(stuck.connection.lifecycle(), Lifecycle::Open);
    }
}

#[test]
fn a_clients_request_is_over_with_a_connection_that_cannot_write() {
    // Not one byte leaves, from the first on: not even the preface.
    let mut stuck = Stuck::new(Role::Client, Deadline::WriteStall);
    let asked = stuck.connection.open(get("/"), Then::End).unwrap();
    stuck.write();
    stuck.pass(SHORT);
    let failed = stuck.events.iter().find_map(|event| match event {
        Event::Failed { stream, error } if *stream == asked => Some(*error),
        _ => None,
    });
    assert_eq!(
        failed.map(|error| error.violation),
        Some(Some(Violation::WriteTimeout))
    );
}
