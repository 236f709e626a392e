//! Fields of each message's own, by which one that gets into another is known (L09).

use std::iter;

use bytes::Bytes;
use raddle_core::FieldsIter;

use super::plan::Plan;
use crate::oracle::Way;

/// What a head carries beside its mark, as many of these as its request has: what many carry, what nobody may index, and
/// what says who somebody is.
const NAMES: [(&[u8], bool); 3] = [
    (b"x-own", false),
    (b"authorization", true),
    (b"cookie", false),
];

/// The fields of one head.
#[derive(Debug)]
pub(super) struct Own {
    mark: Bytes,
    more: Vec<(&'static [u8], Bytes, bool)>,
}

impl Own {
    /// Of the request `n`, or of its answer.
    pub(super) fn of(plan: &Plan, n: usize, way: Way) -> Self {
        let more = NAMES[..plan.requests[n].fields].iter();
        let value = || Bytes::from(format!("{way:?} {n}, of nobody else"));
        Self {
            mark: mark(n),
            more: more.map(|&(name, never)| (name, value(), never)).collect(),
        }
    }

    /// Each as name, value, and whether nobody may index it.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8], bool)> {
        let more = self.more.iter();
        let more = more.map(|(name, value, never)| (&name[..], &value[..], *never));
        iter::once((&b"x-mark"[..], &self.mark[..], false)).chain(more)
    }

    /// Whether a head carries exactly these.
    pub(super) fn are(&self, mut fields: FieldsIter<'_>) -> bool {
        let all = self.iter().all(|(name, value, never)| {
            let next = fields.next();
            next.is_some_and(|f| f.name == name && f.value == value && f.sensitive == never)
        });
        all && fields.next().is_none()
    }
}

/// The mark that everything of request `n` carries.
pub(super) fn mark(n: usize) -> Bytes {
    Bytes::from(format!("mark-{n}"))
}
