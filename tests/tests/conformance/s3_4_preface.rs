//! RFC 9113 §3.4: what both sides say first.

use crate::*;

#[test]
fn a_client_says_its_preface_and_then_settings() {
    let mut end = End::new(Role::Client, Config::default());
    let bytes = end.output();
    let rest = bytes.strip_prefix(wire::PREFACE).expect("the preface");
    let (frames, left) = wire::frames(rest);
    assert_eq!(left, 0);
    assert!(frames[0].is(kind::SETTINGS, 0) && frames[0].flags == 0);
}

#[test]
fn a_server_says_settings_first_without_waiting() {
    let frames = Hand::fresh(Role::Server).frames();
    assert!(frames[0].is(kind::SETTINGS, 0) && frames[0].flags == 0);
}

#[test]
fn a_preface_may_come_byte_by_byte() {
    let mut hand = Hand::fresh(Role::Server);
    for byte in wire::PREFACE.iter().chain(&wire::settings(&[])) {
        hand.says([*byte]);
    }
    assert_eq!(hand.events(), [Event::Ready]);
    hand.lives();
}

#[test]
fn every_wrong_byte_of_the_preface_is_an_error() {
    for at in 0..wire::PREFACE.len() {
        let mut bytes = wire::PREFACE.to_vec();
        bytes[at] ^= 1;
        let mut hand = Hand::fresh(Role::Server);
        hand.says(&bytes).ends_with(Violation::PrefaceMissing);
    }
}

#[test]
fn the_first_frame_is_settings_and_no_acknowledgement() {
    for role in ROLES {
        let start = if role == Role::Server {
            wire::PREFACE
        } else {
            b""
        };
        for first in [
            wire::settings_ack(),
            wire::ping([0; 8], false),
            wire::window_update(0, 1),
            wire::goaway(0, 0),
            wire::headers(1, GET, true),
            wire::frame(0xbe, 0, 0, b"unknown"),
        ] {
            let mut hand = Hand::fresh(role);
            hand.says(start).says(first);
            hand.ends_with(Violation::FirstFrameNotSettings);
        }
    }
}

#[test]
fn requests_go_out_before_the_servers_settings_arrive() {
    let mut hand = Hand::fresh(Role::Client);
    hand.end.connection.open(get("/"), Then::End).unwrap();
    let frames = hand.frames();
    assert!(frames.iter().any(|frame| frame.is(kind::HEADERS, 1)));
    hand.says(wire::settings(&[]))
        .says(wire::headers(1, OK, true));
    assert!(heard!(hand.events(), Event::Finished { .. }));
}

#[test]
fn requests_may_come_right_behind_the_preface() {
    let mut hand = Hand::fresh(Role::Server);
    let bytes = [
        wire::PREFACE,
        &wire::settings(&[]),
        &wire::headers(1, GET, true),
    ];
    hand.says(bytes.concat());
    assert!(heard!(hand.events(), Event::Request { .. }));
}

#[test]
fn a_peer_that_never_says_its_preface_is_given_up() {
    for role in ROLES {
        let mut hand = Hand::fresh(role);
        hand.frames();
        hand.end.now = hand.end.connection.poll_timeout().unwrap();
        hand.end.connection.handle_timeout(hand.end.now);
        hand.says([]).ends_with(Violation::HandshakeTimeout);
    }
}

#[test]
fn the_first_settings_are_acknowledged_behind_our_own() {
    for role in ROLES {
        let mut hand = Hand::fresh(role);
        if role == Role::Server {
            hand.says(wire::PREFACE);
        }
        hand.says(wire::settings(&[]));
        let frames = hand.frames();
        let settings: Vec<_> = frames
            .iter()
            .filter(|frame| frame.kind == kind::SETTINGS)
            .map(|frame| frame.flags)
            .collect();
        assert_eq!(settings, [0, flag::ACK]);
        assert_eq!(frames[0].kind, kind::SETTINGS);
    }
}
