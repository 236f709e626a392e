//! RFC 9113 §6.5: SETTINGS.

use crate::*;

#[test]
fn settings_are_acknowledged_one_by_one_and_before_anything_else() {
    let (mut hand, stream) = open(Role::Client);
    hand.send(stream, b"x", Then::More);
    hand.says(wire::settings(&[(4, 70_000)]));
    hand.says(wire::settings(&[]));
    let bytes = hand.end.output();
    let acks = wire::settings_ack().repeat(2);
    assert!(bytes.starts_with(&acks), "{bytes:?}");
}

#[test]
fn settings_with_a_wrong_shape_are_errors() {
    for (frame, violation) in [
        (
            wire::frame(kind::SETTINGS, flag::ACK, 0, &[0; 6]),
            Violation::SettingsAckWithPayload,
        ),
        (
            wire::frame(kind::SETTINGS, 0, 1, &[]),
            Violation::SettingsOnStream,
        ),
        (
            wire::frame(kind::SETTINGS, 0, 0, &[0; 7]),
            Violation::SettingsFrameSize,
        ),
    ] {
        for role in ROLES {
            ends(role, &frame, violation);
        }
    }
}

#[test]
fn values_out_of_range_are_errors() {
    use Violation as V;
    for (id, value, violation) in [
        (2, 2, V::SettingEnablePushInvalid),
        (4, 1 << 31, V::SettingInitialWindowTooLarge),
        (4, u32::MAX, V::SettingInitialWindowTooLarge),
        (5, 0, V::SettingMaxFrameSizeInvalid),
        (5, 16_383, V::SettingMaxFrameSizeInvalid),
        (5, 1 << 24, V::SettingMaxFrameSizeInvalid),
    ] {
        for role in ROLES {
            ends(role, wire::settings(&[(id, value)]), violation);
        }
    }
}

#[test]
fn values_at_the_edges_are_taken() {
    for role in ROLES {
        let (mut hand, _) = open(role);
        for (id, value) in [
            (1, 0),
            (1, u32::MAX),
            (2, 0),
            (3, 0),
            (3, u32::MAX),
            (4, 0),
            (4, WINDOW_MAX),
            (5, 16_384),
            (5, (1 << 24) - 1),
            (6, 0),
            (6, u32::MAX),
        ] {
            hand.says(wire::settings(&[(id, value)]));
        }
        hand.lives();
    }
}

#[test]
fn a_client_may_allow_push_and_a_server_may_not() {
    let (mut hand, _) = open(Role::Server);
    hand.says(wire::settings(&[(2, 1)]));
    hand.lives();
    ends(
        Role::Client,
        wire::settings(&[(2, 1)]),
        Violation::SettingEnablePushByServer,
    );
}

#[test]
fn entries_count_in_order_and_the_last_one_stays() {
    let (mut hand, stream) = open(Role::Client);
    hand.says(wire::settings(&[(4, 0), (4, 100_000), (4, 10)]));
    hand.send(stream, &[0; 100], Then::More);
    assert_eq!(data_lengths(&hand.frames(), 1), [10]);
}

#[test]
fn a_setting_that_is_not_repeated_keeps_its_value() {
    let mut hand = Hand::client();
    hand.says(wire::settings(&[(3, 1)]));
    hand.says(wire::settings(&[(4, 100)]));
    hand.open(Then::End);
    hand.end.connection.open(get("/"), Then::End).unwrap();
    let frames = hand.frames();
    assert!(!frames.iter().any(|frame| frame.kind == kind::HEADERS));
}

#[test]
fn an_acknowledgement_that_nobody_asked_for_is_none_for_what_is_sent_later() {
    let mut hand = Hand::fresh(Role::Server);
    hand.says(wire::PREFACE).says(wire::settings(&[]));
    // Nothing of ours has been sent yet.
    hand.says(wire::settings_ack());
    hand.frames();
    assert_eq!(hand.end.connection.error(), None);
    while hand.end.connection.error().is_none() {
        hand.end.now = hand.end.connection.poll_timeout().unwrap();
        hand.end.connection.handle_timeout(hand.end.now);
    }
    hand.says([]).ends_with(Violation::SettingsTimeout);
}

#[test]
fn acknowledgements_that_nobody_asked_for_are_ignored() {
    for role in ROLES {
        Hand::of(role).says(wire::settings_ack()).ignores();
    }
}

#[test]
fn settings_that_are_not_acknowledged_in_time_end_the_connection() {
    for role in ROLES {
        let mut hand = Hand::fresh(role);
        if role == Role::Server {
            hand.says(wire::PREFACE);
        }
        hand.says(wire::settings(&[]));
        hand.frames();
        while hand.end.connection.error().is_none() {
            hand.end.now = hand.end.connection.poll_timeout().unwrap();
            hand.end.connection.handle_timeout(hand.end.now);
        }
        hand.says([]).ends_with(Violation::SettingsTimeout);
    }
}

#[test]
fn our_window_holds_for_what_was_sent_before_the_acknowledgement() {
    // We announce less than the protocol starts with; the peer does not know yet.
    let config = Config {
        stream_window_bytes: 1_000,
        ..Config::default()
    };
    let mut hand = Hand::over(End::new(Role::Server, config));
    hand.says(wire::PREFACE).says(wire::settings(&[]));
    hand.frames();
    let stream = hand.request(1, Then::More);
    hand.says(wire::data(1, &[0; 16_384], false));
    hand.says(wire::settings_ack());
    hand.lives();
    // From here on the smaller window is the rule, and the stream owes 15,384 bytes of it.
    hand.says(wire::data(1, &[0; 1], false));
    hand.resets(1, Violation::StreamWindowExceeded);
    assert!(hand.outcome(stream).is_some());
}

#[test]
fn a_client_forbids_push_and_a_server_says_nothing_of_it() {
    for (role, expected) in [(Role::Client, Some(0)), (Role::Server, None)] {
        let frames = Hand::fresh(role).frames();
        let entries = frames[0].payload.chunks(6);
        let push = entries
            .filter(|entry| entry[..2] == [0, 2])
            .map(|entry| entry[5])
            .next();
        assert_eq!(push, expected);
    }
}

#[test]
fn a_request_larger_than_the_peer_takes_fails_before_it_has_a_number() {
    let mut hand = Hand::client();
    hand.says(wire::settings(&[(6, 100)]));
    let refused = hand.end.connection.open(get("/"), Then::End);
    assert_eq!(refused.unwrap_err().0, OpenError::HeaderListTooLarge);
    hand.says(wire::settings(&[(6, 1_000)]));
    let stream = hand.open(Then::End);
    let id = hand.end.connection.stream_id(stream).unwrap();
    assert_eq!(id.to_u32(), 1);
}

#[test]
fn a_frame_size_that_falls_cuts_what_waits_anew() {
    let (mut hand, stream) = open(Role::Client);
    hand.says(wire::settings(&[(5, 60_000)]));
    hand.frames();
    hand.send(stream, &[0; 40_000], Then::End);
    hand.says(wire::settings(&[(5, 16_384)]));
    let lengths = data_lengths(&hand.frames(), 1);
    assert!(lengths.iter().all(|&len| len <= 16_384), "{lengths:?}");
}
