//! content-length: what it says, and whether the data keeps to it (RFC 9110 §8.6, RFC 9113 §8.1.1).

use crate::violation::Violation;

use super::{RequestHead, ResponseHead};

/// What the content-length fields of one head say together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ContentLength(Option<u64>);

impl ContentLength {
    /// The length in bytes, `None` when no field gave one.
    pub(super) fn bytes(self) -> Option<u64> {
        self.0
    }

    /// Takes in the value of one field, which may be a list of equal numbers: an intermediary may have joined fields.
    ///
    /// # Errors
    /// [`Violation::ContentLengthInvalid`] for what is not a number below 2^64, and for two different numbers.
    pub(super) fn add(&mut self, value: &[u8]) -> Result<(), Violation> {
        // RFC 9110 §8.6: equal numbers MAY be taken as one; anything else that is not a number MUST be refused.
        for member in value.split(|&byte| byte == b',') {
            let bytes = parse_number(member.trim_ascii()).ok_or(Violation::ContentLengthInvalid)?;
            if *self.0.get_or_insert(bytes) != bytes {
                return Err(Violation::ContentLengthInvalid);
            }
        }
        Ok(())
    }
}

/// A number of digits only: no sign, no space, and below 2^64.
fn parse_number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// The request that a response answers, as far as it decides about the response's content (RFC 9110 §6.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// HEAD: the response has no content, whatever its content-length says.
    Head,
    /// CONNECT, extended or not: after a 2xx the data is a tunnel and content-length says nothing.
    Connect,
    /// Any other method.
    Other,
}

impl Answered {
    /// What `head` will be answered as.
    pub(crate) fn of(head: &RequestHead) -> Self {
        head.answered()
    }

    /// What a request of this method will be answered as.
    pub(super) fn to(method: &[u8]) -> Self {
        match method {
            b"HEAD" => Self::Head,
            b"CONNECT" => Self::Connect,
            _ => Self::Other,
        }
    }

    /// Whether a final response of this status makes the stream a tunnel (RFC 9113 §8.5).
    pub(crate) fn opens_tunnel(self, status: u16) -> bool {
        self == Self::Connect && (200..=299).contains(&status)
    }
}

/// Counts the data of one message against what its head announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BodyLength {
    /// Bytes still to come, or [`ANY`].
    left: u64,
}

/// Any number of bytes will do. A content-length of as many is taken for one less: nobody will ever know.
const ANY: u64 = u64::MAX;

impl BodyLength {
    /// For the data behind `head`.
    pub(crate) fn of_request(head: &RequestHead) -> Self {
        // RFC 9110 §9.3.6: a CONNECT request has no content; the data is the tunnel.
        let expected = match Answered::of(head) {
            Answered::Connect => None,
            Answered::Head | Answered::Other => head.content_length(),
        };
        Self::new(expected)
    }

    /// For the data behind `head`, a final response to what `answered` tells.
    pub(crate) fn of_response(head: &ResponseHead, answered: Answered) -> Self {
        let expected = match (answered, head.status()) {
            // RFC 9110 §9.3.6: content-length in a successful response to CONNECT MUST be ignored.
            (Answered::Connect, 200..=299) => None,
            // RFC 9113 §8.1.1: these never have content, although content-length may be above zero.
            (Answered::Head, _) | (_, 100..=199 | 204 | 304) => Some(0),
            _ => head.content_length(),
        };
        Self::new(expected)
    }

    /// For data behind a head that is not known yet.
    pub(crate) fn unknown() -> Self {
        Self::new(None)
    }

    fn new(expected: Option<u64>) -> Self {
        Self {
            left: expected.map_or(ANY, |bytes| bytes.min(ANY - 1)),
        }
    }

    /// Bytes still to come, `None` when that is open.
    pub(crate) fn remaining(&self) -> Option<u64> {
        (self.left != ANY).then_some(self.left)
    }

    /// Counts `bytes` of data, padding not included.
    ///
    /// # Errors
    /// [`Violation::ContentLengthMismatch`] as soon as there is too much.
    pub(crate) fn received(&mut self, bytes: usize) -> Result<(), Violation> {
        if let Some(left) = self.remaining() {
            // RFC 9113 §8.1.1: data that does not add up makes the message malformed.
            let left = left.checked_sub(bytes as u64);
            self.left = left.ok_or(Violation::ContentLengthMismatch)?;
        }
        Ok(())
    }

    /// The data is at its end.
    ///
    /// # Errors
    /// [`Violation::ContentLengthMismatch`] when some is missing.
    pub(crate) fn end(&self) -> Result<(), Violation> {
        match self.remaining() {
            Some(1..) => Err(Violation::ContentLengthMismatch),
            _ => Ok(()),
        }
    }
}
