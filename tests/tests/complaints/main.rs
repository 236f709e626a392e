//! What users of HTTP/2 libraries and pools complain about most, played against ours. `docs/scenarios.md` has the list,
//! with the reports that it comes from; complaints that an older test answers are named there, too.

mod adapter;
mod credit;
mod drains;
mod ends;
mod line;
mod path;
mod streams;
mod windows;

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use raddle_core::{
    Config, Connection, ErrorCode, Event, Input, ResponseHead, Retry, Role, StreamHandle, Then,
    Timestamp, Transmit, TransportEnd, Waiting,
};
use raddle_tests::{
    engine::{End, Pair, get, post},
    hand::{Hand, OK, data_lengths},
    wire::{self, Frame, GET, POST, kind},
};

/// Windows of one size for the connection and each stream, which nothing moves.
fn fixed(stream: u32, connection: u32) -> Config {
    Config {
        stream_window_bytes: stream,
        connection_window_bytes: connection,
        connection_window_bytes_max: 0,
        ..Config::default()
    }
}

/// The streams of the requests among these events.
fn requests(events: &[Event]) -> Vec<StreamHandle> {
    let streams = events.iter().filter_map(|event| match event {
        Event::Request { stream, .. } => Some(*stream),
        _ => None,
    });
    streams.collect()
}

/// Answers a request with status 200 and nothing else.
fn answer(server: &mut Connection, stream: StreamHandle) {
    let head = ResponseHead::new(200).finish();
    server.respond(stream, head, Then::End).unwrap();
}

/// The bytes of DATA among the frames.
fn data_bytes(frames: &[Frame]) -> usize {
    let data = frames.iter().filter(|frame| frame.kind == kind::DATA);
    data.map(|frame| frame.payload.len()).sum()
}

/// What the frames grant to the connection.
fn granted(frames: &[Frame]) -> usize {
    let updates = frames
        .iter()
        .filter(|frame| frame.is(kind::WINDOW_UPDATE, 0));
    updates.map(|frame| frame.number(0) as usize).sum()
}
