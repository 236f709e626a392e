//! Frames by hand, written from RFC 9113 alone: what a test sends to the engine, and what it makes of the answer, must
//! not pass through the code under test.

use bytes::BufMut;

/// What a client sends before its first frame (RFC 9113 §3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frame types (RFC 9113 §6).
pub mod kind {
    #![allow(missing_docs, reason = "the names are those of RFC 9113 §6")]
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
    pub const PRIORITY_UPDATE: u8 = 0x10;
}

/// Frame flags (RFC 9113 §6).
pub mod flag {
    #![allow(missing_docs, reason = "the names are those of RFC 9113 §6")]
    pub const NONE: u8 = 0;
    pub const ACK: u8 = 1;
    pub const END_STREAM: u8 = 1;
    pub const END_HEADERS: u8 = 4;
    pub const PADDED: u8 = 8;
    pub const PRIORITY: u8 = 0x20;
}

/// One frame as it stands on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The type, see [`kind`].
    pub kind: u8,
    /// The flags, see [`flag`].
    pub flags: u8,
    /// The stream identifier, without its reserved bit.
    pub stream: u32,
    /// Everything behind the head of nine bytes.
    pub payload: Vec<u8>,
}

/// The bytes of a frame.
#[must_use]
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(9 + payload.len());
    bytes.put_uint(payload.len() as u64, 3);
    bytes.put_u8(kind);
    bytes.put_u8(flags);
    bytes.put_u32(stream);
    bytes.put_slice(payload);
    bytes
}

/// SETTINGS with these identifiers and values.
#[must_use]
pub fn settings(entries: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for &(id, value) in entries {
        payload.put_u16(id);
        payload.put_u32(value);
    }
    frame(kind::SETTINGS, flag::NONE, 0, &payload)
}

/// The acknowledgement of SETTINGS.
#[must_use]
pub fn settings_ack() -> Vec<u8> {
    frame(kind::SETTINGS, flag::ACK, 0, &[])
}

/// A field section whose fields are literals without indexing and without Huffman (RFC 7541 §6.2.2), which leave no
/// trace in the table. Names and values are shorter than 127 bytes.
#[must_use]
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.put_u8(0);
        for text in [name, value] {
            assert!(text.len() < 127, "{text:?} needs a longer length");
            bytes.put_u8(text.len() as u8);
            bytes.put_slice(text.as_bytes());
        }
    }
    bytes
}

/// The pseudo-fields of a GET.
pub const GET: &[(&str, &str)] = &[
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "test"),
    (":path", "/"),
];

/// The pseudo-fields of a POST.
pub const POST: &[(&str, &str)] = &[
    (":method", "POST"),
    (":scheme", "http"),
    (":authority", "test"),
    (":path", "/"),
];

/// HEADERS that hold a whole field section.
#[must_use]
pub fn headers(stream: u32, fields: &[(&str, &str)], end_stream: bool) -> Vec<u8> {
    let flags = flag::END_HEADERS | if end_stream { flag::END_STREAM } else { 0 };
    frame(kind::HEADERS, flags, stream, &block(fields))
}

/// DATA without padding.
#[must_use]
pub fn data(stream: u32, payload: &[u8], end_stream: bool) -> Vec<u8> {
    frame(kind::DATA, u8::from(end_stream), stream, payload)
}

/// RST_STREAM with an error code.
#[must_use]
pub fn rst_stream(stream: u32, code: u32) -> Vec<u8> {
    frame(kind::RST_STREAM, flag::NONE, stream, &code.to_be_bytes())
}

/// WINDOW_UPDATE of a stream, or of the connection with stream 0.
#[must_use]
pub fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(
        kind::WINDOW_UPDATE,
        flag::NONE,
        stream,
        &increment.to_be_bytes(),
    )
}

/// PING, or its answer.
#[must_use]
pub fn ping(payload: [u8; 8], ack: bool) -> Vec<u8> {
    frame(kind::PING, u8::from(ack), 0, &payload)
}

/// The answers to the PING frames among `frames`.
#[must_use]
pub fn pongs(frames: &[Frame]) -> Vec<u8> {
    let asked = |frame: &&Frame| frame.is(kind::PING, 0) && frame.flags == flag::NONE;
    let pings = frames.iter().filter(asked);
    pings
        .flat_map(|asked| frame(kind::PING, flag::ACK, 0, &asked.payload))
        .collect()
}

/// GOAWAY without debug data.
#[must_use]
pub fn goaway(last_stream: u32, code: u32) -> Vec<u8> {
    let mut payload = Vec::new();
    payload.put_u32(last_stream);
    payload.put_u32(code);
    frame(kind::GOAWAY, flag::NONE, 0, &payload)
}

/// The whole frames at the front of `bytes`, a client's preface skipped, and how many bytes are left over.
#[must_use]
pub fn frames(mut bytes: &[u8]) -> (Vec<Frame>, usize) {
    let mut found = Vec::new();
    bytes = bytes.strip_prefix(PREFACE).unwrap_or(bytes);
    while let Some((head, rest)) = bytes.split_first_chunk::<9>() {
        let len = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        if rest.len() < len {
            break;
        }
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]) & 0x7fff_ffff;
        found.push(Frame {
            kind: head[3],
            flags: head[4],
            stream,
            payload: rest[..len].to_vec(),
        });
        bytes = &rest[len..];
    }
    (found, bytes.len())
}

impl Frame {
    /// The 32-bit number at `at` in the payload: an error code, an increment, a last stream.
    ///
    /// # Panics
    /// When the payload is too short, which for frames of these kinds is a failure of the test.
    #[must_use]
    pub fn number(&self, at: usize) -> u32 {
        let bytes = self.payload[at..at + 4].try_into();
        u32::from_be_bytes(bytes.unwrap_or_default())
    }

    /// Whether this is the frame that was meant.
    #[must_use]
    pub fn is(&self, kind: u8, stream: u32) -> bool {
        self.kind == kind && self.stream == stream
    }
}
