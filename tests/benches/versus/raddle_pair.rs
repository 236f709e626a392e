//! Two raddle engines in one thread. There is nothing to wait for: what one says is what the other reads.

use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use raddle_core::{
    Config, Connection, Event, Fields, FieldsBuilder, Input, RequestHead, ResponseHead, Role,
    StreamHandle, Then, Timestamp, Transmit,
};

use crate::{
    Pair,
    wire::Wire,
    workload::{AUTHORITY, Answer, SCHEME, Seen, Workload},
};

/// Free space in the buffer before a read, as in raddle's adapter.
const READ_BYTES: usize = 16 * 1024 + 512;
/// Memory of a kept builder of heads.
const HEADS_BYTES: usize = 4 * 1024;

/// A client, a server, and the wires between them.
#[derive(Debug)]
pub(crate) struct RaddlePair {
    workload: &'static Workload,
    client: Client,
    server: Server,
    up: Wire,
    down: Wire,
    start: Instant,
}

/// An engine with its buffers.
#[derive(Debug)]
struct End {
    connection: Connection,
    inbox: BytesMut,
    out: Transmit,
    heads: FieldsBuilder,
    seen: Seen,
    /// What `send_data` has not taken yet, in order.
    owed: Vec<(StreamHandle, Bytes)>,
}

#[derive(Debug)]
struct Client {
    end: End,
    workload: &'static Workload,
    paths: Vec<String>,
    ids: Vec<String>,
    body: Bytes,
    opened: usize,
    ended: usize,
}

#[derive(Debug)]
struct Server {
    end: End,
    workload: &'static Workload,
    tags: Vec<String>,
    body: Bytes,
    answered: usize,
}

impl RaddlePair {
    pub(crate) fn new(workload: &'static Workload, send_buffer: usize) -> Self {
        let config = Config {
            stream_window_bytes: workload.stream_window,
            connection_window_bytes: workload.connection_window,
            send_buffer_bytes: send_buffer,
            ..Config::default()
        };
        let (request, response) = workload.bodies();
        Self {
            workload,
            client: Client {
                end: End::new(Role::Client, config.clone()),
                workload,
                paths: workload.paths(),
                ids: workload.request_ids(),
                body: request,
                opened: 0,
                ended: 0,
            },
            server: Server {
                end: End::new(Role::Server, config),
                workload,
                tags: workload.tags(),
                body: response,
                answered: 0,
            },
            up: Wire::new(),
            down: Wire::new(),
            start: Instant::now(),
        }
    }
}

impl Pair for RaddlePair {
    fn run(&mut self, requests: usize) -> Seen {
        let all = self.client.ended + requests;
        while self.client.ended < all {
            let now = Timestamp(self.start.elapsed().as_nanos() as u64);
            let in_flight = self.client.opened - self.client.ended;
            for _ in in_flight..self.workload.streams {
                if self.client.opened < all {
                    self.client.open();
                }
            }
            self.client.end.transmit(&mut self.up, now);
            let server = &mut self.server;
            while server.end.read(&mut self.up) {
                while server.end.input(now) {
                    server.react();
                }
            }
            server.end.transmit(&mut self.down, now);
            let client = &mut self.client;
            while client.end.read(&mut self.down) {
                while client.end.input(now) {
                    client.react();
                }
            }
        }
        let mut seen = std::mem::take(&mut self.client.end.seen);
        seen.add(&std::mem::take(&mut self.server.end.seen));
        seen
    }

    fn carried(&self) -> (u64, u64) {
        (self.up.carried, self.down.carried)
    }
}

impl End {
    fn new(role: Role, config: Config) -> Self {
        Self {
            connection: Connection::new(role, config, Timestamp(0)),
            inbox: BytesMut::new(),
            out: Transmit::new(),
            heads: FieldsBuilder::with_slab_bytes(HEADS_BYTES),
            seen: Seen::default(),
            owed: Vec::new(),
        }
    }

    /// Writes until there is nothing more or the wire is full.
    fn transmit(&mut self, wire: &mut Wire, now: Timestamp) {
        loop {
            self.connection.poll_transmit(&mut self.out, now);
            if self.out.is_empty() {
                return;
            }
            let mut written = 0;
            for part in self.out.parts() {
                let len = wire.write(part);
                written += len;
                if len < part.len() {
                    break;
                }
            }
            self.out.advance(written);
            if written == 0 {
                return;
            }
        }
    }

    /// Takes from the wire as a read of a socket does.
    fn read(&mut self, wire: &mut Wire) -> bool {
        if wire.waiting().is_empty() {
            return false;
        }
        self.inbox.reserve(READ_BYTES);
        let room = self.inbox.capacity() - self.inbox.len();
        let len = wire.waiting().len().min(room);
        self.inbox.extend_from_slice(&wire.waiting()[..len]);
        wire.consume(len);
        true
    }

    /// Answers whether there may be events.
    fn input(&mut self, now: Timestamp) -> bool {
        let before = self.inbox.len();
        let input = self.connection.handle_input(&mut self.inbox, now);
        assert_ne!(input, Input::Closed, "the connection goes on");
        self.inbox.len() < before
    }

    /// Gives body bytes, and keeps what is not taken.
    fn send(&mut self, stream: StreamHandle, mut data: Bytes, then: Then) {
        self.connection
            .send_data(stream, &mut data, then)
            .expect("the stream takes data");
        if !data.is_empty() {
            assert!(then.is_end(), "an echo is smaller than the buffer");
            self.owed.push((stream, data));
        }
    }

    fn send_on(&mut self, stream: StreamHandle) {
        let at = self.owed.iter().position(|(owed, _)| *owed == stream);
        if let Some(at) = at {
            let (stream, data) = self.owed.swap_remove(at);
            self.send(stream, data, Then::End);
        }
    }

    fn take(&mut self, stream: StreamHandle, data: &[u8]) {
        self.seen.body(data);
        self.connection.release(stream, data.len());
    }

    fn see(&mut self, fields: &Fields) {
        for field in fields {
            self.seen.field(field.name, field.value);
        }
    }
}

impl Client {
    fn open(&mut self) {
        let path = &self.paths[self.opened % self.paths.len()];
        let heads = &mut self.end.heads;
        heads.push(b":method", self.workload.method.as_bytes(), false);
        heads.push(b":scheme", SCHEME.as_bytes(), false);
        heads.push(b":authority", AUTHORITY.as_bytes(), false);
        heads.push(b":path", path.as_bytes(), false);
        push(heads, self.workload.request_fields);
        if self.workload.varies {
            let id = &self.ids[self.opened % self.ids.len()];
            heads.push(b"x-request-id", id.as_bytes(), false);
        }
        let head = RequestHead::from_fields(heads.finish());
        let then = if self.body.is_empty() {
            Then::End
        } else {
            Then::More
        };
        let stream = match self.end.connection.open(head, then) {
            Ok(stream) => stream,
            Err((error, _)) => panic!("{error}"),
        };
        if then == Then::More {
            self.end.send(stream, self.body.clone(), Then::End);
        }
        self.opened += 1;
    }

    fn react(&mut self) {
        while let Some(event) = self.end.connection.poll_event() {
            match event {
                Event::Response { head, .. } => self.end.see(head.as_fields()),
                Event::Data { stream, data, .. } => self.end.take(stream, &data),
                Event::Trailers { fields, .. } => self.end.see(&fields),
                Event::Writable { stream } => self.end.send_on(stream),
                Event::Finished { .. } => self.ended += 1,
                Event::Failed { error, .. } => panic!("{error}"),
                _ => {}
            }
        }
    }
}

impl Server {
    fn react(&mut self) {
        while let Some(event) = self.end.connection.poll_event() {
            match event {
                Event::Request { stream, head, .. } => {
                    self.end.see(head.as_fields());
                    match self.workload.answer {
                        Answer::Body(_) => {
                            self.respond(stream, &head);
                            self.end.send(stream, self.body.clone(), Then::End);
                        }
                        Answer::Echo => self.respond(stream, &head),
                        Answer::Unary(_) => {}
                    }
                }
                Event::Data { stream, data, then } => {
                    self.end.take(stream, &data);
                    match self.workload.answer {
                        Answer::Echo => self.end.send(stream, data, then),
                        Answer::Unary(_) if then.is_end() => self.finish(stream),
                        _ => {}
                    }
                }
                Event::Writable { stream } => self.end.send_on(stream),
                Event::Failed { error, .. } => panic!("{error}"),
                _ => {}
            }
        }
    }

    fn respond(&mut self, stream: StreamHandle, request: &RequestHead) {
        let heads = &mut self.end.heads;
        heads.push(b":status", b"200", false);
        push(heads, self.workload.response_fields);
        if self.workload.varies {
            let tag = &self.tags[self.answered % self.tags.len()];
            heads.push(b"etag", tag.as_bytes(), false);
            let id = request.as_fields().find(b"x-request-id");
            heads.push(b"x-request-id", id.unwrap_or_default(), false);
        }
        self.answered += 1;
        let head = ResponseHead::from_fields(heads.finish());
        self.end
            .connection
            .respond(stream, head, Then::More)
            .expect("the stream takes a head");
    }

    /// Answers a call that is whole.
    fn finish(&mut self, stream: StreamHandle) {
        let heads = &mut self.end.heads;
        heads.push(b":status", b"200", false);
        push(heads, self.workload.response_fields);
        let head = ResponseHead::from_fields(heads.finish());
        push(heads, self.workload.trailers);
        let trailers = heads.finish();
        let connection = &mut self.end.connection;
        connection
            .respond(stream, head, Then::More)
            .expect("the stream takes a head");
        self.end.send(stream, self.body.clone(), Then::More);
        self.end
            .connection
            .send_trailers(stream, trailers)
            .expect("the stream takes trailers");
    }
}

fn push(heads: &mut FieldsBuilder, fields: &[(&str, &str)]) {
    for (name, value) in fields {
        heads.push(name.as_bytes(), value.as_bytes(), false);
    }
}
