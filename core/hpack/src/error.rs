//! What can go wrong while decoding, and what the limits did.

use core::fmt;

/// A header block that is not valid HPACK. Every one of them is a connection
/// error of type `COMPRESSION_ERROR` (RFC 9113 §4.3): the dynamic tables of the
/// two ends can no longer be trusted to agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DecodeError {
    /// The block ended inside a field or an instruction (RFC 9113 §4.3).
    Truncated,
    /// An integer has more than five continuation octets or exceeds 2^32 - 1
    /// (RFC 7541 §5.1 asks for such a limit).
    IntegerOverflow,
    /// Index 0, or an index beyond both tables (RFC 7541 §2.3.3, §6.1). Carries
    /// the index.
    InvalidIndex(u32),
    /// A string contains EOS, or its padding is longer than 7 bits or not all
    /// ones (RFC 7541 §5.2).
    InvalidHuffman,
    /// A size update above the size in force (RFC 7541 §6.3), or a first one
    /// above the smallest size announced since the last block (RFC 7541 §4.2).
    SizeUpdateTooLarge {
        /// The size the peer asked for, in octets.
        asked: u32,
        /// The largest size allowed here, in octets.
        allowed: u32,
    },
    /// A size update after a field, or a third one in a block (RFC 7541 §4.2).
    SizeUpdateMisplaced,
    /// The table was reduced and acknowledged, yet the next block does not
    /// begin with a size update (RFC 9113 §4.3.1).
    SizeUpdateMissing,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("header block ends inside a field"),
            Self::IntegerOverflow => f.write_str("integer in header block is too large"),
            Self::InvalidIndex(index) => {
                write!(
                    f,
                    "header block refers to index {index}, which has no entry"
                )
            }
            Self::InvalidHuffman => {
                f.write_str("string in header block has EOS or bad padding in its Huffman code")
            }
            Self::SizeUpdateTooLarge { asked, allowed } => write!(
                f,
                "table size update to {asked} octets in header block, at most {allowed} allowed"
            ),
            Self::SizeUpdateMisplaced => {
                f.write_str("table size update after a field, or a third one, in header block")
            }
            Self::SizeUpdateMissing => {
                f.write_str("header block lacks the size update that a reduced table requires")
            }
        }
    }
}

impl core::error::Error for DecodeError {}

/// Which limit of [`DecoderConfig`](crate::DecoderConfig) a block crossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// `list_size_max`, in octets with 32 per field on top.
    ListSize,
    /// `fields_max`.
    Fields,
    /// `string_len_max`, in decoded octets of one name or value.
    StringLength,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ListSize => "header list too large",
            Self::Fields => "too many header fields",
            Self::StringLength => "header name or value too long",
        })
    }
}

/// How a valid block ended. The dynamic table is in step either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Every field went to the sink.
    Complete,
    /// From the field that crossed this limit on, none went to the sink.
    OverLimit(Limit),
}
