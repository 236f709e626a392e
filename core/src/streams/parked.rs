//! Streams with bytes to send whose own window is used up, the one nearest to having a window first.
//!
//! A stream's window is the peer's initial window plus the stream's offset. When the peer moves its initial window, every
//! stream's window moves with it and their order stays: a heap by offset answers at once whether anybody may go on,
//! without a look at each stream. That keeps a change of SETTINGS_INITIAL_WINDOW_SIZE at a constant cost (RFC 9113
//! §6.9.2) however many streams there are and however often it changes.

use alloc::vec::Vec;

/// A heap, the largest offset on top. Its streams know their places in it, so that any of them can leave.
#[derive(Debug, Default)]
pub(crate) struct Parked {
    heap: Vec<(i64, u32)>,
}

impl Parked {
    /// The largest offset, and its slot.
    pub(crate) fn top(&self) -> Option<(i64, u32)> {
        self.heap.first().copied()
    }

    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Bytes of memory allocated.
    pub(crate) fn memory_footprint(&self) -> usize {
        self.heap.capacity() * size_of::<(i64, u32)>()
    }

    /// The offset at `place`.
    pub(crate) fn offset(&self, place: u32) -> i64 {
        self.heap[place as usize].0
    }

    /// Adds a slot; `moved` hears of each slot's new place.
    pub(crate) fn push(&mut self, offset: i64, slot: u32, moved: impl FnMut(u32, u32)) {
        self.heap.push((offset, slot));
        self.rise(self.heap.len() - 1, moved);
    }

    /// Takes out the slot at `place`.
    pub(crate) fn remove(&mut self, place: u32, mut moved: impl FnMut(u32, u32)) {
        let place = place as usize;
        self.heap.swap_remove(place);
        if place < self.heap.len() {
            let place = self.sink(place, &mut moved);
            self.rise(place, moved);
        }
    }

    /// Moves an entry up to where its parent is not smaller.
    fn rise(&mut self, mut at: usize, mut moved: impl FnMut(u32, u32)) {
        while at > 0 {
            let parent = (at - 1) / 2;
            if self.heap[parent].0 >= self.heap[at].0 {
                break;
            }
            self.heap.swap(parent, at);
            moved(self.heap[at].1, at as u32);
            at = parent;
        }
        moved(self.heap[at].1, at as u32);
    }

    /// Moves an entry down to where no child is larger; answers where that is.
    fn sink(&mut self, mut at: usize, moved: &mut impl FnMut(u32, u32)) -> usize {
        loop {
            let children = (2 * at + 1)..(2 * at + 3).min(self.heap.len());
            let largest = children.max_by_key(|&child| self.heap[child].0);
            match largest {
                Some(child) if self.heap[child].0 > self.heap[at].0 => {
                    self.heap.swap(child, at);
                    moved(self.heap[at].1, at as u32);
                    at = child;
                }
                _ => return at,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;

    #[test]
    fn the_largest_is_on_top_whoever_comes_and_goes() {
        let mut parked = Parked::default();
        let mut places = vec![u32::MAX; 100];
        let mut offsets = vec![None; 100];
        for step in 0..2_000_u32 {
            let slot = step.wrapping_mul(2_654_435_761) >> 16;
            let slot = slot % 100;
            if offsets[slot as usize].take().is_some() {
                parked.remove(places[slot as usize], |slot, at| places[slot as usize] = at);
            } else {
                let offset = i64::from(step.wrapping_mul(40_503) % 977) - 500;
                offsets[slot as usize] = Some(offset);
                parked.push(offset, slot, |slot, at| places[slot as usize] = at);
            }
            let largest = offsets.iter().flatten().max();
            assert_eq!(parked.top().map(|(offset, _)| offset).as_ref(), largest);
            assert_eq!(parked.len(), offsets.iter().flatten().count());
            for (slot, offset) in offsets.iter().enumerate() {
                if let Some(offset) = offset {
                    assert_eq!(parked.offset(places[slot]), *offset, "slot {slot}");
                }
            }
        }
    }

    #[test]
    fn they_leave_by_their_offsets_whoever_has_left_before() {
        for round in 0..20_u32 {
            let mut parked = Parked::default();
            let mut places = vec![0; 100];
            let mut offsets = vec![None; 100];
            for slot in 0..100_u32 {
                let offset = i64::from((100 * round + slot).wrapping_mul(40_503) % 977) - 500;
                offsets[slot as usize] = Some(offset);
                parked.push(offset, slot, |slot, at| places[slot as usize] = at);
            }
            for slot in (round as usize % 7..100).step_by(7) {
                offsets[slot] = None;
                parked.remove(places[slot], |slot, at| places[slot as usize] = at);
            }
            let mut left: Vec<_> = offsets.into_iter().flatten().collect();
            left.sort_unstable_by(|a, b| b.cmp(a));
            for offset in left {
                assert_eq!(parked.top().map(|(offset, _)| offset), Some(offset));
                parked.remove(0, |_, _| ());
            }
        }
    }
}
