//! Finds fields in the encoder's dynamic table in O(1).

use alloc::vec;
use alloc::vec::Vec;

use crate::table::Table;

/// Slots that a hash may be in.
const WAYS: usize = 4;

/// Buckets of the first allocation: 256 octets.
const BUCKETS_MIN: usize = 8;

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    hash: u32,
    /// Which insertion this is; stale once the table has evicted it. Whether it
    /// is, or was never used, needs no mark: every hit is compared in full.
    serial: u32,
}

/// A map from hashes to dynamic indices, built like a set-associative cache: a
/// full bucket loses its oldest entry, which is then merely sent as a literal.
/// Entries that the table has evicted go first, without any deletion.
#[derive(Debug)]
pub(crate) struct Search {
    /// A power of two of them, or none at first. At most a third of the slots
    /// is of use: about 1 in 60 entries of a table full of names is lost.
    buckets: Vec<[Slot; WAYS]>,
}

impl Search {
    /// Allocates nothing until the first insertion.
    pub(crate) fn new() -> Self {
        Search {
            buckets: Vec::new(),
        }
    }

    /// The dynamic index of the entry with `hash` for which `same` holds.
    #[inline]
    pub(crate) fn find(
        &self,
        hash: u32,
        table: &Table,
        same: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Option<usize> {
        let mask = self.buckets.len().wrapping_sub(1);
        let bucket = self.buckets.get(hash as usize & mask)?;
        // No branch depends on which slot it is.
        let mut hits = 0u32;
        for (way, slot) in bucket.iter().enumerate() {
            hits |= u32::from(slot.hash == hash) << way;
        }
        while hits != 0 {
            let slot = bucket[hits.trailing_zeros() as usize % WAYS];
            let index = table.serial().wrapping_sub(slot.serial) as usize;
            if table.get(index).is_some_and(|(n, v)| same(n, v)) {
                return Some(index);
            }
            hits &= hits - 1;
        }
        None
    }

    /// Remembers that the newest entry of `table` has `hash`. An older entry
    /// with the same hash gives way: the newest lives longest.
    #[inline]
    pub(crate) fn insert(&mut self, hash: u32, table: &Table) {
        if table.len() * 3 > self.buckets.len() * WAYS {
            self.grow(table);
        }
        self.place(hash, table.serial(), table.serial());
    }

    #[inline]
    fn place(&mut self, hash: u32, serial: u32, newest: u32) {
        let mask = self.buckets.len().wrapping_sub(1);
        // There is a bucket: `insert` grows first.
        let Some(bucket) = self.buckets.get_mut(hash as usize & mask) else {
            return;
        };
        let mut chosen = 0;
        let mut chosen_rank = 0;
        for (way, slot) in bucket.iter().enumerate() {
            let age = u64::from(newest.wrapping_sub(slot.serial));
            let rank = if slot.hash == hash { u64::MAX } else { age };
            if rank > chosen_rank {
                (chosen, chosen_rank) = (way, rank);
            }
        }
        bucket[chosen] = Slot { hash, serial };
    }

    /// Whether nothing was remembered yet, or all of it was forgotten.
    pub(crate) fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// Gives back all memory. What was remembered is found no more until it is inserted again.
    pub(crate) fn forget(&mut self) {
        self.buckets = Vec::new();
    }

    /// Remembers that the entry of `table` with dynamic index `index` has `hash`, after [`forget`](Self::forget), the
    /// oldest entry first.
    pub(crate) fn insert_again(&mut self, hash: u32, index: usize, table: &Table) {
        if self.is_empty() {
            self.grow(table);
        }
        let serial = table.serial().wrapping_sub(index as u32);
        self.place(hash, serial, table.serial());
    }

    /// Octets of memory allocated.
    pub(crate) fn memory_footprint(&self) -> usize {
        self.buckets.capacity() * size_of::<[Slot; WAYS]>()
    }

    /// Doubles the buckets, paid for by as many insertions.
    #[cold]
    fn grow(&mut self, table: &Table) {
        let buckets = (table.len() * 3).div_ceil(WAYS).next_power_of_two();
        let buckets = vec![[Slot::default(); WAYS]; buckets.max(BUCKETS_MIN)];
        let newest = table.serial();
        let old = core::mem::replace(&mut self.buckets, buckets);
        for slot in old.as_flattened() {
            // An evicted entry is further back than the table is long.
            if (newest.wrapping_sub(slot.serial) as usize) < table.len() {
                self.place(slot.hash, slot.serial, newest);
            }
        }
    }
}
