//! Integers with a prefix (RFC 7541 §5.1).

use bytes::{BufMut, BytesMut};

use crate::error::DecodeError;

/// Continuation octets that 2^32 - 1 may take after the shortest prefix in use.
const CONTINUATION_MAX: u32 = 5;

/// An integer whose prefix was all ones and whose continuation is being read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Continued {
    value: u64,
    octets: u32,
}

impl Continued {
    /// After a prefix of all ones, `mask`.
    #[inline]
    pub(crate) fn new(mask: u8) -> Self {
        Continued {
            value: u64::from(mask),
            octets: 0,
        }
    }

    /// Takes one octet; the integer when it was the last.
    #[inline]
    pub(crate) fn push(&mut self, octet: u8) -> Result<Option<u32>, DecodeError> {
        // At most 5 octets of 7 bits: far from overflowing 64 bits.
        self.value += u64::from(octet & 0x7f) << (7 * self.octets);
        self.octets += 1;
        let last = octet & 0x80 == 0;
        // RFC 7541 §5.1: encodings that exceed the limits MUST be an error.
        let value = u32::try_from(self.value).map_err(|_| DecodeError::IntegerOverflow)?;
        if !last && self.octets == CONTINUATION_MAX {
            return Err(DecodeError::IntegerOverflow);
        }
        Ok(last.then_some(value))
    }
}

/// Reads the integer in the bits of `first` under `mask` and on into `rest`.
/// `None` when it goes on beyond `rest` or is too large: [`Continued`] tells.
#[inline]
pub(crate) fn read(first: u8, mask: u8, rest: &[u8]) -> Option<(u32, &[u8])> {
    let prefix = first & mask;
    if prefix < mask {
        return Some((u32::from(prefix), rest));
    }
    read_continued(mask, rest)
}

fn read_continued(mask: u8, mut rest: &[u8]) -> Option<(u32, &[u8])> {
    let mut integer = Continued::new(mask);
    while let Some((&octet, tail)) = rest.split_first() {
        rest = tail;
        if let Some(value) = integer.push(octet).ok()? {
            return Some((value, rest));
        }
    }
    None
}

/// Octets that any integer takes at most.
pub(crate) const LEN_MAX: usize = 11;

/// Appends `value` with the bits of `first` above `mask`.
#[inline]
pub(crate) fn write(first: u8, mask: u8, value: usize, out: &mut BytesMut) {
    if value < usize::from(mask) {
        return out.put_u8(first | value as u8);
    }
    let mut stage = [0; LEN_MAX];
    let len = stage_continued(first, mask, value, &mut stage);
    out.extend_from_slice(&stage[..len]);
}

/// Puts `value` at the start of `stage`, which has room for [`LEN_MAX`] octets;
/// returns its length.
#[inline]
pub(crate) fn stage(first: u8, mask: u8, value: usize, stage: &mut [u8]) -> usize {
    if value < usize::from(mask) {
        stage[0] = first | value as u8;
        return 1;
    }
    stage_continued(first, mask, value, stage)
}

fn stage_continued(first: u8, mask: u8, value: usize, stage: &mut [u8]) -> usize {
    stage[0] = first | mask;
    let mut left = value - usize::from(mask);
    let mut len = 1;
    while left >= 0x80 {
        stage[len] = left as u8 | 0x80;
        left >>= 7;
        len += 1;
    }
    stage[len] = left as u8;
    len + 1
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::{read, write};

    #[test]
    fn examples_of_appendix_c1() {
        for (mask, value, octets) in [
            (0x1f, 10, &[0x0a][..]),
            (0x1f, 1337, &[0x1f, 0x9a, 0x0a]),
            (0xff, 42, &[0x2a]),
        ] {
            let mut out = BytesMut::new();
            write(0, mask, value, &mut out);
            assert_eq!(out[..], *octets);
            let read = read(out[0], mask, &out[1..]);
            assert_eq!(read, Some((value as u32, &[][..])));
        }
    }

    #[test]
    fn every_prefix_around_its_limits() {
        for bits in 4..=7 {
            let mask = (1u8 << bits) - 1;
            for base in [
                0,
                u64::from(mask),
                1 << 7,
                1 << 14,
                1 << 21,
                1 << 28,
                1 << 32,
            ] {
                for value in base.saturating_sub(2)..(base + 2).min(1 << 32) {
                    let mut out = BytesMut::new();
                    write(!mask, mask, value as usize, &mut out);
                    out.extend_from_slice(b"rest");
                    let read = read(out[0], mask, &out[1..]);
                    assert_eq!(read, Some((value as u32, &b"rest"[..])));
                }
            }
        }
    }
}
