//! An engine against a peer that is no engine: one that keeps to the rules and uses all the freedom that they leave,
//! or that breaks one of them at the end.

mod acts;
mod app;
mod beginning;
mod dead;
mod flood;
mod judge;
mod known;
mod lists;
mod more;
mod named;
mod peer;
mod pool;
mod quiet;
mod recording;
mod ticks;
mod violation;
mod wrong;

use std::{
    hash::{Hash, Hasher},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use raddle_core::{Config, Connection, Event, Lifecycle, Role, Timestamp, Transmit};

use self::{
    app::{App, BODY_MAX},
    dead::Cost,
    known::{Peer, undefined},
};
use crate::{
    crumbs,
    options::unusual,
    oracle::Ends,
    outcome::{Fault, Marks, Outcome},
    tape::Tape,
    trace::{Mix, Trace, note},
    wire::{Frame, Observer, kind},
};

/// Turns at one moment, after which the engine counts as spinning.
const TURNS_MAX: u32 = 10_000;
/// Rounds in which everything has to come to its end once the peer is generous.
const CALM_MAX: u32 = 2_000;
/// One run of this many is a long one, of hundreds of frames.
const LONG_EVERY: u64 = 4;
/// After how long a silence the engine asks, where it does.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long a server lets nobody use it.
const IDLE: Duration = Duration::from_secs(300);
const IDLE_SHORT: Duration = Duration::from_secs(20);
/// Bytes of output beyond the bound: one frame of DATA, and all that is owed in small frames.
const OUTPUT_SPARE: usize = 32 * 1024;
/// Nanoseconds between two steps.
const STEP: u64 = 100_000;

/// What the engine was told to keep to.
#[derive(Debug)]
struct Bounds {
    events: usize,
    output: usize,
    keeps_alive: bool,
    /// Frames without use that the engine lets pass at once, in a run that is a flood of them.
    flood: Option<u32>,
    /// Fields of a list.
    fields: u32,
    /// Streams at once, of the peer's.
    streams: usize,
    /// The settings that the engine has to announce, or may leave out where they go without saying.
    settings: Vec<(u16, u32)>,
}

struct World<'t> {
    tape: &'t mut Tape,
    trace: &'t mut Trace,
    role: Role,
    conn: Connection,
    out: Transmit,
    input: BytesMut,
    /// The bytes of the frame that is delivered.
    scratch: Vec<u8>,
    observer: Observer,
    now: u64,
    app: App,
    peer: Peer,
    /// The peer has broken a rule.
    broken: bool,
    /// The engine takes CONNECT with a protocol.
    tunnels: bool,
    /// Streams that there were when something came for which the engine may look at all of them.
    walks: usize,
    bounds: Bounds,
    /// Lists that the peer has sent in this turn.
    hopes: Vec<lists::Hope>,
    told: judge::Told,
    /// The engine was not ready when it was at rest last.
    fresh: bool,
    /// Time that has passed with nothing else, in nanoseconds.
    idle: u64,
    marks: Marks,
    ends: Ends,
}

/// One run, with what happens in `trace`.
pub(crate) fn attempt(tape: &mut Tape, trace: &mut Trace) -> Result<Outcome, Fault> {
    let mut world = World::new(tape, trace);
    world.run()?;
    world.judge_events()?;
    world.observer.seen().count(&mut world.marks);
    let frames = world.conn.stats().frames_received;
    world.marks.add_to("frames", frames);
    Ok(Outcome {
        hash: world.trace.hash(),
        events: world.trace.events(),
        ends: world.ends,
        marks: world.marks,
    })
}

fn config(tape: &mut Tape) -> Config {
    Config {
        stream_window_bytes: tape.pick(&[65_535, 100, 1_000, 262_144]),
        concurrent_streams_assumed: tape.pick(&[100, 1, 3]),
        concurrent_streams_max: tape.pick(&[100, 3]),
        send_buffer_bytes: tape.pick(&[65_536, 500, 1_000]),
        header_list_bytes_max: 4_000,
        keep_alive_interval: None,
        enable_connect_protocol: tape.chance(1, 4),
        ..Config::default()
    }
}

/// What SETTINGS of such an end say, by the meaning of each (RFC 9113 §6.5.2, RFC 8441 §3).
fn settings(config: &Config, role: Role) -> Vec<(u16, u32)> {
    let mut settings = vec![
        (1, config.header_table_bytes),
        (4, config.stream_window_bytes),
        (5, config.frame_size_max),
        (6, config.header_list_bytes_max),
    ];
    settings.push(match role {
        // Nobody takes a push.
        Role::Client => (2, 0),
        Role::Server => (3, config.concurrent_streams_max),
    });
    if role == Role::Server {
        settings.push((8, u32::from(config.enable_connect_protocol)));
    }
    settings
}

/// Bounds that came later, from a lane of their own; and a burst that is so small that a run is nothing but one flood.
fn bounds(tape: &mut Tape, config: Config) -> (Config, Option<u32>) {
    tape.lane("bounds");
    let bounded = Config {
        events_max: tape.pick(&[256, 256, 16]),
        output_bytes_max: tape.pick(&[65_536, 65_536, 1_000]),
        header_table_bytes: tape.pick(&[4_096, 4_096, 0, 64, 200, 8_192]),
        connection_window_bytes: tape.pick(&[1_048_576, 1_048_576, 65_535]),
        frame_size_max: tape.pick(&[16_384, 16_384, 16_384, 20_000]),
        idle_timeout: tape.pick(&[Some(IDLE), Some(IDLE), Some(IDLE_SHORT)]),
        header_fields_max: tape.pick(&[512, 512, 20]),
        keep_alive_interval: tape.pick(&[None, Some(KEEP_ALIVE)]),
        ..config
    };
    let burst = tape.chance(1, 64).then(|| 1 + tape.size(200) as u32);
    tape.lane("setup");
    let bounded = Config {
        abuse_burst: burst.unwrap_or(bounded.abuse_burst),
        ..bounded
    };
    (bounded, burst)
}

impl<'t> World<'t> {
    fn new(tape: &'t mut Tape, trace: &'t mut Trace) -> Self {
        let role = tape.lane("setup").pick(&[Role::Client, Role::Server]);
        let config = config(tape);
        let (config, flood) = bounds(tape, config);
        trace.tell_options(|| format!("{role:?}: {}; flood {flood:?}", unusual(&config)));
        let bounds = Bounds {
            events: config.events_max,
            output: config.output_bytes_max,
            keeps_alive: config.keep_alive_interval.is_some(),
            flood,
            fields: config.header_fields_max,
            streams: config.concurrent_streams_max as usize,
            settings: settings(&config, role),
        };
        let windows = (
            config.connection_window_bytes,
            config.connection_window_bytes_max,
        );
        let tunnels = config.enable_connect_protocol;
        let mut conn = Connection::new(role, config, Timestamp(0));
        #[cfg(feature = "planted")]
        crate::mutants::plant(&mut conn);
        let first = if tape.chance(1, 16) { 0x7fff_fff9 } else { 1 };
        if first > 1 && role == Role::Client {
            // Few enough that some runs use them up.
            conn.skip_to(raddle_core::StreamId::from_u32(first + 4));
        }
        let body_max = tape.pick(&[1_000, 3_000, BODY_MAX]);
        Self {
            tape,
            trace,
            role,
            conn: std::mem::replace(
                &mut conn,
                Connection::new(role, Config::default(), Timestamp(0)),
            ),
            out: Transmit::new(),
            input: BytesMut::with_capacity(1_024),
            scratch: Vec::with_capacity(256),
            observer: Observer::new(role == Role::Client),
            now: 0,
            app: App {
                body_max,
                ..App::default()
            },
            peer: Peer::new(role == Role::Server, first),
            broken: false,
            walks: 0,
            bounds,
            tunnels,
            hopes: Vec::new(),
            told: judge::Told {
                windows,
                ..judge::Told::default()
            },
            fresh: true,
            idle: 0,
            marks: Marks::default(),
            ends: Ends::default(),
        }
    }

    fn log(&mut self, mix: Mix, text: std::fmt::Arguments<'_>) {
        self.record_note(text);
        self.trace.log(mix, text);
    }

    fn run(&mut self) -> Result<(), Fault> {
        let role = self.role;
        note!(self, "the engine is a {:?}", role);
        if self.begin()? {
            return Ok(());
        }
        self.turn()?;
        if let Some(burst) = self.bounds.flood {
            return self.flood(burst);
        }
        let few = self.tape.lane("setup").pick(&[20, 20, 60, 200]);
        let steps = match self.tape.lane("long").chance(1, LONG_EVERY) {
            true => 700,
            false => few,
        };
        for _ in 0..self.tape.between(1, steps) {
            self.now += STEP;
            if self.tape.lane("steps").chance(1, 3) {
                self.act()?;
            } else {
                self.peer_step()?;
            }
            // Some things come together.
            if self.tape.lane("time").chance(1, 8) {
                self.peer_step()?;
            }
            self.turn()?;
            if self.tape.lane("time").chance(1, 32) {
                self.let_time_pass()?;
            }
        }
        self.turn()?;
        if self.tape.lane("ticks").chance(1, 12) {
            return self.tick();
        }
        if self.tape.lane("quiet").chance(1, 3) {
            return self.quiet();
        }
        match self.tape.lane("violation").below(16) {
            0..6 => self.violate(),
            6 => self.transport_dies(),
            _ => self.calm_down(),
        }
    }

    /// The peer grants everything and answers all; everything has to come to its end.
    fn calm_down(&mut self) -> Result<(), Fault> {
        note!(self, "the peer becomes generous");
        self.app.release_all(&mut self.conn);
        for _ in 0..CALM_MAX {
            self.now += STEP;
            self.turn()?;
            self.fill()?;
            let moved = self.peer_calm();
            self.turn()?;
            if !moved && self.peer.inbox.is_empty() {
                break;
            }
        }
        self.app.release_all(&mut self.conn);
        self.turn()?;
        if self.conn.lifecycle() < Lifecycle::Closing {
            self.observer.answered()?;
            self.judge_answers()?;
        }
        if let Some((handle, stream)) = self.app.streams.iter().next() {
            let waiting = self.conn.explain(*handle);
            return Err(Fault::run(format!(
                "I-21: stream {:?} has not ended with a generous peer, it waits for {waiting:?}, {stream:?}",
                self.conn.stream_id(*handle)
            )));
        }
        Ok(())
    }

    /// I-17: memory for events, which is kept while a connection is in use.
    fn judge_events(&self) -> Result<(), Fault> {
        let bytes = self.conn.memory_footprint().events;
        let may = 2 * self.bounds.events * size_of::<Event>();
        if bytes > may {
            return Err(Fault::run(format!(
                "I-17: {bytes} bytes of events, where {may} would do"
            )));
        }
        Ok(())
    }

    fn deliver(&mut self, frame: &Frame) {
        note!(self.trace, "peer: {}", Short(frame));
        if frame.kind == kind::GOAWAY || (frame.kind == kind::SETTINGS && frame.is_ack()) {
            self.walks = self.walks.max(self.app.streams.len());
        }
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        frame.write(&mut bytes);
        // What is reserved, and what is not defined, means nothing (RFC 9113 §4.1).
        let tape = self.tape.lane("oddities");
        match tape.below(32) {
            1 => bytes[5] |= 0x80,
            2 => bytes[4] |= undefined(frame.kind) & (1 << tape.below(8)),
            3 if frame.kind == kind::WINDOW_UPDATE && bytes.len() > 9 => bytes[9] |= 0x80,
            _ => {}
        }
        self.deliver_bytes(&bytes);
        self.scratch = bytes;
    }

    fn deliver_bytes(&mut self, bytes: &[u8]) {
        self.record_arrival(bytes);
        self.input.extend_from_slice(bytes);
        self.observer.arrived(bytes);
    }

    /// Lets the engine do all it has to do at this moment.
    fn turn(&mut self) -> Result<(), Fault> {
        let now = Timestamp(self.now);
        let mut cost = Cost::begin(&self.conn);
        for _ in 0..TURNS_MAX {
            let before = self.input.len();
            crumbs::read(
                &mut self.conn,
                &mut self.input,
                now,
                self.tape.reads_in_crumbs(),
            );
            let read = before - self.input.len();
            cost.bytes += read;
            self.observer.read(read);
            let mut moved = read > 0;
            moved |= self.hear()?;
            let cut = self.conn.poll_transmit(&mut self.out, now);
            self.note_ids()?;
            cost.bytes += cut;
            if self.out.remaining() > self.bounds.output + OUTPUT_SPARE {
                return Err(Fault::run(format!(
                    "I-17: {} bytes of output at once",
                    self.out.remaining()
                )));
            }
            self.record_cut_frames(0);
            self.record_taken(self.out.remaining());
            let bytes = self.out.copy_to_bytes(self.out.remaining());
            let mut frames = Vec::new();
            self.observer.sent(&bytes, Some(&mut frames))?;
            self.observer.left(0);
            for frame in frames {
                note!(self.trace, "engine: {}", Short(&frame));
                self.accept(&frame)?;
                self.peer.inbox.push_back(frame);
            }
            if !moved && cut == 0 {
                self.record_waits();
                let walks = std::mem::take(&mut self.walks);
                cost.judge(&self.conn, walks)?;
                self.conn.check();
                let held = self.conn.audit().held;
                if held != self.app.held() {
                    return Err(Fault::run(format!(
                        "I-10: {held} bytes of credit are out, the application has {}",
                        self.app.held()
                    )));
                }
                self.judge_lists()?;
                return self.judge_rest();
            }
        }
        Err(Fault::run("I-23: the engine spins"))
    }
}

/// A frame in a few words.
struct Short<'f>(&'f Frame);

impl Hash for Short<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Frame {
            kind,
            flags,
            stream,
            payload,
        } = self.0;
        (kind, flags, stream, payload).hash(hasher);
    }
}

impl std::fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Frame {
            kind,
            flags,
            stream,
            payload,
        } = self.0;
        let first = &payload[..payload.len().min(12)];
        write!(
            f,
            "kind {kind} flags {flags:02x} stream {stream} {} bytes {first:02x?}",
            payload.len()
        )
    }
}
