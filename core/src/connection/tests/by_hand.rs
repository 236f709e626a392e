//! One end alone, whose peer is written by hand.

use std::vec::Vec;

use super::pair::End;
use crate::{Config, ErrorCode, Role, StreamHandle, Then, Timestamp, Violation};

/// Kinds of frames.
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const PING: u8 = 6;
pub(super) const WINDOW_UPDATE: u8 = 8;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A header block: GET https://a/.
pub(super) const GET: &[u8] = &[0x82, 0x87, 0x84, 0x41, 0x01, b'a'];
/// A header block: POST https://a/.
pub(super) const POST: &[u8] = &[0x83, 0x87, 0x84, 0x41, 0x01, b'a'];
/// A header block: 200.
pub(super) const OK: &[u8] = &[0x88];

pub(super) fn millis(millis: u64) -> Timestamp {
    Timestamp(millis * 1_000_000)
}

pub(super) fn seconds(seconds: u64) -> Timestamp {
    millis(seconds * 1_000)
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    let head = [len[1], len[2], len[3], kind, flags];
    [&head[..], &stream.to_be_bytes(), payload].concat()
}

/// HEADERS with all of a block.
pub(super) fn head(stream: u32, block: &[u8], end: bool) -> Vec<u8> {
    frame(HEADERS, 4 | u8::from(end), stream, block)
}

pub(super) fn update(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

pub(super) fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])
}

/// SETTINGS with these entries.
pub(super) fn settings(entries: &[(u16, u32)]) -> Vec<u8> {
    let entry = |&(id, value): &(u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
    let payload: Vec<_> = entries.iter().flat_map(entry).collect();
    frame(4, 0, 0, &payload)
}

/// An end that has exchanged SETTINGS with a peer of these.
pub(super) fn ready(role: Role, config: Config, entries: &[(u16, u32)]) -> End {
    let mut end = End::new(role, config);
    end.output(seconds(0));
    let preface = match role {
        Role::Server => PREFACE,
        Role::Client => &[],
    };
    let ack = frame(4, 1, 0, &[]);
    let bytes = [preface, &settings(entries), &ack].concat();
    end.input(&bytes, seconds(0));
    end.output(seconds(0));
    end.take_events();
    end
}

/// Opens a request, and lets it out.
pub(super) fn open(end: &mut End, now: Timestamp) -> StreamHandle {
    let stream = end.connection.open(super::get("/"), Then::End).unwrap();
    end.output(now);
    stream
}

/// Opens a request, lets it out, and gives it up.
pub(super) fn cancel(end: &mut End, now: Timestamp) {
    let stream = open(end, now);
    end.connection.reset(stream, ErrorCode::CANCEL);
    end.output(now);
}

/// Lets the deadlines up to `now` pass.
pub(super) fn pass(end: &mut End, now: Timestamp) {
    while let Some(due) = end.connection.poll_timeout().filter(|&due| due <= now) {
        end.connection.handle_timeout(due);
        end.output(due);
    }
}

/// What has ended the connection.
pub(super) fn violation(end: &End) -> Option<Violation> {
    end.connection.error().and_then(|error| error.violation)
}
