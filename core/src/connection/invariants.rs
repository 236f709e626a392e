//! What holds between any two calls.

use super::Connection;
use crate::{
    config::WINDOW_INITIAL,
    id::StreamId,
    stream::{RecvState, SendState},
};

/// What an engine keeps, for those who keep account of the same from outside.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Bytes of the connection's window that were handed out and have not been given back.
    pub held: u64,
    /// Bytes that the peer may send on the connection.
    pub window: i64,
    /// Bytes that we may send on the connection.
    pub send_window: i64,
    /// Streams in the table.
    pub live: usize,
    /// Streams that count against a limit.
    pub counted: usize,
}

/// The windows of one stream, for those who keep account of the same from outside.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamAudit {
    /// Bytes that we may send, unless nothing will be sent any more and nobody counts.
    pub send_window: Option<i64>,
    /// Bytes that the peer may send, while it may.
    pub window: Option<i64>,
}

impl Connection {
    /// The windows of a stream that is in the table. For simulation.
    #[doc(hidden)]
    #[must_use]
    pub fn audit_stream(&self, id: StreamId) -> Option<StreamAudit> {
        let stream = self.streams.get(self.streams.find(id)?)?;
        let sends = stream.send.state != SendState::Reset && !stream.is_closed();
        let base = self.streams.initial_window();
        let receives = matches!(stream.recv.state, RecvState::Head | RecvState::Body);
        Some(StreamAudit {
            send_window: sends.then(|| stream.send.window.window(base)),
            window: receives.then(|| stream.recv.credit.window()),
        })
    }

    /// Length of the payload of a frame whose head has left the input, and which has not come in whole. For simulation.
    #[doc(hidden)]
    #[must_use]
    pub fn audit_coming(&self) -> Option<usize> {
        self.decoder.coming()
    }

    /// Digests of HPACK's dynamic tables: the encoder's and the decoder's. Between two blocks each is that of the peer's
    /// other one. For simulation.
    #[doc(hidden)]
    #[must_use]
    pub fn audit_tables(&self) -> [u64; 2] {
        [
            self.hpack_out.table_fingerprint(),
            self.hpack_in.table_fingerprint(),
        ]
    }

    /// What can be counted from outside, too. For simulation.
    #[doc(hidden)]
    #[must_use]
    pub fn audit(&self) -> Audit {
        Audit {
            held: self.credit.held(),
            window: self.credit.window(),
            send_window: self.window.window(WINDOW_INITIAL),
            live: self.streams.live(),
            counted: self.streams.counted(),
        }
    }

    /// Switches a fault of this connection on.
    #[cfg(feature = "planted")]
    #[doc(hidden)]
    pub fn plant(&mut self, planted: Option<crate::Planted>) {
        self.plants.planted = planted;
        self.streams.plants.planted = planted;
        self.pings.plants.planted = planted;
        self.remote.plants.planted = planted;
        self.hpack_out = self.new_encoder();
    }

    /// Makes `id` the identifier of the next stream, so that a test sees the last of them.
    #[doc(hidden)]
    pub fn skip_to(&mut self, id: StreamId) {
        self.next_id = self.next_id.and(Some(id));
    }

    /// Asserts every invariant of the engine. For tests and simulation: it walks all streams.
    ///
    /// # Panics
    /// When an invariant does not hold, with its name.
    #[doc(hidden)]
    pub fn check(&self) {
        self.streams.check();
        self.credit.check();
        assert_eq!(
            self.streams.held(),
            self.credit.held(),
            "credit of the connection is held by its streams alone"
        );
        assert!(
            self.window.window(crate::config::WINDOW_INITIAL) >= 0,
            "the connection's send window was overspent"
        );
        assert!(
            self.events.len() <= self.config.events_max,
            "the event ring is bounded"
        );
        assert!(
            self.output.refusals.len() <= super::transmit::REFUSALS_MAX,
            "refusals are bounded"
        );
        if self.is_over() {
            assert!(!self.streams.any_open(), "a stream outlived its connection");
        }
    }
}
