//! What a stream has been given to send and has not sent: in a box of its own, since most streams of a connection have
//! nothing there most of the time.

use alloc::{boxed::Box, collections::VecDeque, vec::Vec};

use bytes::{Buf, Bytes, BytesMut};

use crate::{
    fuel::Fuel,
    head::{Fields, RequestHead, ResponseHead},
};

/// Pieces of up to this many bytes are copied behind the last small piece, so that a caller who writes byte by byte
/// pays for bytes and not for queue entries.
const GATHER_MAX: usize = 256;

/// Places of a queue that a box keeps.
const QUEUE_KEPT: usize = 4;

/// Boxes that are kept for the next stream with something to send. As many as a connection has streams by default, so
/// that all of them may begin at once and nothing is allocated; some 30 KiB.
const SPARES_MAX: usize = 100;

/// A head that waits for its frame.
#[derive(Debug)]
pub(crate) enum OutHead {
    Request(RequestHead),
    Response(ResponseHead),
}

/// The parts of a message that wait, in the order in which they leave.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    pub(super) interims: Vec<ResponseHead>,
    pub(super) head: Option<OutHead>,
    pub(super) body: Body,
    pub(super) trailers: Option<Fields>,
}

/// Bytes of a body in order. The first piece has a place of its own: most bodies have one.
#[derive(Debug, Default)]
pub(super) struct Body {
    first: Bytes,
    rest: VecDeque<Bytes>,
    /// Small pieces on their way to become one.
    gathered: BytesMut,
    pub(super) len: usize,
}

/// Boxes for parts, that streams take when they are given something and leave when all of it is cut.
#[derive(Debug, Default)]
pub(crate) struct Spares {
    #[expect(clippy::vec_box, reason = "boxes move to streams and back")]
    boxes: Vec<Box<Parts>>,
}

impl Spares {
    /// A box without parts.
    pub(crate) fn take(&mut self) -> Box<Parts> {
        self.boxes.pop().unwrap_or_default()
    }

    /// Keeps a box whose parts are gone.
    pub(crate) fn keep(&mut self, mut parts: Box<Parts>) {
        debug_assert!(parts.are_gone());
        if self.boxes.len() < SPARES_MAX {
            parts.let_go();
            self.boxes.push(parts);
        }
    }

    /// Bytes of memory that the boxes take.
    pub(crate) fn memory_footprint(&self) -> usize {
        let bodies: usize = self.boxes.iter().map(|parts| parts.body_footprint()).sum();
        self.boxes.capacity() * size_of::<Box<Parts>>()
            + self.boxes.len() * size_of::<Parts>()
            + bodies
    }
}

impl Parts {
    pub(super) fn head_waits(&self) -> bool {
        self.head.is_some() || !self.interims.is_empty()
    }

    /// Whether nothing waits any more.
    pub(super) fn are_gone(&self) -> bool {
        self.body.len == 0 && self.trailers.is_none() && !self.head_waits()
    }

    /// Gives back the buffers of a large message, which the next may not need.
    fn let_go(&mut self) {
        // What is left of it holds on to all that it ever was.
        self.body.gathered = BytesMut::new();
        if self.body.rest.capacity() > QUEUE_KEPT {
            self.body.rest = VecDeque::new();
        }
        if self.interims.capacity() > QUEUE_KEPT {
            self.interims = Vec::new();
        }
    }

    /// Bytes of the header lists that wait.
    pub(super) fn header_footprint(&self) -> usize {
        let head = match &self.head {
            Some(OutHead::Request(head)) => head.as_fields().bytes(),
            Some(OutHead::Response(head)) => head.as_fields().bytes(),
            None => 0,
        };
        let interims = self.interims.iter().map(|head| head.as_fields().bytes());
        let trailers = self.trailers.as_ref().map_or(0, Fields::bytes);
        head + interims.sum::<usize>() + trailers
    }

    /// Bytes of memory for the body's bytes that wait, and for the queues of it.
    pub(super) fn body_footprint(&self) -> usize {
        let body = &self.body;
        body.first.len()
            + body.rest.iter().map(Bytes::len).sum::<usize>()
            + body.rest.capacity() * size_of::<Bytes>()
            + body.gathered.capacity()
            + self.interims.capacity() * size_of::<ResponseHead>()
    }
}

impl Body {
    pub(super) fn push(&mut self, piece: Bytes) {
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

    pub(super) fn take(&mut self, mut len: usize, put: &mut impl FnMut(Bytes)) {
        debug_assert!(len <= self.len);
        self.len -= len;
        // The first, the last, and those between.
        let mut fuel = Fuel::of(self.rest.len() + 3);
        while len > 0 {
            fuel.burn();
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
