//! The form of a frame: where it stands, how long it is, and its flags (RFC 9113 §4.1 and §6, RFC 9218 §7.1).

use super::{Passing, kind, observer::wrong};
use crate::outcome::Fault;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// Nothing here pads what it sends, pushes, or goes by the priorities of RFC 7540.
pub(super) fn judge(frame: &Passing<'_>) -> Result<(), Fault> {
    let len = frame.payload.len();
    let (on_stream, fits, flags) = match frame.kind {
        kind::DATA => (Some(true), true, END_STREAM),
        kind::HEADERS => (Some(true), true, END_STREAM | END_HEADERS),
        kind::CONTINUATION => (Some(true), true, END_HEADERS),
        kind::RST_STREAM => (Some(true), len == 4, 0),
        kind::SETTINGS if frame.is_ack() => (Some(false), len == 0, ACK),
        kind::SETTINGS => (Some(false), len.is_multiple_of(6), 0),
        kind::PING => (Some(false), len == 8, ACK),
        kind::GOAWAY => (Some(false), len >= 8, 0),
        kind::WINDOW_UPDATE => (None, len == 4, 0),
        kind::PRIORITY_UPDATE => (Some(false), len >= 4, 0),
        _ => return Err(wrong("I-09: a frame of a kind that nobody sends here")),
    };
    if on_stream.is_some_and(|on_stream| on_stream != (frame.stream != 0)) {
        return Err(wrong("I-09: on the wrong stream"));
    }
    if !fits {
        return Err(wrong("I-09: of another length than its kind has"));
    }
    if frame.flags & !flags != 0 {
        return Err(wrong("I-09: flags that mean nothing"));
    }
    let reserved = match frame.kind {
        kind::GOAWAY | kind::WINDOW_UPDATE | kind::PRIORITY_UPDATE => frame.payload[0] & 0x80 != 0,
        _ => false,
    };
    if reserved {
        return Err(wrong("I-09: the reserved bit is set"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Frame;

    fn judged(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        judge(&Frame::new(kind, flags, stream, payload).passing()).is_ok()
    }

    #[test]
    fn frames_as_they_should_be_pass() {
        assert!(judged(kind::DATA, 1, 1, b""));
        assert!(judged(kind::HEADERS, 5, 1, b"x"));
        assert!(judged(kind::SETTINGS, 1, 0, b""));
        assert!(judged(kind::SETTINGS, 0, 0, &[0, 1, 0, 0, 0, 9]));
        assert!(judged(kind::PING, 1, 0, &[9; 8]));
        assert!(judged(kind::GOAWAY, 0, 0, &[9; 8]));
        assert!(judged(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]));
        assert!(judged(kind::WINDOW_UPDATE, 0, 3, &[0, 0, 0, 1]));
        assert!(judged(kind::PRIORITY_UPDATE, 0, 0, &[0, 0, 0, 1, b'u']));
    }

    #[test]
    fn frames_of_another_form_do_not() {
        assert!(!judged(kind::DATA, 1, 0, b""), "no stream");
        assert!(!judged(kind::DATA, 8, 1, &[0]), "padded");
        assert!(!judged(kind::HEADERS, 0x25, 1, &[0; 5]), "with a priority");
        assert!(!judged(2, 0, 1, &[0; 5]), "PRIORITY");
        assert!(!judged(5, 4, 1, &[0; 5]), "PUSH_PROMISE");
        assert!(!judged(kind::RST_STREAM, 0, 1, &[0; 5]), "long");
        assert!(!judged(kind::RST_STREAM, 1, 1, &[0; 4]), "a flag");
        assert!(!judged(kind::SETTINGS, 0, 0, &[0; 5]), "no whole entry");
        assert!(
            !judged(kind::SETTINGS, 1, 0, &[0; 6]),
            "more than an answer"
        );
        assert!(!judged(kind::PING, 0, 1, &[0; 8]), "on a stream");
        assert!(
            !judged(kind::GOAWAY, 0, 0, &[0x80, 0, 0, 0, 0, 0, 0, 0]),
            "reserved"
        );
        assert!(!judged(0x20, 0, 0, b""), "unknown");
    }
}
