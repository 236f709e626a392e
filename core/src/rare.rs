//! A queue that most connections never need, and that takes a pointer until one does.

use alloc::{boxed::Box, collections::VecDeque};

/// A queue in first-in, first-out order. It allocates with the first entry, and keeps that until it is [cleared](Self::clear).
#[expect(
    clippy::box_collection,
    reason = "the queue itself takes 32 bytes, and is hardly ever there"
)]
#[derive(Debug)]
pub(crate) struct Rare<T>(Option<Box<VecDeque<T>>>);

impl<T> Default for Rare<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Rare<T> {
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| queue.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn push_back(&mut self, entry: T) {
        self.0.get_or_insert_default().push_back(entry);
    }

    pub(crate) fn pop_front(&mut self) -> Option<T> {
        self.0.as_mut()?.pop_front()
    }

    /// Takes the first entry of which that is so.
    pub(crate) fn take_if(&mut self, is_it: impl FnMut(&T) -> bool) -> Option<T> {
        let queue = self.0.as_mut()?;
        let at = queue.iter().position(is_it)?;
        queue.remove(at)
    }

    pub(crate) fn retain(&mut self, keeps: impl FnMut(&T) -> bool) {
        if let Some(queue) = &mut self.0 {
            queue.retain(keeps);
        }
    }

    /// Gives everything back.
    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }

    /// Bytes of memory allocated.
    pub(crate) fn memory_footprint(&self) -> usize {
        self.0.as_ref().map_or(0, |queue| {
            size_of::<VecDeque<T>>() + queue.capacity() * size_of::<T>()
        })
    }
}
