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
fn h02_a_deadline_of_ours_takes_back_what_the_transport_did_not_take() {
    use bytes::Buf;
    let bytes: Vec<u8> = three_requests().2.parts().flatten().copied().collect();
    let (mut at, mut heads) = (0, vec![]);
    for frame in wire::frames(&bytes).0 {
        let end = at + 9 + frame.payload.len();
        match frame.kind {
            kind::HEADERS => heads.push((at, end)),
            kind::CONTINUATION => heads.last_mut().unwrap().1 = end,
            _ => {}
        }
        at = end;
    }
    let edges = heads.iter().flat_map(|(start, end)| [*start, *end]);
    let near = edges.flat_map(|edge: usize| edge.saturating_sub(11)..=edge + 11);
    for taken in near.chain((0..at).step_by(1_009)) {
        // A peer that reads nothing, and one that says nothing.
        for reads in [false, true] {
            let (mut hand, streams, mut out) = three_requests();
            out.advance(taken);
            let connection = &mut hand.end.connection;
            let mut now = hand.end.now;
            if !reads {
                connection.handle_transport_blocked(&out, now);
            }
            while connection.lifecycle() < Lifecycle::Closing {
                now = connection.poll_timeout().expect("it ends");
                connection.handle_timeout_with(&mut out, now);
            }
            while let Some(event) = connection.poll_event() {
                hand.told.push(event);
            }
            for (stream, (_, end)) in streams.into_iter().zip(heads.iter()) {
                let expected = if taken < *end {
                    Retry::Safe
                } else {
                    Retry::IfIdempotent
                };
                assert_eq!(hand.failure(stream).retry, expected, "{taken} of {end}");
            }
            assert_eq!(hand.failure(streams[2]).retry, Retry::Safe);
            // What still goes out has none of them, and no part of a frame with anything behind it.
            let connection = &mut hand.end.connection;
            connection.poll_transmit(&mut out, now);
            let rest: Vec<u8> = out.parts().flatten().copied().collect();
            let first = heads.iter().find(|(_, end)| taken < *end);
            let (start, _) = first.copied().unwrap_or((at, at));
            if taken > start {
                assert_eq!((rest.len(), connection.lifecycle()), (0, Lifecycle::Closed));
                continue;
            }
            let kept = &bytes[taken..start];
            assert!(rest.starts_with(kept), "{taken}");
            let (frames, left) = wire::frames(&rest[kept.len()..]);
            assert_eq!((kinds(&frames), left), (vec![kind::GOAWAY], 0), "{taken}");
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

/// A server with two requests, of which the first is whole, whose client has then ended its half.
fn half_closed() -> (Hand, [StreamHandle; 2]) {
    let mut hand = Hand::server();
    let streams = [(1, Then::End), (3, Then::More)].map(|(id, then)| hand.request(id, then));
    hand.events();
    transport_ends(&mut hand, TransportEnd::Eof);
    (hand, streams)
}

#[test]
fn h09_a_client_that_has_ended_its_half_gets_the_answer_to_what_it_asked_in_full() {
    let (mut hand, [whole, cut]) = half_closed();
    assert_eq!(hand.failure(cut).origin, Origin::Transport);
    assert_eq!(hand.outcome(whole), None);
    let frames = hand.frames();
    assert_eq!(kinds(&frames), [kind::GOAWAY, kind::RST_STREAM]);
    assert_eq!(frames[0].payload[..8], [0, 0, 0, 3, 0, 0, 0, 0]);
    assert_eq!(frames[1].stream, 3);
    let connection = &mut hand.end.connection;
    assert_eq!(connection.lifecycle(), Lifecycle::Draining);
    let head = ResponseHead::new(200).finish();
    connection.respond(whole, head, Then::More).unwrap();
    hand.send(whole, &[7; 30_000], Then::End);
    assert_eq!(data_lengths(&hand.frames(), 1), [16_384, 13_616]);
    assert_eq!(hand.outcome(whole), Some(Ok(())));
    assert_eq!(hand.events().last(), Some(&Event::Closed { error: None }));
    hand.frames();
    assert_eq!(hand.end.connection.lifecycle(), Lifecycle::Closed);
    assert_eq!(hand.end.connection.poll_timeout(), None);
}

#[test]
fn h09_an_upload_that_is_not_wanted_any_more_need_not_be_whole() {
    let (mut hand, stream) = asked();
    let head = ResponseHead::new(413).finish();
    let connection = &mut hand.end.connection;
    connection.respond(stream, head, Then::End).unwrap();
    connection.reset(stream, ErrorCode::NO_ERROR);
    transport_ends(&mut hand, TransportEnd::Eof);
    let frames = hand.frames();
    let expected = [kind::GOAWAY, kind::HEADERS, kind::RST_STREAM];
    assert_eq!(kinds(&frames), expected);
    assert_eq!(hand.outcome(stream), Some(Ok(())));
}

#[test]
fn h09_what_the_windows_hold_back_fails_when_nobody_is_left_to_open_them() {
    // The stream's window, and that of the connection, which two streams share.
    for streams in [1, 2] {
        let mut hand = Hand::server();
        let initial = if streams == 1 { 40_000 } else { 65_535 };
        hand.says(wire::settings(&[(4, initial)]));
        let ids = [1, 3].into_iter().take(streams);
        let streams: Vec<_> = ids.map(|id| hand.request(id, Then::End)).collect();
        hand.frames();
        transport_ends(&mut hand, TransportEnd::Eof);
        let mut sent = 0;
        for stream in &streams {
            let head = ResponseHead::new(200).finish();
            let connection = &mut hand.end.connection;
            connection.respond(*stream, head, Then::More).unwrap();
            hand.send(*stream, &[7; 60_000], Then::End);
        }
        let mut kinds_seen = Vec::new();
        loop {
            let frames = hand.frames();
            if frames.is_empty() {
                break;
            }
            sent += [1, 3]
                .map(|id| data_lengths(&frames, id).iter().sum::<usize>())
                .iter()
                .sum::<usize>();
            kinds_seen.extend(kinds(&frames));
        }
        assert_eq!(sent, initial as usize);
        let resets = kinds_seen.iter().filter(|kind| **kind == kind::RST_STREAM);
        assert_eq!(resets.count(), streams.len());
        for stream in streams {
            assert_eq!(hand.failure(stream).origin, Origin::Transport);
        }
        assert_eq!(hand.events().last(), Some(&Event::Closed { error: None }));
    }
}

#[test]
fn h09_a_client_that_may_have_gone_is_written_to_and_never_waited_for() {
    let (mut hand, [whole, _]) = half_closed();
    hand.frames();
    let mut pings = 0;
    for second in 1..=100 {
        let at = hand.end.connection.poll_timeout().expect("a PING follows");
        assert_eq!(at.0, second * 1_000_000_000);
        hand.end.now = at;
        hand.end.connection.handle_timeout(at);
        let frames = hand.frames();
        assert_eq!(kinds(&frames), [kind::PING], "after {second} s");
        pings += 1;
    }
    assert_eq!((pings, hand.outcome(whole)), (100, None));
    transport_ends(&mut hand, TransportEnd::Eof);
    assert_eq!(hand.outcome(whole), None, "that is known");
    transport_ends(&mut hand, TransportEnd::Failed);
    assert_eq!(hand.failure(whole).origin, Origin::Transport);
    assert!(matches!(
        hand.events().last(),
        Some(Event::Closed { error: Some(_) })
    ));
}

#[test]
fn h09_no_deadline_waits_for_what_cannot_come() {
    // Everything in one read, before the server has said anything: its SETTINGS will not be acknowledged.
    let mut hand = Hand::fresh(Role::Server);
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(wire::settings(&[]));
    bytes.extend(wire::headers(1, GET, true));
    // And the beginning of a block that will not end.
    bytes.extend(wire::frame(kind::HEADERS, 0, 3, &[0x82]));
    let config = Config {
        keep_alive_interval: None,
        ..Config::default()
    };
    hand.end = End::new(Role::Server, config);
    hand.says(bytes);
    hand.end.connection.drain();
    transport_ends(&mut hand, TransportEnd::Eof);
    hand.frames();
    assert_eq!(hand.end.connection.lifecycle(), Lifecycle::Draining);
    assert_eq!(hand.end.connection.poll_timeout(), None);
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
        assert_eq!(hand.end.connection.gauges().streams, 0);
    }
}
