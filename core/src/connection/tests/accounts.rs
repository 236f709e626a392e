//! What an engine says about itself: statistics, answers about output, errors and settings.

use std::vec::Vec;

use bytes::{Buf, Bytes, BytesMut};

use super::{
    get,
    pair::{End, Pair},
    post,
};
use crate::{
    Config, Connection, ErrorCode, Event, Input, Origin, Priority, ResponseHead, Role,
    StreamHandle, Then, Timestamp, Transmit, Violation,
};

const NOW: Timestamp = Timestamp(0);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const PRIORITY_UPDATE: u8 = 16;

fn requests(end: &mut End) -> Vec<StreamHandle> {
    let events = end.take_events().into_iter();
    let requests = events.filter_map(|event| match event {
        Event::Request { stream, .. } => Some(stream),
        _ => None,
    });
    requests.collect()
}

fn frame(kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let head = [0, 0, payload.len() as u8, kind, 0];
    [&head[..], &stream.to_be_bytes(), payload].concat()
}

#[test]
fn statistics_count_each_thing_once() {
    let mut pair = Pair::established();
    for _ in 0..3 {
        let client = &mut pair.client.connection;
        let up = client.open(post("/"), Then::More).unwrap();
        client
            .send_data(up, &mut Bytes::from_static(&[0; 100]), Then::More)
            .unwrap();
    }
    pair.settle();
    let down = requests(&mut pair.server);
    let server = &mut pair.server.connection;
    for &stream in &down {
        let head = ResponseHead::new(200).finish();
        server.respond(stream, head, Then::More).unwrap();
        server
            .send_data(stream, &mut Bytes::from_static(&[0; 50]), Then::More)
            .unwrap();
    }
    pair.settle();
    for &stream in &down[..2] {
        pair.server.connection.reset(stream, ErrorCode::CANCEL);
    }
    pair.settle();
    let (client, server) = (
        pair.client.connection.stats(),
        pair.server.connection.stats(),
    );
    assert_eq!((client.streams_opened, server.streams_opened), (3, 3));
    assert_eq!(
        (client.data_bytes_sent, server.data_bytes_received),
        (300, 300)
    );
    assert_eq!(
        (server.data_bytes_sent, client.data_bytes_received),
        (150, 150)
    );
    assert_eq!((client.resets_received, client.resets_sent), (2, 0));
    assert_eq!((server.resets_received, server.resets_sent), (0, 2));
    // SETTINGS, its acknowledgement, WINDOW_UPDATE, and three times HEADERS and DATA; the client has two RST_STREAM more.
    assert_eq!((client.frames_received, server.frames_received), (11, 9));
}

#[test]
fn a_stream_that_is_looked_at_is_work() {
    let update = |stream| frame(WINDOW_UPDATE, stream, &[0, 0, 0, 1]).repeat(100);
    let work = |stream: u32| {
        let mut pair = Pair::established();
        pair.client.connection.open(post("/"), Then::More).unwrap();
        pair.settle();
        let before = pair.server.connection.stats().work_units;
        pair.server.input(&update(stream), NOW);
        pair.server.connection.stats().work_units - before
    };
    let (connection, stream) = (work(0), work(1));
    assert!(connection >= 1_300, "its bytes at least: {connection}");
    assert!(stream >= connection + 100, "{connection} and {stream}");
}

#[test]
fn what_is_written_is_work_by_the_piece_and_large_bodies_are_not_copied() {
    let mut pair = Pair::established();
    pair.server.input(&frame(PING, 0, &[7; 8]).repeat(5), NOW);
    let before = pair.server.connection.stats().work_units;
    pair.server.output(NOW);
    let work = pair.server.connection.stats().work_units - before;
    assert!((5..50).contains(&work), "{work}");

    let client = &mut pair.client.connection;
    let up = client.open(post("/"), Then::More).unwrap();
    pair.settle();
    let client = &mut pair.client.connection;
    let body = Bytes::from(Vec::from([7; 60_000]));
    client.send_data(up, &mut body.clone(), Then::More).unwrap();
    let before = client.stats().work_units;
    let mut out = Transmit::new();
    client.poll_transmit(&mut out, NOW);
    let work = client.stats().work_units - before;
    // Four frames, of a head and a payload each.
    assert!((8..50).contains(&work), "{work}");
    let within = |part: &&[u8]| body.as_ptr_range().contains(&part.as_ptr());
    let shared: usize = out.parts().filter(within).map(<[u8]>::len).sum();
    assert_eq!(shared, body.len());
}

#[test]
fn a_preface_in_pieces_says_how_much_is_missing() {
    let mut server = Connection::new(Role::Server, Config::default(), NOW);
    let mut input = BytesMut::new();
    for end in 1..PREFACE.len() {
        input.extend_from_slice(&PREFACE[end - 1..end]);
        let missing = PREFACE.len() - end;
        let answer = server.handle_input(&mut input, NOW);
        assert_eq!(answer, Input::NeedMore { at_least: missing });
    }
}

// RFC 9218 §7.1
#[test]
fn a_priority_is_told_once_and_when_it_changes() {
    let mut pair = Pair::established();
    let client = &mut pair.client.connection;
    let stream = client.open(get("/"), Then::End).unwrap();
    pair.settle();
    let mut told = |urgency| {
        let client = &mut pair.client.connection;
        let priority = Priority {
            urgency,
            ..Priority::default()
        };
        client.prioritize(stream, priority);
        let bytes = pair.client.output(NOW);
        bytes.get(3).copied()
    };
    // The server may have made something of the request's own fields.
    let default = Priority::default().urgency;
    assert_eq!(told(default), Some(PRIORITY_UPDATE));
    assert_eq!(told(default), None);
    assert_eq!(told(1), Some(PRIORITY_UPDATE));
    assert_eq!(told(1), None);
}

#[test]
fn a_connection_that_was_closed_says_goaway_and_nothing_else() {
    let mut pair = Pair::established();
    pair.server.input(&frame(PING, 0, &[7; 8]), NOW);
    // It owes an answer: the end is more important.
    let server = &mut pair.server.connection;
    assert!(server.wants_transmit());
    server.close(ErrorCode::NO_ERROR, Bytes::new());
    server.drain();
    assert!(server.wants_transmit());
    let mut out = Transmit::new();
    let said = server.poll_transmit(&mut out, NOW);
    assert_eq!((said, out.remaining()), (17, 17));
    assert_eq!(out.chunk()[3], 7, "GOAWAY");
    assert!(!out.is_empty());
    assert!(!server.wants_transmit());
    assert_eq!(server.poll_transmit(&mut out, NOW), 0, "all of it waits");
    out.advance(17);
    assert!(out.is_empty());
}

/// The error of an end whose peer says nothing any more, while all that it says itself leaves.
fn alone(mut end: End) -> Option<crate::ConnectionError> {
    for _ in 0..20 {
        let Some(at) = end.connection.poll_timeout() else {
            break;
        };
        end.connection.handle_timeout(at);
        end.output(at);
    }
    end.connection.error()
}

#[test]
fn a_peer_that_says_nothing_is_an_error_of_the_transport() {
    let mut pair = Pair::established();
    pair.client.connection.open(get("/"), Then::End).unwrap();
    pair.settle();
    let error = alone(pair.client).unwrap();
    assert_eq!(error.violation, Some(Violation::PingTimeout));
    assert_eq!(error.origin, Origin::Transport);
}

// What is written behind a PING is no answer to it.
#[test]
fn a_peer_that_says_nothing_is_not_excused_by_what_it_is_sent() {
    let mut pair = Pair::established();
    let client = &mut pair.client.connection;
    let up = client.open(post("/"), Then::More).unwrap();
    pair.settle();
    let mut client = pair.client;
    let mut now = client.connection.poll_timeout().unwrap();
    client.connection.handle_timeout(now);
    assert_eq!(client.output(now).get(3), Some(&PING));
    let end = now.after(Config::default().keep_alive_timeout);
    while client.connection.error().is_none() {
        assert!(now < end, "the answer is long overdue");
        now = now.after(core::time::Duration::from_secs(1));
        let mut data = Bytes::from(Vec::from([0; 2_000]));
        let sent = client.connection.send_data(up, &mut data, Then::More);
        sent.unwrap();
        client.output(now);
        client.connection.handle_timeout(now);
    }
    let error = client.connection.error().unwrap();
    assert_eq!(error.violation, Some(Violation::PingTimeout));
}

#[test]
fn a_drain_does_not_wait_for_ever_for_a_peer_that_says_nothing() {
    let config = Config {
        keep_alive_interval: None,
        ..Config::default()
    };
    let mut pair = Pair::new(Config::default(), config);
    pair.settle();
    pair.client.connection.open(get("/"), Then::End).unwrap();
    pair.settle();
    pair.server.connection.drain();
    pair.server.output(NOW);
    let error = alone(pair.server).unwrap();
    assert_eq!(error.violation, Some(Violation::PingTimeout));
}

// RFC 9113 §6.5.2: what is not said is the default.
#[test]
fn settings_that_differ_from_the_protocols_are_announced() {
    let announced = |role, config: Config| {
        let mut end = End::new(role, config);
        let mut bytes = &end.output(NOW)[if role == Role::Client {
            PREFACE.len()
        } else {
            0
        }..];
        let len = bytes.get_uint(3) as usize;
        bytes.advance(6);
        let entries = bytes[..len].chunks_exact(6);
        let entry = |mut entry: &[u8]| (entry.get_u16(), entry.get_u32());
        entries.map(entry).collect::<Vec<_>>()
    };
    let plain = Config {
        stream_window_bytes: 65_535,
        ..Config::default()
    };
    let list = plain.header_list_bytes_max;
    assert_eq!(
        announced(Role::Client, plain.clone()),
        [(2, 0), (6, list), (9, 1)]
    );
    assert_eq!(
        announced(Role::Server, plain.clone()),
        [(3, 100), (6, list), (9, 1)]
    );
    let other = Config {
        header_table_bytes: 100,
        stream_window_bytes: 70_000,
        frame_size_max: 20_000,
        enable_connect_protocol: true,
        ..plain
    };
    let same = [(4, 70_000), (5, 20_000), (6, list)];
    let client = [&[(1, 100), (2, 0)], &same[..], &[(9, 1)]].concat();
    assert_eq!(announced(Role::Client, other.clone()), client);
    let server = [&[(1, 100), (3, 100)], &same[..], &[(8, 1), (9, 1)]].concat();
    assert_eq!(announced(Role::Server, other), server);
}
