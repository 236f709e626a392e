//! What commands answer: what is taken, and why the rest is not.

use std::vec;
use std::vec::Vec;

use bytes::Bytes;

use super::{get, pair::Pair, post};
use crate::{
    Config, ErrorCode, Event, Fields, OpenError, ResponseHead, SendError, StreamHandle, Then, wire,
};

/// A pair whose client and server take header lists of so many bytes.
fn taking(client: u32, server: u32) -> Pair {
    let of = |header_list_bytes_max| Config {
        header_list_bytes_max,
        ..Config::default()
    };
    let mut pair = Pair::new(of(client), of(server));
    pair.settle();
    pair
}

/// Opens a request with a body, and has it arrive.
fn arrive(pair: &mut Pair) -> (StreamHandle, StreamHandle) {
    let up = pair.client.connection.open(post("/"), Then::More).unwrap();
    pair.settle();
    let events = pair.server.take_events();
    let down = events.iter().find_map(|event| match event {
        Event::Request { stream, .. } => Some(*stream),
        _ => None,
    });
    (up, down.unwrap())
}

fn response(status: u16) -> ResponseHead {
    ResponseHead::new(status).field(b"name", b"value").finish()
}

fn trailers() -> Fields {
    let mut fields = Fields::builder();
    fields.push(b"name", b"value", false);
    fields.finish()
}

// RFC 9113 §6.5.2, SETTINGS_MAX_HEADER_LIST_SIZE
#[test]
fn a_list_as_large_as_the_peer_takes_is_sent_and_a_larger_one_is_not() {
    let (request, head) = (post("/"), response(200));
    let interim = response(103);
    let size = |len: usize| u32::try_from(len).unwrap();
    let (up, down) = (size(request.list_size()), size(head.list_size()));
    let mut pair = taking(down, up - 1);
    let refused = pair.client.connection.open(request, Then::More);
    assert_eq!(refused.unwrap_err().0, OpenError::HeaderListTooLarge);
    let mut pair = taking(down - 1, up);
    let (_, stream) = arrive(&mut pair);
    let server = &mut pair.server.connection;
    let refused = Err(SendError::HeaderListTooLarge);
    assert_eq!(server.inform(stream, interim.clone()), refused);
    assert_eq!(server.respond(stream, head.clone(), Then::More), refused);
    let mut pair = taking(down, up);
    let (_, stream) = arrive(&mut pair);
    let server = &mut pair.server.connection;
    assert_eq!(server.inform(stream, interim), Ok(()));
    assert_eq!(server.respond(stream, head, Then::More), Ok(()));

    let len = size(trailers().list_size());
    for (len, answer) in [(len - 1, Err(SendError::HeaderListTooLarge)), (len, Ok(()))] {
        let mut pair = Pair::established();
        let (_, stream) = arrive(&mut pair);
        let server = &mut pair.server.connection;
        server.respond(stream, response(200), Then::More).unwrap();
        let entry = [&[0, 6][..], &len.to_be_bytes()].concat();
        let settings = [&[0, 0, 6, 4, 0, 0, 0, 0, 0][..], &entry].concat();
        pair.server.input(&settings, pair.now);
        let server = &mut pair.server.connection;
        assert_eq!(server.send_trailers(stream, trailers()), answer);
    }
}

// RFC 9113 §8.1
#[test]
fn heads_of_responses_have_an_order() {
    let mut pair = Pair::established();
    let (up, stream) = arrive(&mut pair);
    let client = &mut pair.client.connection;
    let out_of_order = Err(SendError::OutOfOrder);
    assert_eq!(client.respond(up, response(200), Then::End), out_of_order);
    assert_eq!(client.inform(up, response(103)), out_of_order);
    let server = &mut pair.server.connection;
    assert_eq!(server.inform(stream, response(200)), out_of_order);
    assert_eq!(
        server.respond(stream, response(103), Then::More),
        out_of_order
    );
    let informed: Vec<_> = (0..17)
        .map(|_| server.inform(stream, response(103)).is_ok())
        .collect();
    assert_eq!(informed, [vec![true; 16], vec![false]].concat());
    pair.settle();
    let server = &mut pair.server.connection;
    assert_eq!(server.inform(stream, response(103)), Ok(()), "they are out");
    assert_eq!(server.respond(stream, response(200), Then::More), Ok(()));
    assert_eq!(
        server.respond(stream, response(200), Then::More),
        out_of_order
    );
    assert_eq!(server.inform(stream, response(103)), out_of_order);
    server.reset(stream, ErrorCode::CANCEL);
    let gone = Err(SendError::Gone);
    assert_eq!(server.respond(stream, response(200), Then::More), gone);
    assert_eq!(server.inform(stream, response(103)), gone);
}

#[test]
fn a_buffer_that_is_full_counts_and_one_that_is_filled_does_not() {
    let config = Config {
        send_buffer_bytes: 1_000,
        ..Config::default()
    };
    let mut pair = Pair::new(config, Config::default());
    let client = &mut pair.client.connection;
    let stream = client.open(post("/"), Then::More).unwrap();
    let mut send = |len: usize| {
        let mut data = Bytes::from(vec![0; len]);
        let taken = client.send_data(stream, &mut data, Then::More).unwrap();
        (taken, client.stats().defences.send_buffers_full)
    };
    assert_eq!(send(999), (999, 0));
    assert_eq!(send(1), (1, 0));
    assert_eq!(send(1), (0, 1));
    assert_eq!(send(5), (0, 2));
}

#[test]
fn requests_beyond_the_line_are_counted_and_others_that_are_refused_are_not() {
    let config = Config {
        open_queue_max: 1,
        ..Config::default()
    };
    let mut pair = Pair::new(config, Config::default());
    let client = &mut pair.client.connection;
    let full = |client: &crate::Connection| client.stats().defences.open_queue_full;
    let mut open = || client.open(get("/"), Then::End).map_err(|(error, _)| error);
    assert!(open().is_ok());
    assert_eq!(open(), Err(OpenError::QueueFull));
    assert_eq!(open(), Err(OpenError::QueueFull));
    assert_eq!(full(client), 2);
    client.drain();
    let refused = client.open(get("/"), Then::End).map_err(|(error, _)| error);
    assert_eq!(refused, Err(OpenError::Closing));
    assert_eq!(full(client), 2);
}

#[test]
fn what_is_read_before_the_peer_follows_our_settings_keeps_its_window() {
    let config = Config {
        stream_window_bytes: 1_000,
        connection_window_bytes_max: 0,
        ..Config::default()
    };
    let mut pair = Pair::new(Config::default(), config);
    // The client has not seen the server's SETTINGS yet.
    let client = &mut pair.client.connection;
    let up = client.open(post("/"), Then::More).unwrap();
    let mut data = Bytes::from(vec![0; 40_000]);
    client.send_data(up, &mut data, Then::More).unwrap();
    let bytes = pair.client.output(pair.now);
    pair.server.input(&bytes, pair.now);
    let mut received = 0;
    let mut read = |pair: &mut Pair| {
        for event in pair.server.take_events() {
            if let Event::Data { stream, data, .. } = event {
                received += data.len();
                pair.server.connection.release(stream, data.len());
            }
        }
        received
    };
    assert_eq!(read(&mut pair), 40_000);
    // From here on it has a thousand bytes at a time, and none of them is lost.
    pair.settle();
    for round in 1..100 {
        let client = &mut pair.client.connection;
        let mut data = Bytes::from(vec![0; 1_000]);
        client.send_data(up, &mut data, Then::More).unwrap();
        pair.settle();
        assert_eq!(read(&mut pair), 40_000 + round * 1_000);
        pair.settle();
    }
    let client = &mut pair.client.connection;
    let mut data = Bytes::from(vec![0; 5_000]);
    client.send_data(up, &mut data, Then::More).unwrap();
    pair.settle();
    assert_eq!(read(&mut pair), 40_000 + 99_000 + 1_000);
}

// RFC 9113 §6.8: the two phases have a PING between them; when all that may be out are out, there is one phase.
#[test]
fn a_drain_without_room_for_its_ping_names_its_last_stream_at_once() {
    for full in [false, true] {
        let mut pair = Pair::established();
        arrive(&mut pair);
        let server = &mut pair.server.connection;
        while full && server.ping().is_some() {}
        server.drain();
        let bytes = pair.server.output(pair.now);
        let mut rest = &bytes[..];
        let mut last = Vec::new();
        while !rest.is_empty() {
            if rest[3] == 7 {
                last.push(wire::u32(&rest[9..]));
            }
            rest = &rest[9 + wire::u24(rest) as usize..];
        }
        assert_eq!(last, [if full { 1 } else { 0x7fff_ffff }]);
    }
}

// RFC 9113 §5.1: what was under way when a stream was reset is received all the same, and counted as dropped.
#[test]
fn data_that_crosses_a_reset_is_counted() {
    let mut pair = Pair::established();
    let (up, down) = arrive(&mut pair);
    let server = &mut pair.server.connection;
    let head = ResponseHead::new(200).finish();
    server.respond(down, head, Then::More).unwrap();
    for part in [100, 23] {
        let mut body = Bytes::from(vec![0; part]);
        assert_eq!(server.send_data(down, &mut body, Then::More), Ok(part));
    }
    pair.client.connection.reset(up, ErrorCode::CANCEL);
    pair.settle();
    let stats = pair.client.connection.stats();
    assert_eq!(
        (stats.data_bytes_dropped, stats.data_bytes_received),
        (123, 0)
    );
}
