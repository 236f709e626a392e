//! Blocks made without the encoder: any representation, any mistake.

use bytes::BytesMut;
use raddle_hpack::{Encoder, Indexing};

/// SplitMix64: small, portable, the same numbers everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn text(&mut self, alphabet: &[u8], len: usize) -> Vec<u8> {
        (0..len)
            .map(|_| alphabet[self.below(alphabet.len())])
            .collect()
    }
}

/// Appends an integer after the bits of `first` above `mask`.
fn integer(first: u8, mask: u8, value: usize, out: &mut Vec<u8>) {
    if value < usize::from(mask) {
        return out.push(first | value as u8);
    }
    out.push(first | mask);
    let mut left = value - usize::from(mask);
    while left >= 128 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
}

fn string(text: &[u8], huffman: bool, out: &mut Vec<u8>) {
    if !huffman {
        integer(0, 0x7f, text.len(), out);
        return out.extend_from_slice(text);
    }
    // The shorter form; the octet before it says "literal, :path".
    let mut literal = BytesMut::new();
    Encoder::new(4096).field(b":path", text, Indexing::Never, &mut literal);
    out.extend_from_slice(&literal[1..]);
}

/// A block of a few representations. Names and values are such that nobody can
/// object to their content; indices reach a little beyond `entries`, the
/// dynamic entries there may be.
pub(crate) fn block(random: &mut Random, entries: usize) -> Vec<u8> {
    const NAME: &[u8] = b"abcdefghijklmnopqrstuvwxyz-0123456789";
    const VALUE: &[u8] = b"abcdefgh ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,;=/?%&{}~<>";
    let mut out = Vec::new();
    // Indices from 15 on: the pseudo-header fields before have rules of their
    // own.
    let index = |random: &mut Random| 15 + random.below(47 + entries);
    if random.below(8) == 0 {
        integer(0x20, 0x1f, random.below(5000), &mut out);
    }
    for _ in 0..1 + random.below(6) {
        match random.below(16) {
            0..=4 => integer(0x80, 0x7f, index(random), &mut out),
            5 => integer(0x20, 0x1f, random.below(5000), &mut out),
            kind => {
                let (first, mask) = [(0x40, 0x3f), (0x00, 0x0f), (0x10, 0x0f)][kind % 3];
                if random.below(2) == 0 {
                    integer(first, mask, index(random), &mut out);
                } else {
                    out.push(first);
                    let len = 1 + random.below(12);
                    let name = random.text(NAME, len);
                    string(&name, random.below(4) == 0, &mut out);
                }
                let len = random.below(40);
                let value = random.text(VALUE, len);
                string(value.trim_ascii(), random.below(3) == 0, &mut out);
            }
        }
    }
    out
}

/// Damages a block: flips, drops, doubles or cuts.
pub(crate) fn damage(random: &mut Random, block: &mut Vec<u8>) {
    let at = random.below(block.len());
    match random.below(4) {
        0 => block[at] ^= 1 << random.below(8),
        1 => drop(block.remove(at)),
        2 => block.insert(at, block[at]),
        _ => block.truncate(at),
    }
}
