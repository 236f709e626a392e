//! Changes of the table size, from SETTINGS to both tables.

mod common;

use bytes::BytesMut;
use common::{complete, encode, hex, unlimited};
use raddle_hpack::{Decoder, DecoderConfig, Encoder, Indexing};

const FIELD: [(&[u8], &[u8]); 1] = [(b"custom-key", b"custom-value")];

/// A connection whose tables hold one entry.
fn pair(cap: u32) -> (Encoder, Decoder) {
    let mut encoder = Encoder::new(cap);
    let mut decoder = Decoder::new(unlimited());
    let wire = encode(&mut encoder, &FIELD, Indexing::Index);
    let _ = complete(&mut decoder, &wire);
    (encoder, decoder)
}

/// Announces sizes to the encoder and, as acknowledged, to the decoder.
fn settle(encoder: &mut Encoder, decoder: &mut Decoder, sizes: &[u32]) {
    for &size in sizes {
        encoder.set_peer_table_size(size);
        decoder.set_table_size_max(size);
    }
}

/// What the next block starts with; the tables agree after it.
fn updates(encoder: &mut Encoder, decoder: &mut Decoder) -> Vec<u8> {
    let mut wire = BytesMut::new();
    encoder.begin(&mut wire);
    let updates = wire.to_vec();
    let (name, value) = FIELD[0];
    encoder.field(name, value, Indexing::Index, &mut wire);
    let fields = complete(decoder, &wire);
    assert_eq!(fields.list, [(name.to_vec(), value.to_vec())]);
    assert_eq!(encoder.table_fingerprint(), decoder.table_fingerprint());
    assert_eq!(encoder.table_size(), decoder.table_size());
    updates
}

#[test]
fn the_smallest_then_the_final_size() {
    for (sizes, expected) in [
        (&[4096][..], ""),
        (&[100], "3f45"),
        (&[0, 4096], "20 3fe11f"),
        (&[0, 100], "20 3f45"),
        (&[200, 0, 50, 4096], "20 3fe11f"),
        (&[4096, 100], "3f45"),
        (&[8192, 4096], ""),
        (&[8192], "3fe13f"),
        (&[8192, 5000], "3fe926"),
        (&[u32::MAX], "3fe13f"),
    ] {
        let (mut encoder, mut decoder) = pair(8192);
        settle(&mut encoder, &mut decoder, sizes);
        let got = updates(&mut encoder, &mut decoder);
        assert_eq!(got, hex(expected), "{sizes:?}");
        // Said once.
        assert!(updates(&mut encoder, &mut decoder).is_empty());
    }
}

#[test]
fn the_encoder_keeps_its_own_cap() {
    for (cap, expected) in [(0, "20"), (100, "3f45"), (4096, ""), (65_536, "")] {
        let mut encoder = Encoder::new(cap);
        let mut decoder = Decoder::new(unlimited());
        assert_eq!(updates(&mut encoder, &mut decoder), hex(expected));
        settle(&mut encoder, &mut decoder, &[1 << 20]);
        let _ = updates(&mut encoder, &mut decoder);
        for n in 0..2000 {
            let value = n.to_string();
            let fields: [(&[u8], &[u8]); 1] = [(b"n", value.as_bytes())];
            let wire = encode(&mut encoder, &fields, Indexing::Index);
            let _ = complete(&mut decoder, &wire);
            assert!(encoder.table_size() <= cap as usize);
        }
        assert_eq!(encoder.table_fingerprint(), decoder.table_fingerprint());
    }
}

#[test]
fn a_peer_without_a_table() {
    let mut encoder = Encoder::new(4096);
    let mut decoder = Decoder::new(unlimited());
    settle(&mut encoder, &mut decoder, &[0]);
    assert_eq!(updates(&mut encoder, &mut decoder), hex("20"));
    assert!(updates(&mut encoder, &mut decoder).is_empty());
    assert_eq!(decoder.table_size(), 0);
}

#[test]
fn an_update_is_due_only_when_the_table_shrinks() {
    // The peer has chosen 100 by itself: a maximum of 200 asks nothing of it.
    let mut decoder = Decoder::new(unlimited());
    let _ = complete(&mut decoder, &hex("3f45 82"));
    decoder.set_table_size_max(200);
    let _ = complete(&mut decoder, &hex("82"));
    decoder.set_table_size_max(99);
    let _ = complete(&mut decoder, &hex("3f44 82"));
    // Of two maxima the smaller need not be signalled either when the table is within it: smaller, or just as large.
    for smaller in [200, 99] {
        decoder.set_table_size_max(smaller);
        decoder.set_table_size_max(5_000);
        let _ = complete(&mut decoder, &hex("3fe926 82"));
        let _ = complete(&mut decoder, &hex("3f44 82"));
    }
    // A larger maximum may be used or not.
    decoder.set_table_size_max(8192);
    let _ = complete(&mut decoder, &hex("82"));
    let _ = complete(&mut decoder, &hex("3fe13f 82"));
}

#[test]
fn a_table_beyond_4096_needs_an_update_first() {
    let mut decoder = Decoder::new(DecoderConfig {
        table_size_max: 16_384,
        ..unlimited()
    });
    let value = vec![b'x'; 5000];
    let mut literal = hex("40 0161 7f 8926");
    literal.extend_from_slice(&value);
    let _ = complete(&mut decoder, &literal);
    assert_eq!(decoder.table_size(), 0);
    let mut wire = hex("3fe17f");
    wire.extend_from_slice(&literal);
    let _ = complete(&mut decoder, &wire);
    assert_eq!(decoder.table_size(), 5033);
}

// RFC 7541 §4.4: an entry goes when there is no room otherwise, and not when it is just enough.
#[test]
fn entries_that_fit_exactly_stay() {
    let config = DecoderConfig {
        table_size_max: 68,
        ..unlimited()
    };
    let mut decoder = Decoder::new(config);
    let mut list = |wire: &[u8]| {
        let got = complete(&mut decoder, wire).list;
        let text = |octets: Vec<u8>| String::from_utf8(octets).expect("text");
        let pairs = got.into_iter().map(|(n, v)| [text(n), text(v)].join("="));
        pairs.collect::<Vec<_>>().join(" ")
    };
    // The table takes no more than the decoder says; each entry is 34 octets large.
    assert_eq!(list(b"\x3f\x25\x40\x01a\x01b\x40\x01c\x01d"), "a=b c=d");
    assert_eq!(list(b"\xbe\xbf"), "c=d a=b");
    assert_eq!(list(b"\x40\x01e\x01f\xbe\xbf"), "e=f e=f c=d");
    // As large as the table, with a name of its own, and with one of an entry that has to go for it.
    let value = "x".repeat(35);
    let wire = [b"\x40\x01g\x23", value.as_bytes(), b"\xbe"].concat();
    assert_eq!(list(&wire), format!("g={value} g={value}"));
    let wire = [b"\x7e\x23", value.as_bytes(), b"\xbe"].concat();
    assert_eq!(list(&wire), format!("g={value} g={value}"));
}
