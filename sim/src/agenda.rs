//! What is going to happen, in the order of its moments.

use std::{cmp::Ordering, collections::BinaryHeap};

/// Tasks by their moments, in nanoseconds; those of one moment in the order in which they were put there.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    heap: BinaryHeap<Entry<T>>,
    /// Entries made so far.
    entries: u64,
}

#[derive(Debug)]
struct Entry<T> {
    at: u64,
    n: u64,
    task: T,
}

impl<T> Agenda<T> {
    pub(crate) fn new() -> Self {
        Self {
            heap: BinaryHeap::with_capacity(16),
            entries: 0,
        }
    }

    pub(crate) fn put(&mut self, at: u64, task: T) {
        self.entries += 1;
        let n = self.entries;
        self.heap.push(Entry { at, n, task });
    }

    /// The moment of the first task.
    pub(crate) fn next(&self) -> Option<u64> {
        self.heap.peek().map(|entry| entry.at)
    }

    /// The first task, if its moment has come.
    pub(crate) fn pop_due(&mut self, now: u64) -> Option<T> {
        match self.next() {
            Some(at) if at <= now => self.heap.pop().map(|entry| entry.task),
            _ => None,
        }
    }
}

/// The earlier of two moments, of which there may be none.
pub(crate) fn earlier(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// The first is the greatest, because the heap gives that.
impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.n).cmp(&(self.at, self.n))
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_come_by_their_moments_and_then_in_order() {
        let mut agenda = Agenda::new();
        for (at, task) in [(3, "c"), (1, "a"), (3, "d"), (2, "b"), (3, "e")] {
            agenda.put(at, task);
        }
        assert_eq!((agenda.next(), agenda.pop_due(0)), (Some(1), None));
        let first: Vec<_> = std::iter::from_fn(|| agenda.pop_due(2)).collect();
        assert_eq!(first, ["a", "b"]);
        agenda.put(3, "f");
        agenda.put(1, "late");
        let rest: Vec<_> = std::iter::from_fn(|| agenda.pop_due(3)).collect();
        assert_eq!(rest, ["late", "c", "d", "e", "f"]);
        assert_eq!(agenda.next(), None);
    }
}
