//! The two ends of a connection as raddle engines, each with the loop that feeds it.

#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes, BytesMut};
use raddle_core::{
    Config, Connection, Event, Fields, FieldsBuilder, Input, RequestHead, Role, StreamHandle, Then,
    Timestamp, Transmit,
};

use crate::{
    drive::{Asks, End},
    wire::Wire,
    workload::{AUTHORITY, Answer, SCHEME, Seen, Texts, Workload},
};

/// Free space in the buffer before a read, as in raddle's adapter.
const READ_BYTES: usize = 16 * 1024 + 512;
/// Missing bytes of a frame that are worth a read of their own.
const WHOLE_BYTES_MIN: usize = 4 * 1024;
const WHOLE_BYTES_MAX: usize = READ_BYTES - HEAD_BYTES;
/// The head of a frame.
const HEAD_BYTES: usize = 9;
/// How long a connection is idle before it is measured.
const IDLE: Duration = Duration::from_secs(11);
/// Memory of a kept builder of heads.
const HEADS_BYTES: usize = 4 * 1024;

/// An engine with its buffers.
#[derive(Debug)]
struct Engine {
    connection: Connection,
    inbox: BytesMut,
    out: Transmit,
    heads: FieldsBuilder,
    seen: Seen,
    /// Bytes that the frame at the front of the inbox still needs.
    missing: usize,
    /// What `send_data` has not taken yet, in order.
    owed: Vec<(StreamHandle, Bytes)>,
    start: Instant,
}

/// The client, and what it asks for.
#[derive(Debug)]
pub(crate) struct Client {
    end: Engine,
    workload: &'static Workload,
    texts: Rc<Texts>,
    asked: usize,
    opened: usize,
    ended: usize,
}

/// The server, and what it answers.
#[derive(Debug)]
pub(crate) struct Server {
    end: Engine,
    workload: &'static Workload,
    texts: Rc<Texts>,
    answered: usize,
}

fn config(workload: &Workload, send_buffer: usize) -> Config {
    let streams = workload.streams.max(100);
    Config {
        stream_window_bytes: workload.stream_window,
        connection_window_bytes: workload.connection_window,
        send_buffer_bytes: send_buffer,
        concurrent_streams_max: streams as u32,
        open_queue_max: streams.max(1_024),
        ..Config::default()
    }
}

impl Client {
    pub(crate) fn new(workload: &'static Workload, texts: Rc<Texts>, send_buffer: usize) -> Self {
        Self {
            end: Engine::new(Role::Client, config(workload, send_buffer)),
            workload,
            texts,
            asked: 0,
            opened: 0,
            ended: 0,
        }
    }
}

impl Server {
    pub(crate) fn new(workload: &'static Workload, texts: Rc<Texts>, send_buffer: usize) -> Self {
        Self {
            end: Engine::new(Role::Server, config(workload, send_buffer)),
            workload,
            texts,
            answered: 0,
        }
    }
}

impl End for Client {
    fn input(&mut self, wire: &mut Wire) {
        let now = self.end.now();
        while self.end.read(wire) {
            while self.end.input(now) {
                self.react();
            }
        }
    }

    fn output(&mut self, wire: &mut Wire) {
        for _ in self.opened - self.ended..self.workload.streams {
            if self.opened < self.asked {
                self.open();
            }
        }
        let now = self.end.now();
        self.end.transmit(wire, now);
    }

    fn seen(&mut self) -> Seen {
        std::mem::take(&mut self.end.seen)
    }

    fn let_go(&mut self) {
        self.end.let_go();
    }
}

impl Asks for Client {
    fn ask(&mut self, requests: usize) {
        self.asked += requests;
    }

    fn is_done(&self) -> bool {
        self.ended == self.asked
    }
}

impl End for Server {
    fn input(&mut self, wire: &mut Wire) {
        let now = self.end.now();
        while self.end.read(wire) {
            while self.end.input(now) {
                self.react();
            }
        }
    }

    fn output(&mut self, wire: &mut Wire) {
        let now = self.end.now();
        self.end.transmit(wire, now);
    }

    fn seen(&mut self) -> Seen {
        std::mem::take(&mut self.end.seen)
    }

    fn let_go(&mut self) {
        self.react();
        self.end.let_go();
    }
}

impl Engine {
    fn new(role: Role, config: Config) -> Self {
        Self {
            connection: Connection::new(role, config, Timestamp(0)),
            inbox: BytesMut::new(),
            out: Transmit::new(),
            heads: FieldsBuilder::with_slab_bytes(HEADS_BYTES),
            seen: Seen::default(),
            missing: 0,
            owed: Vec::new(),
            start: Instant::now(),
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp(self.start.elapsed().as_nanos() as u64)
    }

    /// Frees the buffers, which are this loop's and not the engine's, and lets some seconds pass.
    fn let_go(&mut self) {
        let now = self.now();
        self.connection.poll_transmit(&mut self.out, now);
        let until = now.after(IDLE);
        while let Some(due) = self.connection.poll_timeout().filter(|due| *due <= until) {
            self.connection.handle_timeout(due);
        }
        assert!(self.inbox.is_empty() && self.out.is_empty(), "all is said");
        self.inbox = BytesMut::new();
        self.out = Transmit::new();
        self.heads = FieldsBuilder::with_slab_bytes(HEADS_BYTES);
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
        // As the adapter does: just the rest of a large frame and the next head, so that the next frame's payload
        // begins at the front of the buffer and is not moved.
        let want = match self.missing {
            WHOLE_BYTES_MIN..=WHOLE_BYTES_MAX => self.missing + HEAD_BYTES,
            _ => READ_BYTES,
        };
        self.inbox.reserve(want);
        let room = want.min(self.inbox.capacity() - self.inbox.len());
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
        if let Input::NeedMore { at_least } = input {
            self.missing = at_least;
        }
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
        let path = Texts::nth(&self.texts.paths, self.opened);
        let heads = &mut self.end.heads;
        heads.push(b":method", self.workload.method.as_bytes(), false);
        heads.push(b":scheme", SCHEME.as_bytes(), false);
        heads.push(b":authority", AUTHORITY.as_bytes(), false);
        heads.push(b":path", path.as_bytes(), false);
        heads.append(&self.texts.request);
        if self.workload.varies {
            let id = Texts::nth(&self.texts.ids, self.opened);
            heads.push(b"x-request-id", id.as_bytes(), false);
        }
        let head = heads.finish_request();
        let then = if self.texts.upload.is_empty() {
            Then::End
        } else {
            Then::More
        };
        let stream = match self.end.connection.open(head, then) {
            Ok(stream) => stream,
            Err((error, _)) => panic!("{error}"),
        };
        if then == Then::More {
            self.end.send(stream, self.texts.upload.clone(), Then::End);
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
                            self.end
                                .send(stream, self.texts.download.clone(), Then::End);
                        }
                        Answer::Echo => self.respond(stream, &head),
                        Answer::Unary(_) | Answer::Never => {}
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
        heads.append(&self.texts.response);
        if self.workload.varies {
            let tag = Texts::nth(&self.texts.tags, self.answered);
            heads.push(b"etag", tag.as_bytes(), false);
            let id = request.as_fields().find(b"x-request-id");
            heads.push(b"x-request-id", id.unwrap_or_default(), false);
        }
        self.answered += 1;
        let head = heads.finish_response();
        self.end
            .connection
            .respond(stream, head, Then::More)
            .expect("the stream takes a head");
    }

    /// Answers a call that is whole.
    fn finish(&mut self, stream: StreamHandle) {
        let heads = &mut self.end.heads;
        heads.push(b":status", b"200", false);
        heads.append(&self.texts.response);
        let head = heads.finish_response();
        heads.append(&self.texts.trailers);
        let trailers = heads.finish();
        let connection = &mut self.end.connection;
        connection
            .respond(stream, head, Then::More)
            .expect("the stream takes a head");
        self.end
            .send(stream, self.texts.download.clone(), Then::More);
        self.end
            .connection
            .send_trailers(stream, trailers)
            .expect("the stream takes trailers");
    }
}
