//! What is still known of streams that have left: enough to tell late frames from faults.

use alloc::vec::Vec;

use crate::{id::StreamId, stream::Left};

/// How many streams are remembered, a power of two. Late frames come within a round trip of the end of a stream.
const REMEMBERED_MAX: u32 = 256;

/// Each stream has one place, by its identifier, and gives way to the next stream with the same one: nobody can make
/// a search of it long. Identifiers of one initiator follow each other, so that the last of them are all there.
#[derive(Debug, Default)]
pub(crate) struct Closed {
    places: Vec<Option<(StreamId, Left)>>,
    /// Whether any stream was ever let go of.
    forgot: bool,
}

impl Closed {
    pub(crate) fn push(&mut self, id: StreamId, left: Left) {
        let at = Self::place(id);
        if at >= self.places.len() {
            self.places.resize(at + 1, None);
        }
        let before = self.places[at].replace((id, left));
        self.forgot |= before.is_some_and(|(other, _)| other != id);
    }

    /// How `id` left; `None` when it is not remembered.
    pub(crate) fn find(&self, id: StreamId) -> Option<Left> {
        let &(other, left) = self.places.get(Self::place(id))?.as_ref()?;
        (other == id).then_some(left)
    }

    /// Whether every stream that ever left is remembered, so that one which is not was never opened.
    pub(crate) fn remembers_all(&self) -> bool {
        !self.forgot
    }

    /// Bytes of memory allocated.
    pub(crate) fn memory_footprint(&self) -> usize {
        self.places.capacity() * size_of::<Option<(StreamId, Left)>>()
    }

    fn place(id: StreamId) -> usize {
        (id.to_u32() / 2 % REMEMBERED_MAX) as usize
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
        assert!(closed.memory_footprint() <= 4 * 1_024);
    }
}
