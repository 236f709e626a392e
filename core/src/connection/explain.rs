//! Why a stream does not move.

use super::Connection;
use crate::{
    config::WINDOW_INITIAL,
    id::StreamHandle,
    planted::Planted,
    stream::{NextPart, SendState},
};

/// What a stream waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Waiting {
    /// For nothing: it has ended.
    Nothing,
    /// For a stream to end, because the peer's limit of concurrent streams is reached.
    Slot,
    /// For any sign of life of the peer, which has been silent and has not answered a PING yet.
    Liveness,
    /// For the peer to open the stream's window.
    StreamWindow,
    /// For the peer to open the connection's window, which other streams of ours have used up.
    ConnectionWindow,
    /// For the transport to take what is ready to be cut into frames.
    Transport,
    /// For our caller to release what it was given of this stream.
    Reader,
    /// For our caller to release what it was given of other streams: they hold the connection's window, and
    /// [`holders`](Connection::holders) names them.
    OtherReaders,
    /// For our caller to give the next part of the message.
    Writer,
    /// For the peer's message to go on.
    Peer,
}

impl Connection {
    /// What `stream` waits for, as of the last input and the last transmit.
    #[must_use]
    pub fn explain(&self, stream: StreamHandle) -> Waiting {
        let Some(found) = self.streams.get(stream).filter(|found| !found.is_closed()) else {
            return Waiting::Nothing;
        };
        if !found.is_bound() {
            if self.suspect {
                return Waiting::Liveness;
            }
            let free = self.slots_taken() < self.concurrent_streams();
            return if free {
                Waiting::Transport
            } else {
                Waiting::Slot
            };
        }
        let base = self.streams.initial_window();
        let next = found.send.next_part();
        if next == NextPart::Data && found.send.window.window(base) > 0 {
            let blocked = self.window.available(WINDOW_INITIAL) == 0;
            return if blocked {
                Waiting::ConnectionWindow
            } else {
                Waiting::Transport
            };
        }
        if matches!(
            next,
            NextPart::Head | NextPart::Trailers | NextPart::BareEnd
        ) {
            return Waiting::Transport;
        }
        if found.send.buffered() > 0 {
            if self.plants.has(Planted::WaitingMistold) {
                return Waiting::ConnectionWindow;
            }
            return Waiting::StreamWindow;
        }
        if !found.recv.is_over() {
            let full = found.recv.credit.window() <= 0;
            let crowded = self.credit.window() <= 0 && self.credit.held() > 0;
            return match found.recv.credit.held() > 0 {
                true if full || crowded => Waiting::Reader,
                false if crowded => Waiting::OtherReaders,
                _ => Waiting::Peer,
            };
        }
        debug_assert!(matches!(
            found.send.state,
            SendState::Idle | SendState::Open
        ));
        Waiting::Writer
    }

    /// The streams whose received bytes have not been released, and how many of the connection's window each holds;
    /// ended ones are among them until the last byte is released. Walks all streams.
    pub fn holders(&self) -> impl Iterator<Item = (StreamHandle, u64)> + '_ {
        self.streams.holders()
    }
}
