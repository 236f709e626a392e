//! RFC 8441: CONNECT with a protocol, as WebSockets use it.

use crate::*;

const WEBSOCKET: &[(&str, &str)] = &[
    (":method", "CONNECT"),
    (":protocol", "websocket"),
    (":scheme", "http"),
    (":authority", "test"),
    (":path", "/chat"),
];

fn enabled() -> Hand {
    let config = Config {
        enable_connect_protocol: true,
        ..Config::default()
    };
    Hand::under(Role::Server, config)
}

fn head() -> RequestHead {
    RequestHead::new(b"CONNECT", b"http", Some(b"test"), b"/chat")
        .protocol(b"websocket")
        .finish()
}

#[test]
fn a_server_that_allows_it_says_so_and_takes_it() {
    let mut hand = enabled();
    hand.says(wire::headers(1, WEBSOCKET, false));
    let events = hand.events();
    let [Event::Request { head, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(head.protocol(), Some(&b"websocket"[..]));
    let config = Config {
        enable_connect_protocol: true,
        ..Config::default()
    };
    let frames = End::new(Role::Server, config).output_frames();
    assert!(
        frames[0]
            .payload
            .chunks(6)
            .any(|entry| entry == [0, 8, 0, 0, 0, 1])
    );
}

#[test]
fn a_server_that_does_not_allow_it_takes_it_for_malformed() {
    let mut hand = Hand::server();
    hand.says(wire::headers(1, WEBSOCKET, false));
    hand.resets(1, Violation::ConnectProtocolDisabled);
}

#[test]
fn a_client_waits_for_the_setting() {
    let mut hand = Hand::client();
    let refused = hand.end.connection.open(head(), Then::More);
    assert_eq!(refused.unwrap_err().0, OpenError::ConnectProtocolDisabled);
    hand.says(wire::settings(&[(8, 1)]));
    hand.end.connection.open(head(), Then::More).unwrap();
}

#[test]
fn the_setting_is_a_bit_and_is_not_taken_back() {
    for (entries, violation) in [
        (&[(8, 2)][..], Violation::SettingConnectProtocolInvalid),
        (
            &[(8, 1), (8, 0)],
            Violation::SettingConnectProtocolWithdrawn,
        ),
    ] {
        ends(Role::Client, wire::settings(entries), violation);
    }
}

#[test]
fn the_pseudo_field_belongs_to_connect_with_scheme_and_path() {
    let with_get = [&[(":method", "GET")], &WEBSOCKET[1..]].concat();
    let without_path = &WEBSOCKET[..4];
    for fields in [&with_get[..], without_path] {
        let mut hand = enabled();
        hand.says(wire::headers(1, fields, false));
        assert_eq!(hand.resets_sent(), [(1, 1)], "{fields:?}");
    }
}
