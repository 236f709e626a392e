//! What arrives: frames, heads and bodies.

use super::*;

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
