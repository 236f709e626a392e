//! Races on one connection, by number: G about GOAWAY, B about resets and the end of streams, C about flow control, D
//! about SETTINGS, E about header blocks, F about liveness and time, H about the transport, S about messages. Each test
//! plays one interleaving against an engine and asserts its outcome.
//!
//! What an engine does not decide alone is played elsewhere, by the same numbers; `sim/src/races/table.rs` names the place
//! of each. Of E03, a task that stops between encoding and writing, is left that blocks are encoded where frames are cut.

mod blocks;
mod goaway;
mod liveness;
mod messages;
mod resets;
mod settings;
mod transport;
mod windows;

use bytes::Bytes;
use raddle_core::{
    Config, ErrorCode, Event, Lifecycle, OpenError, Origin, RequestHead, ResponseHead, Retry, Role,
    StreamHandle, Then, Timestamp, TransportEnd, Violation, Waiting,
};
use raddle_tests::{
    engine::{End, Pair, assert_ends_once, get, post},
    hand::{Hand, OK, data_lengths},
    wire::{self, Frame, GET, POST, flag, kind},
};

const WINDOW_MAX: u32 = (1 << 31) - 1;
const CANCEL: u32 = 8;
const REFUSED: u32 = 7;

/// A client with `N` requests on the wire, of which every body is still to come.
fn asking<const N: usize>() -> (Hand, [StreamHandle; N]) {
    let mut hand = Hand::client();
    let streams = [(); N].map(|()| hand.open(Then::More));
    hand.events();
    (hand, streams)
}

/// A server with one request whose body is still to come.
fn asked() -> (Hand, StreamHandle) {
    let mut hand = Hand::server();
    let stream = hand.request(1, Then::More);
    hand.events();
    (hand, stream)
}

fn transport_ends(hand: &mut Hand, how: TransportEnd) {
    hand.end.connection.handle_transport_end(how, hand.end.now);
    hand.end.connection.check();
}

/// The kinds of the frames.
fn kinds(frames: &[Frame]) -> Vec<u8> {
    frames.iter().map(|frame| frame.kind).collect()
}

/// Windows of both kinds as the protocol starts with them.
fn small() -> Config {
    Config {
        stream_window_bytes: 65_535,
        connection_window_bytes: 65_535,
        ..Config::default()
    }
}

/// What the frames grant to stream 0.
fn granted(frames: &[Frame]) -> u32 {
    let updates = frames
        .iter()
        .filter(|frame| frame.is(kind::WINDOW_UPDATE, 0));
    updates.map(|frame| frame.number(0)).sum()
}
