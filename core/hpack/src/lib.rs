//! HPACK, header compression for HTTP/2 (RFC 7541), usable on its own.
//!
//! [`Decoder`] reads header blocks as they arrive, in fragments cut anywhere,
//! and hands each field to a [`Sink`] without allocating per field. Its limits
//! are inside: past one it goes on decoding, so that the dynamic table stays in
//! step with the peer's, but produces nothing more.
//!
//! [`Encoder`] appends blocks to a buffer. Which fields enter its dynamic table
//! is decided per field by [`Indexing`].
//!
//! Nothing here reads a clock or random numbers: the same calls give the same
//! octets. Nothing is allocated by a number the peer announced either, only for
//! octets it has sent.
//!
//! ```
//! use bytes::BytesMut;
//! use raddle_hpack::{Decoder, DecoderConfig, Encoder, Indexing, Sink, Verdict};
//!
//! struct Print;
//! impl Sink for Print {
//!     fn field(&mut self, name: &[u8], value: &[u8], _sensitive: bool) {
//!         assert_eq!((name, value), (&b":method"[..], &b"GET"[..]));
//!     }
//! }
//!
//! let mut block = BytesMut::new();
//! let mut encoder = Encoder::new(4096);
//! encoder.begin(&mut block);
//! encoder.field(b":method", b"GET", Indexing::Auto, &mut block);
//! assert_eq!(block[..], [0x82]);
//!
//! let mut decoder = Decoder::new(DecoderConfig::default());
//! decoder.decode(&block, &mut Print)?;
//! assert_eq!(decoder.finish()?, Verdict::Complete);
//! # Ok::<(), raddle_hpack::DecodeError>(())
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod decoder;
mod encoder;
mod entry;
mod error;
mod field;
mod hash;
mod huffman;
mod huffman_table;
mod integer;
mod meter;
mod partial;
mod policy;
mod recent;
mod search;
mod static_table;
mod table;

pub use decoder::{Decoder, DecoderConfig, Sink};
pub use encoder::{Encoder, Indexing};
pub use entry::{Entry, TableVersion, Written};
pub use error::{DecodeError, Limit, Verdict};
