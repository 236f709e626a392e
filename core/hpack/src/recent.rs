//! Where the encoder last found a field of some shape: most lists of a connection repeat.

use alloc::vec;
use alloc::vec::Vec;

use crate::hash::same;
use crate::static_table;
use crate::table::Table;

/// How many shapes are told apart. A list seldom has more fields than half of this.
const PLACES: usize = 64;

/// From here on a place names a static entry; below, the low bits of a dynamic entry's serial number.
const STATIC: u16 = u16::MAX - static_table::LEN as u16;

/// A guess for each shape of field. What it names is compared, so that a wrong or old guess costs time alone.
pub(crate) struct Recent {
    /// Empty until something is noted.
    places: Vec<u16>,
}

impl Recent {
    pub(crate) fn new() -> Self {
        Recent { places: Vec::new() }
    }

    /// The place for fields like this one. Values of one length share it, so that those that always differ take one
    /// place and not all.
    #[inline(always)]
    pub(crate) fn place(name: &[u8], value: &[u8]) -> usize {
        let (Some(&first), Some(&last)) = (name.first(), name.last()) else {
            return 0;
        };
        let ends = u32::from(first) << 16 | u32::from(last) << 24;
        let lens = (name.len() as u32) ^ (value.len() as u32) << 8;
        ((ends ^ lens).wrapping_mul(0x85EB_CA6B) >> 26) as usize % PLACES
    }

    /// The index of RFC 7541 §2.3.3, if the guess is right.
    #[inline(always)]
    pub(crate) fn find(
        &self,
        place: usize,
        table: &Table,
        name: &[u8],
        value: &[u8],
    ) -> Option<usize> {
        let &at = self.places.get(place)?;
        let (index, entry) = if at > STATIC {
            let index = usize::from(at - STATIC);
            (index, static_table::ENTRIES.get(index - 1).copied())
        } else {
            let index = usize::from((table.serial() as u16).wrapping_sub(at));
            (static_table::LEN + 1 + index, table.get(index))
        };
        entry
            .is_some_and(|(n, v)| same(v, value) && same(n, name))
            .then_some(index)
    }

    /// Bytes of memory allocated.
    pub(crate) fn memory_footprint(&self) -> usize {
        self.places.capacity() * size_of::<u16>()
    }

    /// Remembers where a field is, by its index of RFC 7541 §2.3.3.
    #[inline]
    pub(crate) fn note(&mut self, place: usize, index: usize, table: &Table) {
        if self.places.is_empty() {
            self.places = vec![0; PLACES];
        }
        self.places[place] = match index.checked_sub(static_table::LEN + 1) {
            Some(index) => {
                let serial = (table.serial() as u16).wrapping_sub(index as u16);
                if serial > STATIC {
                    // It would be taken for a static entry.
                    return;
                }
                serial
            }
            None => STATIC + index as u16,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Serial numbers come round after 2^16 insertions, and the highest of them stand for static entries.
    #[test]
    fn a_dynamic_entry_is_never_taken_for_a_static_one() {
        let (mut table, mut recent) = (Table::new(4096), Recent::new());
        let mut hits = 0;
        for n in 0..70_000_u32 {
            let value = n.to_le_bytes();
            assert!(table.insert(b"name", &value));
            let place = Recent::place(b"name", &value);
            recent.note(place, static_table::LEN + 1, &table);
            let found = recent.find(place, &table, b"name", &value);
            assert!(found.is_none_or(|index| index == static_table::LEN + 1));
            hits += usize::from(found.is_some());
        }
        assert_eq!(hits, 70_000 - static_table::LEN);
    }
}
