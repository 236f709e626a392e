//! The head of a request.

use core::fmt;

use super::content_length::Answered;
use super::rules::{Oddities, Section, is_pseudo};
use super::target::Target;
use super::{Fields, FieldsBuilder, FieldsIter, chars};
use crate::violation::Violation;

const METHOD: usize = 0;
const SCHEME: usize = 1;
const AUTHORITY: usize = 2;
const PATH: usize = 3;
const PROTOCOL: usize = 4;
/// The pseudo-fields of requests, by the constants above (RFC 9113 §8.3.1, RFC 8441 §4).
const NAMES: [&[u8]; 5] = [
    b":method",
    b":scheme",
    b":authority",
    b":path",
    b":protocol",
];

/// In place of an offset: there is no such field.
const NONE: u32 = u32::MAX;

/// The head of a request: its pseudo-fields, and behind them its regular fields, in one [`Fields`].
///
/// A head made here may break a rule of RFC 9113 §8. [`RequestHead::violation`] tells, and no such head is ever sent.
#[derive(Clone)]
pub struct RequestHead {
    fields: Fields,
    /// Where each pseudo-field lies in `fields`, or [`NONE`].
    pseudo: [u32; 5],
    /// Where the regular fields begin.
    regular: u32,
    content_length: Option<u64>,
    has_priority: bool,
    answered: Answered,
    /// By which rules it was judged.
    oddities: Oddities,
    violation: Option<Violation>,
}

/// What a request may be besides what RFC 9113 lets it be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// SETTINGS_ENABLE_CONNECT_PROTOCOL, of the side that receives the request (RFC 8441 §3).
    pub(crate) extended_connect: bool,
    pub(crate) oddities: Oddities,
}

impl RequestHead {
    /// A request by method, scheme, authority and path with query, for instance `GET`, `https`, `example.com:8443`
    /// and `/search?q=1`.
    ///
    /// ```
    /// use raddle_core::RequestHead;
    ///
    /// let head = RequestHead::new(b"GET", b"https", Some(b"example.com"), b"/")
    ///     .field(b"accept", b"text/html")
    ///     .sensitive_field(b"authorization", b"Bearer 0123")
    ///     .finish();
    /// assert_eq!(head.path(), Some(&b"/"[..]));
    /// assert_eq!(head.violation(), None);
    /// ```
    // The name says what is made; the builder between is a detail of how.
    #[expect(clippy::new_ret_no_self, reason = "a head is made field by field")]
    #[must_use]
    pub fn new(
        method: &[u8],
        scheme: &[u8],
        authority: Option<&[u8]>,
        path: &[u8],
    ) -> RequestHeadBuilder {
        RequestHeadBuilder::of([Some(method), Some(scheme), authority, Some(path)])
    }

    /// A CONNECT request for a tunnel to `authority`, which is a host and a port (RFC 9113 §8.5).
    ///
    /// An extended CONNECT is made by [`RequestHead::new`] and [`RequestHeadBuilder::protocol`].
    #[must_use]
    pub fn connect(authority: &[u8]) -> RequestHeadBuilder {
        RequestHeadBuilder::of([Some(b"CONNECT"), None, Some(authority), None])
    }

    /// A request out of fields in the order of the wire, pseudo-fields in front.
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
            pseudo: [NONE; 5],
            regular: 0,
            content_length: None,
            has_priority: false,
            answered: Answered::Other,
            oddities,
            violation: None,
        };
        head.violation = head.judge(&section, oddities).err();
        head.fields = section.fields;
        head
    }

    /// The method; empty only when there is none, which is a violation.
    #[must_use]
    pub fn method(&self) -> &[u8] {
        self.pseudo(METHOD).unwrap_or_default()
    }

    /// The scheme; absent in a plain CONNECT.
    #[must_use]
    pub fn scheme(&self) -> Option<&[u8]> {
        self.pseudo(SCHEME)
    }

    /// The authority, if it is not in a Host field or nowhere.
    #[must_use]
    pub fn authority(&self) -> Option<&[u8]> {
        self.pseudo(AUTHORITY)
    }

    /// The path with its query; absent in a plain CONNECT.
    #[must_use]
    pub fn path(&self) -> Option<&[u8]> {
        self.pseudo(PATH)
    }

    /// The protocol of an extended CONNECT, for instance `websocket` (RFC 8441 §4).
    #[must_use]
    pub fn protocol(&self) -> Option<&[u8]> {
        self.pseudo(PROTOCOL)
    }

    /// The number of bytes in content-length, if there is one.
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    /// The regular fields, in order.
    #[must_use]
    pub fn fields(&self) -> FieldsIter<'_> {
        self.fields.iter_from(self.regular)
    }

    /// Every field in the order of the wire, pseudo-fields first.
    #[must_use]
    pub fn all(&self) -> FieldsIter<'_> {
        self.fields.iter()
    }

    /// The list that [`RequestHead::all`] goes over, to share its memory.
    #[must_use]
    pub fn as_fields(&self) -> &Fields {
        &self.fields
    }

    /// The size in bytes by the formula of RFC 9113 §10.5.1, pseudo-fields included.
    #[must_use]
    pub fn list_size(&self) -> usize {
        self.fields.list_size()
    }

    /// Whether there is a `priority` field (RFC 9218 §5), in a head that breaks no rule.
    pub(crate) fn has_priority(&self) -> bool {
        self.has_priority
    }

    /// What its response answers, in a head whose pseudo-fields are each in order.
    pub(super) fn answered(&self) -> Answered {
        self.answered
    }

    /// The first rule of RFC 9113 §8 that the head breaks. Such a head cannot be sent, but for what
    /// [`forward_oddities`](crate::Config::forward_oddities) lets pass.
    #[must_use]
    pub fn violation(&self) -> Option<Violation> {
        self.violation
    }

    fn pseudo(&self, which: usize) -> Option<&[u8]> {
        // `NONE` lies behind every list.
        self.fields.at(self.pseudo[which]).map(|field| field.value)
    }

    /// Notes where things are in `fields`, and judges them.
    fn judge(&mut self, section: &Section, oddities: Oddities) -> Result<(), Violation> {
        let fields = &section.fields;
        let mut values = [None; 5];
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
            if let Err(fault) = self.note(name, value, &mut values) {
                violation.get_or_insert(fault);
            }
        }
        if let Some(violation) = violation {
            return Err(violation);
        }
        let [method, scheme, authority, path, protocol] = values;
        self.answered = Answered::to(method.unwrap_or_default());
        let target = Target {
            method,
            scheme,
            authority,
            path,
            protocol,
        };
        // Whatever is right for its pseudo-field is right for a field. RFC 9113 §8.2.1 comes first where it is not.
        target.check().map_err(|violation| {
            let mut values = values.iter().flatten();
            match values.all(|value| chars::is_value(value)) {
                true => violation,
                false => Violation::FieldValueInvalid,
            }
        })?;
        let regular = section.regular(oddities).checked()?;
        self.content_length = regular.content_length.bytes();
        self.has_priority = regular.has_priority;
        match regular.host.and_then(|host| fields.at(host)) {
            Some(host) if oddities == Oddities::Refuse => target.check_host(host.value),
            _ => Ok(()),
        }
    }

    /// Notes one pseudo-field, which lies where the regular fields were thought to begin.
    #[inline(always)]
    fn note<'a>(
        &mut self,
        name: &[u8],
        value: &'a [u8],
        values: &mut [Option<&'a [u8]>; 5],
    ) -> Result<(), Violation> {
        // Compared as words: a pattern would be compared byte by byte.
        let which = match name.len() {
            7 if name == NAMES[METHOD] => METHOD,
            7 if name == NAMES[SCHEME] => SCHEME,
            10 if name == NAMES[AUTHORITY] => AUTHORITY,
            5 if name == NAMES[PATH] => PATH,
            9 if name == NAMES[PROTOCOL] => PROTOCOL,
            // RFC 9113 §8.3: pseudo-fields of responses MUST NOT appear in requests.
            _ if name == b":status" => return Err(Violation::PseudoFieldWrongDirection),
            // RFC 9113 §8.3: undefined ones make a request malformed.
            _ => return Err(Violation::PseudoFieldUnknown),
        };
        // RFC 9113 §8.3: the same pseudo-field MUST NOT appear twice.
        if values[which].replace(value).is_some() {
            return Err(Violation::PseudoFieldDuplicate);
        }
        self.pseudo[which] = self.regular;
        Ok(())
    }
}

impl PartialEq for RequestHead {
    fn eq(&self, other: &Self) -> bool {
        // Everything else follows from the fields.
        self.fields == other.fields
    }
}

impl Eq for RequestHead {}

/// Shows the fields, and hides the values of sensitive ones.
impl fmt::Debug for RequestHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestHead").field(&self.fields).finish()
    }
}

/// Builds a [`RequestHead`], field by field. Names are in lower case.
#[derive(Debug)]
pub struct RequestHeadBuilder {
    fields: FieldsBuilder,
    /// Bytes of the pseudo-fields.
    pseudo_bytes: usize,
}

impl RequestHeadBuilder {
    /// Begins with the pseudo-fields, in the order of [`NAMES`].
    fn of(pseudo: [Option<&[u8]>; 4]) -> Self {
        let mut fields = FieldsBuilder::new();
        for (name, value) in NAMES.iter().zip(pseudo) {
            if let Some(value) = value {
                fields.push(name, value, false);
            }
        }
        let pseudo_bytes = fields.bytes();
        Self {
            fields,
            pseudo_bytes,
        }
    }

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

    /// Makes a CONNECT request an extended one (RFC 8441 §4). The peer must have enabled it.
    #[must_use]
    pub fn protocol(mut self, protocol: &[u8]) -> Self {
        self.fields
            .insert(self.pseudo_bytes, NAMES[PROTOCOL], protocol);
        self
    }

    /// The head. Whether it keeps to the rules is told by [`RequestHead::violation`].
    #[must_use]
    pub fn finish(mut self) -> RequestHead {
        self.fields.finish_request()
    }
}

/// Judges a request that the peer sent.
///
/// # Errors
/// The first rule that it breaks.
pub(crate) fn parse_request(
    section: impl Into<Section>,
    rules: &Rules,
) -> Result<RequestHead, Violation> {
    let head = RequestHead::judged(section.into(), rules.oddities);
    check_request(&head, rules)?;
    Ok(head)
}

/// Judges a request that is to be sent. Costs nothing: the head was judged when it was made.
///
/// # Errors
/// The first rule that it breaks, and that the peer would have to punish.
pub(crate) fn check_request(head: &RequestHead, rules: &Rules) -> Result<(), Violation> {
    if let Some(violation) = head.violation {
        return Err(violation);
    }
    // RFC 8441 §3: :protocol MUST NOT be sent to a side that has not enabled it.
    if !rules.extended_connect && head.pseudo[PROTOCOL] != NONE {
        return Err(Violation::ConnectProtocolDisabled);
    }
    Ok(())
}
