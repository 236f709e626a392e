//! Blocks that are not valid HPACK, one error after the other.

mod common;

use common::{Fields, block, complete, encode, hex, pieces, unlimited};
use raddle_hpack::{DecodeError, Decoder, Encoder, Indexing, Limit, Verdict};

/// The error of a block, the same whether it arrives whole or octet by octet,
/// and the same again on every later call.
fn error(wire: &str) -> DecodeError {
    error_after(|_| (), wire)
}

fn error_after(prepare: impl Fn(&mut Decoder), wire: &str) -> DecodeError {
    let wire = hex(wire);
    let mut whole = Decoder::new(unlimited());
    prepare(&mut whole);
    let error = block(&mut whole, &wire).expect_err("invalid block");
    for _ in 0..2 {
        assert_eq!(whole.decode(&[0x82], &mut Fields::default()), Err(error));
        assert_eq!(whole.finish(), Err(error));
    }
    let mut cut = Decoder::new(unlimited());
    prepare(&mut cut);
    assert_eq!(pieces(&mut cut, wire.chunks(1)), Err(error));
    assert!(!error.to_string().is_empty());
    error
}

#[test]
fn truncated_blocks() {
    // An index, a size update, a name, its length, a value, its length.
    for wire in [
        "7f", "ff", "3f", "3f80", "0f", "40", "40 01", "40 01 61", "04", "04 03 61", "04 ff",
        "04 ffff", "40 81 1f", "04 83 1f", "82 04 01", "40 00",
    ] {
        assert_eq!(error(wire), DecodeError::Truncated, "{wire}");
    }
}

#[test]
fn integers_beyond_32_bits() {
    // The same five octets hold 2^32 - 1 and, one more, 2^32.
    assert_eq!(error("ff 80ffffff 0f"), DecodeError::InvalidIndex(u32::MAX));
    assert_eq!(error("ff 81ffffff 0f"), DecodeError::IntegerOverflow);
    assert_eq!(error("7f ffffffff 7f"), DecodeError::IntegerOverflow);
    // Zeros may pad an integer, though not without end.
    assert_eq!(error("ff 80808080 00"), DecodeError::InvalidIndex(127));
    assert_eq!(error("ff 80808080 80 00"), DecodeError::IntegerOverflow);
    for wire in ["3f", "04 7f", "04 ff", "40 7f", "0f"] {
        let wire = format!("{wire} ffffffffff 7f");
        assert_eq!(error(&wire), DecodeError::IntegerOverflow, "{wire}");
    }
}

#[test]
fn indices_without_an_entry() {
    assert_eq!(error("80"), DecodeError::InvalidIndex(0));
    assert_eq!(error("be"), DecodeError::InvalidIndex(62));
    assert_eq!(error("7f 00 00"), DecodeError::InvalidIndex(63));
    assert_eq!(error("0f 2f 00"), DecodeError::InvalidIndex(62));
    assert_eq!(error("1f 2f 00"), DecodeError::InvalidIndex(62));
    // One entry: 62 has it, 63 has not.
    assert_eq!(error("40 0161 0162 be bf"), DecodeError::InvalidIndex(63));
}

#[test]
fn huffman_strings() {
    for (wire, why) in [
        ("04 84 ffffffff", "EOS"),
        ("04 85 1fffffffff", "EOS after a symbol"),
        ("04 81 ff", "8 bits of padding and nothing else"),
        ("04 82 1fff", "11 bits of padding"),
        ("04 81 18", "padding with zeros"),
        ("04 81 1e", "padding not all ones"),
        ("04 81 fe", "a code cut short by the end"),
        ("04 84 fffffffa", "padding with a zero after a long code"),
        ("40 81 18 00", "the name"),
        ("04 8c f1e3c2e5f23a6ba0ab90f4fe", "a long string"),
    ] {
        assert_eq!(error(wire), DecodeError::InvalidHuffman, "{why}");
    }
}

#[test]
fn size_updates_above_the_maximum() {
    let too_large = |asked, allowed| DecodeError::SizeUpdateTooLarge { asked, allowed };
    assert_eq!(error("3f e21f 82"), too_large(4097, 4096));
    assert_eq!(error("20 3f e21f 82"), too_large(4097, 4096));
    let lowered = |decoder: &mut Decoder| decoder.set_table_size_max(100);
    assert_eq!(error_after(lowered, "3f 46 82"), too_large(101, 100));
    let dipped = |decoder: &mut Decoder| {
        decoder.set_table_size_max(100);
        decoder.set_table_size_max(4096);
    };
    assert_eq!(error_after(dipped, "3f e11f 82"), too_large(4096, 100));
}

#[test]
fn size_updates_in_the_wrong_place() {
    assert_eq!(error("82 20"), DecodeError::SizeUpdateMisplaced);
    assert_eq!(error("82 20 82"), DecodeError::SizeUpdateMisplaced);
    assert_eq!(error("20 82 20 82"), DecodeError::SizeUpdateMisplaced);
    assert_eq!(error("20 21 22 82"), DecodeError::SizeUpdateMisplaced);
}

#[test]
fn size_updates_that_are_missing() {
    let lowered = |decoder: &mut Decoder| decoder.set_table_size_max(100);
    for wire in ["82", "04 00", ""] {
        assert_eq!(error_after(lowered, wire), DecodeError::SizeUpdateMissing);
    }
    let dipped = |decoder: &mut Decoder| {
        decoder.set_table_size_max(0);
        decoder.set_table_size_max(8192);
    };
    assert_eq!(error_after(dipped, "82"), DecodeError::SizeUpdateMissing);
}

#[test]
fn what_is_unusual_but_valid() {
    // No field at all; updates alone; 3 and 7 bits of padding; empty strings,
    // in full and Huffman-coded; a length padded with zeros.
    for (wire, fields) in [
        ("", 0),
        ("20", 0),
        ("20 3fe11f", 0),
        ("20 3fe11f 82", 1),
        ("04 81 1f", 1),
        ("04 83 028a7f", 1),
        ("40 00 00", 1),
        ("00 80 80", 1),
        ("0f 8080808000 00", 1),
    ] {
        let wire = hex(wire);
        for size in [1, usize::MAX] {
            let mut decoder = Decoder::new(unlimited());
            let (got, verdict) = pieces(&mut decoder, wire.chunks(size)).expect("valid block");
            assert_eq!((got.list.len(), verdict), (fields, Verdict::Complete));
        }
    }
}

#[test]
fn limits_say_what_was_too_much() {
    assert_eq!(Limit::ListSize.to_string(), "header list too large");
    assert_eq!(Limit::Fields.to_string(), "too many header fields");
    let text = Limit::StringLength.to_string();
    assert_eq!(text, "header name or value too long");
}

/// Logs are read by more people than headers are meant for.
#[test]
fn what_is_printed_of_a_codec_shows_no_field() {
    let mut encoder = Encoder::new(4096);
    let mut decoder = Decoder::new(unlimited());
    let fields: [(&[u8], &[u8]); 1] = [(b"x-private", b"secret")];
    let wire = encode(&mut encoder, &fields, Indexing::Index);
    assert_eq!(complete(&mut decoder, &wire).list.len(), 1);
    for text in [format!("{encoder:?}"), format!("{decoder:?}")] {
        assert!(text.contains("table_size: 47"), "{text}");
        assert!(
            !text.contains("private") && !text.contains("secret"),
            "{text}"
        );
        let octets = format!("{:?}", b"secret");
        assert!(!text.contains(octets.trim_matches(['[', ']'])), "{text}");
    }
}
