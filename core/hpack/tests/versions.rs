//! Versions of dynamic tables: what a block meant, it means again only where the table, and what may enter it, are the
//! same, and where no block is under way.

use bytes::BytesMut;
use raddle_hpack::{Decoder, DecoderConfig, Encoder, Indexing, Sink, Verdict, Written};

struct Nothing;

impl Sink for Nothing {
    fn field(&mut self, _: &[u8], _: &[u8], _: bool) {}
}

/// `x-a: v`, entering the table.
const INSERTED: &[u8] = b"\x40\x03x-a\x01v";
/// GET, from the static table.
const GET: &[u8] = &[0x82];

fn decoder() -> Decoder {
    Decoder::new(DecoderConfig::default())
}

fn feed(decoder: &mut Decoder, block: &[u8]) {
    decoder.decode(block, &mut Nothing).unwrap();
    assert_eq!(decoder.finish(), Ok(Verdict::Complete));
}

#[test]
fn what_leaves_the_table_as_it_was_leaves_its_version() {
    let mut decoder = decoder();
    feed(&mut decoder, INSERTED);
    let version = decoder.table_version();
    assert!(version.is_some());
    for block in [GET, &[0xbe], b"\x00\x03x-b\x01v", b"\x10\x03x-c\x01v"] {
        feed(&mut decoder, block);
        assert_eq!(decoder.table_version(), version);
    }
}

#[test]
fn entries_that_come_and_go_make_another_version() {
    let mut decoder = decoder();
    let mut versions = vec![decoder.table_version()];
    let larger = [b"\x40\x03x-a\x7f\x81\x01".as_slice(), &[b'v'; 256]].concat();
    // An entry; a smaller table that it does not fit in; a field larger than that, which empties it; and room again, by
    // which the table holds what it held, and takes what it did not take.
    for block in [INSERTED, &[0x3f, 0x3f], &larger, &[0x3f, 0xe1, 0x1f]] {
        let block = [block, GET].concat();
        feed(&mut decoder, &block);
        versions.push(decoder.table_version());
    }
    for (at, version) in versions.iter().enumerate() {
        assert!(
            version.is_some() && !versions[..at].contains(version),
            "{at}"
        );
    }
}

#[test]
fn there_is_none_within_a_block() {
    let size_update = &[0x3f, 0xe1, 0x1f][..];
    for begun in [GET, INSERTED, size_update, &INSERTED[..3], &INSERTED[..1]] {
        let mut decoder = decoder();
        decoder.decode(begun, &mut Nothing).unwrap();
        assert_eq!(decoder.table_version(), None, "{begun:x?}");
    }
    let mut decoder = decoder();
    decoder.decode(&[0x80], &mut Nothing).unwrap_err();
    assert_eq!(decoder.table_version(), None, "nothing is read any more");
}

#[test]
fn there_is_none_while_a_size_update_may_be_due() {
    let mut decoder = decoder();
    feed(&mut decoder, INSERTED);
    decoder.set_table_size_max(100);
    assert_eq!(decoder.table_version(), None);
    feed(&mut decoder, &[0x3f, 0x45, 0x82]);
    assert!(decoder.table_version().is_some());
}

#[test]
fn an_encoder_tells_what_is_right_in_every_block() {
    let mut encoder = Encoder::new(4_096);
    let mut out = BytesMut::new();
    let mut write = |name: &str, value: &str, indexing| {
        encoder.field(name.as_bytes(), value.as_bytes(), indexing, &mut out)
    };
    assert_eq!(
        write(":path", "/somewhere", Indexing::Auto),
        Written::Constant
    );
    assert_eq!(
        write("authorization", "secret", Indexing::Auto),
        Written::Never
    );
    assert_eq!(write("x-a", "v", Indexing::Never), Written::Never);
    assert_eq!(write("x-a", "v", Indexing::Index), Written::Literal);
    // It may enter a table that is larger.
    let long = "v".repeat(4_000);
    assert_eq!(
        write("content-type", &long, Indexing::Auto),
        Written::Literal
    );
    assert!(matches!(
        write(":method", "GET", Indexing::Auto),
        Written::Entry(_)
    ));
    assert!(matches!(
        write("x-a", "v", Indexing::Auto),
        Written::Entry(_)
    ));
}

#[test]
fn a_reference_is_repeated_for_as_long_as_its_entry_is_there() {
    let mut encoder = Encoder::new(200);
    let mut out = BytesMut::new();
    encoder.begin(&mut out);
    encoder.field(b"x-a", b"v", Indexing::Index, &mut out);
    let Written::Entry(entry) = encoder.field(b"x-a", b"v", Indexing::Index, &mut out) else {
        panic!("it is in the table");
    };
    // Of 36 octets each there is room for five.
    for newer in 0..5_u8 {
        out.clear();
        assert!(encoder.repeat(entry, &mut out));
        assert_eq!(out[..], [0xbe + newer]);
        encoder.field(b"x-b", &[b'0' + newer], Indexing::Index, &mut out);
    }
    out.clear();
    assert!(!encoder.repeat(entry, &mut out));
    assert!(out.is_empty());
}
