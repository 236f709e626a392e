//! Huffman coding of strings (RFC 7541 §5.2).

use bytes::BytesMut;

use crate::huffman_table::{CANONICAL, CODES, EOS, LOOKUP_BITS, STEPS};

/// The string is not a valid encoding: EOS inside, or bad padding.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Invalid;

/// Octets that `input` takes once encoded.
#[inline]
pub(crate) fn encoded_len(input: &[u8]) -> usize {
    let bits: usize = input.iter().map(|&b| CODES[b as usize].1 as usize).sum();
    bits.div_ceil(8)
}

/// Appends the encoding of `input`, whose length the caller has computed.
pub(crate) fn encode(input: &[u8], encoded_len: usize, out: &mut BytesMut) {
    let start = out.len();
    out.resize(start + encoded_len, 0);
    let mut rest = &mut out[start..];
    // The low `bits` bits of `acc` are pending; at most 31 + 30 of them.
    let mut acc: u64 = 0;
    let mut bits: u32 = 0;
    for &byte in input {
        let (code, len) = CODES[byte as usize];
        acc = acc << len | u64::from(code);
        bits += u32::from(len);
        if bits >= 32 {
            bits -= 32;
            let word = ((acc >> bits) as u32).to_be_bytes();
            if let Some((head, tail)) = rest.split_at_mut_checked(4) {
                head.copy_from_slice(&word);
                rest = tail;
            } else {
                return;
            }
        }
    }
    // Pad with ones, the start of EOS.
    let last = ((acc << (32 - bits)) as u32 | (u64::from(u32::MAX) >> bits) as u32).to_be_bytes();
    let n = rest.len().min(4);
    rest[..n].copy_from_slice(&last[..n]);
}

/// The most octets that `encoded` octets decode to: 5 bits is the shortest code.
#[inline]
pub(crate) const fn decoded_len_max(encoded: usize) -> usize {
    encoded.saturating_mul(8) / 5
}

/// Octets beyond [`decoded_len_max`] that [`decode`] may scribble on.
pub(crate) const SLACK: usize = 12;

/// Decodes one symbol longer than `LOOKUP_BITS` from left-aligned bits.
#[inline(never)]
fn long(acc: u64) -> Result<(u8, u32), Invalid> {
    let window = acc >> 32;
    let mut len = LOOKUP_BITS as usize + 1;
    while len < 30 && window >= CANONICAL.limit[len] {
        len += 1;
    }
    let code = (window >> (32 - len)) as i32;
    let at = (code + CANONICAL.offset[len]) as usize;
    match CANONICAL.symbols.get(at) {
        Some(&symbol) if symbol != EOS => Ok((symbol as u8, len as u32)),
        _ => Err(Invalid),
    }
}

/// Bits not decoded yet: the top `bits` bits of `acc`, the others zero.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bits {
    acc: u64,
    bits: u32,
}

impl Bits {
    #[inline(always)]
    fn consume(&mut self, n: u32) {
        self.acc <<= n;
        self.bits -= n;
    }

    /// Decodes the end of a string and checks its padding.
    #[inline]
    pub(crate) fn drain(mut self, mut emit: impl FnMut(u8)) -> Result<(), Invalid> {
        // Reading ones beyond the end makes the padding look like the start of
        // EOS, which is what it must be.
        loop {
            if self.bits == 0 {
                return Ok(());
            }
            let padded = self.acc | (u64::MAX >> self.bits);
            let step = STEPS[(padded >> (64 - LOOKUP_BITS)) as usize];
            let (symbol, len) = if step.count() != 0 {
                (step.symbols()[0], step.first_len())
            } else if self.bits < 8 && padded == u64::MAX {
                return Ok(());
            } else {
                long(padded)?
            };
            if len > self.bits {
                // An incomplete code that is not all ones.
                return Err(Invalid);
            }
            emit(symbol);
            self.consume(len);
        }
    }

    /// Decodes part of a string, keeping the last few bits for later.
    pub(crate) fn feed(&mut self, input: &[u8], mut emit: impl FnMut(u8)) -> Result<(), Invalid> {
        for &byte in input {
            self.acc |= u64::from(byte) << (56 - self.bits);
            self.bits += 8;
            // 30 bits hold at least one whole code.
            while self.bits >= 30 {
                let step = STEPS[(self.acc >> (64 - LOOKUP_BITS)) as usize];
                let (symbol, len) = if step.count() != 0 {
                    (step.symbols()[0], step.first_len())
                } else {
                    long(self.acc)?
                };
                emit(symbol);
                self.consume(len);
            }
        }
        Ok(())
    }
}

/// Decodes a whole string to the start of `out`, which must have room for
/// [`decoded_len_max`] plus [`SLACK`] octets; returns the decoded length.
pub(crate) fn decode(input: &[u8], out: &mut [u8]) -> Result<usize, Invalid> {
    let mut state = Bits::default();
    let mut written = 0;
    let mut rest = input;
    while let Some(chunk) = rest.first_chunk::<8>() {
        // Fill to 56..=63 bits without a branch per octet.
        state.acc |= u64::from_be_bytes(*chunk) >> state.bits;
        let taken = (63 - state.bits) >> 3;
        rest = &rest[taken as usize..];
        state.bits += taken * 8;
        let Some(dst) = out.get_mut(written..written + 12) else {
            return Err(Invalid);
        };
        let mut n = 0;
        while state.bits >= LOOKUP_BITS && n <= 10 {
            let step = STEPS[(state.acc >> (64 - LOOKUP_BITS)) as usize];
            if step.count() == 0 {
                if state.bits < 30 {
                    break;
                }
                let (symbol, len) = long(state.acc)?;
                dst[n] = symbol;
                n += 1;
                state.consume(len);
                continue;
            }
            dst[n..n + 2].copy_from_slice(&step.symbols());
            n += step.count();
            state.consume(step.total());
        }
        written += n;
        // The fill put more bits in than it counted.
        state.acc &= !(u64::MAX >> state.bits);
    }
    // Fewer than 8 octets are left, and fewer than 30 bits.
    finish(state, rest, out, written)
}

fn finish(
    mut state: Bits,
    rest: &[u8],
    out: &mut [u8],
    mut written: usize,
) -> Result<usize, Invalid> {
    let mut emit = |symbol| {
        if let Some(slot) = out.get_mut(written) {
            *slot = symbol;
        }
        written += 1;
    };
    for &byte in rest {
        while state.bits >= 30 {
            let step = STEPS[(state.acc >> (64 - LOOKUP_BITS)) as usize];
            let (symbol, len) = if step.count() != 0 {
                (step.symbols()[0], step.first_len())
            } else {
                long(state.acc)?
            };
            emit(symbol);
            state.consume(len);
        }
        state.acc |= u64::from(byte) << (56 - state.bits);
        state.bits += 8;
    }
    state.drain(emit)?;
    Ok(written)
}
