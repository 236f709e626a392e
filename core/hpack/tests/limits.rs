//! Limits: what is beyond them is not produced, and the table stays in step.

mod common;

use bytes::BytesMut;
use common::{Fields, block, complete, encode, pieces, unlimited};
use raddle_hpack::{Decoder, DecoderConfig, Encoder, Indexing, Limit, Sink, Verdict};

/// Decodes `fields` under `config`, whole and in pieces, then a block that only
/// refers to the table; returns how many fields came out and the verdict.
fn under(config: DecoderConfig, fields: &[(&[u8], &[u8])]) -> (usize, Verdict) {
    let mut outcomes = Vec::new();
    for size in [usize::MAX, 1, 7] {
        let mut encoder = Encoder::new(4096);
        let mut decoder = Decoder::new(config);
        let wire = encode(&mut encoder, fields, Indexing::Index);
        let (got, verdict) = pieces(&mut decoder, wire.chunks(size)).expect("valid block");
        for (got, sent) in got.list.iter().zip(fields) {
            assert_eq!((&got.0[..], &got.1[..]), *sent);
        }
        assert_eq!(decoder.table_fingerprint(), encoder.table_fingerprint());
        let small: [(&[u8], &[u8]); 1] = [(b"a", b"b")];
        let wire = encode(&mut encoder, &small, Indexing::Index);
        let next = complete(&mut decoder, &wire);
        assert_eq!(next.list, [(b"a".to_vec(), b"b".to_vec())]);
        assert_eq!(decoder.table_fingerprint(), encoder.table_fingerprint());
        outcomes.push((got.list.len(), verdict));
    }
    assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]));
    outcomes[0]
}

const FIELDS: [(&[u8], &[u8]); 4] = [
    (b"a", b"b"),
    (b"name", b"value"),
    (b"longer-name", b"with a longer value"),
    (b"last", b"one"),
];

#[test]
fn fields_within_a_block() {
    // One field must pass for the check of the next block.
    for (max, got) in [(1, 1), (3, 3)] {
        let config = DecoderConfig {
            fields_max: max,
            ..unlimited()
        };
        let over = Verdict::OverLimit(Limit::Fields);
        assert_eq!(under(config, &FIELDS), (got, over));
    }
    let config = DecoderConfig {
        fields_max: 4,
        ..unlimited()
    };
    assert_eq!(under(config, &FIELDS), (4, Verdict::Complete));
}

#[test]
fn list_size_counts_32_octets_per_field() {
    let exact = FIELDS
        .iter()
        .map(|(n, v)| n.len() + v.len() + 32)
        .sum::<usize>() as u32;
    for (max, outcome) in [
        (exact, (4, Verdict::Complete)),
        (exact - 1, (3, Verdict::OverLimit(Limit::ListSize))),
        (34 + 41, (2, Verdict::OverLimit(Limit::ListSize))),
        (34, (1, Verdict::OverLimit(Limit::ListSize))),
    ] {
        let config = DecoderConfig {
            list_size_max: max,
            ..unlimited()
        };
        assert_eq!(under(config, &FIELDS), outcome, "list size {max}");
    }
}

#[test]
fn string_length_of_names_and_values() {
    for (max, outcome) in [
        (19, (4, Verdict::Complete)),
        (18, (2, Verdict::OverLimit(Limit::StringLength))),
        (10, (2, Verdict::OverLimit(Limit::StringLength))),
        (4, (1, Verdict::OverLimit(Limit::StringLength))),
    ] {
        let config = DecoderConfig {
            string_len_max: max,
            ..unlimited()
        };
        assert_eq!(under(config, &FIELDS), outcome, "string length {max}");
    }
}

#[test]
fn strings_longer_than_limit_and_table() {
    let config = DecoderConfig {
        string_len_max: 100,
        ..unlimited()
    };
    // In full as well as Huffman-coded, as name and as value; in a literal with
    // indexing each empties the table (RFC 7541 §4.4).
    for octet in [b'a', 0x80] {
        let long = vec![octet; 6000];
        for (name, value) in [(&long[..], &b"v"[..]), (b"n", &long)] {
            for (indexing, first) in [(true, 0x40), (false, 0x00)] {
                for size in [usize::MAX, 1000, 1] {
                    let mut decoder = Decoder::new(config);
                    let before = common::hex("40 0161 0162");
                    let _ = complete(&mut decoder, &before);
                    let mut literal = BytesMut::new();
                    let mut scribe = Encoder::new(0);
                    scribe.begin(&mut BytesMut::new());
                    scribe.field(name, value, Indexing::Skip, &mut literal);
                    literal[0] |= first;
                    let (got, verdict) =
                        pieces(&mut decoder, literal.chunks(size)).expect("valid block");
                    assert_eq!(got.list, []);
                    assert_eq!(verdict, Verdict::OverLimit(Limit::StringLength));
                    assert_eq!(decoder.table_size(), if indexing { 0 } else { 34 });
                }
            }
        }
    }
}

#[test]
fn a_long_string_goes_into_the_table_all_the_same() {
    let value = vec![b'x'; 300];
    let mut encoder = Encoder::new(4096);
    let mut decoder = Decoder::new(DecoderConfig {
        string_len_max: 100,
        ..unlimited()
    });
    for _ in 0..3 {
        let wire = encode(&mut encoder, &[(b"n", &value)], Indexing::Index);
        let (got, verdict) = block(&mut decoder, &wire).expect("valid block");
        assert_eq!(got.list, []);
        assert_eq!(verdict, Verdict::OverLimit(Limit::StringLength));
        assert_eq!(decoder.table_fingerprint(), encoder.table_fingerprint());
    }
}

/// Counts octets instead of keeping them.
#[derive(Default)]
struct Count {
    fields: usize,
    octets: usize,
}

impl Sink for Count {
    fn field(&mut self, name: &[u8], value: &[u8], _sensitive: bool) {
        self.fields += 1;
        self.octets += name.len() + value.len();
    }
}

#[test]
fn a_bomb_of_references_is_cut_off() {
    // One entry of 4,000 octets, referred to 16,000 times: 64 MB of fields.
    let value = vec![b'x'; 4000];
    let mut encoder = Encoder::new(4096);
    let mut wire = encode(&mut encoder, &[(b"n", &value)], Indexing::Index);
    wire.resize(wire.len() + 16_000, 0xbe);
    let mut decoder = Decoder::new(DecoderConfig::default());
    let mut count = Count::default();
    decoder.decode(&wire, &mut count).expect("valid block");
    assert_eq!(decoder.finish(), Ok(Verdict::OverLimit(Limit::ListSize)));
    assert_eq!(count.fields, 16);
    assert!(count.octets <= 65_536);
}

#[test]
fn a_bomb_of_small_references_is_cut_off() {
    let mut decoder = Decoder::new(DecoderConfig::default());
    let mut count = Count::default();
    let wire = vec![0x82; 16_384];
    decoder.decode(&wire, &mut count).expect("valid block");
    assert_eq!(decoder.finish(), Ok(Verdict::OverLimit(Limit::Fields)));
    assert_eq!(count.fields, 512);
}

#[test]
fn memory_of_large_blocks_is_given_back() {
    let long = "a long name ".repeat(1_000).replace(' ', "-");
    let fields: [(&[u8], &[u8]); 1] = [(long.as_bytes(), long.as_bytes())];
    let wire = encode(&mut Encoder::new(4096), &fields, Indexing::Skip);
    let mut decoder = Decoder::new(unlimited());
    assert_eq!(decoder.memory_footprint(), 0);
    // In one piece, and cut, where strings wait for their end.
    for size in [usize::MAX, 5_000, 1] {
        let (got, _) = pieces(&mut decoder, wire.chunks(size)).expect("valid block");
        assert_eq!(got.list.len(), 1);
        let kept = decoder.memory_footprint();
        assert!(kept <= 4_096, "{kept} octets of {}", wire.len());
        decoder.shrink();
        assert_eq!(decoder.memory_footprint(), 0, "when nothing goes on");
    }
    // Within a block nothing is taken away.
    let mut sink = Fields::default();
    let (first, rest) = wire.split_at(wire.len() / 2);
    decoder.decode(first, &mut sink).expect("valid so far");
    let before = decoder.memory_footprint();
    assert!(before >= first.len());
    decoder.shrink();
    assert_eq!(decoder.memory_footprint(), before);
    decoder.decode(rest, &mut sink).expect("valid block");
    assert_eq!(sink.list, [(long.clone().into(), long.into())]);
}

#[test]
fn room_for_strings_stays_within_a_block_and_is_used_again() {
    let fields: [(&[u8], &[u8]); 1] = [(b"a-name-of-some-length", b"a value of some length")];
    let wire = encode(&mut Encoder::new(4096), &fields, Indexing::Skip);
    let mut decoder = Decoder::new(unlimited());
    decoder
        .decode(&wire, &mut Fields::default())
        .expect("valid so far");
    let room = decoder.memory_footprint();
    assert!(room >= 40);
    decoder.shrink();
    assert_eq!(decoder.memory_footprint(), room, "within a block");
    assert_eq!(decoder.finish(), Ok(Verdict::Complete));
    assert_eq!(decoder.memory_footprint(), room, "for the next block");
}

/// What is longer than any limit is not decoded to the end to find that out.
#[test]
fn a_string_beyond_the_limits_takes_no_memory() {
    let config = DecoderConfig {
        string_len_max: 100,
        ..unlimited()
    };
    // Coded and as it is; in one piece, and in pieces that are and are not within the limit.
    let cases = [usize::MAX, 1_000, 90].map(|size| [(b'a', size), (b'~', size)]);
    for &(octet, size) in cases.as_flattened() {
        let long = vec![octet; 1 << 16];
        let fields: [(&[u8], &[u8]); 1] = [(b"name", &long)];
        let wire = encode(&mut Encoder::new(4096), &fields, Indexing::Skip);
        let mut decoder = Decoder::new(config);
        for piece in wire.chunks(size) {
            decoder
                .decode(piece, &mut Fields::default())
                .expect("valid so far");
            assert!(decoder.memory_footprint() <= 1_024);
        }
        let verdict = decoder.finish().expect("valid block");
        assert_eq!(verdict, Verdict::OverLimit(Limit::StringLength));
    }
}

/// Five bits is the shortest code: a string has 1.6 times as many octets as its coding at most.
#[test]
fn room_for_a_coded_string_is_what_it_decodes_to() {
    let long = vec![b'a'; 16_000];
    let fields: [(&[u8], &[u8]); 1] = [(b"name", &long)];
    let wire = encode(&mut Encoder::new(4096), &fields, Indexing::Skip);
    assert!(wire.len() < 10_020, "{}", wire.len());
    let mut decoder = Decoder::new(unlimited());
    decoder
        .decode(&wire, &mut Fields::default())
        .expect("valid so far");
    let room = decoder.memory_footprint();
    assert!(room <= 16_064, "{room}");
}

#[test]
fn memory_of_a_table_that_was_larger_is_given_back() {
    let mut encoder = Encoder::new(4096);
    let mut decoder = Decoder::new(unlimited());
    for n in 0..200 {
        let value = format!("{n:030}");
        let fields: [(&[u8], &[u8]); 1] = [(b"name", value.as_bytes())];
        complete(
            &mut decoder,
            &encode(&mut encoder, &fields, Indexing::Index),
        );
    }
    // 62 entries of 66 octets by the rules, of which 32 are nowhere.
    encoder.set_peer_table_size(100);
    let fields: [(&[u8], &[u8]); 1] = [(b"name", b"value")];
    complete(
        &mut decoder,
        &encode(&mut encoder, &fields, Indexing::Index),
    );
    let before = decoder.memory_footprint();
    decoder.shrink();
    let after = decoder.memory_footprint();
    assert!(after <= 128 && after < before / 4, "{before} and {after}");
    assert_eq!(decoder.table_fingerprint(), encoder.table_fingerprint());
}
