//! Short pieces of bodies that nobody has polled become one event.

use std::{collections::BTreeMap, vec, vec::Vec};

use bytes::{Bytes, BytesMut};

use super::pair::End;
use crate::{Config, Connection, Event, Input, Role, StreamHandle, Then, Timestamp};

const NOW: Timestamp = Timestamp(0);

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    let head = [len[1], len[2], len[3], kind, flags];
    [&head[..], &stream.to_be_bytes(), payload].concat()
}

fn data(stream: u32, payload: &[u8], end: bool) -> Vec<u8> {
    frame(0, u8::from(end), stream, payload)
}

/// A server to which `streams` uploads are open.
fn server(streams: usize, config: Config) -> (End, Vec<StreamHandle>) {
    let mut server = End::new(Role::Server, config);
    let settings = frame(4, 0, 0, &[]);
    server.input(
        &[&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings].concat(),
        NOW,
    );
    for n in 0..streams as u32 {
        // POST / over http, by the static table.
        server.input(&frame(1, 4, 2 * n + 1, &[0x83, 0x86, 0x84]), NOW);
    }
    server.output(NOW);
    let events = server.take_events().into_iter();
    let requests = events.filter_map(|event| match event {
        Event::Request { stream, .. } => Some(stream),
        _ => None,
    });
    let requests: Vec<_> = requests.collect();
    assert_eq!(requests.len(), streams);
    (server, requests)
}

/// Reads all of it before anybody polls.
fn read(connection: &mut Connection, frames: &[Vec<u8>]) -> BytesMut {
    let mut input = BytesMut::from(&frames.concat()[..]);
    assert_ne!(connection.handle_input(&mut input, NOW), Input::Closed);
    connection.check();
    input
}

fn poll(connection: &mut Connection) -> Vec<(StreamHandle, Bytes, Then)> {
    let mut told = Vec::new();
    while let Some(event) = connection.poll_event() {
        match event {
            Event::Data { stream, data, then } => told.push((stream, data, then)),
            Event::Finished { .. } | Event::Ready => {}
            other => panic!("{other:?}"),
        }
    }
    told
}

#[test]
fn single_bytes_of_many_streams_are_one_event_each() {
    let (mut server, streams) = server(100, Config::default());
    let before = server.connection.memory_footprint();
    let work = server.connection.stats().work_units;
    let mut frames = Vec::new();
    for round in 0..200_u32 {
        for n in 0..100 {
            frames.push(data(2 * n + 1, &[(round + n) as u8], false));
        }
    }
    let left = read(&mut server.connection, &frames);
    assert!(left.is_empty(), "no event stood in the way");
    assert_eq!(server.connection.stats().defences.events_full, 0);
    let footprint = server.connection.memory_footprint();
    // 20,000 bytes, in memory that doubles; one place in the queue for each stream.
    let grown = footprint.buffers - before.buffers;
    assert!(grown <= 2 * 20_000 + 8 * 1_024, "{footprint:?}");
    assert!(
        footprint.events - before.events <= 128 * 128,
        "{footprint:?}"
    );
    let work = server.connection.stats().work_units - work;
    assert!(work <= 4 * 10 * 20_000, "{work}");
    let told = poll(&mut server.connection);
    assert_eq!(told.len(), 100);
    for (n, (stream, data, then)) in told.into_iter().enumerate() {
        assert_eq!(stream, streams[n]);
        let sent: Vec<_> = (0..200).map(|round| (round + n) as u8).collect();
        assert_eq!((&data[..], then), (&sent[..], Then::More));
    }
}

#[test]
fn pieces_keep_their_order_and_their_end() {
    // Sizes around what is copied and what is not, streams in turn and in a row, polled now and then.
    let (mut server, streams) = server(3, Config::default());
    let mut sent: BTreeMap<StreamHandle, (Vec<u8>, bool)> = BTreeMap::new();
    let mut told = sent.clone();
    let mut note = |events: Vec<(StreamHandle, Bytes, Then)>| {
        for (stream, data, then) in events {
            let (bytes, ended) = told.entry(stream).or_default();
            assert!(!*ended, "a part behind the end");
            bytes.extend_from_slice(&data);
            *ended = then.is_end();
        }
        told.clone()
    };
    let sizes = [1, 1_024, 7, 1_025, 3, 0, 1_000, 1, 1, 900];
    for n in 0..300_usize {
        let at = (n / (1 + n % 3)) % 3;
        let len = sizes[n % sizes.len()];
        let payload: Vec<_> = (0..len).map(|byte| (byte + n) as u8).collect();
        read(
            &mut server.connection,
            &[data(2 * at as u32 + 1, &payload, false)],
        );
        sent.entry(streams[at])
            .or_default()
            .0
            .extend_from_slice(&payload);
        if n % 11 == 0 {
            let event = server.connection.poll_event();
            if let Some(Event::Data { stream, data, then }) = event {
                note(vec![(stream, data, then)]);
            }
        }
        if n % 64 == 0 {
            note(poll(&mut server.connection));
        }
    }
    for (at, rest) in [&b""[..], b"z", b""].into_iter().enumerate() {
        read(
            &mut server.connection,
            &[data(2 * at as u32 + 1, rest, true)],
        );
        let (bytes, ended) = sent.get_mut(&streams[at]).unwrap();
        bytes.extend_from_slice(rest);
        *ended = true;
    }
    assert_eq!(note(poll(&mut server.connection)), sent);
}

#[test]
fn what_is_joined_has_an_end() {
    let (mut server, streams) = server(1, Config::default());
    // 16 KiB are one event, and what does not fit begins the next.
    let frames = vec![data(1, &[7; 1_000], false); 40];
    read(&mut server.connection, &frames);
    let told = poll(&mut server.connection);
    let lens: Vec<_> = told.iter().map(|(_, data, _)| data.len()).collect();
    assert_eq!(lens, [16_000, 16_000, 8_000]);
    server.connection.release(streams[0], 40_000);
    // Nothing is joined to what was polled, to a long piece, or to the end.
    read(&mut server.connection, &[data(1, b"a", false)]);
    assert_eq!(poll(&mut server.connection).len(), 1);
    let frames = [
        data(1, &[7; 1_025], false),
        data(1, b"b", false),
        data(1, b"c", false),
        data(1, b"", true),
    ];
    read(&mut server.connection, &frames);
    let told = poll(&mut server.connection);
    assert_eq!(told.len(), 2);
    assert_eq!((&told[1].1[..], told[1].2), (&b"bc"[..], Then::End));
}

#[test]
fn numbers_of_events_come_round() {
    // 70,000 events, so that the number of an old one is that of a new one of another stream.
    let (mut server, streams) = server(2, Config::default());
    read(&mut server.connection, &[data(3, b"old", false)]);
    assert_eq!(poll(&mut server.connection).len(), 1);
    for n in 0..70_000_u32 {
        let id = if n == 65_535 { 3 } else { 1 };
        read(&mut server.connection, &[data(id, &[n as u8], false)]);
        let told = poll(&mut server.connection);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].1[..], [n as u8]);
        server.connection.release(told[0].0, 1);
        assert_eq!(told[0].0, streams[(id / 2) as usize]);
        if n % 1_000 == 0 {
            server.output(NOW);
        }
    }
}
