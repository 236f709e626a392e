//! Connections on which little happens: what they keep, and how often they ask whether the peer is there.

use core::time::Duration;

use bytes::BytesMut;

use super::get;
use super::pair::Pair;
use crate::{
    Config, Connection, ErrorCode, Event, Lifecycle, ResponseHead, Then, Timestamp, Transmit,
};

fn seconds(seconds: u64) -> Timestamp {
    Timestamp(seconds * 1_000_000_000)
}

fn without_keep_alive() -> Config {
    Config {
        keep_alive_interval: None,
        ..Config::default()
    }
}

/// Lets the deadlines up to `until` pass.
fn pass(connection: &mut Connection, until: Timestamp) {
    while let Some(due) = connection.poll_timeout().filter(|&due| due <= until) {
        connection.handle_timeout(due);
        connection.check();
    }
}

#[test]
fn an_idle_connection_gives_back_what_many_streams_needed() {
    let config = Config {
        idle_timeout: None,
        ..without_keep_alive()
    };
    let mut pair = Pair::new(config.clone(), config);
    pair.settle();
    let before = pair.client.connection.memory_footprint().total();
    let streams: std::vec::Vec<_> = (0..90)
        .map(|_| pair.client.connection.open(get("/"), Then::End).unwrap())
        .collect();
    pair.settle();
    for stream in &streams {
        pair.client.connection.reset(*stream, ErrorCode::CANCEL);
    }
    pair.settle();
    for end in [&mut pair.client, &mut pair.server] {
        end.take_events();
        end.connection
            .poll_transmit(&mut Transmit::new(), seconds(0));
        let connection = &mut end.connection;
        assert!(connection.memory_footprint().table > 90 * 100);
        pass(connection, Timestamp(4_999_999_999));
        assert!(connection.memory_footprint().table > 90 * 100);
        pass(connection, seconds(5));
        assert!(connection.memory_footprint().table < 2_000);
        assert_eq!(connection.poll_timeout(), None);
    }
    let after = pair.client.connection.memory_footprint().total();
    assert!(after < before + 8_192, "{before} to {after} bytes");
    // Old handles name nobody, whatever place the next stream gets.
    let next = pair.client.connection.open(get("/"), Then::End).unwrap();
    assert!(!streams.contains(&next));
    let explained = pair.client.connection.explain(streams[0]);
    assert_ne!(explained, pair.client.connection.explain(next));
}

/// A call that is silent for an hour, and a server that holds what gRPC's hold: a PING within 300 s of the last one is a
/// strike unless HEADERS or DATA went out since, and the third strike ends the connection.
#[test]
fn keep_alive_never_strikes_a_server_that_counts_pings() {
    let mut pair = Pair::new(Config::default(), without_keep_alive());
    pair.settle();
    pair.client.connection.open(get("/"), Then::End).unwrap();
    pair.settle();
    let (mut last, mut strikes, mut pings) = (None, 0, 0_u32);
    while let Some(due) = pair.client.connection.poll_timeout() {
        if due > seconds(3_600) {
            break;
        }
        pair.client.connection.handle_timeout(due);
        let mut out = Transmit::new();
        pair.client.connection.poll_transmit(&mut out, due);
        let mut bytes = BytesMut::from(&out.parts().collect::<std::vec::Vec<_>>().concat()[..]);
        if bytes.is_empty() {
            continue;
        }
        assert_eq!(bytes[3], 6, "PING alone");
        pings += 1;
        strikes += u32::from(last.is_some_and(|last| due.since(last) < Duration::from_secs(300)));
        last = Some(due);
        assert!(strikes <= 2, "struck after {due:?}");
        pair.server.connection.handle_input(&mut bytes, due);
        let mut out = Transmit::new();
        pair.server.connection.poll_transmit(&mut out, due);
        let mut bytes = BytesMut::from(&out.parts().collect::<std::vec::Vec<_>>().concat()[..]);
        pair.client.connection.handle_input(&mut bytes, due);
    }
    assert_eq!(pair.client.connection.lifecycle(), Lifecycle::Open);
    assert_eq!((pings, strikes), (13, 1));
}

#[test]
fn a_peer_that_sends_pings_keeps_no_memory() {
    let mut pair = Pair::new(without_keep_alive(), without_keep_alive());
    pair.settle();
    for _ in 0..90 {
        pair.client.connection.open(get("/"), Then::End).unwrap();
    }
    pair.settle();
    pair.client.take_events();
    let client = &mut pair.client.connection;
    let streams: std::vec::Vec<_> = client.streams.handles();
    for stream in streams {
        client.reset(stream, ErrorCode::CANCEL);
    }
    client.poll_transmit(&mut Transmit::new(), seconds(0));
    while client.poll_event().is_some() {}
    client.poll_transmit(&mut Transmit::new(), seconds(0));
    assert!(client.memory_footprint().table > 90 * 100);
    for at in 1..=10 {
        pass(client, seconds(at));
        let mut ping = BytesMut::from(&[0, 0, 8, 6, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8][..]);
        client.handle_input(&mut ping, seconds(at));
        client.poll_transmit(&mut Transmit::new(), seconds(at));
    }
    assert!(client.memory_footprint().table < 2_000);
    assert_eq!(client.poll_timeout(), None);
}

#[test]
fn a_peer_that_speaks_again_is_asked_as_often_as_before() {
    let config = Config {
        keep_alive_interval: Some(Duration::from_secs(30)),
        keep_alive_quiet_interval: Duration::from_secs(300),
        ..Config::default()
    };
    let mut pair = Pair::new(config, without_keep_alive());
    pair.settle();
    pair.client.connection.open(get("/"), Then::End).unwrap();
    pair.settle();
    for due in [30, 60].map(seconds) {
        assert_eq!(pair.client.connection.poll_timeout(), Some(due));
        pair.client.connection.handle_timeout(due);
        pair.now = due;
        pair.settle();
    }
    assert_eq!(pair.client.connection.poll_timeout(), Some(seconds(360)));
    pair.now = seconds(100);
    let events = pair.server.take_events();
    let stream = events.iter().find_map(|event| match event {
        Event::Request { stream, .. } => Some(*stream),
        _ => None,
    });
    let head = ResponseHead::new(200).finish();
    let server = &mut pair.server.connection;
    server.respond(stream.unwrap(), head, Then::More).unwrap();
    pair.settle();
    assert_eq!(pair.client.connection.poll_timeout(), Some(seconds(130)));
}

/// Opens so many streams, and lets them end.
fn burst(pair: &mut Pair, count: usize) {
    let client = &mut pair.client.connection;
    let streams = (0..count).map(|_| client.open(get("/"), Then::End).unwrap());
    let streams: std::vec::Vec<_> = streams.collect();
    pair.settle();
    for stream in streams {
        pair.client.connection.reset(stream, ErrorCode::CANCEL);
    }
    pair.settle();
    pair.client.take_events();
    let client = &mut pair.client.connection;
    client.poll_transmit(&mut Transmit::new(), pair.now);
}

#[test]
fn what_many_streams_needed_stays_while_others_come_and_while_one_is_open() {
    let table = |pair: &Pair| pair.client.connection.memory_footprint().table;
    let large = 90 * 100;
    let mut pair = Pair::new(without_keep_alive(), without_keep_alive());
    pair.settle();
    burst(&mut pair, 90);
    pair.now = seconds(3);
    burst(&mut pair, 1);
    pass(&mut pair.client.connection, Timestamp(9_999_999_999));
    assert!(table(&pair) > large, "one came within the first 5 seconds");
    pass(&mut pair.client.connection, seconds(10));
    assert!(table(&pair) < 2_000);

    pair.now = seconds(20);
    burst(&mut pair, 90);
    pair.now = seconds(21);
    let client = &mut pair.client.connection;
    let stream = client.open(get("/"), Then::End).unwrap();
    pair.settle();
    pass(&mut pair.client.connection, seconds(100));
    assert!(table(&pair) > large, "one is open");
    pair.now = seconds(100);
    pair.client.connection.reset(stream, ErrorCode::CANCEL);
    pair.settle();
    pair.client.take_events();
    let client = &mut pair.client.connection;
    client.poll_transmit(&mut Transmit::new(), seconds(100));
    pass(client, seconds(105));
    assert!(table(&pair) < 2_000);
}
