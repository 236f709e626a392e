//! How streams come into the table, and get their identifiers.

use super::{Queue, SLOTS_MIN, Slot, Streams};
use crate::{
    id::{StreamHandle, StreamId},
    stream::{Interests, Stream},
};

impl Streams {
    /// Adds a stream, to be followed by [`Streams::settle`].
    pub(crate) fn insert(&mut self, mut stream: Stream) -> StreamHandle {
        stream.plants = self.plants;
        let slot = self.free.pop().unwrap_or_else(|| self.add_slot());
        let entry = &mut self.slots[slot as usize];
        entry.stream = Some(stream);
        let handle = StreamHandle::new(slot, entry.generation);
        self.live += 1;
        handle
    }

    /// Adds a request that waits for its identifier, which is all that it is interested in: nothing is to be settled.
    pub(crate) fn insert_waiting(&mut self, stream: Stream) -> StreamHandle {
        debug_assert_eq!(stream.interests(self.initial_window), Interests::OPEN);
        let handle = self.insert(stream);
        self.visits += 1;
        self.slots[handle.slot() as usize].listed = Interests::OPEN;
        self.join(Queue::Open, handle.slot());
        handle
    }

    /// Adds a stream that the peer has opened by a header list of so many bytes. It is interested in nothing yet: there is
    /// nothing to settle.
    pub(crate) fn insert_opened(
        &mut self,
        mut stream: Stream,
        id: StreamId,
        header_bytes: usize,
    ) -> StreamHandle {
        debug_assert_eq!(stream.interests(self.initial_window), Interests::NONE);
        stream.id = id;
        stream.counted = true;
        // The limit on a list has 32 bits.
        stream.recv.header_bytes = u32::try_from(header_bytes).unwrap_or(u32::MAX);
        self.header_bytes += stream.recv.header_bytes as usize;
        self.counted += 1;
        self.visits += 1;
        let handle = self.insert(stream);
        self.ids.push(id, handle.slot());
        handle
    }

    fn add_slot(&mut self) -> u32 {
        if self.slots.len() == self.slots.capacity() {
            // By a quarter: what is copied stays a constant for each stream, and what stands empty a fifth.
            self.slots
                .reserve_exact((self.slots.len() / 4).max(SLOTS_MIN));
        }
        self.slots.push(Slot {
            generation: self.generation_first,
            links: Default::default(),
            listed: Interests::NONE,
            urgency: 0,
            place: 0,
            stream: None,
        });
        (self.slots.len() - 1) as u32
    }

    /// Gives a stream its identifier, which is above all others, and counts it.
    pub(crate) fn bind(&mut self, handle: StreamHandle, id: StreamId) {
        self.ids.push(id, handle.slot());
        if let Some(stream) = self.get_mut(handle) {
            debug_assert!(!stream.is_bound());
            stream.id = id;
            stream.counted = true;
            self.counted += 1;
        }
    }
}
