//! SETTINGS.

use bytes::{Buf, BytesMut};
use raddle_core::{Connection, Transmit};

use crate::*;

fn opened(hand: &mut Hand) -> usize {
    let frames = hand.frames();
    kinds(&frames)
        .iter()
        .filter(|&&kind| kind == kind::HEADERS)
        .count()
}

fn wait(hand: &mut Hand, count: usize) -> Vec<StreamHandle> {
    let connection = &mut hand.end.connection;
    (0..count)
        .map(|_| connection.open(get("/"), Then::End).unwrap())
        .collect()
}

/// The identifiers of those that have one.
fn bound(hand: &Hand, streams: &[StreamHandle]) -> Vec<u32> {
    let ids = streams
        .iter()
        .filter_map(|&stream| hand.end.connection.stream_id(stream));
    ids.map(|id| id.to_u32()).collect()
}

#[test]
fn d01_a_limit_below_what_is_open_kills_nothing() {
    let (mut hand, streams) = asking::<3>();
    hand.says(wire::settings(&[(3, 1)]));
    wait(&mut hand, 1);
    assert_eq!(opened(&mut hand), 0);
    assert!(streams.iter().all(|&stream| hand.outcome(stream).is_none()));
    for stream in &streams[..2] {
        hand.cancel_seen(*stream);
        assert_eq!(opened(&mut hand), 0);
        // Without anything of use in between there would be no second PING.
        hand.says(wire::headers(5, OK, false));
    }
    hand.cancel_seen(streams[2]);
    assert_eq!(opened(&mut hand), 1);
}

#[test]
fn d02_a_limit_of_zero_and_then_five_starts_five_in_order() {
    let mut hand = Hand::client();
    hand.says(wire::settings(&[(3, 0)]));
    let streams = wait(&mut hand, 8);
    assert_eq!(opened(&mut hand), 0);
    hand.says(wire::settings(&[(3, 5)]));
    assert_eq!(opened(&mut hand), 5);
    assert_eq!(bound(&hand, &streams), [1, 3, 5, 7, 9]);
}

#[test]
fn d03_slots_pass_over_waiters_that_have_gone() {
    let mut hand = Hand::client();
    hand.says(wire::settings(&[(3, 0)]));
    let streams = wait(&mut hand, 6);
    for at in [0, 2, 4] {
        hand.end.connection.reset(streams[at], ErrorCode::CANCEL);
    }
    hand.says(wire::settings(&[(3, 2)]));
    assert_eq!(opened(&mut hand), 2);
    assert_eq!(bound(&hand, &streams), [1, 3]);
    assert_eq!(hand.end.connection.waiting(), 1);
}

#[test]
fn d04_requests_ahead_of_the_settings_may_be_refused_and_are_safe() {
    let config = Config {
        concurrent_streams_max: 10,
        ..Config::default()
    };
    let mut pair = Pair::new(Config::default(), config);
    for _ in 0..50 {
        pair.client.connection.open(get("/"), Then::End).unwrap();
    }
    pair.settle();
    let events = pair.client.take_events();
    let refused = events.iter().filter(|event| match event {
        Event::Failed { error, .. } => {
            assert_eq!(error.retry, Retry::Safe);
            true
        }
        _ => false,
    });
    assert_eq!(refused.count(), 40);
    assert_eq!(pair.client.connection.openable(), 0);
}

#[test]
fn d05_a_setting_that_is_left_out_keeps_its_value() {
    let mut hand = Hand::client();
    hand.says(wire::settings(&[(3, 2)]));
    hand.says(wire::settings(&[(4, 100)]));
    assert_eq!(hand.end.connection.openable(), 2);
}

#[test]
fn d06_the_last_of_repeated_entries_wins() {
    let mut hand = Hand::client();
    hand.says(wire::settings(&[(3, 9), (3, 0), (3, 4)]));
    assert_eq!(hand.end.connection.openable(), 4);
}

#[test]
fn d07_frame_sizes_outside_their_range_are_errors() {
    for size in [0, 16_383, 1 << 24] {
        let (mut hand, [_]) = asking::<1>();
        hand.says(wire::settings(&[(5, size)]));
        hand.ends_with(Violation::SettingMaxFrameSizeInvalid);
    }
}

#[test]
fn d08_an_initial_window_above_31_bits_is_an_error() {
    let (mut hand, [_]) = asking::<1>();
    hand.says(wire::settings(&[(4, 1 << 31)]));
    hand.ends_with(Violation::SettingInitialWindowTooLarge);
}

#[test]
fn d09_a_table_that_shrinks_and_grows_is_told_by_two_updates() {
    let apart = [wire::settings(&[(1, 0)]), wire::settings(&[(1, 4_096)])].concat();
    for bytes in [apart, wire::settings(&[(1, 0), (1, 4_096)])] {
        let mut hand = Hand::client();
        hand.says(bytes);
        hand.frames();
        hand.end.connection.open(get("/"), Then::End).unwrap();
        let frames = hand.frames();
        assert!(frames[0].payload.starts_with(b"\x20\x3f\xe1\x1f"));
    }
}

#[test]
fn d10_push_from_a_server_and_connect_taken_back_are_errors() {
    let (mut hand, [_]) = asking::<1>();
    hand.says(wire::settings(&[(2, 1)]));
    hand.ends_with(Violation::SettingEnablePushByServer);
    let (mut hand, [_]) = asking::<1>();
    hand.says(wire::settings(&[(8, 1)]));
    hand.says(wire::settings(&[(8, 0)]));
    hand.ends_with(Violation::SettingConnectProtocolWithdrawn);
}

#[test]
fn d11_settings_that_are_never_acknowledged_end_the_connection() {
    let mut hand = Hand::fresh(Role::Client);
    hand.frames();
    hand.says(wire::settings(&[]));
    hand.frames();
    hand.input = hand.end.wait_out();
    hand.ends_with(Violation::SettingsTimeout);
}

/// The second at which a client gives up whose server has half a response to send before it acknowledges SETTINGS: `bytes`
/// come with each second, and the acknowledgement at the second `acks`, if at all.
fn given_up(bytes: usize, acks: Option<u64>) -> Option<u64> {
    let mut hand = Hand::fresh(Role::Client);
    let stream = hand.open(Then::End);
    hand.says(wire::settings(&[]));
    hand.says(wire::headers(1, OK, false));
    for second in 1..=200 {
        hand.end.now = Timestamp(second * 1_000_000_000);
        hand.end.connection.handle_timeout(hand.end.now);
        if let Some(error) = hand.end.connection.error() {
            assert_eq!(error.violation, Some(Violation::SettingsTimeout));
            return Some(second);
        }
        hand.says(wire::data(1, &vec![7; bytes], false));
        hand.end.connection.release(stream, bytes);
        if acks == Some(second) {
            hand.says(wire::settings_ack());
        }
        hand.frames();
    }
    None
}

#[test]
fn d11_an_acknowledgement_may_stand_behind_what_a_slow_path_carries() {
    // 64 KiB at 5 KB/s take 13 s.
    assert_eq!(given_up(5_000, Some(13)), None);
    assert_eq!(given_up(5_000, Some(59)), None);
    // That has its end,
    assert_eq!(given_up(5_000, None), Some(60));
    assert_eq!(given_up(5_000, Some(60)), Some(60));
    // and crumbs are no reason to wait: 90 bytes a second with the heads of their frames.
    assert_eq!(given_up(81, None), Some(10));
}

#[test]
fn d12_settings_of_a_wrong_shape_are_errors() {
    for (frame, violation) in [
        (
            wire::frame(kind::SETTINGS, flag::ACK, 0, &[0; 6]),
            Violation::SettingsAckWithPayload,
        ),
        (
            wire::frame(kind::SETTINGS, 0, 0, &[0; 5]),
            Violation::SettingsFrameSize,
        ),
        (
            wire::frame(kind::SETTINGS, 0, 3, &[]),
            Violation::SettingsOnStream,
        ),
    ] {
        let (mut hand, _) = asked();
        hand.says(frame).ends_with(violation);
    }
}

#[test]
fn d13_an_acknowledgement_too_many_changes_nothing_and_is_counted() {
    let (mut hand, _) = asked();
    let window = hand.end.connection.receive_window();
    hand.says(wire::settings_ack()).ignores();
    assert_eq!(hand.end.connection.receive_window(), window);
    assert_eq!(hand.end.connection.stats().defences.settings, 1);
    hand.says(wire::settings_ack().repeat(1_000));
    hand.ends_with(Violation::SettingsFlood);
}

#[test]
fn d14_what_comes_first_is_settings() {
    let mut hand = Hand::fresh(Role::Client);
    hand.says(wire::ping([0; 8], false));
    hand.ends_with(Violation::FirstFrameNotSettings);
    let mut hand = Hand::fresh(Role::Client);
    // The length of this "frame" is "HTT", far above any limit.
    hand.says(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    hand.ends_with(Violation::FrameTooLarge);
    let mut hand = Hand::fresh(Role::Server);
    for byte in wire::PREFACE.iter().chain(&wire::settings(&[])) {
        hand.says([*byte]);
    }
    hand.lives();
}

#[test]
fn d15_a_table_size_takes_effect_between_two_blocks() {
    let mut hand = Hand::client();
    let head = || {
        RequestHead::new(b"GET", b"http", Some(b"test"), b"/")
            .field(b"x-name", b"x-value")
            .finish()
    };
    hand.end.connection.open(head(), Then::End).unwrap();
    hand.says(wire::settings(&[(1, 0)]));
    hand.end.connection.open(head(), Then::End).unwrap();
    let frames = hand.frames();
    let heads: Vec<_> = frames
        .iter()
        .filter(|frame| frame.kind == kind::HEADERS)
        .collect();
    // Neither was encoded before the setting came: the first says the size, and both do without the table.
    assert_eq!(heads[0].payload[0], 0x20);
    assert_eq!(heads[0].payload[1..], heads[1].payload[..]);
}

#[test]
fn d16_a_request_that_is_too_large_fails_before_it_has_a_number() {
    let mut hand = Hand::client();
    hand.says(wire::settings(&[(6, 50)]));
    let refused = hand.end.connection.open(get("/"), Then::End);
    assert_eq!(refused.unwrap_err().0, OpenError::HeaderListTooLarge);
    assert_eq!(opened(&mut hand), 0);
}

/// A client with so many uploads that the peer's window has stopped. Each is in debt at every window of 50 bytes or less.
fn in_debt(streams: usize) -> Connection {
    let mut hand = Hand::client();
    hand.says(wire::settings(&[(4, 60)]));
    let mut out = Transmit::new();
    for _ in 0..streams {
        let connection = &mut hand.end.connection;
        let stream = connection.open(post("/"), Then::More).unwrap();
        let mut body = Bytes::from_static(&[0; 61]);
        connection.send_data(stream, &mut body, Then::More).unwrap();
        connection.poll_transmit(&mut out, Timestamp(0));
        out.advance(out.remaining());
    }
    hand.end.connection.check();
    hand.end.connection
}

#[test]
fn d17_toggles_of_the_window_cost_nothing_per_stream() {
    const TOGGLES: u32 = 100_000;
    let work = [10, 10_000].map(|streams| {
        let mut connection = in_debt(streams);
        let (mut out, mut inbox) = (Transmit::new(), BytesMut::new());
        let before = connection.stats();
        for n in 0..TOGGLES {
            // All are in debt, now more and now less: there is nothing to send, only windows to move. Ten in a second
            // are no flood.
            let now = Timestamp(u64::from(n) * 100_000_000);
            inbox.extend_from_slice(&wire::settings(&[(4, 10 + n % 2 * 40)]));
            connection.handle_input(&mut inbox, now);
            assert_eq!(connection.poll_event(), None);
            connection.poll_transmit(&mut out, now);
            assert_eq!(out.remaining(), 9, "an acknowledgement and nothing else");
            out.advance(9);
        }
        connection.check();
        let after = connection.stats();
        assert_eq!(after.data_bytes_sent, before.data_bytes_sent);
        after.work_units - before.work_units
    });
    assert_eq!(work[0], work[1], "with ten streams and with ten thousand");
    assert!(work[0] <= 30 * u64::from(TOGGLES), "{work:?}");
}
