//! RFC 9113 §6.10: CONTINUATION.

use crate::*;

fn part(id: u32, payload: &[u8], last: bool) -> Vec<u8> {
    let flags = if last { flag::END_HEADERS } else { 0 };
    wire::frame(kind::CONTINUATION, flags, id, payload)
}

#[test]
fn nothing_may_interrupt_a_block() {
    let first = wire::frame(kind::HEADERS, 0, 3, b"");
    for between in [
        wire::data(1, b"x", false),
        wire::headers(1, OK, true),
        wire::headers(3, OK, true),
        wire::ping([0; 8], false),
        wire::settings(&[]),
        wire::rst_stream(3, 8),
        wire::window_update(0, 1),
        wire::goaway(0, 0),
        part(1, b"", true),
    ] {
        ends(
            Role::Server,
            [first.clone(), between].concat(),
            Violation::ContinuationExpected,
        );
    }
}

#[test]
fn a_continuation_without_a_block_is_an_error() {
    for role in ROLES {
        for id in [0, 1, 3] {
            ends(role, part(id, b"", true), Violation::ContinuationUnexpected);
        }
    }
    // Also when the block is over.
    let whole = wire::headers(3, GET, true);
    ends(
        Role::Server,
        [whole, part(3, b"", true)].concat(),
        Violation::ContinuationUnexpected,
    );
}

#[test]
fn blocks_may_have_some_empty_parts() {
    let mut hand = Hand::server();
    hand.says(wire::frame(kind::HEADERS, flag::END_STREAM, 1, b""));
    hand.says(part(1, b"", false));
    hand.says(part(1, &wire::block(GET), false));
    hand.says(part(1, b"", true));
    assert!(heard!(hand.events(), Event::Request { .. }));
    hand.lives();
}

#[test]
fn a_response_may_come_in_parts_too() {
    let mut hand = Hand::client();
    let stream = hand.open(Then::End);
    let block = wire::block(OK);
    hand.says(wire::frame(kind::HEADERS, flag::END_STREAM, 1, &block[..3]));
    hand.says(part(1, &block[3..], true));
    assert_eq!(hand.outcome(stream), Some(Ok(())));
}
