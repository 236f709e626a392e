//! The same bytes cut differently make the same events for each stream, the same answer and the same end.
//!
//! The first bytes of the input choose the role and where to cut; the rest is what arrives behind a handshake:
//! `fuzz/smoke chunking 60` runs it for a minute.

use std::collections::BTreeMap;

use bytes::{Buf, BytesMut};
use raddle_core::{
    Config, Connection, ErrorCode, Event, Input, Lifecycle, RequestHead, Role, StreamHandle, Then,
    Timestamp, Transmit,
};

const HANDSHAKE: &[u8] =
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0";
const NOW: Timestamp = Timestamp(0);
/// Without the client preface.
const PREFACE_LEN: usize = 24;

/// What one engine made of the bytes.
#[derive(Debug, Default, PartialEq, Eq)]
struct Story {
    /// By stream, in the order in which they were first heard of; 0 is the connection.
    events: BTreeMap<usize, Vec<String>>,
    sent: Vec<u8>,
    error: Option<ErrorCode>,
    lifecycle: Option<Lifecycle>,
}

struct Teller {
    connection: Connection,
    streams: BTreeMap<StreamHandle, usize>,
    named: usize,
    story: Story,
}

impl Teller {
    /// An engine that has sent its SETTINGS, and its requests when it is a client.
    fn new(role: Role) -> Self {
        let mut connection = Connection::new(role, Config::default(), NOW);
        let mut named = 0;
        let mut streams = BTreeMap::new();
        for _ in 0..if role == Role::Client { 3 } else { 0 } {
            let head = RequestHead::new(b"GET", b"http", Some(b"a"), b"/").finish();
            if let Ok(stream) = connection.open(head, Then::End) {
                named += 1;
                streams.insert(stream, named);
            }
        }
        let mut out = Transmit::new();
        connection.poll_transmit(&mut out, NOW);
        Self {
            connection,
            streams,
            named,
            story: Story::default(),
        }
    }

    fn hear(&mut self, bytes: &[u8], cuts: impl Iterator<Item = usize>) {
        let mut inbox = BytesMut::new();
        let mut rest = bytes;
        for cut in cuts {
            if rest.is_empty() {
                break;
            }
            let (piece, later) = rest.split_at(cut.clamp(1, rest.len()));
            rest = later;
            inbox.extend_from_slice(piece);
            while self.connection.handle_input(&mut inbox, NOW) == Input::EventsFull {
                self.note_events();
            }
        }
        // Not before: being told of the last stream's end may end a drain, and then what comes behind is not read.
        self.note_events();
        let mut out = Transmit::new();
        // RST_STREAM frames come in the order in which the streams were touched, which cuts may change.
        while self.connection.poll_transmit(&mut out, NOW) > 0 {}
        self.story.sent = out.copy_to_bytes(out.remaining()).to_vec();
        self.note_events();
        self.story.error = self.connection.error().map(|error| error.code);
        self.story.lifecycle = Some(self.connection.lifecycle());
    }

    fn note_events(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            let stream = match &event {
                Event::Request { stream, .. } => {
                    self.named += 1;
                    self.streams.insert(*stream, self.named);
                    Some(*stream)
                }
                Event::Interim { stream, .. }
                | Event::Response { stream, .. }
                | Event::Data { stream, .. }
                | Event::Trailers { stream, .. }
                | Event::Writable { stream }
                | Event::StopSending { stream }
                | Event::Finished { stream }
                | Event::Failed { stream, .. } => Some(*stream),
                _ => None,
            };
            let name = stream.map_or(0, |stream| self.streams[&stream]);
            // A handle names a place in the table, which depends on when its last tenant was told of its end.
            let text = match stream {
                Some(stream) => format!("{event:?}").replace(&format!("{stream:?}"), "-"),
                None => format!("{event:?}"),
            };
            self.story.events.entry(name).or_default().push(text);
        }
    }
}

/// Frames of our own by stream, since only their order within a stream is the same.
fn by_stream(mut sent: &[u8]) -> BTreeMap<u32, Vec<u8>> {
    let mut frames: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    while let Some((head, payload)) = sent.split_first_chunk::<9>() {
        let len = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let frame = frames.entry(stream).or_default();
        frame.extend_from_slice(head);
        frame.extend_from_slice(&payload[..len]);
        sent = &payload[len..];
    }
    frames
}

/// Runs one input.
///
/// # Panics
/// When a cut changes what an engine makes of its input.
pub fn run(data: &[u8]) {
    let Some((&[role, first, step], data)) = data.split_first_chunk::<3>() else {
        return;
    };
    let role = match role % 2 {
        0 => Role::Server,
        _ => Role::Client,
    };
    let handshake = match role {
        Role::Server => HANDSHAKE,
        Role::Client => &HANDSHAKE[PREFACE_LEN..],
    };
    let bytes = [handshake, data].concat();
    let mut whole = Teller::new(role);
    whole.hear(&bytes, std::iter::repeat(usize::MAX));
    let mut cut = Teller::new(role);
    let cuts = (0..).map(|n: usize| match n {
        0 => usize::from(first),
        _ => 1 + (usize::from(step) * n) % 37,
    });
    cut.hear(&bytes, cuts);
    assert_eq!(by_stream(&whole.story.sent), by_stream(&cut.story.sent));
    whole.story.sent.clear();
    cut.story.sent.clear();
    assert_eq!(whole.story, cut.story);
}
