//! Finds fields in the encoder's dynamic table in O(1).

use alloc::vec;
use alloc::vec::Vec;

use crate::table::Table;

/// Slots looked at per search. At most a third of them is in use, so that few
/// entries are pushed out of the search, about 1 in 60 of a table that is full
/// of names; such a field is merely sent as a literal.
const WINDOW: usize = 4;

/// Slots of the first allocation: 256 octets.
const SLOTS_MIN: usize = 32;

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    hash: u32,
    /// Which insertion this is; stale once the table has evicted it. 0: free.
    serial: u32,
}

/// A map from hashes to dynamic indices. A slot whose entry was evicted is free
/// again without any deletion, so it needs no more room than the table has had
/// entries at a time.
#[derive(Debug)]
pub(crate) struct Search {
    /// A power of two of them, at least three times the entries; none at first.
    slots: Vec<Slot>,
}

impl Search {
    /// Allocates nothing until the first insertion.
    pub(crate) fn new() -> Self {
        Search { slots: Vec::new() }
    }

    /// The dynamic index of the entry with `hash` for which `same` holds.
    #[inline]
    pub(crate) fn find(
        &self,
        hash: u32,
        table: &Table,
        same: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Option<usize> {
        let mask = self.slots.len().wrapping_sub(1);
        for step in 0..WINDOW {
            let slot = self.slots.get((hash as usize + step) & mask)?;
            if slot.serial == 0 {
                return None;
            }
            if slot.hash == hash {
                let index = table.inserted().wrapping_sub(slot.serial) as usize;
                if table.get(index).is_some_and(|(n, v)| same(n, v)) {
                    return Some(index);
                }
            }
        }
        None
    }

    /// Remembers that the newest entry of `table` has `hash`. An older entry
    /// with the same hash gives way: the newest lives longest.
    #[inline]
    pub(crate) fn insert(&mut self, hash: u32, table: &Table) {
        if table.len() * 3 > self.slots.len() {
            self.grow(table);
        }
        self.place(hash, table.inserted(), table.inserted(), table.len());
    }

    #[inline]
    fn place(&mut self, hash: u32, serial: u32, newest: u32, live: usize) {
        let mask = self.slots.len() - 1;
        let mut chosen = hash as usize & mask;
        let mut chosen_age = 0;
        for step in 0..WINDOW {
            let at = (hash as usize + step) & mask;
            let slot = self.slots[at];
            let age = newest.wrapping_sub(slot.serial);
            if slot.serial == 0 || slot.hash == hash || age as usize >= live {
                chosen = at;
                break;
            }
            if age > chosen_age {
                (chosen, chosen_age) = (at, age);
            }
        }
        // Serial 0 marks a free slot: the one entry in 2^32 that would carry it
        // is simply not remembered.
        self.slots[chosen] = Slot { hash, serial };
    }

    /// Doubles the slots, paid for by as many insertions.
    #[cold]
    fn grow(&mut self, table: &Table) {
        let slots = (table.len() * 3).next_power_of_two().max(SLOTS_MIN);
        let newest = table.inserted();
        let old = core::mem::replace(&mut self.slots, vec![Slot::default(); slots]);
        for slot in old {
            // An evicted entry is further back than the table is long.
            if slot.serial != 0 && (newest.wrapping_sub(slot.serial) as usize) < table.len() {
                self.place(slot.hash, slot.serial, newest, table.len());
            }
        }
    }
}
