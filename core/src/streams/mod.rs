//! The stream table: slots with generations, identifiers in a sorted ring, and the lists that the output and the
//! caller are served from.
//!
//! No code puts a stream into a list by hand. Whoever has touched a stream calls [`Streams::settle`], which asks the
//! stream for its interests, moves it between the lists accordingly, and forgets it when it is spent.

mod births;
mod closed;
mod ids;
mod invariants;
mod list;
mod parked;
mod places;
mod senders;

use alloc::vec::Vec;

use closed::Closed;
use ids::Ids;
use list::{Link, List};
use parked::Parked;

use crate::{
    id::{StreamHandle, StreamId},
    planted::{Planted, Plants},
    stream::{Interests, Left, Outcome, Spares, Stream},
};

/// Levels of urgency (RFC 9218 §4.1).
const URGENCIES: usize = 8;
/// The kinds of lists that one stream can be in at once.
const KINDS: usize = 4;

/// Slots that a table begins with.
const SLOTS_MIN: usize = 4;

/// Kinds of lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Queue {
    Open,
    Control,
    Notify,
    Data,
}

/// A stream that has no identifier yet is in no DATA list, and one link does for both.
const LINKS: usize = KINDS - 1;

impl Queue {
    /// Which link of a slot threads the list.
    fn link(self) -> usize {
        match self {
            Self::Open | Self::Data => 0,
            Self::Control => 1,
            Self::Notify => 2,
        }
    }

    pub(super) const ALL: [Self; KINDS] = [Self::Open, Self::Control, Self::Notify, Self::Data];

    /// What a stream in the list is interested in.
    const fn interest(self) -> Interests {
        match self {
            Self::Open => Interests::OPEN,
            Self::Control => Interests::CONTROL,
            Self::Notify => Interests::NOTIFY,
            Self::Data => Interests::DATA,
        }
    }
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    links: [Link; LINKS],
    /// The lists that the slot is in.
    listed: Interests,
    /// Which of the DATA lists it is in, when it is in one.
    urgency: u8,
    /// Where among the parked it is, when it is there.
    place: u32,
    stream: Option<Stream>,
}

#[derive(Debug, Default)]
struct Lists {
    open: List,
    /// How many are in `open`.
    waiting: u32,
    control: List,
    notify: List,
    /// By urgency, the most urgent first.
    data: [List; URGENCIES],
    parked: Parked,
}

/// All streams of one connection.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    slots: Vec<Slot>,
    /// Where the generations of new slots begin.
    generation_first: u32,
    free: Vec<u32>,
    ids: Ids,
    pub(crate) closed: Closed,
    lists: Lists,
    spares: Spares,
    live: usize,
    counted: usize,
    /// Streams that have closed and keep their place.
    past: u32,
    /// The peer's SETTINGS_INITIAL_WINDOW_SIZE: the base of every send window.
    initial_window: u32,
    /// No stream's window is further above the base than this.
    offset_max: i64,
    /// Bytes of header lists that the streams in the table have brought.
    header_bytes: usize,
    /// Entries that were looked at so far.
    visits: u64,
    pub(crate) plants: Plants,
}

impl Streams {
    /// An empty table. `initial_window` is the base of the send windows, in bytes.
    pub(crate) fn new(initial_window: u32) -> Self {
        Self {
            initial_window,
            ..Self::default()
        }
    }

    /// Whether the table has room for many more streams than it has.
    pub(crate) fn is_roomy(&self) -> bool {
        self.live == 0 && self.slots.capacity() > SLOTS_MIN
    }

    /// Gives back the memory of an empty table.
    pub(crate) fn tidy(&mut self) {
        debug_assert_eq!(self.live, 0);
        let generations = self.slots.iter().map(|slot| slot.generation);
        // Handles that are still about must not name a stream to come. The last generation is given out to nobody.
        let first = match generations.max() {
            Some(last) => last.checked_add(1),
            None => Some(self.generation_first),
        };
        let Some(first) = first else {
            return;
        };
        if !self.plants.has(Planted::HandlesReused) {
            self.generation_first = first;
        }
        self.slots = Vec::new();
        self.free = Vec::new();
        self.ids = Ids::default();
        self.closed.forget();
        self.lists.parked = Parked::default();
        self.spares = Spares::default();
    }

    pub(crate) fn get(&self, handle: StreamHandle) -> Option<&Stream> {
        let slot = self.slots.get(handle.slot() as usize)?;
        let any = self.plants.has(Planted::NoGenerations);
        slot.stream
            .as_ref()
            .filter(|_| any || slot.generation == handle.generation())
    }

    /// For a change, to be followed by [`Streams::settle`].
    pub(crate) fn get_mut(&mut self, handle: StreamHandle) -> Option<&mut Stream> {
        let any = self.plants.has(Planted::NoGenerations);
        let slot = self.slots.get_mut(handle.slot() as usize)?;
        slot.stream
            .as_mut()
            .filter(|_| any || slot.generation == handle.generation())
    }

    /// As [`Streams::get_mut`], for a command that gives the stream something to send.
    pub(crate) fn get_to_give(&mut self, handle: StreamHandle) -> Option<&mut Stream> {
        let any = self.plants.has(Planted::NoGenerations);
        let slot = self.slots.get_mut(handle.slot() as usize)?;
        let generation = slot.generation;
        let stream = slot
            .stream
            .as_mut()
            .filter(|_| any || generation == handle.generation())?;
        stream.send.lend(&mut self.spares);
        Some(stream)
    }

    /// Where a stream that is not in the table yet gets a box for its parts.
    pub(crate) fn spares(&mut self) -> &mut Spares {
        &mut self.spares
    }

    pub(crate) fn find(&self, id: StreamId) -> Option<StreamHandle> {
        self.ids.find(id).map(|slot| self.handle(slot))
    }

    /// The first stream of a list.
    pub(crate) fn front(&self, queue: Queue) -> Option<StreamHandle> {
        let list = match queue {
            Queue::Open if self.plants.has(Planted::NewestFirst) => return self.newest(),
            Queue::Open => &self.lists.open,
            Queue::Control => &self.lists.control,
            Queue::Notify => &self.lists.notify,
            Queue::Data => self.lists.data.iter().find(|list| !list.is_empty())?,
        };
        list.front().map(|slot| self.handle(slot))
    }

    /// Makes the table agree with a stream that was touched. Cheap when nothing changed.
    pub(crate) fn settle(&mut self, handle: StreamHandle) {
        let base = self.initial_window;
        let any = self.plants.has(Planted::NoGenerations);
        self.visits += 1;
        let Some(slot) = self.slots.get_mut(handle.slot() as usize) else {
            return;
        };
        let Some(stream) = &mut slot.stream else {
            return;
        };
        if slot.generation != handle.generation() && !any {
            return;
        }
        if stream.is_closed() {
            let outcome = *stream.outcome.get_or_insert(Outcome::Finished);
            let stays =
                stream.plants.has(Planted::ResetStaysCounted) && outcome != Outcome::Finished;
            if core::mem::take(&mut stream.counted) && !stays {
                self.counted -= 1;
            }
        }
        if stream.kept == Some(false) && stream.is_closed() {
            stream.kept = Some(true);
            self.past += 1;
        }
        stream.send.give_back(&mut self.spares);
        let want = stream.interests(base);
        let spent = stream.is_spent();
        let stays = want & slot.listed;
        let moved = (stays.contains(Interests::DATA) && slot.urgency != stream.priority.level())
            || (stays.contains(Interests::PARKED)
                && self.lists.parked.offset(slot.place) != stream.send.window.offset());
        if moved {
            // Out of where it was, and in again where it belongs now.
            self.relist(handle.slot(), Interests::NONE);
            self.relist(handle.slot(), want);
        } else if want != slot.listed {
            self.relist(handle.slot(), want);
        }
        if spent {
            self.forget(handle);
        }
    }

    fn relist(&mut self, slot: u32, want: Interests) {
        let entry = &mut self.slots[slot as usize];
        let listed = core::mem::replace(&mut entry.listed, want);
        let changed = listed ^ want;
        if (changed & want).contains(Interests::DATA) {
            let stream = entry.stream.as_ref();
            entry.urgency = stream.map_or(0, |stream| stream.priority.level());
        }
        // In this order: a stream leaves Open before it joins Data, which uses the same link. One by one, since each is
        // little work when the compiler knows which list it is.
        self.change(Queue::Open, slot, listed, changed);
        self.change(Queue::Control, slot, listed, changed);
        self.change(Queue::Notify, slot, listed, changed);
        self.change(Queue::Data, slot, listed, changed);
        if changed.contains(Interests::PARKED) {
            self.repark(slot, want.contains(Interests::PARKED));
        }
    }

    /// Moves a slot into a list or out of it, if that is among what `changed`.
    #[inline(always)]
    fn change(&mut self, queue: Queue, slot: u32, listed: Interests, changed: Interests) {
        if !changed.contains(queue.interest()) {
            return;
        }
        match listed.contains(queue.interest()) {
            true => self.leave(queue, slot),
            false => self.join(queue, slot),
        }
    }

    fn repark(&mut self, slot: u32, park: bool) {
        let (parked, slots) = (&mut self.lists.parked, &mut self.slots);
        let entry = &slots[slot as usize];
        if park {
            let stream = entry.stream.as_ref();
            let offset = stream.map_or(0, |stream| stream.send.window.offset());
            parked.push(offset, slot, |slot, at| slots[slot as usize].place = at);
        } else {
            let place = entry.place;
            parked.remove(place, |slot, at| slots[slot as usize].place = at);
        }
    }

    fn listed(&self, handle: StreamHandle) -> Interests {
        self.slots[handle.slot() as usize].listed
    }

    fn forget(&mut self, handle: StreamHandle) {
        let slot = &mut self.slots[handle.slot() as usize];
        debug_assert_eq!(slot.listed, Interests::NONE, "a spent stream wants nothing");
        let Some(stream) = slot.stream.take() else {
            return;
        };
        // A handle of the last generation is never given out again, rather than mistaken for another.
        if let Some(next) = slot.generation.checked_add(1) {
            slot.generation = next;
            self.free.push(handle.slot());
        }
        self.live -= 1;
        self.header_bytes -= stream.recv.header_bytes as usize;
        if stream.is_bound() {
            self.ids.remove(stream.id);
            self.closed
                .push(stream.id, stream.left().unwrap_or(Left::Ended));
        }
    }

    /// Streams that count against the limit of concurrent streams.
    pub(crate) fn counted(&self) -> usize {
        self.counted
    }

    /// Streams that wait for an identifier.
    pub(crate) fn waiting(&self) -> usize {
        self.lists.waiting as usize
    }

    /// Whether a stream is left that is not closed.
    pub(crate) fn any_open(&self) -> bool {
        self.counted > 0 || !self.lists.open.is_empty()
    }

    /// Streams in the table, ended ones that somebody still has to do with included.
    pub(crate) fn live(&self) -> usize {
        self.live
    }

    /// Entries that were looked at so far, for the meter of work.
    pub(crate) fn visits(&self) -> u64 {
        self.visits
    }

    /// Bytes of header lists that the streams in the table have brought.
    pub(crate) fn header_bytes(&self) -> usize {
        self.header_bytes
    }

    /// Notes a header list that a stream of the table has brought; it counts until the stream leaves.
    pub(crate) fn add_header_bytes(&mut self, handle: StreamHandle, bytes: usize) {
        if let Some(stream) = self.get_mut(handle) {
            // The limit on a list has 32 bits, and a stream brings few lists.
            let before = stream.recv.header_bytes;
            stream.recv.header_bytes =
                before.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
            self.header_bytes += (stream.recv.header_bytes - before) as usize;
        }
    }

    /// Every stream of the table.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.slots.iter().filter_map(|slot| slot.stream.as_ref())
    }

    /// Bytes of memory that the table itself takes, without what its streams keep.
    pub(crate) fn memory_footprint(&self) -> usize {
        self.slots.capacity() * size_of::<Slot>()
            + self.free.capacity() * size_of::<u32>()
            + self.ids.memory_footprint()
            + self.closed.memory_footprint()
            + self.lists.parked.memory_footprint()
            + self.spares.memory_footprint()
    }

    /// Every handle in the table, in the order of slots. For what concerns all streams at once.
    pub(crate) fn handles(&mut self) -> Vec<StreamHandle> {
        self.visits += self.slots.len() as u64;
        let slots = self.slots.iter().enumerate();
        slots
            .filter(|(_, slot)| slot.stream.is_some())
            .map(|(at, slot)| StreamHandle::new(at as u32, slot.generation))
            .collect()
    }

    fn handle(&self, slot: u32) -> StreamHandle {
        StreamHandle::new(slot, self.slots[slot as usize].generation)
    }

    #[inline(always)]
    fn join(&mut self, queue: Queue, slot: u32) {
        self.lists.waiting += u32::from(queue == Queue::Open);
        let list = self.lists.of(queue, self.slots[slot as usize].urgency);
        list.push(&mut self.slots, slot, |slot| &mut slot.links[queue.link()]);
    }

    #[inline(always)]
    fn leave(&mut self, queue: Queue, slot: u32) {
        self.lists.waiting -= u32::from(queue == Queue::Open);
        let list = self.lists.of(queue, self.slots[slot as usize].urgency);
        list.remove(&mut self.slots, slot, |slot| &mut slot.links[queue.link()]);
    }
}

impl Lists {
    fn of(&mut self, queue: Queue, urgency: u8) -> &mut List {
        match queue {
            Queue::Open => &mut self.open,
            Queue::Control => &mut self.control,
            Queue::Notify => &mut self.notify,
            Queue::Data => &mut self.data[usize::from(urgency)],
        }
    }
}
