//! What is still known of streams that have left: enough to tell late frames from faults.

use alloc::vec::Vec;

use crate::{id::StreamId, stream::Left};

/// How many streams are remembered, a power of two. Late frames come within a round trip of the end of a stream.
const REMEMBERED_MAX: u32 = 256;

/// Each stream has one place, by its identifier, and gives way to the next stream with the same one: nobody can make
/// a search of it long. Identifiers of one initiator follow each other, so that the last of them are all there.
#[derive(Debug, Default)]
pub(crate) struct Closed {
    places: Vec<Place>,
    /// How many places a stream has.
    taken: u32,
    /// Whether any stream was ever let go of.
    forgot: bool,
}

/// A stream and how it left, or nothing: the identifier, and in the bits that say which place this is, how it left.
#[derive(Clone, Copy, Debug, Default)]
struct Place(u32);

impl Place {
    /// The bits of an identifier that follow from where it stands. The lowest tells the initiator.
    const IMPLIED: u32 = (REMEMBERED_MAX - 1) << 1;

    const LEFT: [Left; 4] = [
        Left::ResetLocally,
        Left::ResetRemotely,
        Left::HalfEnded,
        Left::Ended,
    ];

    fn new(id: StreamId, left: Left) -> Self {
        let code = match left {
            Left::ResetLocally => 1,
            Left::ResetRemotely => 2,
            Left::HalfEnded => 3,
            Left::Ended => 4,
        };
        Self(id.to_u32() & !Self::IMPLIED | code << 1)
    }

    /// How its stream left; `None` for nothing.
    fn left(self) -> Option<Left> {
        let code = (self.0 & Self::IMPLIED) >> 1;
        Self::LEFT.get(code.checked_sub(1)? as usize).copied()
    }

    /// Whether its stream is `id`, which would stand here.
    fn is(self, id: StreamId) -> bool {
        (self.0 ^ id.to_u32()) & !Self::IMPLIED == 0
    }

    /// Where `id` stands.
    fn at(id: StreamId) -> usize {
        ((id.to_u32() & Self::IMPLIED) >> 1) as usize
    }
}

impl Closed {
    pub(crate) fn push(&mut self, id: StreamId, left: Left) {
        let at = Place::at(id);
        if at >= self.places.len() {
            if at >= self.places.capacity() {
                // By doubling, whatever the first identifier is, up to a place for each.
                let room = (at + 1).next_power_of_two();
                self.places.reserve_exact(room - self.places.len());
            }
            self.places.resize(at + 1, Place::default());
        }
        let before = core::mem::replace(&mut self.places[at], Place::new(id, left));
        self.taken += u32::from(before.left().is_none());
        self.forgot |= before.left().is_some() && !before.is(id);
    }

    /// How `id` left; `None` when it is not remembered.
    pub(crate) fn find(&self, id: StreamId) -> Option<Left> {
        let place = self.places.get(Place::at(id))?;
        place.left().filter(|_| place.is(id))
    }

    /// Lets go of all, when late frames of none can come any more.
    pub(crate) fn forget(&mut self) {
        self.forgot |= !self.places.is_empty();
        self.places = Vec::new();
        self.taken = 0;
    }

    /// How many are remembered.
    pub(crate) fn len(&self) -> usize {
        self.taken as usize
    }

    /// Whether every stream that ever left is remembered, so that one which is not was never opened.
    pub(crate) fn remembers_all(&self) -> bool {
        !self.forgot
    }

    /// Bytes of memory allocated.
    pub(crate) fn memory_footprint(&self) -> usize {
        self.places.capacity() * size_of::<Place>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_streams_are_remembered_and_earlier_ones_give_way() {
        let mut closed = Closed::default();
        let id = |n: u32| StreamId::from_u32(2 * n + 1);
        for n in 0..256 {
            closed.push(id(n), Left::Ended);
        }
        // Said anew of the same stream, which forgets nothing.
        closed.push(id(7), Left::ResetLocally);
        assert!(closed.remembers_all());
        assert_eq!(closed.find(id(7)), Some(Left::ResetLocally));
        closed.push(id(256), Left::Ended);
        assert!(!closed.remembers_all());
        assert_eq!(closed.find(id(0)), None);
        assert_eq!(closed.find(id(1)), Some(Left::Ended));
        assert_eq!(closed.find(id(256)), Some(Left::Ended));
        assert_eq!(closed.len(), 256);
        assert_eq!(closed.memory_footprint(), 1_024);
        closed.forget();
        assert_eq!((closed.memory_footprint(), closed.find(id(256))), (0, None));
        assert_eq!(closed.len(), 0);
        assert!(!closed.remembers_all());
    }

    #[test]
    fn there_is_memory_for_no_more_places_than_there_are() {
        for first in 0..300 {
            let mut closed = Closed::default();
            for n in first..first + 256 {
                closed.push(StreamId::from_u32(2 * n + 1), Left::Ended);
                assert!(closed.memory_footprint() <= 1_024, "from {first} on");
            }
        }
    }

    #[test]
    fn each_way_to_leave_is_told_apart_for_every_identifier() {
        let mut closed = Closed::default();
        for raw in [
            1,
            2,
            3,
            511,
            512,
            513,
            0x4000_0001,
            0x7fff_fffe,
            0x7fff_ffff,
        ] {
            let id = StreamId::from_u32(raw);
            assert_eq!(closed.find(id), None, "{raw}");
            for left in Place::LEFT {
                closed.push(id, left);
                assert_eq!(closed.find(id), Some(left), "{raw}");
            }
            // The same place, and another stream.
            assert_eq!(closed.find(StreamId::from_u32(raw ^ 0x1000)), None);
            assert_eq!(closed.find(StreamId::from_u32(raw ^ 1)), None);
        }
    }
}
