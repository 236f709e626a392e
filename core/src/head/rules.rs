//! The rules for regular fields, in heads and in trailers (RFC 9113 §8.2).

use super::Fields;
use super::chars;
use super::content_length::ContentLength;
use super::fields::PLAIN;
use crate::config::Config;
use crate::violation::Violation;

/// What becomes of oddities that RFC 9113 §8 forbids and that change neither how a message is framed nor where it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Oddities {
    /// They are faults.
    #[default]
    Refuse,
    /// They pass, in and out.
    Forward,
}

impl Oddities {
    /// Whether what was judged by these rules, and found to have this fault or none, would be judged alike by `others`.
    pub(super) fn tells(self, fault: Option<Violation>, others: Self) -> bool {
        self == others || (self == Self::Refuse && fault.is_none())
    }

    pub(crate) fn of(config: &Config) -> Self {
        match config.forward_oddities {
            true => Self::Forward,
            false => Self::Refuse,
        }
    }
}

/// What is known of the regular fields of a list, those behind its pseudo-fields, once each of them was looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Regular {
    pub(super) content_length: ContentLength,
    /// Where in the list the one Host field is.
    pub(super) host: Option<u32>,
    /// Whether there is a `priority` field, so that nobody looks for one in vain.
    pub(super) has_priority: bool,
    /// The first fault in them. Behind it nothing is known.
    fault: Option<Violation>,
    /// Whether there was any.
    begun: bool,
    oddities: Oddities,
}

impl Regular {
    /// Of an empty list.
    pub(super) fn new(oddities: Oddities) -> Self {
        Self {
            content_length: ContentLength::default(),
            host: None,
            has_priority: false,
            fault: None,
            begun: false,
            oddities,
        }
    }

    /// Looks at all fields of a list.
    fn of(fields: &Fields, oddities: Oddities) -> Self {
        let mut regular = Self::new(oddities);
        let mut iter = fields.iter();
        loop {
            let at = fields.offset_of(&iter);
            match iter.entry() {
                Some((.., bits)) if bits & PLAIN != 0 => regular.pass(),
                Some((name, value, _)) => regular.look(name, value, at),
                None => return regular,
            };
        }
    }

    /// Begins anew, with an empty list.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.oddities);
    }

    /// Passes a field that is known to be [plain](Self::look), and answers that.
    #[inline]
    pub(super) fn pass(&mut self) -> bool {
        self.begun = true;
        true
    }

    /// Looks at one more field, which is at `at` bytes of its list. Answers whether it is plain: nothing is wrong with it,
    /// and nothing follows from it, so that another like it need not be looked at, whatever becomes of oddities.
    #[inline]
    pub(super) fn look(&mut self, name: &[u8], value: &[u8], at: u32) -> bool {
        if !self.begun && is_pseudo(name) {
            // Only the whole head tells what it is about.
            return false;
        }
        self.begun = true;
        if self.fault.is_some() {
            return false;
        }
        let judged = self.judge(name, value, at);
        self.fault = judged.err();
        judged == Ok(true)
    }

    /// Answers what was found, if nothing is wrong.
    ///
    /// # Errors
    /// The first fault in them. Pseudo-fields are [`Violation::PseudoFieldAfterRegular`].
    pub(super) fn checked(self) -> Result<Self, Violation> {
        self.fault.map_or(Ok(self), Err)
    }

    #[inline(never)]
    fn judge(&mut self, name: &[u8], value: &[u8], at: u32) -> Result<bool, Violation> {
        let strict = self.oddities == Oddities::Refuse;
        if !chars::is_name(name) {
            return Err(name_fault(name));
        }
        // RFC 9113 §8.2.1: values MUST NOT contain control characters, nor begin or end with white space.
        let odd = !chars::is_value(value);
        if odd && (strict || !chars::is_padded_value(value)) {
            return Err(Violation::FieldValueInvalid);
        }
        // By length first: most fields are none of these, and then nothing is compared.
        match name.len() {
            // RFC 9113 §8.2.2: te MUST NOT have any value other than trailers.
            2 if name == b"te" => {
                // One of that value is as good by any rules.
                if is_trailers(value) {
                    return Ok(true);
                }
                if strict {
                    return Err(Violation::TeNotTrailers);
                }
            }
            // RFC 9110 §7.2: there is one Host at most.
            4 if name == b"host" => {
                if self.host.replace(at).is_some() {
                    return Err(Violation::HostMismatch);
                }
            }
            8 if name == b"priority" => self.has_priority = true,
            14 if name == b"content-length" => self.content_length.add(value)?,
            // RFC 9113 §8.2.2: connection-specific fields make a message malformed.
            7 | 10 | 16 | 17 if is_connection_specific(name) => {
                return Err(Violation::ConnectionSpecificField);
            }
            _ => return Ok(!odd),
        }
        Ok(false)
    }
}

/// A field section of the peer's, as a list, and what is known of its regular fields already.
#[derive(Clone, Debug)]
pub(crate) struct Section {
    pub(crate) fields: Fields,
    pub(super) regular: Option<Regular>,
}

impl Section {
    /// What is known of the regular fields by the rule for oddities under which they were looked at, or are now.
    #[inline]
    pub(super) fn regular(&self, oddities: Oddities) -> Regular {
        let known = self.regular.filter(|known| known.oddities == oddities);
        known.unwrap_or_else(|| Regular::of(&self.fields, oddities))
    }
}

impl From<Fields> for Section {
    fn from(fields: Fields) -> Self {
        Self {
            fields,
            regular: None,
        }
    }
}

/// The one value that RFC 9113 §8.2.2 leaves to te. Nearly all write it in lower case.
#[inline]
fn is_trailers(value: &[u8]) -> bool {
    value == b"trailers" || value.eq_ignore_ascii_case(b"trailers")
}

/// The fields that RFC 9113 §8.2.2 lists.
fn is_connection_specific(name: &[u8]) -> bool {
    matches!(
        name,
        b"upgrade" | b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding"
    )
}

/// Says which rule a name breaks that is not a field name.
#[cold]
fn name_fault(name: &[u8]) -> Violation {
    // RFC 9113 §8.3: pseudo-fields MUST NOT appear behind regular ones.
    if is_pseudo(name) {
        return Violation::PseudoFieldAfterRegular;
    }
    // RFC 9113 §8.2.1: names MUST be lower case, and MUST NOT contain what no token has.
    if chars::is_token(name) {
        Violation::FieldNameUppercase
    } else {
        Violation::FieldNameInvalid
    }
}

/// Judges the trailers of either side.
///
/// # Errors
/// The first fault of the peer in them.
pub(crate) fn parse_trailers(
    section: impl Into<Section>,
    oddities: Oddities,
) -> Result<Fields, Violation> {
    let section = section.into();
    check_trailer_fields(&section, oddities)?;
    Ok(section.fields)
}

/// Judges trailers that are to be sent.
///
/// # Errors
/// What a peer would have to punish, and [`Violation::ContentLengthForbidden`].
pub(crate) fn check_trailers(fields: &Fields, oddities: Oddities) -> Result<(), Violation> {
    let regular = check_trailer_fields(&fields.clone().into(), oddities)?;
    // RFC 9110 §6.5.1: fields that frame a message MUST NOT be sent as trailers.
    if regular.content_length.bytes().is_some() {
        return Err(Violation::ContentLengthForbidden);
    }
    Ok(())
}

fn check_trailer_fields(section: &Section, oddities: Oddities) -> Result<Regular, Violation> {
    // RFC 9113 §8.1: trailers MUST NOT contain pseudo-fields, wherever they stand.
    let first = section.fields.iter().next();
    if first.is_some_and(|first| is_pseudo(first.name)) {
        return Err(Violation::PseudoFieldInTrailers);
    }
    let regular = section.regular(oddities);
    regular.checked().map_err(|violation| match violation {
        Violation::PseudoFieldAfterRegular => Violation::PseudoFieldInTrailers,
        other => other,
    })
}

/// Whether a name is that of a pseudo-field (RFC 9113 §8.3).
#[inline]
pub(super) fn is_pseudo(name: &[u8]) -> bool {
    name.first() == Some(&b':')
}
