//! The dynamic table (RFC 7541 §2.3.2, §4), the same for both directions.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::entry::TableVersion;

/// What the RFC charges per entry on top of its octets (RFC 7541 §4.1).
pub(crate) const ENTRY_OVERHEAD: usize = 32;

/// Size both ends start with, before any SETTINGS (RFC 9113 §6.5.2).
pub(crate) const INITIAL_SIZE: u32 = 4096;

/// An entry in 8 octets.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Position in the stream of all octets ever inserted, modulo 2^32.
    start: u32,
    /// Octets of the value (16 bits) and of the name (15), and [`NOTED`];
    /// [`LONG`] when one of them has no room here.
    lens: u32,
}

/// The sink has made a note of the entry, see [`crate::Sink::field_noted`].
const NOTED: u32 = 1 << 31;

/// In place of lengths: they stand in front of the octets.
const LONG: u32 = !NOTED;

/// The longest name, and the first value too long, of other entries.
const NAME_MAX: usize = (1 << 15) - 1;
const VALUE_LONG: usize = (1 << 16) - 1;

/// Octets of lengths that stand there.
const PREFIX: usize = 8;

/// Entries in insertion order. Their octets stand in one buffer, each entry in
/// one piece, so that a field can be handed out as two slices.
#[derive(Debug)]
pub(crate) struct Table {
    bytes: Vec<u8>,
    /// Stream position of `bytes[0]`.
    base: u32,
    /// Oldest first.
    entries: VecDeque<Entry>,
    size: usize,
    max_size: usize,
    /// Entries ever inserted: names the newest one.
    inserted: u64,
    /// How often the entries or the maximum size changed.
    changes: u64,
}

impl Table {
    /// Allocates nothing until the first insertion.
    pub(crate) fn new(max_size: u32) -> Self {
        Table {
            bytes: Vec::new(),
            base: 0,
            entries: VecDeque::new(),
            size: 0,
            max_size: max_size as usize,
            inserted: 0,
            changes: 0,
        }
    }

    /// Sum of the entry sizes as the RFC counts them, in octets.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Entries in the table.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    #[inline]
    pub(crate) fn max_size(&self) -> usize {
        self.max_size
    }

    #[inline]
    pub(crate) fn inserted(&self) -> u64 {
        self.inserted
    }

    /// The same modulo 2^32, for what is to be small and is compared with what it names.
    #[inline]
    pub(crate) fn serial(&self) -> u32 {
        self.inserted as u32
    }

    #[inline]
    pub(crate) fn version(&self) -> TableVersion {
        TableVersion(self.changes)
    }

    /// The entry with dynamic index `index`, 0 for the newest.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<(&[u8], &[u8])> {
        self.get_noted(index).map(|(name, value, _)| (name, value))
    }

    /// The same entry, and whether the sink has made a note of it.
    #[inline]
    pub(crate) fn get_noted(&self, index: usize) -> Option<(&[u8], &[u8], bool)> {
        let at = self.entries.len().checked_sub(index.checked_add(1)?)?;
        let &entry = self.entries.get(at)?;
        let (name_len, value_len) = self.lens(entry);
        let start = self.position(entry);
        let field = self.bytes.get(start..start + name_len + value_len)?;
        let (name, value) = field.split_at_checked(name_len)?;
        Some((name, value, entry.lens & NOTED != 0))
    }

    /// Keeps a note of the newest entry, unless that is a long one.
    pub(crate) fn note(&mut self) {
        let newest = self.entries.back_mut();
        if let Some(newest) = newest.filter(|newest| newest.lens != LONG) {
            newest.lens |= NOTED;
        }
    }

    /// Where in the buffer the name of `entry` begins.
    #[inline]
    fn position(&self, entry: Entry) -> usize {
        entry.start.wrapping_sub(self.base) as usize
    }

    /// Octets of the name and of the value of `entry`.
    #[inline]
    fn lens(&self, entry: Entry) -> (usize, usize) {
        match entry.lens {
            LONG => self.long_lens(entry),
            lens => ((lens & !NOTED) as usize >> 16, lens as usize & VALUE_LONG),
        }
    }

    #[cold]
    fn long_lens(&self, entry: Entry) -> (usize, usize) {
        let before = self.bytes.get(..self.position(entry)).unwrap_or_default();
        let Some(&[n0, n1, n2, n3, v0, v1, v2, v3]) = before.last_chunk::<PREFIX>() else {
            return (0, 0);
        };
        let len = |octets| u32::from_le_bytes(octets) as usize;
        (len([n0, n1, n2, n3]), len([v0, v1, v2, v3]))
    }

    /// Changes the maximum size and evicts to fit (RFC 7541 §4.3).
    pub(crate) fn set_max_size(&mut self, max_size: u32) {
        self.changes += 1;
        self.max_size = max_size as usize;
        self.evict_to(self.max_size);
    }

    /// Empties the table, as an entry larger than the table does (RFC 7541 §4.4).
    pub(crate) fn clear(&mut self) {
        self.changes += 1;
        self.evict_to(0);
    }

    #[inline]
    fn evict_to(&mut self, size: usize) {
        while self.size > size {
            let Some(entry) = self.entries.pop_front() else {
                return;
            };
            let (name_len, value_len) = self.lens(entry);
            self.size -= name_len + value_len + ENTRY_OVERHEAD;
        }
    }

    /// Inserts a field; whether it is now in the table (RFC 7541 §4.4).
    #[inline]
    pub(crate) fn insert(&mut self, name: &[u8], value: &[u8]) -> bool {
        let needed = name.len() + value.len() + ENTRY_OVERHEAD;
        if needed > self.max_size {
            self.clear();
            return false;
        }
        self.evict_to(self.max_size - needed);
        self.make_room(PREFIX + name.len() + value.len());
        self.push(name.len(), value.len());
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        true
    }

    /// Inserts a field that takes its name from dynamic index `index`. The
    /// entry it refers to may be evicted by this very insertion.
    #[inline]
    pub(crate) fn insert_with_name_of(&mut self, index: usize, value: &[u8]) -> bool {
        let at = self.entries.len().checked_sub(index + 1);
        let Some(&named) = at.and_then(|at| self.entries.get(at)) else {
            return false;
        };
        let (name_len, _) = self.lens(named);
        let needed = name_len + value.len() + ENTRY_OVERHEAD;
        if needed > self.max_size {
            self.clear();
            return false;
        }
        // Making room moves octets and drops those of evicted entries; evicting
        // touches none.
        self.make_room(PREFIX + name_len + value.len());
        let from = self.position(named);
        self.evict_to(self.max_size - needed);
        self.push(name_len, value.len());
        self.bytes.extend_from_within(from..from + name_len);
        self.bytes.extend_from_slice(value);
        true
    }

    /// Adds an entry whose octets are to follow, for which there is room.
    #[inline]
    fn push(&mut self, name_len: usize, value_len: usize) {
        self.size += name_len + value_len + ENTRY_OVERHEAD;
        self.inserted += 1;
        self.changes += 1;
        let lens = if name_len <= NAME_MAX && value_len < VALUE_LONG {
            (name_len << 16 | value_len) as u32
        } else {
            self.put_long_lens(name_len as u32, value_len as u32);
            LONG
        };
        let start = self.base.wrapping_add(self.bytes.len() as u32);
        self.entries.push_back(Entry { start, lens });
    }

    #[cold]
    fn put_long_lens(&mut self, name_len: u32, value_len: u32) {
        self.bytes.extend_from_slice(&name_len.to_le_bytes());
        self.bytes.extend_from_slice(&value_len.to_le_bytes());
    }

    #[inline]
    fn make_room(&mut self, len: usize) {
        if self.bytes.capacity() - self.bytes.len() < len {
            self.compact(len);
        }
    }

    /// Drops the octets of evicted entries, or grows when few are evicted. Each
    /// move is paid for by as many evicted octets, so insertion costs O(its
    /// length), and the buffer stays within about four times the table.
    #[cold]
    fn compact(&mut self, len: usize) {
        let live_from = self.live_from();
        if live_from >= self.bytes.len() - live_from {
            self.bytes.copy_within(live_from.., 0);
            self.bytes.truncate(self.bytes.len() - live_from);
            self.base = self.base.wrapping_add(live_from as u32);
        }
        self.bytes.reserve(len);
    }

    /// Where what belongs to the oldest entry begins.
    fn live_from(&self) -> usize {
        match self.entries.front() {
            Some(&oldest) if oldest.lens == LONG => self.position(oldest) - PREFIX,
            Some(&oldest) => self.position(oldest),
            None => self.bytes.len(),
        }
    }

    /// Gives back the memory that the entries do not need.
    pub(crate) fn shrink(&mut self) {
        let live_from = self.live_from();
        self.bytes.drain(..live_from);
        self.base = self.base.wrapping_add(live_from as u32);
        self.bytes.shrink_to_fit();
        self.entries.shrink_to_fit();
    }

    /// Octets of memory allocated.
    pub(crate) fn memory_footprint(&self) -> usize {
        self.bytes.capacity() + self.entries.capacity() * size_of::<Entry>()
    }

    /// A digest of the entries, newest last: equal tables give equal digests.
    pub(crate) fn fingerprint(&self) -> u64 {
        const PRIME: u64 = 0x0000_0100_0000_01b3;
        let mut state: u64 = 0xcbf2_9ce4_8422_2325;
        // Each step can be undone, so that one word that differs is seen to the end. The turn brings its high bits down.
        let mut feed = |word: u64| state = (state ^ word).wrapping_mul(PRIME).rotate_left(23);
        for index in (0..self.entries.len()).rev() {
            let (name, value) = self.get(index).unwrap_or_default();
            for part in [name, value] {
                feed(part.len() as u64);
                let (words, rest) = part.as_chunks::<8>();
                words
                    .iter()
                    .for_each(|&word| feed(u64::from_le_bytes(word)));
                if !rest.is_empty() {
                    let mut word = [0; 8];
                    word[..rest.len()].copy_from_slice(rest);
                    feed(u64::from_le_bytes(word));
                }
            }
        }
        state
    }
}

#[cfg(test)]
mod tests;
