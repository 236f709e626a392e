//! Any fields in any order of any sensitivity, with table sizes that move: what the encoder writes the decoder reads,
//! and both tables stay equal.
//!
//! `fuzz/smoke hpack_roundtrip 60` runs it for a minute.

use bytes::BytesMut;
use raddle_hpack::{Decoder, DecoderConfig, Encoder, Indexing, Sink, Verdict};

/// A field and whether it must not be indexed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Fields(Vec<(Vec<u8>, Vec<u8>, bool)>);

impl Sink for Fields {
    fn field(&mut self, name: &[u8], value: &[u8], sensitive: bool) {
        self.0.push((name.to_vec(), value.to_vec(), sensitive));
    }
}

/// Takes up to `len` bytes off the front.
fn take<'a>(data: &mut &'a [u8], len: usize) -> &'a [u8] {
    let (taken, rest) = data.split_at(len.min(data.len()));
    *data = rest;
    taken
}

/// Runs one input.
///
/// # Panics
/// When a field comes out otherwise than it went in, or the tables differ.
pub fn run(mut data: &[u8]) {
    let mut encoder = Encoder::new(4_096);
    let mut decoder = Decoder::new(DecoderConfig {
        table_size_max: 4_096,
        list_size_max: u32::MAX,
        fields_max: u32::MAX,
        string_len_max: u32::MAX,
    });
    while let [options, count, rest @ ..] = data {
        data = rest;
        if options & 1 != 0 {
            let size = u32::from(*count) * 32;
            decoder.set_table_size_max(size);
            encoder.set_peer_table_size(size);
        }
        let mut block = BytesMut::new();
        let mut sent = Fields::default();
        encoder.begin(&mut block);
        for _ in 0..count % 16 {
            let &[kind, name, value, ref rest @ ..] = data else {
                break;
            };
            data = rest;
            let name = take(&mut data, usize::from(name % 32));
            let value = take(&mut data, usize::from(value));
            let indexing = match kind % 4 {
                0 => Indexing::Never,
                _ => Indexing::Auto,
            };
            encoder.field(name, value, indexing, &mut block);
            sent.0.push((name.to_vec(), value.to_vec(), kind % 4 == 0));
        }
        let mut read = Fields::default();
        decoder
            .decode(&block, &mut read)
            .expect("what was encoded decodes");
        assert_eq!(decoder.finish(), Ok(Verdict::Complete));
        // The encoder may keep more out of the table than it was told to, never less.
        for (sent, read) in sent.0.iter().zip(&read.0) {
            assert_eq!((&sent.0, &sent.1), (&read.0, &read.1));
            assert!(read.2 || !sent.2, "a sensitive field went into a table");
        }
        assert_eq!(sent.0.len(), read.0.len());
        assert_eq!(encoder.table_fingerprint(), decoder.table_fingerprint());
    }
}
