//! What the engine tells its caller.

use bytes::Bytes;

use crate::{
    error::{ConnectionError, StreamError},
    head::{Fields, RequestHead, ResponseHead},
    id::{PingId, StreamHandle},
};

/// Whether more of the message follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Then {
    /// More follows.
    More,
    /// This was the last part (END_STREAM).
    End,
}

impl Then {
    /// Whether this was the last part.
    #[must_use]
    pub fn is_end(self) -> bool {
        self == Self::End
    }

    pub(crate) fn end_if(end: bool) -> Self {
        if end { Self::End } else { Self::More }
    }
}

/// What happened, in order.
///
/// Every stream handle ends with exactly one of `Finished` and `Failed`; `Closed` is the last event of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The peer's preface and first SETTINGS have arrived.
    Ready,
    /// Server: a request's head.
    Request {
        /// The new stream.
        stream: StreamHandle,
        /// Its head.
        head: RequestHead,
        /// Whether a body follows.
        then: Then,
    },
    /// Client: an interim (1xx) response.
    Interim {
        /// The stream.
        stream: StreamHandle,
        /// Status and fields.
        head: ResponseHead,
    },
    /// Client: the final response's head.
    Response {
        /// The stream.
        stream: StreamHandle,
        /// Status and fields.
        head: ResponseHead,
        /// Whether a body follows.
        then: Then,
    },
    /// Part of a body. Give its credit back with `release` once it is consumed.
    Data {
        /// The stream.
        stream: StreamHandle,
        /// The bytes, without padding.
        data: Bytes,
        /// Whether more of the message follows.
        then: Then,
    },
    /// The trailers; the peer's message is whole.
    Trailers {
        /// The stream.
        stream: StreamHandle,
        /// The fields.
        fields: Fields,
    },
    /// `send_data` took less than it was offered and will take more now.
    Writable {
        /// The stream.
        stream: StreamHandle,
    },
    /// The peer has answered in full and wants no more of the request body (RST_STREAM with NO_ERROR,
    /// RFC 9113 §8.1). The response stays valid; stop sending.
    StopSending {
        /// The stream.
        stream: StreamHandle,
    },
    /// Both halves of the stream are complete. Last event of this handle.
    Finished {
        /// The stream.
        stream: StreamHandle,
    },
    /// The stream ended early. Last event of this handle.
    Failed {
        /// The stream.
        stream: StreamHandle,
        /// Why, and whether to send the request again.
        error: StreamError,
    },
    /// `openable` rose from zero.
    Openable,
    /// The answer to our PING.
    Pong {
        /// Which one.
        id: PingId,
    },
    /// The peer sent GOAWAY: no new streams here, those in progress go on.
    PeerDraining,
    /// The connection is over. Last event of all.
    Closed {
        /// Why; `None` after a drain that completed.
        error: Option<ConnectionError>,
    },
}
