//! The rules for regular fields, in heads and in trailers (RFC 9113 §8.2).

use super::chars;
use super::content_length::ContentLength;
use super::{Field, Fields, FieldsIter};
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
    pub(crate) fn of(config: &Config) -> Self {
        match config.forward_oddities {
            true => Self::Forward,
            false => Self::Refuse,
        }
    }
}

/// What one pass over regular fields found.
#[derive(Debug, Default)]
pub(super) struct Regular<'a> {
    pub(super) content_length: ContentLength,
    /// The value of the one Host field.
    pub(super) host: Option<&'a [u8]>,
    /// Whether there is a `priority` field, so that nobody looks for one in vain.
    pub(super) has_priority: bool,
}

/// Checks the regular fields of a head, or of trailers.
///
/// # Errors
/// The first fault in them. Pseudo-fields are [`Violation::PseudoFieldAfterRegular`].
pub(super) fn check_regular(
    fields: FieldsIter<'_>,
    oddities: Oddities,
) -> Result<Regular<'_>, Violation> {
    let strict = oddities == Oddities::Refuse;
    let mut regular = Regular::default();
    for Field { name, value, .. } in fields {
        if !chars::is_name(name) {
            return Err(name_fault(name));
        }
        // RFC 9113 §8.2.1: values MUST NOT contain control characters, nor begin or end with white space.
        if !chars::is_value(value) && (strict || !chars::is_padded_value(value)) {
            return Err(Violation::FieldValueInvalid);
        }
        // By length first: most fields are none of these, and then nothing is compared.
        match name.len() {
            // RFC 9113 §8.2.2: te MUST NOT have any value other than trailers.
            2 if strict && name == b"te" && !is_trailers(value) => {
                return Err(Violation::TeNotTrailers);
            }
            // RFC 9110 §7.2: there is one Host at most.
            4 if name == b"host" && regular.host.replace(value).is_some() => {
                return Err(Violation::HostMismatch);
            }
            8 if name == b"priority" => regular.has_priority = true,
            14 if name == b"content-length" => regular.content_length.add(value)?,
            // RFC 9113 §8.2.2: connection-specific fields make a message malformed.
            7 | 10 | 16 | 17 if is_connection_specific(name) => {
                return Err(Violation::ConnectionSpecificField);
            }
            _ => {}
        }
    }
    Ok(regular)
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
    if name.first() == Some(&b':') {
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
pub(crate) fn parse_trailers(fields: Fields, oddities: Oddities) -> Result<Fields, Violation> {
    check_trailer_fields(&fields, oddities)?;
    Ok(fields)
}

/// Judges trailers that are to be sent.
///
/// # Errors
/// What a peer would have to punish, and [`Violation::ContentLengthForbidden`].
pub(crate) fn check_trailers(fields: &Fields, oddities: Oddities) -> Result<(), Violation> {
    let regular = check_trailer_fields(fields, oddities)?;
    // RFC 9110 §6.5.1: fields that frame a message MUST NOT be sent as trailers.
    if regular.content_length.bytes().is_some() {
        return Err(Violation::ContentLengthForbidden);
    }
    Ok(())
}

fn check_trailer_fields(fields: &Fields, oddities: Oddities) -> Result<Regular<'_>, Violation> {
    check_regular(fields.iter(), oddities).map_err(|violation| match violation {
        // RFC 9113 §8.1: trailers MUST NOT contain pseudo-fields, wherever they stand.
        Violation::PseudoFieldAfterRegular => Violation::PseudoFieldInTrailers,
        other => other,
    })
}
