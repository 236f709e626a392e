//! Two engines whose test allocates nothing itself once it is warm.

use bytes::{Buf, Bytes, BytesMut};
use raddle_core::{
    Config, Connection, Event, Fields, FieldsBuilder, RequestHead, ResponseHead, Role,
    StreamHandle, Then, Timestamp, Transmit,
};
use raddle_tests::counting;

/// Free space before a read, as in the adapter.
const READ_BYTES: usize = 16 * 1024 + 512;
/// What many heads share.
const SLAB_BYTES: usize = 4_096;

/// One end.
pub(crate) struct End {
    pub(crate) connection: Connection,
    inbox: BytesMut,
    out: Transmit,
    heads: FieldsBuilder,
    now: Timestamp,
    received: usize,
    ended: usize,
    requests: Vec<StreamHandle>,
    kept: Vec<RequestHead>,
    keeps: bool,
}

/// Both, and what is on its way from one to the other.
pub(crate) struct Pair {
    pub(crate) client: End,
    pub(crate) server: End,
    wire: Vec<u8>,
}

impl End {
    fn new(role: Role, config: Config) -> Self {
        Self {
            connection: Connection::new(role, config, Timestamp(0)),
            inbox: BytesMut::new(),
            out: Transmit::new(),
            heads: FieldsBuilder::with_slab_bytes(SLAB_BYTES),
            now: Timestamp(0),
            received: 0,
            ended: 0,
            requests: Vec::with_capacity(2_048),
            kept: Vec::new(),
            keeps: true,
        }
    }

    pub(crate) fn send(&mut self, stream: StreamHandle, piece: &mut Bytes) {
        self.connection
            .send_data(stream, piece, Then::More)
            .unwrap();
        assert!(piece.is_empty(), "the buffer takes a piece");
    }

    /// A list of fields that shares its memory with those before and after it.
    pub(crate) fn fields(&mut self, fields: &[(&str, &str)]) -> Fields {
        for (name, value) in fields {
            self.heads.push(name.as_bytes(), value.as_bytes(), false);
        }
        self.heads.finish()
    }

    pub(crate) fn input(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            self.inbox.reserve(READ_BYTES);
            let room = self.inbox.capacity() - self.inbox.len();
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.inbox.extend_from_slice(now);
            bytes = later;
            loop {
                let before = self.inbox.len();
                self.connection.handle_input(&mut self.inbox, self.now);
                self.react();
                if self.inbox.len() == before {
                    break;
                }
            }
        }
    }

    fn react(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            match event {
                Event::Request { stream, head, .. } => {
                    self.requests.push(stream);
                    if self.keeps {
                        self.kept.push(head);
                    }
                }
                Event::Data { stream, data, .. } => {
                    self.received += data.len();
                    self.connection.release(stream, data.len());
                }
                Event::Finished { .. } => self.ended += 1,
                Event::Closed { error } => panic!("{error:?}"),
                _ => {}
            }
        }
    }

    /// Writes everything to `wire`; whether there was anything.
    fn output(&mut self, wire: &mut Vec<u8>) -> bool {
        wire.clear();
        while self.connection.poll_transmit(&mut self.out, self.now) > 0 || !self.out.is_empty() {
            for part in self.out.parts() {
                wire.extend_from_slice(part);
            }
            self.out.advance(self.out.remaining());
        }
        self.react();
        !wire.is_empty()
    }
}

impl Pair {
    /// A pair that has exchanged SETTINGS, both ends under `config`.
    pub(crate) fn new(config: Config) -> Self {
        let mut pair = Self {
            client: End::new(Role::Client, config.clone()),
            server: End::new(Role::Server, config),
            wire: Vec::with_capacity(1024 * 1024),
        };
        pair.settle();
        pair
    }

    /// Carries bytes until neither has any, and lets a second pass.
    pub(crate) fn settle(&mut self) {
        loop {
            let up = self.client.output(&mut self.wire);
            self.server.input(&self.wire);
            let down = self.server.output(&mut self.wire);
            self.client.input(&self.wire);
            if !up && !down {
                break;
            }
        }
        for end in [&mut self.client, &mut self.server] {
            end.now = Timestamp(end.now.0 + 1_000_000_000);
        }
    }

    /// Sends SETTINGS that change nothing to both ends, and takes their acknowledgements.
    pub(crate) fn repeat_settings(&mut self) {
        const EMPTY_SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
        for end in [&mut self.client, &mut self.server] {
            end.input(EMPTY_SETTINGS);
            end.output(&mut self.wire);
            assert_eq!(self.wire, [0, 0, 0, 4, 1, 0, 0, 0, 0]);
        }
    }

    /// Bytes of bodies that both have received.
    pub(crate) fn received(&self) -> usize {
        self.client.received + self.server.received
    }

    /// Messages that have ended at the client.
    pub(crate) fn client_ended(&self) -> usize {
        self.client.ended
    }

    /// Bytes that the engines of client and server held on the heap, which they give back.
    pub(crate) fn end(self) -> [i64; 2] {
        [self.client, self.server].map(|end| {
            let before = counting::live();
            drop(end.connection);
            before - counting::live()
        })
    }

    /// Opens streams with a body that does not end; the handles of both ends.
    pub(crate) fn open_requests(&mut self, count: usize) -> Vec<(StreamHandle, StreamHandle)> {
        let head = RequestHead::new(b"POST", b"https", Some(b"test"), b"/").finish();
        let open = |pair: &mut Self| {
            let client = &mut pair.client.connection;
            let up = client.open(head.clone(), Then::More).unwrap();
            pair.settle();
            (up, pair.server.requests.pop().unwrap())
        };
        (0..count).map(|_| open(self)).collect()
    }

    /// Opens streams with a body in both directions that does not end; the handles of both ends.
    pub(crate) fn open_uploads(&mut self, count: usize) -> Vec<(StreamHandle, StreamHandle)> {
        let streams = self.open_requests(count);
        for &(_, down) in &streams {
            let head = ResponseHead::new(200).finish();
            let server = &mut self.server.connection;
            server.respond(down, head, Then::More).unwrap();
        }
        self.settle();
        streams
    }

    /// Asks for something that nobody answers yet.
    pub(crate) fn open_get(&mut self) -> StreamHandle {
        let head = RequestHead::from_fields(self.client.fields(&GET));
        self.client.connection.open(head, Then::End).unwrap()
    }

    /// Makes so many requests at once and answers them.
    pub(crate) fn gets(&mut self, count: usize) {
        self.server.keeps = false;
        self.server.requests.clear();
        let ended = self.client.ended;
        for _ in 0..count {
            self.open_get();
        }
        self.settle();
        while let Some(stream) = self.server.requests.pop() {
            let head = ResponseHead::from_fields(self.server.fields(&ANSWER));
            let connection = &mut self.server.connection;
            connection.respond(stream, head, Then::More).unwrap();
            let mut body = Bytes::from_static(&[7; 100]);
            connection.send_data(stream, &mut body, Then::End).unwrap();
        }
        self.settle();
        assert_eq!(self.client.ended - ended, count);
    }

    /// Bytes that the test keeps itself.
    pub(crate) fn buffers(&self) -> usize {
        let of =
            |end: &End| end.inbox.capacity() + end.requests.capacity() * size_of::<StreamHandle>();
        of(&self.client) + of(&self.server) + self.wire.capacity()
    }

    /// Forgets the heads of requests that were kept, and what was to become heads.
    pub(crate) fn drop_heads(&mut self) {
        for end in [&mut self.client, &mut self.server] {
            end.kept = Vec::new();
            end.heads = FieldsBuilder::with_slab_bytes(SLAB_BYTES);
        }
    }

    /// What both engines say that they keep, in bytes.
    pub(crate) fn footprints(&self) -> (usize, usize) {
        let of = |end: &End| end.connection.memory_footprint().total();
        (of(&self.client), of(&self.server))
    }
}

/// SETTINGS_MAX_CONCURRENT_STREAMS of 0.
pub(crate) const NO_STREAMS: &[u8] = &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0];
/// SETTINGS_INITIAL_WINDOW_SIZE of 0.
pub(crate) const NO_WINDOWS: &[u8] = &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0];

const ANSWER: [(&str, &str); 3] = [
    (":status", "200"),
    ("content-type", "text/plain"),
    ("content-length", "100"),
];

pub(crate) const GET: [(&str, &str); 8] = [
    (":method", "GET"),
    (":scheme", "https"),
    (":authority", "example.org"),
    (":path", "/index.html"),
    ("user-agent", "raddle"),
    ("accept", "*/*"),
    ("accept-encoding", "gzip, br"),
    ("accept-language", "en"),
];
