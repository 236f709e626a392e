//! What a client's end knows of a request that fails: which head was encoded, and how much of it was written.

use raddle_core::{Lifecycle, StreamHandle, Timestamp};

use super::end::End;
use crate::oracle::Traces;

impl End {
    /// What is known of a stream that fails, which had this identifier.
    pub(super) fn traces(&self, stream: StreamHandle, id: Option<u32>) -> Traces {
        let observer = self.observer();
        Traces {
            id,
            last: observer.last_stream(),
            unwritten: self.lost.contains(&stream),
            refused: id.is_some_and(|id| observer.is_refused(id)),
        }
    }

    /// The transport takes nothing any more, which the engine is told of. What has failed before has its verdict.
    pub(super) fn loses_output(&mut self) {
        if !self.out.holds_request() {
            return;
        }
        if self.conn.lifecycle() < Lifecycle::Closing {
            self.note_lost();
        }
        // What is said of it has to be true.
        self.conn.handle_output_lost(&std::mem::take(&mut self.out));
    }

    fn note_lost(&mut self) {
        let holds = |id: Option<u32>| id.is_some_and(|id| self.observer().holds_first_block(id));
        let lost = self.streams.iter().filter(|(_, live)| holds(live.id));
        self.lost = lost.map(|(&handle, _)| handle).collect();
    }

    /// It looks at its deadlines, of which one may end the connection: what waits is then not written any more.
    pub(super) fn look_at_deadlines(&mut self, now: u64) {
        let ended = self.conn.lifecycle() >= Lifecycle::Closing;
        if !ended && self.out.holds_request() {
            self.note_lost();
        }
        self.work.times_out();
        self.conn.handle_timeout_with(&mut self.out, Timestamp(now));
        if !ended && self.conn.lifecycle() < Lifecycle::Closing {
            self.lost.clear();
        }
    }
}
