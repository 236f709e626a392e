//! The normal path: requests, responses, bodies, trailers, and how streams end.

use std::vec;
use std::vec::Vec;

use bytes::Bytes;

use super::pair::{Pair, assert_ends_once};
use super::{get, post};
use crate::{
    Config, ErrorCode, Event, Fields, Priority, ResponseHead, Retry, StreamHandle, Then, Waiting,
};

fn request_of(events: &[Event]) -> Vec<StreamHandle> {
    let requests = events.iter().filter_map(|event| match event {
        Event::Request { stream, .. } => Some(*stream),
        _ => None,
    });
    requests.collect()
}

fn body_of(events: &[Event], handle: StreamHandle) -> Vec<u8> {
    let parts = events.iter().filter_map(|event| match event {
        Event::Data { stream, data, .. } if *stream == handle => Some(&data[..]),
        _ => None,
    });
    parts.collect::<Vec<_>>().concat()
}

#[test]
fn a_get_is_answered_and_both_ends_finish() {
    let mut pair = Pair::established();
    let stream = pair.client.connection.open(get("/"), Then::End).unwrap();
    pair.settle();
    let events = pair.server.take_events();
    let [
        Event::Request {
            stream: served,
            head,
            then: Then::End,
        },
    ] = &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!(head.path(), Some(&b"/"[..]));
    let served = *served;
    let head = ResponseHead::new(200).field(b"server", b"raddle").finish();
    pair.server
        .connection
        .respond(served, head.clone(), Then::More)
        .unwrap();
    let mut body = Bytes::from_static(b"hello");
    assert_eq!(
        pair.server
            .connection
            .send_data(served, &mut body, Then::End),
        Ok(5)
    );
    pair.settle();
    assert_eq!(
        pair.server.take_events(),
        [Event::Finished { stream: served }]
    );
    pair.client.connection.release(stream, 5);
    assert_eq!(
        pair.client.take_events(),
        [
            Event::Response {
                stream,
                head,
                then: Then::More
            },
            Event::Data {
                stream,
                data: Bytes::from_static(b"hello"),
                then: Then::End
            },
            Event::Finished { stream },
        ]
    );
    assert_eq!(pair.client.connection.explain(stream), Waiting::Nothing);
}

/// Sends `whole` up, and back down with trailers once all of it has arrived; what each end was told of its stream.
fn echo_in_cuts_of(cut: usize, whole: &Bytes) -> [(StreamHandle, Vec<Event>); 2] {
    let mut pair = Pair::established();
    pair.cut = cut;
    let stream = pair
        .client
        .connection
        .open(post("/echo"), Then::More)
        .unwrap();
    let (mut up, mut down) = (whole.clone(), Bytes::new());
    let (mut told, mut heard) = (Vec::new(), Vec::new());
    let mut served = None;
    loop {
        if !up.is_empty() {
            let connection = &mut pair.client.connection;
            connection.send_data(stream, &mut up, Then::End).unwrap();
        }
        if let (Some(served), false) = (served, down.is_empty()) {
            let connection = &mut pair.server.connection;
            connection.send_data(served, &mut down, Then::More).unwrap();
            if down.is_empty() {
                let trailers = Fields::from_iter([(&b"checksum"[..], &b"fine"[..])]);
                connection.send_trailers(served, trailers).unwrap();
            }
        }
        if !pair.carry() && up.is_empty() && down.is_empty() {
            break;
        }
        for event in pair.server.take_events() {
            let connection = &mut pair.server.connection;
            if let Event::Request { stream, .. } = &event {
                served = Some(*stream);
                let head = ResponseHead::new(200).finish();
                connection.respond(*stream, head, Then::More).unwrap();
            }
            if let Event::Data { stream, data, then } = &event {
                connection.release(*stream, data.len());
                if then.is_end() {
                    down = whole.clone();
                }
            }
            heard.push(event);
        }
        for event in pair.client.take_events() {
            if let Event::Data { stream, data, .. } = &event {
                pair.client.connection.release(*stream, data.len());
            }
            told.push(event);
        }
    }
    [(stream, told), (served.unwrap(), heard)]
}

#[test]
fn bodies_larger_than_every_window_pass_both_ways_with_trailers() {
    for cut in [usize::MAX, 16_384, 1_000, 100, 9, 1] {
        let size = if cut < 100 { 300_000 } else { 3_000_000 };
        let whole = Bytes::from_iter((0..size).map(|at: u32| (at % 251) as u8));
        let [client, server] = echo_in_cuts_of(cut, &whole);
        for (stream, events) in [&client, &server] {
            assert_eq!(body_of(events, *stream), whole, "in cuts of {cut}");
            assert_eq!(assert_ends_once(events), 1);
        }
        let trailers = |event: &Event| matches!(event, Event::Trailers { .. });
        assert!(client.1.iter().any(trailers));
    }
}

#[test]
fn requests_beyond_the_limit_wait_and_then_go() {
    let server = Config {
        concurrent_streams_max: 2,
        ..Config::default()
    };
    let mut pair = Pair::new(Config::default(), server);
    pair.settle();
    let streams: Vec<_> = (0..5)
        .map(|_| pair.client.connection.open(get("/"), Then::End).unwrap())
        .collect();
    pair.settle();
    assert_eq!(pair.client.connection.openable(), 0);
    assert_eq!(pair.client.connection.explain(streams[2]), Waiting::Slot);
    let mut answered = 0;
    let mut events = Vec::new();
    while answered < 5 {
        let requests = request_of(&pair.server.take_events());
        assert!(!requests.is_empty() && requests.len() <= 2);
        for stream in requests {
            pair.server
                .connection
                .respond(stream, ResponseHead::new(204).finish(), Then::End)
                .unwrap();
            answered += 1;
        }
        pair.settle();
        events.extend(pair.client.take_events());
    }
    assert_eq!(assert_ends_once(&events), 5);
    assert!(events.contains(&Event::Openable));
    assert_eq!(pair.client.connection.openable(), 2);
}

#[test]
fn a_stream_cancelled_before_its_turn_never_touches_the_wire() {
    let mut pair = Pair::established();
    let stream = pair.client.connection.open(get("/"), Then::End).unwrap();
    pair.client.connection.reset(stream, ErrorCode::CANCEL);
    assert!(pair.client.output(pair.now).is_empty());
    let events = pair.client.take_events();
    let [Event::Failed { error, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(error.retry, Retry::Safe);
}

#[test]
fn a_reset_reaches_the_other_end_and_frees_the_slot() {
    let mut pair = Pair::established();
    let stream = pair.client.connection.open(get("/"), Then::End).unwrap();
    pair.settle();
    pair.client.connection.reset(stream, ErrorCode::CANCEL);
    pair.settle();
    let failed = |event: &Event| match event {
        Event::Failed { error, .. } => Some((error.origin, error.code, error.retry)),
        _ => None,
    };
    let client: Vec<_> = pair
        .client
        .take_events()
        .iter()
        .filter_map(failed)
        .collect();
    let server: Vec<_> = pair
        .server
        .take_events()
        .iter()
        .filter_map(failed)
        .collect();
    assert_eq!(
        client,
        [(crate::Origin::Local, ErrorCode::CANCEL, Retry::Never)]
    );
    assert_eq!(
        server,
        [(crate::Origin::Remote, ErrorCode::CANCEL, Retry::Never)]
    );
    assert_eq!(pair.client.connection.openable(), 100);
}

#[test]
fn an_early_answer_stops_the_upload_without_a_failure() {
    let mut pair = Pair::established();
    let stream = pair.client.connection.open(post("/"), Then::More).unwrap();
    pair.settle();
    let served = request_of(&pair.server.take_events())[0];
    let connection = &mut pair.server.connection;
    connection
        .respond(served, ResponseHead::new(413).finish(), Then::More)
        .unwrap();
    connection
        .send_data(served, &mut Bytes::from_static(b"too large"), Then::End)
        .unwrap();
    connection.reset(served, ErrorCode::NO_ERROR);
    pair.settle();
    assert_eq!(
        pair.server.take_events(),
        [Event::Finished { stream: served }]
    );
    let events = pair.client.take_events();
    assert_eq!(
        &events[2..],
        [Event::StopSending { stream }, Event::Finished { stream }]
    );
    assert!(
        pair.client
            .connection
            .send_data(stream, &mut Bytes::from_static(b"x"), Then::End)
            .is_err()
    );
}

#[test]
fn a_drain_as_server_loses_no_request() {
    let mut pair = Pair::established();
    pair.client.connection.open(get("/1"), Then::End).unwrap();
    pair.settle();
    pair.server.connection.drain();
    // On its way before the client can know.
    pair.client.connection.open(get("/2"), Then::End).unwrap();
    let up = pair.client.output(pair.now);
    let down = pair.server.output(pair.now);
    pair.client.input(&down, pair.now);
    pair.server.input(&up, pair.now);
    assert!(
        pair.client.connection.open(get("/3"), Then::End).is_err(),
        "the client has been told"
    );
    pair.settle();
    let requests = request_of(&pair.server.take_events());
    assert_eq!(requests.len(), 2);
    for stream in requests {
        pair.server
            .connection
            .respond(stream, ResponseHead::new(200).finish(), Then::End)
            .unwrap();
    }
    pair.settle();
    let (client, server) = (pair.client.take_events(), pair.server.take_events());
    assert_eq!(client.last(), Some(&Event::Closed { error: None }));
    assert_eq!(server.last(), Some(&Event::Closed { error: None }));
    assert_eq!(assert_ends_once(&client), 2);
}

#[test]
fn urgent_bodies_go_first() {
    let mut pair = Pair::established();
    let low = pair
        .client
        .connection
        .open(post("/low"), Then::More)
        .unwrap();
    let high = pair
        .client
        .connection
        .open(post("/high"), Then::More)
        .unwrap();
    pair.client.connection.prioritize(
        low,
        Priority {
            urgency: 7,
            incremental: false,
        },
    );
    pair.client.connection.prioritize(
        high,
        Priority {
            urgency: 0,
            incremental: false,
        },
    );
    for stream in [low, high] {
        let mut body = Bytes::from(vec![0; 20_000]);
        pair.client
            .connection
            .send_data(stream, &mut body, Then::End)
            .unwrap();
    }
    pair.settle();
    let order: Vec<_> = pair
        .server
        .take_events()
        .iter()
        .filter_map(|event| match event {
            Event::Data { stream, .. } => Some(*stream),
            _ => None,
        })
        .collect();
    assert!(
        order.windows(2).filter(|pair| pair[0] != pair[1]).count() == 1,
        "{order:?}"
    );
}

// RFC 9113 §5.1.1
#[test]
fn behind_the_last_identifier_a_connection_drains() {
    let mut pair = Pair::established();
    let client = &mut pair.client.connection;
    client.next_id = Some(crate::StreamId::MAX);
    let last = client.open(get("/last"), Then::End).unwrap();
    let waits = client.open(get("/waits"), Then::End).unwrap();
    pair.settle();
    let client = &mut pair.client.connection;
    assert_eq!(client.stream_id(last), Some(crate::StreamId::MAX));
    assert_eq!((client.openable(), client.waiting()), (0, 0));
    let refused = client.open(get("/"), Then::End).map_err(|(error, _)| error);
    assert_eq!(refused, Err(crate::OpenError::IdsExhausted));
    let served = request_of(&pair.server.take_events())[0];
    let head = ResponseHead::new(204).finish();
    let server = &mut pair.server.connection;
    server.respond(served, head, Then::End).unwrap();
    pair.settle();
    let events = pair.client.take_events();
    let safe = |event: &Event| matches!(event, Event::Failed { stream, error } if *stream == waits && error.retry == Retry::Safe);
    assert!(events.iter().any(safe), "{events:?}");
    assert!(events.contains(&Event::Finished { stream: last }));
    assert_eq!(events.last(), Some(&Event::Closed { error: None }));
}
