//! What holds of the table between any two calls.

use super::{KINDS, Queue, Streams, list::List};
use crate::stream::Interests;

impl Streams {
    /// Asserts that lists, counts and identifiers agree with the streams.
    pub(crate) fn check(&self) {
        let mut live = 0;
        let mut counted = 0;
        let mut past = 0;
        let mut listed = [0; KINDS];
        let mut parks = 0;
        let header_bytes: usize = self
            .iter()
            .map(|stream| stream.recv.header_bytes as usize)
            .sum();
        assert_eq!(header_bytes, self.header_bytes);
        for (at, slot) in self.slots.iter().enumerate() {
            let Some(stream) = &slot.stream else { continue };
            live += 1;
            counted += usize::from(stream.counted);
            past += u32::from(stream.kept.is_some() && stream.is_closed());
            // Which of the two a stream with bytes is in follows a move of the base when its turn comes.
            let settled =
                |interests: Interests| interests.merged(Interests::DATA, Interests::PARKED);
            assert_eq!(
                settled(slot.listed),
                settled(stream.interests(self.initial_window)),
                "slot {at} was not settled: {stream:?}"
            );
            let parked = slot.listed.contains(Interests::PARKED);
            parks += usize::from(parked);
            assert!(
                !parked || self.lists.parked.offset(slot.place) == stream.send.window.offset(),
                "slot {at} is parked under another offset"
            );
            assert!(
                stream.is_closed() || stream.send.window.offset() <= self.offset_max,
                "slot {at} is further above the base than any"
            );
            assert!(
                !stream.is_spent(),
                "slot {at} is spent and was not forgotten"
            );
            for queue in Queue::ALL {
                listed[queue as usize] += usize::from(slot.listed.contains(queue.interest()));
            }
            if stream.is_bound() {
                assert_eq!(
                    self.ids.find(stream.id),
                    Some(at as u32),
                    "stream {} is not found",
                    stream.id
                );
            }
            stream.recv.credit.check();
        }
        assert_eq!((live, counted, past), (self.live, self.counted, self.past));
        assert_eq!(parks, self.lists.parked.len());
        let lists = &self.lists;
        let data = lists.data.iter().map(|list| self.len(list, Queue::Data));
        assert_eq!(
            listed,
            [
                self.len(&lists.open, Queue::Open),
                self.len(&lists.control, Queue::Control),
                self.len(&lists.notify, Queue::Notify),
                data.sum()
            ]
        );
        assert_eq!(self.waiting(), listed[Queue::Open as usize]);
    }

    /// How many a list leads to.
    fn len(&self, list: &List, queue: Queue) -> usize {
        let next = |&at: &u32| self.slots[at as usize].links[queue.link()].next();
        core::iter::successors(list.front(), next).count()
    }
}
