//! Two engines against each other: no runtime, no sockets, a clock that jumps from one event to the next.
//!
//! The transport between them is a pair of byte pipes that cut what is written into pieces, delay it, stand still for a
//! while, and break at any byte. Both applications are honest: they send whole messages, give them up, reset, refuse,
//! drain and close, but never break a rule, so that any accusation by an engine is a fault of the engine.

mod client;
pub(crate) mod end;
mod ending;
mod expecting;
mod habits;
mod lists;
mod news;
pub(crate) mod pipe;
mod plan;
mod planted;
mod proofs;
mod recording;
mod server;
mod standstill;
mod streams;
pub(crate) mod trailers;
mod trouble;
mod turning;

use bytes::Buf;
use raddle_core::{Input, Role, StreamHandle, Timestamp};

pub use self::planted::Planted;
use self::{
    end::End,
    lists::{Before, Lists},
    pipe::{Piece, Pipe},
    plan::{Plan, Trouble},
    standstill::Standstill,
};
use crate::{
    agenda::{Agenda, earlier},
    campaign::Profile,
    oracle::Oracle,
    outcome::{Fault, Marks, Outcome},
    resources::{judge_input, judge_needed},
    runner,
    tape::Tape,
    trace::{Mix, Trace, note},
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

/// How the two ends of a run are set up.
#[cfg(test)]
pub(crate) fn configured(tape: &mut Tape) -> [raddle_core::Config; 2] {
    let plan = Plan::draw(tape, Profile::Safety);
    [plan.client, plan.server]
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
    /// A client waits no longer to be asked for a body.
    Continue(StreamHandle),
    /// A writer goes on.
    Write(Role, StreamHandle),
    /// A reader gives back credit.
    Release(Role, StreamHandle, usize),
    Trouble(Trouble),
    /// A loop takes events again.
    Hear(Role),
    /// A loop asks for output again.
    Uncork(Role),
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
    agenda: Agenda<Task>,
    /// Requests that are still to be made.
    unmade: usize,
    planted: Option<Planted>,
    standstill: Standstill,
    /// Moments since streams were compared over both ends.
    unseen: usize,
    /// The last drain has begun.
    ending: bool,
    /// When it has to have come to its end, in nanoseconds.
    until: u64,
    oracle: Oracle,
    /// By request.
    lists: Vec<Lists>,
    before: Before,
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
            client: End::new(Role::Client, plan.client.clone(), plan.turning[0]),
            server: End::new(Role::Server, plan.server.clone(), plan.turning[1]),
            up: Pipe::new("wire up", plan.style, plan.cuts[0]),
            down: Pipe::new("wire down", plan.style, plan.cuts[1]),
            agenda: Agenda::new(),
            unmade: plan.requests.len(),
            planted,
            standstill: Standstill::default(),
            unseen: 0,
            ending: false,
            until: plan.budget().unwrap_or(NANOS_MAX),
            oracle: Oracle::default(),
            lists: Vec::new(),
            before: Before::default(),
            trace,
            marks: Marks::default(),
            plan,
        };
        let plan = &world.plan;
        world.lists.resize_with(plan.requests.len(), Lists::default);
        world.trace.tell_options(|| plan.options());
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
        self.agenda.put(self.now + delay, task);
    }

    /// One end, to do something with it: it may have something to say.
    fn touch(&mut self, role: Role) -> &mut End {
        let end = self.end(role);
        end.dirty = true;
        end.work.calls();
        end
    }

    fn end(&mut self, role: Role) -> &mut End {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    fn log(&mut self, mix: Mix, text: std::fmt::Arguments<'_>) {
        let words = format_args!("{}ns {text}", self.now);
        self.trace.log(mix.with(&self.now), words);
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
        self.marks.add_to("unseen", self.oracle.unseen());
        Ok(Outcome {
            hash: self.trace.hash(),
            events: self.trace.events(),
            ends: self.oracle.ends(),
            marks: self.marks,
        })
    }

    fn drive(&mut self) -> Result<(), Fault> {
        for _ in 0..STEPS_MAX {
            let mut moved = false;
            for role in [Role::Client, Role::Server] {
                if std::mem::take(&mut self.end(role).dirty) {
                    self.settle(role)?;
                    moved = true;
                }
            }
            if moved {
                self.conserved()?;
            }
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
        let timer = End::looks_at;
        let next = earlier(self.up.next(), self.down.next());
        let next = earlier(next, self.agenda.next());
        earlier(next, earlier(timer(&self.client), timer(&self.server)))
    }

    /// Lets one thing happen that is due: bytes first, then tasks, then deadlines.
    fn happen(&mut self) -> Result<(), Fault> {
        if self.arrive(Role::Server) || self.arrive(Role::Client) {
            // A moment may bring more than one thing.
        } else if let Some(task) = self.agenda.pop_due(self.now) {
            self.perform(task)?;
        } else {
            let now = Timestamp(self.now);
            for end in [&mut self.client, &mut self.server] {
                if end.looks_at().is_some_and(|at| at <= now.0) {
                    end.dirty = true;
                    end.look_at_deadlines(now.0);
                }
            }
        }
        Ok(())
    }

    /// Brings what has arrived for `role`; answers whether there was anything.
    fn arrive(&mut self, role: Role) -> bool {
        let mut any = false;
        loop {
            let now = self.now;
            let (end, pipe, peer) = match role {
                Role::Client => (&mut self.client, &mut self.down, &mut self.server),
                Role::Server => (&mut self.server, &mut self.up, &mut self.client),
            };
            match pipe.read(now) {
                None => return any,
                Some(Piece::Bytes(bytes)) => {
                    end.arrive(bytes);
                    // There is room in the pipe again.
                    peer.dirty |= peer.out.has_remaining();
                    recording::arrival(self.trace, now, role, bytes);
                }
                // What has arrived before it is read before it.
                Some(Piece::End(how)) if end.unread => {
                    // Or when somebody takes events again.
                    pipe.unread(how, end.turns.deaf.map_or(now, |until| until + 1));
                    return true;
                }
                Some(Piece::End(how)) => {
                    end.dirty = true;
                    end.loses_output();
                    end.input_ends(how, now);
                    self.record_transport_end(role, how);
                    note!(self, "{:?}: transport ends by {:?}", role, how);
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
            Task::Open(_) | Task::GiveUp(..) | Task::Continue(_) => {
                self.touch(Role::Client);
            }
            Task::Answer(_) | Task::Reset(..) => {
                self.touch(Role::Server);
            }
            Task::Urge(role, ..) | Task::Write(role, _) | Task::Release(role, ..) => {
                self.touch(role);
            }
            Task::Trouble(_) | Task::Hear(_) | Task::Uncork(_) => {}
        }
        match task {
            Task::Open(n) => self.open(n),
            Task::GiveUp(n, handle) => self.give_up(n, handle),
            Task::Answer(handle) => self.answer(handle),
            Task::Reset(handle, code) => self.reset(handle, code),
            Task::Urge(role, n, urgency) => {
                self.urge(role, n, urgency);
                Ok(())
            }
            Task::Continue(handle) => self.go_on(handle),
            Task::Write(role, handle) => self.write(role, handle),
            Task::Release(role, handle, bytes) => {
                self.end(role).release(handle, bytes);
                Ok(())
            }
            Task::Trouble(trouble) => {
                self.trouble(trouble);
                Ok(())
            }
            Task::Hear(role) => {
                self.hear_again(role);
                Ok(())
            }
            Task::Uncork(role) => {
                self.uncork(role);
                Ok(())
            }
        }
    }

    /// Gives one end turns until it has nothing more to do at this moment.
    fn settle(&mut self, role: Role) -> Result<(), Fault> {
        for turn in 0..TURNS_MAX {
            let end = self.end(role);
            end.peak = end.peak.max(end.conn.audit().live);
            let mut moved = self.read(role)?;
            moved |= self.hear(role)?;
            moved |= !self.is_corked(role) && self.transmit(role)?;
            if !moved {
                self.turn_again(role)?;
                let end = self.end(role);
                match turn {
                    // Something is left for later.
                    _ if !end.turns.is_through() => {}
                    // Nothing has changed in it.
                    0 => judge_input(&end.conn, &end.input, &end.out)?,
                    _ => end.look()?,
                }
                self.hang_up(role);
                self.record_waits(role);
                return Ok(());
            }
        }
        Err(self.stuck(&format!("I-23: {role:?} spins")))
    }

    /// Lets the engine read; answers whether it has read anything: the beginning of a frame is left where it is.
    fn read(&mut self, role: Role) -> Result<bool, Fault> {
        let now = Timestamp(self.now);
        let (end, peer) = match role {
            Role::Client => (&mut self.client, &self.server),
            Role::Server => (&mut self.server, &self.client),
        };
        if !std::mem::take(&mut end.unread) {
            return Ok(false);
        }
        let before = end.input.len();
        let verdict = end.handle_input(now, self.tape.reads_in_crumbs());
        end.decoder_agrees(peer)?;
        judge_needed(&end.conn, &end.input, verdict)?;
        let moved = end.input.len() < before;
        match verdict {
            Input::NeedMore { .. } => {}
            Input::EventsFull => {
                end.unread = true;
                self.marks.hit("events full");
            }
            Input::Closed => end.input.clear(),
        }
        if moved {
            self.note_read(role);
        }
        Ok(moved)
    }
}
