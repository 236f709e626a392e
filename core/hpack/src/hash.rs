//! A fixed hash for the encoder's search tables.
//!
//! It need not resist collisions: the tables probe a bounded number of slots
//! and confirm every hit, so a peer that provokes collisions only costs itself
//! compression. In return two runs give the same bytes.

const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

#[inline]
const fn mix(state: u64, word: u64) -> u64 {
    let product = (state ^ word) as u128 * MULTIPLIER as u128;
    (product as u64) ^ (product >> 64) as u64
}

/// Hash of a byte string.
#[inline]
pub(crate) const fn bytes(input: &[u8]) -> u32 {
    let mut state = mix(MULTIPLIER, input.len() as u64);
    let mut rest = input;
    while let Some((chunk, tail)) = rest.split_first_chunk::<8>() {
        state = mix(state, u64::from_le_bytes(*chunk));
        rest = tail;
    }
    if let Some((chunk, tail)) = rest.split_first_chunk::<4>() {
        state = mix(state, u32::from_le_bytes(*chunk) as u64);
        rest = tail;
    }
    let mut last = 0;
    while let [byte, tail @ ..] = rest {
        last = last << 8 | *byte as u64 | 0x100;
        rest = tail;
    }
    state = mix(state, last);
    (state ^ state >> 32) as u32
}

/// Hash of a field from those of its parts.
#[inline]
pub(crate) const fn pair(name: u32, value: u32) -> u32 {
    let state = mix(MULTIPLIER, (name as u64) << 32 | value as u64);
    (state ^ state >> 32) as u32
}
