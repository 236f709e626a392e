//! Where all tasks of a run write down what happens, in the order in which it does.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use http::HeaderMap;
use raddle_core::{Retry, Role, Violation};
use tokio::runtime::Handle;

use super::{
    course::Course, delivery::Deliveries, leftovers::InUse, lull::Clock, plan::Plan, races::Fates,
};
use crate::{
    faulty::{Clog, Fuse, Style},
    oracle::{Ends, Oracle, Way},
    outcome::{Fault, Marks, Outcome},
    trace::{Mix, Said, Trace, note},
    view::Passage,
};

/// The path of a request that is no part of the plan.
pub(super) const LAST: &str = "/last";

/// One per run, shared by its tasks. They all run on one thread, so that the order is that of the simulation.
#[derive(Clone, Debug)]
pub(super) struct Book {
    pub(super) plan: Arc<Plan>,
    /// Requests that a server's application works on, on one connection.
    pub(super) working: Arc<AtomicU32>,
    /// What has passed one connection.
    pub(super) course: Arc<Mutex<Course>>,
    /// What has to be gone at the end.
    pub(super) in_use: Arc<InUse>,
    /// What the network does not know of the time.
    pub(super) clock: Arc<Clock>,
    pages: Arc<Mutex<Pages>>,
}

/// One request that a server's application works on.
pub(super) struct Busy(Arc<AtomicU32>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Debug, Default)]
pub(super) struct Pages {
    pub(super) oracle: Oracle,
    trace: Trace,
    pub(super) marks: Marks,
    /// The first thing that was wrong.
    fault: Option<Fault>,
    /// Of the first server's host, one for each time that it has started. It blows when the host dies.
    server_fuses: Vec<Fuse>,
    /// Whether each side has had a socket.
    client_socket: bool,
    server_socket: bool,
    /// Connections that the server has drained, or will.
    drains: u32,
    /// Of everybody else.
    other_fuse: Fuse,
    /// Of the pool's connections, with their numbers.
    clogs: Vec<(u64, Clog)>,
    /// What becomes of the pool's connections.
    pub(super) fates: Fates,
    /// What the pool was asked for, and what it has made of that.
    pub(super) deliveries: Deliveries,
    /// How many interim responses each request has had.
    pub(super) interims: BTreeMap<u64, u64>,
    /// Those who stand in line for a place, in the order in which they came.
    pub(super) line: Vec<u64>,
    /// The ends that are recorded already: of several connections the first is.
    witnessed: Vec<Role>,
    /// The runtimes of the hosts that run.
    pub(super) hosts: BTreeMap<&'static str, Handle>,
}

impl Pages {
    /// Those of all sockets.
    fn fuses(&self) -> impl Iterator<Item = &Fuse> {
        self.server_fuses.iter().chain([&self.other_fuse])
    }
}

impl Book {
    pub(super) fn new(plan: Plan, trace: Trace) -> Self {
        let book = Self {
            plan: Arc::new(plan),
            working: Arc::default(),
            course: Arc::default(),
            in_use: Arc::default(),
            clock: Arc::default(),
            pages: Arc::new(Mutex::new(Pages {
                trace,
                server_fuses: vec![Fuse::default()],
                ..Pages::default()
            })),
        };
        let plan = Arc::clone(&book.plan);
        book.open().trace.comment(|| format!("{plan:?}"));
        book
    }

    pub(super) fn open(&self) -> MutexGuard<'_, Pages> {
        // A task that has panicked is told by the simulation itself.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down an event by its text.
    pub(super) fn note(&self, text: fmt::Arguments<'_>) {
        self.log(Mix::of("").with(&Said(text)), text);
    }

    /// Writes down an event by what it is made of.
    pub(super) fn log(&self, mix: Mix, text: fmt::Arguments<'_>) {
        let now = self.now();
        let mut pages = self.open();
        let moment = now.as_micros();
        let mix = mix.with(&(moment as u64));
        pages.trace.log(mix, format_args!("{moment}us {text}"));
        if let Some(recorder) = &mut pages.trace.recorder {
            recorder.note(now.as_nanos() as u64, &text.to_string());
        }
    }

    pub(super) fn mark(&self, mark: &'static str) {
        self.open().marks.hit(mark);
    }

    /// Writes down an event of request `n`, and tells the oracle of it.
    pub(super) fn tell(
        &self,
        n: u64,
        what: &'static str,
        tell: impl FnOnce(&mut Oracle) -> Result<(), Fault>,
    ) {
        self.log(Mix::of(what).with(&n), format_args!("#{n} {what}"));
        self.ask(tell);
    }

    /// Tells the oracle of something, and keeps its objection.
    fn ask(&self, tell: impl FnOnce(&mut Oracle) -> Result<(), Fault>) {
        let told = tell(&mut self.open().oracle);
        if let Err(fault) = told {
            self.fault(fault);
        }
    }

    pub(super) fn fault(&self, fault: Fault) {
        self.note(format_args!("FAULT {fault}"));
        self.open().fault.get_or_insert(fault);
    }

    /// The client ends request `n` with `verdict`.
    pub(super) fn failed(&self, n: u64, verdict: Retry, why: &str) {
        self.ends_by_itself(n, false);
        self.one_less();
        self.note(format_args!("#{n} failed: {why}; {verdict}"));
        self.ask(|oracle| oracle.failed(n, verdict));
        let troubled = self.plan.cut.is_some()
            // Behind its last byte a connection waits a second for a network that stands still.
            || (self.plan.drain.is_some() && !self.plan.holds.is_empty())
            || (self.plan.pooled && self.plan.pool.swizzle.is_some())
            // The h2 crate tells requests behind GOAWAY like those before it, and lets a drained socket go although
            // there is something to read in it, which takes what was sent last with it.
            || ((self.plan.h2_client || self.plan.h2_server) && self.plan.drain.is_some())
            || (self.plan.h2_server && self.course().is_torn())
            || self.plan.requests[n as usize].may_fail();
        if !troubled && verdict != Retry::Safe {
            self.fault(Fault::of(n, "I-03: failed although nothing was wrong"));
        }
    }

    /// The client gives request `n` up.
    pub(super) fn give_up(&self, n: u64) {
        self.mark("reset by client");
        self.gives_up_in_a_dial(n);
        self.one_less();
        self.tell(n, "is given up", |oracle| {
            oracle.gave_up(n)?;
            oracle.failed(n, Retry::Never)
        });
    }

    /// Everybody keeps to the rules here, so that an accusation is wrong. Only where a connection was cut may somebody
    /// run out of time, or where the end of one gets lost: that of the client's work, or of what a pool lets go.
    pub(super) fn accused(&self, who: &str, violation: Option<Violation>) {
        let Some(violation) = violation else {
            return;
        };
        let late = matches!(
            violation,
            Violation::PingTimeout
                | Violation::WriteTimeout
                | Violation::HandshakeTimeout
                | Violation::SettingsTimeout
                | Violation::HeaderBlockTimeout
        ) && (self.disturbed()
            || (self.loses_ends() && (self.is_done() || !self.is_lasting())));
        // The h2 crate (0.4.20) resets requests that waited for a stream when GOAWAY came, and so were never opened.
        let idle = violation == Violation::IdleStreamFrame && self.plan.h2_client;
        if late || idle {
            return;
        }
        self.fault(Fault::run(format!("{who} accuses its peer: {violation}")));
    }

    /// Trailers arrive.
    pub(super) fn trailers(&self, n: u64, way: Way, fields: &HeaderMap) {
        self.mark("trailers");
        let value = match fields.get("x-end") {
            Some(value) if fields.len() == 1 => value.as_bytes(),
            _ => return self.fault(Fault::of(n, format!("I-04: other trailers: {fields:?}"))),
        };
        note!(self, "#{} {:?} trailers", n, way);
        self.ask(|oracle| oracle.trailers(n, way, value));
    }

    /// Part of a body arrives.
    pub(super) fn data(&self, n: u64, way: Way, data: &[u8]) {
        note!(self, "#{} {:?} {} bytes", n, way, data.len());
        self.ask(|oracle| oracle.data(n, way, data));
    }

    /// A message is whole for its receiver.
    pub(super) fn whole(&self, n: u64, way: Way) {
        note!(self, "#{} {:?} is whole", n, way);
        self.ask(|oracle| oracle.whole(n, way));
    }

    /// The server is shown request `n`.
    pub(super) fn shown(&self, n: u64) {
        self.tell(n, "is shown to the server", |oracle| oracle.shown(n));
    }

    /// The head of a response arrives, with the number of the request that it answers.
    pub(super) fn head(&self, n: u64, head: &http::response::Parts) {
        self.tell(n, "has its response", |oracle| oracle.head(n));
        self.is_directed(n, head.status.as_u16());
        let number = head.headers.get("x-n").map(|value| value.as_bytes());
        if number != Some(n.to_string().as_bytes()) {
            self.fault(Fault::of(
                n,
                format!("I-31: got another's response: {head:?}"),
            ));
        }
    }

    /// The response is whole for the client, and so the request is at its end.
    pub(super) fn complete(&self, n: u64) {
        self.ends_by_itself(n, true);
        self.one_less();
        self.whole(n, Way::Down);
        self.tell(n, "is complete", |oracle| oracle.complete(n));
    }

    /// The plan of the request that `path` names.
    pub(super) fn request(&self, path: &str) -> Option<super::request::Request> {
        if path == LAST {
            return None;
        }
        let n: usize = path.strip_prefix('/').and_then(|n| n.parse().ok())?;
        let found = self.plan.requests.get(n).cloned();
        if found.is_none() {
            self.fault(Fault::run(format!(
                "I-31: a request that nobody made: {path}"
            )));
        }
        found
    }

    /// Whether something happens that may last longer than anybody's patience.
    pub(super) fn disturbed(&self) -> bool {
        self.plan.cut.is_some() || self.plan.pool.swizzle.is_some()
    }

    /// I-20: the application begins with one more request of this connection, of no more than the server allows.
    pub(super) fn busy(&self) -> Busy {
        let others = self.working.fetch_add(1, Ordering::Relaxed);
        if others >= self.plan.server.concurrent_streams_max {
            self.fault(Fault::run(format!(
                "I-20: the application works on {} requests at once",
                others + 1
            )));
        }
        Busy(Arc::clone(&self.working))
    }

    /// Ends the server's streams when its host dies.
    pub(super) fn server_fuse(&self) -> Fuse {
        let pages = self.open();
        pages.server_fuses.last().cloned().unwrap_or_default()
    }

    /// One that nobody blows.
    pub(super) fn other_fuse(&self) -> Fuse {
        self.open().other_fuse.clone()
    }

    /// How a socket behaves. What ends one does so to the first of a side: if it ended each, nothing might ever be done.
    pub(super) fn style(&self, of_client: bool) -> Style {
        let mut pages = self.open();
        let (style, used) = match of_client {
            true => (self.plan.client_style, &mut pages.client_socket),
            false => (self.plan.server_style, &mut pages.server_socket),
        };
        match std::mem::replace(used, true) {
            false => style,
            true => Style {
                fails_after: None,
                wedges_after: None,
                stands_still_after: None,
                takes_nothing_after: None,
                writes_fail_after: None,
                ..style
            },
        }
    }

    /// Whether one more connection is to be drained. If each was at once, nothing might ever be done.
    pub(super) fn one_more_drains(&self) -> bool {
        let mut pages = self.open();
        pages.drains += 1;
        pages.drains <= super::ENDED_MAX
    }

    /// The server's host starts again.
    pub(super) fn new_server_fuse(&self) {
        self.open().server_fuses.push(Fuse::default());
    }

    /// Adds a connection of the pool's.
    pub(super) fn add_clog(&self) -> Clog {
        let mut pages = self.open();
        let number = pages.clogs.len() as u64;
        pages.clogs.push((number, Clog::default()));
        pages.clogs[number as usize].1.clone()
    }

    /// The pool's connections.
    pub(super) fn clogs(&self) -> Vec<(u64, Clog)> {
        self.open().clogs.clone()
    }

    /// Whether this end of a connection is to be recorded.
    pub(super) fn takes_witness(&self, side: Role) -> bool {
        let mut pages = self.open();
        // Which of the servers' connections that is would be a guess.
        let known = side == Role::Client || !self.plan.pooled;
        let takes = known && pages.trace.recorder.is_some() && !pages.witnessed.contains(&side);
        if takes {
            pages.witnessed.push(side);
        }
        takes
    }

    /// Bytes that pass an end that is recorded.
    pub(super) fn record(&self, side: Role, passage: Passage, bytes: &[u8]) {
        let at = self.now().as_nanos() as u64;
        if let Some(recorder) = &mut self.open().trace.recorder {
            recorder.bytes(at, side, passage, bytes);
        }
    }

    /// How much has happened. Bytes that pass a socket count, although they may be nothing to anybody yet.
    pub(super) fn happened(&self) -> u64 {
        let pages = self.open();
        pages.trace.events() + pages.fuses().map(Fuse::moved).sum::<u64>()
    }

    /// Whether something was wrong already.
    pub(super) fn is_faulty(&self) -> bool {
        self.open().fault.is_some()
    }

    /// What has happened.
    pub(super) fn trace(&self) -> Trace {
        self.open().trace.clone()
    }

    /// Closes the book. `run` is what the simulation itself says.
    pub(super) fn close(&self, run: Result<(), String>) -> Result<Outcome, Fault> {
        let pages = self.open();
        let judged = match (&pages.fault, run) {
            (Some(fault), _) => Err(fault.clone()),
            (None, _) if pages.fuses().any(Fuse::has_spun) => Err(Fault::run(
                "I-23: writes again and again to a transport that takes nothing",
            )),
            (None, _) if pages.fuses().any(Fuse::is_unread) => Err(Fault::run(
                "I-25: what had arrived when a write failed was not read",
            )),
            (None, Err(what)) => {
                let unended: Vec<_> = pages.oracle.unended().collect();
                Err(Fault::run(format!("{what}; unended: {unended:?}")))
            }
            (None, Ok(())) => pages.oracle.finish(),
        };
        let ends: Ends = judged?;
        let mut marks = pages.marks.clone();
        if pages.fuses().any(Fuse::has_taken_nothing) {
            marks.hit("H05");
        }
        if pages.fuses().any(Fuse::has_come_back) {
            marks.hit("J08");
        }
        Ok(Outcome {
            hash: pages.trace.hash(),
            events: pages.trace.events(),
            ends,
            marks,
        })
    }
}
