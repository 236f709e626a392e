//! Field lists: what heads hold beside what they need, and what of it arrives.

use bytes::Bytes;
use raddle_core::{Field, RequestHeadBuilder, Role};

use super::World;
use crate::{
    oracle::Way,
    outcome::Fault,
    tape::Tape,
    wire::{are_lines, lines},
};

/// Names of fields beside those that a head needs.
const NAMES: [&[u8]; 4] = [b"x-a", b"cache-control", b"x-long-name-of-a-field", b"etag"];

/// A value of which no code is shorter.
const LONGER_THAN_FRAME: &[u8] = &[b'~'; 20_000];

/// A field beside those that a head needs.
#[derive(Clone, Debug)]
pub(super) struct Extra {
    pub(super) name: &'static [u8],
    pub(super) value: Vec<u8>,
    pub(super) sensitive: bool,
}

impl Extra {
    /// One that no frame holds.
    pub(super) fn long() -> Self {
        Self {
            name: NAMES[0],
            value: LONGER_THAN_FRAME.to_vec(),
            sensitive: false,
        }
    }

    /// Adds it to the head of a request.
    pub(super) fn put(&self, head: RequestHeadBuilder) -> RequestHeadBuilder {
        match self.sensitive {
            true => head.sensitive_field(self.name, &self.value),
            false => head.field(self.name, &self.value),
        }
    }

    /// Fields that fill and empty tables: values that come again, ones that never do, long ones.
    pub(super) fn draw(tape: &mut Tape) -> Vec<Self> {
        (0..tape.below(4))
            .map(|_| {
                let name = tape.pick(&NAMES);
                let value = match tape.below(8) {
                    0 => vec![b'v'; tape.size(3_000)],
                    1 if tape.chance(1, 20) => LONGER_THAN_FRAME.to_vec(),
                    2..=4 => tape.below(1 << 20).to_string().into_bytes(),
                    _ => vec![b'a' + tape.below(4) as u8; 3],
                };
                Self {
                    name,
                    value,
                    sensitive: tape.chance(1, 8),
                }
            })
            .collect()
    }
}

/// The head of each message by number, as lines.
#[derive(Debug, Default)]
pub(super) struct Lists {
    request: Bytes,
    response: Bytes,
}

impl World<'_> {
    /// Fields beside those that a head needs.
    pub(super) fn extras(&mut self) -> Vec<Extra> {
        if self.plan.features.fields {
            Extra::draw(self.tape.lane("fields"))
        } else {
            Vec::new()
        }
    }

    /// The head of a message is sent: its lines go to whoever sees them next.
    pub(super) fn head_sent<'f>(
        &mut self,
        n: u64,
        way: Way,
        fields: impl Iterator<Item = Field<'f>>,
    ) -> Bytes {
        let lines = lines(fields.map(|field| (field.name, field.value, field.sensitive)));
        if lines.len() > 4_096 {
            self.marks.hit("E09");
        }
        let (lines, lists) = (Bytes::from(lines), &mut self.lists[n as usize]);
        match way {
            Way::Up => lists.request = lines.clone(),
            Way::Down => lists.response = lines.clone(),
        }
        lines
    }

    /// I-31: the head that arrives is the one that was sent, with nothing of another's.
    pub(super) fn head_arrives<'f>(
        &mut self,
        n: u64,
        role: Role,
        fields: impl Iterator<Item = Field<'f>> + Clone,
    ) -> Result<(), Fault> {
        let sent = match role {
            Role::Client => &self.lists[n as usize].response,
            Role::Server => &self.lists[n as usize].request,
        };
        let fields = fields.map(|field| (field.name, field.value, field.sensitive));
        if !are_lines(sent, fields.clone()) {
            return Err(Fault::of(
                n,
                format!(
                    "I-31: {role:?} gets a head of {:?}, where {:?} was sent",
                    String::from_utf8_lossy(&lines(fields)),
                    String::from_utf8_lossy(sent)
                ),
            ));
        }
        Ok(())
    }
}
