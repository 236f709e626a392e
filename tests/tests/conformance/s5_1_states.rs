//! RFC 9113 §5.1: which frames a stream takes in which state. The table of `docs/streams.md` has every edge; here are
//! those that a peer can see.

use crate::*;

#[test]
fn only_headers_and_priority_may_come_on_an_idle_stream() {
    for role in ROLES {
        for frame in [
            wire::data(99, b"x", false),
            wire::rst_stream(99, 0),
            wire::window_update(99, 1),
        ] {
            ends(role, frame, Violation::IdleStreamFrame);
        }
        let (mut hand, _) = open(role);
        hand.says(wire::frame(kind::PRIORITY, 0, 99, &[0, 0, 0, 0, 9]));
        hand.ignores();
    }
    ends(
        Role::Client,
        wire::headers(99, OK, true),
        Violation::IdleStreamFrame,
    );
}

#[test]
fn a_request_that_waits_for_its_turn_is_idle_to_the_peer() {
    for frame in [
        wire::rst_stream(3, 8),
        wire::window_update(3, 1),
        wire::headers(3, OK, true),
    ] {
        let mut hand = Hand::client();
        hand.says(wire::settings(&[(3, 1)]));
        hand.open(Then::End);
        let waits = hand.open(Then::End);
        hand.says(frame).ends_with(Violation::IdleStreamFrame);
        assert_eq!(hand.failure(waits).retry, Retry::Safe);
    }
}

#[test]
fn a_half_closed_stream_takes_no_more_of_the_message() {
    for late in [
        wire::data(1, b"x", false),
        wire::data(1, b"", true),
        wire::headers(1, &[("a", "b")], true),
    ] {
        let mut hand = Hand::server();
        hand.request(1, Then::End);
        hand.says(&late).resets(1, Violation::StreamClosedFrame);
        let mut hand = Hand::client();
        hand.open(Then::More);
        hand.says(wire::headers(1, OK, true));
        hand.says(&late).resets(1, Violation::StreamClosedFrame);
    }
}

#[test]
fn a_half_closed_stream_still_takes_updates_priorities_and_resets() {
    let mut hand = Hand::server();
    let stream = hand.request(1, Then::End);
    hand.says(wire::window_update(1, 5));
    hand.says(wire::frame(kind::PRIORITY, 0, 1, &[0; 5]));
    hand.ignores();
    hand.says(wire::rst_stream(1, 8));
    assert_eq!(hand.failure(stream).code, ErrorCode::CANCEL);
    hand.ignores();
}

#[test]
fn a_stream_that_both_sides_ended_takes_nothing_but_stragglers() {
    for (late, fatal) in [
        (wire::data(1, b"x", false), true),
        (wire::headers(1, OK, true), true),
        (wire::window_update(1, 1), false),
        (wire::rst_stream(1, 8), false),
        (wire::frame(kind::PRIORITY, 0, 1, &[0; 5]), false),
    ] {
        let mut hand = Hand::client();
        let stream = hand.open(Then::End);
        hand.says(wire::headers(1, OK, true));
        assert_eq!(hand.outcome(stream), Some(Ok(())));
        hand.says(late);
        if fatal {
            hand.ends_with(Violation::StreamClosedConnection);
        } else {
            hand.ignores();
        }
    }
}

#[test]
fn a_stream_that_the_peer_reset_takes_no_more_of_the_message() {
    for late in [wire::data(1, b"x", false), wire::headers(1, OK, true)] {
        let mut hand = Hand::client();
        hand.open(Then::End);
        hand.says(wire::rst_stream(1, 8));
        hand.says(late).resets(1, Violation::StreamClosedFrame);
    }
}

// RFC 9113 §8.1: a server may stop an upload that it does not need behind its whole answer.
#[test]
fn a_stream_whose_upload_the_peer_stopped_takes_no_more_of_the_message() {
    for late in [wire::data(1, b"x", false), wire::headers(1, OK, true)] {
        let mut hand = Hand::client();
        let stream = hand.open(Then::More);
        hand.says(wire::headers(1, OK, true));
        hand.says(wire::rst_stream(1, 0));
        assert_eq!(hand.outcome(stream), Some(Ok(())));
        hand.says(late).resets(1, Violation::StreamClosedFrame);
    }
}

#[test]
fn a_stream_that_we_reset_behind_the_whole_message_takes_what_comes() {
    let mut hand = Hand::server();
    let stream = hand.request(1, Then::End);
    hand.cancel(stream);
    hand.says(wire::data(1, b"x", false));
    hand.ignores();
}

#[test]
fn a_stream_that_we_reset_takes_whatever_was_under_way() {
    for role in ROLES {
        let (mut hand, stream) = open(role);
        hand.cancel(stream);
        hand.says(wire::data(1, &[0; 1_000], false));
        hand.says(wire::headers(1, &[("a", "b")], true));
        hand.says(wire::window_update(1, 1));
        hand.says(wire::rst_stream(1, 8));
        hand.ignores();
        let frames = hand.events();
        assert_eq!(body_bytes(&frames), 0);
    }
}

#[test]
fn streams_that_are_long_gone_do_no_harm() {
    let mut hand = Hand::server();
    for n in 0..600 {
        let stream = hand.request(2 * n + 1, Then::More);
        hand.cancel(stream);
    }
    // Far behind what any memory of closed streams keeps.
    hand.says(wire::data(1, b"late", true));
    hand.says(wire::headers(3, &[("a", "b")], true));
    hand.says(wire::rst_stream(5, 8));
    hand.says(wire::window_update(7, 1));
    hand.ignores();
}

#[test]
fn end_stream_closes_one_direction_only() {
    let mut hand = Hand::server();
    let stream = hand.request(1, Then::More);
    hand.respond(stream, Then::End);
    hand.frames();
    assert_eq!(hand.outcome(stream), None, "the upload goes on");
    hand.says(wire::data(1, b"more", true));
    assert_eq!(hand.outcome(stream), Some(Ok(())));
}
