//! Permits to open a stream, handed out first come, first served.

use std::{collections::VecDeque, task::Waker};

/// Who holds a permit, and who waits for one.
#[derive(Debug, Default)]
pub(crate) struct Permits {
    /// Given out and not used yet.
    out: usize,
    waiting: VecDeque<(u64, Waker)>,
    next_ticket: u64,
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
        let place = match *ticket {
            Some(own) => self.waiting.iter().position(|&(other, _)| other == own),
            None => None,
        };
        let ahead = place.unwrap_or(self.waiting.len());
        if ahead < free {
            if let Some(place) = place {
                self.waiting.remove(place);
            }
            *ticket = None;
            self.out += 1;
            return true;
        }
        match place {
            Some(place) => self.waiting[place].1.clone_from(waker),
            None => {
                *ticket = Some(self.next_ticket);
                self.waiting.push_back((self.next_ticket, waker.clone()));
                self.next_ticket += 1;
            }
        }
        false
    }

    /// How many more could have a permit at once while `openable` streams could be opened, behind those in line.
    pub(crate) fn free(&self, openable: usize) -> usize {
        openable.saturating_sub(self.out + self.waiting.len())
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
        self.waiting.retain(|&(other, _)| other != ticket);
    }

    /// Those whose turn has come while `openable` streams could be opened. They stay in the line until they ask.
    pub(crate) fn due(&self, openable: usize) -> impl Iterator<Item = &Waker> {
        let free = openable.saturating_sub(self.out);
        self.waiting.iter().take(free).map(|(_, waker)| waker)
    }

    /// Everyone, because the connection is over.
    pub(crate) fn all(&mut self) -> impl Iterator<Item = Waker> {
        self.waiting.drain(..).map(|(_, waker)| waker)
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
        assert!(!permits.acquire(&mut c, 1, waker), "b came first");
        assert!(permits.acquire(&mut b, 1, waker));
        assert!(!permits.acquire(&mut c, 1, waker));
        permits.leave(c.expect("c waits"));
        permits.settle();
        assert_eq!(permits.due(1).count(), 0);
    }
}
