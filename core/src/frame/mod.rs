//! Frames: the 9-byte head, the kinds and flags, and what each kind carries (RFC 9113 §4 and §6).
//!
//! Header blocks pass through as fragments of bytes; what is in them is HPACK's matter and not known here.

pub(crate) mod decode;
pub(crate) mod display;
pub(crate) mod encode;
mod parse;
pub(crate) mod settings;

#[cfg(test)]
mod tests;

use bytes::Bytes;

pub(crate) use decode::{Decoder, Limits};
pub use display::{FrameDump, FrameLog, describe_frame};
pub(crate) use settings::{Setting, SettingsFrame};

use crate::id::{ErrorCode, StreamId};
use crate::wire;

/// Length of a frame's head in bytes (RFC 9113 §4.1).
pub(crate) const HEAD_LEN: usize = 9;
/// Length of a priority signal in bytes (RFC 9113 §6.3).
pub(crate) const PRIORITY_LEN: usize = 5;
/// The smallest and the initial value of SETTINGS_MAX_FRAME_SIZE (RFC 9113 §6.5.2).
pub(crate) const MAX_FRAME_SIZE_MIN: u32 = 1 << 14;
/// The largest value of SETTINGS_MAX_FRAME_SIZE (RFC 9113 §6.5.2).
pub(crate) const MAX_FRAME_SIZE_MAX: u32 = (1 << 24) - 1;
/// What a client sends before its first frame (RFC 9113 §3.4).
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The kind of a frame: the ten of RFC 9113 §6, the one of RFC 9218, and whatever else may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Data,
    Headers,
    Priority,
    RstStream,
    Settings,
    PushPromise,
    Ping,
    GoAway,
    WindowUpdate,
    Continuation,
    /// RFC 9218 §7.1.
    PriorityUpdate,
    Unknown(u8),
}

impl Kind {
    pub(crate) const fn from_u8(kind: u8) -> Self {
        match kind {
            0 => Self::Data,
            1 => Self::Headers,
            2 => Self::Priority,
            3 => Self::RstStream,
            4 => Self::Settings,
            5 => Self::PushPromise,
            6 => Self::Ping,
            7 => Self::GoAway,
            8 => Self::WindowUpdate,
            9 => Self::Continuation,
            0x10 => Self::PriorityUpdate,
            other => Self::Unknown(other),
        }
    }

    pub(crate) const fn to_u8(self) -> u8 {
        match self {
            Self::Data => 0,
            Self::Headers => 1,
            Self::Priority => 2,
            Self::RstStream => 3,
            Self::Settings => 4,
            Self::PushPromise => 5,
            Self::Ping => 6,
            Self::GoAway => 7,
            Self::WindowUpdate => 8,
            Self::Continuation => 9,
            Self::PriorityUpdate => 0x10,
            Self::Unknown(other) => other,
        }
    }
}

/// The flags byte. Which bits mean something depends on the kind; the others are ignored (RFC 9113 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flags(pub(crate) u8);

impl Flags {
    pub(crate) const NONE: Self = Self(0);
    /// On SETTINGS and PING.
    pub(crate) const ACK: Self = Self(0x1);
    /// On DATA and HEADERS.
    pub(crate) const END_STREAM: Self = Self(0x1);
    /// On HEADERS, PUSH_PROMISE and CONTINUATION.
    pub(crate) const END_HEADERS: Self = Self(0x4);
    /// On DATA, HEADERS and PUSH_PROMISE.
    pub(crate) const PADDED: Self = Self(0x8);
    /// On HEADERS.
    pub(crate) const PRIORITY: Self = Self(0x20);

    pub(crate) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These flags with `other` as well when `condition` holds.
    pub(crate) const fn with_if(self, other: Self, condition: bool) -> Self {
        if condition { self.with(other) } else { self }
    }
}

/// The 9 bytes in front of every payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// Length of the payload in bytes.
    pub(crate) len: u32,
    pub(crate) kind: Kind,
    pub(crate) flags: Flags,
    pub(crate) stream: StreamId,
}

impl Head {
    /// Reads a head. The caller has checked that [`HEAD_LEN`] bytes are there.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        Self {
            len: wire::u24(bytes),
            kind: Kind::from_u8(bytes[3]),
            flags: Flags(bytes[4]),
            // RFC 9113 §4.1: the reserved bit MUST be ignored when receiving.
            stream: StreamId::from_u32(wire::u32(&bytes[5..])),
        }
    }
}

/// The deprecated priority signal of RFC 9113 §5.3.2, carried but not acted upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PriorityFields {
    pub(crate) exclusive: bool,
    pub(crate) dependency: StreamId,
    /// As on the wire: one less than the weight it stands for.
    pub(crate) weight: u8,
}

/// One frame off the wire, valid in itself: sizes, stream zero, padding and the order of header blocks are checked.
/// Whether it is valid *now*, on its stream, is the engine's question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Data {
        stream: StreamId,
        /// A slice of the input buffer, without padding. It keeps that buffer alive: the engine copies small ones.
        data: Bytes,
        /// What the frame costs of both windows: the whole payload with padding (RFC 9113 §6.9.1).
        flow_len: u32,
        end_stream: bool,
    },
    /// For tests: parts of header blocks are read where they lie.
    #[cfg(test)]
    Headers {
        stream: StreamId,
        fragment: Bytes,
        end_stream: bool,
        end_headers: bool,
        priority: Option<PriorityFields>,
    },
    Priority {
        stream: StreamId,
        priority: PriorityFields,
    },
    RstStream {
        stream: StreamId,
        code: ErrorCode,
    },
    Settings(SettingsFrame),
    SettingsAck,
    PushPromise {
        stream: StreamId,
        promised: StreamId,
        fragment: Bytes,
        end_headers: bool,
    },
    Ping {
        ack: bool,
        payload: [u8; 8],
    },
    GoAway {
        last: StreamId,
        code: ErrorCode,
        debug: Bytes,
    },
    WindowUpdate {
        stream: StreamId,
        /// May be zero: which fault that is depends on the stream.
        increment: u32,
    },
    /// For tests, as HEADERS.
    #[cfg(test)]
    Continuation {
        stream: StreamId,
        fragment: Bytes,
        end_headers: bool,
    },
    PriorityUpdate {
        prioritized: StreamId,
        /// As text: what it means is not the frame's business.
        value: Bytes,
    },
    /// A frame of an unknown kind. Its payload of `len` bytes is dropped as it arrives.
    Unknown {
        kind: u8,
        stream: StreamId,
        len: u32,
    },
}
