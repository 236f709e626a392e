//! What a sink notes of a field comes back with each reference to it.

use bytes::BytesMut;
use raddle_hpack::{Decoder, DecoderConfig, Encoder, Indexing, Sink, Verdict};

/// Notes fields whose value begins with `n`, and keeps what it was told of each.
#[derive(Default)]
struct Notes(Vec<(Vec<u8>, bool)>);

impl Sink for Notes {
    fn field(&mut self, name: &[u8], value: &[u8], sensitive: bool) {
        self.field_noted(name, value, sensitive, false);
    }

    fn field_noted(&mut self, _: &[u8], value: &[u8], _: bool, noted: bool) -> bool {
        self.0.push((value.to_vec(), noted));
        value.first() == Some(&b'n')
    }
}

/// Encodes and decodes blocks, and tells for each field whether it was noted.
struct Pair {
    encoder: Encoder,
    decoder: Decoder,
}

impl Pair {
    fn new(table: u32) -> Self {
        let config = DecoderConfig {
            table_size_max: table,
            list_size_max: 1 << 20,
            string_len_max: 1 << 20,
            ..DecoderConfig::default()
        };
        let (mut encoder, decoder) = (Encoder::new(table), Decoder::new(config));
        encoder.set_peer_table_size(table);
        Self { encoder, decoder }
    }

    fn block(&mut self, fields: &[(&[u8], &[u8])], indexing: Indexing) -> Vec<bool> {
        let mut wire = BytesMut::new();
        self.encoder.begin(&mut wire);
        for (name, value) in fields {
            self.encoder.field(name, value, indexing, &mut wire);
        }
        let mut notes = Notes::default();
        // In crumbs, too, in which fields take another way through the decoder.
        let (first, rest) = wire.split_at(wire.len() / 2);
        self.decoder.decode(first, &mut notes).expect("valid");
        self.decoder.decode(rest, &mut notes).expect("valid");
        assert_eq!(self.decoder.finish(), Ok(Verdict::Complete));
        let values = notes.0.iter().map(|(value, _)| &value[..]);
        assert!(values.eq(fields.iter().map(|(_, value)| *value)));
        notes.0.into_iter().map(|(_, noted)| noted).collect()
    }
}

#[test]
fn notes_stay_with_entries_of_the_table_alone() {
    let mut pair = Pair::new(4_096);
    let fields: [(&[u8], &[u8]); 4] = [
        (b"a", b"noted"),
        (b"a", b"other"),
        // A name by index, of the static table and of the dynamic one.
        (b"accept", b"noted"),
        (b"a", b"n"),
    ];
    assert_eq!(pair.block(&fields, Indexing::Index), [false; 4], "in full");
    let noted = [true, false, true, true];
    assert_eq!(
        pair.block(&fields, Indexing::Index),
        noted,
        "from the table"
    );
    assert_eq!(pair.block(&fields, Indexing::Skip), noted);
    // What does not enter the table is never from there.
    assert_eq!(pair.block(&fields, Indexing::Never), [false; 4]);
    let large = [b'n'; 4_000];
    assert_eq!(pair.block(&[(b"b", &large)], Indexing::Index), [false]);
    // All others had to leave for it.
    assert_eq!(pair.block(&fields[..1], Indexing::Index), [false]);
}

/// Lengths of such fields stand elsewhere, and so would a note.
#[test]
fn long_fields_have_no_notes() {
    let mut pair = Pair::new(1 << 20);
    for (name, value, noted) in [
        (32_766, 65_534, true),
        (32_767, 65_534, true),
        (32_768, 1, false),
        (1, 65_535, false),
        (65_535, 65_535, false),
    ] {
        let (name, value) = (vec![b'x'; name], vec![b'n'; value]);
        let field = [(&name[..], &value[..])];
        assert_eq!(pair.block(&field, Indexing::Index), [false]);
        assert_eq!(
            pair.block(&field, Indexing::Index),
            [noted],
            "{}",
            name.len()
        );
    }
}
