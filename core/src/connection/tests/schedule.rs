//! Who sends next, and how windows hold senders back.

use std::vec;
use std::vec::Vec;

use bytes::{Buf, Bytes, BytesMut};

use super::{pair::Pair, post};
use crate::{Config, Connection, ErrorCode, Priority, StreamHandle, Then, Transmit, Waiting, wire};

const MIB: usize = 1024 * 1024;

/// One DATA frame: its stream and its length in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sent {
    stream: u32,
    len: usize,
}

/// A client with windows of the server's that never close, and so many uploads that never end.
fn uploads(count: usize) -> (Pair, Vec<StreamHandle>) {
    let wide = Config {
        stream_window_bytes: (1 << 31) - 1,
        connection_window_bytes: (1 << 31) - 1,
        ..Config::default()
    };
    let mut pair = Pair::new(Config::default(), wide);
    pair.settle();
    let client = &mut pair.client.connection;
    let streams = (0..count).map(|_| client.open(post("/"), Then::More).unwrap());
    let streams = streams.collect();
    pair.settle();
    (pair, streams)
}

/// Cuts one round of frames, with every stream's buffer kept full; what of it is DATA.
fn cut(client: &mut Connection, out: &mut Transmit, streams: &[StreamHandle]) -> Vec<Sent> {
    for &stream in streams {
        let room = client.writable(stream);
        let _ = client.send_data(stream, &mut Bytes::from(vec![0; room]), Then::More);
    }
    client.poll_transmit(out, crate::Timestamp(0));
    client.check();
    let mut bytes = BytesMut::from(&out.copy_to_bytes(out.remaining())[..]);
    let mut sent = Vec::new();
    while !bytes.is_empty() {
        let len = wire::u24(&bytes) as usize;
        if bytes[3] == 0 {
            let stream = wire::u32(&bytes[5..]);
            sent.push(Sent { stream, len });
        }
        bytes.advance(9 + len);
    }
    sent
}

fn cut_bytes(
    client: &mut Connection,
    out: &mut Transmit,
    streams: &[StreamHandle],
    bytes: usize,
) -> Vec<Sent> {
    let mut sent: Vec<Sent> = Vec::new();
    while sent.iter().map(|frame| frame.len).sum::<usize>() < bytes {
        sent.extend(cut(client, out, streams));
    }
    sent
}

/// Jain's index of fairness: 1 when all shares are alike, 1/n when one has all.
fn jain(shares: &[usize]) -> f64 {
    let sum: f64 = shares.iter().map(|&share| share as f64).sum();
    let squares: f64 = shares.iter().map(|&share| (share as f64).powi(2)).sum();
    sum * sum / (shares.len() as f64 * squares)
}

#[test]
fn equal_streams_get_equal_shares_of_any_mebibyte() {
    let (mut pair, streams) = uploads(32);
    let sent = cut_bytes(
        &mut pair.client.connection,
        &mut Transmit::new(),
        &streams,
        8 * MIB,
    );
    for start in 0..sent.len() {
        let mut shares = [0; 32];
        let mut bytes = 0;
        for frame in &sent[start..] {
            if bytes + frame.len > MIB {
                break;
            }
            bytes += frame.len;
            shares[(frame.stream / 2) as usize] += frame.len;
        }
        if bytes + 16_384 < MIB {
            break;
        }
        let index = jain(&shares);
        assert!(index > 0.99, "{index} from frame {start} on: {shares:?}");
    }
}

#[test]
fn nobody_waits_for_longer_than_one_turn_of_each() {
    let (mut pair, streams) = uploads(32);
    let sent = cut_bytes(
        &mut pair.client.connection,
        &mut Transmit::new(),
        &streams,
        4 * MIB,
    );
    for stream in (1..64).step_by(2) {
        let turns = sent
            .iter()
            .enumerate()
            .filter(|(_, frame)| frame.stream == stream);
        let at: Vec<usize> = turns.map(|(at, _)| at).collect();
        assert!(at[0] < 32);
        assert!(at.windows(2).all(|pair| pair[1] - pair[0] <= 32), "{at:?}");
    }
}

// RFC 9218 §4.1: the more urgent first. §10: what is of no use in parts is cut less often.
#[test]
fn urgency_goes_first_and_messages_that_are_no_use_in_parts_take_longer_turns() {
    let (mut pair, streams) = uploads(4);
    let client = &mut pair.client.connection;
    let at = |urgency, incremental| Priority {
        urgency,
        incremental,
    };
    client.prioritize(streams[1], at(2, true));
    client.prioritize(streams[2], at(2, false));
    client.prioritize(streams[3], at(5, true));
    let sent = cut_bytes(client, &mut Transmit::new(), &streams, 4 * MIB);
    let share = |stream| {
        let frames = sent.iter().filter(|frame| frame.stream == stream);
        frames.map(|frame| frame.len).sum::<usize>()
    };
    assert_eq!(
        (share(1), share(7)),
        (0, 0),
        "less urgent than two that never rest"
    );
    let ratio = share(5) as f64 / share(3) as f64;
    assert!((3.5..4.5).contains(&ratio), "{ratio}");
    // When nobody is urgent any more the others go on.
    client.reset(streams[1], ErrorCode::CANCEL);
    client.reset(streams[2], ErrorCode::CANCEL);
    let sent = cut_bytes(client, &mut Transmit::new(), &streams, MIB);
    assert!(sent.iter().all(|frame| frame.stream == 1));
}

#[test]
fn a_turn_that_the_connection_cuts_short_is_made_up_for() {
    let mut pair = Pair::established();
    let client = &mut pair.client.connection;
    let streams: Vec<_> = (0..2)
        .map(|_| client.open(post("/"), Then::More).unwrap())
        .collect();
    let mut out = Transmit::new();
    cut(client, &mut out, &streams);
    for stream in [1, 3] {
        client.handle_input(&mut window_update(stream, 1 << 30), crate::Timestamp(0));
    }
    while !cut(client, &mut out, &streams).is_empty() {}
    // Were a turn over with the frame that a small grant makes, one stream would have all the small ones.
    let mut shares = [0; 2];
    for grant in [100, 16_384].repeat(40) {
        client.handle_input(&mut window_update(0, grant), crate::Timestamp(0));
        for frame in cut(client, &mut out, &streams) {
            shares[(frame.stream / 2) as usize] += frame.len;
        }
    }
    assert_eq!(shares[0] + shares[1], 40 * 16_484);
    let difference = shares[0].abs_diff(shares[1]);
    assert!(difference <= 32_768, "{shares:?}");
}

fn window_update(stream: u32, increment: u32) -> BytesMut {
    let mut frame = BytesMut::from(&[0, 0, 4, 8, 0][..]);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(&increment.to_be_bytes());
    frame
}

/// A SETTINGS frame with SETTINGS_INITIAL_WINDOW_SIZE alone.
fn initial_window(bytes: u32) -> BytesMut {
    let mut frame = BytesMut::from(&[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4][..]);
    frame.extend_from_slice(&bytes.to_be_bytes());
    frame
}

// RFC 9113 §6.9.2
#[test]
fn streams_follow_the_initial_window_up_and_down() {
    let (mut pair, streams) = uploads(8);
    let client = &mut pair.client.connection;
    let mut out = Transmit::new();
    // All windows close, each as far below zero as its stream has sent.
    let first: usize = cut(client, &mut out, &streams)
        .iter()
        .map(|frame| frame.len)
        .sum();
    client.handle_input(&mut initial_window(0), crate::Timestamp(0));
    assert!(cut(client, &mut out, &streams).is_empty());
    assert!(!client.wants_transmit());
    for &stream in &streams {
        assert_eq!(client.explain(stream), Waiting::StreamWindow);
    }
    // They open again, and each gets what it has not had.
    let second = cut_until_dry(client, &mut out, &streams, 40_000);
    assert_eq!(first + second, 8 * 40_000);
    let more = cut_until_dry(client, &mut out, &streams, 40_001);
    assert_eq!(more, 8);
    // Up and down in one input changes nothing.
    let mut toggles = BytesMut::new();
    for bytes in [1 << 30, 0, 70_000, 40_001] {
        toggles.extend_from_slice(&initial_window(bytes));
    }
    client.handle_input(&mut toggles, crate::Timestamp(0));
    client.check();
    assert!(cut(client, &mut out, &streams).is_empty());
}

/// How many bytes go out when the initial window is `bytes`, counted from when it was zero or what it was before.
fn cut_until_dry(
    client: &mut Connection,
    out: &mut Transmit,
    streams: &[StreamHandle],
    bytes: u32,
) -> usize {
    client.handle_input(&mut initial_window(bytes), crate::Timestamp(0));
    let mut sum = 0;
    loop {
        let sent = cut(client, out, streams);
        if sent.is_empty() {
            return sum;
        }
        sum += sent.iter().map(|frame| frame.len).sum::<usize>();
    }
}
