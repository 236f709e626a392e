//! Frames, for a trace.

use crate::wire::Frame;

/// A frame in a few words.
#[derive(Hash)]
pub(super) struct Short<'f>(pub(super) &'f Frame);

impl std::fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Frame {
            kind,
            flags,
            stream,
            payload,
        } = self.0;
        let first = &payload[..payload.len().min(12)];
        write!(
            f,
            "kind {kind} flags {flags:02x} stream {stream} {} bytes {first:02x?}",
            payload.len()
        )
    }
}
