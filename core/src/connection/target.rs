//! Where a frame belongs, and what to make of one that comes late.

use super::{Connection, receive::Fault};
use crate::{
    id::{Role, StreamHandle, StreamId},
    planted::Planted,
    stream::{Left, RecvState},
    violation::Violation,
};

/// Where a frame belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A stream that takes frames.
    Live(StreamHandle),
    /// A stream that is not open yet.
    New,
    /// A stream that is gone, about which late frames are no fault. HPACK and windows still count them.
    Ignore,
}

impl Connection {
    /// Where a frame of stream `id` belongs.
    pub(super) fn target(&self, id: StreamId) -> Result<Target, Fault> {
        if let Some(handle) = self.streams.find(id) {
            // `find` knows live streams only.
            let left = self
                .streams
                .get(handle)
                .map_or(Some(Left::Ended), |stream| match stream.recv.state {
                    RecvState::Head | RecvState::Body => None,
                    RecvState::Ended | RecvState::Reset => {
                        Some(stream.left().unwrap_or(Left::HalfEnded))
                    }
                });
            return self
                .late(id, left)
                .map(|()| left.map_or(Target::Live(handle), |_| Target::Ignore));
        }
        if self.is_idle(id) {
            return Ok(Target::New);
        }
        let left = self.streams.closed.find(id);
        if left.is_none() && self.plants.has(Planted::ForgottenCountsAsIdle) {
            return Ok(Target::New);
        }
        if left.is_none() && self.role == Role::Server && self.streams.closed.remembers_all() {
            // RFC 9113 §5.1.1: it was skipped when a higher one was opened.
            return Err(Fault::connection(Violation::StreamIdNotIncreasing));
        }
        self.late(id, left).map(|()| Target::Ignore)
    }

    /// Whether a frame may come on a stream that takes none any more (RFC 9113 §5.1, "closed" and "half-closed").
    fn late(&self, stream: StreamId, left: Option<Left>) -> Result<(), Fault> {
        match left {
            // RFC 9113 §5.4.2: after our RST_STREAM anything may be on its way; of what is forgotten we assume the same.
            None | Some(Left::ResetLocally) => Ok(()),
            // RFC 9113 §6.1: STREAM_CLOSED, and of other frames the same.
            Some(Left::HalfEnded | Left::Ended) if self.plants.has(Planted::BehindEndIgnored) => {
                Ok(())
            }
            Some(Left::HalfEnded | Left::ResetRemotely) => Err(Fault {
                violation: Violation::StreamClosedFrame,
                stream,
            }),
            Some(Left::Ended) => Err(Fault::connection(Violation::StreamClosedConnection)),
        }
    }

    /// Whether stream `id` is still idle (RFC 9113 §5.1).
    pub(super) fn is_idle(&self, id: StreamId) -> bool {
        match self.role {
            Role::Server => !id.is_client_initiated() || id > self.last_peer_id,
            // Servers open no streams here: push is off.
            Role::Client if self.plants.has(Planted::WaitingCountsAsOpen) => {
                let waiting = u32::from(self.streams.waiting() > 0);
                self.next_id
                    .is_some_and(|next| id.to_u32() >= next.to_u32() + 2 * waiting)
            }
            Role::Client => {
                !id.is_client_initiated() || self.next_id.is_some_and(|next| id >= next)
            }
        }
    }
}
