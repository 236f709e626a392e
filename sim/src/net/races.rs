//! The races that show from outside of a connection: what else goes on when a request, a dial or a connection ends.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use raddle_core::{Retry, Role, Violation};
use raddle_io::Kind;

use super::{
    book::Book,
    course::{self, Course},
    plan::{Cut, millis},
    request::{Answer, Fate},
};
use crate::outcome::Fault;

/// What becomes of the pool's connections.
#[derive(Debug, Default)]
pub(super) struct Fates {
    /// A server that does not speak HTTP/2 was met, and whether its client has been told.
    older: bool,
    refused: bool,
    /// What has passed the pool's connections.
    courses: Vec<Arc<Mutex<Course>>>,
    /// Requests of the pool's, and streams.
    asked: u64,
    opened: u64,
    /// When a request was made last, and those of them that have the most room for it.
    chosen: Option<Duration>,
    best: Option<Vec<Arc<Mutex<Course>>>>,
    /// How often the pool has drained. A dial from before counts no more.
    era: u32,
    /// Dials that are under way, by host.
    dials: BTreeMap<String, u32>,
    /// Hosts to which a connection has ended since the last dial to them.
    ended: BTreeSet<String>,
    /// Hosts to which there was a connection.
    met: BTreeSet<String>,
    /// Connections that have been opened and have not ended, by host.
    connections: BTreeMap<String, usize>,
    /// The stream of the frame that the client has written in part, and whether that is DATA.
    half: Option<(u32, bool)>,
    /// The same when a request was given up.
    half_given_up: Option<(u32, bool)>,
    /// GOAWAY has come to the client.
    told_to_go: bool,
    /// Connections that the pool lets go of and that have not ended, by host.
    going: BTreeMap<&'static str, u32>,
    /// Tasks that have let go of their last handle of the connection.
    left: usize,
    /// When the pool has drained.
    drained: Option<Duration>,
}

impl Fates {
    /// What has passed the pool's connections.
    pub(super) fn courses(&self) -> impl Iterator<Item = &Mutex<Course>> {
        self.courses.iter().map(|course| &**course)
    }

    /// Connections of the pool's that have been opened and have not ended.
    fn connections(&self) -> usize {
        self.connections.values().sum()
    }

    /// Requests that the pool was asked for, and streams that it has opened.
    pub(super) fn requests(&self) -> (u64, u64) {
        (self.asked, self.opened)
    }
}

impl Book {
    /// A dial of the pool's begins; there is never more than one to a host. Answers its era.
    pub(super) fn dial_begins(&self, host: &str) -> u32 {
        let now = self.now();
        let mut pages = self.open();
        let fates = &mut pages.fates;
        let dials = fates.dials.entry(host.to_owned()).or_default();
        *dials += 1;
        let going = fates.going.get(host).is_some_and(|&going| going > 0);
        // One that a drain has forgotten may not have come to run before.
        let forgotten = fates.drained == Some(now);
        let (many, replaces, era) = (
            *dials > 1 && !forgotten,
            fates.ended.remove(host),
            fates.era,
        );
        if replaces {
            pages.marks.hit("P13");
        }
        if going {
            pages.marks.hit("P11");
        }
        drop(pages);
        // An origin that gives way is not known any more, nor is its dial.
        if many && !self.plan.pool.evicts() {
            self.fault(Fault::run(format!("two dials to {host} at once")));
        }
        self.may_dial(host);
        era
    }

    /// A dial that began in this era ends, with a connection or without.
    pub(super) fn dial_ends(&self, host: &str, era: u32, opened: bool) {
        self.has_dialed(host, opened);
        let mut pages = self.open();
        let asks = |n: &u64| self.host_of(*n) == host;
        // While there was none before, all of them wait for this one.
        if pages.oracle.unended().filter(asks).count() > 1 && !pages.fates.met.contains(host) {
            pages.marks.hit(if opened { "P01" } else { "P03" });
        }
        if opened {
            pages.fates.met.insert(host.to_owned());
            let connections = &mut pages.fates.connections;
            *connections.entry(host.to_owned()).or_default() += 1;
        }
        if pages.fates.era == era
            && let Some(dials) = pages.fates.dials.get_mut(host)
        {
            *dials -= 1;
        }
    }

    /// Connections of the pool's that have not ended.
    pub(super) fn connections(&self) -> usize {
        self.open().fates.connections()
    }

    /// Whether the pool has drained since a dial of this era began.
    pub(super) fn is_late(&self, era: u32) -> bool {
        self.open().fates.era != era
    }

    /// The pool is about to drain.
    pub(super) fn pool_drains(&self) {
        let now = self.now();
        let mut pages = self.open();
        pages.fates.era += 1;
        pages.fates.drained = Some(now);
        // What has given way is not known any more.
        let known = pages.fates.courses().filter(|_| !self.plan.pool.evicts());
        for course in known {
            let mut course = course::read(course);
            // Nor is what has taken its last request: that ends with what is in progress on it.
            if !self.is_spent(&course, now) {
                course.is_to_go(now);
            }
        }
        let dials = std::mem::take(&mut pages.fates.dials);
        if dials.values().any(|&dials| dials > 0) {
            pages.marks.hit("P10");
        }
    }

    /// A connection of the pool's to this host has ended.
    pub(super) fn has_ended(&self, host: &str) {
        let mut pages = self.open();
        pages.fates.ended.insert(host.to_owned());
        if let Some(connections) = pages.fates.connections.get_mut(host) {
            *connections -= 1;
        }
        if let Some(going) = pages.fates.going.get_mut(host) {
            *going = going.saturating_sub(1);
        }
    }

    /// Request `n` of the pool's is given up while its host is dialed.
    pub(super) fn gives_up_in_a_dial(&self, n: u64) {
        let host = self.host_of(n);
        let mut pages = self.open();
        if self.plan.pooled && pages.fates.dials.get(host).is_some_and(|&dials| dials > 0) {
            pages.marks.hit("P02");
        }
    }

    /// The pool is asked for a stream while those that are asked for already need all that its connections have.
    pub(super) fn asks_the_pool(&self, host: &str) {
        self.chooses(host);
        let (plan, pool) = (&self.plan, &self.plan.pool);
        // A connection that takes no more requests is none of them.
        if plan.cut.is_some() || plan.drain.is_some() {
            return;
        }
        let mut pages = self.open();
        let asks = |n: &u64| self.host_of(*n) == host;
        let asked = pages.oracle.unended().filter(asks).count();
        let fates = &pages.fates;
        let grown = fates.connections.get(host) == Some(&pool.connections_max)
            && fates.dials.get(host).is_none_or(|&dials| dials == 0);
        let streams = plan.server.concurrent_streams_max as usize * pool.connections_max;
        if grown && asked > streams {
            pages.marks.hit("P06");
        }
    }

    /// A task lets go of its handle of the connection with its last request.
    pub(super) fn lets_go(&self) {
        self.open().fates.left += 1;
        // A task that waits to drain the connection has another handle, and so have those that come and go.
        let others = self.plan.drain.is_some() || self.plan.storm;
        let last = self.open().fates.left == self.plan.workers && !others;
        if last {
            self.mark_in_progress("P09");
        }
    }

    /// A runtime ends with all of its tasks.
    pub(super) fn runtime_ends(&self) {
        self.mark_in_progress("J07");
    }

    /// The pool says its goodbye to a connection. Where nobody breaks or drains any, it was idle.
    pub(super) fn lets_a_connection_go(&self, host: &'static str) {
        if self.plan.pooled && self.plan.cut.is_none() && self.plan.drain.is_none() {
            *self.open().fates.going.entry(host).or_default() += 1;
        }
    }

    /// What the client has written last ends inside of this frame.
    pub(super) fn half_written(&self, half: Option<(u32, bool)>) {
        // Of several connections it would be a guess whose that is.
        if !self.plan.pooled {
            self.open().fates.half = half;
        }
    }

    /// A request of the client's is going to be dropped.
    pub(super) fn is_about_to_give_up(&self) {
        let mut pages = self.open();
        pages.fates.half_given_up = pages.fates.half;
    }

    /// Request `n` of the client's ends by itself. That may reset its stream, too, unless it was `complete` and the server
    /// had read all of it.
    pub(super) fn ends_by_itself(&self, n: u64, complete: bool) {
        let request = &self.plan.requests[n as usize];
        let unread = matches!(request.answer, Answer::Unread(_)) || request.up_fate != Fate::Ends;
        if !complete || unread {
            self.open().fates.half_given_up = None;
        }
    }

    /// The client has cancelled this stream.
    pub(super) fn is_reset(&self, stream: u32) {
        let mut pages = self.open();
        let half = pages.fates.half_given_up;
        if let Some((_, data)) = half.filter(|&(half, _)| half == stream) {
            pages.fates.half_given_up = None;
            pages.marks.hit("J02");
            pages.marks.hit(if data { "B11" } else { "E03" });
        }
    }

    /// Our end of a connection resets a stream once more.
    pub(super) fn twice_reset(&self, stream: u32) {
        self.fault(Fault::run(format!("B12: stream {stream} is reset twice")));
    }

    /// GOAWAY has come.
    pub(super) fn is_told_to_go(&self) {
        self.open().fates.told_to_go = true;
    }

    /// A write that has waited fails.
    pub(super) fn write_failed(&self) {
        self.mark_in_progress("H10");
    }

    /// A transport was to be shut, did not do so, and was left.
    pub(super) fn cannot_shut(&self) {
        let cut = self.plan.cut;
        // Elsewhere it may be dropped with its driver.
        if let Some(Cut::SocketWedges(..) | Cut::Partition(..)) | None = cut {
            self.mark("H11");
        }
    }

    /// Whether GOAWAY has come.
    pub(super) fn was_told_to_go(&self) -> bool {
        self.open().fates.told_to_go
    }

    /// What a server that does not speak HTTP/2 offers instead, when this one is such a one: the first is.
    pub(super) fn takes_older(&self) -> Option<&'static [&'static [u8]]> {
        let alpn = self.plan.alpn?;
        let met = std::mem::replace(&mut self.open().fates.older, true);
        (!met).then_some(alpn)
    }

    /// TLS fails for a client.
    pub(super) fn is_refused_by_older(&self, error: &raddle_io::Error) {
        if !self.open().fates.older || self.plan.cut.is_some() {
            return;
        }
        if error.kind() != Kind::Tls || error.retry() != Retry::Safe {
            self.fault(Fault::run(format!("H07: not told as what it is: {error}")));
        }
        self.open().fates.refused = true;
        self.mark("H07");
    }

    /// Whether the next server that is dialed may speak HTTP/2, where the last did not.
    pub(super) fn may_dial_again(&self) -> bool {
        std::mem::take(&mut self.open().fates.refused)
    }

    /// This connection has our end here.
    pub(super) fn has_a_course(&self, role: Role, host: &'static str) {
        let now = self.now();
        let mut course = self.course();
        (course.made, course.used) = (now, now);
        course.host = host;
        course.limit = self.plan.client.concurrent_streams_assumed as usize;
        drop(course);
        if role == Role::Client && self.plan.pooled {
            self.open().fates.courses.push(Arc::clone(&self.course));
        }
    }

    /// The client opens a stream here.
    pub(super) fn opens_here(&self, stream: u32, now: Duration) {
        let mut pages = self.open();
        pages.fates.opened += 1;
        let best = pages.fates.best.take();
        drop(pages);
        let others = |best: Vec<_>| !best.iter().any(|best| Arc::ptr_eq(best, &self.course));
        if best.is_some_and(others) {
            self.fault(Fault::run(
                "a pool does not choose the connection with the most room",
            ));
        }
        let course = self.course();
        // What waits to be written was opened before.
        let spent = course.spent.map(|at| at.max(course.freed));
        drop(course);
        // What was sent before the server's limit was known waits for a place.
        let waits =
            self.plan.server.concurrent_streams_max < self.plan.client.concurrent_streams_assumed;
        if spent.is_some_and(|at| now > at + millis(course::LATE_MAX)) && !waits {
            self.fault(Fault::run("a pool uses a connection that is spent"));
        }
        self.course().opens(stream, now);
    }

    /// A request is made, which goes to one of those connections to `host` that have the most room. Remembers which, as
    /// long as nothing that cannot be seen from here may have a place, too.
    fn chooses(&self, host: &str) {
        let now = self.now();
        let lasting = self.plan.cut.is_none() && self.is_lasting();
        let mut pages = self.open();
        let fates = &mut pages.fates;
        let alone = fates.chosen.replace(now) != Some(now);
        // Without resets every request has its stream: nobody waits, and nothing is sent again.
        let served = fates.opened == fates.asked;
        fates.asked += 1;
        if !(lasting && alone && served) {
            fates.best = None;
            return;
        }
        let courses = &fates.courses;
        let calm = courses.iter().all(|course| course::read(course).is_calm());
        let room = |course: &Arc<Mutex<Course>>| {
            let course = course::read(course);
            match course.host == host {
                true => course.limit.saturating_sub(course.open.len()),
                false => 0,
            }
        };
        let most = courses.iter().map(room).max().unwrap_or(0);
        let best = courses.iter().filter(|course| room(course) == most);
        fates.best = (calm && most > 0).then(|| best.cloned().collect());
    }

    /// The peer's SETTINGS come. Of two of a pool's connections one may have less room now than it has streams, when the
    /// other has some left.
    pub(super) fn hears_settings(&self) {
        let mut course = self.course();
        let first = !std::mem::replace(&mut course.settled, true);
        course.limit = self.plan.server.concurrent_streams_max as usize;
        let (host, falls) = (course.host, course.open.len() > course.limit);
        drop(course);
        if !self.plan.pooled || !first || !falls {
            return;
        }
        let mut pages = self.open();
        let has_room = |course: &Arc<Mutex<Course>>| {
            let course = course::read(course);
            let over = course.goes || course.failed || !course.settled;
            course.host == host && !over && course.open.len() < course.limit
        };
        if pages.fates.courses.iter().any(has_room) {
            pages.marks.hit("P16");
        }
    }

    /// Code of the application's is called by the connection, and calls it.
    pub(super) fn calls_back(&self) {
        self.mark_in_progress("J05");
    }

    /// Many handles of a connection have come and gone.
    pub(super) fn handles_went(&self) {
        self.mark_in_progress("J06");
    }

    /// The pool fails a request, with a body or without, that it might have sent again.
    pub(super) fn not_sent_again(&self, error: &raddle_io::Error, has_body: bool) {
        if matches!(error.kind(), Kind::Stream(_)) && error.retry() == Retry::Safe {
            self.mark(if has_body { "P08" } else { "P07" });
        }
    }

    /// Several connections of the pool's stand still.
    pub(super) fn all_stalled(&self) {
        self.mark_in_progress("P17");
    }

    /// The server's connection was dropped, without TLS's goodbye.
    pub(super) fn server_left(&self) {
        if self.plan.tls {
            self.mark_in_progress("H03");
        }
    }

    /// A connection of ours has failed with requests on it.
    pub(super) fn connection_failed(&self, error: &raddle_io::Error) {
        let lost = matches!(self.plan.cut, Some(Cut::Partition(..)));
        if lost && error.violation() == Some(Violation::PingTimeout) {
            self.mark("F06");
        }
        if error.violation() == Some(Violation::WriteTimeout) {
            self.mark("write timeout");
        }
    }

    fn mark_in_progress(&self, mark: &'static str) {
        let mut pages = self.open();
        if pages.oracle.unended().next().is_some() {
            pages.marks.hit(mark);
        }
    }
}
