//! Streams with DATA to send: their windows, and whose turn it is.

use super::{
    Queue, Slot, Streams,
    list::{Link, List},
};
use crate::{
    config::WINDOW_MAX,
    fuel::Fuel,
    id::StreamHandle,
    planted::Planted,
    stream::{Interests, Stream},
};

impl Streams {
    /// The base of every send window: the peer's SETTINGS_INITIAL_WINDOW_SIZE.
    pub(crate) fn initial_window(&self) -> u32 {
        self.initial_window
    }

    /// The newest request that waits, for a fault that is switched on.
    pub(super) fn newest(&self) -> Option<StreamHandle> {
        self.lists.open.back().map(|slot| self.handle(slot))
    }

    /// Moves every send window to a new base (RFC 9113 §6.9.2); `false` when one of them would leave 31 bits.
    ///
    /// No stream is touched: those whose window closes are parked when their turn comes, and those whose window opens
    /// are found on top of the parked.
    #[must_use]
    pub(crate) fn move_base(&mut self, base: u32) -> bool {
        if self.plants.has(Planted::LowerWindowIgnored) && base < self.initial_window {
            return true;
        }
        let raised = i64::from(base) - i64::from(self.initial_window);
        self.initial_window = base;
        if self.plants.has(Planted::SettingsWalkStreams) {
            for handle in self.handles() {
                self.settle(handle);
            }
        }
        if self.plants.has(Planted::RaiseFreesOne) && raised > 0 {
            let first = self.lists.parked.top().map(|(_, slot)| slot as usize);
            for handle in self.handles() {
                let parked = self.listed(handle).contains(Interests::PARKED);
                if parked
                    && Some(handle.index()) != first
                    && let Some(stream) = self.get_mut(handle)
                {
                    stream.send.window.spend(raised as usize);
                    self.settle(handle);
                }
            }
        }
        self.forgive_debts(base);
        let fits = |offset_max: i64| i64::from(base) + offset_max <= i64::from(WINDOW_MAX);
        if !fits(self.offset_max) {
            // Only what the peer has granted beyond its base brings us here, one WINDOW_UPDATE at least each time.
            self.visits += self.slots.len() as u64;
            let streams = self.slots.iter().filter_map(|slot| slot.stream.as_ref());
            let open = streams.filter(|stream| !stream.is_closed());
            self.offset_max = open
                .map(|stream| stream.send.window.offset())
                .max()
                .unwrap_or(0)
                .max(0);
        }
        fits(self.offset_max) || self.plants.has(Planted::BaseOverflows)
    }

    /// What happens to negative windows with a fault that is switched on.
    fn forgive_debts(&mut self, base: u32) {
        let clamped = self.plants.has(Planted::NegativeWindowClamped);
        if !clamped && !self.plants.has(Planted::NegativeWindowWraps) {
            return;
        }
        for handle in self.handles() {
            if let Some(stream) = self.get_mut(handle) {
                let debt = -stream.send.window.window(base).min(0);
                let grown = match debt {
                    0 => 0,
                    debt if clamped => debt as u32,
                    _ => WINDOW_MAX,
                };
                let _ = stream.send.window.grow(grown, base);
                let offset = stream.send.window.offset();
                self.offset_max = self.offset_max.max(offset);
            }
            self.settle(handle);
        }
    }

    /// Adds the increment of a WINDOW_UPDATE to a stream's send window; `false` when that would leave 31 bits.
    #[must_use]
    pub(crate) fn grow_window(&mut self, handle: StreamHandle, increment: u32) -> bool {
        let base = self.initial_window;
        let Some(stream) = self.get_mut(handle) else {
            return true;
        };
        if !stream.send.window.grow(increment, base) {
            return false;
        }
        let offset = stream.send.window.offset();
        self.offset_max = self.offset_max.max(offset);
        self.settle(handle);
        true
    }

    /// The stream whose turn it is to send DATA, of those whose own window is open.
    pub(crate) fn next_sender(&mut self) -> Option<StreamHandle> {
        let mut fuel = Fuel::of(4 * self.live() + 4);
        loop {
            fuel.burn();
            // Two for each that leaves: nobody waits among the parked for longer than there are streams.
            for _ in 0..2 {
                self.unpark();
            }
            let front = self.front(Queue::Data)?;
            let base = self.initial_window;
            let open = |stream: &Stream| stream.send.window.window(base) > 0;
            if self.get(front).is_some_and(open) {
                return Some(front);
            }
            // The base has fallen since it was listed.
            self.settle(front);
        }
    }

    /// The turn of the first of the senders is over: it moves behind its equals, if it is still among them.
    pub(crate) fn rotate(&mut self, handle: StreamHandle) {
        if let Some(urgency) = self.sends(handle) {
            let list = &mut self.lists.data[usize::from(urgency)];
            list.rotate(&mut self.slots, handle.slot(), link);
        }
    }

    /// The connection's window has cut the turn of the first of the senders short: those of its round go before it
    /// takes what is left.
    pub(crate) fn step_back(&mut self, handle: StreamHandle) {
        if let Some(urgency) = self.sends(handle) {
            let list = &mut self.lists.data[usize::from(urgency)];
            list.step_back(&mut self.slots, handle.slot(), link);
        }
    }

    /// The level of urgency among whose senders a stream is.
    fn sends(&self, handle: StreamHandle) -> Option<u8> {
        let slot = &self.slots[handle.slot() as usize];
        let is_listed =
            slot.generation == handle.generation() && slot.listed.contains(Interests::DATA);
        is_listed.then_some(slot.urgency)
    }

    /// Lets the first of the parked go on, if its window has opened.
    fn unpark(&mut self) {
        if let Some(slot) = self.unparkable() {
            self.settle(self.handle(slot));
        }
    }

    fn unparkable(&self) -> Option<u32> {
        let (offset, slot) = self.lists.parked.top()?;
        (i64::from(self.initial_window) + offset > 0).then_some(slot)
    }

    /// Whether some stream has DATA to send, whatever the windows are.
    pub(crate) fn any_waits(&self) -> bool {
        self.lists.parked.len() > 0 || self.lists.data.iter().any(|list| !list.is_empty())
    }

    /// Whether some stream could send DATA under its own window.
    pub(crate) fn has_sender(&self) -> bool {
        self.unparkable().is_some() || self.lists.data.iter().any(|list| self.has_window(list))
    }

    fn has_window(&self, list: &List) -> bool {
        // All of them have one unless the base has fallen, so that this ends with the first, or nearly.
        let mut next = list.front();
        let mut fuel = Fuel::of(self.slots.len());
        while let Some(at) = next {
            fuel.burn();
            let slot = &self.slots[at as usize];
            let open = |stream: &Stream| stream.send.window.window(self.initial_window) > 0;
            if slot.stream.as_ref().is_some_and(open) {
                return true;
            }
            next = slot.links[Queue::Data.link()].next();
        }
        false
    }
}

/// Where a slot is among those who send.
fn link(slot: &mut Slot) -> &mut Link {
    &mut slot.links[Queue::Data.link()]
}
