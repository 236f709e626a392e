//! Single fields of a block: looking one up, and what a literal does.

use crate::decoder::Sink;
use crate::error::DecodeError;
use crate::huffman;
use crate::integer;
use crate::meter::Meter;
use crate::partial::Kind;
use crate::static_table;
use crate::table::Table;

/// A string that lies whole in the input, not decoded yet.
#[derive(Clone, Copy, Default)]
pub(crate) struct Text<'a> {
    huffman: bool,
    octets: &'a [u8],
}

impl<'a> Text<'a> {
    /// `None` when it goes on beyond `input` or has no valid length.
    #[inline]
    pub(crate) fn read(input: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&first, tail) = input.split_first()?;
        let (len, rest) = integer::read(first, 0x7f, tail)?;
        let (octets, rest) = rest.split_at_checked(len as usize)?;
        let huffman = first & 0x80 != 0;
        Some((Text { huffman, octets }, rest))
    }

    /// Scratch octets that decoding takes.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        if self.huffman {
            huffman::decoded_len_max(self.octets.len()) + huffman::SLACK
        } else {
            0
        }
    }

    /// `None` when it is not a valid encoding.
    #[inline]
    pub(crate) fn decode<'b>(self, scratch: &'b mut [u8]) -> Option<&'b [u8]>
    where
        'a: 'b,
    {
        if !self.huffman {
            return Some(self.octets);
        }
        let len = huffman::decode(self.octets, scratch).ok()?;
        scratch.get(..len)
    }
}

/// The name of a literal: in full, or by an index that has an entry.
#[derive(Clone, Copy)]
pub(crate) enum Name<'a> {
    Text(&'a [u8]),
    Index(u32),
}

/// The field at an HPACK index (RFC 7541 §2.3.3), and what the sink noted of it.
#[inline]
pub(crate) fn lookup(table: &Table, index: u32) -> Result<(&[u8], &[u8], bool), DecodeError> {
    let at = index as usize;
    let entry = match static_table::ENTRIES.get(at.wrapping_sub(1)) {
        Some(&(name, value)) => Some((name, value, false)),
        // Index 0 wraps to beyond every table.
        None => table.get_noted(at.wrapping_sub(static_table::LEN + 1)),
    };
    // RFC 7541 §2.3.3, §6.1: other indices MUST be a decoding error.
    entry.ok_or(DecodeError::InvalidIndex(index))
}

/// Hands over a literal and inserts it where its kind says so.
#[inline]
pub(crate) fn complete<S: Sink + ?Sized>(
    table: &mut Table,
    meter: &mut Meter,
    kind: Kind,
    name: Name<'_>,
    value: &[u8],
    sink: &mut S,
) -> Result<(), DecodeError> {
    let octets = match name {
        Name::Text(octets) => octets,
        Name::Index(index) => lookup(table, index)?.0,
    };
    let noted = meter.field(octets, value, kind == Kind::Never, false, sink);
    if kind != Kind::Insert {
        return Ok(());
    }
    let inserted = match name {
        Name::Text(octets) => table.insert(octets, value),
        Name::Index(index) => match static_table::ENTRIES.get(index as usize - 1) {
            Some(&(octets, _)) => table.insert(octets, value),
            None => table.insert_with_name_of(index as usize - static_table::LEN - 1, value),
        },
    };
    if inserted && noted {
        table.note();
    }
    Ok(())
}
