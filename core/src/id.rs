//! Names for the things a connection talks about: streams, handles, pings, roles and error codes.

use core::fmt;
use core::ops::Not;

/// A stream identifier as it stands on the wire: 31 bits (RFC 9113 §5.1.1).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(u32);

impl StreamId {
    /// Stream zero: the connection itself.
    pub const ZERO: Self = Self(0);
    /// The largest identifier that exists, 2^31-1.
    pub const MAX: Self = Self(0x7fff_ffff);

    /// The identifier in the low 31 bits of `raw`; the reserved bit is ignored (RFC 9113 §4.1).
    #[must_use]
    pub const fn from_u32(raw: u32) -> Self {
        Self(raw & Self::MAX.0)
    }

    /// The identifier as a number.
    #[must_use]
    pub const fn to_u32(self) -> u32 {
        self.0
    }

    /// Whether this is stream zero, the connection.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Whether a client opens streams of this identifier: the odd ones (RFC 9113 §5.1.1).
    #[must_use]
    pub const fn is_client_initiated(self) -> bool {
        self.0 & 1 == 1
    }

    /// Whether a server opens streams of this identifier: the even ones but zero (RFC 9113 §5.1.1).
    #[must_use]
    pub const fn is_server_initiated(self) -> bool {
        self.0 != 0 && self.0 & 1 == 0
    }

    /// Whether `role` opens streams of this identifier.
    #[must_use]
    pub const fn is_initiated_by(self, role: Role) -> bool {
        match role {
            Role::Client => self.is_client_initiated(),
            Role::Server => self.is_server_initiated(),
        }
    }

    /// The next identifier of the same initiator, or `None` when they are used up.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        if self.0 > Self::MAX.0 - 2 {
            return None;
        }
        Some(Self(self.0 + 2))
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamId({})", self.0)
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The application's name for one stream: a slot of the stream table, and which tenant of the slot.
///
/// A stale handle never reaches the slot's next tenant, because the generation differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamHandle {
    slot: u32,
    generation: u32,
}

impl StreamHandle {
    pub(crate) const fn new(slot: u32, generation: u32) -> Self {
        Self { slot, generation }
    }

    /// The stream's place in its connection's table. Small, and no two streams that live at once share it, so that
    /// callers can keep what they know of a stream in a vector. A place is used again once the end of its stream was
    /// told and its credit given back, whoever still keeps the old handle.
    #[must_use]
    pub const fn index(self) -> usize {
        self.slot as usize
    }

    pub(crate) const fn slot(self) -> u32 {
        self.slot
    }

    pub(crate) const fn generation(self) -> u32 {
        self.generation
    }
}

/// One PING that this side sent: its opaque payload, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PingId(pub u64);

/// Which end of the connection this is. `!role` is the peer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The end that opened the transport, and sends requests.
    Client,
    /// The end that accepted the transport, and answers.
    Server,
}

impl Not for Role {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// An error code of RST_STREAM or GOAWAY (RFC 9113 §7). Codes outside the registry are kept as they came.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(u32);

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        impl ErrorCode {
            $($(#[$doc])* pub const $name: Self = Self($code);)*

            /// The registered name, or `None` for a code outside RFC 9113 §7.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

error_codes! {
    /// No fault: a graceful end.
    NO_ERROR = 0x0;
    /// A rule of the protocol was broken, and no narrower code fits.
    PROTOCOL_ERROR = 0x1;
    /// The sender of the code failed in itself.
    INTERNAL_ERROR = 0x2;
    /// More was sent than the window allowed, or a window overflowed.
    FLOW_CONTROL_ERROR = 0x3;
    /// SETTINGS were not acknowledged in time.
    SETTINGS_TIMEOUT = 0x4;
    /// A frame came for a stream that was already half closed or closed.
    STREAM_CLOSED = 0x5;
    /// A frame had a size that it must not have.
    FRAME_SIZE_ERROR = 0x6;
    /// The stream was refused before any of it was processed.
    REFUSED_STREAM = 0x7;
    /// The stream is no longer wanted.
    CANCEL = 0x8;
    /// The header compression state is lost.
    COMPRESSION_ERROR = 0x9;
    /// The connection made by CONNECT was reset or closed abnormally.
    CONNECT_ERROR = 0xa;
    /// The peer generates excessive load.
    ENHANCE_YOUR_CALM = 0xb;
    /// The transport does not meet the minimum of security.
    INADEQUATE_SECURITY = 0xc;
    /// HTTP/1.1 is to be used instead.
    HTTP_1_1_REQUIRED = 0xd;
}

impl ErrorCode {
    /// The code with this number, registered or not.
    #[must_use]
    pub const fn from_u32(code: u32) -> Self {
        Self(code)
    }

    /// The number of the code.
    #[must_use]
    pub const fn to_u32(self) -> u32 {
        self.0
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "unknown error code 0x{:x}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    // RFC 9113 §5.1.1: odd for the client, even for the server, and no further than 31 bits.
    #[test]
    fn stream_ids_belong_to_one_side_and_run_out() {
        for (raw, client, server) in [(0, false, false), (1, true, false), (2, false, true)] {
            let id = StreamId::from_u32(raw);
            assert_eq!(
                (id.is_client_initiated(), id.is_server_initiated()),
                (client, server)
            );
            assert_eq!(id.is_initiated_by(Role::Client), client);
            assert_eq!(id.is_initiated_by(!Role::Client), server);
        }
        let next = |raw| StreamId::from_u32(raw).next().map(StreamId::to_u32);
        assert_eq!((next(1), next(2)), (Some(3), Some(4)));
        assert_eq!(next(0x7fff_fffd), Some(0x7fff_ffff));
        assert_eq!((next(0x7fff_fffe), next(0x7fff_ffff)), (None, None));
        // RFC 9113 §4.1: the reserved bit is no part of it.
        assert_eq!(StreamId::from_u32(u32::MAX), StreamId::MAX);
        assert!(StreamId::from_u32(1 << 31).is_zero());
        assert_eq!(format!("{:?}", StreamId::from_u32(3)), "StreamId(3)");
    }

    #[test]
    fn a_handle_names_a_place_and_who_has_it() {
        let (handle, next) = (StreamHandle::new(7, 3), StreamHandle::new(7, 4));
        assert_eq!((handle.index(), next.index()), (7, 7));
        assert_ne!(handle, next);
    }

    // RFC 9113 §7: unknown codes keep their number and get no name.
    #[test]
    fn error_codes_have_names_as_far_as_they_are_registered() {
        let names: alloc::vec::Vec<_> = (0..=0xd)
            .filter_map(|code| ErrorCode::from_u32(code).name())
            .collect();
        assert_eq!(names.len(), 14);
        assert_eq!(format!("{}", ErrorCode::from_u32(0xb)), "ENHANCE_YOUR_CALM");
        let unknown = ErrorCode::from_u32(0xbeef);
        assert_eq!((unknown.name(), unknown.to_u32()), (None, 0xbeef));
        assert_eq!(format!("{unknown:?}"), "unknown error code 0xbeef");
    }
}
