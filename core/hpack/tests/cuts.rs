//! A block may arrive in any pieces.

mod common;

use common::{Fields, encode, pieces, stories, unlimited, vectors};
use raddle_hpack::{Decoder, Encoder, Indexing, Verdict};

/// Decodes a block cut in two at every position and octet by octet: the fields
/// and the table are those of the block in one piece. `history` are the blocks
/// before it.
fn every_cut(history: &[Vec<u8>], wire: &[u8], expected: &Fields) {
    let before = || {
        let mut decoder = Decoder::new(unlimited());
        for block in history {
            let _ = common::complete(&mut decoder, block);
        }
        decoder
    };
    let mut whole = before();
    let outcome = Ok((expected.clone(), Verdict::Complete));
    assert_eq!(pieces(&mut whole, [wire]), outcome);
    for at in 0..=wire.len() {
        let mut decoder = before();
        let (head, tail) = wire.split_at(at);
        assert_eq!(
            pieces(&mut decoder, [head, &[], tail]),
            outcome,
            "cut at {at}"
        );
        assert_eq!(decoder.table_fingerprint(), whole.table_fingerprint());
    }
    for size in [1, 2, 3] {
        let mut decoder = before();
        assert_eq!(pieces(&mut decoder, wire.chunks(size)), outcome);
        assert_eq!(decoder.table_fingerprint(), whole.table_fingerprint());
    }
}

#[test]
fn every_representation() {
    let long = "x".repeat(400);
    for indexing in [Indexing::Index, Indexing::Skip, Indexing::Never] {
        let fields: [(&[u8], &[u8]); 7] = [
            (b":method", b"GET"),
            (b"a", b"b"),
            (b"a", b"\x80\xff raw"),
            (b"custom-name", long.as_bytes()),
            (b":path", b"/some/path?query=1"),
            (b"empty", b""),
            (b"\xff\xfe\xfd", b"name in full"),
        ];
        let mut encoder = Encoder::new(4096);
        let first = encode(&mut encoder, &[(b"a", b"b")], Indexing::Index);
        encoder.set_peer_table_size(2000);
        let wire = encode(&mut encoder, &fields, indexing);
        let expected = Fields {
            list: fields
                .iter()
                .map(|(n, v)| (n.to_vec(), v.to_vec()))
                .collect(),
            sensitive: vec![indexing == Indexing::Never; fields.len()],
        };
        every_cut(&[first.to_vec()], &wire, &expected);
    }
}

#[test]
fn the_first_blocks_of_every_story() {
    let Some(root) = vectors() else { return };
    for folder in ["nghttp2", "python-hpack"] {
        for story in stories(&root, folder) {
            let mut history = Vec::new();
            for case in story.cases.iter().take(2) {
                let expected = Fields {
                    list: case.fields.clone(),
                    sensitive: sensitive(&history, &case.wire),
                };
                every_cut(&history, &case.wire, &expected);
                history.push(case.wire.clone());
            }
        }
    }
}

/// The sensitive marks, which the stories do not record.
fn sensitive(history: &[Vec<u8>], wire: &[u8]) -> Vec<bool> {
    let mut decoder = Decoder::new(unlimited());
    for block in history {
        let _ = common::complete(&mut decoder, block);
    }
    common::complete(&mut decoder, wire).sensitive
}

#[test]
fn a_long_string_in_single_octets_is_linear() {
    // 1 MiB in octets: quadratic work would be 10^12 steps and never end.
    for octet in [b'a', 0x80] {
        let value = vec![octet; 1 << 20];
        let mut encoder = Encoder::new(4096);
        let wire = encode(&mut encoder, &[(b"n", &value)], Indexing::Index);
        let mut decoder = Decoder::new(unlimited());
        let (got, verdict) = pieces(&mut decoder, wire.chunks(1)).expect("valid block");
        assert_eq!(verdict, Verdict::Complete);
        assert_eq!(got.list[0].1, value);
    }
}
