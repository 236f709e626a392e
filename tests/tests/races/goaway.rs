//! GOAWAY.

use crate::*;

#[test]
fn g01_a_request_that_is_open_and_not_encoded_is_never_sent_and_safe() {
    let mut hand = Hand::client();
    let stream = hand.end.connection.open(get("/"), Then::End).unwrap();
    hand.says(wire::goaway(WINDOW_MAX, 0));
    assert_eq!(hand.failure(stream).retry, Retry::Safe);
    assert!(!kinds(&hand.frames()).contains(&kind::HEADERS));
}

#[test]
fn g02_what_is_encoded_is_on_the_wire_so_hpack_stays_in_step() {
    let (mut hand, [stream]) = asking::<1>();
    // What poll_transmit has given out counts as sent; GOAWAY makes it safe by number, and nothing is encoded again.
    hand.says(wire::goaway(0, 0));
    assert_eq!(hand.failure(stream).retry, Retry::Safe);
    assert!(!kinds(&hand.frames()).contains(&kind::HEADERS));
}

#[test]
fn g03_data_above_the_last_stream_stays_charged_to_the_connection() {
    let (mut hand, [first, second]) = asking::<2>();
    hand.says(wire::settings(&[(4, 1 << 20)]));
    hand.send(second, &[0; 40_000], Then::More);
    hand.frames();
    hand.says(wire::goaway(1, 0));
    assert_eq!(hand.failure(second).retry, Retry::Safe);
    hand.send(first, &[0; 60_000], Then::More);
    let sent: usize = data_lengths(&hand.frames(), 1).iter().sum();
    assert_eq!(sent, 65_535 - 40_000);
}

#[test]
fn g04_the_last_stream_itself_may_be_processed() {
    let (mut hand, [_, last]) = asking::<2>();
    hand.says(wire::goaway(3, 0));
    assert_eq!(hand.outcome(last), None);
    transport_ends(&mut hand, TransportEnd::Eof);
    assert_eq!(hand.failure(last).retry, Retry::IfIdempotent);
}

#[test]
fn g05_two_phases_first_stop_and_then_tell_which() {
    let (mut hand, [first, second]) = asking::<2>();
    hand.says(wire::goaway(WINDOW_MAX, 0));
    assert_eq!((hand.outcome(first), hand.outcome(second)), (None, None));
    assert_eq!(hand.end.connection.openable(), 0);
    hand.says(wire::goaway(1, 0));
    assert_eq!(hand.outcome(first), None);
    assert_eq!(hand.failure(second).retry, Retry::Safe);
}

#[test]
fn g06_a_last_stream_that_rises_takes_back_no_verdict_and_ends_nothing() {
    let (mut hand, [first, second]) = asking::<2>();
    for (says, counts) in [(1, 1), (3, 1), (WINDOW_MAX, 1), (0, 0), (1, 0)] {
        hand.says(wire::goaway(says, 0));
        let last = hand.end.connection.peer_goaway().map(|said| said.last);
        assert_eq!(last.map(|last| last.to_u32()), Some(counts), "{says}");
        let before = hand.failure(second);
        assert_eq!(before.retry, Retry::Safe);
        assert_eq!(hand.outcome(first).is_some(), counts == 0, "{says}");
    }
    assert_eq!(assert_ends_once(&hand.events()), 2);
}

#[test]
fn g07_an_error_and_the_end_in_one_read_or_two_are_the_same() {
    let verdicts = [false, true].map(|apart| {
        let (mut hand, streams) = asking::<3>();
        hand.says(wire::goaway(3, 11));
        if apart {
            hand.frames();
        }
        transport_ends(&mut hand, TransportEnd::Eof);
        streams.map(|stream| {
            let error = hand.failure(stream);
            // The peer has said why, before it went.
            assert_eq!(
                (error.origin, error.code),
                (Origin::Remote, ErrorCode::ENHANCE_YOUR_CALM)
            );
            error.retry
        })
    });
    use Retry::{IfIdempotent, Safe};
    assert_eq!(verdicts, [[IfIdempotent, IfIdempotent, Safe]; 2]);
}

#[test]
fn g09_a_block_is_cut_whole_before_goaway_applies() {
    let mut hand = Hand::client();
    let long = "x".repeat(40_000);
    let head = RequestHead::new(b"GET", b"http", Some(b"test"), b"/")
        .field(b"x-long", long.as_bytes())
        .finish();
    let stream = hand.end.connection.open(head, Then::End).unwrap();
    let frames = hand.frames();
    assert_eq!(
        kinds(&frames),
        [kind::HEADERS, kind::CONTINUATION, kind::CONTINUATION]
    );
    hand.says(wire::goaway(0, 0));
    assert_eq!(hand.failure(stream).retry, Retry::Safe);
}

#[test]
fn g10_those_who_wait_for_a_slot_hear_at_once() {
    let mut hand = Hand::client();
    hand.says(wire::settings(&[(3, 1)]));
    let open = hand.open(Then::End);
    let waiting = [(); 5].map(|()| hand.end.connection.open(get("/"), Then::End).unwrap());
    hand.says(wire::goaway(1, 0));
    for stream in waiting {
        assert_eq!(hand.failure(stream).retry, Retry::Safe);
    }
    assert_eq!(hand.outcome(open), None);
}

#[test]
fn g11_the_connection_closes_once_behind_its_last_stream() {
    for requests in [0, 1] {
        let mut hand = Hand::client();
        let stream = (requests > 0).then(|| hand.open(Then::End));
        hand.says(wire::goaway(1, 0));
        if stream.is_some() {
            hand.says(wire::headers(1, OK, true));
        }
        hand.frames();
        let events = hand.events();
        let closed = events.iter();
        let closed = closed.filter(|event| matches!(event, Event::Closed { .. }));
        assert_eq!(closed.count(), 1);
        assert_eq!(hand.end.connection.lifecycle(), Lifecycle::Closed);
    }
}

#[test]
fn g12_a_clients_goaway_names_stream_zero_and_the_server_goes_on() {
    let mut pair = Pair::new(Config::default(), Config::default());
    let stream = pair.client.connection.open(get("/"), Then::End).unwrap();
    pair.settle();
    pair.client.connection.drain();
    pair.settle();
    let events = pair.server.take_events();
    let request = events.iter().find_map(|event| match event {
        Event::Request { stream, .. } => Some(*stream),
        _ => None,
    });
    let head = ResponseHead::new(200).finish();
    let answered = pair
        .server
        .connection
        .respond(request.unwrap(), head, Then::End);
    assert_eq!(answered, Ok(()));
    pair.settle();
    let events = pair.client.take_events();
    assert!(events.contains(&Event::Finished { stream }));
}

#[test]
fn g13_the_last_stream_is_a_number_like_any_other() {
    for last in [2, 4, 1_000, WINDOW_MAX] {
        let (mut hand, [first, second]) = asking::<2>();
        hand.says(wire::goaway(last, 0));
        assert_eq!(hand.outcome(first), None);
        assert_eq!(hand.outcome(second).is_some(), last < 3);
        hand.lives();
    }
}

#[test]
fn g14_goaway_on_a_stream_or_too_short_is_an_error() {
    let (mut hand, [_]) = asking::<1>();
    hand.says(wire::frame(kind::GOAWAY, 0, 1, &[0; 8]));
    hand.ends_with(Violation::GoAwayOnStream);
    let (mut hand, [_]) = asking::<1>();
    hand.says(wire::frame(kind::GOAWAY, 0, 0, &[0; 7]));
    hand.ends_with(Violation::GoAwayFrameSize);
}

#[test]
fn g15_a_flood_of_debug_data_is_not_kept_and_has_an_end() {
    let (mut hand, [_]) = asking::<1>();
    let before = hand.end.connection.memory_footprint().total();
    let payload = [&wire::goaway(1, 0)[9..], &[b'!'; 16_000]].concat();
    let frame = wire::frame(kind::GOAWAY, 0, 0, &payload);
    for _ in 0..100 {
        hand.says(&frame);
    }
    assert!(hand.end.connection.memory_footprint().total() < before + 4_096);
    hand.lives();
    for _ in 0..2_000 {
        hand.says(&frame);
    }
    hand.ends_with(Violation::GoAwayFlood);
}
