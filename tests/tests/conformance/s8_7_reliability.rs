//! RFC 9113 §8.7: which requests may be sent again.

use crate::*;

#[test]
fn a_refused_stream_was_not_processed() {
    let mut hand = Hand::client();
    let stream = hand.open(Then::More);
    hand.says(wire::rst_stream(1, ErrorCode::REFUSED_STREAM.to_u32()));
    assert_eq!(hand.failure(stream).retry, Retry::Safe);
}

#[test]
fn a_refusal_behind_an_answer_is_not_believed() {
    let (mut hand, stream) = open(Role::Client);
    hand.says(wire::rst_stream(1, ErrorCode::REFUSED_STREAM.to_u32()));
    assert_eq!(hand.failure(stream).retry, Retry::Never);
}

#[test]
fn any_other_reset_may_have_been_processed() {
    for code in (0..16).filter(|&code| code != ErrorCode::REFUSED_STREAM.to_u32()) {
        let mut hand = Hand::client();
        let stream = hand.open(Then::End);
        hand.says(wire::rst_stream(1, code));
        assert_eq!(hand.failure(stream).retry, Retry::IfIdempotent, "{code}");
    }
}

#[test]
fn a_server_refuses_only_what_its_application_never_saw() {
    let config = Config {
        concurrent_streams_max: 1,
        ..Config::default()
    };
    let mut pair = Pair::new(Config::default(), config);
    pair.client.connection.open(get("/1"), Then::End).unwrap();
    let second = pair.client.connection.open(get("/2"), Then::End).unwrap();
    pair.settle();
    let seen = pair.server.take_events();
    let requests = seen
        .iter()
        .filter(|event| matches!(event, Event::Request { .. }));
    assert_eq!(requests.count(), 1);
    let failed = pair.client.take_events().into_iter().any(|event| {
        matches!(event, Event::Failed { stream, error } if stream == second && error.retry == Retry::Safe)
    });
    assert!(failed);
}

#[test]
fn our_goaway_covers_what_the_application_saw() {
    for close in [true, false] {
        let mut hand = Hand::server();
        hand.request(1, Then::End);
        hand.request(7, Then::More);
        if close {
            let connection = &mut hand.end.connection;
            connection.close(ErrorCode::NO_ERROR, Bytes::new());
        } else {
            hand.says(wire::data(0, b"", false));
        }
        let frames = hand.frames();
        assert!(frames[0].is(kind::GOAWAY, 0) && frames[0].number(0) == 7);
    }
}

#[test]
fn a_refusal_of_what_was_answered_is_no_refusal() {
    for (status, sent) in [
        (None, ErrorCode::REFUSED_STREAM),
        (Some(103), ErrorCode::INTERNAL_ERROR),
        (Some(200), ErrorCode::INTERNAL_ERROR),
    ] {
        let mut hand = Hand::server();
        let stream = hand.request(1, Then::More);
        let connection = &mut hand.end.connection;
        let head = status.map(|status| ResponseHead::new(status).finish());
        match head {
            Some(head) if head.is_informational() => connection.inform(stream, head).unwrap(),
            Some(head) => connection.respond(stream, head, Then::More).unwrap(),
            None => {}
        }
        hand.frames();
        let connection = &mut hand.end.connection;
        connection.reset(stream, ErrorCode::REFUSED_STREAM);
        assert_eq!(hand.failure(stream).code, sent);
        assert_eq!(hand.resets_sent(), [(1, sent.to_u32())]);
    }
}
