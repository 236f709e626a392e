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
