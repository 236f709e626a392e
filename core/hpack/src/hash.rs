//! A fixed hash for the encoder's search tables.
//!
//! It need not resist collisions: the tables probe a bounded number of slots
//! and confirm every hit, so a peer that provokes collisions only costs itself
//! compression. In return two runs give the same bytes.

const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;

/// Folds the product of two words, which depends on every bit of both.
#[inline(always)]
const fn fold(a: u64, b: u64) -> u64 {
    let product = a as u128 * b as u128;
    (product as u64) ^ (product >> 64) as u64
}

#[inline(always)]
const fn word8(octets: &[u8; 8]) -> u64 {
    u64::from_le_bytes(*octets)
}

#[inline(always)]
const fn word4(octets: &[u8; 4]) -> u64 {
    u32::from_le_bytes(*octets) as u64
}

/// Hash of a byte string, started from `seed`.
///
/// It takes two words at a time; the last two overlap those before, or each
/// other. The length makes up for that.
#[inline]
pub(crate) const fn bytes(seed: u32, input: &[u8]) -> u32 {
    let mut state = ((seed as u64) << 32 | input.len() as u64) ^ MULTIPLIER;
    let (a, b) = if let Some([a @ .., _, _, _, _, _, _, _, _]) = input.last_chunk::<16>() {
        let mut rest = input;
        while rest.len() > 16
            && let Some((a, tail)) = rest.split_first_chunk::<8>()
            && let Some((b, tail)) = tail.split_first_chunk::<8>()
        {
            state = fold(word8(a) ^ state, word8(b) ^ MULTIPLIER);
            rest = tail;
        }
        (word8(a), last8(input))
    } else if let Some(first) = input.first_chunk::<8>() {
        (word8(first), last8(input))
    } else if let (Some(first), Some(last)) = (input.first_chunk::<4>(), input.last_chunk::<4>()) {
        (word4(first), word4(last))
    } else if let [first, .., last] = input {
        let middle = input[input.len() / 2];
        (*first as u64, (middle as u64) << 8 | *last as u64)
    } else if let [only] = input {
        (*only as u64, 0)
    } else {
        (0, 0)
    };
    fold(a ^ state, b ^ MULTIPLIER) as u32
}

/// The last word of at least 8 octets.
#[inline(always)]
const fn last8(input: &[u8]) -> u64 {
    match input.last_chunk::<8>() {
        Some(last) => word8(last),
        None => 0,
    }
}

/// Whether two short strings are equal: for names and values this is less work
/// than a call to compare memory.
#[inline]
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    if let (Some(a_first), Some(b_first)) = (a.first_chunk::<8>(), b.first_chunk::<8>()) {
        let ends = word8(a_first) ^ word8(b_first) | last8(a) ^ last8(b);
        return ends == 0 && (a.len() <= 16 || a[8..] == b[8..]);
    }
    if let (Some(a_first), Some(b_first), Some(a_last), Some(b_last)) = (
        a.first_chunk::<4>(),
        b.first_chunk::<4>(),
        a.last_chunk::<4>(),
        b.last_chunk::<4>(),
    ) {
        return word4(a_first) ^ word4(b_first) | word4(a_last) ^ word4(b_last) == 0;
    }
    a.iter().eq(b)
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use alloc::vec::Vec;

    use super::*;

    /// Of 1,000 strings that differ in two octets alone, wherever those are, hardly any two have the same hash: by
    /// chance it is one pair in 8,600 such sets.
    #[test]
    fn every_octet_counts() {
        for len in 2..50 {
            for at in 0..len - 1 {
                let mut hashes: Vec<u32> = (0..1_000_u16)
                    .map(|n| {
                        let mut text = vec![b'a'; len];
                        text[at..at + 2].copy_from_slice(&(n * 65).to_le_bytes());
                        bytes(0, &text)
                    })
                    .collect();
                hashes.sort_unstable();
                hashes.dedup();
                let same = 1_000 - hashes.len();
                assert!(same <= 1, "{same} of {len} octets at {at}");
            }
        }
    }

    #[test]
    fn strings_are_the_same_when_every_octet_is() {
        for len in 0..50 {
            let text: Vec<u8> = (0..len).collect();
            assert!(same(&text, &text.clone()));
            for at in 0..text.len() {
                let mut other = text.clone();
                other[at] ^= 0x80;
                assert!(!same(&text, &other), "{len} octets, at {at}");
                assert!(!same(&text, &text[..at]));
            }
        }
    }
}
