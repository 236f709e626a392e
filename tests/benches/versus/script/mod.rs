//! A peer that costs next to nothing: it reads frame heads, and writes header blocks that were encoded before.
//!
//! Blocks are encoded in the order in which they will be sent, between the rounds and with one encoder for the life of
//! the connection, so that the engine's decoder meets what it would meet in a pair: a dynamic table in use. A script
//! answers a connection's frames (SETTINGS, PING), keeps to the windows and gives credit back by half windows.

mod client;
mod frames;
mod server;

use std::collections::VecDeque;

use bytes::BytesMut;
use raddle_hpack::{Encoder, Indexing};

use crate::{
    wire::Wire,
    workload::{Seen, Workload},
};

pub(crate) use client::ScriptClient;
use frames::{DATA, Frames, HEAD_LEN, Head, PING, SETTINGS, WINDOW_UPDATE};
pub(crate) use server::ScriptServer;

/// Payload of a DATA frame, at most.
const FRAME_LEN: usize = 16_384;
const WINDOW_INITIAL: i64 = 65_535;
/// Room on the wire for a head, its trailers and a body in one frame each.
const MESSAGE_ROOM: usize = FRAME_LEN + 8 * 1024;

/// Header blocks in the order of their use.
#[derive(Debug)]
struct Blocks {
    encoder: Encoder,
    bytes: BytesMut,
    ends: Vec<usize>,
    next: usize,
}

impl Blocks {
    fn new() -> Self {
        Self {
            encoder: Encoder::new(4_096),
            bytes: BytesMut::new(),
            ends: Vec::new(),
            next: 0,
        }
    }

    /// Forgets what was used, which must be all.
    fn restart(&mut self) {
        assert_eq!(
            self.next,
            self.ends.len(),
            "the encoder's table is in step with what was sent"
        );
        self.bytes.clear();
        self.ends.clear();
        self.next = 0;
    }

    fn push(&mut self, fields: &[(&str, &str)]) {
        self.encoder.begin(&mut self.bytes);
        for (name, value) in fields {
            let (name, value) = (name.as_bytes(), value.as_bytes());
            self.encoder
                .field(name, value, Indexing::Auto, &mut self.bytes);
        }
        self.ends.push(self.bytes.len());
    }

    fn next(&mut self) -> &[u8] {
        let start = self
            .next
            .checked_sub(1)
            .map_or(0, |before| self.ends[before]);
        let end = self.ends[self.next];
        self.next += 1;
        &self.bytes[start..end]
    }
}

/// A body on its way out.
#[derive(Clone, Copy, Debug)]
struct Sending {
    id: u32,
    /// Bytes that are still to go.
    left: usize,
    window: i64,
    /// Whether nothing is added any more.
    whole: bool,
    /// Whether the last frame of it ends the stream.
    ends: bool,
}

/// What both roles do.
#[derive(Debug)]
struct Script {
    frames: Frames,
    /// Frames of the connection that wait for room.
    owed: Vec<u8>,
    window: i64,
    stream_window: i64,
    sending: VecDeque<Sending>,
    template: Vec<u8>,
    credit: Credit,
    seen: Seen,
}

/// What the script has received and not given back.
#[derive(Debug)]
struct Credit {
    connection: usize,
    connection_half: usize,
    /// Streams, where a body can be larger than half a window.
    streams: Vec<(u32, usize)>,
    stream_half: usize,
    by_stream: bool,
}

impl Script {
    fn new(workload: &Workload, opening: &[u8], skip: usize) -> Self {
        let (up, down) = workload.bodies();
        let stream_half = workload.stream_window as usize / 2;
        Self {
            frames: Frames::new(skip),
            owed: opening.to_vec(),
            window: WINDOW_INITIAL,
            stream_window: WINDOW_INITIAL,
            sending: VecDeque::new(),
            template: vec![b's'; FRAME_LEN],
            credit: Credit {
                connection: 0,
                connection_half: workload.connection_window as usize / 2,
                streams: Vec::new(),
                stream_half,
                by_stream: up.len().max(down.len()) > stream_half,
            },
            seen: Seen::default(),
        }
    }

    /// Takes the next frame off the wire, and does what does not depend on the role.
    fn next(&mut self, wire: &mut Wire) -> Option<Head> {
        let (head, payload) = self.frames.next(wire)?;
        match head.kind {
            DATA => self.credit(head),
            SETTINGS if !head.has(frames::ACK) => {
                for entry in payload.chunks_exact(6) {
                    if entry[..2] == [0, 4] {
                        self.stream_window = i64::from(frames::number(&entry[2..]));
                    }
                }
                frames::push(&mut self.owed, SETTINGS, frames::ACK, 0, &[]);
            }
            PING if !head.has(frames::ACK) => {
                frames::push(&mut self.owed, PING, frames::ACK, 0, payload);
            }
            WINDOW_UPDATE => {
                let credit = i64::from(frames::number(payload));
                if head.id == 0 {
                    self.window += credit;
                } else if let Some(sending) = self.sending.iter_mut().find(|s| s.id == head.id) {
                    sending.window += credit;
                }
            }
            frames::RST_STREAM | frames::GOAWAY => panic!("the script is refused: {head:?}"),
            _ => {}
        }
        Some(head)
    }

    fn credit(&mut self, head: Head) {
        self.seen.body_bytes += head.len as u64;
        let credit = &mut self.credit;
        credit.connection += head.len;
        if credit.connection >= credit.connection_half {
            frames::push_credit(&mut self.owed, 0, credit.connection);
            credit.connection = 0;
        }
        if !credit.by_stream {
            return;
        }
        let at = credit.streams.iter().position(|(id, _)| *id == head.id);
        let at = at.unwrap_or_else(|| {
            credit.streams.push((head.id, 0));
            credit.streams.len() - 1
        });
        if head.ends() {
            credit.streams.swap_remove(at);
            return;
        }
        let stream = &mut credit.streams[at];
        stream.1 += head.len;
        if stream.1 >= credit.stream_half {
            frames::push_credit(&mut self.owed, head.id, stream.1);
            stream.1 = 0;
        }
    }

    /// Writes what is owed; answers whether that is all.
    fn write_owed(&mut self, wire: &mut Wire) -> bool {
        if wire.room() < self.owed.len() {
            return false;
        }
        wire.write(&self.owed);
        self.owed.clear();
        true
    }

    fn write_block(&self, wire: &mut Wire, id: u32, ends: bool, block: &[u8]) {
        let flags = frames::END_HEADERS | if ends { frames::END_STREAM } else { 0 };
        wire.write(&frames::head(block.len(), frames::HEADERS, flags, id));
        wire.write(block);
    }

    /// Begins a body.
    fn begin(&mut self, id: u32, left: usize, whole: bool, ends: bool) {
        self.sending.push_back(Sending {
            id,
            left,
            window: self.stream_window,
            whole,
            ends,
        });
    }

    /// Writes bodies, a frame of each stream in turn, until nothing can go.
    fn write_bodies(&mut self, wire: &mut Wire) {
        let mut stuck = 0;
        while stuck < self.sending.len() {
            let Some(mut sending) = self.sending.pop_front() else {
                return;
            };
            let window = self.window.min(sending.window).max(0) as usize;
            let room = wire.room().saturating_sub(HEAD_LEN);
            let len = sending.left.min(FRAME_LEN).min(window);
            let last = sending.whole && len == sending.left;
            if len > room || (len == 0 && !last) {
                self.sending.push_back(sending);
                stuck += 1;
                continue;
            }
            stuck = 0;
            let flags = if last && sending.ends {
                frames::END_STREAM
            } else {
                0
            };
            wire.write(&frames::head(len, DATA, flags, sending.id));
            wire.write(&self.template[..len]);
            self.window -= len as i64;
            sending.window -= len as i64;
            sending.left -= len;
            if !last {
                self.sending.push_back(sending);
            }
        }
    }
}
