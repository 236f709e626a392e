//! What one run is going to be, as far as it is decided before it begins.

use std::time::Duration;

use raddle_core::{Config, ErrorCode, Role};

use super::{Hop, Topology};
use crate::{options::unusual, oracle::Way, pair::pipe::Style, tape::Tape};

pub(super) const MILLISECOND: u64 = 1_000_000;
/// One run of this many is a long one, of hundreds of frames.
const LONG_EVERY: u64 = 4;
/// Faults happen before this moment.
const FAULTS_UNTIL: u64 = 3_000 * MILLISECOND;
/// More streams than there are in any run.
const STREAMS: u32 = 100;
/// When what never goes on by itself is given up.
pub(super) const PATIENCE: u64 = 10_000 * MILLISECOND;
/// A window of which a client's streams cannot fill that of a connection which it shares.
const WINDOW_SHARED: u32 = 3_000;
/// The bound of a run in which nobody waits for an end that nobody brings about.
const UNTIL: u64 = FAULTS_UNTIL + 120_000 * MILLISECOND;

/// The parts of a run that are decided beforehand. Its swarm: what is absent here is absent from the run.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) topology: Topology,
    /// Servers at the end of the way.
    pub(super) servers: usize,
    /// Connections of a hop that are in use at once, at most.
    pub(super) connections: [usize; 2],
    /// Of a client, of a server, of each hop.
    pub(super) configs: [[Config; 2]; 2],
    pub(super) style: Style,
    pub(super) requests: Vec<Request>,
    /// Times that a request is sent, at most.
    pub(super) budget: u32,
    /// The picker takes any connection, or the one with the fewest streams.
    pub(super) picks_any: bool,
    /// Readers give credit back late.
    pub(super) slow_readers: bool,
    /// HPACK's tables are compared after each block.
    pub(super) follows_tables: bool,
    pub(super) troubles: Vec<(u64, Trouble)>,
    /// Milliseconds that a connection of the proxy's takes until it is there, at most.
    pub(super) dials: u64,
    /// When the proxy drains.
    pub(super) drains: Option<u64>,
}

/// One request and its answer.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) at: u64,
    /// Whether it may be sent again when nobody knows what became of it.
    pub(super) idempotent: bool,
    pub(super) body: usize,
    pub(super) trailers: bool,
    pub(super) reply: usize,
    pub(super) reply_trailers: bool,
    pub(super) interims: u64,
    /// The server answers once the request is whole.
    pub(super) waits: bool,
    pub(super) delay: u64,
    /// What it does that no request should.
    pub(super) misbehaves: Option<Misbehaviour>,
    /// It is of a client that abuses what it shares with others.
    pub(super) abuses: bool,
    /// The server wants no more of it once its answer is given.
    pub(super) stops: bool,
    /// Fields of its own that each head carries.
    pub(super) fields: usize,
}

/// What one stream does to the others' harm, or would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Misbehaviour {
    /// The client reads nothing of the answer's body, and gives up in the end.
    ReadsNothing,
    /// The server reads nothing of the request's body, and resets in the end.
    IsReadByNobody,
    /// The client gives up at this moment of its life.
    GivesUp(u64),
    /// The server resets it so long after it saw it.
    IsReset(ErrorCode, u64),
}

/// What befalls a connection, by its number, as many as there are by then.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) enum Trouble {
    /// Nothing arrives for so long.
    Stall(usize, Way, u64),
    /// It breaks.
    Cut(usize),
    /// One way of it ends.
    HalfClose(usize, Role),
    /// One side says GOAWAY, and goes on with what there is.
    Drain(usize, Role),
    /// One side ends it.
    Close(usize, Role),
}

impl Plan {
    pub(super) fn draw(tape: &mut Tape, topology: Topology) -> Self {
        tape.lane("mesh");
        let servers = tape.between(1, 4) as usize;
        let connections = [tape.between(1, 8) as usize, tape.between(1, 4) as usize];
        let budget = tape.between(1, 4) as u32;
        let picks_any = tape.chance(1, 3);
        let slow_readers = tape.chance(1, 3);
        let misbehave = tape.chance(1, 2);
        let style = style(tape.lane("style"));
        let hop = |tape: &mut Tape| [config(tape, topology), config(tape, topology)];
        let configs = [hop(tape.lane("config near")), hop(tape.lane("config far"))];
        let spread = tape.lane("requests").pick(&[0, 100, 1_000]) * MILLISECOND;
        let few = tape.pick(&[(3, 500), (5, 2_000), (8, 5_000), (10, 20_000)]);
        let long = tape.lane("long").chance(1, LONG_EVERY);
        let (most, body_max) = match long {
            true => (70, tape.pick(&[2_000, 500, 5_000])),
            false => few,
        };
        tape.lane("requests");
        let mut requests: Vec<_> = (0..tape.between(1, most))
            .map(|_| Request::draw(tape, spread, body_max, misbehave))
            .collect();
        let own_fields = tape.lane("own fields").chance(1, 8);
        for request in &mut requests {
            request.fields = match own_fields {
                true => tape.lane("own fields").index(4),
                false => 0,
            };
            request.stops = !request.waits && tape.lane("stops").chance(1, 3);
        }
        let mut plan = Self {
            topology,
            servers,
            connections,
            configs,
            style,
            requests,
            budget,
            picks_any,
            slow_readers,
            follows_tables: tape.lane("tables").chance(1, 8),
            troubles: troubles(tape.lane("troubles")),
            dials: 0,
            drains: None,
        };
        if topology == Topology::Proxy {
            plan.at_proxy(tape);
        }
        plan
    }

    /// What only a proxy has to bear.
    fn at_proxy(&mut self, tape: &mut Tape) {
        self.dials = tape.lane("dials").pick(&[0, 0, 5, 100]);
        let drains = tape.lane("proxy drains").chance(1, 4);
        self.drains = drains.then(|| tape.below(200 * MILLISECOND + 1));
        if !tape.lane("abuse").chance(1, 16) {
            return;
        }
        let kind = tape.below(3);
        for request in &mut self.requests {
            request.abuses = tape.chance(1, 2);
            if !request.abuses {
                continue;
            }
            request.misbehaves = Some(match kind {
                0 => Misbehaviour::ReadsNothing,
                1 => Misbehaviour::IsReadByNobody,
                _ => Misbehaviour::GivesUp(tape.below(50) * MILLISECOND),
            });
        }
        // Who shares connections with everybody can be kept from taking all of them only where there is room for it.
        let [client, server] = &mut self.configs[1];
        server.concurrent_streams_max = STREAMS;
        for end in [client, server] {
            end.stream_window_bytes = end.stream_window_bytes.min(WINDOW_SHARED);
            end.concurrent_streams_assumed = STREAMS;
            end.connection_window_bytes_max = end.connection_window_bytes;
        }
    }

    /// Whether one client abuses what it shares with others.
    pub(super) fn is_abused(&self) -> bool {
        self.requests.iter().any(|request| request.abuses)
    }

    /// By how much longer the others may take than without that, when nothing else comes between.
    pub(super) fn bounds_waits(&self) -> Option<u64> {
        let alone = |request: &Request| request.abuses || request.misbehaves.is_none();
        let only = self.is_abused() && self.troubles.is_empty() && self.drains.is_none();
        (only && self.requests.iter().all(alone)).then_some(PATIENCE / 2)
    }

    /// What is in this run and what is not, for people.
    pub(super) fn options(&self) -> String {
        let misbehave = self.requests.iter().filter(|it| it.misbehaves.is_some());
        let mut text = format!(
            "{:?}, {} servers, connections {:?}; {} requests, {} misbehave; sent {} times at most; {:?}; picks any {}, \
             slow readers {}, tables {}; dials {}, drains {:?}, abused {}; {:?}",
            self.topology,
            self.servers,
            self.connections,
            self.requests.len(),
            misbehave.count(),
            self.budget,
            self.style,
            self.picks_any,
            self.slow_readers,
            self.follows_tables,
            self.dials,
            self.drains,
            self.is_abused(),
            self.troubles
        );
        for (hop, ends) in ["near", "far"].iter().zip(&self.configs) {
            let [client, server] = ends.each_ref().map(unusual);
            text += &format!("; {hop} client: {client}; {hop} server: {server}");
        }
        text
    }

    /// The same without anything that goes wrong.
    pub(super) fn calm(&self) -> Self {
        let mut calm = self.clone();
        calm.troubles.clear();
        calm.drains = None;
        for [_, server] in &mut calm.configs {
            server.concurrent_streams_max = STREAMS;
        }
        for request in &mut calm.requests {
            request.misbehaves = None;
        }
        calm
    }

    pub(super) fn config(&self, hop: Hop, role: Role) -> Config {
        let hop = &self.configs[usize::from(hop == Hop::Far)];
        hop[usize::from(role == Role::Server)].clone()
    }

    /// Whether a server of this hop may refuse streams: those that its client opens before it knows how many there may
    /// be, and those that come while what was read of others is not given back.
    pub(super) fn refuses(&self, hop: Hop) -> bool {
        let [_, server] = &self.configs[usize::from(hop == Hop::Far)];
        server.concurrent_streams_max < STREAMS
    }

    /// Nanoseconds in which everything has to have come to its end.
    pub(super) fn until(&self) -> u64 {
        // What is sent again may wait for its end again, on each hop, and for a stream behind others like it.
        let waits = |request: &&Request| request.misbehaves.is_some();
        let waiting = self.requests.iter().filter(waits).count() as u64;
        UNTIL + u64::from(self.budget).pow(2) * waiting * PATIENCE
    }
}

impl Request {
    fn draw(tape: &mut Tape, spread: u64, body_max: usize, misbehave: bool) -> Self {
        let idempotent = !tape.chance(1, 2);
        let has_body = !idempotent && tape.chance(3, 4);
        Self {
            at: tape.below(spread + 1),
            idempotent,
            body: if has_body { tape.size(body_max) } else { 0 },
            trailers: has_body && tape.chance(1, 4),
            reply: tape.size(body_max),
            reply_trailers: tape.chance(1, 4),
            interims: tape.pick(&[0, 0, 1, 2]),
            waits: tape.chance(1, 2),
            delay: tape.pick(&[0, 0, 1, 100]) * MILLISECOND,
            misbehaves: (misbehave && tape.chance(1, 4)).then(|| misbehaviour(tape)),
            abuses: false,
            stops: false,
            fields: 0,
        }
    }
}

fn misbehaviour(tape: &mut Tape) -> Misbehaviour {
    match tape.below(4) {
        0 => Misbehaviour::GivesUp(tape.moment(FAULTS_UNTIL)),
        1 => Misbehaviour::IsReset(
            tape.pick(&[
                ErrorCode::CANCEL,
                ErrorCode::REFUSED_STREAM,
                ErrorCode::INTERNAL_ERROR,
            ]),
            tape.moment(1_000 * MILLISECOND),
        ),
        2 => Misbehaviour::ReadsNothing,
        _ => Misbehaviour::IsReadByNobody,
    }
}

fn style(tape: &mut Tape) -> Style {
    let latency = tape.pick(&[0, 1, 20]) * MILLISECOND;
    Style {
        piece_max: tape.pick(&[65_536, 100, 1_500, 16_384]),
        latency: (tape.below(latency + 1), latency),
        capacity: tape.pick(&[1 << 20, 2_000, 16_384]),
        gathers: tape.chance(1, 2),
    }
}

fn config(tape: &mut Tape, topology: Topology) -> Config {
    // A slow transport is no fault of the peer's: nobody runs out of time.
    let patience = Duration::from_secs(3_600);
    let window = tape.pick(&[1_048_576, 262_144, 65_535]);
    Config {
        concurrent_streams_max: tape.pick(&[STREAMS, STREAMS, 1, 2, 5]),
        concurrent_streams_assumed: tape.pick(&[100, 1, 5]),
        // Of those that nobody reads there may be several, and the others share what they leave.
        stream_window_bytes: tape.pick(&[16_384, 1_000, 4_000]),
        // A proxy holds what it cannot pass on: as much as all its streams may hold, or they wait for each other.
        connection_window_bytes: match topology {
            Topology::Pool => window,
            Topology::Proxy => window.max(262_144),
        },
        header_table_bytes: tape.pick(&[4_096, 0, 64]),
        send_buffer_bytes: tape.pick(&[65_536, 100, 5_000]),
        settings_timeout: patience,
        header_block_timeout: patience,
        keep_alive_timeout: patience,
        ..Config::default()
    }
}

fn troubles(tape: &mut Tape) -> Vec<(u64, Trouble)> {
    if !tape.chance(1, 2) {
        return Vec::new();
    }
    let role = |tape: &mut Tape| tape.pick(&[Role::Client, Role::Server]);
    (0..=tape.below(4))
        .map(|_| {
            let link = tape.index(8);
            let trouble = match tape.below(6) {
                0 | 1 => Trouble::Stall(
                    link,
                    tape.pick(&[Way::Up, Way::Down]),
                    tape.between(1, 2_000) * MILLISECOND,
                ),
                2 => Trouble::Cut(link),
                3 => Trouble::HalfClose(link, role(tape)),
                4 => Trouble::Drain(link, role(tape)),
                _ => Trouble::Close(link, role(tape)),
            };
            (tape.moment(FAULTS_UNTIL), trouble)
        })
        .collect()
}
