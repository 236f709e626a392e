//! Huffman coding of strings (RFC 7541 §5.2).

use crate::huffman_table::{CANONICAL, CODE_LENGTHS, CODES, EOS, LOOKUP_BITS, STEPS, Step};

/// The string is not a valid encoding: EOS inside, or bad padding.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Invalid;

/// Octets that [`encode`] needs behind the encoded ones.
pub(crate) const SPARE: usize = 8;

/// Bits on their way out: the top `bits` bits of `acc`, those below are zero.
#[derive(Clone, Copy, Default)]
struct Pending {
    acc: u64,
    bits: u32,
}

impl Pending {
    /// The most bits: up to here what is below them can be told from them.
    const MAX: u32 = 63;

    /// Adds the codes of octets. Of more bits than [`MAX`](Self::MAX) nothing is right but their number.
    #[inline(always)]
    fn add(&mut self, octets: &[u8]) {
        for &octet in octets {
            self.acc |= CODES[octet as usize].wrapping_shr(self.bits);
            self.bits += len(octet);
        }
    }

    /// Writes whole octets to `out[at..]`, and answers where the next ones go; fewer than 8 bits stay behind.
    #[inline(always)]
    fn flush(&mut self, out: &mut [u8], at: usize) -> Option<usize> {
        let room = out.get_mut(at..)?;
        *room.first_chunk_mut::<8>()? = self.acc.to_be_bytes();
        let next = at + (self.bits / 8) as usize;
        self.acc <<= self.bits & 0x38;
        self.bits %= 8;
        Some(next)
    }

    /// As [`add`](Self::add) of octets whose codes may be long, which are written as there is need to.
    #[cold]
    #[inline(never)]
    fn add_long(mut self, octets: &[u8], out: &mut [u8], at: usize) -> Option<(Self, usize)> {
        let mut at = at;
        for octet in octets {
            if self.bits + len(*octet) > Self::MAX {
                at = self.flush(out, at)?;
            }
            self.add(&[*octet]);
        }
        Some((self, at))
    }
}

/// Bits of the code of one octet.
#[inline(always)]
fn len(octet: u8) -> u32 {
    u32::from(CODE_LENGTHS[octet as usize])
}

/// Encodes `input` to `out[start..]`; returns where it ends, `None` when less
/// than [`SPARE`] octets would be left behind it.
#[inline(always)]
pub(crate) fn encode(input: &[u8], out: &mut [u8], start: usize) -> Option<usize> {
    let mut pending = Pending::default();
    let mut at = start;
    let (words, rest) = input.as_chunks::<8>();
    for octets in words {
        let before = pending;
        pending.add(octets);
        if pending.bits > Pending::MAX {
            (pending, at) = before.add_long(octets, out, at)?;
        }
        at = pending.flush(out, at)?;
    }
    let before = pending;
    pending.add(rest);
    if pending.bits > Pending::MAX {
        (pending, at) = before.add_long(rest, out, at)?;
    }
    // RFC 7541 §5.2: padding MUST be the start of EOS, all ones.
    pending.acc |= u64::MAX >> pending.bits;
    pending.bits = pending.bits.next_multiple_of(8);
    pending.flush(out, at)
}

/// Octets that `input` takes once encoded.
#[inline]
pub(crate) fn encoded_len(input: &[u8]) -> usize {
    let bits: usize = input.iter().map(|&octet| len(octet) as usize).sum();
    bits.div_ceil(8)
}

/// The most octets that `encoded` octets decode to: 5 bits is the shortest code.
#[inline]
pub(crate) const fn decoded_len_max(encoded: usize) -> usize {
    encoded.saturating_mul(8) / 5
}

/// Octets beyond [`decoded_len_max`] that [`decode`] may scribble on.
pub(crate) const SLACK: usize = 8;

/// Looks up the next symbols of left-aligned bits.
#[inline(always)]
fn step(acc: u64) -> Step {
    STEPS[(acc >> (64 - LOOKUP_BITS)) as usize]
}

/// Decodes one symbol from left-aligned bits: the symbol and its length.
#[inline]
fn single(acc: u64) -> Result<(u8, u32), Invalid> {
    let step = step(acc);
    if step.is_long() {
        return long(acc);
    }
    let symbol = step.first();
    Ok((symbol, len(symbol)))
}

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
        // RFC 7541 §5.2: EOS in a string MUST be a decoding error.
        Some(&symbol) if symbol != EOS => Ok((symbol as u8, len as u32)),
        _ => Err(Invalid),
    }
}

/// Whether the `left` bits at the top of `acc`, followed by ones, are padding:
/// fewer than 8 of them and all ones (RFC 7541 §5.2).
#[inline]
fn is_padding(acc: u64, left: u32) -> bool {
    left < 8 && acc == u64::MAX
}

/// Bits not decoded yet: the top `bits` bits of `acc`, the others zero.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bits {
    acc: u64,
    bits: u32,
}

impl Bits {
    /// Decodes part of a string, keeping the last few bits for later.
    pub(crate) fn feed(&mut self, input: &[u8], mut emit: impl FnMut(u8)) -> Result<(), Invalid> {
        for &byte in input {
            self.acc |= u64::from(byte) << (56 - self.bits);
            self.bits += 8;
            // 30 bits hold at least one whole code.
            while self.bits >= 30 {
                let (symbol, len) = single(self.acc)?;
                emit(symbol);
                self.acc <<= len;
                self.bits -= len;
            }
        }
        Ok(())
    }

    /// Decodes the end of a string and checks its padding.
    pub(crate) fn drain(mut self, mut emit: impl FnMut(u8)) -> Result<(), Invalid> {
        // Reading ones beyond the end makes the padding look like the start of
        // EOS, which is what it must be.
        while self.bits > 0 {
            let padded = self.acc | (u64::MAX >> self.bits);
            if is_padding(padded, self.bits) {
                return Ok(());
            }
            let (symbol, len) = single(padded)?;
            if len > self.bits {
                return Err(Invalid);
            }
            emit(symbol);
            self.acc <<= len;
            self.bits -= len;
        }
        Ok(())
    }
}

/// Decodes a whole string to the start of `out`, which must have room for
/// [`decoded_len_max`] plus [`SLACK`] octets; returns the decoded length.
pub(crate) fn decode(input: &[u8], out: &mut [u8]) -> Result<usize, Invalid> {
    let mut written = 0;
    let mut rest = input;
    // The top `bits` bits are counted. Those below are the same that the next
    // refill puts there, or zero.
    let mut acc: u64 = 0;
    let mut bits: u32 = 0;
    while let Some(chunk) = rest.first_chunk::<8>() {
        // Fill to 56..=63 bits without a branch per octet.
        acc |= u64::from_be_bytes(*chunk) >> bits;
        let taken = (63 - bits) >> 3;
        rest = rest.get(taken as usize..).ok_or(Invalid)?;
        bits += taken * 8;
        let mut word = 0;
        let mut width = 0;
        let mut is_long = false;
        // Four steps take at most 48 bits and give at most 8 symbols.
        for _ in 0..4 {
            let step = step(acc);
            if step.is_long() {
                is_long = true;
                break;
            }
            word |= step.symbols() << width;
            width += step.width();
            acc <<= step.total();
            bits -= step.total();
        }
        put(out, written, word)?;
        written += (width / 8) as usize;
        if is_long && bits >= 30 {
            let (symbol, len) = long(acc)?;
            put(out, written, u64::from(symbol))?;
            written += 1;
            acc <<= len;
            bits -= len;
        }
    }
    finish(acc, bits, input, rest.len(), out, written)
}

/// Writes eight symbols, of which the caller counts those that are real.
#[inline(always)]
fn put(out: &mut [u8], at: usize, word: u64) -> Result<(), Invalid> {
    let slot = out.get_mut(at..at + 8).ok_or(Invalid)?;
    slot.copy_from_slice(&word.to_le_bytes());
    Ok(())
}

/// The last `len` octets of `input`, fewer than 8, at the top of a word of ones.
#[inline]
fn tail(input: &[u8], len: usize) -> u64 {
    let shift = 8 * len as u32;
    let octets = match input.last_chunk::<8>() {
        // The octets before them are shifted out.
        Some(chunk) => u64::from_be_bytes(*chunk),
        None => input.iter().fold(0, |word, &b| word << 8 | u64::from(b)),
    };
    if shift == 0 {
        return u64::MAX;
    }
    octets << (64 - shift) | u64::MAX >> shift
}

/// Decodes the `bits` bits of `acc` and the last `len` octets of `input`, fewer
/// than 8, and checks the padding.
#[inline]
fn finish(
    mut acc: u64,
    mut bits: u32,
    input: &[u8],
    len: usize,
    out: &mut [u8],
    mut written: usize,
) -> Result<usize, Invalid> {
    // Real bits that are left; `bits` counts the ones after them as well.
    let mut left = bits + 8 * len as u32;
    let mut chunk = tail(input, len);
    loop {
        acc |= chunk >> bits;
        let taken = (63 - bits) >> 3;
        chunk = !(!chunk << (taken * 8));
        bits += taken * 8;
        let mut word = 0;
        let mut width = 0;
        let mut ends = false;
        for _ in 0..4 {
            let step = step(acc);
            if step.is_long() || step.total() > left {
                ends = true;
                break;
            }
            word |= step.symbols() << width;
            width += step.width();
            acc <<= step.total();
            bits -= step.total();
            left -= step.total();
        }
        put(out, written, word)?;
        written += (width / 8) as usize;
        if !ends {
            continue;
        }
        // Ones again behind what the refill has counted.
        let padded = acc | chunk >> bits;
        if left == 0 || is_padding(padded, left) {
            return Ok(written);
        }
        if bits < 30 {
            // Refill: the code may be that long.
            continue;
        }
        let (symbol, len) = single(padded)?;
        if len > left {
            // An incomplete code that is not padding.
            return Err(Invalid);
        }
        put(out, written, u64::from(symbol))?;
        written += 1;
        acc <<= len;
        bits -= len;
        left -= len;
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{Bits, Invalid, SLACK, SPARE, decode, decoded_len_max, encode, encoded_len};

    fn coded(text: &[u8]) -> Vec<u8> {
        let mut out = alloc::vec![0; encoded_len(text) + SPARE];
        assert_eq!(encode(text, &mut out, 0), Some(encoded_len(text)));
        out.truncate(encoded_len(text));
        out
    }

    fn whole(input: &[u8]) -> Result<Vec<u8>, Invalid> {
        let mut out = alloc::vec![0xaa; decoded_len_max(input.len()) + SLACK];
        let len = decode(input, &mut out)?;
        assert!(len <= decoded_len_max(input.len()));
        out.truncate(len);
        Ok(out)
    }

    fn pieces(input: &[u8], size: usize) -> Result<Vec<u8>, Invalid> {
        let mut bits = Bits::default();
        let mut out = Vec::new();
        for piece in input.chunks(size) {
            bits.feed(piece, |octet| out.push(octet))?;
        }
        bits.drain(|octet| out.push(octet))?;
        Ok(out)
    }

    #[test]
    fn every_octet_at_every_bit_offset() {
        for octet in 0..=255 {
            for before in 0..24 {
                for after in [0, 1, 9] {
                    let mut text = alloc::vec![b'0'; before];
                    text.push(octet);
                    text.resize(before + 1 + after, b'w');
                    let coded = coded(&text);
                    assert_eq!(whole(&coded).as_ref(), Ok(&text));
                    assert_eq!(pieces(&coded, 1).as_ref(), Ok(&text));
                }
            }
        }
    }

    #[test]
    fn both_readers_agree_on_any_bits() {
        let mut state: u64 = 7541;
        let mut valid = 0;
        for round in 0..40_000 {
            let mut input = Vec::new();
            for _ in 0..round % 29 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                // Ones are frequent: long codes, and EOS now and then.
                input.push((state >> 56) as u8 | if state >> 40 & 3 == 0 { 0xfe } else { 0 });
            }
            if round % 2 == 0 {
                input.push(0x1f);
            }
            let judged = whole(&input);
            assert_eq!(judged, pieces(&input, 3), "{input:02x?}");
            valid += usize::from(judged.is_ok());
        }
        assert!((4_000..36_000).contains(&valid), "{valid}");
    }
}
