//! RFC 9113 §5.1.2: how many streams may be open at once.

use crate::*;

/// A client that may have `limit` streams.
fn limited(limit: u32) -> Hand {
    let mut hand = Hand::client();
    hand.says(wire::settings(&[(3, limit)]));
    hand.frames();
    hand.events();
    hand
}

fn opened(frames: &[Frame]) -> Vec<u32> {
    let heads = frames.iter().filter(|frame| frame.kind == kind::HEADERS);
    heads.map(|frame| frame.stream).collect()
}

#[test]
fn one_stream_more_than_we_allow_is_refused_and_the_rest_goes_on() {
    let config = Config {
        concurrent_streams_max: 2,
        ..Config::default()
    };
    let mut hand = Hand::under(Role::Server, config);
    let first = hand.request(1, Then::End);
    hand.request(3, Then::End);
    hand.says(wire::headers(5, GET, true));
    hand.resets(5, Violation::StreamLimitExceeded);
    hand.respond(first, Then::End);
    hand.frames();
    hand.request(7, Then::End);
    hand.ignores();
}

#[test]
fn half_closed_streams_count_and_idle_ones_do_not() {
    let mut hand = limited(1);
    let first = hand.open(Then::End);
    hand.end.connection.open(get("/"), Then::End).unwrap();
    assert_eq!(opened(&hand.frames()), []);
    assert_eq!(hand.end.connection.openable(), 0);
    hand.says(wire::headers(1, OK, false));
    assert_eq!(opened(&hand.frames()), [], "half closed, and counted");
    hand.says(wire::data(1, b"", true));
    assert_eq!(hand.outcome(first), Some(Ok(())));
    assert_eq!(opened(&hand.frames()), [3]);
}

#[test]
fn a_limit_of_zero_keeps_all_requests_waiting_in_order() {
    let mut hand = limited(0);
    for _ in 0..9 {
        hand.end.connection.open(get("/"), Then::End).unwrap();
    }
    assert_eq!(opened(&hand.frames()), []);
    hand.says(wire::settings(&[(3, 5)]));
    assert_eq!(opened(&hand.frames()), [1, 3, 5, 7, 9]);
    assert_eq!(hand.end.connection.waiting(), 4);
}

#[test]
fn a_limit_below_what_is_open_ends_nothing_and_opens_nothing() {
    let mut hand = limited(3);
    let streams: Vec<_> = (0..3).map(|_| hand.open(Then::End)).collect();
    hand.end.connection.open(get("/"), Then::End).unwrap();
    hand.says(wire::settings(&[(3, 1)]));
    hand.frames();
    for (n, &stream) in streams.iter().enumerate() {
        assert_eq!(opened(&hand.frames()), []);
        let id = 2 * n as u32 + 1;
        hand.says(wire::headers(id, OK, true));
        assert_eq!(hand.outcome(stream), Some(Ok(())));
    }
    assert_eq!(opened(&hand.frames()), [7]);
}

#[test]
fn a_cancelled_waiter_leaves_its_place_to_the_next() {
    let mut hand = limited(1);
    let first = hand.open(Then::End);
    let second = hand.end.connection.open(get("/2"), Then::End).unwrap();
    let third = hand.end.connection.open(get("/3"), Then::End).unwrap();
    hand.end.connection.reset(second, ErrorCode::CANCEL);
    assert_eq!(hand.frames(), [], "nobody hears of the second");
    assert_eq!(hand.failure(second).retry, Retry::Safe);
    hand.cancel_seen(first);
    hand.frames();
    let id = hand.end.connection.stream_id(third);
    assert_eq!(id.map(|id| id.to_u32()), Some(3));
}

#[test]
fn before_the_peers_settings_a_cautious_number_goes_out() {
    let mut hand = Hand::fresh(Role::Client);
    for _ in 0..150 {
        hand.end.connection.open(get("/"), Then::End).unwrap();
    }
    assert_eq!(opened(&hand.frames()).len(), 100);
    hand.says(wire::settings(&[]));
    assert_eq!(opened(&hand.frames()).len(), 50, "no limit was named");
}

#[test]
fn a_reset_stream_gives_its_place_back_once() {
    let mut hand = limited(1);
    let first = hand.open(Then::More);
    hand.end.connection.reset(first, ErrorCode::CANCEL);
    hand.end.connection.reset(first, ErrorCode::CANCEL);
    hand.end.connection.open(get("/"), Then::End).unwrap();
    hand.end.connection.open(get("/"), Then::End).unwrap();
    let frames = hand.frames();
    assert_eq!(opened(&frames), [], "the peer may not know yet");
    assert!(frames[0].is(kind::RST_STREAM, 1), "before the next request");
    hand.says(wire::pongs(&frames));
    assert_eq!(opened(&hand.frames()), [3]);
    hand.says(wire::rst_stream(1, 8));
    assert_eq!(opened(&hand.frames()), []);
}
