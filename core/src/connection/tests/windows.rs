//! Receive windows that follow the path.

use core::time::Duration;
use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;

use bytes::Bytes;

use super::{pair::Pair, post};
use crate::{Config, Event, StreamHandle, Then};

const MIB: u32 = 1024 * 1024;

/// How long bytes are on their way, in steps.
const DELAY: usize = 4;

/// A client that uploads over a path with a delay, to a server which reads some streams.
struct Upload {
    pair: Pair,
    sent: StreamHandle,
    /// Whether the server reads the stream with this identifier.
    reads: fn(u32) -> bool,
    up: VecDeque<Vec<u8>>,
    down: VecDeque<Vec<u8>>,
}

impl Upload {
    fn new(server: Config) -> Self {
        let mut pair = Pair::new(Config::default(), server);
        pair.settle();
        let sent = pair.client.connection.open(post("/"), Then::More).unwrap();
        pair.settle();
        Self {
            pair,
            sent,
            reads: |_| true,
            up: VecDeque::from(vec![Vec::new(); DELAY]),
            down: VecDeque::from(vec![Vec::new(); DELAY]),
        }
    }

    /// One step, in which the client has up to `bytes` to send, if its windows let it.
    fn step(&mut self, mut bytes: usize) {
        let Pair {
            client,
            server,
            now,
            ..
        } = &mut self.pair;
        client.input(&self.down.pop_front().unwrap(), *now);
        let mut up = Vec::new();
        loop {
            let room = client.connection.writable(self.sent).min(bytes);
            let mut data = Bytes::from(vec![0; room]);
            client
                .connection
                .send_data(self.sent, &mut data, Then::More)
                .unwrap();
            bytes -= room;
            let out = client.output(*now);
            if out.is_empty() {
                break;
            }
            up.extend(out);
        }
        self.up.push_back(up);
        server.input(&self.up.pop_front().unwrap(), *now);
        for event in server.take_events() {
            if let Event::Data { stream, data, .. } = event {
                let id = server.connection.stream_id(stream).unwrap().to_u32();
                // To release nothing is not to read.
                let read = if (self.reads)(id) { data.len() } else { 0 };
                server.connection.release(stream, read);
            }
        }
        self.down.push_back(server.output(*now));
        server.connection.check();
        *now = now.after(Duration::from_millis(10));
    }

    fn steps(&mut self, count: usize, bytes: usize) {
        for _ in 0..count {
            self.step(bytes);
        }
    }

    fn next_stream(&mut self) {
        let client = &mut self.pair.client.connection;
        self.sent = client.open(post("/"), Then::More).unwrap();
    }

    fn window(&self) -> u32 {
        self.pair.server.connection.receive_window()
    }

    fn held(&self) -> u64 {
        let holders = self.pair.server.connection.holders();
        holders.map(|(_, bytes)| bytes).sum()
    }
}

#[test]
fn windows_grow_until_one_stream_fills_the_path_and_shrink_with_it() {
    let mut upload = Upload::new(Config::default());
    assert_eq!(upload.window(), MIB);
    // 80 ms at 6 MiB/s are half a mebibyte, which a stream's window then holds twice.
    upload.steps(400, 64 * 1024);
    assert_eq!(upload.window(), 4 * MIB);
    upload.steps(120, MIB as usize);
    assert_eq!(upload.window(), 8 * MIB, "and no further");
    upload.steps(3_000, 2 * 1024);
    assert_eq!(upload.window(), MIB);
    // Nothing is lost on the way: what was announced comes to the target again.
    upload.steps(200, MIB as usize);
    assert!(upload.window() >= 2 * MIB);
}

#[test]
fn a_stream_that_nobody_reads_keeps_the_window_it_has() {
    let mut upload = Upload::new(Config::default());
    upload.reads = |_| false;
    upload.steps(100, MIB as usize);
    assert_eq!((upload.held(), upload.window()), (256 * 1024, MIB));
    // Another has the rest of the connection's window to itself.
    upload.next_stream();
    upload.steps(100, MIB as usize);
    assert_eq!((upload.held(), upload.window()), (512 * 1024, MIB));
}

#[test]
fn a_stream_that_nobody_reads_does_not_grow_with_those_beside_it() {
    let mut upload = Upload::new(Config::default());
    upload.reads = |id| id != 1;
    let unread = upload.sent;
    upload.steps(10, 10 * 1024);
    upload.next_stream();
    upload.steps(160, MIB as usize);
    assert_eq!((upload.held(), upload.window()), (100 * 1024, 8 * MIB));
    upload.sent = unread;
    upload.steps(20, MIB as usize);
    assert_eq!(upload.held(), 256 * 1024);
}

#[test]
fn what_is_held_without_a_reader_shrinks_with_the_windows() {
    let mut upload = Upload::new(Config::default());
    upload.steps(160, MIB as usize);
    assert_eq!(upload.window(), 8 * MIB);
    // What the peer was promised it keeps, so that the windows themselves follow as they are used.
    upload.steps(1_600, 8 * 1024);
    assert_eq!(upload.window(), MIB);
    upload.reads = |_| false;
    upload.steps(20, MIB as usize);
    assert_eq!(upload.held(), 256 * 1024, "by one stream");
    for _ in 0..5 {
        upload.next_stream();
        upload.steps(20, MIB as usize);
    }
    assert_eq!(upload.held(), u64::from(MIB), "by all of them");
}

#[test]
fn fixed_windows_send_no_ping() {
    let fixed = Config {
        connection_window_bytes_max: 0,
        ..Config::default()
    };
    let mut upload = Upload::new(fixed);
    upload.steps(100, MIB as usize);
    assert_eq!(upload.window(), MIB);
    assert_eq!(upload.pair.client.connection.stats().defences.pings, 0);
}
