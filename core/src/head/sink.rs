//! Where decoded header blocks go.

use super::{Fields, FieldsBuilder};

/// Bytes that a connection takes at a time for the heads it receives. A head of ten fields needs 300 to 500, so that
/// one piece serves about ten; a head that is kept for long keeps one piece alive.
const SLAB_BYTES: usize = 4096;

/// Collects the fields of one header block after the other. There is one for each connection: blocks do not overlap
/// (RFC 9113 §4.3).
#[derive(Debug)]
pub(crate) struct BlockSink {
    fields: FieldsBuilder,
}

impl BlockSink {
    /// A sink that has allocated nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            fields: FieldsBuilder::with_slab_bytes(SLAB_BYTES),
        }
    }

    /// The fields of the block, which is at its end.
    pub(crate) fn finish(&mut self) -> Fields {
        self.fields.finish()
    }
}

impl raddle_hpack::Sink for BlockSink {
    fn field(&mut self, name: &[u8], value: &[u8], sensitive: bool) {
        self.fields.push(name, value, sensitive);
    }
}
