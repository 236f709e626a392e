//! Places of streams that a client has reset.

use std::vec::Vec;

use super::{
    by_hand::{self, OK, frame, head, open, pass, ready, seconds},
    get,
    pair::Pair,
};
use crate::{
    Config, Connection, ErrorCode, Event, ResponseHead, Role, Then, Timestamp, Waiting,
    ping::Purpose,
};

/// A client, as configured, of a server that allows so many streams.
fn pair(client: Config, streams: u32) -> Pair {
    let server = Config {
        concurrent_streams_max: streams,
        ..Config::default()
    };
    let mut pair = Pair::new(client, server);
    pair.settle();
    pair.client.take_events();
    pair.server.take_events();
    pair
}

/// Opens a request, lets it out, and gives it up.
fn cancel(connection: &mut Connection, pair_now: Timestamp) {
    let stream = connection.open(get("/"), Then::End).unwrap();
    let mut out = crate::Transmit::new();
    connection.poll_transmit(&mut out, pair_now);
    assert_eq!(connection.explain(stream), Waiting::Peer, "it was let out");
    connection.reset(stream, ErrorCode::CANCEL);
}

#[test]
fn the_place_comes_back_when_the_peer_has_answered() {
    let mut pair = pair(Config::default(), 3);
    let client = &mut pair.client.connection;
    let stream = client.open(get("/"), Then::End).unwrap();
    assert_eq!(client.openable(), 2);
    pair.settle();
    pair.client.connection.reset(stream, ErrorCode::CANCEL);
    assert_eq!(pair.client.connection.openable(), 2, "the peer counts it");
    pair.settle();
    assert_eq!(pair.client.connection.openable(), 3);
    assert_eq!(pair.server.connection.openable(), 0);
}

#[test]
fn a_request_that_never_went_out_holds_no_place() {
    let mut pair = pair(Config::default(), 3);
    let client = &mut pair.client.connection;
    let stream = client.open(get("/"), Then::End).unwrap();
    client.reset(stream, ErrorCode::CANCEL);
    assert_eq!(client.openable(), 3);
    assert!(!client.wants_transmit());
}

#[test]
fn nothing_is_held_where_there_is_no_limit_or_no_wish_or_no_keep_alive() {
    for (config, limit) in [
        (Config::default(), u32::MAX),
        (
            Config {
                keep_reset_slots: false,
                ..Config::default()
            },
            3,
        ),
        (
            Config {
                keep_alive_interval: None,
                ..Config::default()
            },
            3,
        ),
    ] {
        let mut pair = pair(config, limit);
        let before = pair.client.connection.openable();
        cancel(&mut pair.client.connection, pair.now);
        assert_eq!(pair.client.connection.openable(), before);
        assert!(!pair.client.connection.pings.pending(Purpose::Slots));
    }
}

#[test]
fn a_server_holds_no_places() {
    let mut pair = pair(Config::default(), 1);
    pair.client.connection.open(get("/"), Then::End).unwrap();
    pair.settle();
    let stream = match pair.server.take_events().pop() {
        Some(Event::Request { stream, .. }) => stream,
        other => panic!("{other:?}"),
    };
    assert_eq!(pair.server.connection.role(), Role::Server);
    let server = &mut pair.server.connection;
    server.reset(stream, ErrorCode::CANCEL);
    assert_eq!(server.slots_taken(), 0);
}

#[test]
fn there_is_one_ping_until_the_peer_has_sent_something_of_use() {
    let mut pair = pair(Config::default(), 10);
    let mut pings = 0;
    for round in 0..5 {
        for _ in 0..3 {
            let stream = pair.client.connection.open(get("/"), Then::End).unwrap();
            pair.settle();
            pair.client.connection.reset(stream, ErrorCode::CANCEL);
        }
        let before = pair.client.connection.pings.pending(Purpose::Slots);
        assert!(!before, "the last one was answered");
        pings += u32::from(pair.client.connection.wants_slots_ping());
        pair.settle();
        assert_eq!(pair.client.connection.openable(), 10, "round {round}");
    }
    assert_eq!(pings, 0, "the first cancel of all had the only one");
    let stream = pair.client.connection.open(get("/"), Then::End).unwrap();
    pair.settle();
    let requests = pair.server.take_events().into_iter();
    let last = requests.filter_map(|event| match event {
        Event::Request { stream, .. } => Some(stream),
        _ => None,
    });
    let server = &mut pair.server.connection;
    let head = ResponseHead::new(200).finish();
    server
        .respond(last.last().unwrap(), head, Then::More)
        .unwrap();
    pair.settle();
    pair.client.connection.reset(stream, ErrorCode::CANCEL);
    assert!(pair.client.connection.wants_slots_ping());
    assert_eq!(pair.client.connection.openable(), 9);
}

#[test]
fn what_is_reset_behind_the_ping_gets_one_of_its_own_when_the_peer_speaks() {
    let mut pair = pair(Config::default(), 10);
    let head = || ResponseHead::new(200).finish();
    let open: Vec<_> = (0..3)
        .map(|_| pair.client.connection.open(get("/"), Then::End).unwrap())
        .collect();
    pair.settle();
    let client = &mut pair.client.connection;
    client.reset(open[0], ErrorCode::CANCEL);
    // Out, and not read by the peer yet.
    let ping = pair.client.output(pair.now);
    pair.client.connection.reset(open[1], ErrorCode::CANCEL);
    let requests = pair.server.take_events().into_iter();
    let served: Vec<_> = requests
        .filter_map(|event| match event {
            Event::Request { stream, .. } => Some(stream),
            _ => None,
        })
        .collect();
    let server = &mut pair.server.connection;
    server.respond(served[2], head(), Then::More).unwrap();
    let answer = pair.server.output(pair.now);
    pair.client.input(&answer, pair.now);
    pair.server.input(&ping, pair.now);
    let pong = pair.server.output(pair.now);
    pair.client.input(&pong, pair.now);
    let client = &pair.client.connection;
    assert_eq!(client.openable(), 8, "one is open, and one not known yet");
    assert!(client.wants_slots_ping());
    pair.settle();
    assert_eq!(pair.client.connection.openable(), 9);
}

#[test]
fn the_ping_stands_behind_every_reset_also_when_the_output_is_full() {
    let narrow = Config {
        output_bytes_max: 1,
        ..Config::default()
    };
    let mut pair = pair(narrow, 10);
    let open: Vec<_> = (0..3)
        .map(|_| pair.client.connection.open(get("/"), Then::End).unwrap())
        .collect();
    pair.settle();
    let client = &mut pair.client.connection;
    for stream in open {
        client.reset(stream, ErrorCode::CANCEL);
    }
    // 13 bytes each, and a PING of 17.
    let bytes = pair.client.output(pair.now);
    let kinds = [3, 16, 29, 42].map(|at| bytes.get(at).copied());
    assert_eq!(bytes.len(), 3 * 13 + 17);
    assert_eq!(kinds, [Some(3), Some(3), Some(3), Some(6)]);
}

/// A client of a server that allows three streams, one of which it keeps open and has answered.
fn of_three() -> super::pair::End {
    let mut end = ready(Role::Client, Config::default(), &[(3, 3)]);
    open(&mut end, seconds(0));
    end.input(&head(1, OK, false), seconds(0));
    end
}

#[test]
fn a_peer_that_speaks_and_answers_no_ping_gets_its_places_back() {
    let mut end = of_three();
    by_hand::cancel(&mut end, seconds(0));
    assert_eq!(end.connection.openable(), 1);
    for second in 1..=3_600 {
        pass(&mut end, seconds(second));
        let free = end.connection.openable();
        assert_eq!(free, if second < 10 { 1 } else { 2 }, "after {second} s");
        if second >= 10 {
            by_hand::cancel(&mut end, seconds(second));
        }
        end.input(&frame(0, 0, 1, b"x"), seconds(second));
        end.output(seconds(second));
    }
    assert_eq!(end.connection.error(), None);
}

#[test]
fn who_answers_late_after_all_is_waited_for_again() {
    let mut end = of_three();
    let stream = open(&mut end, seconds(0));
    end.connection.reset(stream, ErrorCode::CANCEL);
    let out = end.output(seconds(0));
    assert_eq!(out[13..18], [0, 0, 8, 6, 0], "a PING behind RST_STREAM");
    let pong = frame(by_hand::PING, 1, 0, &out[22..30]);
    end.input(&frame(0, 0, 1, b"x"), seconds(9));
    pass(&mut end, seconds(10));
    by_hand::cancel(&mut end, seconds(10));
    assert_eq!(end.connection.openable(), 2, "nothing is held");
    end.input(&pong, seconds(11));
    by_hand::cancel(&mut end, seconds(11));
    assert_eq!(end.connection.openable(), 1);
}

#[test]
fn the_places_of_a_silent_peer_are_kept_until_it_is_dead() {
    let mut end = of_three();
    by_hand::cancel(&mut end, seconds(1));
    for second in 2..40 {
        pass(&mut end, seconds(second));
        assert!(end.connection.openable() < 2, "after {second} s");
    }
    pass(&mut end, seconds(40));
    assert_eq!(
        by_hand::violation(&end),
        Some(crate::Violation::PingTimeout)
    );
}
