//! Field lists: what heads hold beside what they need, and what of it arrives.

use bytes::Bytes;
use raddle_core::{Field, RequestHead, RequestHeadBuilder, Role};

use super::World;
use crate::{
    oracle::{Message, Way},
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

/// What the last request had beside what it needs, and the last response.
#[derive(Debug, Default)]
pub(super) struct Before([Vec<Extra>; 2]);

impl World<'_> {
    /// Fields beside those that a head needs.
    pub(super) fn extras(&mut self, way: Way) -> Vec<Extra> {
        let features = self.plan.features;
        if features.alike {
            let before = &mut self.before.0[way as usize];
            if self.tape.lane("alike").chance(1, 4) {
                *before = Extra::draw(self.tape);
            }
            return before.clone();
        }
        if features.fields {
            Extra::draw(self.tape.lane("fields"))
        } else {
            Vec::new()
        }
    }

    /// The content of a message of which the application gives so many bytes.
    pub(super) fn message(&self, stamp: u64, len: usize, trailers: bool) -> Message {
        let mut message = Message::stamped(stamp, len, trailers);
        if self.plan.features.alike {
            message.trailers = message.trailers.map(|_| Bytes::from_static(b"end"));
        }
        message
    }

    /// A cookie of a few crumbs, none of which is so short that it is kept out of tables.
    pub(super) fn cookie(&mut self) -> Option<String> {
        let tape = self.tape.lane("cookies");
        if !self.plan.features.fields || !tape.chance(1, 3) {
            return None;
        }
        let crumb = |n: u64| format!("crumb-{n}=0123456789abcdef");
        let crumbs = (0..tape.between(1, 5)).map(|_| crumb(tape.below(4)));
        Some(crumbs.collect::<Vec<_>>().join("; "))
    }

    /// The head of a request is sent, with its cookie in crumbs if the client is asked to; and they arrive as one, if the
    /// server is (RFC 9113 §8.2.3).
    pub(super) fn request_sent(&mut self, n: u64, head: &RequestHead) -> Bytes {
        let list = |splits: bool| {
            let fields = head.all().flat_map(move |field| {
                let cut = splits && field.name == b"cookie";
                let crumbs = field.value.split(move |&byte| cut && byte == b';');
                crumbs.map(move |crumb| match cut {
                    true => (field.name, crumb.trim_ascii_start(), field.sensitive),
                    false => (field.name, crumb, field.sensitive),
                })
            });
            Bytes::from(lines(fields))
        };
        let sent = list(self.plan.client.split_cookies);
        let joins = self.plan.server.join_cookies;
        self.lists[n as usize].request = match joins {
            true => list(false),
            false => sent.clone(),
        };
        if sent.len() > 4_096 {
            self.marks.hit("E09");
        }
        sent
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
