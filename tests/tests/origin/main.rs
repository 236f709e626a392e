//! The twenty traps of the design that raddle grew out of, each at the layer where it belongs: `senders`, `receivers`
//! and `ends` are the engine's, `adapter` is about sockets and tasks, `pool` about connections. Each test fails on a
//! house that is built the naive way.

mod adapter;
mod ends;
mod pool;
mod receivers;
mod senders;

use std::collections::BTreeSet;

use bytes::Bytes;
use raddle_core::{
    Config, ErrorCode, Event, OpenError, Origin, ResponseHead, Retry, Role, SendError,
    StreamHandle, Then, Timestamp, TransportEnd, Violation, Waiting,
};
use raddle_tests::{
    engine::{End, Pair, assert_ends_once, get, post},
    wire::{self, GET, flag, kind},
};

const OK: &[(&str, &str)] = &[(":status", "200")];

fn client() -> End {
    End::established(Role::Client)
}

fn server() -> End {
    End::established(Role::Server)
}

/// The error of a stream that failed.
fn failure(events: &[Event], stream: StreamHandle) -> raddle_core::StreamError {
    let error = events.iter().find_map(|event| match event {
        Event::Failed { stream: at, error } if *at == stream => Some(*error),
        _ => None,
    });
    error.unwrap_or_else(|| panic!("{stream:?} did not fail: {events:?}"))
}

fn request_streams(events: &[Event]) -> Vec<StreamHandle> {
    let streams = events.iter().filter_map(|event| match event {
        Event::Request { stream, .. } => Some(*stream),
        _ => None,
    });
    streams.collect()
}
