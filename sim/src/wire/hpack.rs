//! Header blocks, decoded a second time: RFC 7541 from its text, with nothing of the engine's code.

mod lines;
mod writer;

use std::collections::VecDeque;

pub(crate) use lines::{are_lines, lines};
pub(crate) use writer::{Line, Writer};

/// The lengths of the Huffman codes in bits, by octet, and that of EOS (RFC 7541 appendix B). Codes of a length follow each
/// other in the order of their octets, and shorter ones come first, so that the lengths say it all.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
    7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
    23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/// RFC 7541 appendix A.
#[rustfmt::skip]
const STATIC: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// The octets by code: for each length the first code, and where its octets begin in the order of codes; and for each
/// beginning of 8 bits the octet of a short code with its length, or a length of 0.
#[derive(Debug)]
struct Huffman {
    firsts: [(u32, u16, u16); 31],
    octets: [u16; 257],
    short: [(u8, u8); 256],
    /// The code of each octet.
    codes: [u32; 257],
}

static HUFFMAN: Huffman = Huffman::new();

impl Huffman {
    const fn new() -> Self {
        let mut firsts = [(0, 0, 0); 31];
        let mut octets = [0; 257];
        let mut short = [(0, 0); 256];
        let mut codes = [0; 257];
        let (mut code, mut at, mut len) = (0_u32, 0_u16, 1);
        while len <= 30 {
            code <<= 1;
            let begin = at;
            let mut octet = 0;
            while octet < 257 {
                if LENGTHS[octet] as usize == len {
                    let mut rest = 0;
                    while len <= 8 && rest < 1 << (8 - len) {
                        let code = code as usize + (at - begin) as usize;
                        short[(code << (8 - len)) + rest] = (octet as u8, len as u8);
                        rest += 1;
                    }
                    octets[at as usize] = octet as u16;
                    codes[octet] = code + (at - begin) as u32;
                    at += 1;
                }
                octet += 1;
            }
            firsts[len] = (code, begin, at - begin);
            code += (at - begin) as u32;
            len += 1;
        }
        Self {
            firsts,
            octets,
            short,
            codes,
        }
    }

    fn decode(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let mut rest = bytes.iter();
        // The shortest code has 5 bits.
        out.reserve(bytes.len() * 8 / 5);
        // The lowest `have` bits are still to be decoded.
        let (mut bits, mut have) = (0_u64, 0_u32);
        loop {
            while have <= 32
                && let Some(&byte) = rest.next()
            {
                bits = bits << 8 | u64::from(byte);
                have += 8;
            }
            // Most codes are short, and most of them have whole octets behind them.
            while have >= 8 {
                let (octet, len) = self.short[(bits >> (have - 8) & 0xff) as usize];
                if len == 0 {
                    break;
                }
                out.push(octet);
                have -= u32::from(len);
            }
            if have < 30 && rest.len() > 0 {
                continue;
            }
            if have < 8 {
                let (octet, len) = self.short[(bits << (8 - have) & 0xff) as usize];
                if len > 0 && u32::from(len) <= have {
                    out.push(octet);
                    have -= u32::from(len);
                    continue;
                }
            }
            match self.long(bits, have) {
                Some((256, _)) => return Err("EOS in a string".into()),
                Some((octet, len)) => {
                    out.push(octet as u8);
                    have -= len;
                }
                None if have >= 30 => return Err("no such code".into()),
                None => return padding(bits, have),
            }
        }
    }

    /// The octet of the first code, which is longer than 8 bits, and its length.
    fn long(&self, bits: u64, have: u32) -> Option<(u16, u32)> {
        (9..=have.min(30)).find_map(|len| {
            let code = (bits >> (have - len)) as u32 & ((1 << len) - 1);
            let (first, begin, count) = self.firsts[len as usize];
            let nth = code.wrapping_sub(first);
            (nth < u32::from(count)).then(|| (self.octets[usize::from(begin) + nth as usize], len))
        })
    }
}

/// RFC 7541 §5.2: padding is the beginning of EOS, and shorter than an octet.
fn padding(bits: u64, len: u32) -> Result<(), String> {
    let ones = (1 << len) - 1;
    match len > 7 || bits & ones != ones {
        true => Err(format!("{len} bits of padding, {:b}", bits & ones)),
        false => Ok(()),
    }
}

/// Decodes the blocks of one direction.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// The newest first.
    table: VecDeque<Entry>,
    size: usize,
    /// The size that the encoder has announced.
    size_max: usize,
}

/// A field of the table: its line, and how long its name is.
#[derive(Debug)]
struct Entry {
    line: Vec<u8>,
    name: usize,
}

impl Entry {
    fn name(&self) -> &[u8] {
        &self.line[..self.name]
    }

    fn value(&self) -> &[u8] {
        &self.line[self.name + BETWEEN.len()..self.line.len() - END.len()]
    }

    /// RFC 7541 §4.1.
    fn size(&self) -> usize {
        self.line.len() - BETWEEN.len() - END.len() + 32
    }
}

/// What a block holds beside its lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Block {
    /// The smallest size of the table that it announces, if it announces any.
    pub(crate) smallest: Option<usize>,
    /// Fields whose names begin with a colon.
    pub(crate) pseudo: usize,
    /// One of them stands behind another field.
    pub(crate) mixed: bool,
    /// By RFC 9113 §10.5.1: name, value and 32 for each.
    pub(crate) size: usize,
    /// A field that is no such one.
    regular: bool,
}

/// What stands in a line between name and value, and behind them.
const BETWEEN: &[u8] = b": ";
const END: &[u8] = b"\n";
/// The same of a field that goes into no table.
const NEVER: &[u8] = b" (never indexed)\n";

fn line(lines: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    lines.reserve(name.len() + BETWEEN.len() + value.len() + END.len());
    lines.extend_from_slice(name);
    lines.extend_from_slice(BETWEEN);
    lines.extend_from_slice(value);
    lines.extend_from_slice(END);
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self {
            table: VecDeque::new(),
            size: 0,
            size_max: 4_096,
        }
    }

    /// Bytes of the entries, as RFC 7541 counts them.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The size that the encoder has announced.
    pub(crate) fn size_max(&self) -> usize {
        self.size_max
    }

    /// A digest of the entries, from the oldest to the newest: over each name and value, its length before it, in words of
    /// 8 octets. The last word of each is filled up with zeros.
    pub(crate) fn digest(&self) -> u64 {
        let mut digest: u64 = 0xcbf2_9ce4_8422_2325;
        let mut add = |word: u64| {
            digest = (digest ^ word)
                .wrapping_mul(0x0100_0000_01b3)
                .rotate_left(23);
        };
        for entry in self.table.iter().rev() {
            for part in [entry.name(), entry.value()] {
                add(part.len() as u64);
                let mut words = part.chunks_exact(8);
                for word in &mut words {
                    add(word
                        .iter()
                        .rev()
                        .fold(0, |sum, &byte| sum << 8 | u64::from(byte)));
                }
                if let [_, ..] = words.remainder() {
                    let rest = words.remainder().iter().rev();
                    add(rest.fold(0, |sum, &byte| sum << 8 | u64::from(byte)));
                }
            }
        }
        digest
    }

    /// Decodes a block into lines; answers what else there is to it.
    pub(crate) fn decode(&mut self, block: &[u8], out: &mut Vec<u8>) -> Result<Block, String> {
        let mut rest = block;
        let mut found = Block::default();
        while rest.first().is_some_and(|first| first & 0xe0 == 0x20) {
            let size = integer(&mut rest, 5)?;
            found.smallest = Some(found.smallest.map_or(size, |before| before.min(size)));
            self.size_max = size;
            self.evict(0);
        }
        while let Some(&first) = rest.first() {
            let begin = out.len();
            if first & 0x80 != 0 {
                let index = integer(&mut rest, 7)?;
                let (name, value) = self.at(index)?;
                line(out, name, value);
            } else if first & 0xe0 == 0x20 {
                // RFC 7541 §4.2
                return Err("a table size behind a field".into());
            } else {
                let inserts = first & 0x40 != 0;
                match integer(&mut rest, if inserts { 6 } else { 4 })? {
                    0 => string(&mut rest, out)?,
                    index => out.extend_from_slice(self.at(index)?.0),
                }
                let name = out.len() - begin;
                out.extend_from_slice(BETWEEN);
                string(&mut rest, out)?;
                out.extend_from_slice(if first & 0xf0 == 0x10 { NEVER } else { END });
                if inserts {
                    self.insert(&out[begin..], name);
                }
            }
            let is_pseudo = out[begin] == b':';
            let never = out[begin..].ends_with(NEVER);
            let more = BETWEEN.len() + if never { NEVER.len() } else { END.len() };
            found.size += out.len() - begin - more + 32;
            found.mixed |= is_pseudo && found.regular;
            found.regular |= !is_pseudo;
            found.pseudo += usize::from(is_pseudo);
        }
        Ok(found)
    }

    fn at(&self, index: usize) -> Result<(&[u8], &[u8]), String> {
        if let Some((name, value)) = index.checked_sub(1).and_then(|at| STATIC.get(at)) {
            return Ok((name.as_bytes(), value.as_bytes()));
        }
        let entry = index.checked_sub(62).and_then(|at| self.table.get(at));
        entry
            .map(|entry| (entry.name(), entry.value()))
            .ok_or_else(|| format!("no entry {index} in a table of {}", self.table.len()))
    }

    fn insert(&mut self, line: &[u8], name: usize) {
        let line = line.to_vec();
        let entry = Entry { line, name };
        // RFC 7541 §4.4: one that is larger than the table empties it.
        self.evict(entry.size());
        if entry.size() <= self.size_max {
            self.size += entry.size();
            self.table.push_front(entry);
        }
    }

    fn evict(&mut self, more: usize) {
        while self.size + more > self.size_max
            && let Some(entry) = self.table.pop_back()
        {
            self.size -= entry.size();
        }
    }
}

/// RFC 7541 §5.1.
fn integer(rest: &mut &[u8], bits: u32) -> Result<usize, String> {
    let mut next = || {
        let (&first, tail) = rest.split_first().ok_or("a block that is cut off")?;
        *rest = tail;
        Ok::<_, String>(first)
    };
    let max = (1 << bits) - 1;
    let mut value = usize::from(next()?) & max;
    if value < max {
        return Ok(value);
    }
    for shift in (0..28).step_by(7) {
        let byte = next()?;
        value += usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("an integer of too many octets".into())
}

/// RFC 7541 §5.2.
fn string(rest: &mut &[u8], out: &mut Vec<u8>) -> Result<(), String> {
    let coded = rest.first().is_some_and(|first| first & 0x80 != 0);
    let len = integer(rest, 7)?;
    let (text, tail) = rest
        .split_at_checked(len)
        .ok_or("a string that is cut off")?;
    *rest = tail;
    if coded {
        return HUFFMAN.decode(text, out);
    }
    out.extend_from_slice(text);
    Ok(())
}

#[cfg(test)]
mod tests;
