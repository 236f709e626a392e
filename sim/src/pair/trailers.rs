//! What trailers say here: a field of which the oracle knows the value.

use bytes::Bytes;
use raddle_core::Fields;

use crate::outcome::Fault;

/// Trailers of the one field that messages here have.
pub(crate) fn trailers(value: &[u8]) -> Fields {
    let mut builder = Fields::builder();
    builder.push(b"x-end", value, false);
    builder.finish()
}

/// The value of the one field of trailers.
pub(crate) fn trailers_value(n: u64, fields: &Fields) -> Result<Bytes, Fault> {
    let mut all = fields.iter();
    match (all.next(), all.next()) {
        (Some(field), None) if field.name == b"x-end" => Ok(Bytes::copy_from_slice(field.value)),
        _ => Err(Fault::of(
            n,
            format!("I-04: other trailers than were sent: {fields:?}"),
        )),
    }
}
