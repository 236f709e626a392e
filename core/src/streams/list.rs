//! Lists that thread through the slots of the stream table: joining, leaving and rotating cost a constant, and a
//! stream that leaves the table leaves nothing behind in any queue.

/// The end of a list, and the neighbour of a slot that is in none.
const NONE: u32 = u32::MAX;

/// The neighbours of a slot in one list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    prev: u32,
    next: u32,
}

impl Link {
    /// The slot behind this one.
    pub(crate) fn next(self) -> Option<u32> {
        (self.next != NONE).then_some(self.next)
    }
}

impl Default for Link {
    fn default() -> Self {
        Self {
            prev: NONE,
            next: NONE,
        }
    }
}

/// First in, first out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    first: u32,
    last: u32,
    len: u32,
}

impl Default for List {
    fn default() -> Self {
        Self {
            first: NONE,
            last: NONE,
            len: 0,
        }
    }
}

impl List {
    pub(crate) fn front(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    /// The last one, for a fault that is switched on.
    pub(crate) fn back(&self) -> Option<u32> {
        (self.last != NONE).then_some(self.last)
    }

    pub(crate) fn len(&self) -> usize {
        self.len as usize
    }

    /// Appends `slot`. `link` finds the place of a slot's link for this list.
    pub(crate) fn push<S>(
        &mut self,
        slots: &mut [S],
        slot: u32,
        link: impl Fn(&mut S) -> &mut Link,
    ) {
        *link(&mut slots[slot as usize]) = Link {
            prev: self.last,
            next: NONE,
        };
        match self.last {
            NONE => self.first = slot,
            last => link(&mut slots[last as usize]).next = slot,
        }
        self.last = slot;
        self.len += 1;
    }

    /// Takes out `slot`, which is in this list.
    pub(crate) fn remove<S>(
        &mut self,
        slots: &mut [S],
        slot: u32,
        link: impl Fn(&mut S) -> &mut Link,
    ) {
        let Link { prev, next } = core::mem::take(link(&mut slots[slot as usize]));
        match prev {
            NONE => self.first = next,
            prev => link(&mut slots[prev as usize]).next = next,
        }
        match next {
            NONE => self.last = prev,
            next => link(&mut slots[next as usize]).prev = prev,
        }
        self.len -= 1;
    }
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;

    fn drain(list: &mut List, slots: &mut [Link]) -> Vec<u32> {
        let mut order = Vec::new();
        while let Some(slot) = list.front() {
            list.remove(slots, slot, |link| link);
            order.push(slot);
        }
        order
    }

    #[test]
    fn keeps_order_when_slots_leave_from_anywhere() {
        for gone in 0..4 {
            let mut slots = vec![Link::default(); 4];
            let mut list = List::default();
            for slot in [2, 0, 3, 1] {
                list.push(&mut slots, slot, |link| link);
            }
            list.remove(&mut slots, gone, |link| link);
            assert_eq!(list.len(), 3);
            let expected: Vec<u32> = [2, 0, 3, 1]
                .into_iter()
                .filter(|&slot| slot != gone)
                .collect();
            assert_eq!(drain(&mut list, &mut slots), expected);
            assert_eq!(list.front(), None);
        }
    }
}
