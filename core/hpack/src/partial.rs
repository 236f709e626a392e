//! A representation whose octets arrive in pieces.
//!
//! It is read octet by octet into a state, never read again from its start, so
//! that a block cut at every octet costs no more than a constant factor over
//! one in a single piece. Strings are decoded as they arrive and kept only as
//! far as they may be needed.

use alloc::vec::Vec;

use crate::error::DecodeError;
use crate::huffman::{self, Bits};
use crate::integer::Continued;

/// What a representation does, from its first octet (RFC 7541 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// RFC 7541 §6.1.
    Indexed,
    /// Literal with incremental indexing, RFC 7541 §6.2.1.
    Insert,
    /// Literal without indexing, RFC 7541 §6.2.2.
    Skip,
    /// Literal never indexed, RFC 7541 §6.2.3.
    Never,
    /// RFC 7541 §6.3.
    SizeUpdate,
}

impl Kind {
    #[inline]
    pub(crate) fn of(first: u8) -> Self {
        match first {
            0x80.. => Kind::Indexed,
            0x40.. => Kind::Insert,
            0x20.. => Kind::SizeUpdate,
            0x10.. => Kind::Never,
            _ => Kind::Skip,
        }
    }

    /// The bits of the first octet that belong to its integer.
    #[inline]
    pub(crate) fn mask(self) -> u8 {
        match self {
            Kind::Indexed => 0x7f,
            Kind::Insert => 0x3f,
            Kind::SizeUpdate => 0x1f,
            Kind::Skip | Kind::Never => 0x0f,
        }
    }
}

/// A string as far as it has arrived.
#[derive(Debug, Default)]
pub(crate) struct Text {
    bytes: Vec<u8>,
    keep: usize,
    overflowed: bool,
}

/// Capacity that a string may leave behind between blocks, in octets.
const IDLE_CAPACITY: usize = 1024;

impl Text {
    /// Starts anew, to keep at most `keep` octets.
    fn start(&mut self, keep: usize) {
        self.bytes.clear();
        self.keep = keep;
        self.overflowed = false;
    }

    #[inline]
    fn push(&mut self, octet: u8) {
        if self.bytes.len() < self.keep {
            self.bytes.push(octet);
        } else {
            self.overflowed = true;
        }
    }

    fn extend(&mut self, octets: &[u8]) {
        if octets.len() <= self.keep - self.bytes.len() {
            self.bytes.extend_from_slice(octets);
        } else {
            self.overflowed = true;
        }
    }

    /// The string; `None` when it is longer than what had to be kept.
    pub(crate) fn get(&self) -> Option<&[u8]> {
        (!self.overflowed).then_some(&self.bytes[..])
    }

    fn release(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(IDLE_CAPACITY);
    }
}

/// A string whose length is known and whose octets are arriving.
#[derive(Debug)]
struct Body {
    huffman: bool,
    bits: Bits,
    /// Encoded octets still to come.
    left: u32,
}

#[derive(Debug)]
enum Stage {
    /// Between representations.
    Idle,
    /// Inside the integer of the first octet.
    Index(Continued),
    /// Before or inside the length of the name, or of the value.
    Length(Option<(bool, Continued)>),
    Body(Body),
}

/// What became known by feeding octets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// The input is used up.
    Starved,
    /// The first integer. Next: [`Partial::finish`] or [`Partial::literal`].
    Index(Kind, u32),
    /// A literal is complete: see `name` and `value`. Its index was `u32`.
    Literal(Kind, u32),
}

/// The state of the representation that is being read.
#[derive(Debug)]
pub(crate) struct Partial {
    stage: Stage,
    kind: Kind,
    index: u32,
    /// Whether the string being read is the value.
    in_value: bool,
    keep: usize,
    pub(crate) name: Text,
    pub(crate) value: Text,
}

impl Partial {
    pub(crate) fn new() -> Self {
        Partial {
            stage: Stage::Idle,
            kind: Kind::Indexed,
            index: 0,
            in_value: false,
            keep: 0,
            name: Text::default(),
            value: Text::default(),
        }
    }

    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.stage, Stage::Idle)
    }

    /// Gives back buffers that a long string has grown.
    pub(crate) fn release(&mut self) {
        self.name.release();
        self.value.release();
    }

    /// Octets of memory allocated.
    pub(crate) fn memory_footprint(&self) -> usize {
        self.name.bytes.capacity() + self.value.bytes.capacity()
    }

    /// Ends the representation.
    pub(crate) fn finish(&mut self) {
        self.stage = Stage::Idle;
    }

    /// Goes on with the strings of a literal, keeping at most `keep` octets of
    /// each.
    pub(crate) fn literal(&mut self, keep: usize) {
        self.keep = keep;
        self.in_value = self.index != 0;
        self.stage = Stage::Length(None);
    }

    /// Reads on to the next thing the decoder has to know.
    pub(crate) fn feed(&mut self, input: &mut &[u8]) -> Result<Progress, DecodeError> {
        loop {
            // An empty string needs no octet to be complete.
            if let Stage::Body(body) = &self.stage
                && body.left == 0
            {
                if let Some(done) = self.end_string()? {
                    return Ok(done);
                }
                continue;
            }
            if let Stage::Body(_) = self.stage {
                if input.is_empty() {
                    return Ok(Progress::Starved);
                }
                self.take_body(input)?;
                continue;
            }
            let Some((&octet, rest)) = input.split_first() else {
                return Ok(Progress::Starved);
            };
            *input = rest;
            if let Some(index) = self.take_integer(octet)? {
                self.index = index;
                return Ok(Progress::Index(self.kind, index));
            }
        }
    }

    /// Takes an octet of an integer; the first integer when complete.
    fn take_integer(&mut self, octet: u8) -> Result<Option<u32>, DecodeError> {
        match &mut self.stage {
            Stage::Idle => {
                self.kind = Kind::of(octet);
                let mask = self.kind.mask();
                if octet & mask < mask {
                    return Ok(Some(u32::from(octet & mask)));
                }
                self.stage = Stage::Index(Continued::new(mask));
            }
            Stage::Index(integer) => return integer.push(octet),
            Stage::Length(None) => {
                let huffman = octet & 0x80 != 0;
                match octet & 0x7f {
                    0x7f => self.stage = Stage::Length(Some((huffman, Continued::new(0x7f)))),
                    length => self.start_body(huffman, u32::from(length)),
                }
            }
            Stage::Length(Some((huffman, integer))) => {
                let huffman = *huffman;
                if let Some(length) = integer.push(octet)? {
                    self.start_body(huffman, length);
                }
            }
            Stage::Body(_) => {}
        }
        Ok(None)
    }

    fn start_body(&mut self, huffman: bool, left: u32) {
        let keep = self.keep;
        self.text().start(keep);
        self.stage = Stage::Body(Body {
            huffman,
            bits: Bits::default(),
            left,
        });
    }

    fn text(&mut self) -> &mut Text {
        if self.in_value {
            &mut self.value
        } else {
            &mut self.name
        }
    }

    /// Takes as much of a string as there is.
    fn take_body(&mut self, input: &mut &[u8]) -> Result<(), DecodeError> {
        let Stage::Body(body) = &mut self.stage else {
            return Ok(());
        };
        let text = if self.in_value {
            &mut self.value
        } else {
            &mut self.name
        };
        let (now, rest) = input.split_at(input.len().min(body.left as usize));
        *input = rest;
        // Fits: it is at most `left`.
        body.left -= now.len() as u32;
        if body.huffman {
            body.bits.feed(now, |octet| text.push(octet))?;
        } else {
            text.extend(now);
        }
        Ok(())
    }

    /// Ends a string; the literal when it was the value.
    fn end_string(&mut self) -> Result<Option<Progress>, DecodeError> {
        let stage = core::mem::replace(&mut self.stage, Stage::Length(None));
        if let Stage::Body(body) = stage
            && body.huffman
        {
            let text = self.text();
            body.bits.drain(|octet| text.push(octet))?;
        }
        if self.in_value {
            self.finish();
            return Ok(Some(Progress::Literal(self.kind, self.index)));
        }
        self.in_value = true;
        Ok(None)
    }
}

impl From<huffman::Invalid> for DecodeError {
    fn from(_: huffman::Invalid) -> Self {
        DecodeError::InvalidHuffman
    }
}
