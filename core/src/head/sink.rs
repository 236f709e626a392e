//! Where decoded header blocks go.

use super::{Fields, FieldsBuilder};

/// Bytes that a connection takes at a time for the heads it receives. A head of ten fields needs 300 to 500, so that
/// one piece serves about ten; a head that is kept for long keeps one piece alive.
const SLAB_BYTES: usize = 4096;

/// Larger lists get memory of their own. They would leave much of a piece unused, so that memory which nobody counts
/// would be kept for them.
const APART_BYTES: usize = SLAB_BYTES / 8;

/// Collects the fields of one header block after the other. There is one for each connection: blocks do not overlap
/// (RFC 9113 §4.3).
#[derive(Debug)]
pub(crate) struct BlockSink {
    fields: FieldsBuilder,
    /// Fields that ever came out of HPACK.
    produced: u64,
}

impl BlockSink {
    /// A sink that has allocated nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            fields: FieldsBuilder::with_slab_bytes(SLAB_BYTES),
            produced: 0,
        }
    }

    /// Fields that were produced so far, for all blocks.
    pub(crate) fn produced(&self) -> u64 {
        self.produced
    }

    /// Bytes of memory that no finished list has taken.
    pub(crate) fn memory_footprint(&self) -> usize {
        self.fields.capacity()
    }

    /// The fields of the block, which is at its end.
    pub(crate) fn finish(&mut self) -> Fields {
        if self.fields.bytes() > APART_BYTES {
            return self.fields.finish_apart(SLAB_BYTES);
        }
        self.fields.finish()
    }
}

impl raddle_hpack::Sink for BlockSink {
    fn field(&mut self, name: &[u8], value: &[u8], sensitive: bool) {
        self.produced += 1;
        self.fields.push(name, value, sensitive);
    }
}
