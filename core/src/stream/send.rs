//! The send half: what waits to be cut into frames.

use alloc::{collections::VecDeque, vec::Vec};

use bytes::{Buf, Bytes, BytesMut};

use crate::{
    flow::Outbound,
    head::{BodyLength, Fields, RequestHead, ResponseHead},
};

/// Pieces of up to this many bytes are copied behind the last small piece, so that a caller who writes byte by byte
/// pays for bytes and not for queue entries.
const GATHER_MAX: usize = 256;

/// A head that waits for its frame.
#[derive(Debug)]
pub(crate) enum OutHead {
    Request(RequestHead),
    Response(ResponseHead),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendState {
    /// No final head was given yet.
    Idle,
    /// The message is being sent.
    Open,
    /// END_STREAM is on the wire, or in the output.
    Ended,
    /// Given up.
    Reset,
}

#[derive(Debug)]
pub(crate) struct SendHalf {
    pub(crate) state: SendState,
    pub(crate) window: Outbound,
    interims: Vec<ResponseHead>,
    head: Option<OutHead>,
    body: Body,
    /// The caller has given everything.
    end: bool,
    trailers: Option<Fields>,
    /// `send_data` refused bytes and the caller is to be told when there is room again.
    blocked: bool,
    capacity: usize,
    /// Bytes that the stream may still send in the turn it has begun; 0 between turns.
    turn_left: usize,
    /// Bytes of DATA since the last look at whether the stream gets on.
    moved: usize,
    /// How many looks in a row have found that it does not.
    still: u8,
    /// What the head's content-length still allows.
    pub(crate) length: BodyLength,
}

/// Bytes of a body in order. The first piece has a place of its own: most bodies have one.
#[derive(Debug, Default)]
struct Body {
    first: Bytes,
    rest: VecDeque<Bytes>,
    /// Small pieces on their way to become one.
    gathered: BytesMut,
    len: usize,
}

impl SendHalf {
    /// A half whose buffer takes `capacity` bytes.
    pub(crate) fn new(head: Option<OutHead>, end: bool, capacity: usize) -> Self {
        Self {
            state: if head.is_some() {
                SendState::Open
            } else {
                SendState::Idle
            },
            window: Outbound::default(),
            interims: Vec::new(),
            head,
            body: Body::default(),
            end,
            trailers: None,
            blocked: false,
            capacity,
            turn_left: 0,
            moved: 0,
            still: 0,
            length: BodyLength::unknown(),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, SendState::Ended | SendState::Reset)
    }

    /// Whether the caller may still give parts of the message.
    pub(crate) fn takes_parts(&self) -> bool {
        self.state == SendState::Open && !self.end
    }

    /// Whether the whole message was given, sent or not.
    pub(crate) fn is_given(&self) -> bool {
        self.state == SendState::Ended || (self.state == SendState::Open && self.end)
    }

    /// Interim heads that wait.
    pub(crate) fn interims_waiting(&self) -> usize {
        self.interims.len()
    }

    pub(crate) fn push_interim(&mut self, head: ResponseHead) {
        self.interims.push(head);
    }

    /// Gives the final head.
    pub(crate) fn start(&mut self, head: OutHead, end: bool) {
        debug_assert_eq!(self.state, SendState::Idle);
        self.state = SendState::Open;
        self.head = Some(head);
        self.end = end;
    }

    pub(crate) fn give_trailers(&mut self, trailers: Fields) {
        self.trailers = Some(trailers);
        self.end = true;
    }

    /// Bytes of memory for heads and trailers that wait.
    pub(crate) fn header_footprint(&self) -> usize {
        let head = match &self.head {
            Some(OutHead::Request(head)) => head.as_fields().bytes(),
            Some(OutHead::Response(head)) => head.as_fields().bytes(),
            None => 0,
        };
        let interims = self.interims.iter().map(|head| head.as_fields().bytes());
        let trailers = self.trailers.as_ref().map_or(0, Fields::bytes);
        head + interims.sum::<usize>() + trailers
    }

    /// Bytes of memory for the body that waits, and for keeping heads and pieces in order.
    pub(crate) fn body_footprint(&self) -> usize {
        let body = &self.body;
        body.first.len()
            + body.rest.iter().map(Bytes::len).sum::<usize>()
            + body.rest.capacity() * size_of::<Bytes>()
            + body.gathered.capacity()
            + self.interims.capacity() * size_of::<ResponseHead>()
    }

    /// Notes that the message ends here.
    pub(crate) fn give_end(&mut self) {
        self.end = true;
    }

    /// Takes what fits from the front of `data`; answers how much.
    pub(crate) fn give_data(&mut self, data: &mut Bytes) -> usize {
        if data.is_empty() {
            // Asks for nothing, and takes back no promise of `Writable`.
            return 0;
        }
        let take = data.len().min(self.room());
        self.blocked = take < data.len();
        if take > 0 {
            self.body.push(data.split_to(take));
        }
        take
    }

    /// Bytes that `give_data` would take now.
    pub(crate) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.body.len)
    }

    pub(crate) fn buffered(&self) -> usize {
        self.body.len
    }

    /// Whether a caller was refused and not told since.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked && self.takes_parts()
    }

    /// Forgets that a caller was refused; answers whether one was.
    pub(crate) fn take_blocked(&mut self) -> bool {
        core::mem::take(&mut self.blocked)
    }

    /// Whether a refused caller can go on. Half of the buffer, so that one event brings more than a few bytes.
    pub(crate) fn writable_due(&self) -> bool {
        self.blocked && self.takes_parts() && self.body.len <= self.capacity / 2
    }

    /// Whether the caller is to be told of room; from now on it has been.
    pub(crate) fn take_writable(&mut self) -> bool {
        let due = self.writable_due();
        self.blocked &= !due;
        due
    }

    pub(crate) fn head_waits(&self) -> bool {
        self.head.is_some() || !self.interims.is_empty()
    }

    /// Takes the next head to encode, and whether it ends the stream.
    pub(crate) fn take_head(&mut self) -> Option<(OutHead, bool)> {
        if !self.interims.is_empty() {
            return Some((OutHead::Response(self.interims.remove(0)), false));
        }
        let head = self.head.take()?;
        let ends = self.end && self.body.len == 0 && self.trailers.is_none();
        if ends {
            self.state = SendState::Ended;
        }
        Some((head, ends))
    }

    pub(crate) fn trailers_ready(&self) -> bool {
        self.trailers.is_some() && self.body.len == 0 && !self.head_waits()
    }

    /// Takes the trailers when their turn has come; they end the stream.
    pub(crate) fn take_trailers(&mut self) -> Option<Fields> {
        if !self.trailers_ready() {
            return None;
        }
        self.state = SendState::Ended;
        self.trailers.take()
    }

    /// Whether the next frame is DATA, once a window allows it.
    pub(crate) fn data_waits(&self) -> bool {
        self.state == SendState::Open && self.body.len > 0 && !self.head_waits()
    }

    /// Whether all that is left to say is END_STREAM, which an empty DATA frame carries through any window.
    pub(crate) fn bare_end_ready(&self) -> bool {
        self.state == SendState::Open
            && self.end
            && self.body.len == 0
            && self.trailers.is_none()
            && !self.head_waits()
    }

    /// Ends the half by an empty DATA frame, when that is what is left.
    pub(crate) fn take_bare_end(&mut self) -> bool {
        let ready = self.bare_end_ready();
        if ready {
            self.state = SendState::Ended;
        }
        ready
    }

    /// How large the next DATA frame may be under the stream's own window.
    pub(crate) fn data_available(&self, base: u32) -> usize {
        self.body.len.min(self.window.available(base))
    }

    /// Bytes that this turn still allows, which begins now if none has; a turn is `quantum` bytes long.
    pub(crate) fn turn(&mut self, quantum: usize) -> usize {
        if self.turn_left == 0 {
            self.turn_left = quantum;
        }
        self.turn_left
    }

    /// Counts a frame against the turn; whether it is over. What is left of it is lost when the stream itself has no
    /// more to send, and kept when the connection's window cut the frame short (deficit round robin).
    pub(crate) fn spend_turn(&mut self, len: usize, base: u32) -> bool {
        self.turn_left -= len.min(self.turn_left);
        if !self.data_waits() || self.window.window(base) <= 0 {
            self.turn_left = 0;
        }
        self.turn_left == 0
    }

    /// Looks whether the half gets on, `held` by a window or not; answers how many looks in a row have found it held,
    /// with nothing worth the name sent between them.
    pub(crate) fn look(&mut self, held: bool, bytes_min: usize) -> u8 {
        let moved = core::mem::take(&mut self.moved);
        self.still = match (held, moved < bytes_min) {
            (true, true) => self.still.saturating_add(1),
            // From here on.
            (true, false) => 1,
            (false, _) => 0,
        };
        self.still
    }

    /// Takes `len` bytes for a DATA frame, piece by piece; answers whether the frame ends the stream.
    pub(crate) fn take_data(&mut self, len: usize, mut put: impl FnMut(Bytes)) -> bool {
        self.window.spend(len);
        self.moved += len;
        self.body.take(len, &mut put);
        let ends = self.end && self.body.len == 0 && self.trailers.is_none();
        if ends {
            self.state = SendState::Ended;
        }
        ends
    }

    /// Whether a DATA frame of `len` bytes would be the last.
    pub(crate) fn ends_after(&self, len: usize) -> bool {
        self.end && self.body.len == len && self.trailers.is_none()
    }

    /// Gives up what was not sent.
    pub(crate) fn reset(&mut self) {
        if self.state == SendState::Ended {
            return;
        }
        self.state = SendState::Reset;
        self.interims = Vec::new();
        self.head = None;
        self.trailers = None;
        self.body = Body::default();
        self.blocked = false;
    }
}

impl Body {
    fn push(&mut self, piece: Bytes) {
        self.len += piece.len();
        if self.first.is_empty() && self.gathered.is_empty() && self.rest.is_empty() {
            self.first = piece;
        } else if piece.len() <= GATHER_MAX {
            self.gathered.extend_from_slice(&piece);
        } else {
            self.flush_gathered();
            self.rest.push_back(piece);
        }
    }

    fn flush_gathered(&mut self) {
        if !self.gathered.is_empty() {
            self.rest.push_back(self.gathered.split().freeze());
        }
    }

    fn take(&mut self, mut len: usize, put: &mut impl FnMut(Bytes)) {
        debug_assert!(len <= self.len);
        self.len -= len;
        while len > 0 {
            if self.first.is_empty() {
                if self.rest.is_empty() {
                    self.flush_gathered();
                }
                self.first = self.rest.pop_front().unwrap_or_default();
            }
            let step = len.min(self.first.len());
            if step == self.first.len() {
                put(core::mem::take(&mut self.first));
            } else {
                put(self.first.copy_to_bytes(step));
            }
            len -= step;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_come_out_in_order_however_they_were_given_and_taken() {
        let pieces: Vec<Vec<u8>> = (0..40u8)
            .map(|n| alloc::vec![n; usize::from(n) * 17 % 400 + 1])
            .collect();
        let whole = pieces.concat();
        for step in [1, 7, 100, 1_000, 16_384] {
            let mut half = SendHalf::new(None, false, usize::MAX);
            half.state = SendState::Open;
            for piece in &pieces {
                assert_eq!(half.give_data(&mut Bytes::from(piece.clone())), piece.len());
            }
            let mut out = Vec::new();
            while half.buffered() > 0 {
                half.take_data(step.min(half.buffered()), |piece| {
                    out.extend_from_slice(&piece)
                });
            }
            assert_eq!(out, whole, "taken by {step}");
        }
    }

    #[test]
    fn a_full_buffer_refuses_and_tells_when_half_of_it_is_free() {
        let mut half = SendHalf::new(None, false, 100);
        half.state = SendState::Open;
        let mut data = Bytes::from_static(&[1; 120]);
        assert_eq!(half.give_data(&mut data), 100);
        assert_eq!(data.len(), 20);
        assert!(!half.writable_due());
        half.take_data(50, |_| ());
        assert!(half.take_writable());
        assert!(!half.take_writable(), "told once");
    }
}
