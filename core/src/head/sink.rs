//! Where decoded header blocks go.

use alloc::vec::Vec;

use super::{
    Field, Fields, FieldsBuilder, RequestHead, chars,
    rules::{Oddities, Section},
};

/// Bytes that a connection takes at a time for the heads it receives. A head of ten fields needs 300 to 500, so that
/// one piece serves about ten; a head that is kept for long keeps one piece alive.
const SLAB_BYTES: usize = 4096;
/// The first piece is smaller, for connections that carry one request, and grows to that.
const SLAB_BYTES_FIRST: usize = 1024;

/// Larger lists get memory of their own. They would leave much of a piece unused, so that memory which nobody counts
/// would be kept for them.
const APART_BYTES: usize = SLAB_BYTES / 8;

/// The field that may come in crumbs.
const COOKIE: &[u8] = b"cookie";

/// The field itself, or the crumbs of a cookie (RFC 9113 §8.2.3).
pub(crate) fn crumbs(field: Field<'_>) -> impl Iterator<Item = Field<'_>> {
    let mut rest = Some(field.value);
    core::iter::from_fn(move || {
        let value = rest.take()?;
        let end = match field.name == COOKIE {
            true => first_cut(value),
            false => None,
        };
        rest = end.map(|at| &value[at + 2..]);
        let value = end.map_or(value, |at| &value[..at]);
        Some(Field { value, ..field })
    })
}

/// Where the first crumb of a cookie ends. Not beside more white space: no field may begin or end with it (RFC 9113 §8.2.1).
fn first_cut(value: &[u8]) -> Option<usize> {
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let pairs = value.windows(2).enumerate();
    let mut cuts = pairs.filter(|(_, pair)| pair == b"; ").map(|(at, _)| at);
    cuts.find(|&at| !blank(value[..at].last()) && !blank(value.get(at + 2)))
}

/// A request's cookies are not cut more often. Many servers take no more than a hundred fields.
const CUTS_MAX: usize = 64;
/// What a cut adds to the size of a list (RFC 9113 §10.5.1): a field more, and its name, without the two bytes between.
const CUT_BYTES: usize = 32 + COOKIE.len() - 2;

/// Whether a request's cookies may be sent in crumbs, to a peer whose limit on the size of a list is `list_max`. It would
/// count each crumb as a field, and must not refuse for that what it takes in one piece.
pub(crate) fn may_crumble(head: &RequestHead, list_max: usize) -> bool {
    let cookies = head.all().filter(|field| field.name == COOKIE);
    let cuts = cookies.map(|cookie| crumbs(cookie).skip(1).take(CUTS_MAX + 1).count());
    let cuts: usize = cuts.sum();
    cuts <= CUTS_MAX && head.list_size() + cuts * CUT_BYTES <= list_max
}

/// Collects the fields of one header block after the other. There is one for each connection: blocks do not overlap
/// (RFC 9113 §4.3).
#[derive(Debug)]
pub(crate) struct BlockSink {
    fields: FieldsBuilder,
    oddities: Oddities,
    /// Fields that ever came out of HPACK.
    produced: u64,
    /// Cookie fields of the block that has not ended.
    crumbs: u32,
}

impl BlockSink {
    /// A sink that has allocated nothing yet.
    pub(crate) fn new(oddities: Oddities) -> Self {
        Self {
            fields: FieldsBuilder::growing(SLAB_BYTES_FIRST, SLAB_BYTES, oddities),
            oddities,
            produced: 0,
            crumbs: 0,
        }
    }

    /// Counts the fields of a list that comes again.
    pub(crate) fn repeat(&mut self, list: &Fields) {
        self.produced += u64::from(list.count);
    }

    /// Fields that were produced so far, for all blocks.
    pub(crate) fn produced(&self) -> u64 {
        self.produced
    }

    /// Bytes of memory that no finished list has taken, and bytes beside them that finished lists have, gone or not.
    pub(crate) fn memory_footprint(&self) -> (usize, usize) {
        self.fields.memory_footprint()
    }

    /// Gives back the memory that no list has, unless a block is under way.
    pub(crate) fn shrink(&mut self) {
        if self.fields.bytes() == 0 {
            self.fields = FieldsBuilder::growing(SLAB_BYTES_FIRST, SLAB_BYTES, self.oddities);
        }
    }

    /// Gives back all memory, that of a block under way, too.
    pub(crate) fn give_up(&mut self) {
        self.crumbs = 0;
        self.fields = FieldsBuilder::growing(SLAB_BYTES_FIRST, SLAB_BYTES, self.oddities);
    }

    /// The fields of the block, which is at its end; with the crumbs of a cookie in one field, if they are to be.
    pub(crate) fn finish(&mut self, join_cookies: bool) -> Section {
        let crumbs = core::mem::take(&mut self.crumbs);
        if join_cookies && crumbs > 1 {
            let fields = self.fields.finish();
            let mut crumbs = fields.iter().filter(|field| field.name == COOKIE);
            // RFC 9113 §8.2.1: each is a field, and what is wrong with one must not vanish in the whole.
            return match crumbs.all(|crumb| chars::is_value(crumb.value)) {
                true => self.joined(&fields),
                false => fields.into(),
            };
        }
        match self.fields.bytes() > APART_BYTES {
            true => self.fields.finish_apart(SLAB_BYTES),
            false => self.fields.finish_section(),
        }
    }
}

impl BlockSink {
    /// `fields` with one cookie, where the first crumb was (RFC 9113 §8.2.3). Memory of its own: it is less than the
    /// crumbs took.
    fn joined(&mut self, fields: &Fields) -> Section {
        let crumbs = || fields.iter().filter(|field| field.name == COOKIE);
        let mut values: Vec<&[u8]> = crumbs().map(|crumb| crumb.value).collect();
        // Empty ones at the end would leave a space there, where none may be (RFC 9113 §8.2.1).
        let end = values.iter().rposition(|value| !value.is_empty());
        values.truncate(end.map_or(0, |last| last + 1));
        let mut cookie = Some(values.join(&b"; "[..]));
        for field in fields.iter() {
            if field.name != COOKIE {
                self.fields.push(field.name, field.value, field.sensitive);
            } else if let Some(cookie) = cookie.take() {
                // What one crumb keeps out of compression tables is in the whole.
                let sensitive = crumbs().any(|crumb| crumb.sensitive);
                self.fields.push(COOKIE, &cookie, sensitive);
            }
        }
        self.fields.finish_apart(SLAB_BYTES)
    }
}

impl raddle_hpack::Sink for BlockSink {
    fn field(&mut self, name: &[u8], value: &[u8], sensitive: bool) {
        self.field_noted(name, value, sensitive, false);
    }

    /// What is noted is that a field is plain: those that come out of the table need no second look.
    #[inline(always)]
    fn field_noted(&mut self, name: &[u8], value: &[u8], sensitive: bool, noted: bool) -> bool {
        self.produced += 1;
        self.crumbs += u32::from(name == COOKIE);
        self.fields.push_noted(name, value, sensitive, noted)
    }
}
