//! Servers that count the PINGs of their clients, as those of gRPC do.

use std::{collections::VecDeque, vec, vec::Vec};

use bytes::Bytes;

use super::{get, pair::Pair};
use crate::{Config, ErrorCode, Event, Lifecycle, ResponseHead, StreamHandle, Then, Timestamp};

const SECOND: u64 = 1_000_000_000;
const PING: u8 = 6;
/// PINGs that come too soon; one more of them ends the connection.
const STRIKES_MAX: u32 = 2;

/// What such a server goes by: a PING within 300 s of the last one is a strike, or within two hours while no stream is open,
/// unless it has sent HEADERS or DATA between them.
#[derive(Default)]
struct Policy {
    last: Option<u64>,
    sent: bool,
    strikes: u32,
}

impl Policy {
    fn ping(&mut self, now: u64, streams: usize) {
        let seconds = if streams == 0 { 7_200 } else { 300 };
        let last = self.last.replace(now);
        if std::mem::take(&mut self.sent) {
            self.strikes = 0;
        } else if last.is_some_and(|last| now - last < seconds * SECOND) {
            self.strikes += 1;
        }
    }
}

/// The kinds of the frames in `bytes`, which are whole, without answers to PING.
fn kinds(mut bytes: &[u8]) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let [a, b, c, kind, flags, ..] = *bytes {
        if (kind, flags) != (PING, 1) {
            kinds.push(kind);
        }
        bytes = &bytes[9 + u32::from_be_bytes([0, a, b, c]) as usize..];
    }
    kinds
}

/// A client of ours and a server of that kind, with a path between them that takes its time.
struct World {
    pair: Pair,
    policy: Policy,
    down: VecDeque<Vec<u8>>,
    client: Vec<StreamHandle>,
    server: Vec<StreamHandle>,
    pings: u32,
    state: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let server = Config {
            keep_alive_interval: None,
            idle_timeout: None,
            stall_timeout: None,
            ..Config::default()
        };
        let mut pair = Pair::new(Config::default(), server);
        pair.settle();
        Self {
            pair,
            policy: Policy::default(),
            down: VecDeque::new(),
            client: Vec::new(),
            server: Vec::new(),
            pings: 0,
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
        }
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % below
    }

    fn draw_of(&mut self, streams: &[StreamHandle]) -> Option<StreamHandle> {
        let at = self.draw(streams.len().max(1) as u64) as usize;
        streams.get(at).copied()
    }

    /// Carries what the client says at once, and what the server says so many outputs later.
    fn carry(&mut self, delay: usize) {
        for _ in 0..8 {
            let now = self.pair.now;
            let up = self.pair.client.output(now);
            for kind in kinds(&up) {
                if kind == PING {
                    self.pings += 1;
                    let streams = self.pair.server.connection.streams.counted();
                    self.policy.ping(now.0, streams);
                }
            }
            self.pair.server.input(&up, now);
            let down = self.pair.server.output(now);
            self.policy.sent |= kinds(&down).iter().any(|kind| matches!(kind, 0 | 1));
            self.down.push_back(down);
            while self.down.len() > delay {
                let down = self.down.pop_front().unwrap_or_default();
                self.pair.client.input(&down, now);
            }
            self.hear();
        }
    }

    fn hear(&mut self) {
        for event in self.pair.server.take_events() {
            match event {
                Event::Request { stream, .. } => self.server.push(stream),
                Event::Failed { stream, .. } | Event::Finished { stream } => {
                    self.server.retain(|&other| other != stream);
                }
                _ => {}
            }
        }
        for event in self.pair.client.take_events() {
            match event {
                Event::Data { stream, data, .. } => {
                    self.pair.client.connection.release(stream, data.len());
                }
                Event::Failed { stream, .. } | Event::Finished { stream } => {
                    self.client.retain(|&other| other != stream);
                }
                _ => {}
            }
        }
    }

    /// Lets time pass, with every deadline of the client's on the way.
    fn wait(&mut self, nanos: u64) {
        let until = Timestamp(self.pair.now.0 + nanos);
        self.carry(0);
        while let Some(due) = self.pair.client.connection.poll_timeout()
            && due <= until
        {
            self.pair.now = due.max(self.pair.now);
            self.pair.client.connection.handle_timeout(due);
            self.carry(0);
        }
        self.pair.now = until;
    }

    fn step(&mut self) {
        match self.draw(9) {
            0 | 1 if self.client.len() < 6 => {
                let client = &mut self.pair.client.connection;
                self.client.extend(client.open(get("/"), Then::End).ok());
            }
            2 | 3 => {
                if let Some(stream) = self.draw_of(&self.client.clone()) {
                    let client = &mut self.pair.client.connection;
                    client.reset(stream, ErrorCode::CANCEL);
                }
            }
            4 => {
                if let Some(stream) = self.draw_of(&self.server.clone()) {
                    let head = ResponseHead::new(200).finish();
                    let server = &mut self.pair.server.connection;
                    // Where it has one already, nothing happens.
                    let _ = server.respond(stream, head, Then::More);
                }
            }
            5 | 6 => {
                if let Some(stream) = self.draw_of(&self.server.clone()) {
                    let bytes = [1, 1_000, 60_000, 60_000][self.draw(4) as usize];
                    let server = &mut self.pair.server.connection;
                    let _ = server.send_data(stream, &mut Bytes::from(vec![0; bytes]), Then::More);
                }
            }
            7 => {
                let nanos = self.draw(SECOND);
                self.wait(nanos);
            }
            _ => {
                let nanos = self.draw(100 * SECOND);
                self.wait(nanos);
            }
        }
        let delay = self.draw(4) as usize;
        self.carry(delay);
    }
}

#[test]
fn pings_of_every_purpose_together_never_strike_out() {
    let mut pings = 0;
    for seed in 0..40 {
        let mut world = World::new(seed);
        for step in 0..400 {
            world.step();
            let strikes = world.policy.strikes;
            assert!(strikes <= STRIKES_MAX, "seed {seed}, step {step}");
        }
        let lifecycle = world.pair.client.connection.lifecycle();
        assert_eq!(lifecycle, Lifecycle::Open, "seed {seed}");
        pings += world.pings;
    }
    assert!(pings > 2_000, "{pings}");
}
