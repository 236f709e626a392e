//! Events out, and the next deadline.

use super::{Connection, Lifecycle};
use crate::{event::Event, fuel::Fuel, limits::Cause, streams::Queue, time::Timestamp};

impl Connection {
    /// The next event, in order; `None` when there is none for now.
    pub fn poll_event(&mut self) -> Option<Event> {
        if let Some(event) = self.events.pop() {
            return Some(event);
        }
        // Outcomes come behind everything that arrived for their streams.
        let mut fuel = Fuel::of(2 * self.streams.live() + 2);
        while let Some(handle) = self.streams.front(Queue::Notify) {
            fuel.burn();
            let event = self
                .streams
                .get_mut(handle)
                .and_then(|stream| stream.take_notice(handle));
            self.streams.settle(handle);
            if let Some(Event::Finished { .. }) = event {
                // Each request that was served explains a late reset, and a window that was opened for it by hand although
                // no DATA came, and a body of nothing that began without its end.
                for cause in [Cause::Reset, Cause::WindowUpdate, Cause::EmptyData] {
                    self.buckets.refund(cause, 1);
                }
            }
            if event.is_some() {
                return event;
            }
        }
        let is_starved = self.openable() == 0;
        let starved = core::mem::replace(&mut self.starved, is_starved);
        if starved && !self.starved && self.takes_requests() {
            return Some(Event::Openable);
        }
        self.finish_drain();
        core::mem::take(&mut self.closed_due).then(|| {
            self.forget_all();
            Event::Closed { error: self.error }
        })
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next; `None` when nothing is due ever.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        if self.lifecycle == Lifecycle::Closed {
            return None;
        }
        self.timers.next()
    }

    /// Whether [`poll_transmit`](Self::poll_transmit) would append something now.
    #[must_use]
    pub fn wants_transmit(&self) -> bool {
        match self.lifecycle {
            Lifecycle::Closed => false,
            Lifecycle::Closing => !self.output.preface_sent || self.output.goaway.is_some(),
            _ => self.connection_wants() || self.streams_want(),
        }
    }

    /// Whether a deadline is to begin, which [`poll_transmit`](Self::poll_transmit) does: who polls that only when
    /// there is something to append has to ask this, too. So it is with DATA behind a window that was closed before, and
    /// with a request that waits for a place where no stream is open.
    #[must_use]
    pub fn wants_deadline(&self) -> bool {
        self.lifecycle < Lifecycle::Closing && (self.wants_stall() || self.wants_keep_alive())
    }

    fn connection_wants(&self) -> bool {
        !self.output.preface_sent
            || self.output.goaway.is_some()
            || !self.output.refusals.is_empty()
            || self.remote.owes_ack()
            || self.pings.wants()
            || self.wants_slots_ping()
            || self.credit.update_due()
    }

    fn streams_want(&self) -> bool {
        let open = self.streams.waiting() > 0
            && !self.suspect
            && self.slots_taken() < self.concurrent_streams();
        let data = self.send_window() > 0 && self.streams.has_sender();
        open || data || self.streams.front(Queue::Control).is_some()
    }
}
