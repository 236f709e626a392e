//! Header blocks, decoded a second time: RFC 7541 from its text, with nothing of the engine's code.

use std::collections::VecDeque;

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
}

static HUFFMAN: Huffman = Huffman::new();

impl Huffman {
    const fn new() -> Self {
        let mut firsts = [(0, 0, 0); 31];
        let mut octets = [0; 257];
        let mut short = [(0, 0); 256];
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
        }
    }

    fn decode(&self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let mut rest = bytes.iter();
        // The lowest `have` bits are still to be decoded.
        let (mut bits, mut have) = (0_u64, 0_u32);
        loop {
            while have <= 32
                && let Some(&byte) = rest.next()
            {
                bits = bits << 8 | u64::from(byte);
                have += 8;
            }
            let next = match have {
                0..8 => bits << (8 - have),
                _ => bits >> (have - 8),
            };
            let (octet, len) = self.short[(next & 0xff) as usize];
            if len > 0 && u32::from(len) <= have {
                out.push(octet);
                have -= u32::from(len);
                continue;
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
    table: VecDeque<(Vec<u8>, Vec<u8>)>,
    size: usize,
    /// The size that the encoder has announced.
    size_max: usize,
}

/// Field lines, one after the other, as `name: value` and a line feed each.
pub(crate) fn lines<'f>(fields: impl IntoIterator<Item = (&'f [u8], &'f [u8])>) -> Vec<u8> {
    let mut lines = Vec::with_capacity(128);
    for (name, value) in fields {
        line(&mut lines, name, value);
    }
    lines
}

fn line(lines: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    lines.extend_from_slice(name);
    lines.extend_from_slice(b": ");
    lines.extend_from_slice(value);
    lines.push(b'\n');
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self {
            table: VecDeque::new(),
            size: 0,
            size_max: 4_096,
        }
    }

    /// The size that the encoder has announced.
    pub(crate) fn size_max(&self) -> usize {
        self.size_max
    }

    /// A digest of the entries, from the oldest to the newest: FNV-1a over each name and value with its length before it.
    pub(crate) fn digest(&self) -> u64 {
        let mut digest: u64 = 0xcbf2_9ce4_8422_2325;
        for (name, value) in self.table.iter().rev() {
            for part in [name, value] {
                let len = (part.len() as u64).to_le_bytes();
                for &byte in len.iter().chain(part) {
                    digest = (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
                }
            }
        }
        digest
    }

    /// Decodes a block into lines; answers the smallest size that it announces, if it announces any.
    pub(crate) fn decode(
        &mut self,
        block: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<usize>, String> {
        let mut rest = block;
        let mut smallest = None;
        while rest.first().is_some_and(|first| first & 0xe0 == 0x20) {
            let size = integer(&mut rest, 5)?;
            smallest = Some(smallest.map_or(size, |before: usize| before.min(size)));
            self.size_max = size;
            self.evict(0);
        }
        while let Some(&first) = rest.first() {
            if first & 0x80 != 0 {
                let index = integer(&mut rest, 7)?;
                let (name, value) = self.at(index)?;
                line(out, name, value);
            } else if first & 0xe0 == 0x20 {
                // RFC 7541 §4.2
                return Err("a table size behind a field".into());
            } else {
                let inserts = first & 0x40 != 0;
                let name = match integer(&mut rest, if inserts { 6 } else { 4 })? {
                    0 => string(&mut rest)?,
                    index => self.at(index)?.0.to_vec(),
                };
                let value = string(&mut rest)?;
                line(out, &name, &value);
                if inserts {
                    self.insert(name, value);
                }
            }
        }
        Ok(smallest)
    }

    fn at(&self, index: usize) -> Result<(&[u8], &[u8]), String> {
        if let Some((name, value)) = index.checked_sub(1).and_then(|at| STATIC.get(at)) {
            return Ok((name.as_bytes(), value.as_bytes()));
        }
        let entry = index.checked_sub(62).and_then(|at| self.table.get(at));
        entry
            .map(|(name, value)| (&name[..], &value[..]))
            .ok_or_else(|| format!("no entry {index} in a table of {}", self.table.len()))
    }

    fn insert(&mut self, name: Vec<u8>, value: Vec<u8>) {
        // RFC 7541 §4.4: one that is larger than the table empties it.
        let size = name.len() + value.len() + 32;
        self.evict(size);
        if size <= self.size_max {
            self.size += size;
            self.table.push_front((name, value));
        }
    }

    fn evict(&mut self, more: usize) {
        while self.size + more > self.size_max
            && let Some((name, value)) = self.table.pop_back()
        {
            self.size -= name.len() + value.len() + 32;
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
fn string(rest: &mut &[u8]) -> Result<Vec<u8>, String> {
    let coded = rest.first().is_some_and(|first| first & 0x80 != 0);
    let len = integer(rest, 7)?;
    let (text, tail) = rest
        .split_at_checked(len)
        .ok_or("a string that is cut off")?;
    *rest = tail;
    if !coded {
        return Ok(text.to_vec());
    }
    let mut out = Vec::with_capacity(2 * len);
    HUFFMAN.decode(text, &mut out)?;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<_> = hex.split_whitespace().collect();
        let byte = |text| u8::from_str_radix(text, 16).expect("two digits");
        digits.into_iter().map(byte).collect()
    }

    // RFC 7541 appendix C.4.1 and C.4.2.
    #[test]
    fn the_examples_of_the_rfc() {
        let mut decoder = Decoder::new();
        let mut out = Vec::new();
        let first = bytes("82 86 84 41 8c f1 e3 c2 e5 f2 3a 6b a0 ab 90 f4 ff");
        decoder.decode(&first, &mut out).expect("a good block");
        let expected =
            ":method: GET\n:scheme: http\n:path: /\n:authority: www.example.com\n".to_owned();
        assert_eq!(String::from_utf8_lossy(&out), expected);
        out.clear();
        let second = bytes("82 86 84 be 58 86 a8 eb 10 64 9c bf");
        decoder.decode(&second, &mut out).expect("a good block");
        assert_eq!(
            String::from_utf8_lossy(&out),
            expected + "cache-control: no-cache\n"
        );
        assert_eq!((decoder.table.len(), decoder.size), (2, 110));
    }

    // RFC 7541 appendix B: every octet, beside every other.
    #[test]
    fn every_octet_comes_back() {
        let all: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
        for octets in all.windows(3).chain([&all[..]]) {
            let (mut code, mut len) = (Vec::new(), 0);
            for &octet in octets {
                let at = HUFFMAN.octets.iter().position(|&o| o == u16::from(octet));
                let at = at.expect("every octet has a code") as u16;
                let size = LENGTHS[usize::from(octet)];
                let (first, begin, _) = HUFFMAN.firsts[usize::from(size)];
                let word = first + u32::from(at - begin);
                for bit in (0..size).rev() {
                    if len % 8 == 0 {
                        code.push(0xff);
                    }
                    if word >> bit & 1 == 0 {
                        code[len / 8] &= !(0x80 >> (len % 8));
                    }
                    len += 1;
                }
            }
            let mut out = Vec::new();
            HUFFMAN.decode(&code, &mut out).expect("a good string");
            assert_eq!(out, octets);
        }
    }

    #[test]
    fn what_must_not_be_is_found() {
        for block in [
            "80",
            "be",
            "82 20",
            "41 81 00",
            "41 8c f1",
            "7f",
            "41 84 ff ff ff ff",
        ] {
            let result = Decoder::new().decode(&bytes(block), &mut Vec::new());
            assert!(result.is_err(), "{block}");
        }
    }
}
