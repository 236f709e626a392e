//! Huffman coding of strings (RFC 7541 §5.2).

use crate::huffman_table::{CANONICAL, CODE_LENGTHS, CODES, EOS, LOOKUP_BITS, STEPS, Step};

/// The string is not a valid encoding: EOS inside, or bad padding.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Invalid;

/// Octets that [`encode`] needs behind the encoded ones.
pub(crate) const SPARE: usize = 8;

/// The most bits that can be written at once behind up to 7 others, in octets.
const WRITE_MAX: u32 = 56;

/// Bits on their way out: the low `bits` bits of `acc`.
struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
    acc: u64,
    bits: u32,
}

impl Writer<'_> {
    /// Adds 1 to [`WRITE_MAX`] bits; fewer than 8 stay behind.
    #[inline(always)]
    fn add(&mut self, code: u64, len: u32) -> Option<()> {
        self.acc = self.acc.wrapping_shl(len) | code;
        self.bits += len;
        let word = self.acc.wrapping_shl(64 - self.bits).to_be_bytes();
        self.out
            .get_mut(self.at..)?
            .first_chunk_mut::<8>()?
            .copy_from_slice(&word);
        self.at += (self.bits / 8) as usize;
        self.bits %= 8;
        Some(())
    }
}

/// The code of one octet and its length.
#[inline(always)]
fn code(octet: u8) -> (u64, u32) {
    let len = CODE_LENGTHS[octet as usize];
    (CODES[octet as usize], u32::from(len))
}

/// A code and the one after it, as one. The bits are those of both only if the
/// length is at most 64.
#[inline(always)]
fn join(first: (u64, u32), second: (u64, u32)) -> (u64, u32) {
    let bits = first.0.wrapping_shl(second.1) | second.0;
    (bits, first.1 + second.1)
}

#[inline(always)]
fn quad([a, b, c, d]: [u8; 4]) -> (u64, u32) {
    join(join(code(a), code(b)), join(code(c), code(d)))
}

/// Encodes `input` to `out[start..]`; returns where it ends, `None` when less
/// than [`SPARE`] octets would be left behind it.
#[inline(always)]
pub(crate) fn encode(input: &[u8], out: &mut [u8], start: usize) -> Option<usize> {
    let mut writer = Writer {
        out,
        at: start,
        acc: 0,
        bits: 0,
    };
    let mut rest = input;
    while let Some((&[a, b, c, d, e, f, g, h], tail)) = rest.split_first_chunk::<8>() {
        rest = tail;
        let (first, second) = (quad([a, b, c, d]), quad([e, f, g, h]));
        let both = join(first, second);
        if both.1 <= WRITE_MAX {
            writer.add(both.0, both.1)?;
        } else if first.1.max(second.1) <= WRITE_MAX {
            writer.add(first.0, first.1)?;
            writer.add(second.0, second.1)?;
        } else {
            for octet in [a, b, c, d, e, f, g, h] {
                writer.add(code(octet).0, code(octet).1)?;
            }
        }
    }
    // At most 7 octets and the padding go out together where they fit.
    let mut pending = (0, 0);
    if let Some((&group, tail)) = rest.split_first_chunk::<4>()
        && quad(group).1 <= WRITE_MAX
    {
        pending = quad(group);
        rest = tail;
    }
    for &octet in rest {
        let next = join(pending, code(octet));
        if next.1 > WRITE_MAX {
            writer.add(pending.0, pending.1)?;
            pending = code(octet);
        } else {
            pending = next;
        }
    }
    let pad = (writer.bits + pending.1).wrapping_neg() % 8;
    if pending.1 + pad > WRITE_MAX {
        writer.add(pending.0, pending.1)?;
        pending = (0, 0);
    }
    // RFC 7541 §5.2: padding MUST be the start of EOS, all ones.
    let (bits, len) = join(pending, ((1 << pad) - 1, pad));
    if len > 0 {
        writer.add(bits, len)?;
    }
    Some(writer.at)
}

/// Octets that `input` takes once encoded.
#[inline]
pub(crate) fn encoded_len(input: &[u8]) -> usize {
    let bits: usize = input.iter().map(|&b| code(b).1 as usize).sum();
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
    Ok((symbol, code(symbol).1))
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
