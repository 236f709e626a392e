//! What an end's application does, as the observer is told of it.

use bytes::Bytes;

use super::{Observer, Urgency};

impl Observer {
    /// The application has given `bytes` of the body of a stream so far.
    pub(crate) fn gave(&mut self, stream: u32, bytes: usize) {
        // A client gives some before the head is cut, which makes the stream.
        self.streams.or_default(stream).given = bytes;
        self.line_up(stream);
    }

    /// The end's application sends a head or trailers, of these lines.
    pub(crate) fn expect(&mut self, stream: u32, lines: Bytes) {
        self.messages.expect(stream, lines);
    }

    /// What made the answer on a stream says how urgent it is: what it names counts instead of what was asked for
    /// (RFC 9218 §8).
    pub(crate) fn urge_more(&mut self, stream: u32, text: &[u8]) {
        let asked = self.streams.or_default(stream);
        let asked = asked.urgency_said.then_some(asked.urgency);
        self.urge(stream, Urgency::parse_over(asked, text), false);
    }

    /// The end's application has said how urgent a stream is; or, unless a frame says it, its head.
    pub(crate) fn urge(&mut self, stream: u32, urgency: Urgency, by_head: bool) {
        let found = self.streams.or_default(stream);
        if !(by_head && found.urgency_told) {
            (found.urgency, found.urgency_told) = (urgency, !by_head);
            found.urgency_said = true;
        }
        self.line_up(stream);
    }
}
