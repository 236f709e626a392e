//! Permits to open a stream, handed out first come, first served.

use std::{collections::VecDeque, task::Waker};

/// Places in the line that are kept when it is empty. A longer line gives its memory back.
const PLACES_KEPT: usize = 64;

/// Who holds a permit, and who waits for one.
#[derive(Debug, Default)]
pub(crate) struct Permits {
    /// Given out and not used yet.
    out: usize,
    /// By ticket, so that a place is found by bisection. Without a waker is who has been woken and not asked since.
    waiting: VecDeque<(u64, Option<Waker>)>,
    next_ticket: u64,
    /// Wakers of those who have left, or come back with another one. They are not dropped here, because what they take
    /// with them may want a permit.
    pub(crate) left: Vec<Waker>,
}

impl Permits {
    /// Asks for a permit while `openable` streams could be opened. `ticket` is the caller's place in the line, which
    /// it keeps until it has a permit. Answers whether the permit is given.
    pub(crate) fn acquire(
        &mut self,
        ticket: &mut Option<u64>,
        openable: usize,
        waker: &Waker,
    ) -> bool {
        let free = openable.saturating_sub(self.out);
        let place = ticket.and_then(|own| self.place(own));
        let ahead = place.unwrap_or(self.waiting.len());
        if ahead < free {
            if let Some(place) = place {
                self.remove(place);
            }
            *ticket = None;
            self.out += 1;
            return true;
        }
        match place.map(|place| &mut self.waiting[place].1) {
            Some(Some(own)) if own.will_wake(waker) => {}
            Some(own) => self.left.extend(own.replace(waker.clone())),
            None => {
                *ticket = Some(self.next_ticket);
                let place = (self.next_ticket, Some(waker.clone()));
                self.waiting.push_back(place);
                self.next_ticket += 1;
            }
        }
        false
    }

    /// How many more could have a permit at once while `openable` streams could be opened, behind those in line.
    pub(crate) fn free(&self, openable: usize) -> usize {
        openable.saturating_sub(self.out + self.waiting.len())
    }

    /// Permits that were given out and not used yet.
    pub(crate) fn given(&self) -> usize {
        self.out
    }

    /// Who stands in line for one.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Takes a permit without standing in line. Answers whether there was one for somebody who would come last.
    pub(crate) fn try_acquire(&mut self, openable: usize) -> bool {
        let free = self.free(openable) > 0;
        self.out += usize::from(free);
        free
    }

    /// A permit was used, or given back.
    pub(crate) fn settle(&mut self) {
        self.out -= 1;
    }

    /// Gives up a place in the line.
    pub(crate) fn leave(&mut self, ticket: u64) {
        if let Some(place) = self.place(ticket) {
            self.remove(place);
        }
    }

    fn remove(&mut self, place: usize) {
        let gone = self.waiting.remove(place);
        self.left.extend(gone.and_then(|(_, waker)| waker));
        if self.waiting.is_empty() && self.waiting.capacity() > PLACES_KEPT {
            self.waiting = VecDeque::new();
        }
    }

    fn place(&self, ticket: u64) -> Option<usize> {
        self.waiting
            .binary_search_by_key(&ticket, |&(other, _)| other)
            .ok()
    }

    /// Those whose turn has come while `openable` streams could be opened, each once. They stay in the line until they
    /// ask.
    pub(crate) fn due(&mut self, openable: usize) -> impl Iterator<Item = Waker> {
        let free = openable.saturating_sub(self.out);
        self.waiting
            .iter_mut()
            .take(free)
            .filter_map(|(_, waker)| waker.take())
    }

    /// Everyone, because the connection is over.
    pub(crate) fn all(&mut self) -> impl Iterator<Item = Waker> {
        self.waiting.drain(..).filter_map(|(_, waker)| waker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permits_are_given_in_the_order_of_asking() {
        let waker = Waker::noop();
        let mut permits = Permits::default();
        let (mut a, mut b, mut c) = (None, None, None);
        assert!(permits.acquire(&mut a, 1, waker));
        assert!(!permits.acquire(&mut b, 1, waker));
        assert!(!permits.acquire(&mut c, 1, waker));
        assert_eq!(permits.due(1).count(), 0);
        permits.settle();
        assert_eq!(permits.due(1).count(), 1);
        assert_eq!(permits.due(1).count(), 0, "b is told once");
        assert!(!permits.acquire(&mut c, 1, waker), "b came first");
        assert!(permits.acquire(&mut b, 1, waker));
        assert!(!permits.acquire(&mut c, 1, waker));
        permits.leave(c.expect("c waits"));
        permits.settle();
        assert_eq!(permits.due(1).count(), 0);
    }

    #[test]
    fn who_was_told_and_leaves_or_asks_too_late_takes_nothing_with_it() {
        let waker = Waker::noop();
        let mut permits = Permits::default();
        let (mut a, mut b) = (None, None);
        assert!(!permits.acquire(&mut a, 0, waker));
        assert!(!permits.acquire(&mut b, 0, waker));
        assert_eq!(permits.due(1).count(), 1);
        // The limit falls before a asks. It keeps its place, and is told again.
        assert!(!permits.acquire(&mut a, 0, waker));
        assert_eq!(permits.due(1).count(), 1);
        permits.leave(a.expect("a waits"));
        assert_eq!(permits.due(1).count(), 1, "it is b's turn");
        assert!(permits.acquire(&mut b, 1, waker));
        assert_eq!((permits.free(1), permits.free(2)), (0, 1));
        assert!(!permits.try_acquire(1) && permits.try_acquire(2));
    }

    #[test]
    fn a_long_line_that_is_gone_takes_no_memory() {
        let mut permits = Permits::default();
        let mut tickets = [None; 10 * PLACES_KEPT];
        for ticket in &mut tickets {
            assert!(!permits.acquire(ticket, 0, Waker::noop()));
        }
        for (n, ticket) in tickets.iter_mut().enumerate() {
            match n % 2 {
                0 => permits.leave(ticket.expect("it waits")),
                _ => assert!(permits.acquire(ticket, 1_000, Waker::noop())),
            }
        }
        assert!(permits.waiting.capacity() <= PLACES_KEPT);
    }
}
