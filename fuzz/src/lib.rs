//! What the fuzz targets do with an input, as functions, so that the inputs that are kept also run as ordinary tests.

pub mod chunking;
pub mod connection_bytes;
pub mod frame_decode;
pub mod hpack_decode;
pub mod hpack_roundtrip;
pub mod tapes;
