//! Header blocks with all the freedom that RFC 7541 leaves to an encoder, and with each fault that one can have.

use super::{Decoder, HUFFMAN, LENGTHS, STATIC};
use crate::tape::Tape;

/// A field, and whether no hop may index it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) name: Vec<u8>,
    pub(crate) value: Vec<u8>,
    pub(crate) sensitive: bool,
}

impl Line {
    pub(crate) fn new(name: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            value: value.into(),
            sensitive: false,
        }
    }

    /// RFC 7541 §4.1.
    fn size(&self) -> usize {
        self.name.len() + self.value.len() + 32
    }
}

/// Writes the blocks of one direction.
#[derive(Debug)]
pub(crate) struct Writer {
    /// The table, as the other end has it behind all blocks so far.
    table: Decoder,
    /// What the other end lets the table be, and the smallest that it was since the last block.
    size_max: usize,
    smallest: Option<usize>,
    /// The block that is being written.
    block: Vec<u8>,
}

/// The most that anybody here announces.
const RAISED_MAX: usize = 8_192;
/// Sizes of a table that its encoder may go down to.
const SIZES: [usize; 5] = [4_096, 0, 64, 150, 1_000];

impl Writer {
    pub(crate) fn new() -> Self {
        Self {
            table: Decoder::new(),
            size_max: 4_096,
            smallest: None,
            block: Vec::new(),
        }
    }

    /// The other end sets the size of its table, and it is acknowledged.
    pub(crate) fn limit_table(&mut self, size: usize) {
        self.size_max = size;
        self.smallest = Some(self.smallest.map_or(size, |before| before.min(size)));
    }

    /// Bytes of the entries, as RFC 7541 counts them.
    pub(crate) fn table_bytes(&self) -> usize {
        self.table.size()
    }

    /// Entries of the table.
    fn entries(&self) -> usize {
        self.table.table.len()
    }

    /// Whether the next block has to begin with a size.
    fn owes_size(&self) -> bool {
        let told = self.table.size_max();
        self.smallest.is_some_and(|smallest| told > smallest)
    }

    /// The beginning of a block: the sizes that are due, or some that are not.
    pub(crate) fn begin(&mut self, tape: &mut Tape) -> Vec<u8> {
        self.begin_for(tape, &[])
    }

    /// The same before these fields, of which some may fill the table to the last octet.
    fn begin_for(&mut self, tape: &mut Tape, lines: &[Line]) -> Vec<u8> {
        self.block.clear();
        let due = self.owes_size();
        let smallest = self.smallest.take();
        if due {
            self.integer(0x20, 5, smallest.unwrap_or_default(), 0);
            if tape.chance(1, 2) {
                self.integer(0x20, 5, self.size_max, 0);
            }
        } else if tape.chance(1, 16) {
            for _ in 0..tape.between(1, 2) {
                let exact = |lines: &[Line]| lines.iter().map(Line::size).sum();
                let size = match tape.chance(1, 2) && !lines.is_empty() {
                    true => exact(&lines[tape.index(lines.len())..]),
                    false => tape.pick(&SIZES),
                };
                self.integer(0x20, 5, size.min(self.size_max), 0);
            }
        }
        let sizes = std::mem::take(&mut self.block);
        self.note(&sizes);
        sizes
    }

    /// These fields, which somebody else has written, are in the block.
    pub(crate) fn note(&mut self, fields: &[u8]) {
        // What is not valid is the last that is written.
        let _ = self.table.decode(fields, &mut Vec::new());
    }

    /// Whether this is the newest entry.
    pub(crate) fn newest_is(&self, name: &[u8], value: &[u8]) -> bool {
        let newest = self.table.table.front();
        newest.is_some_and(|entry| entry.name() == name && entry.value() == value)
    }

    /// A whole block of these fields, each in some form that it may have.
    pub(crate) fn write(&mut self, tape: &mut Tape, lines: &[Line]) -> Vec<u8> {
        let mut block = self.begin_for(tape, lines);
        for line in lines {
            self.line(tape, line);
            let field = std::mem::take(&mut self.block);
            self.note(&field);
            block.extend_from_slice(&field);
        }
        block
    }

    /// The indices of entries for which `is` holds.
    fn indices(&self, is: impl Fn(&[u8], &[u8]) -> bool) -> Vec<usize> {
        let all = 1..=STATIC.len() + self.entries();
        all.filter(|&index| self.table.at(index).is_ok_and(|(n, v)| is(n, v)))
            .collect()
    }

    fn line(&mut self, tape: &mut Tape, line: &Line) {
        let Line {
            name,
            value,
            sensitive,
        } = line;
        let long = usize::from(tape.chance(1, 16));
        if !sensitive && tape.chance(3, 4) {
            let whole = self.indices(|n, v| n == name && v == value);
            if !whole.is_empty() {
                let index = tape.pick(&whole);
                return self.integer(0x80, 7, index, long);
            }
        }
        let (first, bits) = match sensitive {
            true => (0x10, 4),
            false => tape.pick(&[(0x40, 6), (0, 4), (0x40, 6)]),
        };
        let named = match tape.chance(3, 4) {
            true => self.indices(|n, _| n == name),
            false => Vec::new(),
        };
        if named.is_empty() {
            self.integer(first, bits, 0, 0);
            self.string(tape, name);
        } else {
            let index = tape.pick(&named);
            self.integer(first, bits, index, long);
        }
        self.string(tape, value);
    }

    /// RFC 7541 §5.1, with `more` octets than it needs where it has more than one.
    fn integer(&mut self, first: u8, bits: u32, value: usize, more: usize) {
        let max = (1 << bits) - 1;
        let Some(mut left) = value.checked_sub(max) else {
            return self.block.push(first | value as u8);
        };
        self.block.push(first | max as u8);
        while left >= 0x80 {
            self.block.push(left as u8 | 0x80);
            left >>= 7;
        }
        match more {
            0 => self.block.push(left as u8),
            _ => self.block.extend_from_slice(&[left as u8 | 0x80, 0]),
        }
    }

    /// RFC 7541 §5.2, in either form, whichever is shorter.
    fn string(&mut self, tape: &mut Tape, text: &[u8]) {
        let coded = tape.chance(1, 2);
        let long = usize::from(tape.chance(1, 16));
        let coded = coded.then(|| huffman(text));
        let (first, text) = match &coded {
            Some(coded) => (0x80, &coded[..]),
            None => (0, text),
        };
        self.integer(first, 7, text.len(), long);
        self.block.extend_from_slice(text);
    }

    /// A block that cannot be decoded, behind `lines` that can; and what is wrong with it.
    pub(crate) fn broken(&mut self, tape: &mut Tape, lines: &[Line]) -> (&'static str, Vec<u8>) {
        if self.owes_size() && tape.chance(1, 2) {
            return ("a table size that is due is missing", vec![0x88]);
        }
        if tape.chance(1, 8) {
            return ("a table size beyond the limit", self.too_large());
        }
        let mut block = self.write(tape, lines);
        let (what, bytes) = self.fault(tape);
        block.extend_from_slice(&bytes);
        (what, block)
    }

    fn fault(&mut self, tape: &mut Tape) -> (&'static str, Vec<u8>) {
        self.block.clear();
        let behind = STATIC.len() + 1 + self.entries() + tape.index(3);
        let what = match tape.below(12) {
            0 => {
                self.block.push(0x80);
                "an index of nothing"
            }
            1 => {
                self.integer(0x80, 7, behind, 0);
                "an index behind the table"
            }
            2 => {
                self.integer(0x40, 6, behind, 0);
                self.string(tape, b"v");
                "a name by an index behind the table"
            }
            3 => {
                self.block
                    .extend_from_slice(b"\x00\x01a\x84\xff\xff\xff\xff");
                "the end of strings in a string"
            }
            4 => {
                self.block.extend_from_slice(b"\x00\x01a\x81\x18");
                "padding of zeros"
            }
            5 => {
                self.block.extend_from_slice(b"\x00\x01a\x82\x1f\xff");
                "padding of an octet and more"
            }
            6 => {
                // Without its highest bits it is a good one.
                let index = (1 << 32) + 1 + tape.index(STATIC.len());
                self.integer(0x80, 7, index, 0);
                "an index beyond 32 bits"
            }
            7 => {
                self.block.extend_from_slice(&[0x0f, 0x82]);
                self.block.extend_from_slice(&[0x80; 7]);
                self.block.extend_from_slice(b"\x00\x01v");
                "an index of ten octets"
            }
            8 => {
                self.integer(0, 4, 0, 0);
                self.integer(0, 7, (1 << 32) + 1, 0);
                self.block.extend_from_slice(b"a\x01v");
                "a length beyond 32 bits"
            }
            9 => {
                self.integer(0x20, 5, tape.pick(&[0, 64]), 0);
                "a table size behind a field"
            }
            10 => {
                self.block.extend_from_slice(tape.pick(&[
                    &b"\x00\x05ab"[..],
                    b"\x00",
                    b"\x40\x81",
                    b"\x0f",
                ]));
                "a field that is cut off"
            }
            _ => {
                let code = tape.pick(&[&b"\x00\x01a\x81\xfe"[..], b"\x00\x82\xff\xfe\x00"]);
                self.block.extend_from_slice(code);
                "a string that ends within a code"
            }
        };
        (what, std::mem::take(&mut self.block))
    }

    /// A size beyond what the other end lets the table be.
    fn too_large(&mut self) -> Vec<u8> {
        self.block.clear();
        // Who raises it may take that before it hears the acknowledgement.
        self.integer(0x20, 5, self.size_max.max(RAISED_MAX) + 1, 0);
        std::mem::take(&mut self.block)
    }
}

/// RFC 7541 §5.2 and appendix B.
fn huffman(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let (mut bits, mut have) = (0_u64, 0_u32);
    for &octet in text {
        let len = u32::from(LENGTHS[usize::from(octet)]);
        bits = bits << len | u64::from(HUFFMAN.codes[usize::from(octet)]);
        have += len;
        while have >= 8 {
            have -= 8;
            out.push((bits >> have) as u8);
        }
    }
    if have > 0 {
        out.push((bits << (8 - have)) as u8 | (0xff >> have));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_as_it_was_meant() {
        let mut reader = Decoder::new();
        let mut writer = Writer::new();
        for seed in 0..500 {
            let mut tape = Tape::from_seed(seed);
            let lines: Vec<_> = (0..tape.below(6))
                .map(|_| {
                    let len = tape.size(300);
                    let value: Vec<u8> = tape.bytes(len);
                    Line {
                        name: tape.pick(&["x-a", ":method", "cookie", "via"]).into(),
                        value: tape.pick(&[&b"GET"[..], b"", &value]).to_vec(),
                        sensitive: tape.chance(1, 4),
                    }
                })
                .collect();
            if tape.chance(1, 8) {
                writer.limit_table(tape.pick(&[0, 64, 300, 4_096]));
            }
            let block = writer.write(&mut tape, &lines);
            let mut read = Vec::new();
            reader.decode(&block, &mut read).expect("it is valid");
            let meant = lines
                .iter()
                .map(|line| (&line.name[..], &line.value[..], line.sensitive));
            assert_eq!(read, super::super::lines(meant), "seed {seed}");
            assert_eq!(reader.digest(), writer.table.digest());
            assert!(reader.size_max() <= writer.size_max);
        }
    }

    #[test]
    fn a_broken_block_is_refused_by_whoever_reads_it() {
        let lines = [Line::new("x-a", "v")];
        let mut found = std::collections::BTreeSet::new();
        for seed in 0..300 {
            let mut tape = Tape::from_seed(seed);
            let mut writer = Writer::new();
            let (what, block) = writer.broken(&mut tape, &lines);
            let mut reader = Decoder::new();
            let read = reader.decode(&block, &mut Vec::new());
            assert!(
                read.is_err() || reader.size_max() > 4_096,
                "{what}: {block:02x?}"
            );
            found.insert(what);
        }
        assert_eq!(found.len(), 13, "{found:?}");
    }
}
