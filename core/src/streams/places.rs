//! What is kept for an application past the end of a stream: its place, and the credit of what it has not read.

use super::Streams;
use crate::id::StreamHandle;

impl Streams {
    /// Streams that have closed and keep their place.
    pub(crate) fn past(&self) -> usize {
        self.past as usize
    }

    /// Nobody keeps this place any more.
    pub(crate) fn free_place(&mut self, handle: StreamHandle) {
        if let Some(stream) = self.get_mut(handle) {
            let past = stream.kept.take() == Some(true);
            self.past -= u32::from(past);
            self.settle(handle);
        }
    }

    /// Nobody keeps the place of a stream any more.
    pub(crate) fn free_places(&mut self) {
        if self.iter().any(|stream| stream.kept.is_some()) {
            for handle in self.handles() {
                self.free_place(handle);
            }
        }
    }

    /// The streams that hold credit of the connection, and how many bytes each.
    pub(crate) fn holders(&self) -> impl Iterator<Item = (StreamHandle, u64)> + '_ {
        self.slots.iter().enumerate().filter_map(|(at, slot)| {
            let held = slot.stream.as_ref()?.recv.credit.held();
            (held > 0).then(|| (StreamHandle::new(at as u32, slot.generation), held))
        })
    }

    /// Bytes of credit that all streams hold.
    pub(crate) fn held(&self) -> u64 {
        self.iter().map(|stream| stream.recv.credit.held()).sum()
    }
}
