//! RFC 9113 §4.3: header blocks and the state that both sides share.

use crate::*;

/// `custom: seen` with a place in the table, and then a reference to that place.
const INDEXED: &[u8] = b"\x40\x06custom\x04seen";
const REFERENCE: &[u8] = b"\xbe";

fn block(prefix: &[u8]) -> Vec<u8> {
    [&wire::block(GET)[..], prefix].concat()
}

/// Whether the table entry of a block that was dropped can be used in the next.
fn knows_the_entry(hand: &mut Hand, id: u32) {
    hand.says(wire::frame(kind::HEADERS, 5, id, &block(REFERENCE)));
    let events = hand.events();
    let Some(Event::Request { head, .. }) = events.last() else {
        panic!("{events:?}")
    };
    assert_eq!(head.fields().next().unwrap().value, b"seen");
    hand.lives();
}

#[test]
fn a_block_that_cannot_be_decoded_ends_the_connection() {
    for bad in [&b"\x80"[..], b"\xff\xff\xff\xff\xff\xff", b"\xc5", b"\x40"] {
        for role in ROLES {
            let id = if role == Role::Server { 3 } else { 1 };
            ends(
                role,
                wire::frame(kind::HEADERS, 5, id, bad),
                Violation::HpackDecodeFailed,
            );
        }
    }
}

#[test]
fn the_block_of_a_request_that_is_refused_is_decoded_all_the_same() {
    let config = Config {
        concurrent_streams_max: 1,
        ..Config::default()
    };
    let mut hand = Hand::under(Role::Server, config);
    let first = hand.request(1, Then::End);
    hand.says(wire::frame(kind::HEADERS, 5, 3, &block(INDEXED)));
    assert_eq!(
        hand.resets_sent(),
        [(3, ErrorCode::REFUSED_STREAM.to_u32())]
    );
    hand.cancel(first);
    knows_the_entry(&mut hand, 5);
}

#[test]
fn the_block_of_a_malformed_request_is_decoded_all_the_same() {
    let mut hand = Hand::server();
    hand.says(wire::frame(kind::HEADERS, 5, 1, INDEXED));
    hand.resets(1, Violation::PseudoFieldMissing);
    knows_the_entry(&mut hand, 3);
}

#[test]
fn the_trailers_of_a_stream_that_we_reset_are_decoded_all_the_same() {
    let mut hand = Hand::server();
    let stream = hand.request(1, Then::More);
    hand.cancel(stream);
    hand.says(wire::frame(kind::HEADERS, 5, 1, INDEXED));
    hand.ignores();
    knows_the_entry(&mut hand, 3);
}

#[test]
fn a_block_in_pieces_is_the_same_block() {
    let mut hand = Hand::server();
    let whole = block(INDEXED);
    hand.says(wire::frame(kind::HEADERS, flag::END_STREAM, 1, b""));
    for part in whole[..40].chunks(7) {
        hand.says(wire::frame(kind::CONTINUATION, 0, 1, part));
    }
    assert_eq!(hand.events(), [], "no part of a head is told");
    hand.says(wire::frame(kind::CONTINUATION, 4, 1, &whole[40..]));
    assert!(heard!(hand.events(), Event::Request { .. }));
    knows_the_entry(&mut hand, 3);
}

#[test]
fn a_smaller_table_is_announced_in_front_of_the_next_block() {
    let mut hand = Hand::client();
    hand.says(wire::settings(&[(1, 0)]));
    hand.frames();
    hand.end.connection.open(get("/"), Then::End).unwrap();
    let frames = hand.frames();
    assert_eq!(frames[0].payload[0], 0x20, "a size update to 0");
    // RFC 7541 §4.2: down and up again between two blocks names the least and the last.
    hand.says(wire::settings(&[(1, 4_096)]));
    hand.says(wire::settings(&[(1, 100)]));
    hand.says(wire::settings(&[(1, 4_096)]));
    hand.frames();
    hand.end.connection.open(get("/"), Then::End).unwrap();
    let frames = hand.frames();
    assert_eq!(frames[0].payload[0] & 0xe0, 0x20, "{:?}", frames[0]);
}

#[test]
fn a_block_without_the_update_that_our_settings_require_is_an_error() {
    let config = Config {
        header_table_bytes: 100,
        ..Config::default()
    };
    let mut hand = Hand::under(Role::Server, config.clone());
    hand.says(wire::headers(1, GET, true));
    hand.ends_with(Violation::HpackDecodeFailed);
    let mut hand = Hand::under(Role::Server, config);
    let updated = [&b"\x3f\x45"[..], &wire::block(GET)].concat();
    hand.says(wire::frame(kind::HEADERS, 5, 1, &updated));
    assert!(heard!(hand.events(), Event::Request { .. }));
}
