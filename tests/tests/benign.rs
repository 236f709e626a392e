//! What honest peers do at their most eager, and what no defence against abuse may mistake for it: not one connection
//! of these is ended, and not one stream.

use std::time::Duration;

use bytes::Bytes;
use raddle_core::{ErrorCode, Event, Lifecycle, ResponseHead, Role, StreamHandle, Then, Timestamp};
use raddle_tests::{
    engine::{End, get, post},
    wire::{self, GET, POST, kind},
};

const OK: &[(&str, &str)] = &[(":status", "200")];

fn wait(end: &mut End, time: Duration) {
    let until = Timestamp(end.now.0 + u64::try_from(time.as_nanos()).unwrap());
    while let Some(due) = end.connection.poll_timeout().filter(|due| *due <= until) {
        end.now = due;
        end.connection.handle_timeout(due);
        // An honest peer answers the PINGs of ours.
        for frame in end.output_frames() {
            if frame.kind == kind::PING && frame.flags == 0 {
                end.input(&wire::ping(frame.payload.try_into().unwrap(), true));
            }
        }
    }
    end.now = until;
}

/// Asserts that the connection lives, and that not one stream was lost but the `given_up` that our own application has reset:
/// none was refused, none ended for a fault, and none by a deadline.
fn assert_healthy(end: &End, given_up: u64) {
    let stats = end.connection.stats();
    assert_eq!(end.connection.error(), None);
    assert_eq!(end.connection.lifecycle(), Lifecycle::Open);
    assert_eq!((stats.streams_faulted, stats.resets_sent), (0, given_up));
    let defences = stats.defences;
    let ended = [
        defences.floods,
        defences.streams_refused,
        defences.header_lists_refused,
        defences.header_totals_refused,
        defences.informational_refused,
        defences.windows_overrun,
        defences.timeouts,
    ];
    assert_eq!(ended, [0; 7]);
}

/// The one request among the events.
fn request(events: &[Event]) -> StreamHandle {
    let mut streams = events.iter().filter_map(|event| match event {
        Event::Request { stream, .. } => Some(*stream),
        _ => None,
    });
    streams.next().expect("a request arrived")
}

/// Gives back what arrived, as an application that reads promptly.
fn read(end: &mut End) -> usize {
    let mut read = 0;
    for event in end.take_events() {
        match event {
            Event::Data { stream, data, .. } => {
                read += data.len();
                end.connection.release(stream, data.len());
            }
            Event::Failed { error, .. } => panic!("{error}"),
            _ => {}
        }
    }
    end.output();
    read
}

fn answer(end: &mut End, stream: StreamHandle) {
    let head = ResponseHead::new(200).finish();
    end.connection.respond(stream, head, Then::End).unwrap();
    end.output();
}

#[test]
fn a_stream_of_messages_of_one_byte() {
    for role in [Role::Server, Role::Client] {
        let mut end = End::established(role);
        if role == Role::Server {
            end.input(&wire::headers(1, POST, false));
        } else {
            end.connection.open(get("/"), Then::End).unwrap();
            end.output();
            end.input(&wire::headers(1, OK, false));
        }
        for _ in 0..30_000 {
            end.input(&wire::data(1, b"x", false));
            assert_eq!(read(&mut end), 1);
        }
        assert_healthy(&end, 0);
    }
}

#[test]
fn a_heartbeat_every_fifteen_seconds_for_a_month() {
    let mut end = End::established(Role::Client);
    end.connection.open(get("/events"), Then::End).unwrap();
    end.output();
    end.input(&wire::headers(1, OK, false));
    for _ in 0..30 * 24 * 60 * 4 {
        wait(&mut end, Duration::from_secs(15));
        end.input(&wire::data(1, b":\n\n", false));
        assert_eq!(read(&mut end), 3);
    }
    assert_healthy(&end, 0);
}

#[test]
fn a_ping_every_ten_seconds_for_a_month() {
    for role in [Role::Client, Role::Server] {
        let mut end = End::established(role);
        for _ in 0..30 * 24 * 60 * 6 {
            wait(&mut end, Duration::from_secs(10));
            end.input(&wire::ping([7; 8], false));
            assert!(!end.output().is_empty());
        }
        assert_healthy(&end, 0);
    }
}

#[test]
fn two_hundred_crumbs_of_cookies() {
    let mut end = End::established(Role::Server);
    let crumb = "name=value-of-some-forty-octets-0123456789";
    let fields: Vec<_> = GET
        .iter()
        .copied()
        .chain(vec![("cookie", crumb); 200])
        .collect();
    for n in 0..50 {
        end.input(&wire::headers(2 * n + 1, &fields, true));
        let stream = request(&end.take_events());
        answer(&mut end, stream);
    }
    assert_healthy(&end, 0);
}

#[test]
fn a_client_that_gives_up_a_third_of_its_requests_for_an_hour() {
    let mut end = End::established(Role::Server);
    let mut id = 1;
    for _ in 0..3_600 {
        wait(&mut end, Duration::from_secs(1));
        for n in 0..40 {
            end.input(&wire::headers(id, GET, true));
            let stream = request(&end.take_events());
            if n % 10 < 3 {
                end.input(&wire::rst_stream(id, ErrorCode::CANCEL.to_u32()));
            } else {
                answer(&mut end, stream);
            }
            let events = end.take_events();
            let finished = |event: &Event| matches!(event, Event::Finished { .. });
            assert_eq!(events.iter().any(finished), n % 10 >= 3);
            id += 2;
        }
    }
    assert_healthy(&end, 0);
}

#[test]
fn the_prologue_of_a_browser() {
    let mut end = End::new(Role::Server, raddle_core::Config::default());
    end.input(wire::PREFACE);
    end.input(&wire::settings(&[(1, 65_536), (4, 131_072), (5, 16_384)]));
    end.input(&wire::window_update(0, 12_517_377));
    for (stream, parent, weight) in [
        (3, 0, 200),
        (5, 0, 100),
        (7, 0, 0),
        (9, 7, 0),
        (11, 3, 0),
        (13, 0, 240),
    ] {
        let mut payload = u32::to_be_bytes(parent).to_vec();
        payload.push(weight);
        end.input(&wire::frame(kind::PRIORITY, 0, stream, &payload));
    }
    let mut payload = vec![0, 0, 0, 13, 41];
    payload.extend(wire::block(GET));
    end.input(&wire::frame(kind::HEADERS, 0x25, 15, &payload));
    end.output();
    end.input(&wire::settings_ack());
    let stream = request(&end.take_events());
    answer(&mut end, stream);
    assert_healthy(&end, 0);
}

#[test]
fn uploads_that_are_refused_in_the_middle_each_time() {
    let mut end = End::established(Role::Server);
    for n in 0..20_000u32 {
        let id = 2 * n + 1;
        end.input(&wire::headers(id, POST, false));
        end.input(&wire::data(id, &[7; 1_000], false));
        let stream = request(&end.take_events());
        let head = ResponseHead::new(413).finish();
        end.connection.respond(stream, head, Then::End).unwrap();
        end.connection.discard(stream);
        end.connection.reset(stream, ErrorCode::NO_ERROR);
        let frames = end.output_frames();
        assert!(frames.iter().any(|frame| frame.is(kind::RST_STREAM, id)));
        // On its way before the client knew; an honest one stops then.
        end.input(&wire::data(id, &[7; 1_000], false));
        end.input(&wire::data(id, &[7; 1_000], true));
        end.take_events();
    }
    assert_healthy(&end, 20_000);
}

#[test]
fn a_download_that_is_read_and_credited_in_small_pieces() {
    // Both windows for each KiB that is read: no client in use is more eager.
    let mut end = End::established(Role::Server);
    end.input(&wire::headers(1, GET, true));
    let stream = request(&end.take_events());
    let head = ResponseHead::new(200).finish();
    end.connection.respond(stream, head, Then::More).unwrap();
    let mut body = Bytes::new();
    let mut received = 0;
    while received < 30 << 20 {
        if body.is_empty() {
            body = Bytes::from_static(&[0; 65_536]);
        }
        let sent = end.connection.send_data(stream, &mut body, Then::More);
        sent.unwrap();
        for frame in end.output_frames() {
            if !frame.is(kind::DATA, 1) {
                continue;
            }
            received += frame.payload.len();
            for piece in frame.payload.chunks(1_024) {
                let len = u32::try_from(piece.len()).unwrap();
                end.input(&wire::window_update(1, len));
                end.input(&wire::window_update(0, len));
            }
        }
        end.take_events();
        assert_healthy(&end, 0);
    }
}

#[test]
fn a_client_of_ours_that_cancels_most_of_what_it_asked_for() {
    let mut end = End::established(Role::Client);
    let mut given_up = 0;
    for n in 0..20_000u32 {
        let stream = end.connection.open(post("/"), Then::More).unwrap();
        end.output();
        let id = end.connection.stream_id(stream).unwrap().to_u32();
        if n % 4 != 0 {
            end.connection.reset(stream, ErrorCode::CANCEL);
            end.output();
            // The server had answered, and resets what it has not finished.
            end.input(&wire::headers(id, OK, false));
            end.input(&wire::rst_stream(id, ErrorCode::CANCEL.to_u32()));
        } else {
            end.input(&wire::headers(id, OK, true));
            end.input(&wire::rst_stream(id, ErrorCode::NO_ERROR.to_u32()));
        }
        end.take_events();
        given_up += u64::from(n % 4 != 0);
        assert_healthy(&end, given_up);
    }
}

#[test]
fn settings_that_change_once_a_second() {
    let mut end = End::established(Role::Server);
    // A request that takes its time, so that the connection is in use.
    end.input(&wire::headers(1, GET, true));
    for n in 0..10_000 {
        wait(&mut end, Duration::from_secs(1));
        end.input(&wire::settings(&[(4, 65_535 + n)]));
        end.output();
    }
    assert_healthy(&end, 0);
}
