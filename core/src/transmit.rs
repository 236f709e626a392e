//! Output that the caller owns: frame heads and small payloads gathered inline, large payloads shared.

use alloc::collections::VecDeque;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::id::StreamId;

/// Payloads up to this many bytes are copied next to their frame head. Below it a copy is cheaper than one more
/// entry of a vectored write and one more reference count.
const INLINE_MAX: usize = 1_024;

/// Places for requests on their way that are kept: 4 KiB.
const REQUESTS_KEPT: usize = 256;

/// Bytes on their way to the transport, in order.
///
/// [`Connection::poll_transmit`](crate::Connection::poll_transmit) appends to it; the caller writes from its front by
/// way of [`Buf`], best in one vectored write of [`parts`](Self::parts), and may keep what a short write left over for the next one.
#[derive(Debug, Default)]
pub struct Transmit {
    /// Every inline byte that is still to be written, one segment behind the other.
    inline: BytesMut,
    /// Bytes that `inline` has allocated. Its capacity says how many of them are left behind what was written.
    room: usize,
    segments: VecDeque<Segment>,
    len: usize,
    /// Bytes that the transport has taken so far.
    taken: u64,
    /// Pieces that were ever appended: frames, and payloads behind their frames' heads.
    pieces: u64,
    /// Where the last part of a message ends, counted as `taken`.
    messages_end: u64,
    /// Requests whose header blocks the transport has not taken whole.
    requests: VecDeque<Request>,
    /// Answers that the transport has not taken whole.
    pub(crate) unread: Unread,
}

/// Where a request's header block lies in the output.
#[derive(Clone, Copy, Debug)]
struct Request {
    /// Its end, counted as `taken`.
    end: u64,
    /// Its bytes; as many as can be written down, of one that is longer.
    len: u32,
    stream: StreamId,
}

/// Where answers end in the output, counted as the bytes that the transport takes.
#[derive(Debug, Default)]
pub(crate) struct Unread {
    pub(crate) pings: VecDeque<u64>,
    pub(crate) settings: VecDeque<u64>,
}

impl Unread {
    /// How many there are.
    fn len(&self) -> usize {
        self.pings.len() + self.settings.len()
    }

    /// Bytes of memory allocated.
    fn memory_footprint(&self) -> usize {
        (self.pings.capacity() + self.settings.capacity()) * size_of::<u64>()
    }

    /// Forgets those that the transport has taken whole.
    fn forget_taken(&mut self, taken: u64) {
        for ends in [&mut self.pings, &mut self.settings] {
            while ends.front().is_some_and(|&end| end <= taken) {
                ends.pop_front();
            }
        }
    }
}

#[derive(Debug)]
enum Segment {
    /// This many bytes from the front of `inline`, never zero.
    Inline(usize),
    /// Never empty.
    Shared(Bytes),
}

impl Transmit {
    /// An empty one. It allocates with first use and keeps its memory.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing waits to be written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of memory that it has allocated. Payloads that it shares with whoever gave them count with their own length.
    #[must_use]
    pub fn memory_footprint(&self) -> usize {
        let shared = self.segments.iter().map(|segment| match segment {
            Segment::Inline(_) => 0,
            Segment::Shared(bytes) => bytes.len(),
        });
        self.room
            + self.segments.capacity() * size_of::<Segment>()
            + self.requests.capacity() * size_of::<Request>()
            + self.unread.memory_footprint()
            + shared.sum::<usize>()
    }

    /// Bytes that were taken from its front since it was made.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    /// Answers to PING and to SETTINGS that the transport has not taken whole. For tests.
    #[doc(hidden)]
    #[must_use]
    pub fn unread(&self) -> usize {
        self.unread.len()
    }

    /// Notes that the answer to a PING ends here.
    pub(crate) fn note_pong(&mut self) {
        let end = self.taken + self.len as u64;
        self.unread.pings.push_back(end);
    }

    /// Notes that an acknowledgement of SETTINGS ends here.
    pub(crate) fn note_settings_ack(&mut self) {
        let end = self.taken + self.len as u64;
        self.unread.settings.push_back(end);
    }

    /// Pieces that were ever appended, which is what appending costs besides the bytes.
    pub(crate) fn pieces(&self) -> u64 {
        self.pieces
    }

    /// Notes that a part of a message ends here: a header block, DATA, or the RST_STREAM in their place.
    pub(crate) fn note_message(&mut self) {
        self.messages_end = self.taken + self.len as u64;
    }

    /// Whether it holds a part of a message, or the end of one, be it a RST_STREAM. What else there is, such as a GOAWAY,
    /// nobody misses who has had the last message.
    #[must_use]
    pub fn holds_message(&self) -> bool {
        self.messages_end > self.taken
    }

    /// Notes that the header block of a request ends here, which began behind `before` bytes of what waits.
    pub(crate) fn note_request(&mut self, stream: StreamId, before: usize) {
        self.requests.push_back(Request {
            end: self.taken + self.len as u64,
            len: u32::try_from(self.len - before).unwrap_or(u32::MAX),
            stream,
        });
    }

    /// Takes back the first request whose head the transport has not taken whole, and all that is behind it. Answers
    /// whether a frame was left without its end, behind which nothing may follow.
    pub(crate) fn take_back_requests(&mut self) -> bool {
        let Some(first) = self.requests.pop_front() else {
            return false;
        };
        self.requests = VecDeque::new();
        let start = first.end.saturating_sub(u64::from(first.len));
        // What waits in front of it is no more than what waits in all.
        self.truncate(start.saturating_sub(self.taken) as usize);
        start < self.taken
    }

    /// Keeps so many bytes from the front.
    fn truncate(&mut self, len: usize) {
        let (mut left, mut inline) = (len, 0);
        self.segments.retain_mut(|segment| match segment {
            Segment::Inline(bytes) => {
                *bytes = left.min(*bytes);
                inline += *bytes;
                left -= *bytes;
                *bytes > 0
            }
            Segment::Shared(bytes) => {
                bytes.truncate(left);
                left -= bytes.len();
                !bytes.is_empty()
            }
        });
        self.inline.truncate(inline);
        self.len = len - left;
        self.messages_end = self.messages_end.min(self.taken + self.len as u64);
    }

    /// Forgets those that the transport has taken whole.
    fn forget_requests(&mut self) {
        while let Some(first) = self.requests.front()
            && first.end <= self.taken
        {
            self.requests.pop_front();
        }
        if self.requests.is_empty() && self.requests.capacity() > REQUESTS_KEPT {
            self.requests = VecDeque::new();
        }
    }

    /// The first stream of which the transport has not taken the whole request head. Those above it are behind it.
    pub(crate) fn first_unsent(&self) -> Option<StreamId> {
        self.requests.front().map(|first| first.stream)
    }

    /// Whether it holds the head of a request, or the end of one: then the peer cannot have read that request, and whoever
    /// drops these bytes unsent can know that it was not processed. See
    /// [`Connection::handle_output_lost`](crate::Connection::handle_output_lost).
    #[must_use]
    pub fn holds_request(&self) -> bool {
        !self.requests.is_empty()
    }

    /// Appends a payload, by copy when it is small.
    pub(crate) fn put_payload(&mut self, payload: Bytes) {
        if payload.len() <= INLINE_MAX {
            self.put_inline(&payload);
            return;
        }
        self.len += payload.len();
        self.pieces += 1;
        self.segments.push_back(Segment::Shared(payload));
    }

    /// Appends bytes by copy.
    pub(crate) fn put_inline(&mut self, bytes: &[u8]) {
        self.inline.put_slice(bytes);
        self.grew(bytes.len());
    }

    /// Lets `write` append inline bytes; answers how many it appended.
    pub(crate) fn write_inline(&mut self, write: impl FnOnce(&mut BytesMut)) -> usize {
        let before = self.inline.len();
        write(&mut self.inline);
        debug_assert!(self.inline.len() >= before, "output only grows");
        let grown = self.inline.len() - before;
        self.grew(grown);
        grown
    }

    fn grew(&mut self, bytes: usize) {
        // It moves to the front of its memory before it takes more, and never takes less.
        self.room = self.room.max(self.inline.capacity());
        self.pieces += 1;
        if bytes == 0 {
            return;
        }
        self.len += bytes;
        match self.segments.back_mut() {
            Some(Segment::Inline(len)) => *len += bytes,
            _ => self.segments.push_back(Segment::Inline(bytes)),
        }
    }
}

impl Buf for Transmit {
    fn remaining(&self) -> usize {
        self.len
    }

    fn chunk(&self) -> &[u8] {
        match self.segments.front() {
            Some(Segment::Inline(len)) => &self.inline[..*len],
            Some(Segment::Shared(bytes)) => bytes,
            None => &[],
        }
    }

    /// # Panics
    /// When `count` is more than [`Buf::remaining`].
    fn advance(&mut self, mut count: usize) {
        assert!(
            count <= self.len,
            "advanced by {count} of {} bytes",
            self.len
        );
        self.len -= count;
        self.taken += count as u64;
        self.forget_requests();
        self.unread.forget_taken(self.taken);
        while count > 0 {
            // `len` is the sum of all segments, so that there is one while bytes are left to skip.
            let Some(front) = self.segments.front_mut() else {
                break;
            };
            let step = match front {
                Segment::Inline(len) => {
                    let step = count.min(*len);
                    self.inline.advance(step);
                    *len -= step;
                    if *len > 0 {
                        return;
                    }
                    step
                }
                Segment::Shared(bytes) => {
                    let step = count.min(bytes.len());
                    bytes.advance(step);
                    if !bytes.is_empty() {
                        return;
                    }
                    step
                }
            };
            count -= step;
            self.segments.pop_front();
        }
    }
}

impl Transmit {
    /// The bytes in order, as the parts that they are kept in. For a vectored write of as many as fit.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let mut inline = &self.inline[..];
        self.segments.iter().map(move |segment| match segment {
            Segment::Inline(len) => {
                let (part, rest) = inline.split_at(*len);
                inline = rest;
                part
            }
            Segment::Shared(bytes) => &bytes[..],
        })
    }
}

#[cfg(test)]
mod tests;
