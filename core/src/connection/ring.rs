//! Events that wait to be polled.
//!
//! A short piece of a body that comes behind another of its stream, which nobody has polled yet, becomes part of it. Whoever
//! cuts bodies into single bytes then pays a place for each stream, not one for each byte.

use alloc::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::{data::Payload, footprint::carried};
use crate::{
    event::{Event, Then},
    id::StreamHandle,
    planted::Planted,
    stream::Stream,
};

/// Payloads up to this many bytes are copied together, so that a short message does not keep a whole read buffer.
pub(super) const COPY_MAX: usize = 1_024;
/// Size of the blocks that they are copied into.
const COPY_BLOCK: usize = 4_096;
/// The most bytes that become one event: a frame of the smallest maximum size has as many.
const RUN_MAX: usize = 16_384;
/// Bytes of the first piece of memory that pieces of one stream get for themselves.
const RUN_ROOM: usize = 64;

/// An event in its place.
#[derive(Debug)]
enum Queued {
    Event(Event),
    /// Short pieces of a body, as one.
    Run {
        stream: StreamHandle,
        data: BytesMut,
        then: Then,
        /// Whether the bytes have memory of their own.
        apart: bool,
    },
}

/// The events of one connection, in order.
#[derive(Debug, Default)]
pub(super) struct Ring {
    queue: VecDeque<Queued>,
    /// The number of the first event in the queue: how many were polled, modulo 2^16.
    first: u16,
    /// Where short pieces are copied together.
    small: BytesMut,
    /// Bytes of its piece of memory that were handed out.
    small_given: usize,
    /// The number of the event whose bytes end where `small` begins.
    adjacent: Option<u16>,
}

impl Ring {
    pub(super) fn push(&mut self, event: Event) {
        self.queue.push_back(Queued::Event(event));
    }

    /// Part of a body, behind the last part of the same stream, if it says anything. Answers how many bytes were copied.
    pub(super) fn push_data(
        &mut self,
        stream: StreamHandle,
        state: &mut Stream,
        data: Payload<'_>,
        end: bool,
    ) -> usize {
        let then = Then::end_if(end);
        let last = &mut state.last_data;
        let data = match data {
            Payload::Taken(data) if data.len() > COPY_MAX => {
                *last = self.next_number();
                self.push(Event::Data { stream, data, then });
                return 0;
            }
            Payload::Taken(ref data) => &data[..],
            Payload::Lying(data) => data,
        };
        let is_nothing = data.is_empty() && !end;
        if is_nothing && !state.plants.has(Planted::EmptyDataHandedOut) {
            return 0;
        }
        if !is_nothing && let Some(copied) = self.join(stream, data, then, *last) {
            return copied;
        }
        *last = self.next_number();
        if data.is_empty() {
            self.push(Event::Data {
                stream,
                data: Bytes::new(),
                then,
            });
            return 0;
        }
        if self.small.capacity() < data.len() {
            self.small.reserve(COPY_BLOCK);
            self.small_given = 0;
        }
        self.adjacent = Some(*last);
        self.queue.push_back(Queued::Run {
            stream,
            data: carve(&mut self.small, &mut self.small_given, data),
            then,
            apart: false,
        });
        data.len()
    }

    /// Makes `more` part of the event with that number, if it waits and is made of short pieces of the same stream.
    fn join(
        &mut self,
        of: StreamHandle,
        more: &[u8],
        more_then: Then,
        number: u16,
    ) -> Option<usize> {
        // A number names one place in a queue of no more places than there are numbers.
        if self.queue.len() > usize::from(u16::MAX) {
            return None;
        }
        let at = usize::from(number.wrapping_sub(self.first));
        let Queued::Run {
            stream,
            data,
            then,
            apart,
        } = self.queue.get_mut(at)?
        else {
            return None;
        };
        let fits = data.len() + more.len() <= RUN_MAX;
        if *stream != of || then.is_end() || !fits {
            return None;
        }
        *then = more_then;
        if more.is_empty() {
            return Some(0);
        }
        if self.adjacent == Some(number) && self.small.capacity() >= more.len() {
            data.unsplit(carve(&mut self.small, &mut self.small_given, more));
            return Some(more.len());
        }
        let mut copied = more.len();
        if !*apart || data.capacity() - data.len() < more.len() {
            // Twice as much each time: a byte is moved twice at most, however it came.
            let room = (2 * data.len()).max(data.len() + more.len()).max(RUN_ROOM);
            let mut moved = BytesMut::with_capacity(room);
            moved.extend_from_slice(data);
            copied += data.len();
            *data = moved;
            *apart = true;
            if self.adjacent == Some(number) {
                self.adjacent = None;
            }
        }
        data.extend_from_slice(more);
        Some(copied)
    }

    pub(super) fn pop(&mut self) -> Option<Event> {
        let queued = self.queue.pop_front()?;
        let number = self.first;
        self.first = number.wrapping_add(1);
        Some(match queued {
            Queued::Event(event) => event,
            Queued::Run {
                stream, data, then, ..
            } => {
                if self.adjacent == Some(number) {
                    self.adjacent = None;
                }
                Event::Data {
                    stream,
                    data: data.freeze(),
                    then,
                }
            }
        })
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Gives back the memory of places that are free, and of short pieces to come.
    pub(super) fn shrink(&mut self) {
        self.queue.shrink_to_fit();
        self.small = BytesMut::new();
        self.small_given = 0;
        self.adjacent = None;
    }

    /// For a planted fault: forgets that a stream has ended.
    pub(super) fn forget_end(&mut self, of: StreamHandle) {
        for queued in &mut self.queue {
            match queued {
                Queued::Event(Event::Data { stream, then, .. })
                | Queued::Run { stream, then, .. }
                    if *stream == of =>
                {
                    *then = Then::More;
                }
                _ => {}
            }
        }
    }

    fn next_number(&self) -> u16 {
        let places = (self.queue.len() % (1 << 16)) as u16;
        self.first.wrapping_add(places)
    }

    /// Bytes of memory: of places, of bodies, and of header lists that wait.
    pub(super) fn memory_footprint(&self) -> [usize; 3] {
        let (mut together, mut bodies, mut lists) = (0, 0, 0);
        for queued in &self.queue {
            match queued {
                Queued::Run {
                    data, apart: true, ..
                } => bodies += data.capacity(),
                Queued::Run { data, .. } => together += data.len(),
                Queued::Event(event) => {
                    let (body, list) = carried(event);
                    bodies += body;
                    lists += list;
                }
            }
        }
        // What was given of the piece in use stays allocated with it, and is most likely what waits.
        bodies += together.max(self.small_given) + self.small.capacity();
        [self.queue.capacity() * size_of::<Queued>(), bodies, lists]
    }
}

/// A copy of `bytes` at the end of what was carved before, in room that is there.
fn carve(small: &mut BytesMut, given: &mut usize, bytes: &[u8]) -> BytesMut {
    small.extend_from_slice(bytes);
    *given += bytes.len();
    small.split()
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::{
        flow::Inbound,
        head::Answered,
        stream::{RecvHalf, SendHalf},
    };

    /// Numbers that there are for places.
    const NUMBERS: usize = 1 << 16;

    /// What is not copied.
    const LONG: &[u8] = &[b'-'; COPY_MAX + 1];

    struct Body {
        stream: StreamHandle,
        state: Stream,
    }

    impl Body {
        fn new(slot: u32) -> Self {
            let recv = RecvHalf::new(Inbound::new(0, 0));
            Self {
                stream: StreamHandle::new(slot, 0),
                state: Stream::new(SendHalf::new(0), recv, Answered::Other),
            }
        }

        fn push(&mut self, ring: &mut Ring, data: &'static [u8]) {
            let data = match data.len() {
                0..=COPY_MAX => Payload::Lying(data),
                _ => Payload::Taken(Bytes::from_static(data)),
            };
            ring.push_data(self.stream, &mut self.state, data, false);
        }
    }

    fn told(ring: &mut Ring) -> Vec<(StreamHandle, Vec<u8>)> {
        let mut told = Vec::new();
        while let Some(event) = ring.pop() {
            if let Event::Data { stream, data, .. } = event {
                told.push((stream, data.to_vec()));
            }
        }
        told
    }

    fn fill(ring: &mut Ring, len: usize) {
        while ring.len() < len {
            ring.push(Event::PeerDraining);
        }
    }

    #[test]
    fn pieces_keep_their_order_when_more_events_wait_than_there_are_numbers() {
        // Whatever the number of the first is.
        for polled in [0, 1, 40_000, NUMBERS - 1] {
            let mut ring = Ring::default();
            fill(&mut ring, polled);
            while ring.pop().is_some() {}
            let (mut body, mut other) = (Body::new(0), Body::new(1));
            body.push(&mut ring, b"a");
            fill(&mut ring, NUMBERS - 1);
            body.push(&mut ring, b"b");
            assert_eq!(ring.len(), NUMBERS - 1, "each number names one place");
            other.push(&mut ring, b"x");
            assert_eq!(ring.len(), NUMBERS);
            // Its number is that of the first place, where this stream's bytes do not go on.
            body.push(&mut ring, LONG);
            body.push(&mut ring, b"c");
            body.push(&mut ring, b"d");
            other.push(&mut ring, b"y");
            fill(&mut ring, 2 * NUMBERS + 5);
            body.push(&mut ring, b"e");
            let told = told(&mut ring);
            let bytes = |of: &Body| {
                let parts = told.iter().filter(|(stream, _)| *stream == of.stream);
                parts
                    .flat_map(|(_, data)| data.clone())
                    .collect::<Vec<u8>>()
            };
            let whole = [&b"ab"[..], LONG, b"cde"].concat();
            assert!(bytes(&body) == whole, "{polled} polled");
            assert_eq!(bytes(&other), b"xy", "{polled} polled");
            assert_eq!(told[0].1, b"ab");
        }
    }
}
