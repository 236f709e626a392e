//! RFC 9113 §6.9: WINDOW_UPDATE and the arithmetic of windows.

use crate::*;

#[test]
fn an_update_of_zero_is_an_error_of_its_scope() {
    for role in ROLES {
        ends(
            role,
            wire::window_update(0, 0),
            Violation::WindowUpdateZeroOnConnection,
        );
        let (mut hand, _) = open(role);
        hand.says(wire::window_update(1, 0));
        hand.resets(1, Violation::WindowUpdateZeroOnStream);
    }
}

#[test]
fn windows_reach_31_bits_and_no_further() {
    for role in ROLES {
        let (mut hand, _) = open(role);
        hand.says(wire::window_update(1, WINDOW_MAX - 65_535));
        hand.says(wire::window_update(0, WINDOW_MAX - 65_535));
        hand.ignores();
        hand.says(wire::window_update(1, 1));
        hand.resets(1, Violation::StreamWindowOverflow);
        hand.says(wire::window_update(0, 1));
        hand.ends_with(Violation::ConnectionWindowOverflow);
    }
}

#[test]
fn a_new_initial_window_must_not_overflow_any_stream() {
    for role in ROLES {
        let (mut hand, _) = open(role);
        hand.says(wire::window_update(1, WINDOW_MAX - 65_535));
        hand.says(wire::settings(&[(4, 65_535)]));
        hand.lives();
        hand.says(wire::settings(&[(4, 65_536)]));
        hand.ends_with(Violation::InitialWindowOverflow);
    }
}

// RFC 9113 §6.5.3: entries are processed in the order in which they stand.
#[test]
fn an_initial_window_that_overflows_is_an_error_whatever_follows_it() {
    for role in ROLES {
        let (mut hand, _) = open(role);
        hand.says(wire::window_update(1, 1));
        hand.says(wire::settings(&[(4, WINDOW_MAX - 1), (4, 10)]));
        hand.lives();
        hand.says(wire::settings(&[(4, WINDOW_MAX), (4, 10)]));
        hand.ends_with(Violation::InitialWindowOverflow);
    }
}

#[test]
fn data_stops_at_the_window_and_goes_on_with_updates() {
    for role in ROLES {
        let (mut hand, stream) = open(role);
        hand.says(wire::settings(&[(4, 10)]));
        hand.send(stream, &[0; 25], Then::End);
        assert_eq!(data_lengths(&hand.frames(), 1), [10]);
        hand.says(wire::window_update(1, 3));
        assert_eq!(data_lengths(&hand.frames(), 1), [3]);
        hand.says(wire::window_update(1, 100));
        assert_eq!(data_lengths(&hand.frames(), 1), [12]);
    }
}

#[test]
fn data_stops_at_the_connections_window_too() {
    let (mut hand, stream) = open(Role::Client);
    hand.says(wire::settings(&[(4, 1_000_000)]));
    hand.send(stream, &[0; 65_536], Then::End);
    assert_eq!(
        data_lengths(&hand.frames(), 1).iter().sum::<usize>(),
        WINDOW
    );
    hand.says(wire::window_update(1, 100));
    assert_eq!(data_lengths(&hand.frames(), 1), []);
    hand.says(wire::window_update(0, 1));
    assert_eq!(data_lengths(&hand.frames(), 1), [1]);
}

#[test]
fn the_end_of_a_stream_needs_no_window() {
    let mut hand = Hand::client();
    hand.says(wire::settings(&[(4, 0)]));
    let stream = hand.open(Then::More);
    hand.send(stream, b"", Then::End);
    assert_eq!(hand.end.output(), wire::data(1, b"", true));
}

#[test]
fn a_smaller_initial_window_may_leave_a_stream_in_debt() {
    let (mut hand, stream) = open(Role::Client);
    hand.send(stream, &[0; 60_000], Then::More);
    hand.frames();
    hand.says(wire::settings(&[(4, 16_384)]));
    hand.frames();
    hand.send(stream, &[0; 100], Then::More);
    // 43,616 bytes in debt.
    hand.says(wire::window_update(1, 43_616));
    assert_eq!(data_lengths(&hand.frames(), 1), []);
    hand.says(wire::window_update(1, 1));
    assert_eq!(data_lengths(&hand.frames(), 1), [1]);
}

#[test]
fn a_larger_initial_window_frees_every_stream_and_not_the_connection() {
    let mut hand = Hand::client();
    hand.says(wire::settings(&[(4, 0)]));
    let streams: Vec<_> = (0..10).map(|_| hand.open(Then::More)).collect();
    for stream in streams {
        hand.send(stream, &[0; 10_000], Then::End);
    }
    assert_eq!(hand.frames(), []);
    hand.says(wire::settings(&[(4, 20_000)]));
    let frames = hand.frames();
    let sent = (0..10).map(|n| data_lengths(&frames, 2 * n + 1).iter().sum::<usize>());
    let sent: Vec<_> = sent.collect();
    assert_eq!(sent.iter().sum::<usize>(), WINDOW);
    assert!(sent.iter().filter(|&&len| len > 0).count() >= 5, "{sent:?}");
}

#[test]
fn more_data_than_our_window_is_an_error_of_its_scope() {
    let full = |id| wire::data(id, &[0; 16_384], false);
    for role in ROLES {
        let (mut hand, _) = open(role);
        for _ in 0..16 {
            hand.says(full(1));
        }
        assert_eq!(hand.end.connection.error(), None, "256 KiB are the window");
        hand.says(wire::data(1, b"x", false));
        hand.resets(1, Violation::StreamWindowExceeded);
    }
    let mut hand = Hand::server();
    for n in 0..4 {
        hand.request(2 * n + 1, Then::More);
        for _ in 0..16 {
            hand.says(full(2 * n + 1));
        }
    }
    hand.request(9, Then::More);
    hand.says(wire::data(9, b"x", false));
    hand.ends_with(Violation::ConnectionWindowExceeded);
}

#[test]
fn updates_may_come_late_and_never_early() {
    let (mut hand, stream) = open(Role::Client);
    hand.cancel(stream);
    hand.says(wire::window_update(1, 1));
    hand.says(wire::window_update(1, 0));
    hand.ignores();
    hand.says(wire::window_update(3, 1));
    hand.ends_with(Violation::IdleStreamFrame);
}

#[test]
fn our_updates_never_raise_a_window_above_31_bits() {
    let config = Config {
        stream_window_bytes: WINDOW_MAX,
        connection_window_bytes: WINDOW_MAX,
        ..Config::default()
    };
    let mut end = End::new(Role::Server, config);
    let frames = end.output_frames();
    let update = frames
        .iter()
        .find(|frame| frame.kind == kind::WINDOW_UPDATE)
        .unwrap();
    assert_eq!(update.number(0), WINDOW_MAX - 65_535);
}

#[test]
fn a_stream_whose_window_was_closed_hides_no_other() {
    let mut hand = Hand::server();
    for id in [1, 3, 5] {
        let stream = hand.request(id, Then::End);
        hand.respond(stream, Then::More);
        hand.send(stream, &[0; 60_000], Then::End);
    }
    hand.frames();
    // The connection's window is used up. All three have window of their own, until the peer takes it from all but one.
    hand.says(wire::window_update(5, 70_000));
    hand.says(wire::settings(&[(4, 0)]));
    hand.frames();
    assert!(!hand.end.connection.wants_transmit());
    hand.says(wire::window_update(0, 1_000));
    assert!(hand.end.connection.wants_transmit());
    let frames = hand.frames();
    let data = frames.iter().filter(|frame| frame.kind == kind::DATA);
    let data: Vec<_> = data
        .map(|frame| (frame.stream, frame.payload.len()))
        .collect();
    assert_eq!(data, [(5, 1_000)]);
    // And with none of them there is nothing to say, however large the connection's window is.
    hand.says(wire::window_update(0, 1_000_000));
    hand.frames();
    assert!(!hand.end.connection.wants_transmit());
}

#[test]
fn a_window_that_fell_to_nothing_wants_no_output() {
    let mut hand = Hand::server();
    for id in [1, 3] {
        let stream = hand.request(id, Then::End);
        hand.respond(stream, Then::More);
        hand.send(stream, &[0; 60_000], Then::End);
    }
    // The connection's window lets 65,535 bytes pass, in turns.
    let frames = hand.frames();
    let sent = |id| -> usize {
        let data = frames.iter().filter(|frame| frame.kind == kind::DATA);
        let data = data.filter(|frame| frame.stream == id);
        data.map(|frame| frame.payload.len()).sum()
    };
    assert_eq!(sent(1) + sent(3), 65_535);
    let least = sent(1).min(sent(3));
    hand.says(wire::settings(&[(4, least as u32)]));
    hand.frames();
    hand.says(wire::window_update(0, 1_000));
    assert!(!hand.end.connection.wants_transmit());
    hand.ignores();
}
