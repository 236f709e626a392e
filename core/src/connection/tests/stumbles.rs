//! What honest peers and callers do, and what must not cost them the connection, or us the stream.

use std::{vec, vec::Vec};

use bytes::{Bytes, BytesMut};

use super::{
    by_hand::{
        OK, PING, POST, PREFACE, WINDOW_UPDATE, frame, head, millis, ready, seconds, settings,
        update,
    },
    get,
    pair::End,
    post,
};
use crate::{
    Config, ConnectionError, Event, OpenError, RequestHead, ResponseHead, Role, Then, Transmit,
    Violation,
};

const DATA: u8 = 0;

fn server() -> End {
    ready(Role::Server, Config::default(), &[])
}

/// A client whose peer takes so many streams.
fn client(config: Config, streams: u32) -> End {
    ready(Role::Client, config, &[(3, streams)])
}

fn closed(events: &[Event]) -> Option<Option<ConnectionError>> {
    events.iter().find_map(|event| match event {
        Event::Closed { error } => Some(*error),
        _ => None,
    })
}

// As gRPC's library for Go: a PING behind the first DATA after each answer, for as long as there are calls.
#[test]
fn who_measures_the_path_with_a_ping_for_each_answer_may_do_so_for_ever() {
    let mut server = server();
    let update = update(0, 5);
    let measure = [update, frame(PING, 0, 0, &[2, 4, 16, 16, 9, 14, 7, 7])].concat();
    for call in 0..20_000_u32 {
        let now = millis(u64::from(call) * 5);
        let id = call * 2 + 1;
        let mut input = [head(id, POST, false), frame(DATA, 1, id, &[0; 5])].concat();
        if call > 0 {
            input.extend(&measure);
        }
        server.input(&input, now);
        for event in server.take_events() {
            match event {
                Event::Request { stream, .. } => {
                    let connection = &mut server.connection;
                    let head = ResponseHead::new(200).finish();
                    connection.respond(stream, head, Then::More).unwrap();
                    let mut answer = Bytes::from_static(&[0; 5]);
                    connection
                        .send_data(stream, &mut answer, Then::End)
                        .unwrap();
                }
                Event::Data { stream, data, .. } => server.connection.release(stream, data.len()),
                Event::Closed { error } => panic!("call {call}: {error:?}"),
                _ => {}
            }
        }
        server.output(now);
    }
}

#[test]
fn a_ping_for_each_answer_explains_no_more_than_that() {
    let mut server = server();
    let pings = frame(PING, 0, 0, &[0; 8]).repeat(10);
    for at in 0..1_000 {
        server.input(&pings, millis(at));
        server.output(millis(at));
    }
    let error = closed(&server.take_events())
        .expect("a flood")
        .expect("a fault");
    assert_eq!(error.violation, Some(Violation::PingFlood));
}

// RFC 9113 §8.2.1: no field may begin or end with white space, and crumbs are fields.
#[test]
fn a_cookie_is_not_cut_beside_white_space() {
    let config = Config {
        split_cookies: true,
        ..Config::default()
    };
    let cookies = [
        ("a=1; b=2", 2),
        ("a=1 ; b=2", 1),
        ("a=1;  b=2", 1),
        ("a=1; \tb=2; c=3", 2),
        ("a=1;  ; b=2", 1),
        ("a=1; ; b=2", 3),
    ];
    for (cookie, crumbs) in cookies {
        let mut client = client(config.clone(), 100);
        let mut server = End::new(
            Role::Server,
            Config {
                join_cookies: false,
                ..Config::default()
            },
        );
        let head = RequestHead::new(b"GET", b"https", Some(b"a"), b"/");
        let head = head.field(b"cookie", cookie.as_bytes()).finish();
        client.connection.open(head, Then::End).unwrap();
        let up = client.output(seconds(0));
        let first = [PREFACE, &settings(&[]), &up].concat();
        server.input(&first, seconds(0));
        let events = server.take_events();
        let got = events.iter().find_map(|event| match event {
            Event::Request { head, .. } => Some(head.fields().map(|field| field.value)),
            _ => None,
        });
        let got: Vec<&[u8]> = got
            .unwrap_or_else(|| panic!("{cookie:?}: {events:?}"))
            .collect();
        assert_eq!(got.join(&b"; "[..]), cookie.as_bytes());
        assert_eq!(got.len(), crumbs, "{cookie:?}");
    }
}

#[test]
fn what_is_openable_is_taken_and_a_full_queue_says_when_it_has_room() {
    let mut client = client(Config::default(), 5_000);
    let openable = client.connection.openable();
    assert_eq!(openable, Config::default().open_queue_max);
    for _ in 0..openable {
        client.connection.open(get("/"), Then::End).unwrap();
    }
    assert_eq!(client.connection.openable(), 0);
    let refused = client.connection.open(get("/"), Then::End);
    assert_eq!(
        refused.map_err(|(error, _)| error),
        Err(OpenError::QueueFull)
    );
    client.output(seconds(1));
    assert!(client.take_events().contains(&Event::Openable));
    assert_eq!(client.connection.openable(), openable);
    client.connection.open(get("/"), Then::End).unwrap();
}

// A caller who opens, writes and reads, and only then looks for events.
#[test]
fn a_place_that_came_free_is_told_to_whoever_took_the_last_one() {
    let mut client = client(Config::default(), 1);
    client.connection.open(get("/"), Then::End).unwrap();
    assert_eq!(client.connection.openable(), 0);
    let mut out = Transmit::new();
    client.connection.poll_transmit(&mut out, seconds(0));
    let mut answer = BytesMut::from(&head(1, OK, true)[..]);
    client.connection.handle_input(&mut answer, seconds(1));
    assert!(client.take_events().contains(&Event::Openable));
    assert_eq!(client.connection.openable(), 1);
}

// RFC 9113 §6.9: an increment has 31 bits. A window below zero may be owed more.
#[test]
fn credit_above_31_bits_is_told_in_two_frames() {
    let small = Config {
        stream_window_bytes: 1_000,
        ..Config::default()
    };
    let mut server = End::new(Role::Server, small);
    server.output(seconds(0));
    // Before it has read our SETTINGS a client may send 65,535 bytes.
    let mut input = [PREFACE, &settings(&[]), &head(1, POST, false)].concat();
    for len in [16_384, 16_384, 16_384, 16_383] {
        input.extend(frame(DATA, 0, 1, &vec![0; len]));
    }
    input.extend(frame(4, 1, 0, &[]));
    server.input(&input, seconds(0));
    let stream = server.take_events().iter().find_map(|event| match event {
        Event::Request { stream, .. } => Some(*stream),
        _ => None,
    });
    let stream = stream.expect("a request");
    server.output(seconds(0));
    assert!(server.connection.set_receive_window(stream, 0x7fff_ffff));
    server.connection.release(stream, 65_535);
    server.connection.check();
    let mut window: i64 = 1_000 - 65_535;
    let mut output = &server.output(seconds(1))[..];
    while let [_, _, length, kind, _, rest @ ..] = output {
        if (*kind, &rest[..4]) == (WINDOW_UPDATE, &[0, 0, 0, 1]) {
            let increment = u32::from_be_bytes(*rest[4..].first_chunk().unwrap());
            assert!(increment >> 31 == 0, "{increment:#x}");
            window += i64::from(increment);
        }
        output = &rest[4 + usize::from(*length)..];
    }
    assert!(window > 0x7fff_0000, "{window}");
}

#[test]
fn pings_of_the_caller_do_not_keep_a_dead_peer_alive() {
    // With so many out the next silence that counts is the long one, of five minutes.
    for (own, last) in [(0, 45), (8, 315)] {
        let mut client = client(Config::default(), 100);
        client.connection.open(post("/"), Then::More).unwrap();
        for _ in 0..own {
            client.connection.ping().expect("a PING");
        }
        client.output(seconds(0));
        // A driver that is woken by its caller each second.
        let end = (1..1_000).find(|second| {
            let now = seconds(*second);
            if client
                .connection
                .poll_timeout()
                .is_some_and(|due| due <= now)
            {
                client.connection.handle_timeout(now);
            }
            client.output(now);
            closed(&client.take_events()).is_some()
        });
        assert!(end.is_some_and(|second| second <= last), "{own}: {end:?}");
    }
}
