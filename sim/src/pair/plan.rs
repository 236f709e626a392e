//! What one run is going to be, as far as it is decided before it begins.

use std::time::Duration;

use raddle_core::{Config, ErrorCode, Role};

use super::{
    habits::{bounds, habits, vast},
    pipe::Style,
    turning::Turning,
};
use crate::{campaign::Profile, options::unusual, oracle::Way, tape::Tape, wire::Urgency};

const MILLISECOND: u64 = 1_000_000;
/// Windows, writes and buffers that one body may take. Bounds the length of a run whose windows are tiny.
const ROUNDS_MAX: usize = 60;
/// One run of this many is a long one, of hundreds of frames.
const LONG_EVERY: u64 = 4;
/// What the client is set up by, and the server.
const LANES: [[&str; 4]; 2] = [
    [
        "config client",
        "habits client",
        "bounds client",
        "vast client",
    ],
    [
        "config server",
        "habits server",
        "bounds server",
        "vast server",
    ],
];
/// Faults happen before this moment.
const FAULTS_UNTIL: u64 = 3_000 * MILLISECOND;

/// The parts of a run that are decided beforehand.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) client: Config,
    pub(super) server: Config,
    /// The loops around the client's engine and the server's.
    pub(super) turning: [Turning; 2],
    pub(super) style: Style,
    pub(super) body_max: usize,
    pub(super) requests: Vec<Request>,
    pub(super) features: Features,
    /// Bytes until the transport breaks, on the way up and on the way down.
    pub(super) cuts: [Option<usize>; 2],
    pub(super) troubles: Vec<(u64, Trouble)>,
    /// Whether an honest peer may run out of time.
    pub(super) impatient: bool,
    /// Whether everything has to come to a good end in time.
    pub(super) calm: bool,
}

/// One request of the client's.
#[derive(Clone, Debug)]
pub(super) struct Request {
    /// When it is made, in nanoseconds.
    pub(super) at: u64,
    pub(super) body: usize,
    pub(super) trailers: bool,
    /// Whether its head tells the length of the body.
    pub(super) length: bool,
    /// How long after it is made the client gives it up.
    pub(super) give_up: Option<u64>,
    /// Its body waits to be asked for, but no longer than this.
    pub(super) expects: Option<u64>,
    /// Its head is longer than a frame.
    pub(super) long_head: bool,
    /// How urgent its head says that it is.
    pub(super) urgency: Option<Urgency>,
    /// How long after it is made one end finds another urgency, of its own body or of the response.
    pub(super) urged: Option<(u64, Role, Urgency)>,
}

/// Something that happens to the whole connection.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) enum Trouble {
    Drain(Role),
    Close(Role, ErrorCode),
    /// One way stands still for so many nanoseconds.
    Stall(Way, u64),
    Ping(Role),
    /// The next write of this way fails.
    Break(Way),
}

/// What may happen in this run at all. Each run leaves some out, so that the rest meet more often.
#[derive(Clone, Copy, Debug)]
pub(super) struct Features {
    pub(super) trailers: bool,
    pub(super) interims: bool,
    pub(super) client_resets: bool,
    pub(super) server_resets: bool,
    pub(super) discards: bool,
    /// Readers give credit back late.
    pub(super) slow_readers: bool,
    /// Writers pause between two parts.
    pub(super) slow_writers: bool,
    /// The server takes its time before it answers.
    pub(super) slow_server: bool,
    /// Heads hold more than they need.
    pub(super) fields: bool,
    /// HPACK's tables are compared after each block.
    pub(super) tables: bool,
    /// Readers set windows of their own.
    pub(super) windows: bool,
    /// Most messages have the heads and trailers of the one before, and nothing that tells them from it.
    pub(super) alike: bool,
}

/// How much happens.
struct Size {
    requests_max: u64,
    bytes_max: usize,
    /// More events at once than an engine keeps.
    many: bool,
    long: bool,
}

impl Size {
    fn draw(tape: &mut Tape) -> Self {
        // Most runs are short, because most of what goes wrong goes wrong among few streams; some are long.
        let few = tape.lane("size").pick(&[
            (3, 1_000),
            (3, 1_000),
            (5, 4_000),
            (5, 20_000),
            (10, 4_000),
            (10, 1_000),
            (4, 70_000),
            (60, 20_000),
        ]);
        let many = tape.chance(1, 50);
        let long = tape.lane("long").chance(1, LONG_EVERY);
        let (requests_max, bytes_max) = match (many, long) {
            (true, _) => (150, 10_000),
            (_, true) => (120, tape.pick(&[2_000, 500, 10_000])),
            _ => few,
        };
        Self {
            requests_max,
            bytes_max,
            many,
            long,
        }
    }
}

impl Plan {
    pub(super) fn draw(tape: &mut Tape, profile: Profile) -> Self {
        let Size {
            requests_max,
            bytes_max,
            many,
            long,
        } = Size::draw(tape);
        tape.lane("features");
        let features = Features {
            trailers: tape.chance(1, 2),
            interims: tape.chance(1, 3),
            client_resets: tape.chance(1, 3),
            server_resets: tape.chance(1, 3),
            discards: tape.chance(1, 4),
            slow_readers: tape.chance(1, 2),
            slow_writers: tape.chance(1, 3),
            slow_server: tape.chance(1, 2),
            fields: tape.lane("fields").chance(1, 3),
            tables: tape.lane("tables").chance(1, 8),
            windows: tape.lane("windows").chance(1, 4),
            alike: tape.lane("alike").chance(1, 5),
        };
        let style = style(tape.lane("style"), many, long);
        let calm = profile == Profile::Liveness;
        let impatient = !calm && tape.chance(1, 8);
        let [client, server] = LANES.map(|lanes| end(tape, lanes, impatient));
        let turning = ["loop client", "loop server"].map(|lane| Turning::draw(tape.lane(lane)));
        let narrow = [&client, &server]
            .into_iter()
            .map(|config| {
                let windows = config
                    .stream_window_bytes
                    .min(config.connection_window_bytes);
                config.send_buffer_bytes.min(windows as usize)
            })
            .fold(style.piece_max, usize::min);
        let body_max = bytes_max.min(narrow.saturating_mul(ROUNDS_MAX));
        let spread = tape.lane("requests").pick(&[0, 100, 1_000]) * MILLISECOND;
        let mut requests: Vec<_> = (0..tape.between(1, requests_max))
            .map(|_| Request::draw(tape, spread, body_max, &features))
            .collect();
        if tape.lane("priorities").chance(1, 3) {
            requests.iter_mut().for_each(|request| request.urge(tape));
        }
        if tape.lane("expects").chance(1, 6) {
            requests.iter_mut().for_each(|request| request.expect(tape));
        }
        let mut troubles = troubles(tape.lane("troubles"), calm);
        let leaves = !calm && tape.lane("leaving").chance(1, 8);
        if leaves {
            troubles.extend(leave(tape, style, &mut requests));
        }
        Self {
            cuts: if calm {
                [None; 2]
            } else {
                cuts(tape.lane("cuts"), body_max)
            },
            troubles,
            client,
            server,
            turning,
            style,
            body_max,
            requests,
            features,
            impatient,
            calm,
        }
    }
}

impl Plan {
    /// What is in this run and what is not, for people.
    pub(super) fn options(&self) -> String {
        format!(
            "{} requests, bodies up to {}; {:?}; {:?}; cuts {:?}; {:?}; calm {}, impatient {}; loops: {:?}; client: {}; server: {}",
            self.requests.len(),
            self.body_max,
            self.features,
            self.style,
            self.cuts,
            self.troubles,
            self.calm,
            self.impatient,
            self.turning,
            unusual(&self.client),
            unusual(&self.server)
        )
    }

    /// Nanoseconds in which a calm run has to come to its end, one request after the other and with the longest pauses
    /// that its applications make; `None` for a run with faults that may last.
    pub(super) fn budget(&self) -> Option<u64> {
        if !self.calm {
            return None;
        }
        let last = self.requests.iter().map(|request| request.at).max();
        let (_, latency) = self.style.latency;
        // A round moves what the narrowest place lets pass, there and back, with a pause of the reader and the writer.
        let round = 2 * latency + 2 * super::streams::PAUSE_MAX;
        let narrowest = [&self.client, &self.server]
            .map(|config| config.stream_window_bytes.min(self.style.capacity as u32))
            .into_iter()
            .fold(u32::MAX, u32::min);
        // A stalled stretch of a slow writer's may leave one byte behind for each round.
        let rounds = |body: usize| 8 + 4 * (body as u64 / u64::from(narrowest.max(1)) + 1) + 600;
        let all: u64 = self
            .requests
            .iter()
            .map(|r| rounds(r.body) + rounds(self.body_max))
            .sum();
        Some(FAULTS_UNTIL + 10_000 * MILLISECOND + last.unwrap_or_default() + all * round)
    }
}

impl Request {
    fn draw(tape: &mut Tape, spread: u64, body_max: usize, features: &Features) -> Self {
        let has_body = tape.chance(1, 2);
        Self {
            at: tape.below(spread + 1),
            body: if has_body { tape.size(body_max) } else { 0 },
            trailers: features.trailers && tape.chance(1, 3),
            length: tape.chance(1, 3),
            give_up: (features.client_resets && tape.chance(1, 4))
                .then(|| tape.moment(2_000 * MILLISECOND)),
            expects: None,
            long_head: false,
            urgency: None,
            urged: None,
        }
    }

    fn expect(&mut self, tape: &mut Tape) {
        self.expects = (tape.chance(1, 2)).then(|| tape.moment(1_000 * MILLISECOND));
    }

    fn urge(&mut self, tape: &mut Tape) {
        let urgency = |tape: &mut Tape| Urgency {
            level: tape.pick(&[3, 3, 0, 7]),
            whole: tape.chance(1, 2),
        };
        self.urgency = tape.chance(1, 2).then(|| urgency(tape));
        self.urged = tape.chance(1, 4).then(|| {
            let role = tape.pick(&[Role::Client, Role::Server]);
            (tape.moment(1_000 * MILLISECOND), role, urgency(tape))
        });
    }
}

fn style(tape: &mut Tape, many: bool, long: bool) -> Style {
    let latency = tape.pick(&[0, 1, 10, 100]) * MILLISECOND;
    let style = Style {
        piece_max: tape.pick(&[65_536, 8, 100, 1_500, 16_384]),
        latency: (tape.below(latency + 1), latency),
        capacity: tape.pick(&[1 << 20, 1_000, 16_384, 65_536]),
        gathers: tape.chance(1, 2),
    };
    if long && !many {
        // Crumbs make a long run slow, and not much more of it.
        return Style {
            piece_max: style.piece_max.max(1_500),
            capacity: style.capacity.max(16_384),
            gathers: true,
            ..style
        };
    }
    if !many {
        return style;
    }
    // So that they come all at once, too.
    Style {
        piece_max: 65_536,
        capacity: 1 << 20,
        gathers: true,
        ..style
    }
}

/// How an end is set up, drawn from these lanes.
fn end(tape: &mut Tape, lanes: [&'static str; 4], impatient: bool) -> Config {
    let config = config(tape.lane(lanes[0]), impatient);
    let config = habits(tape.lane(lanes[1]), config);
    let config = bounds(tape.lane(lanes[2]), config);
    vast(tape.lane(lanes[3]), config)
}

fn config(tape: &mut Tape, impatient: bool) -> Config {
    let default = Config::default();
    let patience = if impatient {
        Duration::from_millis(tape.between(20, 400))
    } else {
        // A slow transport is no fault of the peer's: nobody runs out of time.
        Duration::from_secs(3_600)
    };
    let concurrent_streams_max = tape.pick(&[100, 100, 1, 2, 5, 20]);
    let concurrent_streams_assumed = tape.pick(&[100, 1, 5, 20]);
    let open_queue_max = tape.pick(&[1_024, 1_024, 1_024, 1_024, 1_024, 1_024, 10, 1]);
    Config {
        concurrent_streams_max,
        concurrent_streams_assumed,
        open_queue_max,
        // Who has little room has little of all.
        events_max: if open_queue_max < 1_024 { 16 } else { 256 },
        stream_window_bytes: tape.pick(&[262_144, 1, 10, 1_000, 16_384, 65_535, 70_000]),
        connection_window_bytes: tape.pick(&[1_048_576, 65_535, 65_536, 100_000]),
        frame_size_max: tape.pick(&[16_384, 16_385, 65_536]),
        header_table_bytes: tape.pick(&[4_096, 0, 64, 200]),
        send_buffer_bytes: tape.pick(&[65_536, 1, 100, 5_000, 300_000]),
        settings_timeout: patience,
        header_block_timeout: patience,
        keep_alive_interval: tape
            .chance(1, 4)
            // Not so often that a long silence of ours would count as a flood of PING.
            .then(|| Duration::from_millis(tape.between(100, 30_000))),
        keep_alive_timeout: patience,
        ..default
    }
}

fn cuts(tape: &mut Tape, body_max: usize) -> [Option<usize>; 2] {
    if !tape.chance(1, 6) {
        return [None; 2];
    }
    let after = Some(tape.size(body_max.saturating_mul(8).max(2_000)));
    if tape.chance(1, 2) {
        [after, None]
    } else {
        [None, after]
    }
}

fn troubles(tape: &mut Tape, calm: bool) -> Vec<(u64, Trouble)> {
    let mut troubles = Vec::new();
    let mut at = |tape: &mut Tape, trouble| {
        let at = tape.moment(FAULTS_UNTIL);
        troubles.push((at, trouble));
    };
    let role = |tape: &mut Tape| tape.pick(&[Role::Client, Role::Server]);
    if tape.chance(1, 5) {
        let role = role(tape);
        at(tape, Trouble::Drain(role));
    }
    if !calm && tape.chance(1, 12) {
        let role = role(tape);
        let code = tape.pick(&[ErrorCode::NO_ERROR, ErrorCode::INTERNAL_ERROR]);
        at(tape, Trouble::Close(role, code));
    }
    if tape.chance(1, 4) {
        for _ in 0..=tape.below(4) {
            let way = tape.pick(&[Way::Up, Way::Down]);
            let long = tape.between(1, 2_000) * MILLISECOND;
            at(tape, Trouble::Stall(way, long));
        }
    }
    if tape.chance(1, 4) {
        let role = role(tape);
        at(tape, Trouble::Ping(role));
    }
    troubles
}

/// The server leaves when a request is made. In some of these runs the client cannot write when it has not heard of that
/// yet.
fn leave(tape: &mut Tape, style: Style, requests: &mut [Request]) -> Vec<(u64, Trouble)> {
    let (_, latency) = style.latency;
    let crossed = tape.index(requests.len());
    let crossed = &mut requests[crossed];
    crossed.long_head = tape.chance(1, 2);
    let at = crossed.at + tape.below(4 * latency + 1);
    let leaves = match tape.chance(1, 2) {
        true => Trouble::Close(Role::Server, ErrorCode::INTERNAL_ERROR),
        false => Trouble::Drain(Role::Server),
    };
    let breaks = (at + tape.below(2 * latency + 1), Trouble::Break(Way::Up));
    match tape.chance(1, 2) {
        true => vec![(at, leaves), breaks],
        false => vec![(at, leaves)],
    }
}
