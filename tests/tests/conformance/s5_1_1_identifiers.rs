//! RFC 9113 §5.1.1: the numbers of streams.

use crate::*;

#[test]
fn clients_open_odd_streams_only() {
    ends(
        Role::Server,
        wire::headers(2, GET, true),
        Violation::StreamIdParity,
    );
}

#[test]
fn servers_open_no_streams_here_odd_or_even() {
    for id in [2, 99] {
        ends(
            Role::Client,
            wire::headers(id, OK, true),
            Violation::IdleStreamFrame,
        );
    }
}

#[test]
fn identifiers_rise() {
    let mut hand = Hand::server();
    hand.request(9, Then::End);
    hand.says(wire::headers(7, GET, true));
    hand.ends_with(Violation::StreamIdNotIncreasing);
}

#[test]
fn identifiers_are_not_used_again() {
    let mut hand = Hand::server();
    let stream = hand.request(1, Then::End);
    hand.respond(stream, Then::End);
    hand.frames();
    hand.says(wire::headers(1, GET, true));
    hand.ends_with(Violation::StreamClosedConnection);
}

#[test]
fn identifiers_may_be_skipped_and_are_closed_then() {
    let mut hand = Hand::server();
    hand.request(1, Then::End);
    hand.request(1_001, Then::End);
    // The skipped ones are closed: what is harmless on a closed stream is harmless here.
    hand.says(wire::window_update(501, 1));
    hand.says(wire::rst_stream(503, 8));
    hand.ignores();
    assert_eq!(hand.resets_sent(), []);
}

#[test]
fn ours_count_up_from_one() {
    let mut hand = Hand::client();
    let streams: Vec<_> = (0..5).map(|_| hand.open(Then::End)).collect();
    let ids = streams.iter().map(|&stream| {
        let id = hand.end.connection.stream_id(stream);
        id.unwrap().to_u32()
    });
    assert_eq!(ids.collect::<Vec<_>>(), [1, 3, 5, 7, 9]);
}

#[test]
fn the_largest_identifier_is_an_identifier() {
    let mut hand = Hand::server();
    let stream = hand.request(WINDOW_MAX, Then::End);
    hand.respond(stream, Then::End);
    let frames = hand.frames();
    assert!(frames[0].is(kind::HEADERS, WINDOW_MAX));
}

#[test]
fn stream_zero_carries_no_message() {
    for (frame, violation) in [
        (wire::data(0, b"", false), Violation::DataOnStreamZero),
        (wire::headers(0, GET, true), Violation::HeadersOnStreamZero),
        (wire::rst_stream(0, 8), Violation::RstStreamOnStreamZero),
    ] {
        for role in ROLES {
            ends(role, &frame, violation);
        }
    }
}
