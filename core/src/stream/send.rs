//! The send half: what waits to be cut into frames.

use alloc::boxed::Box;

use bytes::Bytes;

use super::parts::{OutHead, Parts, Spares};
use crate::{
    flow::Outbound,
    head::{BodyLength, Fields, ResponseHead},
};

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

/// What of a message is to be cut next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextPart {
    /// Nothing, until the caller gives more.
    Nothing,
    /// A head.
    Head,
    /// DATA, once a window allows it.
    Data,
    /// The trailers, which end the stream.
    Trailers,
    /// END_STREAM alone, which an empty DATA frame carries through any window.
    BareEnd,
}

#[derive(Debug)]
pub(crate) struct SendHalf {
    pub(crate) state: SendState,
    pub(crate) window: Outbound,
    /// What waits; a box that is taken from the spares, and goes back to them.
    parts: Option<Box<Parts>>,
    /// The caller has given everything.
    end: bool,
    /// `send_data` refused bytes and the caller is to be told when there is room again.
    blocked: bool,
    capacity: u32,
    /// Bytes that the stream may still send in the turn it has begun; 0 between turns.
    turn_left: u32,
    /// Bytes of DATA since the last look at whether the stream gets on.
    moved: u32,
    /// How many looks in a row have found that it does not.
    still: u8,
    /// What the head's content-length still allows.
    pub(crate) length: BodyLength,
}

impl SendHalf {
    /// A half that was given nothing yet, and whose buffer takes `capacity` bytes.
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            state: SendState::Idle,
            window: Outbound::default(),
            parts: None,
            end: false,
            blocked: false,
            capacity: u32::try_from(capacity).unwrap_or(u32::MAX),
            turn_left: 0,
            moved: 0,
            still: 0,
            length: BodyLength::unknown(),
        }
    }

    /// Lends it a box for its parts, if it has none: what it is given next needs no other memory.
    pub(crate) fn lend(&mut self, spares: &mut Spares) {
        if self.parts.is_none() {
            self.parts = Some(spares.take());
        }
    }

    /// Gives the box back once nothing is in it.
    pub(crate) fn give_back(&mut self, spares: &mut Spares) {
        if let Some(parts) = self.parts.take_if(|parts| parts.are_gone()) {
            spares.keep(parts);
        }
    }

    fn parts(&mut self) -> &mut Parts {
        self.parts.get_or_insert_default()
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
        self.parts.as_ref().map_or(0, |parts| parts.interims.len())
    }

    pub(crate) fn push_interim(&mut self, head: ResponseHead) {
        self.parts().interims.push(head);
    }

    /// Gives the final head.
    pub(crate) fn start(&mut self, head: OutHead, end: bool) {
        debug_assert_eq!(self.state, SendState::Idle);
        self.state = SendState::Open;
        self.parts().head = Some(head);
        self.end = end;
    }

    pub(crate) fn give_trailers(&mut self, trailers: Fields) {
        self.parts().trailers = Some(trailers);
        self.end = true;
    }

    /// Bytes of memory for heads and trailers that wait.
    pub(crate) fn header_footprint(&self) -> usize {
        self.parts
            .as_ref()
            .map_or(0, |parts| parts.header_footprint())
    }

    /// Bytes of memory for the body that waits, and for keeping parts in order.
    pub(crate) fn body_footprint(&self) -> usize {
        self.parts
            .as_ref()
            .map_or(0, |parts| size_of::<Parts>() + parts.body_footprint())
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
            self.parts().body.push(data.split_to(take));
        }
        take
    }

    /// Bytes that `give_data` would take now.
    pub(crate) fn room(&self) -> usize {
        (self.capacity as usize).saturating_sub(self.buffered())
    }

    pub(crate) fn buffered(&self) -> usize {
        self.parts.as_ref().map_or(0, |parts| parts.body.len)
    }

    /// Whether a caller was refused and not told since.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked && self.takes_parts()
    }

    /// Forgets that a caller was refused; answers whether one was.
    pub(crate) fn take_blocked(&mut self) -> bool {
        core::mem::take(&mut self.blocked)
    }

    /// Whether a refused caller can go on.
    pub(crate) fn writable_due(&self) -> bool {
        self.blocked && self.has_room_again()
    }

    /// Half of the buffer, so that one event brings more than a few bytes.
    #[cold]
    fn has_room_again(&self) -> bool {
        self.takes_parts() && self.buffered() <= self.capacity as usize / 2
    }

    /// Whether the caller is to be told of room; from now on it has been.
    pub(crate) fn take_writable(&mut self) -> bool {
        let due = self.writable_due();
        self.blocked &= !due;
        due
    }

    pub(crate) fn head_waits(&self) -> bool {
        self.parts.as_ref().is_some_and(|parts| parts.head_waits())
    }

    /// Whether what is given now waits for a head to be cut, and nobody waits for room.
    pub(crate) fn is_behind_head(&self) -> bool {
        self.head_waits() && !self.blocked
    }

    /// Takes the next head to encode, and whether it ends the stream.
    pub(crate) fn take_head(&mut self) -> Option<(OutHead, bool)> {
        let parts = self.parts.as_mut()?;
        if !parts.interims.is_empty() {
            return Some((OutHead::Response(parts.interims.remove(0)), false));
        }
        let head = parts.head.take()?;
        let ends = self.end && parts.are_gone();
        if ends {
            self.state = SendState::Ended;
        }
        Some((head, ends))
    }

    /// What is to be cut next: parts leave in order.
    #[inline]
    pub(crate) fn next_part(&self) -> NextPart {
        let open = self.state == SendState::Open;
        match &self.parts {
            Some(parts) if parts.head_waits() => NextPart::Head,
            Some(parts) if parts.body.len > 0 && open => NextPart::Data,
            Some(parts) if parts.body.len > 0 => NextPart::Nothing,
            Some(parts) if parts.trailers.is_some() => NextPart::Trailers,
            _ if open && self.end => NextPart::BareEnd,
            _ => NextPart::Nothing,
        }
    }

    /// Takes the trailers when their turn has come; they end the stream.
    pub(crate) fn take_trailers(&mut self) -> Option<Fields> {
        if self.next_part() != NextPart::Trailers {
            return None;
        }
        self.state = SendState::Ended;
        self.parts.as_mut()?.trailers.take()
    }

    fn nothing_waits(&self) -> bool {
        self.parts.as_ref().is_none_or(|parts| parts.are_gone())
    }

    /// Ends the half by an empty DATA frame, when that is what is left.
    pub(crate) fn take_bare_end(&mut self) -> bool {
        let ready = self.next_part() == NextPart::BareEnd;
        if ready {
            self.state = SendState::Ended;
        }
        ready
    }

    /// How large the next DATA frame may be under the stream's own window.
    pub(crate) fn data_available(&self, base: u32) -> usize {
        self.buffered().min(self.window.available(base))
    }

    /// Bytes that this turn still allows, which begins now if none has; a turn is `quantum` bytes long.
    pub(crate) fn turn(&mut self, quantum: u32) -> usize {
        if self.turn_left == 0 {
            self.turn_left = quantum;
        }
        self.turn_left as usize
    }

    /// Counts a frame against the turn; whether it is over. What is left of it is lost when the stream itself has no
    /// more to send, and kept when the connection's window cut the frame short (deficit round robin): the stream goes on
    /// with it when the others of its round have had theirs.
    pub(crate) fn spend_turn(&mut self, len: usize, base: u32) -> bool {
        // A frame has 24 bits of length.
        self.turn_left = self.turn_left.saturating_sub(len as u32);
        if self.next_part() != NextPart::Data || self.window.window(base) <= 0 {
            self.turn_left = 0;
        }
        self.turn_left == 0
    }

    /// Looks whether the half gets on, `held` by a window or not; answers how many looks in a row have found it held,
    /// with nothing worth the name sent between them, nor all that its caller had.
    pub(crate) fn look(&mut self, held: bool, bytes_min: usize) -> u8 {
        let moved = core::mem::take(&mut self.moved) as usize;
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
        self.moved = self.moved.saturating_add(len as u32);
        if let Some(parts) = &mut self.parts {
            parts.body.take(len, &mut put);
            if parts.body.len == 0 && !self.blocked {
                // Nothing was held back: its caller had no more to give.
                self.still = 0;
            }
        }
        let ends = self.end && self.nothing_waits();
        if ends {
            self.state = SendState::Ended;
        }
        ends
    }

    /// Whether a DATA frame of `len` bytes would be the last.
    pub(crate) fn ends_after(&self, len: usize) -> bool {
        let last = |parts: &Parts| parts.body.len == len && parts.trailers.is_none();
        self.end && self.parts.as_deref().is_none_or(last)
    }

    /// Gives up what was not sent.
    pub(crate) fn reset(&mut self) {
        if self.state == SendState::Ended {
            return;
        }
        self.state = SendState::Reset;
        if let Some(parts) = &mut self.parts {
            **parts = Parts::default();
        }
        self.blocked = false;
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn pieces_come_out_in_order_however_they_were_given_and_taken() {
        let pieces: Vec<Vec<u8>> = (0..40u8)
            .map(|n| alloc::vec![n; usize::from(n) * 17 % 400 + 1])
            .collect();
        let whole = pieces.concat();
        for step in [1, 7, 100, 1_000, 16_384] {
            let mut half = SendHalf::new(usize::MAX);
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
        let mut half = SendHalf::new(100);
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
