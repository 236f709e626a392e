//! What leaves: slots, identifiers and windows.

use super::*;

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
        end.input(&wire::pongs(&frames));
        received += 16_384;
        end.output();
    }
    // Without credit the connection's window of 1 MiB would have been exceeded.
    assert!(received > 2 * 1_048_576);
    assert_eq!(end.connection.error(), None);
    assert_eq!(end.connection.stats().data_bytes_dropped, received);
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
