//! What a connection costs in memory, by what it is kept for.

use super::Connection;
use crate::{error::GoAway, event::Event, stream::Stream};

/// Memory that a connection has allocated, in bytes, each byte under one name.
///
/// The [`Connection`] itself is its owner's, and so are the input buffer, the [`Transmit`](crate::Transmit) and what
/// came out of events. Slices of an input buffer that wait in events count with their own length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryFootprint {
    /// The stream table: its entries, their identifiers, streams that are remembered, and priorities of streams to come;
    /// and settings of the peer's that the engine does not know.
    pub table: usize,
    /// Events that wait for [`poll_event`](Connection::poll_event), without what they carry.
    pub events: usize,
    /// Bodies: pieces in events that wait, and bytes given to be sent that are not cut into frames yet.
    pub buffers: usize,
    /// The tables of HPACK in both directions, and strings in progress.
    pub hpack: usize,
    /// Header lists: of events that wait, of heads and trailers to be sent, and room for the next ones.
    pub header_lists: usize,
    /// Frames of the connection that are owed: answers to PING, refusals, debug data.
    pub output: usize,
}

impl MemoryFootprint {
    /// All of it, in bytes.
    #[must_use]
    pub fn total(&self) -> usize {
        self.table + self.events + self.buffers + self.hpack + self.header_lists + self.output
    }
}

impl Connection {
    /// What the connection has allocated, by purpose. Costs a pass over all streams and events.
    #[must_use]
    pub fn memory_footprint(&self) -> MemoryFootprint {
        let [events, bodies, lists] = self.events.memory_footprint();
        let (room, given) = self.sink.memory_footprint();
        let each = |of: fn(&Stream) -> usize| self.streams.iter().map(of).sum::<usize>();
        MemoryFootprint {
            table: self.streams.memory_footprint()
                + self.remote.memory_footprint()
                + self.early.memory_footprint(),
            events,
            buffers: bodies + each(|stream| stream.send.body_footprint()),
            hpack: self.hpack_in.memory_footprint()
                + self.known.memory_footprint()
                + self.hpack_out.memory_footprint(),
            header_lists: lists.max(given) + room + each(|stream| stream.send.header_footprint()),
            output: self
                .peer_goaway
                .as_ref()
                .map_or(0, |said| size_of::<GoAway>() + said.debug.len())
                + self.output.refusals.memory_footprint()
                + self
                    .output
                    .goaway
                    .as_ref()
                    .map_or(0, |goaway| size_of::<GoAway>() + goaway.debug.len())
                + self.pings.memory_footprint(),
        }
    }
}

/// Sizes of what a peer can make grow, for tests of the bounds.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gauges {
    /// Streams in the table.
    pub streams: usize,
    /// Entries of the table: streams, and those that have left and are remembered.
    pub entries: usize,
    /// Control frames that are owed and not cut: answers to PING and to SETTINGS, RST_STREAM and WINDOW_UPDATE.
    pub owed: usize,
    /// Bytes of the header lists that the streams in the table have brought.
    pub header_bytes: usize,
    /// Octets of literals that HPACK has decoded of the header block under way, or of the last one.
    pub decoded: u64,
}

impl Connection {
    /// What a peer can make grow, as it is now.
    #[doc(hidden)]
    #[must_use]
    pub fn gauges(&self) -> Gauges {
        // Nobody is owed anything when it is over.
        let owed = match self.is_over() {
            true => 0,
            false => self.owed(),
        };
        Gauges {
            streams: self.streams.live(),
            entries: self.streams.live() + self.streams.closed.len(),
            owed,
            header_bytes: self.streams.header_bytes(),
            decoded: self.hpack_in.decoded(),
        }
    }
}

impl Connection {
    /// Control frames that are owed and not cut.
    fn owed(&self) -> usize {
        let owed = |stream: &Stream| {
            usize::from(stream.reset_due.is_some())
                + usize::from(stream.is_bound() && stream.update_due())
        };
        self.pings.answers_due()
            + self.remote.acks_due() as usize
            + self.output.refusals.len()
            + self.streams.iter().map(owed).sum::<usize>()
            + usize::from(self.credit.update_due())
    }
}

/// Bytes of body and of header list that an event carries.
pub(super) fn carried(event: &Event) -> (usize, usize) {
    match event {
        Event::Request { head, .. } => (0, head.as_fields().bytes()),
        Event::Interim { head, .. } | Event::Response { head, .. } => (0, head.as_fields().bytes()),
        Event::Trailers { fields, .. } => (0, fields.bytes()),
        Event::Data { data, .. } => (data.len(), 0),
        _ => (0, 0),
    }
}
