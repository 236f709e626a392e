//! An engine against a peer that is no engine: one that keeps to the rules and uses all the freedom that they leave,
//! or that breaks one of them at the end.

mod acts;
mod app;
mod asked;
mod beginning;
mod behind;
mod bounds;
mod dead;
mod edges;
mod failures;
mod flood;
mod judge;
mod known;
mod lists;
mod more;
mod named;
mod offers;
mod path;
mod peer;
mod pieces;
mod places;
mod pool;
mod quiet;
mod recording;
mod rest;
mod short;
mod slow;
mod surface;
mod ticks;
mod twins;
mod urgent;
mod violation;
mod wrong;

use bytes::{Buf, BytesMut};
use raddle_core::{Config, Connection, Event, Lifecycle, Role, Timestamp, Transmit};

use self::{
    app::{App, BODY_MAX},
    bounds::{Bounds, bounds, config},
    dead::Cost,
    known::{Peer, undefined},
    short::Short,
};
use crate::{
    counted, crumbs,
    options::unusual,
    oracle::Ends,
    outcome::{Fault, Marks, Outcome},
    resources::judge_needed,
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
/// Bytes of output beyond the bound: one frame of DATA, and all that is owed in small frames.
const OUTPUT_SPARE: usize = 32 * 1024;
/// Nanoseconds between two steps.
const STEP: u64 = 100_000;

struct World<'t> {
    tape: &'t mut Tape,
    trace: &'t mut Trace,
    role: Role,
    conn: Connection,
    out: Transmit,
    input: BytesMut,
    /// Bytes of it that the engine has been offered.
    offered: usize,
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
    /// The application has done something before its peer had said anything.
    early: bool,
    /// The loop around the engine turns more often than it need.
    turns_again: bool,
    /// When the peer has asked last whether the engine lives.
    asked_at: u64,
    marks: Marks,
    ends: Ends,
}

/// Which end the engine is, how it is set up, and the burst of its defences in a run that is a flood.
pub(crate) fn configured(tape: &mut Tape) -> (Role, Config, Option<u32>) {
    let role = tape.lane("setup").pick(&[Role::Client, Role::Server]);
    let config = config(tape);
    let (config, flood) = bounds(tape, config);
    (role, config, flood)
}

/// One run, with what happens in `trace`.
pub(crate) fn attempt(tape: &mut Tape, trace: &mut Trace) -> Result<Outcome, Fault> {
    let mut world = World::new(tape, trace);
    world.run()?;
    world.judge_events()?;
    world.judge_end()?;
    world.go_on_behind_the_end()?;
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

impl<'t> World<'t> {
    fn new(tape: &'t mut Tape, trace: &'t mut Trace) -> Self {
        let (role, config, flood) = configured(tape);
        trace.tell_options(|| format!("{role:?}: {}; flood {flood:?}", unusual(&config)));
        let bounds = Bounds::new(&config, role, flood);
        let windows = (
            config.connection_window_bytes,
            config
                .connection_window_bytes_max
                .max(config.connection_window_bytes),
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
        let turns_again = tape.lane("again").chance(1, 4);
        tape.lane("setup");
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
            offered: 0,
            scratch: Vec::with_capacity(256),
            observer: Observer::new(role == Role::Client),
            now: 0,
            app: App {
                body_max,
                ..App::default()
            },
            peer: Peer {
                interims_max: bounds.interims.min(known::INTERIMS_MAX),
                ..Peer::new(role == Role::Server, first)
            },
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
            asked_at: 0,
            early: false,
            turns_again,
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
            return match self.tape.lane("twins").chance(1, 2) {
                true => self.twin(burst),
                false => self.flood(burst),
            };
        }
        if self.tape.lane("courses").chance(1, 8) {
            return self.course();
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
        if self.tape.lane("rest").chance(1, 24) {
            return self.rest();
        }
        if self.tape.lane("ticks").chance(1, 12) {
            return self.tick();
        }
        if self.tape.lane("slow").chance(1, 12) {
            return self.slow();
        }
        if self.tape.lane("quiet").chance(1, 3) {
            return self.quiet();
        }
        if self.tape.lane("edges").chance(1, 10) {
            return self.meet_an_edge();
        }
        match self.tape.lane("violation").below(16) {
            0..6 => self.violate(),
            6 => self.transport_dies(),
            _ => self.calm_down(),
        }
    }

    /// A run about one thing that comes together too rarely in others.
    fn course(&mut self) -> Result<(), Fault> {
        if self.peer.first > 1 || self.early {
            return self.calm_down();
        }
        match (self.tape.below(4), self.role) {
            (0, _) => self.compete(),
            (1, _) => self.follow_path(),
            (2, Role::Client) => self.keep_places(),
            (3, Role::Client) => self.suspect(),
            _ => self.rest(),
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
            self.walks = self.walks.max(self.app.streams.len() + 1);
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
        if matches!(bytes.get(3), Some(&(kind::DATA | kind::HEADERS))) {
            self.peer.asked = 0;
            self.peer.owed = self.observer.counts().pings_sent - self.peer.answers;
            self.peer.heard_at = self.now;
            self.peer.app_asked = self.app.asked_before;
        }
        self.record_arrival(bytes);
        self.input.extend_from_slice(bytes);
        self.observer.arrived(bytes);
    }

    /// The transport takes all that there is; these are the frames in it.
    fn take_all(&mut self) -> Result<Vec<Frame>, Fault> {
        let (all, crumbs) = (self.out.remaining(), self.tape.reads_in_crumbs());
        let mut bytes = Vec::with_capacity(all);
        crumbs::take(&mut self.out, all, crumbs, |part| {
            bytes.extend_from_slice(part)
        });
        let mut frames = Vec::new();
        self.observer.sent(&bytes, Some(&mut frames))?;
        Ok(frames)
    }

    /// Lets the engine do all it has to do at this moment.
    fn turn(&mut self) -> Result<(), Fault> {
        let now = Timestamp(self.now);
        let mut cost = Cost::begin(&self.conn);
        self.app.touched = 0;
        for _ in 0..TURNS_MAX {
            let before = self.input.len();
            let verdict = crumbs::read(
                &mut self.conn,
                &mut self.input,
                &mut self.offered,
                now,
                self.tape.reads_in_crumbs(),
            );
            self.app.tally.read(verdict);
            judge_needed(&self.conn, &self.input, verdict)?;
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
            let frames = self.take_all()?;
            self.observer.left(0);
            self.judge_full(0, &frames)?;
            for frame in frames {
                note!(self.trace, "engine: {}", Short(&frame));
                self.accept(&frame)?;
                self.peer.inbox.push_back(frame);
            }
            if !moved && cut == 0 {
                self.record_waits();
                let walks = std::mem::take(&mut self.walks);
                // Who looks at all looks at places that have been in use, too.
                let places = if walks > 0 { self.app.peak } else { 0 };
                let touched = self.app.touched + places as u64;
                cost.judge(&self.conn, walks, touched)?;
                self.conn.check();
                let held = self.conn.audit().held;
                if held != self.app.held() {
                    return Err(Fault::run(format!(
                        "I-10: {held} bytes of credit are out, the application has {}",
                        self.app.held()
                    )));
                }
                if self.input.is_empty() && !self.broken {
                    counted::judge(&self.conn, &self.observer, &self.app.tally)?;
                }
                self.judge_lists()?;
                if self.turns_again && self.tape.lane("again").chance(1, 2) {
                    crumbs::again(&mut self.conn, &mut self.input, &mut self.out, now)?;
                }
                return self.judge_rest();
            }
        }
        Err(Fault::run("I-23: the engine spins"))
    }
}
