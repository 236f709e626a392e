//! Two engines in one process: where the bytes are cut changes nothing.

use std::collections::BTreeMap;

use bytes::Bytes;
use raddle_core::{Config, Event, Fields, ResponseHead, StreamHandle, Then};
use raddle_tests::engine::{Cuts, End, Pair, assert_ends_once, by_stream, get, post};

const REQUESTS: usize = 1_000;
/// Pieces of this many bytes; every run has its cuts one byte further on, so that together they cut everywhere.
const PIECE: usize = 37;

/// What each end was told, stream by stream, from the first byte to the last.
#[derive(Debug, PartialEq, Eq)]
struct Story {
    client: BTreeMap<Option<StreamHandle>, Vec<Event>>,
    server: BTreeMap<Option<StreamHandle>, Vec<Event>>,
    bytes_up: u64,
    bytes_down: u64,
}

/// The body of request `n`: none, tiny ones, some around the end of a frame, and some of several frames.
fn body(n: usize) -> Bytes {
    let len = match n % 200 {
        0 => 0,
        1 => 1,
        2 => 16_384 + n % 3 - 1,
        3 => 40_000,
        _ => n % 61,
    };
    Bytes::from_iter((0..len).map(|at| ((at * 7 + n) % 251) as u8))
}

/// A server that echoes bodies, and ends every third answer with trailers.
#[derive(Default)]
struct Echo {
    open: BTreeMap<StreamHandle, (usize, Vec<u8>)>,
    /// What `send_data` has not taken yet, and whether trailers follow.
    owed: BTreeMap<StreamHandle, (Bytes, bool)>,
    seen: usize,
}

impl Echo {
    fn react(&mut self, server: &mut End, events: &[Event]) {
        for event in events {
            match event {
                Event::Request { stream, then, .. } => {
                    self.open.insert(*stream, (self.seen, Vec::new()));
                    self.seen += 1;
                    if then.is_end() {
                        self.answer(server, *stream);
                    }
                }
                Event::Data { stream, data, then } => {
                    server.connection.release(*stream, data.len());
                    let (_, body) = self.open.get_mut(stream).unwrap();
                    body.extend_from_slice(data);
                    if then.is_end() {
                        self.answer(server, *stream);
                    }
                }
                Event::Writable { stream } => self.send(server, *stream),
                _ => {}
            }
        }
    }

    fn answer(&mut self, server: &mut End, stream: StreamHandle) {
        let (n, body) = self.open.remove(&stream).unwrap();
        let connection = &mut server.connection;
        if n.is_multiple_of(5) {
            let hints = ResponseHead::new(103).finish();
            connection.inform(stream, hints).unwrap();
        }
        let head = ResponseHead::new(200)
            .field(b"x-seen", n.to_string().as_bytes())
            .finish();
        let trailers = n.is_multiple_of(3);
        if body.is_empty() && !trailers {
            connection.respond(stream, head, Then::End).unwrap();
            return;
        }
        connection.respond(stream, head, Then::More).unwrap();
        self.owed.insert(stream, (Bytes::from(body), trailers));
        self.send(server, stream);
    }

    fn send(&mut self, server: &mut End, stream: StreamHandle) {
        let Some((body, trailers)) = self.owed.get_mut(&stream) else {
            return;
        };
        let then = if *trailers { Then::More } else { Then::End };
        server.connection.send_data(stream, body, then).unwrap();
        if !body.is_empty() {
            return;
        }
        if *trailers {
            let fields = Fields::from_iter([(&b"x-sum"[..], &b"1"[..])]);
            server.connection.send_trailers(stream, fields).unwrap();
        }
        self.owed.remove(&stream);
    }
}

/// Opens what there is room for, and gives on what the bodies have left.
fn send(client: &mut End, next: &mut usize, uploads: &mut BTreeMap<StreamHandle, Bytes>) {
    let connection = &mut client.connection;
    while *next < REQUESTS && connection.openable() > 0 {
        let whole = body(*next);
        if whole.is_empty() {
            connection.open(get("/"), Then::End).unwrap();
        } else {
            let stream = connection.open(post("/"), Then::More).unwrap();
            uploads.insert(stream, whole);
        }
        *next += 1;
    }
    uploads.retain(|stream, rest| {
        connection.send_data(*stream, rest, Then::End).unwrap();
        !rest.is_empty()
    });
}

/// A thousand requests over one connection, a hundred at a time, with the wire cut like this.
fn tell(cuts: Cuts) -> Story {
    let mut pair = Pair::new(Config::default(), Config::default());
    pair.cuts = cuts;
    let (mut client, mut server) = (Vec::new(), Vec::new());
    let mut echo = Echo::default();
    let mut uploads = BTreeMap::new();
    let (mut next, mut ended) = (0, 0);
    while ended < REQUESTS {
        send(&mut pair.client, &mut next, &mut uploads);
        assert!(pair.carry(), "stuck with {ended} of {REQUESTS} requests");
        let events = pair.server.take_events();
        echo.react(&mut pair.server, &events);
        server.extend(events);
        for event in pair.client.take_events() {
            match &event {
                Event::Data { stream, data, .. } => {
                    pair.client.connection.release(*stream, data.len());
                }
                Event::Finished { .. } => ended += 1,
                Event::Failed { error, .. } => panic!("{error}"),
                _ => {}
            }
            client.push(event);
        }
    }
    pair.settle();
    server.extend(pair.server.take_events());
    assert_eq!(assert_ends_once(&client), REQUESTS);
    assert_eq!(assert_ends_once(&server), REQUESTS);
    assert_answers(&client);
    Story {
        client: by_stream(client),
        server: by_stream(server),
        bytes_up: pair.client.connection.stats().data_bytes_sent,
        bytes_down: pair.server.connection.stats().data_bytes_sent,
    }
}

/// Asserts that each request got its own body back.
fn assert_answers(events: &[Event]) {
    let mut seen = BTreeMap::new();
    let mut bodies: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
    for event in events {
        match event {
            Event::Response { stream, head, .. } => {
                let field = head.fields().find(|field| field.name == b"x-seen").unwrap();
                let n: usize = std::str::from_utf8(field.value).unwrap().parse().unwrap();
                seen.insert(*stream, n);
                bodies.insert(n, Vec::new());
            }
            Event::Data { stream, data, .. } => {
                bodies
                    .get_mut(&seen[stream])
                    .unwrap()
                    .extend_from_slice(data);
            }
            _ => {}
        }
    }
    assert_eq!(bodies.len(), REQUESTS);
    for (n, answer) in &bodies {
        assert_eq!(&body(*n)[..], &answer[..], "request {n}");
    }
}

#[test]
fn a_thousand_requests_tell_the_same_story_wherever_the_bytes_are_cut() {
    let whole = tell(Cuts::none());
    assert_eq!(whole.bytes_up, whole.bytes_down, "an echo");
    // Byte by byte, every position is a cut.
    assert!(tell(Cuts::new(1, 0)) == whole, "byte by byte");
    // And every position is a cut between two longer pieces.
    for first in 0..PIECE {
        assert!(
            tell(Cuts::new(PIECE, first)) == whole,
            "pieces of {PIECE} bytes, the first of {first}"
        );
    }
}
