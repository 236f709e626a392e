//! The head of a response.

use core::fmt;

use super::content_length::Answered;
use super::rules::{Oddities, Section, is_pseudo};
use super::{Fields, FieldsBuilder, FieldsIter, chars};
use crate::violation::Violation;

/// The head of a response, final or informational: its status, and behind it its regular fields, in one [`Fields`].
///
/// A head made here may break a rule of RFC 9113 §8. [`ResponseHead::violation`] tells, and no such head is ever sent.
#[derive(Clone)]
pub struct ResponseHead {
    fields: Fields,
    status: u16,
    /// Where the regular fields begin.
    regular: u32,
    content_length: Option<u64>,
    has_priority: bool,
    /// By which rules it was judged.
    oddities: Oddities,
    violation: Option<Violation>,
}

impl ResponseHead {
    /// A response by its status, which is 100 to 999 but not 101 (RFC 9113 §8.3.2 and §8.6).
    ///
    /// ```
    /// use raddle_core::ResponseHead;
    ///
    /// let head = ResponseHead::new(200).field(b"content-length", b"5").finish();
    /// assert_eq!((head.status(), head.content_length()), (200, Some(5)));
    /// ```
    #[expect(clippy::new_ret_no_self, reason = "a head is made field by field")]
    #[must_use]
    pub fn new(status: u16) -> ResponseHeadBuilder {
        let digit = |unit: u16| b'0' + (status / unit % 10) as u8;
        let digits = [10_000, 1000, 100, 10, 1].map(digit);
        // A status of more than three digits is written as it is, to be found wrong.
        let digits = match status {
            10_000.. => &digits[..],
            1000.. => &digits[1..],
            _ => &digits[2..],
        };
        let mut fields = FieldsBuilder::new();
        fields.push(b":status", digits, false);
        ResponseHeadBuilder { fields }
    }

    /// A response out of fields in the order of the wire, `:status` in front.
    #[must_use]
    pub fn from_fields(fields: Fields) -> Self {
        Self::judged(fields.into(), Oddities::Refuse)
    }

    /// The same, judged anew where this connection has other rules than those that it was judged by: what may be
    /// forwarded here was refused when it was made, or was read on a connection that lets more pass.
    #[inline]
    pub(crate) fn for_sending(self, oddities: Oddities) -> Self {
        match self.oddities.tells(self.violation, oddities) {
            true => self,
            false => Self::judged(self.fields.into(), oddities),
        }
    }

    pub(super) fn judged(section: Section, oddities: Oddities) -> Self {
        let mut head = Self {
            fields: Fields::default(),
            status: 0,
            regular: 0,
            content_length: None,
            has_priority: false,
            oddities,
            violation: None,
        };
        head.violation = head.judge(&section, oddities).err();
        head.fields = section.fields;
        head
    }

    /// The status code; 0 only when there is none of three digits, which is a violation.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Whether this is an informational response, 1xx, which a final one must follow (RFC 9110 §15.2).
    #[must_use]
    pub fn is_informational(&self) -> bool {
        self.status / 100 == 1
    }

    /// The number of bytes in content-length, if there is one. A response to HEAD and one of status 304 have it without
    /// content (RFC 9110 §8.6).
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    /// The regular fields, in order.
    #[must_use]
    pub fn fields(&self) -> FieldsIter<'_> {
        self.fields.iter_from(self.regular)
    }

    /// Every field in the order of the wire, `:status` first.
    #[must_use]
    pub fn all(&self) -> FieldsIter<'_> {
        self.fields.iter()
    }

    /// The list that [`ResponseHead::all`] goes over, to share its memory.
    #[must_use]
    pub fn as_fields(&self) -> &Fields {
        &self.fields
    }

    /// The size in bytes by the formula of RFC 9113 §10.5.1, `:status` included.
    #[must_use]
    pub fn list_size(&self) -> usize {
        self.fields.list_size()
    }

    /// Whether there is a `priority` field (RFC 9218 §5), in a head that breaks no rule.
    pub(crate) fn has_priority(&self) -> bool {
        self.has_priority
    }

    /// The first rule of RFC 9113 §8 that the head breaks. Such a head cannot be sent, but for what
    /// [`forward_oddities`](crate::Config::forward_oddities) lets pass.
    #[must_use]
    pub fn violation(&self) -> Option<Violation> {
        self.violation
    }

    /// Notes where things are in `fields`, and judges them.
    fn judge(&mut self, section: &Section, oddities: Oddities) -> Result<(), Violation> {
        let fields = &section.fields;
        let mut violation = None;
        let mut iter = fields.iter();
        loop {
            self.regular = fields.offset_of(&iter);
            let Some((name, value, _)) = iter.entry() else {
                break;
            };
            if !is_pseudo(name) {
                break;
            }
            if let Err(fault) = self.note(name, value) {
                violation.get_or_insert(fault);
            }
        }
        if let Some(violation) = violation {
            return Err(violation);
        }
        // RFC 9113 §8.3.2: :status MUST be there.
        if self.status == 0 {
            return Err(Violation::PseudoFieldMissing);
        }
        // RFC 9113 §8.6: HTTP/2 has no 101.
        if self.status == 101 {
            return Err(Violation::SwitchingProtocols);
        }
        let regular = section.regular(oddities).checked()?;
        self.content_length = regular.content_length.bytes();
        self.has_priority = regular.has_priority;
        Ok(())
    }

    /// Notes one pseudo-field.
    #[inline(always)]
    fn note(&mut self, name: &[u8], value: &[u8]) -> Result<(), Violation> {
        if name != b":status" {
            return Err(Self::name_fault(name));
        }
        // RFC 9113 §8.3: the same pseudo-field MUST NOT appear twice.
        if self.status != 0 {
            return Err(Violation::PseudoFieldDuplicate);
        }
        if !chars::is_value(value) {
            return Err(Violation::FieldValueInvalid);
        }
        // RFC 9110 §15: a status is a number of three digits; those above 599 are let through for others to judge.
        let &[b'1'..=b'9', b'0'..=b'9', b'0'..=b'9'] = value else {
            return Err(Violation::StatusInvalid);
        };
        self.status = value
            .iter()
            .fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
        Ok(())
    }

    /// Says which rule a pseudo-field breaks that is not a response's.
    #[cold]
    fn name_fault(name: &[u8]) -> Violation {
        match name {
            // RFC 9113 §8.3: pseudo-fields of requests MUST NOT appear in responses.
            b":method" | b":scheme" | b":authority" | b":path" | b":protocol" => {
                Violation::PseudoFieldWrongDirection
            }
            // RFC 9113 §8.3: undefined ones make a response malformed.
            _ => Violation::PseudoFieldUnknown,
        }
    }
}

impl PartialEq for ResponseHead {
    fn eq(&self, other: &Self) -> bool {
        // Everything else follows from the fields.
        self.fields == other.fields
    }
}

impl Eq for ResponseHead {}

/// Shows the fields, and hides the values of sensitive ones.
impl fmt::Debug for ResponseHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ResponseHead").field(&self.fields).finish()
    }
}

/// Builds a [`ResponseHead`], field by field. Names are in lower case.
#[derive(Debug)]
pub struct ResponseHeadBuilder {
    fields: FieldsBuilder,
}

impl ResponseHeadBuilder {
    /// Appends a field.
    #[must_use]
    pub fn field(mut self, name: &[u8], value: &[u8]) -> Self {
        self.fields.push(name, value, false);
        self
    }

    /// Appends a field whose value goes into no compression table and no debug output (RFC 7541 §7.1.3).
    #[must_use]
    pub fn sensitive_field(mut self, name: &[u8], value: &[u8]) -> Self {
        self.fields.push(name, value, true);
        self
    }

    /// The head. Whether it keeps to the rules is told by [`ResponseHead::violation`].
    #[must_use]
    pub fn finish(mut self) -> ResponseHead {
        self.fields.finish_response()
    }
}

/// Judges a response that the peer sent.
///
/// # Errors
/// The first rule that it breaks.
pub(crate) fn parse_response(
    section: impl Into<Section>,
    oddities: Oddities,
) -> Result<ResponseHead, Violation> {
    let head = ResponseHead::judged(section.into(), oddities);
    head.violation.map_or(Ok(head), Err)
}

/// Judges a response that is to be sent, to a request of which `answered` tells. Costs nothing: the head was judged when
/// it was made.
///
/// # Errors
/// What a peer would have to punish, and [`Violation::ContentLengthForbidden`].
pub(crate) fn check_response(head: &ResponseHead, answered: Answered) -> Result<(), Violation> {
    if let Some(violation) = head.violation {
        return Err(violation);
    }
    // RFC 9110 §8.6: content-length MUST NOT be in a 1xx or 204, nor in a 2xx to CONNECT.
    let forbidden = match head.status {
        100..=199 | 204 => true,
        200..=299 => answered == Answered::Connect,
        _ => false,
    };
    if forbidden && head.content_length.is_some() {
        return Err(Violation::ContentLengthForbidden);
    }
    Ok(())
}
