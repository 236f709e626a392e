//! RFC 9113 §6.2: HEADERS.

use crate::*;

#[test]
fn padding_and_old_priority_may_stand_around_the_block() {
    let block = wire::block(GET);
    let padded = [&[5][..], &block, &[0; 5]].concat();
    let weighted = [&[0, 0, 0, 0, 15][..], &block].concat();
    let both = [&[5, 0, 0, 0, 0, 15][..], &block, &[0; 5]].concat();
    for (flags, payload) in [(8, padded), (0x20, weighted), (0x28, both)] {
        let mut hand = Hand::server();
        hand.says(wire::frame(kind::HEADERS, 5 | flags, 1, &payload));
        let events = hand.events();
        let [Event::Request { head, .. }] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(head.all().count(), 4);
    }
}

#[test]
fn padding_longer_than_the_rest_is_an_error() {
    for payload in [&[1][..], &[200, 0x82, 0x84]] {
        ends(
            Role::Server,
            wire::frame(kind::HEADERS, 5 | flag::PADDED, 3, payload),
            Violation::PaddingTooLong,
        );
    }
    // Padding that reaches into the priority fields.
    ends(
        Role::Server,
        wire::frame(kind::HEADERS, 0x2d, 3, &[3, 0, 0, 0, 0, 15, 0, 0]),
        Violation::PaddingTooLong,
    );
}

#[test]
fn an_empty_block_is_a_malformed_request() {
    let mut hand = Hand::server();
    hand.says(wire::frame(kind::HEADERS, 5, 1, b""));
    hand.resets(1, Violation::PseudoFieldMissing);
}

#[test]
fn headers_open_a_stream_and_end_it() {
    let mut hand = Hand::client();
    hand.end.connection.open(get("/"), Then::End).unwrap();
    let frames = hand.frames();
    assert_eq!(frames[0].flags, flag::END_STREAM | flag::END_HEADERS);
    hand.end.connection.open(post("/"), Then::More).unwrap();
    assert_eq!(hand.frames()[0].flags, flag::END_HEADERS);
}
