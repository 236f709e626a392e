//! The transport.

use crate::*;

#[test]
fn h01_the_end_at_every_byte_gives_every_request_one_outcome() {
    let bytes = [
        wire::headers(1, OK, true),
        wire::headers(3, OK, false),
        wire::data(3, b"body", false),
        wire::headers(3, &[("a", "b")], true),
        wire::headers(5, &[(":status", "103")], false),
        wire::headers(5, OK, false),
        wire::data(5, b"", true),
    ]
    .concat();
    for how in [TransportEnd::Eof, TransportEnd::Failed] {
        for at in 0..=bytes.len() {
            let mut hand = Hand::client();
            let streams = [(); 3].map(|()| hand.open(Then::End));
            hand.events();
            hand.says(&bytes[..at]);
            transport_ends(&mut hand, how);
            let events = hand.events();
            assert_eq!(assert_ends_once(&events), 3, "at {at}");
            for stream in streams {
                let begun = events.iter().any(
                    |event| matches!(event, Event::Response { stream: other, .. } if *other == stream),
                );
                let retry = events.iter().find_map(|event| match event {
                    Event::Failed {
                        stream: other,
                        error,
                    } if *other == stream => Some(error.retry),
                    _ => None,
                });
                let expected = if begun {
                    Retry::Never
                } else {
                    Retry::IfIdempotent
                };
                assert!(retry.is_none_or(|retry| retry == expected), "at {at}");
            }
        }
    }
}

#[test]
fn h02_a_request_of_which_nothing_was_cut_is_safe() {
    let mut hand = Hand::client();
    let stream = hand.end.connection.open(get("/"), Then::End).unwrap();
    transport_ends(&mut hand, TransportEnd::Failed);
    assert_eq!(hand.failure(stream).retry, Retry::Safe);
}

/// A whole request, one whose head takes two frames and has a body, and one that is not cut any more: what is on its way.
fn three_requests() -> (Hand, [StreamHandle; 3], raddle_core::Transmit) {
    let mut hand = Hand::client();
    hand.says(wire::settings(&[(3, 2)]));
    let long = "x".repeat(20_000);
    let head = RequestHead::new(b"POST", b"http", Some(b"test"), b"/")
        .field(b"x-long", long.as_bytes())
        .finish();
    let connection = &mut hand.end.connection;
    let streams = [
        (get("/"), Then::End),
        (head, Then::More),
        (get("/"), Then::End),
    ]
    .map(|(head, then)| connection.open(head, then).unwrap());
    let mut body = Bytes::from_static(&[7; 500]);
    let sent = connection.send_data(streams[1], &mut body, Then::End);
    sent.unwrap();
    let mut out = raddle_core::Transmit::new();
    connection.poll_transmit(&mut out, hand.end.now);
    (hand, streams, out)
}

#[test]
fn h02_a_request_whose_head_the_transport_did_not_take_whole_is_safe() {
    use bytes::Buf;
    let bytes: Vec<u8> = three_requests().2.parts().flatten().copied().collect();
    let (mut end, mut ends, mut edges) = (0, [usize::MAX; 3], vec![0]);
    for frame in wire::frames(&bytes).0 {
        end += 9 + frame.payload.len();
        edges.push(end);
        if [kind::HEADERS, kind::CONTINUATION].contains(&frame.kind) {
            ends[frame.stream as usize / 2] = end;
        }
    }
    assert_eq!((end, ends[2]), (bytes.len(), usize::MAX));
    // Every byte near the edges of frames, and some in between.
    let near = edges
        .iter()
        .flat_map(|edge| edge.saturating_sub(11)..=edge + 11);
    let positions: std::collections::BTreeSet<_> = near.chain((0..end).step_by(1_009)).collect();
    for at in positions.into_iter().filter(|at| *at <= end) {
        for how in [TransportEnd::Eof, TransportEnd::Failed] {
            let (mut hand, streams, mut out) = three_requests();
            out.advance(at);
            assert_eq!(out.holds_request(), at < ends[1]);
            hand.end.connection.handle_output_lost(&out);
            transport_ends(&mut hand, how);
            for (stream, end) in streams.into_iter().zip(ends) {
                let expected = if at < end {
                    Retry::Safe
                } else {
                    Retry::IfIdempotent
                };
                assert_eq!(hand.failure(stream).retry, expected, "{at} of {end}");
            }
        }
    }
}

#[test]
fn h04_output_that_is_taken_in_pieces_is_the_same() {
    use bytes::Buf;
    let whole = {
        let (mut hand, [stream]) = asking::<1>();
        hand.send(stream, &[7; 3_000], Then::End);
        hand.end.output()
    };
    for step in [1, 7, 9, 10, 1_000] {
        let (mut hand, [stream]) = asking::<1>();
        hand.send(stream, &[7; 3_000], Then::End);
        let mut out = raddle_core::Transmit::new();
        hand.end.connection.poll_transmit(&mut out, hand.end.now);
        let mut written = Vec::new();
        while out.has_remaining() {
            let len = step.min(out.remaining());
            written.extend_from_slice(&out.copy_to_bytes(len));
            // A poll between two writes appends, and never goes back.
            hand.end.connection.poll_transmit(&mut out, hand.end.now);
        }
        assert_eq!(written, whole, "in steps of {step}");
    }
}

#[test]
fn h06_a_head_that_announces_too_much_is_refused_before_its_payload() {
    let (mut hand, _) = asked();
    hand.says([0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]);
    hand.ends_with(Violation::FrameTooLarge);
}

#[test]
fn h08_requests_fly_before_the_late_preface_and_have_a_deadline() {
    let mut hand = Hand::fresh(Role::Client);
    let stream = hand.open(Then::End);
    let id = hand.end.connection.stream_id(stream);
    assert_eq!(id.map(|id| id.to_u32()), Some(1));
    hand.end.now = Timestamp(9_000_000_000);
    hand.says([wire::settings(&[]), wire::headers(1, OK, true)].concat());
    assert_eq!(hand.outcome(stream), Some(Ok(())));

    let mut hand = Hand::fresh(Role::Client);
    let stream = hand.open(Then::End);
    hand.input = hand.end.wait_out();
    hand.ends_with(Violation::HandshakeTimeout);
    assert_eq!(hand.failure(stream).retry, Retry::IfIdempotent);
}

#[test]
fn h09_the_end_of_reading_ends_a_connection_with_nothing_open_cleanly() {
    let mut hand = Hand::client();
    let stream = hand.open(Then::End);
    hand.says(wire::headers(1, OK, true));
    transport_ends(&mut hand, TransportEnd::Eof);
    assert_eq!(hand.outcome(stream), Some(Ok(())));
    assert_eq!(hand.events().last(), Some(&Event::Closed { error: None }));
    // Before the peer has said anything, it does not: whatever listens there may not speak HTTP/2.
    let mut hand = Hand::fresh(Role::Client);
    transport_ends(&mut hand, TransportEnd::Eof);
    assert!(matches!(
        hand.events().last(),
        Some(Event::Closed { error: Some(_) })
    ));
    // And with an upload under way that nobody will hear of, it does not.
    let (mut hand, stream) = asked();
    transport_ends(&mut hand, TransportEnd::Eof);
    assert_eq!(hand.failure(stream).origin, Origin::Transport);
    assert!(matches!(
        hand.events().last(),
        Some(Event::Closed { error: Some(_) })
    ));
}

#[test]
fn h09_a_reset_that_was_not_cut_keeps_no_stream_behind_the_end() {
    for fault in [true, false] {
        let (mut hand, [stream]) = asking::<1>();
        hand.end.connection.reset(stream, ErrorCode::CANCEL);
        if fault {
            hand.says(wire::window_update(0, 0));
        } else {
            transport_ends(&mut hand, TransportEnd::Failed);
        }
        assert_eq!(assert_ends_once(&hand.events()), 1);
        assert_eq!(hand.end.connection.gauges().entries, 0);
    }
}
