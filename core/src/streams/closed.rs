//! What is still known of streams that have left: enough to tell late frames from faults.

use alloc::collections::VecDeque;

use crate::{id::StreamId, stream::Left};

/// How many streams are remembered. Late frames come within a round trip of the end of a stream.
const REMEMBERED_MAX: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Closed {
    ring: VecDeque<(StreamId, Left)>,
    /// Whether the ring has ever let go of a stream.
    forgot: bool,
}

impl Closed {
    pub(crate) fn push(&mut self, id: StreamId, left: Left) {
        if self.ring.len() == REMEMBERED_MAX {
            self.ring.pop_front();
            self.forgot = true;
        }
        self.ring.push_back((id, left));
    }

    /// How `id` left; `None` when it is not remembered.
    pub(crate) fn find(&self, id: StreamId) -> Option<Left> {
        // From the back: late frames are about streams that left late.
        self.ring
            .iter()
            .rev()
            .find(|&&(other, _)| other == id)
            .map(|&(_, left)| left)
    }

    /// Whether every stream that ever left is remembered, so that one which is not was never opened.
    pub(crate) fn remembers_all(&self) -> bool {
        !self.forgot
    }
}
