//! A list of fields as one piece of memory.

use core::fmt;

use bytes::Bytes;

use super::FieldsBuilder;

/// Bytes before each entry: the length of its name (2), and that of its value with two bits (4).
pub(super) const ENTRY_HEAD: usize = 6;
pub(super) const SENSITIVE: u32 = 1 << 31;
/// The field was looked at, and is [plain](super::rules::Regular::look).
pub(super) const PLAIN: u32 = 1 << 30;
/// RFC 9113 §10.5.1: what each field costs besides its name and value.
const FIELD_OVERHEAD: usize = 32;

/// Bytes of an entry.
pub(super) fn entry_bytes(name: &[u8], value: &[u8]) -> usize {
    ENTRY_HEAD + name.len() + value.len()
}

/// A list of fields in the order of the wire, kept in one shared block. Cloning it copies no field.
///
/// Two lists are equal when they hold the same fields in the same order, each as sensitive as the other.
#[derive(Clone, Default)]
pub struct Fields {
    pub(super) block: Bytes,
    pub(super) count: u32,
    /// Whether every field is known to be [plain](super::rules::Regular::look).
    pub(super) plain: bool,
}

/// One field of a [`Fields`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// The name, in lower case; pseudo-fields keep their colon.
    pub name: &'a [u8],
    /// The value, as received.
    pub value: &'a [u8],
    /// Never to be put into a compression table, here or by whoever forwards it (RFC 7541 §7.1.3).
    pub sensitive: bool,
}

impl Fields {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A builder of lists, see [`FieldsBuilder`].
    #[must_use]
    pub fn builder() -> FieldsBuilder {
        FieldsBuilder::new()
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The fields in order.
    #[must_use]
    pub fn iter(&self) -> FieldsIter<'_> {
        FieldsIter { rest: &self.block }
    }

    /// The value of the first field with this name, which is given in lower case. Costs a pass over the list.
    #[must_use]
    pub fn find(&self, name: &[u8]) -> Option<&[u8]> {
        self.iter()
            .find(|field| field.name == name)
            .map(|field| field.value)
    }

    /// The value of `field` as a share of the block: no byte is copied, and the block lives as long as the share.
    ///
    /// # Panics
    /// When `field` was not borrowed from this list or a clone of it.
    #[must_use]
    pub fn value_bytes(&self, field: &Field<'_>) -> Bytes {
        self.block.slice_ref(field.value)
    }

    /// The name of `field` as a share of the block, see [`Fields::value_bytes`].
    ///
    /// # Panics
    /// When `field` was not borrowed from this list or a clone of it.
    #[must_use]
    pub fn name_bytes(&self, field: &Field<'_>) -> Bytes {
        self.block.slice_ref(field.name)
    }

    /// The size in bytes by the formula of RFC 9113 §10.5.1: name, value and 32 for each field.
    #[must_use]
    pub fn list_size(&self) -> usize {
        self.block.len() + self.len() * (FIELD_OVERHEAD - ENTRY_HEAD)
    }

    /// The same list in memory of its own, of just its size.
    pub(super) fn copied(&self) -> Self {
        Self {
            block: Bytes::copy_from_slice(&self.block),
            count: self.count,
            plain: self.plain,
        }
    }

    /// Bytes of memory that the list takes in its block.
    pub(crate) fn bytes(&self) -> usize {
        self.block.len()
    }

    /// The entry at `offset`, which an iterator over this list gave.
    pub(super) fn at(&self, offset: u32) -> Option<Field<'_>> {
        self.iter_from(offset).next()
    }

    /// The entries from `offset` on, which an iterator over this list gave.
    pub(super) fn iter_from(&self, offset: u32) -> FieldsIter<'_> {
        let rest = self.block.get(offset as usize..).unwrap_or_default();
        FieldsIter { rest }
    }

    /// Where `iter`, which goes over this list, will read next.
    pub(super) fn offset_of(&self, iter: &FieldsIter<'_>) -> u32 {
        // The builder keeps to `LIST_BYTES_MAX`.
        (self.block.len() - iter.rest.len()) as u32
    }
}

impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        // Which of them were looked at makes no difference.
        self.count == other.count && self.iter().eq(other.iter())
    }
}

impl Eq for Fields {}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

impl<'a> IntoIterator for &'a Fields {
    type Item = Field<'a>;
    type IntoIter = FieldsIter<'a>;

    fn into_iter(self) -> FieldsIter<'a> {
        self.iter()
    }
}

impl<'a> FromIterator<(&'a [u8], &'a [u8])> for Fields {
    fn from_iter<T: IntoIterator<Item = (&'a [u8], &'a [u8])>>(fields: T) -> Self {
        let mut builder = FieldsBuilder::new();
        for (name, value) in fields {
            builder.push(name, value, false);
        }
        builder.finish()
    }
}

/// Writes `name: value`, and hides the value of a sensitive field.
impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value: &[u8] = if self.sensitive {
            b"(sensitive)"
        } else {
            self.value
        };
        write!(f, "{}: {}", self.name.escape_ascii(), value.escape_ascii())
    }
}

/// Iterator over a [`Fields`], in the order of the wire.
#[derive(Clone)]
pub struct FieldsIter<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> FieldsIter<'a> {
    /// The name and the value of the next field, and its two bits.
    #[inline(always)]
    pub(super) fn entry(&mut self) -> Option<(&'a [u8], &'a [u8], u32)> {
        let (head, rest) = self.rest.split_first_chunk::<ENTRY_HEAD>()?;
        let name_len = usize::from(u16::from_le_bytes(*head.first_chunk()?));
        let word = u32::from_le_bytes(*head.last_chunk()?);
        // Only the builder writes blocks, and it writes each entry whole.
        let (name, rest) = rest.split_at(name_len);
        let (value, rest) = rest.split_at((word & !(SENSITIVE | PLAIN)) as usize);
        self.rest = rest;
        Some((name, value, word))
    }
}

impl<'a> Iterator for FieldsIter<'a> {
    type Item = Field<'a>;

    #[inline]
    fn next(&mut self) -> Option<Field<'a>> {
        let (name, value, word) = self.entry()?;
        Some(Field {
            name,
            value,
            sensitive: word & SENSITIVE != 0,
        })
    }
}

impl core::iter::FusedIterator for FieldsIter<'_> {}

impl fmt::Debug for FieldsIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}
