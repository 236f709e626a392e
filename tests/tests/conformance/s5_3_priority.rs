//! RFC 9113 §5.3: the priorities of the past, which are read and not followed.

use crate::*;

#[test]
fn the_old_priority_fields_of_headers_change_nothing() {
    let mut hand = Hand::server();
    // Exclusive, on itself, weight 256: nothing to follow and nothing to punish.
    let fields = [&[0x80, 0, 0, 1, 255][..], &wire::block(GET)].concat();
    hand.says(wire::frame(kind::HEADERS, 0x25, 1, &fields));
    assert!(heard!(hand.events(), Event::Request { .. }));
    hand.lives();
}

#[test]
fn priority_frames_come_on_streams_of_any_state_and_of_either_side() {
    for role in ROLES {
        let (mut hand, stream) = open(role);
        for id in [1, 2, 77] {
            hand.says(wire::frame(kind::PRIORITY, 0, id, &[0, 0, 0, 3, 16]));
        }
        hand.cancel(stream);
        hand.says(wire::frame(kind::PRIORITY, 0, 1, &[0, 0, 0, 3, 16]));
        hand.ignores();
    }
}

#[test]
fn we_send_none_of_them() {
    let mut hand = Hand::client();
    hand.end.connection.open(get("/"), Then::End).unwrap();
    let frames = hand.frames();
    assert_eq!(frames.len(), 1);
    assert_eq!(frames[0].flags & flag::PRIORITY, 0);
}
