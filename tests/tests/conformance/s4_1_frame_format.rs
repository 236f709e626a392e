//! RFC 9113 §4.1: the nine bytes in front of every frame.

use crate::*;

#[test]
fn frames_of_unknown_kinds_are_skipped() {
    for role in ROLES {
        let (mut hand, _) = open(role);
        for kind in 0x0b..=0xff {
            if kind != kind::PRIORITY_UPDATE {
                hand.says(wire::frame(kind, 0xff, 1, b"whatever it is"));
                hand.says(wire::frame(kind, 0xff, 0, b""));
                hand.says(wire::frame(kind, 0xff, 999, b""));
            }
        }
        assert_eq!(hand.events(), []);
        hand.ignores();
    }
}

#[test]
fn flags_that_a_frame_does_not_define_are_ignored() {
    let mut hand = Hand::server();
    let undefined = 0x10 | 0x40 | 0x80;
    let block = wire::block(GET);
    hand.says(wire::frame(kind::HEADERS, undefined | 5, 1, &block));
    assert!(heard!(
        hand.events(),
        Event::Request {
            then: Then::End,
            ..
        }
    ));
    hand.says(wire::frame(kind::PING, 0xfe, 0, &[1; 8]));
    let frames = hand.frames();
    assert!(frames[0].is(kind::PING, 0) && frames[0].flags == flag::ACK);
}

#[test]
fn the_reserved_bit_is_ignored() {
    let mut hand = Hand::server();
    let block = wire::block(GET);
    hand.says(wire::frame(kind::HEADERS, 5, 1 | 1 << 31, &block));
    assert!(heard!(hand.events(), Event::Request { .. }));
    hand.says(wire::frame(
        kind::WINDOW_UPDATE,
        0,
        1 << 31,
        &u32::to_be_bytes(1 | 1 << 31),
    ));
    hand.ignores();
}

#[test]
fn the_reserved_bit_and_undefined_flags_are_never_sent() {
    let mut hand = Hand::client();
    let stream = hand.open(Then::More);
    hand.send(stream, b"body", Then::End);
    let bytes = hand.end.output();
    assert_eq!(bytes, wire::data(1, b"body", true));
}
