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

/// First in, first out, but for who steps back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    first: u32,
    last: u32,
    /// The first of those who came since the round began, or have had their turn in it: the round ends before them.
    later: u32,
}

impl Default for List {
    fn default() -> Self {
        Self {
            first: NONE,
            last: NONE,
            later: NONE,
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

    pub(crate) fn is_empty(&self) -> bool {
        self.first == NONE
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
        if self.later == NONE {
            self.later = slot;
        }
    }

    /// The turn of the first, `slot`, is over: to the end, for the next round.
    pub(crate) fn rotate<S>(
        &mut self,
        slots: &mut [S],
        slot: u32,
        link: impl Fn(&mut S) -> &mut Link,
    ) {
        self.begin_round(slot);
        self.remove(slots, slot, &link);
        self.push(slots, slot, link);
    }

    /// The first, `slot`, lets the others of this round go before it goes on with its turn.
    pub(crate) fn step_back<S>(
        &mut self,
        slots: &mut [S],
        slot: u32,
        link: impl Fn(&mut S) -> &mut Link,
    ) {
        self.begin_round(slot);
        let later = self.later;
        if later == NONE {
            self.remove(slots, slot, &link);
            self.push(slots, slot, link);
            self.later = NONE;
            return;
        }
        let prev = link(&mut slots[later as usize]).prev;
        if prev == slot {
            return;
        }
        self.remove(slots, slot, &link);
        *link(&mut slots[slot as usize]) = Link { prev, next: later };
        link(&mut slots[prev as usize]).next = slot;
        link(&mut slots[later as usize]).prev = slot;
    }

    /// When nobody is left of a round, all who are there make up the next.
    fn begin_round(&mut self, front: u32) {
        debug_assert_eq!(self.first, front);
        if self.later == front {
            self.later = NONE;
        }
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
        if self.later == slot {
            self.later = next;
        }
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
            let expected: Vec<u32> = [2, 0, 3, 1]
                .into_iter()
                .filter(|&slot| slot != gone)
                .collect();
            assert_eq!(drain(&mut list, &mut slots), expected);
            assert_eq!(list.front(), None);
        }
    }

    /// What a list does, by two queues: those of the round, and those for the next.
    #[derive(Default)]
    struct Rounds {
        now: Vec<u32>,
        later: Vec<u32>,
    }

    impl Rounds {
        fn begin(&mut self) {
            if self.now.is_empty() {
                self.now = core::mem::take(&mut self.later);
            }
        }
    }

    #[test]
    fn who_steps_back_comes_before_those_of_the_next_round() {
        let mut slots = vec![Link::default(); 7];
        let (mut list, mut model) = (List::default(), Rounds::default());
        for step in 0..20_000_u32 {
            let drawn = step.wrapping_mul(2_654_435_761) >> 16;
            let slot = drawn % 7;
            let front = list.front();
            match drawn / 7 % 4 {
                0 | 1 if front.is_some() => {
                    let front = front.unwrap();
                    model.begin();
                    assert_eq!(model.now.remove(0), front);
                    if drawn / 7 % 4 == 0 {
                        list.rotate(&mut slots, front, |link| link);
                        model.later.push(front);
                    } else {
                        list.step_back(&mut slots, front, |link| link);
                        model.now.push(front);
                    }
                }
                _ if model.now.contains(&slot) || model.later.contains(&slot) => {
                    list.remove(&mut slots, slot, |link| link);
                    model.now.retain(|&other| other != slot);
                    model.later.retain(|&other| other != slot);
                }
                _ => {
                    list.push(&mut slots, slot, |link| link);
                    model.later.push(slot);
                }
            }
            let order = [&model.now[..], &model.later].concat();
            assert_eq!(list.is_empty(), order.is_empty());
            let mut copy = slots.clone();
            assert_eq!(drain(&mut { list }, &mut copy), order, "step {step}");
        }
    }
}
