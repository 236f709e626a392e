//! What a client's side knows of a request that fails: which head was encoded, and how much of it was written.

use std::collections::{BTreeMap, BTreeSet};

use raddle_core::{Lifecycle, StreamHandle, Timestamp, TransportEnd};

use super::link::Side;
use crate::oracle::Traces;

/// What was seen of the heads of one side's requests.
#[derive(Debug, Default)]
pub(super) struct Heads {
    /// The identifiers of streams that have not ended, and how many streams had one at the last look.
    ids: BTreeMap<StreamHandle, u32>,
    opened: u64,
    /// Those whose heads the transport has not taken to their ends when it ended.
    lost: BTreeSet<StreamHandle>,
}

impl Side {
    /// Looks which streams have got identifiers.
    pub(super) fn number_streams(&mut self) {
        let opened = self.conn.stats().streams_opened;
        if opened == std::mem::replace(&mut self.heads.opened, opened) {
            return;
        }
        for &stream in self.streams.keys() {
            if let Some(id) = self.conn.stream_id(stream) {
                self.heads.ids.insert(stream, id.to_u32());
            }
        }
    }

    /// What is known of a stream that fails. It is not asked for a second time.
    pub(super) fn traces(&mut self, stream: StreamHandle) -> Traces {
        let id = self.heads.ids.remove(&stream);
        Traces {
            id,
            last: self.observer.last_stream(),
            unwritten: self.heads.lost.contains(&stream),
            refused: id.is_some_and(|id| self.observer.is_refused(id)),
        }
    }

    /// A stream has ended well.
    pub(super) fn forget_head(&mut self, stream: StreamHandle) {
        self.heads.ids.remove(&stream);
    }

    fn note_lost(&mut self) {
        let held = |(_, id): &(&StreamHandle, &u32)| self.observer.holds_first_block(**id);
        let lost = self.heads.ids.iter().filter(held);
        self.heads.lost = lost.map(|(&stream, _)| stream).collect();
    }

    /// The transport has nothing more to read, and takes nothing more, which the engine is told of.
    pub(super) fn input_ends(&mut self, how: TransportEnd, now: u64) {
        if self.out.holds_request() {
            // What has failed before has its verdict.
            if self.conn.lifecycle() < Lifecycle::Closing {
                self.note_lost();
            }
            self.conn.handle_output_lost(&std::mem::take(&mut self.out));
        }
        self.observer.input_ends();
        self.conn.handle_transport_end(how, Timestamp(now));
    }

    /// It looks at its deadlines, of which one may end the connection: what waits is then not written any more.
    pub(super) fn look_at_deadlines(&mut self, now: Timestamp) {
        let ended = self.conn.lifecycle() >= Lifecycle::Closing;
        if !ended && self.out.holds_request() {
            self.note_lost();
        }
        self.work.times_out();
        self.conn.handle_timeout_with(&mut self.out, now);
        if !ended && self.conn.lifecycle() < Lifecycle::Closing {
            self.heads.lost.clear();
        }
    }
}
