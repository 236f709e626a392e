//! Finds what the adapter knows of a stream by the stream's handle.

use std::collections::BTreeMap;

use raddle_core::StreamHandle;

use crate::state::Slot;

/// The slots of one connection.
///
/// A slot outlives its stream while somebody here holds on to it: an answer that is taken late still has to say what
/// it says, the trailers and the error at its end above all. The engine knows nothing of that and gives the stream's
/// place to the next one. So each place holds the slot of its last stream, found at the cost of one index, and those
/// of earlier streams stand apart, few and short-lived.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    /// By [`StreamHandle::index`].
    places: Vec<Option<Slot>>,
    /// Of streams that have ended and whose place another has.
    late: BTreeMap<StreamHandle, Slot>,
}

impl Slots {
    /// Adds the slot of a stream that is new.
    pub(crate) fn insert(&mut self, slot: Slot) {
        let at = slot.handle.index();
        if at >= self.places.len() {
            self.places.resize_with(at + 1, || None);
        }
        if let Some(late) = self.places[at].replace(slot) {
            debug_assert!(
                late.outcome.is_some(),
                "the engine reuses a place only after it has told the stream's end"
            );
            self.late.insert(late.handle, late);
        }
    }

    pub(crate) fn get_mut(&mut self, handle: StreamHandle) -> Option<&mut Slot> {
        match self.places.get_mut(handle.index())? {
            Some(slot) if slot.handle == handle => Some(slot),
            _ => self.late.get_mut(&handle),
        }
    }

    pub(crate) fn remove(&mut self, handle: StreamHandle) {
        match self.places.get_mut(handle.index()) {
            Some(place) if place.as_ref().is_some_and(|slot| slot.handle == handle) => {
                *place = None;
            }
            _ => drop(self.late.remove(&handle)),
        }
    }
}
