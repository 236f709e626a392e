//! What callers are told when something ends badly: whose doing, what code, and whether to send the request again.

use core::fmt;

use bytes::Bytes;

use crate::{
    id::{ErrorCode, StreamId},
    violation::Violation,
};

/// May this request be sent again?
///
/// Answers "was it processed?", not "when?": back-off is the caller's policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Retry {
    /// The response head was delivered, or we gave the request up ourselves.
    Never,
    /// The peer may have acted on it: send again only what is idempotent.
    IfIdempotent,
    /// The peer provably did not act on it (RFC 9113 §8.7): any method may be sent again.
    Safe,
}

/// Who ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// This side: a cancelled stream, a drain, a violation that we found.
    Local,
    /// The peer: RST_STREAM or GOAWAY.
    Remote,
    /// The transport: end of file or a failed read or write.
    Transport,
}

/// Why a connection ended. It sticks: every later call answers the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionError {
    /// Who ended it.
    pub origin: Origin,
    /// The error code that went over the wire, or the one that fits.
    pub code: ErrorCode,
    /// The fault that we found in the peer's bytes, when that was the reason.
    pub violation: Option<Violation>,
}

impl ConnectionError {
    /// Whether the peer ended the connection because it was asked for too much (ENHANCE_YOUR_CALM), as servers of gRPC do
    /// after too many PINGs: the next connection to it had better keep alive less often.
    #[must_use]
    pub fn asks_for_calm(&self) -> bool {
        self.origin == Origin::Remote && self.code == ErrorCode::ENHANCE_YOUR_CALM
    }
}

/// What a GOAWAY says (RFC 9113 §6.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoAway {
    /// The last stream that its sender may have acted on.
    pub last: StreamId,
    /// Why it goes; NO_ERROR where nothing is wrong.
    pub code: ErrorCode,
    /// What it says beside that: a sentence for a person, as a rule, and any bytes at all. Of the peer's no more than the
    /// first 1,024 bytes are kept.
    pub debug: Bytes,
}

/// Why a stream ended without being complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamError {
    /// Who ended it.
    pub origin: Origin,
    /// The error code of the RST_STREAM or GOAWAY, or the one that fits.
    pub code: ErrorCode,
    /// The fault that we found in the peer's bytes, when that was the reason.
    pub violation: Option<Violation>,
    /// Whether the request may be sent again.
    pub retry: Retry,
}

/// Why a request could not be taken. It was not sent, so any of these may be tried elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// A server does not open streams: we do not push.
    NotClient,
    /// The connection drains or has closed; open another one.
    Closing,
    /// `Config::open_queue_max` requests wait already.
    QueueFull,
    /// The 2^30 stream ids of this connection are spent (RFC 9113 §5.1.1); open another one.
    IdsExhausted,
    /// The header list is larger than the peer's SETTINGS_MAX_HEADER_LIST_SIZE.
    HeaderListTooLarge,
    /// It is an extended CONNECT, and the peer's SETTINGS have not said that it takes those (RFC 8441 §3): they may not have
    /// arrived yet.
    ConnectProtocolDisabled,
    /// The request breaks a rule of RFC 9113 §8 that the peer would have to punish.
    Malformed(Violation),
}

/// Why a command for a stream could not be carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The handle names no open stream; its `Finished` or `Failed` has been or will be delivered.
    Gone,
    /// Out of order: a head or trailers at a point where RFC 9113 §8.1 has no place for them.
    OutOfOrder,
    /// The header list is larger than the peer's SETTINGS_MAX_HEADER_LIST_SIZE.
    HeaderListTooLarge,
    /// The message breaks a rule of RFC 9113 §8 that the peer would have to punish.
    Malformed(Violation),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "by this side",
            Self::Remote => "by the peer",
            Self::Transport => "by the transport",
        })
    }
}

impl fmt::Display for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Never => "do not send it again",
            Self::IfIdempotent => "send it again only if it is idempotent",
            Self::Safe => "not processed, safe to send again",
        })
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection ended {} with {}", self.origin, self.code)?;
        self.violation.map_or(Ok(()), |violation| {
            write!(f, ": {violation} ({})", violation.section())
        })
    }
}

impl fmt::Display for GoAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GOAWAY with {}", self.code)?;
        match self.debug.is_empty() {
            true => Ok(()),
            // The peer's bytes, and no line of a log may begin in them.
            false => write!(f, ": \"{}\"", self.debug.escape_ascii()),
        }
    }
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stream ended {} with {}", self.origin, self.code)?;
        if let Some(violation) = self.violation {
            write!(f, ": {violation} ({})", violation.section())?;
        }
        write!(f, "; {}", self.retry)
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotClient => f.write_str("a server cannot open streams"),
            Self::Closing => f.write_str("the connection is closing; open another one"),
            Self::QueueFull => {
                f.write_str("too many requests wait for a stream; try again when fewer do")
            }
            Self::IdsExhausted => {
                f.write_str("the connection has used up its stream ids; open another one")
            }
            Self::HeaderListTooLarge => {
                f.write_str("the header list is larger than the peer accepts")
            }
            Self::ConnectProtocolDisabled => {
                f.write_str("the peer has not said that it takes extended CONNECT (RFC 8441 §3)")
            }
            Self::Malformed(violation) => write!(
                f,
                "malformed request: {violation} ({})",
                violation.section()
            ),
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the stream has ended"),
            Self::OutOfOrder => f.write_str("this part of the message has no place here"),
            Self::HeaderListTooLarge => {
                f.write_str("the header list is larger than the peer accepts")
            }
            Self::Malformed(violation) => write!(
                f,
                "malformed message: {violation} ({})",
                violation.section()
            ),
        }
    }
}

impl core::error::Error for ConnectionError {}
impl core::error::Error for StreamError {}
impl core::error::Error for OpenError {}
impl core::error::Error for SendError {}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn endings_name_their_origin_code_fault_and_whether_to_try_again() {
        let told = |origin, code, violation| {
            let error = ConnectionError {
                origin,
                code,
                violation,
            };
            error.to_string()
        };
        assert_eq!(
            told(
                Origin::Local,
                ErrorCode::PROTOCOL_ERROR,
                Some(Violation::PingOnStream)
            ),
            "connection ended by this side with PROTOCOL_ERROR: a PING frame names a stream (RFC 9113 §6.7)"
        );
        assert_eq!(
            told(Origin::Remote, ErrorCode::ENHANCE_YOUR_CALM, None),
            "connection ended by the peer with ENHANCE_YOUR_CALM"
        );
        let told = |code, violation, retry| {
            let error = StreamError {
                origin: Origin::Transport,
                code,
                violation,
                retry,
            };
            error.to_string()
        };
        assert_eq!(
            told(ErrorCode::CANCEL, None, Retry::Never),
            "stream ended by the transport with CANCEL; do not send it again"
        );
        assert_eq!(
            told(ErrorCode::REFUSED_STREAM, None, Retry::Safe),
            "stream ended by the transport with REFUSED_STREAM; not processed, safe to send again"
        );
        let fault = Some(Violation::WindowUpdateZeroOnStream);
        assert_eq!(
            told(ErrorCode::PROTOCOL_ERROR, fault, Retry::IfIdempotent),
            "stream ended by the transport with PROTOCOL_ERROR: a WINDOW_UPDATE of zero came for a stream \
             (RFC 9113 §6.9); send it again only if it is idempotent"
        );
    }

    #[test]
    fn what_was_not_taken_says_why_and_what_to_do() {
        let violation = Violation::WindowUpdateZeroOnStream;
        for (error, words) in [
            (OpenError::NotClient, "a server"),
            (OpenError::Closing, "open another one"),
            (OpenError::QueueFull, "try again when fewer do"),
            (OpenError::IdsExhausted, "used up its stream ids"),
            (
                OpenError::HeaderListTooLarge,
                "larger than the peer accepts",
            ),
            (
                OpenError::ConnectProtocolDisabled,
                "not said that it takes extended CONNECT",
            ),
            (
                OpenError::Malformed(violation),
                "malformed request: a WINDOW_UPDATE of zero came for a stream (RFC 9113 §6.9)",
            ),
        ] {
            assert!(error.to_string().contains(words), "{error}");
        }
        for (error, words) in [
            (SendError::Gone, "has ended"),
            (SendError::OutOfOrder, "no place here"),
            (
                SendError::HeaderListTooLarge,
                "larger than the peer accepts",
            ),
            (
                SendError::Malformed(violation),
                "malformed message: a WINDOW_UPDATE of zero came for a stream (RFC 9113 §6.9)",
            ),
        ] {
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    // A server of gRPC that is asked for too many PINGs, and nobody else.
    #[test]
    fn only_a_peer_asks_for_calm() {
        for (origin, code, calm) in [
            (Origin::Remote, ErrorCode::ENHANCE_YOUR_CALM, true),
            (Origin::Local, ErrorCode::ENHANCE_YOUR_CALM, false),
            (Origin::Transport, ErrorCode::ENHANCE_YOUR_CALM, false),
            (Origin::Remote, ErrorCode::NO_ERROR, false),
        ] {
            let error = ConnectionError {
                origin,
                code,
                violation: None,
            };
            assert_eq!(error.asks_for_calm(), calm, "{error}");
        }
    }
}
