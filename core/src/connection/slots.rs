//! Places under the peer's limit of concurrent streams that are taken by streams which we have reset.
//!
//! RST_STREAM frees a place at once by the letter of RFC 9113 §5.1.2. Servers that defend themselves against rapid resets
//! count what they still work on, so that a client which cancels faster than they can hear of it looks like an attack; and
//! one that has vanished would be sent request after request. Here the place stays taken until a PING behind the
//! RST_STREAM is answered. A peer that speaks, and answers none in its time, is waited for no longer: keep-alive, which asks
//! in silence only, would never end its connection, and the places would be lost for good.

use core::time::Duration;

use super::Connection;
use crate::{
    id::{Role, StreamHandle},
    ping::Purpose,
    planted::{Planted, Plants},
    streams::Queue,
    time::{Timer, Timestamp},
    transmit::Transmit,
};

/// Streams that were reset and still count. A number, whatever is reset.
#[derive(Debug)]
pub(super) struct Held {
    /// No PING stands behind their RST_STREAM frames yet.
    fresh: u32,
    /// The PING that is in flight stands behind theirs.
    asked: u32,
    /// Whether the peer has sent HEADERS or DATA since the last such PING. Servers of gRPC end connections whose client
    /// sends PING upon PING while they send nothing, so that there is no second one before; nor a first one where those for
    /// other purposes are too many already.
    heard: bool,
    /// The peer has let the time for its answer pass. Nothing is held until it answers after all.
    in_vain: bool,
}

impl Default for Held {
    fn default() -> Self {
        Self {
            fresh: 0,
            asked: 0,
            heard: true,
            in_vain: false,
        }
    }
}

impl Held {
    pub(super) fn len(&self) -> usize {
        self.fresh as usize + self.asked as usize
    }

    /// Notes HEADERS or DATA of the peer's.
    pub(super) fn hear(&mut self) {
        self.heard = true;
    }

    /// One more stream was reset. Without leave for a PING, and none in flight, nothing would ever free its place.
    fn hold(&mut self, is_welcome: bool) {
        if !self.in_vain && ((self.heard && is_welcome) || self.asked > 0) {
            self.fresh = self.fresh.saturating_add(1);
        }
    }

    /// The peer has reset one of those streams itself, before our RST_STREAM was out.
    pub(super) fn release(&mut self) {
        self.fresh = self.fresh.saturating_sub(1);
    }

    fn wants_ping(&self) -> bool {
        self.fresh > 0 && self.asked == 0 && self.heard
    }

    fn ask(&mut self) {
        self.asked = core::mem::take(&mut self.fresh);
        self.heard = false;
    }

    /// The PING was answered. Where no second one may follow, it has to do for what was reset meanwhile, too: the peer
    /// lives, and reads.
    pub(super) fn answered(&mut self, is_welcome: bool, plants: Plants) {
        self.asked = 0;
        self.in_vain &= plants.has(Planted::PlacesGivenUp);
        if !self.heard || !is_welcome {
            self.fresh = 0;
        }
    }

    /// Frees all places: there was no answer in time.
    fn give_up(&mut self) {
        self.asked = 0;
        self.fresh = 0;
        self.in_vain = true;
    }
}

impl Connection {
    /// Streams of ours that count against the peer's limit.
    pub(super) fn slots_taken(&self) -> usize {
        self.streams.counted() + self.held.len()
    }

    /// Keeps the place of a stream that we have just reset.
    pub(super) fn hold_slot(&mut self) {
        let limited = self.concurrent_streams() < u32::MAX as usize;
        // Without keep-alive nothing would ever end a connection whose peer is silent.
        let judged = self.config.keep_reset_slots && self.config.keep_alive_interval.is_some();
        if self.role == Role::Client && judged && limited {
            self.held.hold(self.pings.is_welcome());
        }
    }

    /// RFC 9113 §5.1: whoever has read the peer's RST_STREAM sends none on that stream, and the peer counts it no more.
    pub(super) fn forget_reset(&mut self, handle: StreamHandle) {
        let due = self.streams.get_mut(handle);
        if due.is_some_and(|stream| stream.reset_due.take().is_some()) {
            self.held.release();
            self.streams.settle(handle);
        }
    }

    /// Whether it matters that the peer lives: a stream is open, or the place of one is still taken.
    pub(super) fn awaits_peer(&self) -> bool {
        self.streams.any_open() || self.held.len() > 0
    }

    /// Whether a PING is to be cut that frees places.
    pub(super) fn wants_slots_ping(&self) -> bool {
        self.held.wants_ping() && self.pings.has_room() && self.takes_requests()
    }

    /// Cuts the PING behind the RST_STREAM frames, once all of them are out.
    pub(super) fn transmit_slots_ping(&mut self, out: &mut Transmit, now: Timestamp) {
        if self.wants_slots_ping()
            && self.streams.front(Queue::Control).is_none()
            && self.pings.request(Purpose::Slots).is_some()
        {
            self.held.ask();
            self.transmit_pings(out, now);
            self.wait_for_slots(now);
        }
    }

    /// Starts the deadline for places that are held, also for those whose PING finds no room among others.
    pub(super) fn arm_slots(&mut self, now: Timestamp) {
        match self.timers.is_set(Timer::Slots) {
            false if self.held.len() > 0 => self.wait_for_slots(now),
            true if self.held.len() == 0 => self.timers.stop(Timer::Slots),
            _ => {}
        }
    }

    fn wait_for_slots(&mut self, now: Timestamp) {
        self.timers
            .set(Timer::Slots, now.after(self.slots_patience()));
    }

    /// A time that passes: of a silent peer it is looked at again and again.
    fn slots_patience(&self) -> Duration {
        self.config.keep_alive_timeout.max(Duration::from_secs(1))
    }

    /// The time for the answer has passed. A silent peer is left to keep-alive: it may be gone, and would be sent request
    /// after request.
    pub(super) fn look_at_slots(&mut self, now: Timestamp) {
        if now.since(self.last_input) < self.slots_patience() {
            self.held.give_up();
        } else if self.held.len() > 0 {
            self.wait_for_slots(now);
        }
    }
}
