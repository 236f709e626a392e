//! What may be asked of an observer.

use super::{Observer, Urgency, marks::Seen, observer::wrong};
use crate::outcome::Fault;

impl Observer {
    /// Whether nothing was sent on the stream, and no more window given to it than all have.
    pub(crate) fn is_fresh(&self, stream: u32) -> bool {
        self.streams
            .get(stream)
            .is_some_and(|stream| stream.data == 0 && stream.offset == 0)
    }

    /// Races that came to pass.
    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Turns that somebody had while another waited.
    pub(crate) fn crowded(&self) -> u64 {
        self.fairness.crowded
    }

    /// Header blocks that were decoded a second time and compared with what was sent.
    pub(crate) fn blocks(&self) -> u64 {
        self.messages.compared
    }

    /// Bytes of DATA that were sent on a stream whose end is still to be sent, and those that the windows let pass.
    pub(crate) fn unfinished(&self, stream: u32) -> Option<(usize, i64)> {
        let found = self.streams.get(stream)?;
        let room = (self.window_base + found.offset).min(self.window);
        (!found.sent_end && !found.is_closed()).then_some((found.data, room))
    }

    /// Whether the end of a body is still to be sent on a stream that is open.
    pub(crate) fn lacks_end(&self, stream: u32) -> bool {
        self.streams
            .get(stream)
            .is_some_and(|stream| !stream.sent_end && !stream.is_closed())
    }

    /// Whether a server has said that it does not look at this stream.
    pub(crate) fn has_left_behind(&self, stream: u32) -> bool {
        !self.client && self.goaway_sent.is_some_and(|last| stream > last)
    }

    /// The highest stream that a client has opened, and the last that its peer looks at, where that is a lower one.
    pub(crate) fn left_out(&self) -> Option<(u32, u32)> {
        let last = self.goaway_received?;
        (self.highest > last).then_some((self.highest, last))
    }

    /// How many streams the peer takes at once, if it has said so; and how many of its own are open.
    pub(crate) fn streams_max(&self) -> Option<u32> {
        self.streams_max
    }

    pub(crate) fn open_streams(&self) -> u32 {
        self.open
    }

    /// Whether a GOAWAY was sent.
    pub(crate) fn has_left(&self) -> bool {
        self.goaway_sent.is_some()
    }

    /// Whether the peer has acknowledged what this end has announced.
    pub(crate) fn is_acknowledged(&self) -> bool {
        self.acknowledged
    }

    /// The last stream that the peer has said it looks at, where it has.
    pub(crate) fn last_stream(&self) -> Option<u32> {
        self.goaway_received
    }

    /// Whether the peer has reset this stream while it was open, and said that nothing was done about it.
    pub(crate) fn is_refused(&self, stream: u32) -> bool {
        self.streams
            .get(stream)
            .is_some_and(|stream| stream.refused)
    }

    /// How urgent a server has been told that a stream is which is open and whose head it has; `None` inside where it
    /// has been told nothing.
    pub(crate) fn told_urgency(&self, stream: u32) -> Option<Option<Urgency>> {
        let found = self.streams.get(stream)?;
        (found.head && !found.is_closed()).then_some(found.urgency_sent)
    }

    /// Bytes of the table by which the end's header blocks are decoded, as RFC 7541 counts them.
    pub(crate) fn table_bytes(&self) -> usize {
        self.messages.table_bytes()
    }

    /// Whether a head was sent on the stream.
    pub(crate) fn has_head(&self, stream: u32) -> bool {
        self.streams.get(stream).is_some_and(|stream| stream.head)
    }

    /// What the windows let pass: that of the stream, and that of the connection.
    pub(crate) fn rooms(&self, stream: u32) -> (i64, i64) {
        let offset = self.streams.get(stream).map_or(0, |stream| stream.offset);
        (self.window_base + offset, self.window)
    }

    /// The size of the table that the end has announced last, once it has sent a header block.
    pub(crate) fn table_size(&self) -> Option<usize> {
        self.messages.table_size()
    }

    /// The size of header lists that the peer has said last it takes.
    pub(crate) fn list_limit(&self) -> usize {
        self.list_limit as usize
    }

    /// Whether the peer takes extended CONNECT, once it has sent SETTINGS.
    pub(crate) fn takes_protocols(&self) -> Option<bool> {
        self.greeted.then_some(self.messages.takes_protocols)
    }

    /// The window that each stream begins with.
    pub(crate) fn base(&self) -> i64 {
        self.window_base
    }

    /// The highest stream that a client has opened.
    pub(crate) fn highest(&self) -> u32 {
        self.highest
    }

    /// What has to have been answered when nothing more is to be sent (I-14).
    pub(crate) fn answered(&self) -> Result<(), Fault> {
        match (self.settings_owed, self.pings_owed.len()) {
            (0, 0) => Ok(()),
            owed => Err(wrong(format!(
                "I-14: owes (SETTINGS, PING) answers: {owed:?}"
            ))),
        }
    }
}
