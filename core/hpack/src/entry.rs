//! Names of what is in the tables, which stay good while entries come and go.

use crate::static_table;
use crate::table::Table;

/// How a field was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// As a reference to an entry of one of the tables, good for
    /// [`Encoder::repeat`](crate::Encoder::repeat).
    Entry(Entry),
    /// As a literal in which nothing depends on the dynamic table, and which
    /// leaves that as it is: the same octets are right for the same field in
    /// every block.
    Constant,
    /// As a literal that no hop may index (RFC 7541 §6.2.3): nothing to be
    /// remembered.
    Never,
    /// As any other literal.
    Literal,
}

/// An entry of the static table or of a dynamic one. No two entries that are
/// ever in the tables of one direction are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
// The index of a static entry; of a dynamic one how many had been inserted when it was, above those.
pub struct Entry(u64);

const STATIC: u64 = static_table::LEN as u64;

impl Entry {
    /// The one at an index of RFC 7541 §2.3.3, which there is.
    #[inline(always)]
    pub(crate) fn at(index: usize, table: &Table) -> Self {
        match index.checked_sub(static_table::LEN + 1) {
            None => Entry(index as u64),
            Some(newer) => Entry(STATIC + table.inserted() - newer as u64),
        }
    }

    /// Its index now, if it is still there.
    #[inline(always)]
    pub(crate) fn index(self, table: &Table) -> Option<usize> {
        if self.0 <= STATIC {
            return Some(self.0 as usize);
        }
        let newer = table.inserted() + STATIC - self.0;
        (newer < table.len() as u64).then_some(static_table::LEN + 1 + newer as usize)
    }
}

/// What a dynamic table held at some moment, and might take: at two moments of the same version both were the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableVersion(pub(crate) u64);

impl TableVersion {
    /// A number that two versions of one table do not share before 2^32 changes.
    pub fn digest(self) -> u32 {
        self.0 as u32
    }
}
