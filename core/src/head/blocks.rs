//! Header blocks out: lists of fields through HPACK. Most lists are like one before: what is the same is compared, and not
//! looked for again.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::BytesMut;
use raddle_hpack::{Encoder, Entry, Indexing, TableVersion, Written};

use super::fields::{SENSITIVE, entry_bytes};
use super::{Field, Fields, FieldsIter};
use crate::planted::{Planted, Plants};

/// Longer lists are not kept, so that no connection keeps more than some KiB for this.
const LIST_BYTES_MAX: usize = 2_048;
/// After so many fields that are not as long as the one in their place in the list that is kept, the next list is kept:
/// seldom enough that lists of many shapes, or with a field of many lengths, cost hardly more for it.
const OTHERS_MAX: usize = 32;

/// The header blocks of one direction of a connection.
#[derive(Debug)]
pub(crate) struct BlockEncoder {
    hpack: Encoder,
    /// Lists with which streams did not end, and those with which they did: heads and trailers, mostly.
    lately: [Lately; 2],
}

/// A list that was written lately, once it is worth it to keep one.
#[derive(Debug, Default)]
struct Lately {
    last: Option<Box<Last>>,
    /// Fields that were not as long as the one in their place in `last`.
    others: usize,
}

impl BlockEncoder {
    /// At the start of a connection, for a table of at most `table_bytes`.
    pub(crate) fn new(table_bytes: u32) -> Self {
        Self {
            hpack: Encoder::new(table_bytes),
            lately: Default::default(),
        }
    }

    /// The peer's SETTINGS_HEADER_TABLE_SIZE: see [`Encoder::set_peer_table_size`].
    pub(crate) fn set_peer_table_size(&mut self, bytes: u32) {
        self.hpack.set_peer_table_size(bytes);
    }

    /// Gives back memory that only makes it quicker.
    pub(crate) fn shrink(&mut self) {
        self.hpack.shrink();
        self.lately = Default::default();
    }

    pub(crate) fn table_fingerprint(&self) -> u64 {
        self.hpack.table_fingerprint()
    }

    /// Bytes of memory allocated.
    pub(crate) fn memory_footprint(&self) -> usize {
        let lasts = self.lately.iter().flat_map(|lately| &lately.last);
        self.hpack.memory_footprint() + lasts.map(|last| last.memory_footprint()).sum::<usize>()
    }

    /// Whether a list is kept of which all octets are known.
    #[cfg(test)]
    pub(super) fn knows_whole(&self) -> bool {
        let mut lasts = self.lately.iter().flat_map(|lately| &lately.last);
        lasts.any(|last| last.version == Some(self.hpack.table_version()))
    }

    /// What is kept of lists.
    #[cfg(test)]
    pub(super) fn kept(&self) -> Vec<Vec<u8>> {
        let lasts = self.lately.iter().flat_map(|lately| &lately.last);
        let texts = lasts.flat_map(|last| [&last.block, &last.octets, &last.whole]);
        texts.cloned().collect()
    }

    /// Appends the block of a list, with which its stream ends or not.
    pub(crate) fn write(&mut self, list: &Fields, end: bool, plants: Plants, out: &mut BytesMut) {
        self.hpack.begin(out);
        let lately = &mut self.lately[usize::from(end)];
        if lately.others >= OTHERS_MAX && list.block.len() <= LIST_BYTES_MAX {
            lately.last.get_or_insert_default().keep(list);
            lately.others = 0;
        }
        lately.others += match &mut lately.last {
            Some(last) => last.write(&list.block, &mut self.hpack, plants, out),
            None => {
                write_all(list.iter(), &mut self.hpack, plants, out);
                list.len()
            }
        };
    }

    /// Appends the block of fields that are no list.
    pub(crate) fn write_each<'a>(
        &mut self,
        fields: impl Iterator<Item = Field<'a>>,
        plants: Plants,
        out: &mut BytesMut,
    ) {
        self.hpack.begin(out);
        write_all(fields, &mut self.hpack, plants, out);
    }
}

fn write_all<'a>(
    fields: impl Iterator<Item = Field<'a>>,
    hpack: &mut Encoder,
    plants: Plants,
    out: &mut BytesMut,
) {
    for field in fields {
        write(hpack, &field, plants, out);
    }
}

#[inline(always)]
fn write(hpack: &mut Encoder, field: &Field<'_>, plants: Plants, out: &mut BytesMut) -> Written {
    let keeps = !plants.has(Planted::SensitiveForgotten);
    let indexing = match field.sensitive && keeps {
        true => Indexing::Never,
        false => Indexing::Auto,
    };
    hpack.field(field.name, field.value, indexing, out)
}

/// A list that was written, and how.
#[derive(Debug, Default)]
struct Last {
    /// The list's block, without what no hop may index.
    block: Vec<u8>,
    /// In place of each of its fields, the octets that it has in every header block, if it has.
    octets: Vec<u8>,
    fields: Vec<Known>,
    /// All of its octets, and with which table they are right.
    whole: Vec<u8>,
    version: Option<TableVersion>,
}

/// What is known of a field.
#[derive(Debug)]
struct Known {
    /// Where it ends in the block.
    end: usize,
    way: Way,
}

/// How to write a field again.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// Not known.
    Ask,
    Entry(Entry),
    /// So many octets from where it begins.
    Octets(usize),
}

impl Last {
    /// Becomes a list that is to be written.
    fn keep(&mut self, list: &Fields) {
        self.version = None;
        self.block.clear();
        self.block.extend_from_slice(&list.block);
        self.octets.clear();
        self.octets.resize(list.block.len(), 0);
        self.fields.clear();
        let (mut at, mut iter) = (0, list.iter());
        while let Some((name, value, bits)) = iter.entry() {
            let end = at + entry_bytes(name, value);
            if bits & SENSITIVE != 0 {
                self.block[at..end].fill(0);
            }
            self.fields.push(Known { end, way: Way::Ask });
            at = end;
        }
    }

    fn memory_footprint(&self) -> usize {
        size_of::<Self>()
            + self.block.capacity()
            + self.octets.capacity()
            + self.whole.capacity()
            + self.fields.capacity() * size_of::<Known>()
    }

    /// Writes another list, and keeps of it the fields that are as long as those in their place here. Answers how many are
    /// not, or have no place.
    fn write(
        &mut self,
        list: &[u8],
        hpack: &mut Encoder,
        plants: Plants,
        out: &mut BytesMut,
    ) -> usize {
        let same = shared(list, &self.block);
        if same < list.len() || same < self.block.len() {
            return self.write_parts(list, same, hpack, plants, out);
        }
        let version = hpack.table_version();
        let any = plants.has(Planted::WrittenListStale) && self.version.is_some();
        if self.version == Some(version) || any {
            out.extend_from_slice(&self.whole);
            return 0;
        }
        let before = out.len();
        self.write_parts(list, same, hpack, plants, out);
        let is_known = |field: &Known| !matches!(field.way, Way::Ask);
        self.version = self.fields.iter().all(is_known).then_some(version);
        if self.version.is_some() {
            debug_assert_eq!(hpack.table_version(), version, "what enters is not known");
            self.whole.clear();
            self.whole.extend_from_slice(&out[before..]);
        }
        0
    }

    /// Writes a list that begins with the `same` bytes.
    fn write_parts(
        &mut self,
        list: &[u8],
        mut same: usize,
        hpack: &mut Encoder,
        plants: Plants,
        out: &mut BytesMut,
    ) -> usize {
        let (mut rest, mut from, mut others) = (list, 0, 0);
        let mut fields = self.fields.iter_mut();
        loop {
            let start = from;
            let mut next = fields.next();
            while let Some(field) = next.as_mut().filter(|field| field.end <= same) {
                let written = match field.way {
                    Way::Entry(entry) => hpack.repeat(entry, out),
                    Way::Octets(len) => {
                        out.extend_from_slice(&self.octets[from..from + len]);
                        true
                    }
                    Way::Ask => false,
                };
                if !written {
                    let place = from..field.end;
                    let (text, octets) =
                        (&self.block[place.clone()], &mut self.octets[place.clone()]);
                    match learn(text, octets, hpack, plants, out) {
                        Some(way) => field.way = way,
                        None => self.block[place].fill(0),
                    }
                }
                from = field.end;
                next = fields.next();
            }
            rest = &rest[from - start..];
            // One that is not the same, or the end of one of the lists.
            let mut iter = FieldsIter { rest };
            let Some(field) = iter.next() else {
                return others + usize::from(next.is_some()) + fields.len();
            };
            let written = write(hpack, &field, plants, out);
            let text = &rest[..rest.len() - iter.rest.len()];
            rest = iter.rest;
            match next {
                Some(known) if known.end - from == text.len() => {
                    self.version = None;
                    if written != Written::Never {
                        self.block[from..known.end].copy_from_slice(text);
                    }
                    known.way = Way::Ask;
                    from = known.end;
                }
                Some(known) => {
                    others += 1;
                    from = known.end;
                }
                None => others += 1,
            }
            same = from + shared(rest, self.block.get(from..).unwrap_or_default());
        }
    }
}

/// Writes the one field of `text`, and notes its octets in `place` when they are always the same. Answers how to write it
/// again, unless that is nothing to be remembered.
#[cold]
fn learn(
    text: &[u8],
    place: &mut [u8],
    hpack: &mut Encoder,
    plants: Plants,
    out: &mut BytesMut,
) -> Option<Way> {
    let field = FieldsIter { rest: text }.next()?;
    let before = out.len();
    Some(match write(hpack, &field, plants, out) {
        Written::Entry(entry) => Way::Entry(entry),
        Written::Constant => {
            let octets = &out[before..];
            // There is room: an entry of a list is longer than its literal.
            let Some(place) = place.get_mut(..octets.len()) else {
                return Some(Way::Ask);
            };
            place.copy_from_slice(octets);
            Way::Octets(octets.len())
        }
        Written::Never => return None,
        Written::Literal => Way::Ask,
    })
}

/// How many bytes the fronts of two texts share.
fn shared(a: &[u8], b: &[u8]) -> usize {
    const WORD: usize = 16;
    let len = a.len().min(b.len());
    let (a, b) = (&a[..len], &b[..len]);
    let same = |a: &[u8; WORD], b: &[u8; WORD]| {
        let differ = u128::from_le_bytes(*a) ^ u128::from_le_bytes(*b);
        differ.trailing_zeros() as usize / 8
    };
    let mut words = a.as_chunks::<WORD>().0.iter().zip(b.as_chunks::<WORD>().0);
    if let Some(at) = words.position(|(word, other)| word != other) {
        return at * WORD + same(&a.as_chunks().0[at], &b.as_chunks().0[at]);
    }
    // The last word overlaps the one before.
    match (a.last_chunk::<WORD>(), b.last_chunk::<WORD>()) {
        (Some(last), Some(other)) => len - WORD + same(last, other),
        _ => a.iter().zip(b).take_while(|(a, b)| a == b).count(),
    }
}
