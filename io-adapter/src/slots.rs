//! What the adapter knows of a stream, and how that is found by the stream's handle.

use std::{
    collections::{BTreeMap, VecDeque},
    task::Waker,
};

use bytes::Bytes;
use raddle_core::{Fields, ResponseHead, StreamError, StreamHandle};

use crate::{
    error::Error,
    planted::{self, Planted},
    watch::StreamSpan,
};

/// What the adapter knows of one stream.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) handle: StreamHandle,
    pub(crate) span: StreamSpan,
    pub(crate) head: Option<ResponseHead>,
    pub(crate) interims: Vec<ResponseHead>,
    pub(crate) data: VecDeque<Bytes>,
    pub(crate) trailers: Option<Fields>,
    /// The peer's message is whole.
    pub(crate) ended: bool,
    /// How the stream ended, once it has.
    pub(crate) outcome: Option<Result<(), StreamError>>,
    /// What went wrong on our side, which tells more than the reset that it caused.
    pub(crate) error: Option<Error>,
    /// The peer wants no more of our body.
    pub(crate) stopped: bool,
    /// Our side has given its whole message.
    pub(crate) given: bool,
    pub(crate) reader: Option<Waker>,
    pub(crate) writer: Option<Waker>,
    pub(crate) reader_gone: bool,
    pub(crate) writer_gone: bool,
    /// Woken by the driver and not back yet.
    pub(crate) woken: bool,
}

impl Slot {
    pub(crate) fn new(handle: StreamHandle) -> Self {
        Self {
            handle,
            span: StreamSpan::default(),
            head: None,
            interims: Vec::new(),
            data: VecDeque::new(),
            trailers: None,
            ended: false,
            outcome: None,
            error: None,
            stopped: false,
            given: false,
            reader: None,
            writer: None,
            reader_gone: false,
            writer_gone: false,
            woken: false,
        }
    }

    /// Whether the peer's message has come and was taken to its end, the head aside.
    pub(crate) fn is_read(&self) -> bool {
        self.ended && self.data.is_empty() && self.trailers.is_none()
    }
}

/// Neighbouring places that share their memory. So many are kept by a connection that is idle; what a request costs in
/// allocations after a lull is one part in so many.
const GROUP_LEN: usize = 4;

/// The slots of one connection.
///
/// A slot outlives its stream while somebody here holds on to it: an answer that is taken late still has to say what
/// it says, the trailers and the error at its end above all. The engine knows nothing of that and gives the stream's
/// place to the next one. So each place holds the slot of its last stream, found at the cost of two indices, and those
/// of earlier streams stand apart, few and short-lived.
///
/// The engine gives the place that was left last to the next stream, so that after many streams a few stand anywhere.
/// Memory comes and goes by groups of places, therefore, and what remains of many streams is a pointer for each group.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    /// By [`StreamHandle::index`]; `None` for a group without a slot.
    groups: Vec<Option<Box<Group>>>,
    /// The last group that became empty: a lone request after the other asks for no memory.
    spare: Option<Box<Group>>,
    /// Of streams that have ended and whose place another has.
    late: BTreeMap<StreamHandle, Slot>,
}

#[derive(Debug, Default)]
struct Group([Option<Slot>; GROUP_LEN]);

impl Slots {
    /// Adds the slot of a stream that is new.
    pub(crate) fn insert(&mut self, slot: Slot) {
        let at = slot.handle.index();
        let group = at / GROUP_LEN;
        if group >= self.groups.len() {
            self.groups.resize_with(group + 1, || None);
        }
        let spare = &mut self.spare;
        let group = self.groups[group].get_or_insert_with(|| spare.take().unwrap_or_default());
        if let Some(late) = group.0[at % GROUP_LEN].replace(slot) {
            debug_assert!(
                late.outcome.is_some(),
                "the engine reuses a place only after it has told the stream's end"
            );
            if !planted::has(Planted::LateSlotLost) {
                self.late.insert(late.handle, late);
            }
        }
    }

    /// How many there are, found by a walk over all of them.
    pub(crate) fn len(&self) -> usize {
        let groups = self.groups.iter().flatten();
        groups.flat_map(|group| &group.0).flatten().count() + self.late.len()
    }

    pub(crate) fn get_mut(&mut self, handle: StreamHandle) -> Option<&mut Slot> {
        let at = handle.index();
        let group = self.groups.get_mut(at / GROUP_LEN).and_then(Option::as_mut);
        match group.and_then(|group| group.0[at % GROUP_LEN].as_mut()) {
            Some(slot) if slot.handle == handle || planted::has(Planted::PlaceIsEnough) => {
                Some(slot)
            }
            _ => self.late.get_mut(&handle),
        }
    }

    pub(crate) fn remove(&mut self, handle: StreamHandle) {
        let at = handle.index();
        let Some(place) = self.groups.get_mut(at / GROUP_LEN) else {
            return;
        };
        match place {
            Some(group)
                if group.0[at % GROUP_LEN]
                    .as_ref()
                    .is_some_and(|slot| slot.handle == handle) =>
            {
                group.0[at % GROUP_LEN] = None;
                if group.0.iter().all(Option::is_none) {
                    self.spare = place.take();
                }
            }
            _ if planted::has(Planted::LateSlotKept) => {}
            _ => drop(self.late.remove(&handle)),
        }
    }
}

#[cfg(test)]
mod tests {
    use raddle_core::{Config, Connection, RequestHead, Role, Then, Timestamp};

    use super::*;

    const MANY: usize = 1_000;

    /// Handles of streams that are open at once.
    fn handles() -> Vec<StreamHandle> {
        let config = Config {
            open_queue_max: MANY,
            ..Config::default()
        };
        let mut connection = Connection::new(Role::Client, config, Timestamp(0));
        let mut open = || {
            let head = RequestHead::new(b"GET", b"http", Some(b"test"), b"/").finish();
            connection.open(head, Then::End).unwrap()
        };
        (0..MANY).map(|_| open()).collect()
    }

    impl Slots {
        fn groups(&self) -> usize {
            let spare = usize::from(self.spare.is_some());
            self.groups.iter().flatten().count() + spare
        }
    }

    #[test]
    fn what_many_streams_took_is_given_back_while_a_few_go_on() {
        let handles = handles();
        let mut slots = Slots::default();
        for handle in &handles {
            slots.insert(Slot::new(*handle));
        }
        assert_eq!(slots.groups(), MANY / GROUP_LEN);
        let kept = [handles[7], handles[MANY - 1]];
        for handle in handles.iter().filter(|handle| !kept.contains(handle)) {
            assert!(slots.get_mut(*handle).is_some());
            slots.remove(*handle);
            assert!(slots.get_mut(*handle).is_none());
        }
        assert_eq!(slots.groups(), kept.len() + 1, "and one to spare");
        for handle in kept {
            assert_eq!(slots.get_mut(handle).unwrap().handle, handle);
            slots.remove(handle);
        }
        assert_eq!(slots.groups(), 1);
        // The spare one goes where the next stream is.
        slots.insert(Slot::new(handles[MANY / 2]));
        assert_eq!(slots.groups(), 1);
        assert!(slots.get_mut(handles[MANY / 2]).is_some());
    }
}
