//! RFC 9113 §5.4: how far an error reaches, and how it is told.

use crate::*;

#[test]
fn a_connection_error_names_the_last_stream_and_is_the_last_word() {
    let mut hand = Hand::server();
    hand.request(1, Then::More);
    hand.request(3, Then::End);
    hand.says(wire::data(0, b"", false));
    let frames = hand.frames();
    assert_eq!(frames.len(), 1);
    assert_eq!((frames[0].number(0), frames[0].number(4)), (3, 1));
    hand.says(wire::ping([0; 8], false));
    assert_eq!(hand.input, Input::Closed);
    assert_eq!(hand.frames(), [], "nothing is read any more");
    assert_eq!(hand.end.connection.lifecycle(), Lifecycle::Closed);
}

#[test]
fn a_stream_error_ends_one_stream_only() {
    let (mut hand, first) = open(Role::Client);
    let second = hand.open(Then::End);
    hand.says(wire::headers(3, &[(":status", "ok")], true));
    hand.resets(3, Violation::StatusInvalid);
    assert_eq!(hand.failure(second).origin, Origin::Local);
    assert_eq!(hand.outcome(first), None);
}

#[test]
fn a_reset_is_never_answered_by_a_reset() {
    for role in ROLES {
        let (mut hand, _) = open(role);
        hand.says(wire::rst_stream(1, 8));
        hand.says(wire::rst_stream(1, 8));
        hand.ignores();
    }
}

#[test]
fn resets_that_cross_are_one_each() {
    for role in ROLES {
        let (mut hand, stream) = open(role);
        hand.end.connection.reset(stream, ErrorCode::CANCEL);
        assert_eq!(hand.resets_sent(), [(1, 8)]);
        hand.says(wire::rst_stream(1, ErrorCode::CANCEL.to_u32()));
        hand.ignores();
        assert_eq!(hand.failure(stream).origin, Origin::Local);
    }
}

#[test]
fn many_faults_on_one_stream_are_one_reset() {
    let mut hand = Hand::client();
    hand.open(Then::More);
    let bad = wire::data(1, b"before the head", false);
    hand.says(bad.repeat(5));
    hand.resets(1, Violation::DataBeforeHeaders);
}

#[test]
fn a_transport_that_ends_ends_every_stream_with_a_verdict() {
    let mut hand = Hand::client();
    hand.says(wire::settings(&[(3, 3)]));
    let answered = hand.open(Then::End);
    let sent = hand.open(Then::End);
    let complete = hand.open(Then::End);
    hand.says(wire::headers(1, OK, false));
    hand.says(wire::headers(5, OK, true));
    let fresh = hand.end.connection.open(get("/"), Then::End).unwrap();
    hand.end
        .connection
        .handle_transport_end(TransportEnd::Eof, hand.end.now);
    assert_eq!(hand.failure(answered).retry, Retry::Never);
    assert_eq!(hand.failure(sent).retry, Retry::IfIdempotent);
    assert_eq!(hand.failure(fresh).retry, Retry::Safe);
    assert_eq!(hand.outcome(complete), Some(Ok(())));
    assert!(matches!(
        hand.events().last(),
        Some(Event::Closed { error: Some(_) })
    ));
}

#[test]
fn a_transport_that_ends_inside_a_block_tells_no_part_of_it() {
    let mut hand = Hand::client();
    let stream = hand.open(Then::End);
    hand.says(wire::frame(kind::HEADERS, 0, 1, &wire::block(OK)));
    hand.end
        .connection
        .handle_transport_end(TransportEnd::Eof, hand.end.now);
    assert_eq!(hand.failure(stream).retry, Retry::IfIdempotent);
    assert!(!heard!(hand.events(), Event::Response { .. }));
}
