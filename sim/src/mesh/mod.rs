//! Several connections at once: a pool of them over several servers, or two such hops with a proxy in the middle.
//!
//! No runtime, no sockets, one clock. Every application keeps to the rules; some streams and some connections do what is
//! of no use to the others, and the others must not notice (I-30). Whatever is seen of a request carries its own mark
//! (I-31). Requests that failed are sent again where their verdict allows it, on another connection (I-06).

mod client;
mod dials;
mod ending;
mod fields;
mod link;
mod meetings;
mod origin;
mod outgoing;
mod plan;
#[cfg(test)]
mod planted;
mod proofs;
mod proxy;
mod recording;
mod streams;
mod trouble;
mod turns;

use raddle_core::{ErrorCode, RequestHead, Retry, Role, StreamHandle, Then, Timestamp};

use self::{
    fields::Own,
    link::{Link, Side},
    outgoing::Outgoing,
    plan::{Plan, Trouble},
};
use crate::{
    agenda::{Agenda, earlier},
    oracle::{Message, Oracle, Way},
    outcome::{Fault, Marks, Outcome},
    pair::pipe::Pipe,
    tape::Tape,
    trace::{Mix, Trace},
};

/// Moments at which something happened, after which a run counts as endless.
const STEPS_MAX: u64 = 500_000;

/// How connections lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topology {
    /// A client with up to 8 connections over up to 4 servers.
    Pool,
    /// The same with a proxy that is their one server, and that has such connections of its own.
    Proxy,
}

/// Which part of the way a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hop {
    /// From the client.
    Near,
    /// From the proxy to a server.
    Far,
}

/// One run, with what happens in `trace`.
pub(crate) fn attempt(
    tape: &mut Tape,
    trace: &mut Trace,
    topology: Topology,
) -> Result<Outcome, Fault> {
    let plan = Plan::draw(tape, topology);
    trace.tell_options(|| plan.options());
    let again = tape.lane("again").chance(1, 8) || plan.is_abused();
    let calm = again.then(|| plan.calm());
    let mut world = World::new(tape, trace, plan);
    world.drive()?;
    world.count_frames();
    world.marks.add_to("unseen", world.oracle.unseen());
    let waits = world.plan.bounds_waits();
    let (requests, marks) = (std::mem::take(&mut world.requests), world.marks.clone());
    let ends = world.oracle.ends();
    if let Some(calm) = calm {
        let mut quiet = trace.another();
        let mut other = World::new(tape, &mut quiet, calm);
        let well = other.drive();
        let others = std::mem::take(&mut other.requests);
        trace.comment(|| "once more, in calm:".to_owned());
        quiet
            .lines()
            .for_each(|line| trace.comment(|| line.to_owned()));
        well?;
        ending::compare(&requests, &others, waits)?;
        trace.note(format_args!("the same in calm: {:016x}", quiet.hash()));
    }
    Ok(Outcome {
        hash: trace.hash(),
        events: trace.events(),
        ends,
        marks,
    })
}

/// What is going to happen at a moment of the clock.
#[derive(Clone, Copy, Debug)]
enum Task {
    /// The client sends a request, for the first time or again.
    Send(usize),
    /// The client gives a request up, if it has not ended.
    GiveUp(usize),
    /// A server answers an attempt.
    Answer(usize),
    /// A server resets an attempt.
    Reset(usize, ErrorCode),
    /// A reader gives back credit: on which connection, side, stream, and how much.
    Release(usize, Role, StreamHandle, usize),
    Trouble(Trouble),
    /// A connection is there.
    Dialed(usize),
    /// The proxy says to all its clients that it leaves.
    DrainProxy,
}

/// A request as its client sees it.
#[derive(Clone, Debug, Default)]
struct Request {
    /// How it ended: well, or with a verdict.
    end: Option<Result<(), Retry>>,
    /// Times that it was sent.
    sent: u32,
    /// Its latest attempt.
    latest: Option<usize>,
    gave_up: bool,
    /// Times that a server at the end of the way saw it, without declining it.
    executed: u32,
    /// Its own behaviour or a troubled connection may have decided over its end.
    touched: bool,
    /// When it ended, in nanoseconds.
    ended: u64,
}

/// One request on one connection. Its number is that by which the oracle knows it.
#[derive(Debug)]
struct Attempt {
    /// The request's number.
    n: usize,
    link: usize,
    /// Its stream, for each end until that has heard of the end.
    client: Option<StreamHandle>,
    server: Option<StreamHandle>,
    upload: Option<Outgoing>,
    download: Option<Outgoing>,
    answered: bool,
    /// On the far hop: the attempt of the near hop for which it is made.
    parent: Option<usize>,
    /// On the near hop: the one that was made for it, and how many there were.
    child: Option<usize>,
    children: u32,
    /// A server at the end of the way saw it, and did not decline it.
    executed: bool,
    /// An attempt behind it may have been seen, for all that is known.
    uncertain: bool,
    /// How its head ends, while its connection is not there yet.
    dialing: Option<Then>,
    /// On the near hop: its head, as the proxy has got it.
    head: Option<RequestHead>,
    /// Interim responses that its client has got, of those that the server sends once.
    hints: u64,
    /// The server has stopped the upload behind its answer.
    stopped: bool,
    /// It has come behind the proxy's GOAWAY.
    crosses_drain: bool,
}

/// What a request carries: the mark of its heads, and both messages.
#[derive(Debug)]
struct Load {
    up_fields: Own,
    down_fields: Own,
    up: Option<Message>,
    down: Option<Message>,
}

impl Load {
    fn of(plan: &Plan, n: usize) -> Self {
        Self {
            up_fields: Own::of(plan, n, Way::Up),
            down_fields: Own::of(plan, n, Way::Down),
            up: None,
            down: None,
        }
    }
}

struct World<'t> {
    tape: &'t mut Tape,
    trace: &'t mut Trace,
    plan: Plan,
    /// Nanoseconds since the beginning.
    now: u64,
    links: Vec<Link>,
    attempts: Vec<Attempt>,
    requests: Vec<Request>,
    /// What each request carries, once it was wanted.
    loads: Vec<Load>,
    agenda: Agenda<Task>,
    oracle: Oracle,
    marks: Marks,
    #[cfg(test)]
    planted: Option<planted::Planted>,
}

impl<'t> World<'t> {
    fn new(tape: &'t mut Tape, trace: &'t mut Trace, plan: Plan) -> Self {
        let loads = (0..plan.requests.len()).map(|n| Load::of(&plan, n));
        let mut world = Self {
            tape,
            trace,
            now: 0,
            links: Vec::new(),
            attempts: Vec::new(),
            requests: vec![Request::default(); plan.requests.len()],
            loads: loads.collect(),
            agenda: Agenda::new(),
            oracle: Oracle::default(),
            marks: Marks::default(),
            #[cfg(test)]
            planted: None,
            plan,
        };
        for n in 0..world.requests.len() {
            let at = world.plan.requests[n].at;
            world.later(at, Task::Send(n));
        }
        for (at, trouble) in world.plan.troubles.clone() {
            world.later(at, Task::Trouble(trouble));
        }
        if let Some(at) = world.plan.drains {
            world.later(at, Task::DrainProxy);
        }
        world
    }

    /// Puts `task` on the agenda, `delay` nanoseconds from now.
    fn later(&mut self, delay: u64, task: Task) {
        self.agenda.put(self.now + delay, task);
    }

    fn log(&mut self, mix: Mix, text: std::fmt::Arguments<'_>) {
        let words = format_args!("{}ns {text}", self.now);
        self.trace.log(mix.with(&self.now), words);
        self.record_note(text);
    }

    /// One side of a connection, to do something with it.
    fn side(&mut self, link: usize, role: Role) -> &mut Side {
        let side = self.links[link].raw(role);
        side.dirty = true;
        side.work.calls();
        side
    }

    /// What is sent up for request `n`, or down.
    fn message(&mut self, n: usize, role: Role) -> Message {
        let (request, load) = (&self.plan.requests[n], &mut self.loads[n]);
        let n = n as u64;
        let message = match role {
            Role::Client => load
                .up
                .get_or_insert_with(|| Message::stamped(2 * n, request.body, request.trailers)),
            Role::Server => load.down.get_or_insert_with(|| {
                Message::stamped(2 * n + 1, request.reply, request.reply_trailers)
            }),
        };
        message.clone()
    }

    fn drive(&mut self) -> Result<(), Fault> {
        let until = self.plan.until();
        for _ in 0..STEPS_MAX {
            self.settle_all()?;
            if self.is_over() {
                return self.finish();
            }
            if self.begin_end() {
                continue;
            }
            match self.next() {
                None => return Err(self.stuck("I-22: nothing would ever happen again")),
                Some(next) if next > until => {
                    return Err(self.stuck("I-21: no end within the time that it may take"));
                }
                Some(next) => self.now = self.now.max(next),
            }
            self.happen()?;
        }
        Err(self.stuck("I-23: no end within the bound of steps"))
    }

    /// The next moment at which anything happens.
    fn next(&self) -> Option<u64> {
        let links = self.links.iter().map(|link| link.next);
        links.fold(self.agenda.next(), earlier)
    }

    /// Lets one thing happen that is due: bytes first, then tasks, then deadlines.
    fn happen(&mut self) -> Result<(), Fault> {
        for at in 0..self.links.len() {
            let link = &self.links[at];
            if link.next.is_none_or(|next| next > self.now) {
                continue;
            }
            let due = |pipe: &Pipe| pipe.next().is_some_and(|next| next <= self.now);
            let (up, down) = (due(&link.up), due(&link.down));
            // What has arrived makes it dirty, and what is dirty looks at its clock anew.
            if (up && self.arrive(at, Role::Server)) || (down && self.arrive(at, Role::Client)) {
                return Ok(());
            }
        }
        if let Some(task) = self.agenda.pop_due(self.now) {
            return self.perform(task);
        }
        let now = Timestamp(self.now);
        let due = |link: &&mut Link| link.next.is_some_and(|next| next <= now.0);
        for link in self.links.iter_mut().filter(due) {
            for side in [&mut link.client, &mut link.server] {
                if side.conn.poll_timeout().is_some_and(|at| at <= now) {
                    side.look_at_deadlines(now);
                    side.dirty = true;
                }
            }
        }
        Ok(())
    }

    fn perform(&mut self, task: Task) -> Result<(), Fault> {
        match task {
            Task::Send(n) => self.send(n),
            Task::GiveUp(n) => self.give_up(n),
            Task::Answer(id) => self.answer(id),
            Task::Reset(id, code) => self.reset(id, code),
            Task::Release(link, role, stream, bytes) => {
                self.side(link, role).release(stream, bytes);
                Ok(())
            }
            Task::Trouble(trouble) => {
                self.trouble(trouble);
                Ok(())
            }
            Task::Dialed(at) => self.dialed(at),
            Task::DrainProxy => {
                self.drain_proxy();
                Ok(())
            }
        }
    }
}
