//! Header blocks by hand (RFC 7541 §6).

use raddle_core::Role;
use raddle_tests::wire::{self, GET, flag, kind};

use crate::victim::Victim;

/// The first octet of a literal that enters the table, under a name in full (RFC 7541 §6.2.1).
pub(crate) const INSERT: u8 = 0x40;
/// The same that does not (RFC 7541 §6.2.2).
pub(crate) const PLAIN: u8 = 0x00;
/// A reference to the newest entry of the table (RFC 7541 §6.1).
pub(crate) const NEWEST: u8 = 0xbe;

fn string(bytes: &mut Vec<u8>, text: &[u8]) {
    let mut len = text.len();
    if len < 0x7f {
        bytes.push(len as u8);
    } else {
        bytes.push(0x7f);
        len -= 0x7f;
        while len >= 0x80 {
            bytes.push(len as u8 | 0x80);
            len >>= 7;
        }
        bytes.push(len as u8);
    }
    bytes.extend_from_slice(text);
}

/// A literal without Huffman, of a name and a value of any length.
pub(crate) fn literal(first: u8, name: &[u8], value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    string(&mut bytes, name);
    string(&mut bytes, value);
    bytes
}

/// The pseudo-fields that `role` expects of its peer.
pub(crate) fn head(role: Role) -> Vec<u8> {
    match role {
        Role::Server => wire::block(GET),
        Role::Client => vec![0x88],
    }
}

/// A message's head of any size: HEADERS and as many CONTINUATION frames as it takes.
pub(crate) fn message(stream: u32, block: &[u8], end_stream: bool) -> Vec<u8> {
    let mut pieces = block.chunks(16_384).peekable();
    let mut frames = Vec::new();
    let mut kind = kind::HEADERS;
    let mut end_stream = u8::from(end_stream);
    while let Some(piece) = pieces.next() {
        let last = if pieces.peek().is_none() {
            flag::END_HEADERS
        } else {
            0
        };
        frames.extend(wire::frame(kind, last | end_stream, stream, piece));
        kind = kind::CONTINUATION;
        end_stream = 0;
    }
    frames
}

impl Victim {
    /// A whole message without a body, whose head is the usual pseudo-fields and `rest`: a request on stream `2n + 1`,
    /// or the response to a request that is made for it.
    pub(crate) fn message(&mut self, n: u32, rest: &[u8]) -> bool {
        let role = self.connection.role();
        if role == Role::Client {
            self.ask();
        }
        let block = [&head(role), rest].concat();
        self.send(&message(2 * n + 1, &block, true))
    }
}
