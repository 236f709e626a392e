//! Two engines against each other: no runtime, no sockets, a clock that jumps from one event to the next.
//!
//! The transport between them is a pair of byte pipes that cut what is written into pieces, delay it, stand still for a
//! while, and break at any byte. Both applications are honest: they send whole messages, give them up, reset, refuse,
//! drain and close, but never break a rule, so that any accusation by an engine is a fault of the engine.

mod client;
pub(crate) mod end;
mod ending;
mod lists;
pub(crate) mod pipe;
mod plan;
mod planted;
mod recording;
mod server;
mod streams;

use std::collections::BTreeMap;

use bytes::Buf;
use raddle_core::{Input, Role, StreamHandle, Timestamp, TransportEnd};

pub use self::planted::Planted;
use self::{
    end::End,
    lists::Lists,
    pipe::{Piece, Pipe},
    plan::{Plan, Trouble},
};
use crate::{
    campaign::Profile,
    oracle::{Oracle, Way},
    outcome::{Fault, Marks, Outcome},
    runner,
    tape::Tape,
    trace::Trace,
    wire::Urgency,
};

/// Moments at which something happened, after which a run counts as endless.
const STEPS_MAX: u64 = 2_000_000;
/// Nanoseconds of the run's clock after which it counts as stuck: one day. Keep-alive may keep it busy for ever.
const NANOS_MAX: u64 = 24 * 3_600 * 1_000_000_000;
/// Turns of one end at one moment, after which it counts as spinning.
const TURNS_MAX: u32 = 100_000;

/// Runs one connection from its beginning to its end by the choices of `tape`.
///
/// # Errors
/// The first thing that was wrong, with the end of the trace.
pub fn run(tape: &mut Tape) -> Result<Outcome, Fault> {
    run_with(tape, None)
}

/// As [`run`], with a fault planted between the engines and what judges them, by which the judge is judged.
///
/// # Errors
/// The first thing that was wrong; a run in which the planted fault comes to pass must end in this way.
pub fn run_with(tape: &mut Tape, planted: Option<Planted>) -> Result<Outcome, Fault> {
    runner::run(tape, |tape, trace| {
        World::new(tape, planted, trace, Profile::Safety).run()
    })
}

/// One run with what happens in `trace`.
pub(crate) fn attempt(
    tape: &mut Tape,
    trace: &mut Trace,
    profile: Profile,
) -> Result<Outcome, Fault> {
    World::new(tape, None, trace, profile).run()
}

/// What is going to happen at a moment of the clock.
#[derive(Clone, Debug)]
enum Task {
    /// The client makes a request.
    Open(u64),
    /// The client gives a request up, if it has not ended.
    GiveUp(u64, StreamHandle),
    /// The server answers.
    Answer(StreamHandle),
    /// The server resets a stream instead of going on with it.
    Reset(StreamHandle, raddle_core::ErrorCode),
    /// The client or the server finds another urgency for a request or for its response.
    Urge(Role, u64, Urgency),
    /// A writer goes on.
    Write(Role, StreamHandle),
    /// A reader gives back credit.
    Release(Role, StreamHandle, usize),
    Trouble(Trouble),
}

struct World<'t> {
    tape: &'t mut Tape,
    plan: Plan,
    /// Nanoseconds since the beginning.
    now: u64,
    client: End,
    server: End,
    up: Pipe,
    down: Pipe,
    /// By moment, and in the order in which they were put there.
    agenda: BTreeMap<(u64, u64), Task>,
    /// Entries made in the agenda so far.
    entries: u64,
    /// Requests that are still to be made.
    unmade: usize,
    planted: Option<Planted>,
    /// The last drain has begun.
    ending: bool,
    /// When it has to have come to its end, in nanoseconds.
    until: u64,
    oracle: Oracle,
    /// By request.
    lists: Vec<Lists>,
    trace: &'t mut Trace,
    marks: Marks,
}

impl<'t> World<'t> {
    fn new(
        tape: &'t mut Tape,
        planted: Option<Planted>,
        trace: &'t mut Trace,
        profile: Profile,
    ) -> Self {
        let plan = Plan::draw(tape, profile);
        let mut world = Self {
            tape,
            now: 0,
            client: End::new(Role::Client, plan.client.clone()),
            server: End::new(Role::Server, plan.server.clone()),
            up: Pipe::new("wire up", plan.style, plan.cuts[0]),
            down: Pipe::new("wire down", plan.style, plan.cuts[1]),
            agenda: BTreeMap::new(),
            entries: 0,
            unmade: plan.requests.len(),
            planted,
            ending: false,
            until: plan.budget().unwrap_or(NANOS_MAX),
            oracle: Oracle::default(),
            lists: Vec::new(),
            trace,
            marks: Marks::default(),
            plan,
        };
        let plan = &world.plan;
        world.lists.resize_with(plan.requests.len(), Lists::default);
        world.trace.comment(|| format!("{plan:?}"));
        if world.plan.features.tables {
            world.client.follow_tables();
            world.server.follow_tables();
        }
        for n in 0..world.plan.requests.len() {
            let at = world.plan.requests[n].at;
            world.later(at, Task::Open(n as u64));
        }
        for (at, trouble) in world.plan.troubles.clone() {
            world.later(at, Task::Trouble(trouble));
        }
        world
    }

    /// Puts `task` on the agenda, `delay` nanoseconds from now.
    fn later(&mut self, delay: u64, task: Task) {
        self.entries += 1;
        self.agenda.insert((self.now + delay, self.entries), task);
    }

    fn end(&mut self, role: Role) -> &mut End {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    fn log(&mut self, text: std::fmt::Arguments<'_>) {
        self.trace.note(format_args!("{}ns {text}", self.now));
        self.record_note(text);
    }

    fn run(mut self) -> Result<Outcome, Fault> {
        self.drive()?;
        if self.plan.style.piece_max <= 100 {
            for race in ["D14", "E10", "H04"] {
                self.marks.hit(race);
            }
        }
        self.client.mark(&mut self.marks);
        self.server.mark(&mut self.marks);
        Ok(Outcome {
            hash: self.trace.hash(),
            events: self.trace.events(),
            ends: self.oracle.ends(),
            marks: self.marks,
        })
    }

    fn drive(&mut self) -> Result<(), Fault> {
        for _ in 0..STEPS_MAX {
            self.settle(Role::Client)?;
            self.settle(Role::Server)?;
            self.conserved()?;
            if self.is_over() {
                return self.finish();
            }
            if self.begin_end() {
                continue;
            }
            match self.next() {
                None => return Err(self.stuck("I-22: nothing would ever happen again")),
                Some(next) if next > self.until => {
                    return Err(self.stuck("I-21: no end within the time that it may take"));
                }
                Some(next) => self.now = self.now.max(next),
            }
            self.happen()?;
        }
        Err(self.stuck("I-21: no end within the bound of steps"))
    }

    /// The next moment at which anything happens.
    fn next(&self) -> Option<u64> {
        let task = self.agenda.first_key_value().map(|((at, _), _)| *at);
        let timers = [&self.client, &self.server].map(|end| end.conn.poll_timeout());
        [task, self.up.next(), self.down.next()]
            .into_iter()
            .chain(timers.map(|at| at.map(|at| at.0)))
            .flatten()
            .min()
    }

    /// Lets one thing happen that is due: bytes first, then tasks, then deadlines.
    fn happen(&mut self) -> Result<(), Fault> {
        if self.arrive(Role::Server) || self.arrive(Role::Client) {
            // A moment may bring more than one thing.
        } else if let Some(entry) = self.agenda.first_entry()
            && entry.key().0 <= self.now
        {
            let task = entry.remove();
            self.perform(task)?;
        } else {
            let now = Timestamp(self.now);
            self.client.conn.handle_timeout(now);
            self.server.conn.handle_timeout(now);
        }
        Ok(())
    }

    /// Brings what has arrived for `role`; answers whether there was anything.
    fn arrive(&mut self, role: Role) -> bool {
        let mut any = false;
        loop {
            let now = self.now;
            let (end, pipe) = match role {
                Role::Client => (&mut self.client, &mut self.down),
                Role::Server => (&mut self.server, &mut self.up),
            };
            match pipe.read(now) {
                None => return any,
                Some(Piece::Bytes(bytes)) => {
                    end.arrive(&bytes);
                    self.record_arrival(role, &bytes);
                }
                // What has arrived before it is read before it.
                Some(Piece::End(how)) if end.unread => {
                    pipe.unread(Piece::End(how), now);
                    return true;
                }
                Some(Piece::End(how)) => {
                    end.conn.handle_transport_end(how, Timestamp(now));
                    self.record_transport_end(role, how);
                    self.log(format_args!("{role:?}: transport ends by {how:?}"));
                }
            }
            any = true;
            if !self.plan.style.gathers {
                return true;
            }
        }
    }

    fn perform(&mut self, task: Task) -> Result<(), Fault> {
        match task {
            Task::Open(n) => self.open(n),
            Task::GiveUp(n, handle) => self.give_up(n, handle),
            Task::Answer(handle) => self.answer(handle),
            Task::Reset(handle, code) => self.reset(handle, code),
            Task::Urge(role, n, urgency) => {
                self.urge(role, n, urgency);
                Ok(())
            }
            Task::Write(role, handle) => self.write(role, handle),
            Task::Release(role, handle, bytes) => {
                self.end(role).release(handle, bytes);
                Ok(())
            }
            Task::Trouble(trouble) => {
                self.trouble(trouble);
                Ok(())
            }
        }
    }

    fn trouble(&mut self, trouble: Trouble) {
        self.log(format_args!("{trouble:?}"));
        match trouble {
            Trouble::Drain(role) => {
                self.marks.hit(match role {
                    Role::Client => "drain by client",
                    Role::Server => "drain by server",
                });
                self.end(role).conn.drain();
            }
            Trouble::Close(role, code) => {
                self.marks.hit("close");
                let debug = bytes::Bytes::from_static(b"simulated");
                self.end(role).conn.close(code, debug);
            }
            Trouble::Stall(way, long) => {
                self.marks.hit("stall");
                let until = self.now + long;
                self.record_stall(way, until);
                match way {
                    Way::Up => self.up.stall(until),
                    Way::Down => self.down.stall(until),
                }
            }
            Trouble::Ping(role) => {
                if self.end(role).conn.ping().is_some() {
                    self.marks.hit("ping");
                }
            }
        }
    }

    /// Gives one end turns until it has nothing more to do at this moment.
    fn settle(&mut self, role: Role) -> Result<(), Fault> {
        for turn in 0..TURNS_MAX {
            let mut moved = self.read(role)?;
            while let Some(event) = self.end(role).conn.poll_event() {
                moved = true;
                for event in self.plant(role, event) {
                    self.event(role, event)?;
                }
            }
            moved |= self.transmit(role)?;
            if !moved {
                // It walks all streams: only when something may have changed.
                if turn > 0 {
                    let end = self.end(role);
                    end.conn.check();
                    end.audit()?;
                }
                self.hang_up(role);
                self.record_waits(role);
                return Ok(());
            }
        }
        Err(self.stuck(&format!("I-23: {role:?} spins")))
    }

    fn read(&mut self, role: Role) -> Result<bool, Fault> {
        let now = Timestamp(self.now);
        let (end, peer) = match role {
            Role::Client => (&mut self.client, &self.server),
            Role::Server => (&mut self.server, &self.client),
        };
        if !std::mem::take(&mut end.unread) {
            return Ok(false);
        }
        let verdict = end.handle_input(now, self.tape.reads_in_crumbs());
        end.decoder_agrees(peer)?;
        match verdict {
            Input::NeedMore { .. } => {}
            Input::EventsFull => {
                end.unread = true;
                self.marks.hit("events full");
            }
            Input::Closed => end.input.clear(),
        }
        Ok(true)
    }

    /// Cuts frames and gives them to the transport; answers whether there were any.
    fn transmit(&mut self, role: Role) -> Result<bool, Fault> {
        let now = self.now;
        let end = self.end(role);
        let (wants, before) = (end.conn.wants_transmit(), end.out.remaining());
        let cut = end.conn.poll_transmit(&mut end.out, Timestamp(now));
        if before == 0 && wants != (cut > 0) {
            return Err(Fault::run(format!(
                "I-22: {role:?} wants to transmit: {wants}, but {cut} bytes came"
            )));
        }
        self.end(role).observe(before)?;
        self.record_cut_frames(role, before);
        let (end, pipe) = match role {
            Role::Client => (&mut self.client, &mut self.up),
            Role::Server => (&mut self.server, &mut self.down),
        };
        if pipe.write(&mut end.out, now, self.tape) {
            self.cut();
        }
        Ok(cut > 0)
    }

    /// The transport breaks: what is on its way may be lost, and both ends hear of it in some way.
    fn cut(&mut self) {
        self.log(format_args!("the transport breaks"));
        self.record_break();
        self.marks.hit("cut");
        for pipe in [&mut self.up, &mut self.down] {
            if self.tape.lane("break").chance(1, 2) {
                pipe.lose(self.tape);
            }
            let how = self
                .tape
                .lane("break")
                .pick(&[TransportEnd::Eof, TransportEnd::Failed]);
            pipe.end(how, self.now, self.tape);
        }
    }
}
