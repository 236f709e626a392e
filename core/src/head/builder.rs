//! How lists of fields are made, and what is found in them meanwhile.

use bytes::{Bytes, BytesMut};

use super::fields::{ENTRY_HEAD, PLAIN, SENSITIVE};
use super::rules::{Oddities, Regular, Section};
use super::{Fields, FieldsIter, RequestHead, ResponseHead};

/// How long a list may be in bytes. Lengths have 30 bits; far below that no peer takes such a list any more.
const LIST_BYTES_MAX: usize = 1 << 30;
/// What a builder takes first when nobody said more: a head of about ten fields.
const FIRST_BYTES: usize = 256;
/// How many bytes of room are made at once. More would be written twice where a list ends early.
const ROOM_BYTES: usize = 1_536;

/// Builds [`Fields`], one list after the other, out of one growing piece of memory.
///
/// A finished list takes its part of the memory with it; the rest serves the next list. When every list that came out
/// of a piece is gone, the piece is used again: a builder that is kept allocates once for many lists.
///
/// ```
/// use raddle_core::Fields;
///
/// let mut builder = Fields::builder();
/// builder.push(b"grpc-status", b"0", false);
/// let trailers = builder.finish();
/// assert_eq!(trailers.find(b"grpc-status"), Some(&b"0"[..]));
/// ```
#[derive(Debug)]
pub struct FieldsBuilder {
    /// What no finished list has of the piece of memory in use. Its bytes are there before they are written, so that an
    /// entry takes plain copies, and one look at whether there is room.
    block: BytesMut,
    /// Bytes of it that the unfinished list takes.
    written: usize,
    count: u32,
    /// Whether every field of the unfinished list is known to be [plain](Regular::look).
    plain: bool,
    /// Bytes of the next piece of memory, and of the largest, which is below 4 GiB: each connection has a builder, in which
    /// every byte counts.
    slab_bytes: u32,
    slab_bytes_max: u32,
    /// Bytes of the piece of memory in use that finished lists have taken. They stay allocated with the rest of it.
    given: u32,
    /// What is known of the regular fields of the unfinished list.
    regular: Regular,
}

impl FieldsBuilder {
    /// A builder for a list of usual size. It allocates at the first field.
    #[must_use]
    pub fn new() -> Self {
        Self::with_slab_bytes(FIRST_BYTES)
    }

    /// A builder that takes `slab_bytes` of memory at a time, for many lists. It allocates at the first field.
    #[must_use]
    pub fn with_slab_bytes(slab_bytes: usize) -> Self {
        Self::growing(slab_bytes, slab_bytes, Oddities::Refuse)
    }

    /// A builder whose first piece of memory has `first` bytes, and each after it twice as many, up to `most`.
    pub(super) fn growing(first: usize, most: usize, oddities: Oddities) -> Self {
        Self {
            block: BytesMut::new(),
            written: 0,
            count: 0,
            plain: true,
            slab_bytes: u32::try_from(first).unwrap_or(u32::MAX),
            slab_bytes_max: u32::try_from(most).unwrap_or(u32::MAX),
            given: 0,
            regular: Regular::new(oddities),
        }
    }

    /// Appends a field; names are in lower case.
    ///
    /// A field that the list cannot hold, with a name above 65,535 bytes or beyond 1 GiB of list, becomes one with an
    /// empty name, which every message is refused for.
    #[inline]
    pub fn push(&mut self, name: &[u8], value: &[u8], sensitive: bool) {
        self.push_noted(name, value, sensitive, false);
    }

    /// The same. `noted` says that the field is known to be [plain](Regular::look), and the answer whether it is known now.
    #[inline(always)]
    pub(super) fn push_noted(
        &mut self,
        name: &[u8],
        value: &[u8],
        sensitive: bool,
        noted: bool,
    ) -> bool {
        let plain = match noted {
            true => self.regular.pass(),
            // A list is no longer than `LIST_BYTES_MAX`.
            false => self.regular.look(name, value, self.written as u32),
        };
        self.plain &= plain;
        let bits = if sensitive { SENSITIVE } else { 0 } | if plain { PLAIN } else { 0 };
        if !self.put(name, value, bits) {
            self.push_slow(name, value, bits);
        }
        plain
    }

    /// Appends all fields of a list by one copy. What was found in them when they were pushed there is not looked for again:
    /// those that all heads of a kind have are best put into a list once.
    ///
    /// ```
    /// use raddle_core::Fields;
    ///
    /// let usual: Fields = [(&b"accept"[..], &b"text/html"[..])].into_iter().collect();
    /// let mut builder = Fields::builder();
    /// builder.push(b":status", b"200", false);
    /// builder.append(&usual);
    /// assert_eq!(builder.finish_response().violation(), None);
    /// ```
    pub fn append(&mut self, list: &Fields) {
        let (at, len) = (self.written, list.block.len());
        if len > LIST_BYTES_MAX.saturating_sub(at) {
            // The first that has no room is to be refused, and those before it are not.
            let fields = list.iter();
            return fields.for_each(|field| self.push(field.name, field.value, field.sensitive));
        }
        if len > self.block.len() - at {
            self.make_room(len);
        }
        self.written += len;
        self.count += list.count;
        self.block[at..self.written].copy_from_slice(&list.block);
        match list.plain && list.count > 0 {
            true => _ = self.regular.pass(),
            false => self.look_from(at),
        }
    }

    /// Looks at those entries from `at` bytes on that are not known to be plain.
    fn look_from(&mut self, at: usize) {
        self.plain = false;
        let list = &self.block[..self.written];
        let mut iter = FieldsIter { rest: &list[at..] };
        loop {
            let at = list.len() - iter.rest.len();
            match iter.entry() {
                Some((.., bits)) if bits & PLAIN != 0 => self.regular.pass(),
                Some((name, value, _)) => self.regular.look(name, value, at as u32),
                None => return,
            };
        }
    }

    /// Ends the list, and is ready for the next one.
    #[must_use]
    pub fn finish(&mut self) -> Fields {
        self.finish_section().fields
    }

    /// Ends the list as the head of a request: that of [`RequestHead::from_fields`], without another look at its regular
    /// fields.
    #[must_use]
    pub fn finish_request(&mut self) -> RequestHead {
        RequestHead::judged(self.finish_section(), Oddities::Refuse)
    }

    /// Ends the list as the head of a response: that of [`ResponseHead::from_fields`], without another look at its regular
    /// fields.
    #[must_use]
    pub fn finish_response(&mut self) -> ResponseHead {
        ResponseHead::judged(self.finish_section(), Oddities::Refuse)
    }

    /// Ends the list, with what is known of it.
    pub(super) fn finish_section(&mut self) -> Section {
        self.given += self.written as u32;
        let fields = match self.count {
            0 => Fields::default(),
            count => Fields {
                block: self.block.split_to(self.written).freeze(),
                count,
                plain: self.plain,
            },
        };
        self.end_section(fields)
    }

    /// Ends the list and gives it memory of its own, of just its size. More room than `keep` bytes is given back.
    pub(super) fn finish_apart(&mut self, keep: usize) -> Section {
        let fields = Fields {
            block: Bytes::copy_from_slice(&self.block[..self.written]),
            count: self.count,
            plain: self.plain,
        };
        if self.block.capacity() > keep {
            self.block = BytesMut::new();
            self.given = 0;
        }
        self.end_section(fields)
    }

    fn end_section(&mut self, fields: Fields) -> Section {
        let regular = Some(self.regular);
        self.clear();
        Section { fields, regular }
    }

    /// Forgets the fields pushed since the last list.
    pub fn clear(&mut self) {
        self.written = 0;
        self.count = 0;
        self.plain = true;
        self.regular.clear();
    }

    /// Bytes of memory for the unfinished list and those after it, and bytes that finished lists have of the same piece.
    pub(super) fn memory_footprint(&self) -> (usize, usize) {
        (self.block.capacity(), self.given as usize)
    }

    /// Bytes that the unfinished list takes so far.
    pub(super) fn bytes(&self) -> usize {
        self.written
    }

    /// Inserts a field at `at` bytes, where one entry ends and the next may begin.
    pub(super) fn insert(&mut self, at: usize, name: &[u8], value: &[u8]) {
        let before = self.written;
        self.push(name, value, false);
        // The entries behind it change places with it.
        let entry = self.written - before;
        self.block[at..self.written].rotate_right(entry);
        self.regular.clear();
        self.look_from(0);
    }

    #[cold]
    fn push_slow(&mut self, name: &[u8], value: &[u8], bits: u32) {
        let len = ENTRY_HEAD + name.len() + value.len();
        let fits = name.len() <= usize::from(u16::MAX)
            && len.saturating_add(self.written) <= LIST_BYTES_MAX;
        let (len, name, value, bits) = match fits {
            true => (len, name, value, bits),
            false => (ENTRY_HEAD, &[][..], &[][..], 0),
        };
        self.make_room(len);
        let put = self.put(name, value, bits);
        debug_assert!(put, "there is room");
        if !fits {
            // What was looked at is not what is there.
            self.regular.clear();
            self.look_from(0);
        }
    }

    /// Gets room for `len` more bytes.
    fn make_room(&mut self, len: usize) {
        let end = self.written + len;
        if end > self.block.capacity() {
            self.block.truncate(self.written);
            // The same piece again when no list has a part of it, or else another.
            if !self.block.try_reclaim(len) {
                // Twice what is there at least, so that a long list is not copied for each of its fields.
                let least = end.max(2 * self.written);
                let mut block = BytesMut::with_capacity(least.max(self.slab_bytes as usize));
                block.extend_from_slice(&self.block);
                self.block = block;
                self.slab_bytes = self.slab_bytes.saturating_mul(2).min(self.slab_bytes_max);
            }
            self.given = 0;
        }
        let room = self.block.capacity().min(end + ROOM_BYTES);
        let room = room.min(LIST_BYTES_MAX.max(end));
        self.block.resize(room.max(self.block.len()), 0);
    }

    /// Writes an entry, if it can be written and there is room; answers whether it did. There is never more room than a list
    /// may take, so that nobody has to ask here how long it gets.
    #[inline]
    fn put(&mut self, name: &[u8], value: &[u8], bits: u32) -> bool {
        if name.len() > usize::from(u16::MAX) {
            return false;
        }
        let end = self.written + ENTRY_HEAD + name.len() + value.len();
        let Some(entry) = self.block.get_mut(self.written..end) else {
            return false;
        };
        let Some((head, texts)) = entry.split_first_chunk_mut::<ENTRY_HEAD>() else {
            return false;
        };
        let [n0, n1] = (name.len() as u16).to_le_bytes();
        let [v0, v1, v2, v3] = (value.len() as u32 | bits).to_le_bytes();
        *head = [n0, n1, v0, v1, v2, v3];
        let (first, second) = texts.split_at_mut(name.len());
        copy(first, name);
        copy(second, value);
        self.written = end;
        self.count += 1;
        true
    }
}

/// Copies a text to where as much room is. Most names and many values have 4 to 16 bytes, which two words that may overlap
/// copy with less work than a call.
#[inline(always)]
fn copy(to: &mut [u8], text: &[u8]) {
    match text.len() {
        8..=16 => copy_ends::<8>(to, text),
        4..=7 => copy_ends::<4>(to, text),
        _ => to.copy_from_slice(text),
    }
}

#[inline(always)]
fn copy_ends<const N: usize>(to: &mut [u8], text: &[u8]) {
    if let (Some(first), Some(last)) = (text.first_chunk::<N>(), text.last_chunk::<N>()) {
        to[..N].copy_from_slice(first);
        let rest = to.len() - N;
        to[rest..].copy_from_slice(last);
    }
}

impl Default for FieldsBuilder {
    fn default() -> Self {
        Self::new()
    }
}
