//! Frames, cut off a row of bytes (RFC 9113 §4.1).

use std::ops::Deref;

/// The types of frames (RFC 9113 §6).
pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
    pub(crate) const PRIORITY_UPDATE: u8 = 16;
}

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes that are done with and still kept.
const DONE_MAX: usize = 65_536;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A frame with its payload, which is its own or lies elsewhere.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Frame<P = Vec<u8>> {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: P,
}

/// A frame as it passes.
pub(crate) type Passing<'b> = Frame<&'b [u8]>;

impl Frame {
    pub(crate) fn new(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Self {
        Self {
            kind,
            flags,
            stream,
            payload: payload.to_vec(),
        }
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.payload.len() as u32).to_be_bytes()[1..]);
        out.extend_from_slice(&[self.kind, self.flags]);
        out.extend_from_slice(&self.stream.to_be_bytes());
        out.extend_from_slice(&self.payload);
    }

    /// The same, as if it passed.
    #[cfg(test)]
    pub(crate) fn passing(&self) -> Passing<'_> {
        Frame {
            kind: self.kind,
            flags: self.flags,
            stream: self.stream,
            payload: &self.payload,
        }
    }
}

impl Passing<'_> {
    /// One of its own.
    pub(crate) fn to_owned(&self) -> Frame {
        Frame::new(self.kind, self.flags, self.stream, self.payload)
    }
}

impl<P: Deref<Target = [u8]>> Frame<P> {
    pub(crate) fn ends_stream(&self) -> bool {
        matches!(self.kind, kind::DATA | kind::HEADERS) && self.flags & END_STREAM != 0
    }

    pub(crate) fn ends_headers(&self) -> bool {
        self.flags & END_HEADERS != 0
    }

    /// SETTINGS or PING that answers one.
    pub(crate) fn is_ack(&self) -> bool {
        matches!(self.kind, kind::SETTINGS | kind::PING) && self.flags & 1 != 0
    }

    /// The 32 bits at `at` of the payload, without the reserved one.
    pub(crate) fn word(&self, at: usize) -> u32 {
        let word = self
            .payload
            .get(at..at + 4)
            .and_then(|word| word.try_into().ok());
        u32::from_be_bytes(word.unwrap_or_default()) & 0x7fff_ffff
    }

    /// The entries of SETTINGS.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (u16, u32)> {
        self.payload.chunks_exact(6).map(|entry| {
            (
                u16::from_be_bytes([entry[0], entry[1]]),
                u32::from_be_bytes([entry[2], entry[3], entry[4], entry[5]]),
            )
        })
    }
}

/// Cuts frames off one direction as its bytes pass.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    at: usize,
    /// Bytes up to here count already.
    end: usize,
    /// The preface of a client still has to pass.
    preface: bool,
    /// A frame had the bit set that stands before its stream's identifier.
    reserved: bool,
}

impl Frames {
    pub(crate) fn new(preface: bool) -> Self {
        Self {
            bytes: Vec::with_capacity(1_024),
            preface,
            ..Self::default()
        }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.at == self.bytes.len() || self.at > DONE_MAX {
            self.bytes.drain(..self.at);
            self.end -= std::mem::take(&mut self.at);
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// So many more bytes count.
    pub(crate) fn allow(&mut self, bytes: usize) {
        self.end += bytes;
        if self.preface && self.bytes[..self.end].starts_with(PREFACE) {
            self.at = PREFACE.len();
            self.preface = false;
        }
    }

    pub(crate) fn next(&mut self) -> Option<Passing<'_>> {
        let rest = self.bytes.get(self.at..self.end)?;
        if self.preface || rest.len() < 9 {
            return None;
        }
        let len = u32::from_be_bytes([0, rest[0], rest[1], rest[2]]) as usize;
        let payload = rest.get(9..9 + len)?;
        let word = u32::from_be_bytes([rest[5], rest[6], rest[7], rest[8]]);
        self.at += 9 + len;
        self.reserved |= word > 0x7fff_ffff;
        Some(Frame {
            kind: rest[3],
            flags: rest[4],
            stream: word & 0x7fff_ffff,
            payload,
        })
    }

    /// Whether the reserved bit of a frame was set (RFC 9113 §4.1).
    pub(crate) fn is_reserved(&self) -> bool {
        self.reserved
    }
}
