//! Faults that are planted to see whether they are found.

use bytes::Bytes;
use raddle_core::{Event, Retry, Role, StreamHandle};

use super::World;
use crate::trace::note;

/// A fault that is not the engine's. It comes to pass at the first occasion that a run gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Planted {
    /// One bit of a body changes.
    FlippedBit,
    /// Part of a body is not told.
    LostData,
    /// The client is not told that a request is complete.
    SwallowedEnd,
    /// The client is told twice that a request is complete.
    RepeatedEnd,
    /// The server is not told that a stream is complete.
    SwallowedServerEnd,
    /// The server is not told that it may write on.
    LostWakeUp,
    /// What the server has said that it did not look at counts as perhaps processed.
    HarshVerdict,
}

impl World<'_> {
    /// What is told instead of `event`.
    pub(super) fn plant(&mut self, role: Role, event: Event) -> Vec<Event> {
        let Some(planted) = self.planted else {
            return vec![event];
        };
        let told = match (planted, role, event.clone()) {
            (Planted::FlippedBit, _, Event::Data { stream, data, then }) if !data.is_empty() => {
                let mut data = data.to_vec();
                let at = self.tape.index(data.len());
                data[at] ^= 1 << self.tape.below(8);
                let data = Bytes::from(data);
                vec![Event::Data { stream, data, then }]
            }
            (Planted::LostData, _, Event::Data { data, .. }) if !data.is_empty() => Vec::new(),
            (Planted::SwallowedEnd, Role::Client, Event::Finished { .. })
            | (Planted::SwallowedServerEnd, Role::Server, Event::Finished { .. })
            | (Planted::LostWakeUp, Role::Server, Event::Writable { .. }) => Vec::new(),
            (Planted::RepeatedEnd, Role::Client, Event::Finished { .. }) => {
                vec![event.clone(), event]
            }
            (Planted::HarshVerdict, Role::Client, Event::Failed { stream, mut error })
                if self.is_above(stream) =>
            {
                error.retry = Retry::IfIdempotent;
                vec![Event::Failed { stream, error }]
            }
            _ => return vec![event],
        };
        self.planted = None;
        note!(self, "{:?}: {:?}", role, planted);
        self.marks.hit("planted");
        told
    }

    /// Whether the client has read that nobody looks at this stream, and has not given it up.
    fn is_above(&self, stream: StreamHandle) -> bool {
        let live = self.client.streams.get(&stream);
        live.is_some_and(|live| {
            let last = self.client.observer().last_stream().unwrap_or(u32::MAX);
            live.id.is_some_and(|id| id > last) && !self.oracle.has_given_up(live.n)
        })
    }
}
