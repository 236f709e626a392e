//! RFC 9113 §6.8: GOAWAY.

use crate::*;

/// A client with requests on streams 1, 3 and 5.
fn three() -> (Hand, [StreamHandle; 3]) {
    let mut hand = Hand::client();
    let streams = [(); 3].map(|()| hand.open(Then::End));
    (hand, streams)
}

#[test]
fn streams_above_the_last_one_are_safe_to_send_again_and_the_others_go_on() {
    let (mut hand, [first, second, third]) = three();
    hand.says(wire::goaway(3, 0));
    let error = hand.failure(third);
    assert_eq!((error.retry, error.origin), (Retry::Safe, Origin::Remote));
    assert_eq!(hand.outcome(first), None);
    hand.says(wire::headers(1, OK, true));
    hand.says(wire::headers(3, OK, true));
    assert_eq!(hand.outcome(first), Some(Ok(())));
    assert_eq!(hand.outcome(second), Some(Ok(())));
    let events = hand.events();
    assert!(matches!(events.last(), Some(Event::Closed { error: None })));
}

#[test]
fn a_goaway_in_two_phases_loses_nothing() {
    let (mut hand, [first, second, third]) = three();
    hand.says(wire::goaway(WINDOW_MAX, 0));
    assert!(heard!(hand.told, Event::PeerDraining));
    for stream in [first, second, third] {
        assert_eq!(hand.outcome(stream), None);
    }
    let refused = hand.end.connection.open(get("/"), Then::End);
    assert_eq!(refused.unwrap_err().0, OpenError::Closing);
    hand.says(wire::goaway(1, 0));
    assert_eq!(hand.failure(second).retry, Retry::Safe);
    assert_eq!(hand.outcome(first), None);
}

#[test]
fn a_last_stream_that_rises_takes_back_no_verdict_and_ends_nothing() {
    let (mut hand, [first, second, third]) = three();
    hand.says(wire::goaway(1, 0));
    assert_eq!(hand.failure(second).retry, Retry::Safe);
    hand.says(wire::goaway(5, 0));
    assert_eq!(hand.failure(third).retry, Retry::Safe);
    assert_eq!(hand.outcome(first), None);
    hand.says(wire::headers(1, OK, true));
    assert_eq!(hand.outcome(first), Some(Ok(())));
}

#[test]
fn a_last_stream_of_any_number_is_a_mere_number() {
    for last in [0, 2, 4, 6, 999, WINDOW_MAX] {
        let (mut hand, streams) = three();
        hand.says(wire::goaway(last, 0));
        for (id, stream) in [1, 3, 5].into_iter().zip(streams) {
            assert_eq!(hand.outcome(stream).is_some(), id > last, "{last}");
        }
        if last > 0 {
            hand.lives();
        }
    }
}

#[test]
fn goaway_on_a_stream_is_an_error() {
    for role in ROLES {
        ends(
            role,
            wire::frame(kind::GOAWAY, 0, 1, &[0; 8]),
            Violation::GoAwayOnStream,
        );
    }
}

#[test]
fn debug_data_is_allowed_and_left_alone() {
    let (mut hand, [first, ..]) = three();
    let payload = [&wire::goaway(5, 0)[9..], &[b'!'; 16_000]].concat();
    hand.says(wire::frame(kind::GOAWAY, 0, 0, &payload));
    assert_eq!(hand.outcome(first), None);
    hand.lives();
}

#[test]
fn a_clients_goaway_does_not_stop_its_own_requests() {
    let (mut hand, stream) = open(Role::Server);
    hand.says(wire::goaway(0, 0));
    hand.send(stream, b"the whole answer", Then::End);
    hand.says(wire::data(1, b"and the upload", true));
    hand.frames();
    assert_eq!(hand.outcome(stream), Some(Ok(())));
}

#[test]
fn our_own_goaway_as_a_client_names_stream_zero_and_lets_streams_finish() {
    let (mut hand, [first, ..]) = three();
    hand.end.connection.drain();
    let frames = hand.frames();
    assert!(frames[0].is(kind::GOAWAY, 0));
    assert_eq!((frames[0].number(0), frames[0].number(4)), (0, 0));
    hand.says(wire::headers(1, OK, true));
    assert_eq!(hand.outcome(first), Some(Ok(())));
}

#[test]
fn a_server_drains_in_two_phases_and_serves_what_is_under_way() {
    let mut hand = Hand::server();
    let first = hand.request(1, Then::End);
    hand.end.connection.drain();
    let frames = hand.frames();
    assert!(frames[0].is(kind::GOAWAY, 0) && frames[0].number(0) == WINDOW_MAX);
    assert!(frames[1].is(kind::PING, 0));
    // It was under way when the client learned.
    let second = hand.request(3, Then::End);
    let payload = frames[1].payload.clone().try_into().unwrap();
    hand.says(wire::ping(payload, true));
    let frames = hand.frames();
    assert!(frames[0].is(kind::GOAWAY, 0) && frames[0].number(0) == 3);
    hand.says(wire::headers(5, GET, true));
    assert!(!heard!(hand.told, Event::Failed { .. }));
    assert_eq!(hand.frames(), [], "above the last stream: ignored");
    for stream in [first, second] {
        hand.respond(stream, Then::End);
        hand.frames();
        assert_eq!(hand.outcome(stream), Some(Ok(())));
    }
    let events = hand.events();
    assert!(matches!(events.last(), Some(Event::Closed { error: None })));
}

#[test]
fn our_last_stream_never_rises() {
    let mut hand = Hand::server();
    hand.request(1, Then::End);
    hand.end.connection.drain();
    let ping = hand.frames()[1].payload.clone().try_into().unwrap();
    hand.says(wire::ping(ping, true));
    assert_eq!(hand.frames()[0].number(0), 1);
    hand.says(wire::headers(3, GET, true));
    hand.end
        .connection
        .close(ErrorCode::INTERNAL_ERROR, Bytes::new());
    assert_eq!(hand.frames()[0].number(0), 1);
}

#[test]
fn data_above_our_last_stream_is_dropped_and_its_credit_comes_back() {
    let config = Config {
        stream_window_bytes: 65_535,
        connection_window_bytes: 65_535,
        ..Config::default()
    };
    let mut hand = Hand::under(Role::Server, config);
    hand.request(1, Then::End);
    hand.end.connection.drain();
    let ping = hand.frames()[1].payload.clone().try_into().unwrap();
    hand.says(wire::ping(ping, true));
    hand.frames();
    hand.says(wire::headers(3, POST, false));
    let mut granted = 0;
    for _ in 0..10 {
        hand.says(wire::data(3, &[0; 16_000], false));
        let frames = hand.frames();
        granted += frames.iter().map(|frame| frame.number(0)).sum::<u32>();
    }
    assert!(granted >= 160_000 - 32_768, "{granted}");
    assert_eq!(body_bytes(&hand.events()), 0);
}

#[test]
fn a_goaway_with_an_error_and_the_end_of_the_transport_give_the_same_verdicts_in_any_cut() {
    let mut verdicts = Vec::new();
    for both_at_once in [true, false] {
        let (mut hand, streams) = three();
        hand.says(wire::goaway(3, 2));
        if !both_at_once {
            hand.frames();
            hand.events();
        }
        hand.end
            .connection
            .handle_transport_end(TransportEnd::Eof, hand.end.now);
        let found: Vec<_> = hand
            .events()
            .iter()
            .filter_map(|event| match event {
                Event::Failed { stream, error } if *stream != streams[2] => Some(error.retry),
                _ => None,
            })
            .collect();
        verdicts.push(found);
    }
    assert_eq!(verdicts[0], [Retry::IfIdempotent; 2]);
    assert_eq!(verdicts[0], verdicts[1]);
}

#[test]
fn the_reason_that_the_peer_gave_is_why_the_connection_ended() {
    for (code, open) in [(11, true), (11, false), (2, true), (2, false)] {
        let mut hand = Hand::client();
        if open {
            hand.open(Then::End);
        }
        hand.says(wire::goaway(1, code));
        let connection = &mut hand.end.connection;
        connection.handle_transport_end(TransportEnd::Eof, hand.end.now);
        let Some(Event::Closed { error: Some(error) }) = hand.events().pop() else {
            panic!("{open}, {code}")
        };
        assert_eq!((error.origin, error.code.to_u32()), (Origin::Remote, code));
        assert_eq!(error.asks_for_calm(), code == 11);
    }
}
