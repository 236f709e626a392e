//! As much of RFC 9113 §4 and §6 as a script needs.

use crate::wire::Wire;

pub(super) const HEAD_LEN: usize = 9;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;

pub(super) const ACK: u8 = 1;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// A frame without its payload.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) len: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) id: u32,
}

impl Head {
    pub(super) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether it is the last of its stream.
    pub(super) fn ends(self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.has(END_STREAM)
    }
}

pub(super) fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

pub(super) fn head(len: usize, kind: u8, flags: u8, id: u32) -> [u8; HEAD_LEN] {
    let [_, a, b, c] = (len as u32).to_be_bytes();
    let [w, x, y, z] = id.to_be_bytes();
    [a, b, c, kind, flags, w, x, y, z]
}

pub(super) fn push(out: &mut Vec<u8>, kind: u8, flags: u8, id: u32, payload: &[u8]) {
    out.extend_from_slice(&head(payload.len(), kind, flags, id));
    out.extend_from_slice(payload);
}

pub(super) fn push_credit(out: &mut Vec<u8>, id: u32, bytes: usize) {
    push(out, WINDOW_UPDATE, 0, id, &(bytes as u32).to_be_bytes());
}

/// Finds frames in what comes over a wire, cut anywhere.
#[derive(Debug)]
pub(super) struct Frames {
    /// Bytes to come that are of no interest.
    skip: usize,
    /// The beginning of a frame whose rest is still to come.
    partial: Vec<u8>,
    /// The payload of the latest frame that came in two pieces.
    joined: Vec<u8>,
}

impl Frames {
    /// `skip` bytes come before the first frame.
    pub(super) fn new(skip: usize) -> Self {
        Self {
            skip,
            partial: Vec::new(),
            joined: Vec::new(),
        }
    }

    /// The next frame, with its payload unless that is a body.
    pub(super) fn next<'a>(&'a mut self, wire: &'a mut Wire) -> Option<(Head, &'a [u8])> {
        let skipped = self.skip.min(wire.waiting().len());
        wire.consume(skipped);
        self.skip -= skipped;
        if !self.partial.is_empty() {
            return self.join(wire);
        }
        let waiting = wire.waiting();
        let Some(head) = parse(waiting) else {
            return self.keep(wire);
        };
        if head.kind == DATA {
            wire.consume(HEAD_LEN);
            self.skip = head.len;
            return Some((head, &[]));
        }
        let whole = HEAD_LEN + head.len;
        if waiting.len() < whole {
            return self.keep(wire);
        }
        let payload = wire.take(whole);
        Some((head, &payload[HEAD_LEN..]))
    }

    /// Keeps what waits as the beginning of a frame.
    fn keep(&mut self, wire: &mut Wire) -> Option<(Head, &'static [u8])> {
        self.partial.extend_from_slice(wire.waiting());
        wire.consume(wire.waiting().len());
        None
    }

    /// Goes on with a frame whose beginning is kept.
    fn join(&mut self, wire: &mut Wire) -> Option<(Head, &[u8])> {
        loop {
            let head = parse(&self.partial);
            let whole = match head {
                None => HEAD_LEN,
                Some(head) if head.kind == DATA => HEAD_LEN,
                Some(head) => HEAD_LEN + head.len,
            };
            let missing = whole.saturating_sub(self.partial.len());
            if missing == 0 {
                let head = head?;
                std::mem::swap(&mut self.partial, &mut self.joined);
                self.partial.clear();
                if head.kind == DATA {
                    self.skip = head.len;
                    return Some((head, &[]));
                }
                return Some((head, &self.joined[HEAD_LEN..]));
            }
            let len = missing.min(wire.waiting().len());
            if len == 0 {
                return None;
            }
            self.partial.extend_from_slice(&wire.waiting()[..len]);
            wire.consume(len);
        }
    }
}

fn parse(bytes: &[u8]) -> Option<Head> {
    let bytes = bytes.get(..HEAD_LEN)?;
    Some(Head {
        len: (number(bytes) >> 8) as usize,
        kind: bytes[3],
        flags: bytes[4],
        id: number(&bytes[5..]) & 0x7fff_ffff,
    })
}
