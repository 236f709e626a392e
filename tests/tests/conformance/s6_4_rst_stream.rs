//! RFC 9113 §6.4: RST_STREAM.

use crate::*;

#[test]
fn a_reset_ends_both_directions_and_drops_what_waits() {
    for role in ROLES {
        let (mut hand, stream) = open(role);
        hand.send(stream, &[0; 100], Then::More);
        hand.says(wire::rst_stream(1, 2));
        let error = hand.failure(stream);
        assert_eq!(error.code, ErrorCode::INTERNAL_ERROR);
        assert_eq!(error.origin, Origin::Remote);
        hand.ignores();
        let gone = hand
            .end
            .connection
            .send_data(stream, &mut Bytes::from_static(b"x"), Then::End);
        assert_eq!(gone, Err(SendError::Gone));
    }
}

#[test]
fn what_arrived_before_a_reset_is_told_and_never_a_clean_end() {
    let mut hand = Hand::client();
    let stream = hand.open(Then::End);
    let bytes = [
        wire::headers(1, OK, false),
        wire::data(1, b"part", false),
        wire::rst_stream(1, 8),
    ];
    hand.says(bytes.concat());
    assert_eq!(hand.failure(stream).code, ErrorCode::CANCEL);
    let events = hand.events();
    assert!(matches!(
        events[..],
        [
            Event::Response { .. },
            Event::Data {
                then: Then::More,
                ..
            },
            Event::Failed { .. }
        ]
    ));
}

#[test]
fn a_reset_behind_the_end_changes_nothing() {
    let mut hand = Hand::client();
    let stream = hand.open(Then::End);
    hand.says(wire::headers(1, OK, true));
    hand.says(wire::rst_stream(1, 2));
    assert_eq!(hand.outcome(stream), Some(Ok(())));
    hand.ignores();
}

#[test]
fn a_reset_goes_out_whatever_the_windows_are() {
    let mut hand = Hand::client();
    hand.says(wire::settings(&[(4, 0)]));
    let stream = hand.open(Then::More);
    hand.send(stream, &[0; 1_000], Then::End);
    assert_eq!(hand.frames(), []);
    hand.end.connection.reset(stream, ErrorCode::CANCEL);
    assert_eq!(hand.end.output(), wire::rst_stream(1, 8));
}

#[test]
fn a_stream_that_is_reset_before_its_head_left_is_never_heard_of() {
    let mut hand = Hand::client();
    let stream = hand.end.connection.open(post("/"), Then::More).unwrap();
    hand.send(stream, b"body", Then::End);
    hand.end.connection.reset(stream, ErrorCode::CANCEL);
    assert_eq!(hand.frames(), []);
    assert_eq!(hand.failure(stream).retry, Retry::Safe);
    // The next stream takes the number that it would have had.
    let next = hand.open(Then::End);
    let id = hand.end.connection.stream_id(next).unwrap();
    assert_eq!(id.to_u32(), 1);
}

#[test]
fn a_server_may_reset_before_it_answers() {
    let mut hand = Hand::server();
    let stream = hand.request(1, Then::More);
    hand.respond(stream, Then::More);
    hand.end.connection.reset(stream, ErrorCode::INTERNAL_ERROR);
    let frames = hand.frames();
    assert_eq!(frames.len(), 1, "the head is dropped: {frames:?}");
    assert!(frames[0].is(kind::RST_STREAM, 1) && frames[0].number(0) == 2);
}
