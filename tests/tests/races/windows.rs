//! Flow control.

use crate::*;

/// The length of what goes out on stream 1 now.
fn sent(hand: &mut Hand) -> usize {
    data_lengths(&hand.frames(), 1).iter().sum()
}

#[test]
fn c01_a_window_below_what_is_in_flight_is_a_debt() {
    let (mut hand, [stream]) = asking::<1>();
    hand.send(stream, &[0; 60_000], Then::More);
    assert_eq!(sent(&mut hand), 60_000);
    hand.says(wire::settings(&[(4, 0)]));
    hand.send(stream, &[0; 10], Then::More);
    hand.says(wire::window_update(1, 60_000));
    assert_eq!(sent(&mut hand), 0);
    hand.says(wire::window_update(1, 1));
    assert_eq!(sent(&mut hand), 1);
}

#[test]
fn c02_an_empty_end_passes_a_closed_window() {
    let (mut hand, [stream]) = asking::<1>();
    hand.says(wire::settings(&[(4, 0)]));
    hand.frames();
    hand.send(stream, b"", Then::End);
    assert_eq!(hand.end.output(), wire::data(1, b"", true));
}

#[test]
fn c02_an_empty_end_is_taken_in_debt() {
    let config = Config {
        stream_window_bytes: 100,
        ..Config::default()
    };
    let mut hand = Hand::over(End::new(Role::Server, config));
    hand.says(wire::PREFACE).says(wire::settings(&[]));
    hand.frames();
    hand.request(1, Then::More);
    hand.says(wire::data(1, &[0; 10_000], false));
    hand.says(wire::settings_ack());
    hand.says(wire::data(1, b"", true));
    assert!(matches!(
        hand.told.last(),
        Some(Event::Data {
            then: Then::End,
            ..
        })
    ));
    hand.lives();
}

#[test]
fn c03_a_raised_window_wakes_every_stream() {
    let mut hand = Hand::client();
    hand.says(wire::settings(&[(4, 0)]));
    let streams = [(); 50].map(|()| hand.open(Then::More));
    for stream in streams {
        hand.send(stream, &[0; 100], Then::End);
    }
    hand.frames();
    hand.says(wire::settings(&[(4, 100)]));
    let frames = hand.frames();
    for n in 0..50 {
        assert_eq!(data_lengths(&frames, 2 * n + 1), [100]);
    }
}

#[test]
fn c03_a_caller_whose_buffer_was_full_hears_of_room() {
    let (mut hand, [stream]) = asking::<1>();
    let mut body = Bytes::from(vec![0; 70_000]);
    let connection = &mut hand.end.connection;
    connection.send_data(stream, &mut body, Then::End).unwrap();
    assert!(!body.is_empty(), "the buffer is full");
    assert_eq!(sent(&mut hand), 65_535, "and the window used up");
    assert!(hand.events().contains(&Event::Writable { stream }));
}

#[test]
fn c04_windows_that_rise_and_fall_in_one_read_let_nothing_pass() {
    for [rise, fall] in [
        [wire::settings(&[(4, 1_000)]), wire::settings(&[(4, 100)])],
        [wire::window_update(1, 50), wire::settings(&[(4, 50)])],
        [wire::window_update(1, 50), wire::settings(&[(4, 0)])],
    ] {
        let mut hand = Hand::client();
        hand.says(wire::settings(&[(4, 100)]));
        let stream = hand.open(Then::More);
        let mut body = Bytes::from(vec![0; 70_000]);
        let connection = &mut hand.end.connection;
        connection.send_data(stream, &mut body, Then::End).unwrap();
        assert_eq!(sent(&mut hand), 100);
        hand.says([rise, fall].concat());
        assert_eq!(sent(&mut hand), 0);
        let woken = hand.told.contains(&Event::Writable { stream });
        assert!(!woken, "no room was made");
    }
}

#[test]
fn c05_a_stream_window_that_overflows_costs_that_stream() {
    let (mut hand, [first, second]) = asking::<2>();
    hand.says(wire::window_update(1, WINDOW_MAX));
    hand.resets(1, Violation::StreamWindowOverflow);
    assert!(hand.outcome(first).is_some() && hand.outcome(second).is_none());
}

#[test]
fn c06_a_connection_window_that_overflows_costs_everything() {
    let (mut hand, [stream]) = asking::<1>();
    hand.says(wire::window_update(0, WINDOW_MAX));
    hand.ends_with(Violation::ConnectionWindowOverflow);
    assert!(hand.outcome(stream).is_some());
}

#[test]
fn c07_settings_that_overflow_one_of_many_windows_cost_everything() {
    let (mut hand, _) = asking::<20>();
    hand.says(wire::window_update(39, WINDOW_MAX - 65_535));
    hand.says(wire::settings(&[(4, 65_536)]));
    hand.ends_with(Violation::InitialWindowOverflow);
}

#[test]
fn c08_updates_for_closed_streams_are_ignored_and_for_idle_ones_are_errors() {
    let (mut hand, [stream]) = asking::<1>();
    hand.cancel(stream);
    hand.says(wire::window_update(1, WINDOW_MAX));
    hand.ignores();
    hand.says(wire::window_update(3, 1));
    hand.ends_with(Violation::IdleStreamFrame);
}

#[test]
fn c09_updates_of_zero_and_of_wrong_length() {
    let (mut hand, [_]) = asking::<1>();
    hand.says(wire::window_update(1, 0));
    hand.resets(1, Violation::WindowUpdateZeroOnStream);
    hand.says(wire::window_update(0, 0));
    hand.ends_with(Violation::WindowUpdateZeroOnConnection);
    let (mut hand, [_]) = asking::<1>();
    hand.says(wire::frame(kind::WINDOW_UPDATE, 0, 0, &[0; 3]));
    hand.ends_with(Violation::WindowUpdateFrameSize);
}

#[test]
fn c10_padding_counts_whole_and_comes_back_without_the_application() {
    for padding in [0, 1, 128, 255u8] {
        let mut hand = Hand::under(Role::Server, small());
        hand.request(1, Then::More);
        let payload = [&[padding][..], &vec![0; usize::from(padding)]].concat();
        let frame = wire::frame(kind::DATA, flag::PADDED, 1, &payload);
        let frames = 40_000 / payload.len().max(100);
        let mut back = 0;
        for _ in 0..frames {
            hand.says(&frame);
            back += granted(&hand.frames()) as usize;
            hand.end.now = Timestamp(hand.end.now.0 + 100_000_000);
        }
        let came = frames * payload.len();
        assert!(back + 32_768 >= came, "{back} of {came}");
        hand.lives();
    }
}

#[test]
fn c11_a_stream_that_nobody_reads_holds_no_more_than_its_window() {
    let (mut hand, _) = asked();
    let other = hand.request(3, Then::More);
    for _ in 0..16 {
        hand.says(wire::data(1, &[0; 16_384], false));
    }
    for _ in 0..100 {
        hand.says(wire::data(3, &[0; 16_384], false));
        hand.end.connection.release(other, 16_384);
        hand.frames();
    }
    hand.lives();
    hand.says(wire::data(1, b"x", false));
    hand.resets(1, Violation::StreamWindowExceeded);
}

#[test]
fn c12_a_stream_that_is_not_open_yet_takes_no_credit() {
    let mut hand = Hand::client();
    hand.says(wire::settings(&[(3, 1), (4, 1 << 20)]));
    let first = hand.open(Then::More);
    let waits = hand.end.connection.open(post("/"), Then::More).unwrap();
    hand.send(waits, &[0; 60_000], Then::End);
    hand.send(first, &[0; 65_535], Then::End);
    assert_eq!(sent(&mut hand), 65_535);
}

#[test]
fn c13_everybody_reaches_the_last_byte_with_updates_at_zero_only() {
    let mut hand = Hand::client();
    hand.says(wire::settings(&[(4, 1 << 20)]));
    // The first asks for much and sends little; it must not sit on the window.
    let streams = [(); 4].map(|()| hand.open(Then::More));
    for (n, stream) in streams.into_iter().enumerate() {
        hand.send(stream, &vec![0; 60_000 - n], Then::End);
    }
    let mut left = 4 * 60_000 - 6;
    while left > 0 {
        let frames = hand.frames();
        let now: usize = frames.iter().map(|frame| frame.payload.len()).sum();
        assert!(now == 65_535 || now == left, "{now} of {left}");
        left -= now;
        hand.says(wire::window_update(0, 65_535));
    }
}

#[test]
fn c14_what_a_cancelled_stream_wanted_is_there_for_others() {
    let (mut hand, [first, second]) = asking::<2>();
    hand.send(second, &[0; 65_535], Then::More);
    hand.end.connection.reset(second, ErrorCode::CANCEL);
    hand.send(first, &[0; 65_535], Then::End);
    assert_eq!(sent(&mut hand), 65_535);
}

/// A client whose connection window is used up, and `N` streams of it that have `bytes` bytes to send.
fn starving<const N: usize>(bytes: usize) -> Hand {
    let mut hand = Hand::client();
    hand.says(wire::settings(&[(4, 1 << 20)]));
    let filler = hand.open(Then::More);
    hand.send(filler, &[0; 65_535], Then::End);
    for stream in [(); N].map(|()| hand.open(Then::More)) {
        hand.send(stream, &vec![0; bytes], Then::More);
    }
    hand.frames();
    hand
}

/// Grants the connection so many bytes; the streams that send them, and how many.
fn grant(hand: &mut Hand, bytes: u32) -> Vec<(u32, usize)> {
    hand.says(wire::window_update(0, bytes));
    let frames = hand.frames();
    frames
        .iter()
        .map(|frame| (frame.stream, frame.payload.len()))
        .collect()
}

#[test]
fn c15_a_hundred_streams_share_updates_of_one_byte() {
    let mut hand = starving::<100>(300);
    let mut last = Vec::new();
    for update in 0..300 * 100 {
        let sent = grant(&mut hand, 1);
        assert_eq!(sent.len(), 1, "update {update}");
        last.push(sent[0].0);
        // Whichever hundred updates in a row one looks at, each stream has had one of them.
        if let Some(before) = last.len().checked_sub(101) {
            assert_eq!(last[before], last[last.len() - 1], "update {update}");
        }
    }
    last.truncate(100);
    last.sort_unstable();
    last.dedup();
    assert_eq!(last.len(), 100);
}

// A turn is 16,384 bytes: the end of one changes nothing for who gets the next byte.
#[test]
fn c15_bodies_longer_than_a_turn_share_them_as_well() {
    let mut hand = starving::<3>(40_000);
    let first: Vec<u32> = (0..3).map(|_| grant(&mut hand, 1)[0].0).collect();
    for update in 3..3 * 40_000 {
        let sent = grant(&mut hand, 1);
        assert_eq!(sent, [(first[update % 3], 1)], "update {update}");
    }
}

#[test]
fn c15_no_equal_sends_more_than_a_turn_while_another_waits() {
    let mut hand = starving::<5>(60_000);
    let mut shares = [0; 5];
    let mut since = [[0; 5]; 5];
    for update in 0..450_u32 {
        // A large grant always meets the same place in the line, and then one of every other size.
        let size = match update % 5 {
            0 => 2_000,
            _ => update.wrapping_mul(40_503) % 150 + 1,
        };
        for (stream, len) in grant(&mut hand, size) {
            let sender = (stream as usize - 3) / 2;
            shares[sender] += len;
            for (waiter, passed) in since.iter_mut().enumerate() {
                passed[sender] += len;
                let waits = waiter != sender;
                assert!(!waits || passed[sender] <= 16_384, "update {update}");
            }
            since[sender] = [0; 5];
        }
    }
    let (most, least) = (shares.iter().max(), shares.iter().min());
    assert!(most.unwrap() - least.unwrap() <= 16_384, "{shares:?}");
}

#[test]
fn c15_equal_streams_take_turns() {
    let (mut hand, streams) = asking::<2>();
    for stream in streams {
        hand.send(stream, &[0; 32_000], Then::End);
    }
    let frames = hand.frames();
    let order: Vec<_> = frames.iter().map(|frame| frame.stream).collect();
    assert_eq!(order, [1, 3, 1, 3]);
}

#[test]
fn c16_a_sender_at_zero_gets_what_we_owe() {
    let mut hand = Hand::under(Role::Server, small());
    let stream = hand.request(1, Then::More);
    hand.says(wire::data(1, &[0; 16_384], false).repeat(3));
    hand.says(wire::data(1, &[0; 65_535 - 3 * 16_384], false));
    hand.frames();
    hand.end.connection.release(stream, 1);
    let frames = hand.frames();
    assert_eq!(granted(&frames), 1);
    assert!(frames.iter().any(|frame| frame.is(kind::WINDOW_UPDATE, 1)));
}

#[test]
fn c17_data_beyond_our_window_is_an_error() {
    let mut hand = Hand::under(Role::Server, small());
    hand.request(1, Then::More);
    hand.says(wire::data(1, &[0; 16_384], false).repeat(4));
    // The connection's window is as small, and is looked at first.
    hand.ends_with(Violation::ConnectionWindowExceeded);
}

#[test]
fn c18_the_old_window_holds_until_the_peer_acknowledges() {
    let config = Config {
        stream_window_bytes: 100,
        ..Config::default()
    };
    let mut hand = Hand::over(End::new(Role::Server, config));
    hand.says(wire::PREFACE).says(wire::settings(&[]));
    hand.frames();
    hand.request(1, Then::More);
    hand.says(wire::data(1, &[0; 10_000], false));
    hand.lives();
    hand.says(wire::settings_ack());
    hand.says(wire::data(1, b"x", false));
    hand.resets(1, Violation::StreamWindowExceeded);
}

#[test]
fn c19_a_body_that_is_given_up_is_credited_once() {
    let mut hand = Hand::under(Role::Server, small());
    let stream = hand.request(1, Then::More);
    hand.says(wire::data(1, &[0; 16_384], false).repeat(2));
    hand.end.connection.discard(stream);
    assert_eq!(granted(&hand.frames()), 32_768);
    hand.end.connection.release(stream, 100_000);
    assert_eq!(hand.frames(), []);
    hand.end.connection.check();
}

#[test]
fn c20_data_above_our_goaway_keeps_the_connections_credit() {
    let mut hand = Hand::under(Role::Server, small());
    hand.request(1, Then::More);
    hand.end.connection.drain();
    let ping = hand.frames()[1].payload.clone().try_into().unwrap();
    hand.says(wire::ping(ping, true));
    hand.frames();
    hand.says(wire::headers(3, POST, false));
    hand.says(wire::data(3, &[0; 16_384], false).repeat(3));
    assert_eq!(granted(&hand.frames()), 3 * 16_384);
}

#[test]
fn c21_a_smaller_frame_size_cuts_anew_what_waits() {
    let (mut hand, [stream]) = asking::<1>();
    hand.says(wire::settings(&[(5, 1 << 20), (4, 0), (3, 1)]));
    hand.frames();
    hand.send(stream, &[0; 50_000], Then::End);
    // A head waits as well, for a place; a body is never in larger frames than every peer takes.
    let long = "x".repeat(40_000);
    let head = RequestHead::new(b"GET", b"http", Some(b"test"), b"/")
        .field(b"x-long", long.as_bytes())
        .finish();
    hand.end.connection.open(head, Then::End).unwrap();
    assert_eq!(hand.frames(), []);
    hand.says(wire::settings(&[(5, 16_384), (4, 65_535), (3, 2)]));
    let frames = hand.frames();
    let lengths = data_lengths(&frames, 1);
    assert_eq!(lengths, [16_384, 16_384, 16_384, 848]);
    let parts = frames.iter().filter(|frame| frame.stream == 3);
    let lengths: Vec<_> = parts.map(|frame| frame.payload.len()).collect();
    assert!(
        matches!(lengths[..], [16_384, .., 1..16_384]),
        "{lengths:?}"
    );
    // A peer that takes as much gets it in one piece.
    let long = "y".repeat(40_000);
    let head = RequestHead::new(b"GET", b"http", Some(b"test"), b"/")
        .field(b"x-long", long.as_bytes())
        .finish();
    hand.says(wire::settings(&[(5, 1 << 20), (3, 3)]));
    hand.end.connection.open(head, Then::End).unwrap();
    let frames = hand.frames();
    let parts = frames.iter().filter(|frame| frame.stream == 5);
    assert_eq!(parts.count(), 1);
}

#[test]
fn c22_the_edge_of_31_bits_is_exact() {
    for (increment, fine) in [(0, false), (1, true), (WINDOW_MAX - 65_535, true)] {
        let (mut hand, [_]) = asking::<1>();
        hand.says(wire::window_update(0, increment));
        assert_eq!(hand.end.connection.error().is_none(), fine);
    }
    let (mut hand, [_]) = asking::<1>();
    hand.says(wire::window_update(0, WINDOW_MAX - 65_534));
    hand.ends_with(Violation::ConnectionWindowOverflow);
}
