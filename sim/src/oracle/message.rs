//! What is sent.

use bytes::Bytes;

/// The content of a request or of a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// The body.
    pub body: Bytes,
    /// The value of the one field of its trailers, when it has trailers.
    pub trailers: Option<Bytes>,
}

impl Message {
    /// A message of `len` bytes that no other `stamp` has: bytes that are lost, swapped, or of another message, show.
    #[must_use]
    pub fn stamped(stamp: u64, len: usize, trailers: bool) -> Self {
        let mut state = stamp.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut body = vec![0; len.next_multiple_of(8)];
        for word in body.as_chunks_mut::<8>().0 {
            // xorshift64: fast, and good enough to have no period that a shift by a few bytes would hide in.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            *word = state.to_le_bytes();
        }
        body.truncate(len);
        Self {
            body: Bytes::from(body),
            trailers: trailers.then(|| Bytes::from(format!("end-of-{stamp}"))),
        }
    }
}
