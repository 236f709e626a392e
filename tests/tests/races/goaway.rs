//! GOAWAY.

use bytes::Buf;
use raddle_core::{Fields, Transmit};

use crate::*;

/// A client that has one upload under way, and a request in `out` whose head the transport has taken none of: it puts
/// `x-new` with `padding` bytes more into the table of HPACK. GOAWAY with 1 arrives then, and the upload ends with trailers
/// that name the same field. Answers what a server reads of it when the transport has taken `cut` bytes before.
fn crossed(padding: usize, cut: usize) -> Vec<Event> {
    let mut pair = Pair::new(Config::default(), Config::default());
    let upload = pair.client.connection.open(post("/"), Then::More).unwrap();
    pair.settle();
    let (client, now) = (&mut pair.client, Timestamp(0));
    let head = RequestHead::new(b"GET", b"http", Some(b"test"), b"/")
        .field(b"x-new", b"value")
        .field(b"x-long", "x".repeat(padding).as_bytes())
        .finish();
    let crosses = client.connection.open(head, Then::End).unwrap();
    let mut out = Transmit::new();
    client.connection.poll_transmit(&mut out, now);
    assert!(out.remaining() > cut, "some of it waits");
    let mut sent = out.copy_to_bytes(cut).to_vec();
    client.connection.handle_transport_blocked(&out, now);
    client.input(&wire::goaway(1, 0));
    let events = client.take_events();
    let failed = events.iter().find_map(|event| match event {
        Event::Failed { stream, error } if *stream == crosses => Some(error.retry),
        _ => None,
    });
    assert_eq!(failed, Some(Retry::Safe), "{events:?}");
    let mut trailers = Fields::builder();
    trailers.push(b"x-new", b"value", false);
    let trailers = trailers.finish();
    client.connection.send_trailers(upload, trailers).unwrap();
    while client.connection.poll_transmit(&mut out, now) > 0 {}
    sent.extend_from_slice(&out.copy_to_bytes(out.remaining()));
    let (frames, left) = wire::frames(&sent);
    assert_eq!(left, 0, "nothing ends inside a frame");
    // Not a frame of another stream inside the block, and the block is whole.
    let mut rest = frames.iter().map(|frame| (frame.kind, frame.stream));
    assert_eq!(rest.next(), Some((kind::HEADERS, 3)));
    let blocks = frames.iter().filter(|frame| frame.stream == 3);
    assert_eq!(
        blocks.clone().next_back().unwrap().flags & flag::END_HEADERS,
        flag::END_HEADERS
    );
    for _ in 1..blocks.count() {
        assert_eq!(rest.next(), Some((kind::CONTINUATION, 3)));
    }
    assert_eq!(rest.next_back(), Some((kind::HEADERS, 1)));
    pair.server.take_events();
    pair.server.input(&sent);
    assert_eq!(pair.server.connection.error(), None);
    pair.server.take_events()
}

/// The fields of the trailers among the events, as text.
fn trailers(events: &[Event]) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let fields = events.iter().filter_map(|event| match event {
        Event::Trailers { fields, .. } => Some(fields.iter()),
        _ => None,
    });
    fields
        .flatten()
        .map(|field| (text(field.name), text(field.value)))
        .collect()
}

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
    // What is encoded and not taken goes out although it has failed: what is encoded behind it refers to its fields.
    let events = crossed(0, 0);
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Request { .. })),
        "{events:?}"
    );
    assert_eq!(trailers(&events), [("x-new".into(), "value".into())]);
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
fn g09_a_block_that_is_half_written_is_finished_before_goaway_applies() {
    // HEADERS and two CONTINUATION. In the first head, in the first payload, at its end, in and behind the next head, and
    // in the last frame.
    const CUTS: [usize; 9] = [1, 9, 5_000, 16_393, 16_397, 16_402, 20_000, 32_786, 35_000];
    for cut in CUTS {
        let events = crossed(40_000, cut);
        assert_eq!(
            trailers(&events),
            [("x-new".into(), "value".into())],
            "{cut}"
        );
    }
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
