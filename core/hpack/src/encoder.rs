//! The encoder (RFC 7541 §6) and its choice of what to index.

use core::fmt;

use bytes::{BufMut, BytesMut};

use crate::entry::{Entry, TableVersion, Written};
use crate::hash;
use crate::huffman;
use crate::integer;
use crate::policy::{Plan, policy};
use crate::recent::Recent;
use crate::search::Search;
use crate::static_table;
use crate::table::{ENTRY_OVERHEAD, INITIAL_SIZE, Table};

/// Whether a field enters the dynamic table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Indexing {
    /// Decided by the name: `authorization`, `proxy-authorization` and a
    /// `cookie` below 20 octets as [`Never`](Self::Never), since a short secret
    /// can be guessed through the size of what is compressed with it (RFC
    /// 7541 §7.1); fields whose value seldom repeats, such as `:path`, `age`, `etag`
    /// and `set-cookie`, and fields that would fill most of the table like
    /// [`Skip`](Self::Skip), without a look at the dynamic table; all others as
    /// [`Index`](Self::Index).
    #[default]
    Auto,
    /// Sent as a reference when the field is in a table, else as a literal that
    /// enters it. A field larger than the whole table is sent like
    /// [`Skip`](Self::Skip) instead of emptying it.
    Index,
    /// Sent as a reference when the field is in a table, else as a literal
    /// without indexing (RFC 7541 §6.2.2).
    Skip,
    /// Always a literal that no hop may index (RFC 7541 §6.2.3): for secrets,
    /// and for fields that arrived as sensitive.
    Never,
}

/// Encodes the header blocks of one direction of a connection.
///
/// Blocks must be sent in the order they were encoded, each of them in full
/// (RFC 9113 §4.3).
pub struct Encoder {
    table: Table,
    fields: Search,
    names: Search,
    /// Of fields whose indexing is decided here.
    recent: Recent,
    /// The largest table we are willing to keep.
    cap: u32,
    /// The size to announce next.
    size: u32,
    /// The smallest size wanted since the last block.
    size_lowest: u32,
}

impl Encoder {
    /// An encoder at the start of a connection that keeps at most `cap` octets
    /// of table, counted as in RFC 7541 §4.1, whatever the peer offers.
    /// Allocates nothing.
    pub fn new(cap: u32) -> Self {
        let size = cap.min(INITIAL_SIZE);
        Encoder {
            table: Table::new(INITIAL_SIZE),
            fields: Search::new(),
            names: Search::new(),
            recent: Recent::new(),
            cap,
            size,
            size_lowest: size,
        }
    }

    /// Takes the peer's `SETTINGS_HEADER_TABLE_SIZE`, in octets. Call it before
    /// the block that follows the acknowledgement; what has to be said about it
    /// is said by the next [`begin`](Self::begin) (RFC 9113 §4.3.1).
    pub fn set_peer_table_size(&mut self, size: u32) {
        self.size = size.min(self.cap);
        self.size_lowest = self.size_lowest.min(self.size);
    }

    /// Starts a block in `out`: appends the size updates that are due.
    pub fn begin(&mut self, out: &mut BytesMut) {
        // RFC 7541 §4.2: of several changes between two blocks the smallest
        // size MUST be signalled, then the final one; at most two.
        if self.size_lowest < self.size {
            self.resize(self.size_lowest, out);
        }
        self.size_lowest = self.size;
        let size = self.size as usize;
        if size != self.table.max_size() {
            self.change_size(self.size, out);
        }
        if self.fields.is_empty() && self.table.len() > 0 {
            self.search_again();
        }
    }

    /// Appends one field, and answers how. Names must be in lower case already (RFC 9113 §8.2);
    /// nothing of the field is checked.
    #[inline(always)]
    pub fn field(
        &mut self,
        name: &[u8],
        value: &[u8],
        indexing: Indexing,
        out: &mut BytesMut,
    ) -> Written {
        if indexing != Indexing::Auto {
            return self.searched(name, value, indexing, out).0;
        }
        let place = Recent::place(name, value);
        if let Some(index) = self.recent.find(place, &self.table, name, value) {
            integer::write(0x80, 0x7f, index, out);
            return Written::Entry(Entry::at(index, &self.table));
        }
        let (written, index) = self.searched(name, value, indexing, out);
        // What enters the table now is not noted before it comes again: most of it never does.
        if let Some(index) = index {
            self.recent.note(place, index, &self.table);
        }
        written
    }

    /// Appends a field that was written as a reference to `entry`, unless that has left its table, and answers whether it
    /// did. Right for a field of the same name and value.
    #[inline(always)]
    pub fn repeat(&self, entry: Entry, out: &mut BytesMut) -> bool {
        let index = entry.index(&self.table);
        if let Some(index) = index {
            integer::write(0x80, 0x7f, index, out);
        }
        index.is_some()
    }

    /// Appends one field, found by its hash. Answers how, and its index, if it was in a table.
    #[inline(never)]
    fn searched(
        &mut self,
        name: &[u8],
        value: &[u8],
        indexing: Indexing,
        out: &mut BytesMut,
    ) -> (Written, Option<usize>) {
        let name_hash = hash::bytes(0, name);
        let static_name = static_table::find_name(name, name_hash);
        let plan = match indexing {
            Indexing::Auto => self.choose(static_name, name, value),
            Indexing::Index if self.fits(name, value, self.table.max_size()) => Plan::Index,
            Indexing::Index | Indexing::Skip => Plan::Search,
            Indexing::Never => Plan::Never,
        };
        let mut hash = 0;
        // RFC 7541 §6.2.3: never-indexed fields MUST be literals, always.
        if plan != Plan::Never {
            if let Some(first) = static_name
                && let Some(index) = static_table::find_value(first, value)
            {
                integer::write(0x80, 0x7f, index, out);
                return self.referred(index);
            }
            if plan != Plan::Skip {
                hash = hash::bytes(name_hash, value);
                let found = self.fields.find(hash, &self.table, |n, v| {
                    hash::same(v, value) && hash::same(n, name)
                });
                if let Some(index) = found {
                    let index = static_table::LEN + 1 + index;
                    integer::write(0x80, 0x7f, index, out);
                    return self.referred(index);
                }
            }
        }
        let name_index = self.find_name(static_name, name_hash, name);
        let representation = match plan {
            Plan::Index => (0x40, 0x3f),
            Plan::Skip | Plan::Search => (0x00, 0x0f),
            Plan::Never => (0x10, 0x0f),
        };
        self.literal(representation, name_index, name, value, out);
        if plan == Plan::Index {
            self.insert(static_name.is_some(), name_hash, hash, name, value);
        }
        // Not what has no room in the table as it is now: it may have some later.
        let constant = |name| policy(name, value.len()) == Plan::Skip;
        let written = match plan {
            Plan::Never => Written::Never,
            Plan::Skip if static_name.is_some_and(constant) => Written::Constant,
            _ => Written::Literal,
        };
        (written, None)
    }

    fn referred(&self, index: usize) -> (Written, Option<usize>) {
        let entry = Entry::at(index, &self.table);
        (Written::Entry(entry), Some(index))
    }

    /// Which version of the dynamic table the next field meets. A list that left it as it was is written by the same octets
    /// for as long as it stays that.
    pub fn table_version(&self) -> TableVersion {
        self.table.version()
    }

    /// Octets of the dynamic table, as RFC 7541 §4.1 counts them.
    pub fn table_size(&self) -> usize {
        self.table.size()
    }

    /// A digest of the dynamic table: see
    /// [`Decoder::table_fingerprint`](crate::Decoder::table_fingerprint).
    pub fn table_fingerprint(&self) -> u64 {
        self.table.fingerprint()
    }

    /// Gives back memory that was needed for blocks and that the table does not
    /// need. What finds fields in the table is built again, for as long as one
    /// pass over it, by the next [`begin`](Self::begin). Not for within a block.
    pub fn shrink(&mut self) {
        self.table.shrink();
        self.fields.forget();
        self.names.forget();
        self.recent = Recent::new();
    }

    /// Makes what finds fields in the table anew.
    #[cold]
    fn search_again(&mut self) {
        for index in (0..self.table.len()).rev() {
            let (name, value) = self.table.get(index).unwrap_or_default();
            let name_hash = hash::bytes(0, name);
            let hash = hash::bytes(name_hash, value);
            self.fields.insert_again(hash, index, &self.table);
            if static_table::find_name(name, name_hash).is_none() {
                self.names.insert_again(name_hash, index, &self.table);
            }
        }
    }

    /// Octets of memory allocated: the table, and what finds fields in it.
    pub fn memory_footprint(&self) -> usize {
        self.table.memory_footprint()
            + self.fields.memory_footprint()
            + self.names.memory_footprint()
            + self.recent.memory_footprint()
    }

    /// Announces `size` when it shrinks the table.
    fn resize(&mut self, size: u32, out: &mut BytesMut) {
        if (size as usize) < self.table.max_size() {
            self.change_size(size, out);
        }
    }

    fn change_size(&mut self, size: u32, out: &mut BytesMut) {
        integer::write(0x20, 0x1f, size as usize, out);
        self.table.set_max_size(size);
    }

    fn fits(&self, name: &[u8], value: &[u8], room: usize) -> bool {
        name.len() + value.len() + ENTRY_OVERHEAD <= room
    }

    #[inline]
    fn choose(&self, static_name: Option<usize>, name: &[u8], value: &[u8]) -> Plan {
        let plan = match static_name {
            Some(index) => policy(index, value.len()),
            None => Plan::Index,
        };
        // One large field would evict everything that repeats.
        if plan == Plan::Index && !self.fits(name, value, self.table.max_size() / 4 * 3) {
            return Plan::Skip;
        }
        plan
    }

    #[inline]
    fn find_name(&self, static_name: Option<usize>, hash: u32, name: &[u8]) -> usize {
        if let Some(index) = static_name {
            return index;
        }
        let found = self
            .names
            .find(hash, &self.table, |n, _| hash::same(n, name));
        found.map_or(0, |index| static_table::LEN + 1 + index)
    }

    /// Appends a literal of the representation `(first, mask)`; `name_index` 0
    /// for a name in full (RFC 7541 §6.2).
    fn literal(
        &self,
        (first, mask): (u8, u8),
        name_index: usize,
        name: &[u8],
        value: &[u8],
        out: &mut BytesMut,
    ) {
        // Not in the encoder: every connection has one, and few write at a time.
        let mut stage = [0; STAGE];
        let mut at = integer::stage(first, mask, name_index, &mut stage);
        if name_index == 0 {
            string(name, at, &mut stage, out);
            at = 0;
        }
        string(value, at, &mut stage, out);
    }

    fn insert(&mut self, is_static: bool, name_hash: u32, hash: u32, name: &[u8], value: &[u8]) {
        // The caller has checked that it fits.
        if self.table.insert(name, value) {
            self.fields.insert(hash, &self.table);
            if !is_static {
                self.names.insert(name_hash, &self.table);
            }
        }
    }
}

impl fmt::Debug for Encoder {
    // Without the table: it holds what users send.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder")
            .field("table_size", &self.table.size())
            .field("table_size_max", &self.table.max_size())
            .field("cap", &self.cap)
            .finish_non_exhaustive()
    }
}

/// Longest string whose length fits in one octet, and with it any shorter code.
const SHORT: usize = 126;

/// Room for an index and a short string before it is known whether the code
/// pays: everything of a field is appended at once.
type Stage = [u8; STAGE];

const STAGE: usize = integer::LEN_MAX + 1 + SHORT + huffman::SPARE;

/// Appends the first `at` octets of `stage` and a string in the shorter of its
/// two forms (RFC 7541 §5.2).
fn string(text: &[u8], at: usize, stage: &mut Stage, out: &mut BytesMut) {
    if text.len() > SHORT {
        out.extend_from_slice(&stage[..at]);
        return long_string(text, out);
    }
    let start = at + 1;
    // No room for the code means that it is longer.
    if let Some(end) = huffman::encode(text, stage, start)
        && end - start < text.len()
    {
        stage[at] = 0x80 | (end - start) as u8;
        append(stage, end, out);
    } else {
        stage[at] = text.len() as u8;
        out.extend_from_slice(&stage[..start]);
        out.extend_from_slice(text);
    }
}

/// Octets copied at once: a copy of constant length needs no call.
const COPY: usize = 48;

/// Appends the first `len` octets of `stage`.
#[inline(always)]
fn append(stage: &Stage, len: usize, out: &mut BytesMut) {
    if len <= COPY {
        let end = out.len() + len;
        out.extend_from_slice(&stage[..COPY]);
        out.truncate(end);
    } else {
        out.extend_from_slice(&stage[..len]);
    }
}

fn long_string(text: &[u8], out: &mut BytesMut) {
    let encoded_len = huffman::encoded_len(text);
    if encoded_len < text.len() {
        integer::write(0x80, 0x7f, encoded_len, out);
        let start = out.len();
        out.resize(start + encoded_len + huffman::SPARE, 0);
        // Always room: its length was computed.
        let end = huffman::encode(text, out, start);
        debug_assert_eq!(end, Some(start + encoded_len));
        out.truncate(start + encoded_len);
    } else {
        integer::write(0x00, 0x7f, text.len(), out);
        out.put_slice(text);
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    use super::*;

    /// Two names of one hash.
    fn alike() -> (String, String) {
        let name = |n: u32| format!("x-{n:07}");
        let hash = |n| hash::bytes(0, name(n).as_bytes());
        let mut hashes: Vec<(u32, u32)> = (0..300_000).map(|n| (hash(n), n)).collect();
        hashes.sort_unstable();
        let pair = hashes.windows(2).find(|pair| pair[0].0 == pair[1].0);
        let pair = pair.expect("of so many hashes of 32 bits some are the same");
        (name(pair[0].1), name(pair[1].1))
    }

    #[test]
    fn fields_of_one_hash_are_told_apart() {
        let (first, second) = alike();
        let mut encoder = Encoder::new(INITIAL_SIZE);
        let mut encode = |name: &str, value: &str, indexing| {
            let mut out = BytesMut::new();
            encoder.field(name.as_bytes(), value.as_bytes(), indexing, &mut out);
            out[0]
        };
        assert_eq!(encode(&first, "v", Indexing::Index), 0x40, "inserted");
        assert_eq!(encode(&second, "v", Indexing::Skip), 0x00, "a new name");
        assert_eq!(encode(&first, "v", Indexing::Skip), 0xbe, "found");
    }
}
