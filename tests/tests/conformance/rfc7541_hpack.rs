//! RFC 7541 as far as an endpoint shows it; the coding itself is tested in `core/hpack`.

use crate::*;

fn refused(block: &[u8]) {
    let mut hand = Hand::server();
    hand.says(wire::frame(kind::HEADERS, 5, 1, block));
    hand.ends_with(Violation::HpackDecodeFailed);
}

#[test]
fn indices_are_in_a_table() {
    refused(b"\x80"); // §6.1: index 0
    refused(b"\xbe"); // §2.3.3: beyond an empty dynamic table
    refused(b"\x7f\x7f\x01a"); // the same for a name
}

#[test]
fn size_updates_stand_in_front_and_within_the_limit() {
    refused(&[&wire::block(GET)[..], b"\x20"].concat()); // §4.2: behind a field
    refused(b"\x3f\xe2\x1f"); // §6.3: 4,097
    let mut hand = Hand::server();
    let updated = [&b"\x20\x3f\xe1\x1f"[..], &wire::block(GET)].concat();
    hand.says(wire::frame(kind::HEADERS, 5, 1, &updated));
    assert!(heard!(hand.events(), Event::Request { .. }));
}

#[test]
fn huffman_strings_end_in_fewer_than_eight_ones() {
    let with_value = |value: &[u8]| {
        let mut block = wire::block(GET);
        block.extend_from_slice(b"\x00\x01a");
        block.push(0x80 | value.len() as u8);
        block.extend_from_slice(value);
        block
    };
    refused(&with_value(b"\x1f\xff")); // §5.2: 'a' and eleven ones
    refused(&with_value(b"\x18")); // zeros for padding
    refused(&with_value(b"\xff\xff\xff\xff")); // EOS
    let mut hand = Hand::server();
    hand.says(wire::frame(kind::HEADERS, 5, 1, &with_value(b"\x1f")));
    assert!(heard!(hand.events(), Event::Request { .. }));
}

#[test]
fn an_entry_larger_than_the_table_empties_it_and_is_no_error() {
    let mut hand = Hand::server();
    let block = [
        &b"\x3f\x0b"[..],
        &wire::block(GET),
        b"\x40\x01a\x0b12345678901",
    ]
    .concat();
    hand.says(wire::frame(kind::HEADERS, 5, 1, &block));
    assert!(heard!(hand.events(), Event::Request { .. }));
    let reference = [&wire::block(GET)[..], b"\xbe"].concat();
    hand.says(wire::frame(kind::HEADERS, 5, 3, &reference));
    hand.ends_with(Violation::HpackDecodeFailed);
}

#[test]
fn never_indexed_fields_stay_so_through_an_engine() {
    let mut hand = Hand::server();
    let block = [&wire::block(GET)[..], b"\x10\x01k\x01v\x00\x01l\x01v"].concat();
    hand.says(wire::frame(kind::HEADERS, 5, 1, &block));
    let events = hand.events();
    let [Event::Request { stream, head, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    let sensitive: Vec<_> = head.fields().map(|field| field.sensitive).collect();
    assert_eq!(sensitive, [true, false]);
    let answer = ResponseHead::new(200).sensitive_field(b"k", b"v").finish();
    hand.end
        .connection
        .respond(*stream, answer, Then::End)
        .unwrap();
    let frames = hand.frames();
    let found = frames[0]
        .payload
        .windows(1)
        .any(|byte| byte[0] & 0xf0 == 0x10);
    assert!(found, "a literal that is never indexed: {frames:?}");
}
