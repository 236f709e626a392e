//! Whatever is encoded decodes to the same, over the life of a connection.

mod common;

use bytes::BytesMut;
use common::{Field, Fields, pieces, unlimited};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use raddle_hpack::{Decoder, Encoder, Indexing, Verdict};

/// A block: table sizes announced before it, its fields, and the length of the
/// pieces it arrives in.
#[derive(Clone, Debug)]
struct Block {
    sizes: Vec<u32>,
    fields: Vec<(Field, Indexing)>,
    piece: usize,
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    // Names of the static table, a few that repeat, and any octets.
    prop_oneof![
        4 => prop::sample::select(vec![
            ":method", ":path", ":status", "authorization", "cookie", "set-cookie", "via",
            "x-a", "x-request-id", "custom",
        ])
        .prop_map(|name| name.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..20),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[0-9]{1,2}".prop_map(String::into_bytes),
        2 => "[ -~]{0,60}".prop_map(String::into_bytes),
        2 => vec(any::<u8>(), 0..60),
        1 => vec(any::<u8>(), 0..3000),
    ]
}

fn indexing() -> impl Strategy<Value = Indexing> {
    prop::sample::select(vec![
        Indexing::Auto,
        Indexing::Index,
        Indexing::Skip,
        Indexing::Never,
    ])
}

fn size() -> impl Strategy<Value = u32> {
    prop_oneof![0..200u32, 0..6000u32, Just(4096), any::<u32>()]
}

fn block() -> impl Strategy<Value = Block> {
    let sizes = prop_oneof![3 => Just(vec![]), 1 => vec(size(), 1..4)];
    let fields = vec(((name(), value()), indexing()), 0..12);
    (sizes, fields, 1..200usize).prop_map(|(sizes, fields, piece)| Block {
        sizes,
        fields,
        piece,
    })
}

/// Whether the encoder must mark the field.
fn sensitive((name, value): &Field, indexing: Indexing) -> bool {
    match indexing {
        Indexing::Never => true,
        Indexing::Auto => match &name[..] {
            b"authorization" | b"proxy-authorization" => true,
            b"cookie" => value.len() < 20,
            _ => false,
        },
        Indexing::Index | Indexing::Skip => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(7541),
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_connection_round_trips(cap in size(), blocks in vec(block(), 1..12)) {
        let mut encoder = Encoder::new(cap);
        let mut decoder = Decoder::new(unlimited());
        for block in blocks {
            for size in block.sizes {
                encoder.set_peer_table_size(size);
                decoder.set_table_size_max(size);
            }
            let mut wire = BytesMut::new();
            encoder.begin(&mut wire);
            let mut expected = Fields::default();
            for (field, indexing) in block.fields {
                encoder.field(&field.0, &field.1, indexing, &mut wire);
                expected.sensitive.push(sensitive(&field, indexing));
                expected.list.push(field);
            }
            let decoded = pieces(&mut decoder, wire.chunks(block.piece));
            prop_assert_eq!(decoded, Ok((expected, Verdict::Complete)));
            prop_assert!(encoder.table_size() <= cap as usize);
            prop_assert_eq!(encoder.table_size(), decoder.table_size());
            prop_assert_eq!(encoder.table_fingerprint(), decoder.table_fingerprint());
        }
    }

    #[test]
    fn any_octets_give_the_same_in_any_pieces(wire in vec(any::<u8>(), 0..200), piece in 1..40usize) {
        let mut whole = Decoder::new(unlimited());
        let mut cut = Decoder::new(unlimited());
        let outcome = common::block(&mut whole, &wire);
        prop_assert_eq!(&pieces(&mut cut, wire.chunks(piece)), &outcome);
        if outcome.is_ok() {
            prop_assert_eq!(cut.table_fingerprint(), whole.table_fingerprint());
        }
    }
}
