//! From when on a deadline runs, and what moves it.

use core::time::Duration;
use std::vec::Vec;

use bytes::Bytes;

use super::{
    by_hand::{
        GET, HEADERS, PING, frame, head, millis, open, pass, ready, seconds, update, violation,
    },
    get,
    pair::End,
    post,
};
use crate::{Config, Event, ResponseHead, Role, Then, Violation, Waiting};

const CONTINUATION: u8 = 9;

fn client(config: Config, entries: &[(u16, u32)]) -> End {
    ready(Role::Client, config, entries)
}

// Two blocks of a slow path, each of them in time.
#[test]
fn a_block_that_begins_where_another_ends_has_its_own_time() {
    let mut server = ready(Role::Server, Config::default(), &[]);
    let begin = |stream| frame(HEADERS, 1, stream, GET);
    let end = |stream| frame(CONTINUATION, 4, stream, &[]);
    server.input(&begin(1), seconds(0));
    pass(&mut server, seconds(4));
    server.input(&[end(1), begin(3)].concat(), seconds(4));
    pass(&mut server, millis(8_999));
    assert_eq!(violation(&server), None);
    pass(&mut server, seconds(9));
    assert_eq!(violation(&server), Some(Violation::HeaderBlockTimeout));
}

// A peer that has vanished inside a frame, and a caller who offers what is left of its input whenever it wakes.
#[test]
fn the_beginning_of_a_frame_is_a_sign_of_life_once() {
    let mut client = client(Config::default(), &[]);
    let stream = open(&mut client, seconds(0));
    client.input(&[0, 0, 100, 0, 0, 0, 0, 0, 1, 7, 7], seconds(5));
    for second in 6..=46 {
        pass(&mut client, seconds(second));
        client.input(&[], seconds(second));
        let asks = second > 35 && violation(&client).is_none();
        let suspect = client.connection.openable() == 0;
        assert!(suspect || !asks, "after {second} s");
    }
    assert_eq!(violation(&client), Some(Violation::PingTimeout));
    assert_eq!(client.connection.explain(stream), Waiting::Nothing);
}

#[test]
fn one_byte_more_of_a_frame_is_a_sign_of_life() {
    let mut client = client(Config::default(), &[]);
    open(&mut client, seconds(0));
    client.input(&[0, 0, 100, 0, 0, 0, 0, 0, 1, 7, 7], seconds(0));
    for second in (20..=200).step_by(20) {
        client.input(&[7], seconds(second));
        pass(&mut client, seconds(second));
    }
    assert_eq!(violation(&client), None);
}

// A caller who polls a transmit when one of the two questions says so, and not otherwise.
#[test]
fn a_request_that_waits_alone_begins_the_deadline_of_a_silent_peer() {
    let mut client = client(Config::default(), &[(3, 0)]);
    let connection = &mut client.connection;
    assert_eq!(connection.poll_timeout(), None);
    connection.open(get("/"), Then::End).unwrap();
    assert!(!connection.wants_transmit(), "there is no place for it");
    assert!(connection.wants_deadline());
    client.output(seconds(1));
    let connection = &client.connection;
    assert_eq!(connection.poll_timeout(), Some(seconds(31)));
    assert!(!connection.wants_deadline());
    pass(&mut client, seconds(41));
    assert_eq!(violation(&client), Some(Violation::PingTimeout));
}

#[test]
fn a_deadline_that_never_comes_has_begun_all_the_same() {
    let config = Config {
        keep_alive_interval: Some(Duration::MAX),
        stall_timeout: Some(Duration::MAX),
        ..Config::default()
    };
    let mut client = client(config, &[(4, 0)]);
    let stream = client.connection.open(post("/"), Then::More).unwrap();
    let mut body = Bytes::from_static(b"held back");
    let connection = &mut client.connection;
    connection.send_data(stream, &mut body, Then::End).unwrap();
    assert!(connection.wants_deadline());
    client.output(seconds(1));
    assert!(!client.connection.wants_deadline());
    assert_eq!(client.connection.poll_timeout(), None);
    client.connection.handle_timeout(crate::Timestamp(u64::MAX));
    assert_eq!(violation(&client), None);
}

/// PING frames in what was written, by their payloads.
fn pings(mut bytes: &[u8]) -> Vec<[u8; 8]> {
    let mut pings = Vec::new();
    while let [_, high, low, kind, flags, _, _, _, _, rest @ ..] = bytes {
        let (payload, rest) = rest.split_at(usize::from(*high) << 8 | usize::from(*low));
        if (*kind, *flags) == (PING, 0) {
            pings.push(payload.try_into().unwrap());
        }
        bytes = rest;
    }
    pings
}

// A stream on which nothing comes has made PINGs rare, and the peer has gone since.
#[test]
fn a_request_on_a_quiet_connection_finds_out_that_its_peer_has_gone() {
    let mut client = client(Config::default(), &[]);
    open(&mut client, seconds(0));
    let mut asked = Vec::new();
    for second in 1..200 {
        let now = seconds(second);
        let due = client.connection.poll_timeout();
        if due.is_some_and(|due| due <= now) {
            client.connection.handle_timeout(now);
        }
        if second == 100 {
            client.connection.open(get("/"), Then::End).unwrap();
        }
        let output = client.output(now);
        for ping in pings(&output) {
            asked.push(second);
            if second < 100 {
                client.input(&frame(PING, 1, 0, &ping), now);
            }
        }
        if violation(&client).is_some() {
            break;
        }
    }
    assert_eq!(asked, [30, 60, 130]);
    assert_eq!(violation(&client), Some(Violation::PingTimeout));
}

// Beside a bulk of data that uses the connection's window up each time, who has little to say is held back for a moment again
// and again, and never for long.
#[test]
fn a_stream_that_sends_all_that_it_has_is_not_given_up() {
    let config = Config {
        stall_timeout: Some(Duration::from_secs(10)),
        ..Config::default()
    };
    let mut server = ready(Role::Server, config, &[(4, 1 << 30)]);
    let [bulk, little] = [1, 3].map(|id| {
        server.input(&head(id, GET, true), seconds(0));
        let Some(Event::Request { stream, .. }) = server.take_events().pop() else {
            panic!("a request");
        };
        let answer = ResponseHead::new(200).finish();
        let connection = &mut server.connection;
        connection.respond(stream, answer, Then::More).unwrap();
        stream
    });
    let give = |server: &mut End, stream, len| {
        let mut data = Bytes::from(std::vec![7; len]);
        let given = server.connection.send_data(stream, &mut data, Then::More);
        given.expect("the stream is open")
    };
    for second in 1..60 {
        // Until the client grants more, nothing goes out.
        for _ in 0..2 {
            give(&mut server, bulk, 100_000);
            server.output(seconds(second));
        }
        assert_eq!(give(&mut server, little, 1), 1);
        let granted = millis(1_000 * second + 100);
        pass(&mut server, granted);
        assert_eq!(
            server.connection.explain(little),
            Waiting::ConnectionWindow,
            "{second} s"
        );
        server.input(&update(0, 65_535), granted);
        server.output(granted);
        assert_eq!(server.connection.explain(little), Waiting::Writer);
    }
}
