//! The traps of the design that raddle grew out of, as far as they are the engine's. Each test fails on an engine that
//! is built the naive way; the ones about sockets and tasks are in the adapter's tests.

use std::collections::BTreeSet;

use bytes::Bytes;
use raddle_core::{
    Config, ErrorCode, Event, OpenError, Origin, ResponseHead, Retry, Role, SendError,
    StreamHandle, Then, Timestamp, TransportEnd, Violation, Waiting,
};
use raddle_tests::{
    engine::{End, Pair, assert_ends_once, get, post},
    wire::{self, GET, flag, kind},
};

const OK: &[(&str, &str)] = &[(":status", "200")];

fn client() -> End {
    End::established(Role::Client)
}

fn server() -> End {
    End::established(Role::Server)
}

/// The error of a stream that failed.
fn failure(events: &[Event], stream: StreamHandle) -> raddle_core::StreamError {
    let error = events.iter().find_map(|event| match event {
        Event::Failed { stream: at, error } if *at == stream => Some(*error),
        _ => None,
    });
    error.unwrap_or_else(|| panic!("{stream:?} did not fail: {events:?}"))
}

fn request_streams(events: &[Event]) -> Vec<StreamHandle> {
    let streams = events.iter().filter_map(|event| match event {
        Event::Request { stream, .. } => Some(*stream),
        _ => None,
    });
    streams.collect()
}

// A free slot was looked up before the lock was taken: two senders took the same one.
#[test]
fn origin_01_two_senders_never_share_a_slot() {
    let mut end = client();
    let mut handles = BTreeSet::new();
    for round in 0..50 {
        let open: Vec<_> = (0..20)
            .map(|_| end.connection.open(get("/"), Then::End).unwrap())
            .collect();
        end.output();
        for (n, stream) in open.into_iter().enumerate() {
            let fresh = handles.insert(stream);
            assert!(
                fresh,
                "{stream:?} was handed out before, and may still be held"
            );
            if n % 2 == 0 {
                end.connection.reset(stream, ErrorCode::CANCEL);
            } else {
                let id = end.connection.stream_id(stream).unwrap().to_u32();
                end.input(&wire::headers(id, OK, true));
            }
        }
        end.output();
        assert_eq!(assert_ends_once(&end.take_events()), 20, "round {round}");
    }
}

// Only the connection's WINDOW_UPDATE was read: stream windows, SETTINGS_INITIAL_WINDOW_SIZE and the peer's frame size
// were ignored, and the peer was overrun.
#[test]
fn origin_02_neither_window_nor_the_frame_size_is_overrun() {
    let mut end = client();
    // Windows of 100 bytes, frames of at most 20,000.
    end.input(&wire::settings(&[(4, 100), (5, 20_000)]));
    let stream = end.connection.open(post("/"), Then::More).unwrap();
    let mut body = Bytes::from(vec![7; 60_000]);
    end.connection
        .send_data(stream, &mut body, Then::End)
        .unwrap();
    let sent = |end: &mut End| -> usize {
        let frames = end.output_frames();
        let data = frames.iter().filter(|frame| frame.is(kind::DATA, 1));
        data.inspect(|frame| assert!(frame.payload.len() <= 20_000))
            .map(|frame| frame.payload.len())
            .sum()
    };
    assert_eq!(sent(&mut end), 100);
    assert_eq!(end.connection.explain(stream), Waiting::StreamWindow);
    end.input(&wire::window_update(0, 1_000));
    assert_eq!(
        sent(&mut end),
        0,
        "credit of the connection is not the stream's"
    );
    end.input(&wire::window_update(1, 50));
    assert_eq!(sent(&mut end), 50);
    // Taken below zero, and a little back (RFC 9113 §6.9.2).
    end.input(&wire::settings(&[(4, 0)]));
    end.input(&wire::window_update(1, 60));
    assert_eq!(sent(&mut end), 0);
    end.input(&wire::window_update(1, 60));
    // 100 + 50 sent of 0 + 50 + 60 + 60 allowed.
    assert_eq!(sent(&mut end), 20);
    end.input(&wire::window_update(1, 1_000_000));
    assert_eq!(sent(&mut end), 60_000 - 170);
}

// Receive credit was never given back: every connection stopped after 65,535 bytes.
#[test]
fn origin_03_credit_comes_back() {
    let mut pair = Pair::new(Config::default(), Config::default());
    let stream = pair.client.connection.open(get("/"), Then::End).unwrap();
    pair.settle();
    let served = request_streams(&pair.server.take_events())[0];
    let head = ResponseHead::new(200).finish();
    pair.server
        .connection
        .respond(served, head, Then::More)
        .unwrap();
    let mut rest = Bytes::from(vec![7; 5_000_000]);
    let mut got = 0;
    while got < 5_000_000 {
        let connection = &mut pair.server.connection;
        if !rest.is_empty() {
            connection.send_data(served, &mut rest, Then::End).unwrap();
        }
        assert!(pair.carry(), "stuck after {got} bytes");
        for event in pair.client.take_events() {
            if let Event::Data { data, .. } = event {
                got += data.len();
                pair.client.connection.release(stream, data.len());
            }
        }
    }
}

// PING was not answered and SETTINGS was not acknowledged: honest peers closed.
#[test]
fn origin_04_ping_and_settings_are_answered() {
    for role in [Role::Client, Role::Server] {
        let mut end = End::established(role);
        end.input(&wire::ping(*b"12345678", false));
        end.input(&wire::settings(&[(3, 7)]));
        end.input(&wire::settings(&[]));
        let frames = end.output_frames();
        let acks = |kind| {
            let acks = frames
                .iter()
                .filter(|f| f.is(kind, 0) && f.flags == flag::ACK);
            acks.map(|frame| frame.payload.clone()).collect::<Vec<_>>()
        };
        assert_eq!(acks(kind::PING), [b"12345678"]);
        assert_eq!(acks(kind::SETTINGS).len(), 2, "each is acknowledged");
    }
}

// HEADERS for a finished stream was skipped without decoding: the HPACK tables parted ways, and a later response
// carried wrong fields.
#[test]
fn origin_05_a_late_header_block_still_teaches_hpack() {
    let mut end = client();
    let gone = end.connection.open(get("/1"), Then::End).unwrap();
    let kept = end.connection.open(get("/2"), Then::End).unwrap();
    end.output();
    end.connection.reset(gone, ErrorCode::CANCEL);
    end.output();
    // RFC 7541 §6.2.1: `:status 200` (index 8), and `x-a: yes` as a literal that enters the table.
    let block = [0x88, 0x40, 3, b'x', b'-', b'a', 3, b'y', b'e', b's'];
    end.input(&wire::frame(kind::HEADERS, flag::END_HEADERS, 1, &block));
    // The same field by its index, 62.
    end.input(&wire::frame(
        kind::HEADERS,
        flag::END_HEADERS | flag::END_STREAM,
        3,
        &[0x88, 0xbe],
    ));
    let events = end.take_events();
    let head = events.iter().find_map(|event| match event {
        Event::Response { stream, head, .. } if *stream == kept => Some(head),
        _ => None,
    });
    let fields = head.expect("the second response arrived").fields();
    let fields: Vec<_> = fields.map(|field| (field.name, field.value)).collect();
    assert_eq!(fields, [(&b"x-a"[..], &b"yes"[..])]);
}

// PADDED, PRIORITY and CONTINUATION were not handled: padding was parsed as a header block.
#[test]
fn origin_06_padding_priority_and_continuation_are_parsed() {
    let block = wire::block(GET);
    for at in 0..=block.len() {
        for pad in [0u8, 1, 255] {
            let mut end = server();
            let mut payload = vec![pad, 0x80, 0, 0, 0, 200];
            payload.extend(&block[..at]);
            payload.extend(vec![0; pad.into()]);
            let flags = flag::PADDED | flag::PRIORITY | flag::END_STREAM;
            end.input(&wire::frame(kind::HEADERS, flags, 1, &payload));
            end.input(&wire::frame(
                kind::CONTINUATION,
                flag::END_HEADERS,
                1,
                &block[at..],
            ));
            let events = end.take_events();
            let [Event::Request { head, then, .. }] = &events[..] else {
                panic!("cut at {at}, {pad} bytes of padding: {events:?}")
            };
            assert_eq!((head.method(), head.path()), (&b"GET"[..], Some(&b"/"[..])));
            assert!(then.is_end());
        }
    }
    // In DATA, too, and there it counts against the window (RFC 9113 §6.1).
    let mut end = server();
    end.input(&wire::headers(1, GET, false));
    end.input(&wire::frame(kind::DATA, flag::PADDED, 1, b"\x03body\0\0\0"));
    let events = end.take_events();
    assert!(matches!(&events[1], Event::Data { data, .. } if data == "body"));
}

// Trailers overwrote the response's status and fields; interim responses did too.
#[test]
fn origin_07_interim_responses_and_trailers_are_not_the_response() {
    let mut end = client();
    let stream = end.connection.open(get("/"), Then::End).unwrap();
    end.output();
    end.input(&wire::headers(
        1,
        &[(":status", "103"), ("link", "</a>")],
        false,
    ));
    end.input(&wire::headers(
        1,
        &[(":status", "200"), ("x-a", "head")],
        false,
    ));
    end.input(&wire::data(1, b"body", false));
    end.input(&wire::headers(1, &[("x-a", "trailer")], true));
    let events = end.take_events();
    let [
        Event::Interim { head: interim, .. },
        Event::Response {
            head,
            then: Then::More,
            ..
        },
        Event::Data { .. },
        Event::Trailers { fields, .. },
        Event::Finished { .. },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((interim.status(), head.status()), (103, 200));
    assert_eq!(head.as_fields().find(b"x-a"), Some(&b"head"[..]));
    assert_eq!(fields.find(b"x-a"), Some(&b"trailer"[..]));
    assert_eq!(end.connection.explain(stream), Waiting::Nothing);
}

// A timeout forgot the stream without RST_STREAM: the backend worked on, the slot count leaked, and late DATA was never
// credited.
#[test]
fn origin_08_a_cancelled_stream_is_reset_its_slot_freed_and_late_data_credited() {
    let mut end = client();
    end.input(&wire::settings(&[(3, 1)]));
    end.output();
    let mut received = 0;
    for n in 0..200 {
        let stream = end.connection.open(get("/"), Then::End).unwrap();
        let id = 2 * n + 1;
        assert!(
            end.output_frames().iter().any(|f| f.is(kind::HEADERS, id)),
            "a slot was free"
        );
        end.input(&wire::headers(id, OK, false));
        end.connection.reset(stream, ErrorCode::CANCEL);
        let frames = end.output_frames();
        let reset = frames.iter().find(|frame| frame.is(kind::RST_STREAM, id));
        assert_eq!(
            reset.expect("the peer is told").number(0),
            ErrorCode::CANCEL.to_u32()
        );
        // On its way before the peer knew.
        end.input(&wire::data(id, &[7; 16_384], false));
        received += 16_384;
        end.output();
    }
    // Without credit the connection's window of 1 MiB would have been exceeded.
    assert!(received > 2 * 1_048_576);
    assert_eq!(end.connection.error(), None);
    assert_eq!(end.connection.stats().data_bytes_dropped, received);
}

// GOAWAY woke every stream as if it were done: status 0 looked like an answer, and requests that were never processed
// were not sent again.
#[test]
fn origin_09_goaway_gives_a_verdict_to_what_was_not_processed_and_lets_the_rest_finish() {
    let mut end = client();
    let processed = end.connection.open(get("/1"), Then::End).unwrap();
    let ignored = end.connection.open(post("/2"), Then::End).unwrap();
    end.output();
    let unsent = end.connection.open(post("/3"), Then::End).unwrap();
    end.input(&wire::goaway(1, 0));
    let events = end.take_events();
    for stream in [ignored, unsent] {
        assert_eq!(failure(&events, stream).retry, Retry::Safe);
    }
    assert!(events.contains(&Event::PeerDraining));
    assert_eq!(
        end.connection
            .open(get("/4"), Then::End)
            .map_err(|(error, _)| error),
        Err(OpenError::Closing)
    );
    end.input(&wire::headers(1, OK, true));
    let events = end.take_events();
    assert!(events.contains(&Event::Finished { stream: processed }));
    assert_eq!(events.last(), Some(&Event::Closed { error: None }));
}

// A lost connection woke waiters in the same way: a truncated body was reported whole.
#[test]
fn origin_10_a_lost_connection_is_no_end_of_a_body() {
    for end_of_transport in [TransportEnd::Eof, TransportEnd::Failed] {
        let mut end = client();
        let half = end.connection.open(get("/1"), Then::End).unwrap();
        let none = end.connection.open(get("/2"), Then::End).unwrap();
        let whole = end.connection.open(get("/3"), Then::End).unwrap();
        end.output();
        end.input(&wire::headers(5, OK, true));
        end.input(&wire::headers(1, OK, false));
        end.input(&wire::data(1, b"half of i", false));
        end.connection
            .handle_transport_end(end_of_transport, Timestamp(0));
        let events = end.take_events();
        let half = failure(&events, half);
        assert_eq!((half.origin, half.retry), (Origin::Transport, Retry::Never));
        assert_eq!(failure(&events, none).retry, Retry::IfIdempotent);
        assert!(events.contains(&Event::Finished { stream: whole }));
        assert!(matches!(
            events.last(),
            Some(Event::Closed { error: Some(_) })
        ));
    }
}

// Failure to append to a body was swallowed: bytes were missing and nobody was told.
#[test]
fn origin_11_every_byte_is_taken_or_left_with_its_owner() {
    let config = Config {
        send_buffer_bytes: 10,
        ..Config::default()
    };
    let mut end = End::established_with(Role::Client, config);
    let stream = end.connection.open(post("/"), Then::More).unwrap();
    let mut body = Bytes::from_static(b"more than fits");
    assert_eq!(
        end.connection.send_data(stream, &mut body, Then::End),
        Ok(10)
    );
    assert_eq!(body, "fits", "what was not taken is still here");
    let frames = end.output_frames();
    let data = frames.iter().find(|frame| frame.is(kind::DATA, 1)).unwrap();
    assert_eq!(
        (&data.payload[..], data.flags),
        (&b"more than "[..], 0),
        "the end was not given"
    );
    assert_eq!(end.take_events(), [Event::Writable { stream }]);
    assert_eq!(
        end.connection.send_data(stream, &mut body, Then::End),
        Ok(4)
    );
    end.input(&wire::rst_stream(1, 8));
    let mut late = Bytes::from_static(b"late");
    assert_eq!(
        end.connection.send_data(stream, &mut late, Then::End),
        Err(SendError::Gone)
    );
    assert_eq!(late.len(), 4);
    // And received ones: events that nobody has polled stop the reading, and nothing is dropped.
    let mut end = server();
    let mut sent = 0;
    end.connection
        .handle_input(&mut wire::headers(1, GET, false)[..].into(), Timestamp(0));
    let mut inbox = bytes::BytesMut::new();
    for n in 0..2_000u32 {
        inbox.extend_from_slice(&wire::data(1, &n.to_be_bytes(), false));
        sent += 4;
    }
    let mut got = 0;
    while !inbox.is_empty() {
        end.connection.handle_input(&mut inbox, Timestamp(0));
        while let Some(event) = end.connection.poll_event() {
            if let Event::Data { data, .. } = event {
                got += data.len();
            }
        }
    }
    assert_eq!(got, sent);
}

// A read error inside the inner loop left only that loop: parsing went on in the middle of a frame.
#[test]
fn origin_15_after_a_fault_nothing_is_parsed() {
    let mut end = server();
    // A frame that is too large, in whose payload a whole request stands.
    let mut bytes = wire::frame(kind::DATA, 0, 1, &[0; 16_385]);
    bytes.truncate(9);
    bytes.extend(wire::headers(1, GET, true));
    end.input(&bytes);
    end.input(&wire::headers(3, GET, true));
    let events = end.take_events();
    let [Event::Closed { error: Some(error) }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(error.violation, Some(Violation::FrameTooLarge));
    // And after a transport that has ended.
    let mut end = server();
    end.input(&wire::headers(1, GET, false)[..20]);
    end.connection
        .handle_transport_end(TransportEnd::Failed, Timestamp(0));
    end.input(&wire::headers(1, GET, false)[20..]);
    assert!(request_streams(&end.take_events()).is_empty());
}

// Bodies were buffered whole without bound.
#[test]
fn origin_16_what_an_unread_peer_can_make_us_hold_is_bounded() {
    let config = Config {
        stream_window_bytes: 100_000,
        connection_window_bytes: 150_000,
        ..Config::default()
    };
    let mut end = End::established_with(Role::Server, config);
    let mut held = 0;
    for id in [1, 3, 5] {
        end.input(&wire::headers(id, GET, false));
        for _ in 0..7 {
            // 14,000 bytes seven times fit a stream's window, and not the connection's three times.
            end.input(&wire::data(id, &[7; 14_000], false));
            end.output();
        }
    }
    for event in end.take_events() {
        if let Event::Data { data, .. } = event {
            held += data.len();
        }
    }
    assert!(held <= 150_000, "{held} bytes without a reader");
    let error = end.connection.error().expect("the peer overran the window");
    assert_eq!(error.violation, Some(Violation::ConnectionWindowExceeded));
}

// The stream was handed over when END_STREAM arrived although the request body was still being sent: the rest of the
// upload wrote to a slot that was free again.
#[test]
fn origin_18_an_early_response_keeps_the_stream_until_the_upload_ends() {
    let mut end = client();
    let early = end.connection.open(post("/1"), Then::More).unwrap();
    end.output();
    end.input(&wire::headers(1, OK, true));
    assert!(
        !end.take_events()
            .iter()
            .any(|event| matches!(event, Event::Finished { .. }))
    );
    let other = end.connection.open(post("/2"), Then::More).unwrap();
    assert_ne!(early, other);
    let mut rest = Bytes::from_static(b"the rest");
    end.connection
        .send_data(early, &mut rest, Then::End)
        .unwrap();
    let frames = end.output_frames();
    let data: Vec<_> = frames
        .iter()
        .filter(|frame| frame.kind == kind::DATA)
        .collect();
    assert!(data.len() == 1 && data[0].is(kind::DATA, 1) && data[0].flags == flag::END_STREAM);
    assert!(
        end.take_events()
            .contains(&Event::Finished { stream: early })
    );
    // The handle is of the past now, and its slot's new owner does not hear from it.
    let third = end.connection.open(post("/3"), Then::More).unwrap();
    let mut stray = Bytes::from_static(b"stray");
    let sent = end.connection.send_data(early, &mut stray, Then::End);
    assert_eq!(sent, Err(SendError::Gone));
    end.connection.reset(early, ErrorCode::CANCEL);
    for stream in [other, third] {
        assert_ne!(end.connection.explain(stream), Waiting::Nothing);
    }
}

// A reset stream's error was read once and lost when a second waiter looked.
#[test]
fn origin_19_the_end_of_a_connection_answers_the_same_for_ever() {
    let mut end = client();
    let stream = end.connection.open(post("/"), Then::More).unwrap();
    end.output();
    end.input(&wire::frame(kind::PING, 0, 1, &[0; 8]));
    let error = end.connection.error();
    assert_eq!(
        error.and_then(|error| error.violation),
        Some(Violation::PingOnStream)
    );
    end.take_events();
    for _ in 0..3 {
        assert_eq!(end.connection.error(), error);
        let mut body = Bytes::from_static(b"x");
        let sent = end.connection.send_data(stream, &mut body, Then::End);
        assert_eq!(sent, Err(SendError::Gone));
        assert_eq!(
            end.connection
                .open(get("/"), Then::End)
                .map_err(|(error, _)| error),
            Err(OpenError::Closing)
        );
        end.input(&wire::ping([0; 8], false));
        end.connection.handle_timeout(Timestamp(u64::MAX));
        end.connection
            .handle_transport_end(TransportEnd::Eof, Timestamp(u64::MAX));
        assert!(end.take_events().is_empty());
    }
}

// The stream id counter and the order on the wire came from different critical sections: ids appeared out of order.
#[test]
fn origin_20_ids_rise_on_the_wire_whatever_order_the_requests_come_and_go_in() {
    let mut end = client();
    end.input(&wire::settings(&[(3, 10)]));
    let mut last = 0;
    let mut bound = Vec::new();
    for round in 0..100usize {
        let opened: Vec<_> = (0..7)
            .map(|_| end.connection.open(get("/"), Then::End).unwrap())
            .collect();
        // Some are given up while they wait.
        end.connection.reset(opened[round % 7], ErrorCode::CANCEL);
        bound.extend(opened);
        for frame in end.output_frames() {
            if frame.kind == kind::HEADERS {
                assert!(
                    frame.stream > last && frame.stream % 2 == 1,
                    "{} after {last}",
                    frame.stream
                );
                last = frame.stream;
            }
        }
        bound.retain(|stream| {
            let Some(id) = end.connection.stream_id(*stream) else {
                return true;
            };
            end.input(&wire::headers(id.to_u32(), OK, true));
            false
        });
    }
    assert!(last > 1_000, "{last}");
}
