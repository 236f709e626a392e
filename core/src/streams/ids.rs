//! Which slot a stream identifier lives in.
//!
//! Identifiers of one initiator are born in rising order (RFC 9113 §5.1.1), so that a ring of them is sorted by itself
//! and needs no hashing. Entries of streams that are gone stay until they are worth sweeping.

use alloc::collections::VecDeque;

use crate::id::StreamId;

/// Below this many dead entries a sweep is not worth its pass.
const SWEEP_MIN: usize = 32;

#[derive(Debug, Default)]
pub(crate) struct Ids {
    ring: VecDeque<Entry>,
    dead: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    id: StreamId,
    /// [`DEAD`] once the stream has gone.
    slot: u32,
}

/// No slot has this number.
const DEAD: u32 = u32::MAX;

impl Entry {
    fn is_dead(&self) -> bool {
        self.slot == DEAD
    }
}

impl Ids {
    /// Adds an identifier above all others.
    pub(crate) fn push(&mut self, id: StreamId, slot: u32) {
        debug_assert!(
            self.ring.back().is_none_or(|last| last.id < id),
            "identifiers rise"
        );
        debug_assert_ne!(slot, DEAD);
        self.ring.push_back(Entry { id, slot });
    }

    pub(crate) fn find(&self, id: StreamId) -> Option<u32> {
        let entry = self.ring.get(self.position(id)?)?;
        (!entry.is_dead()).then_some(entry.slot)
    }

    /// Forgets an identifier.
    pub(crate) fn remove(&mut self, id: StreamId) {
        let Some(at) = self.position(id) else { return };
        self.ring[at].slot = DEAD;
        self.dead += 1;
        while self.ring.front().is_some_and(Entry::is_dead) {
            self.ring.pop_front();
            self.dead -= 1;
        }
        // One stream that lives long keeps all dead ones behind it. A sweep when they are the majority costs each
        // entry a constant on average.
        if self.dead > SWEEP_MIN && self.dead > self.ring.len() / 2 {
            self.ring.retain(|entry| !entry.is_dead());
            self.dead = 0;
        }
    }

    /// Bytes of memory allocated.
    pub(crate) fn memory_footprint(&self) -> usize {
        self.ring.capacity() * size_of::<Entry>()
    }

    /// Every live entry in order of identifiers.
    #[cfg(test)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (StreamId, u32)> {
        self.ring
            .iter()
            .filter(|entry| !entry.is_dead())
            .map(|entry| (entry.id, entry.slot))
    }

    fn position(&self, id: StreamId) -> Option<usize> {
        let first = self.ring.front()?.id;
        // Where it stands if no identifier was left out, which is how most peers count.
        let guess = (id.to_u32().checked_sub(first.to_u32())? / 2) as usize;
        if self.ring.get(guess).is_some_and(|entry| entry.id == id) {
            return Some(guess);
        }
        self.ring.binary_search_by_key(&id, |entry| entry.id).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_lives_and_sweeps_what_does_not() {
        let mut ids = Ids::default();
        let id = |n: u32| StreamId::from_u32(n * 4 + 1);
        for n in 0..1_000 {
            ids.push(id(n), n);
        }
        for n in 1..999 {
            ids.remove(id(n));
        }
        assert!(
            ids.ring.len() < 2 + 2 * SWEEP_MIN,
            "{} entries",
            ids.ring.len()
        );
        assert_eq!(ids.find(id(0)), Some(0));
        assert_eq!(ids.find(id(999)), Some(999));
        assert_eq!(ids.find(id(500)), None);
        assert_eq!(ids.find(StreamId::from_u32(3)), None);
        ids.remove(id(0));
        assert_eq!(ids.iter().count(), 1);
    }

    #[test]
    fn a_stream_that_lives_long_keeps_few_of_those_that_come_and_go() {
        let mut ids = Ids::default();
        let id = |n: u32| StreamId::from_u32(n * 2 + 1);
        ids.push(id(0), 0);
        for n in 1..10_000 {
            ids.push(id(n), 1);
            ids.remove(id(n));
            assert!(
                ids.ring.len() <= 2 + SWEEP_MIN,
                "{} entries",
                ids.ring.len()
            );
        }
        assert_eq!(ids.find(id(0)), Some(0));
    }
}
