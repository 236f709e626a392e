//! RFC 9113 §5.2: flow control as a whole; the arithmetic is in §6.9.

use crate::*;

/// What the peer is granted now, by stream.
fn grants(hand: &mut Hand) -> Vec<(u32, u32)> {
    let frames = hand.frames();
    let updates = frames
        .iter()
        .filter(|frame| frame.kind == kind::WINDOW_UPDATE);
    updates
        .map(|frame| (frame.stream, frame.number(0)))
        .collect()
}

/// A server with the windows of the protocol's start.
fn small() -> Hand {
    let config = Config {
        stream_window_bytes: 65_535,
        connection_window_bytes: 65_535,
        ..Config::default()
    };
    Hand::under(Role::Server, config)
}

#[test]
fn headers_are_not_flow_controlled() {
    let mut hand = small();
    hand.request(1, Then::More);
    for _ in 0..4 {
        hand.says(wire::data(1, &[0; 16_383], false));
    }
    hand.says(wire::data(1, &[0; 3], false));
    assert_eq!(grants(&mut hand), [], "everything is held");
    hand.request(3, Then::End);
    hand.says(wire::headers(1, &[("a", "b")], true));
    hand.ignores();
}

#[test]
fn data_on_a_stream_that_we_reset_costs_the_connection_nothing() {
    let mut hand = small();
    let stream = hand.request(1, Then::More);
    hand.cancel(stream);
    let mut granted = 0;
    for _ in 0..20 {
        hand.says(wire::data(1, &[0; 16_000], false));
        granted += grants(&mut hand).iter().map(|grant| grant.1).sum::<u32>();
    }
    assert!(granted >= 20 * 16_000 - 32_768, "{granted} came back");
    hand.lives();
}

#[test]
fn padding_on_a_stream_that_we_reset_costs_the_connection_nothing() {
    let mut hand = small();
    let stream = hand.request(1, Then::More);
    hand.cancel(stream);
    let padded = wire::frame(
        kind::DATA,
        flag::PADDED,
        1,
        &[[255].as_slice(), &[0; 255]].concat(),
    );
    for _ in 0..1_000 {
        hand.says(&padded);
        hand.frames();
    }
    hand.lives();
}

#[test]
fn one_stream_that_nobody_reads_does_not_stop_the_others() {
    let mut hand = Hand::server();
    hand.request(1, Then::More);
    let read = hand.request(3, Then::More);
    for _ in 0..16 {
        hand.says(wire::data(1, &[0; 16_384], false));
    }
    for _ in 0..200 {
        hand.says(wire::data(3, &[0; 16_384], false));
        let bytes = body_bytes(&hand.events());
        hand.end.connection.release(read, bytes);
        hand.frames();
    }
    hand.lives();
}

#[test]
fn a_reader_of_whole_messages_is_never_starved_of_credit() {
    for len in [1, 100, 16_384, 40_000, 65_535, 65_536, 131_070, 200_000] {
        let mut hand = small();
        let stream = hand.request(1, Then::More);
        let (mut window, mut total) = (WINDOW as i64, WINDOW as i64);
        let (mut left, mut unread) = (3 * len, 0);
        while left > 0 {
            let step = left.min(16_384).min(window.min(total) as usize);
            if step == 0 {
                // The application has not got its message, and reads what there is.
                hand.end.connection.release(stream, unread);
                unread = 0;
            } else {
                hand.says(wire::data(1, &vec![0; step], false));
                (window, total) = (window - step as i64, total - step as i64);
                (left, unread) = (left - step, unread + step);
            }
            if left.is_multiple_of(len) {
                hand.end.connection.release(stream, unread);
                unread = 0;
            }
            let granted = grants(&mut hand);
            assert!(
                step > 0 || !granted.is_empty(),
                "stuck with {left} of {len}"
            );
            for (id, bytes) in granted {
                *(if id == 0 { &mut total } else { &mut window }) += i64::from(bytes);
            }
        }
    }
}

#[test]
fn a_body_that_nobody_wants_is_credited_as_it_comes() {
    let mut hand = small();
    let stream = hand.request(1, Then::More);
    hand.says(wire::data(1, &[0; 16_384], false));
    hand.end.connection.discard(stream);
    hand.events();
    for _ in 0..50 {
        hand.says(wire::data(1, &[0; 16_384], false));
        hand.frames();
    }
    assert_eq!(body_bytes(&hand.events()), 0);
    hand.lives();
}

#[test]
fn window_that_a_stream_cannot_use_is_left_to_the_others() {
    let mut hand = Hand::client();
    hand.says(wire::settings(&[(4, 1_000), (3, 2)]));
    hand.frames();
    let first = hand.open(Then::More);
    let second = hand.open(Then::More);
    let waits = hand.open(Then::More);
    for stream in [first, waits, second] {
        hand.send(stream, &[7; 60_000], Then::End);
    }
    let frames = hand.frames();
    assert_eq!(data_lengths(&frames, 1), [1_000]);
    assert_eq!(data_lengths(&frames, 3), [1_000]);
    // All the rest of the connection's window is there for whoever gets stream window.
    hand.says(wire::window_update(3, 59_000));
    let sent: usize = data_lengths(&hand.frames(), 3).iter().sum();
    assert_eq!(sent, 59_000);
}

#[test]
fn what_is_cancelled_gives_its_window_back() {
    let (mut hand, first) = open(Role::Client);
    hand.says(wire::settings(&[(4, 1_000_000)]));
    let second = hand.open(Then::More);
    hand.send(first, &[7; 65_536], Then::More);
    hand.end.connection.reset(first, ErrorCode::CANCEL);
    hand.send(second, &[7; 65_535], Then::End);
    let frames = hand.frames();
    assert_eq!(data_lengths(&frames, 1), [0; 0], "dropped with its stream");
    assert_eq!(data_lengths(&frames, 3).iter().sum::<usize>(), WINDOW);
}

#[test]
fn a_window_may_be_set_for_one_stream_at_any_time() {
    let mut hand = Hand::server();
    let [narrow, wide] = [1, 3].map(|id| hand.request(id, Then::More));
    let initial = Config::default().stream_window_bytes;
    let connection = &mut hand.end.connection;
    assert!(connection.set_receive_window(narrow, 1_000));
    assert!(connection.set_receive_window(wide, 600_000));
    // What was announced is not taken back, and what is more is announced at once.
    assert_eq!(grants(&mut hand), [(3, 600_000 - initial)]);
    for _ in 0..16 {
        hand.says(wire::data(1, &[0; 16_384], false));
    }
    hand.end.connection.release(narrow, initial as usize);
    let granted = |grants: Vec<(u32, u32)>, stream| {
        let mut of = grants.into_iter().filter(|grant| grant.0 == stream);
        of.next().map(|grant| grant.1)
    };
    assert_eq!(granted(grants(&mut hand), 1), Some(1_000));
    // It stays so when it is read, and at 0 there is nothing more to come.
    hand.says(wire::data(1, &[0; 1_000], false));
    hand.end.connection.release(narrow, 1_000);
    assert_eq!(granted(grants(&mut hand), 1), Some(1_000));
    hand.end.connection.set_receive_window(narrow, 0);
    hand.says(wire::data(1, &[0; 1_000], false));
    hand.end.connection.release(narrow, 1_000);
    assert_eq!(granted(grants(&mut hand), 1), None);
    hand.end.connection.set_receive_window(narrow, u32::MAX);
    assert_eq!(granted(grants(&mut hand), 1), Some((1 << 31) - 1));
    hand.says(wire::data(1, b"x", true));
    hand.lives();
    hand.cancel(narrow);
    hand.end.connection.release(narrow, 1);
    assert!(
        !hand.end.connection.set_receive_window(narrow, 1),
        "it is gone"
    );
    hand.end.connection.check();
}

#[test]
fn a_window_is_not_set_before_our_settings_are_acknowledged() {
    let mut hand = Hand::over(End::new(Role::Server, Config::default()));
    hand.says(wire::PREFACE).says(wire::settings(&[]));
    hand.frames();
    let stream = hand.request(1, Then::More);
    assert!(!hand.end.connection.set_receive_window(stream, 10));
    hand.says(wire::settings_ack());
    assert!(hand.end.connection.set_receive_window(stream, 10));
}
