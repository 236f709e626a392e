//! The course of one end of a connection, which is ours: what has passed it, and how it ends.
//!
//! What is judged here nobody else would miss: a socket that is dropped tells its peer as much as one that is shut, the
//! simulated network destroys nothing that was sent, and a deadline that is kept late is kept.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use raddle_core::{Config, Role, Violation};
use raddle_io::{Error, Usage};

use super::{book::Book, plan::millis};
use crate::outcome::Fault;

const ENDS_BADLY: &str = "nothing was in progress, and its end is an error";
/// How late a deadline may be kept, in milliseconds: the clocks are set forward by half a second, and a step is 50 ms.
pub(super) const LATE_MAX: u64 = 1_000;
/// For how long what a peer may still send has to be read behind our end, in milliseconds, and the most bytes of it.
const LINGERS_MIN: u64 = 500;
const LINGERS_BYTES: usize = 1024 * 1024;
/// The longest that it is read, in milliseconds.
const LINGERS_MAX: u64 = 1_000;

/// What has passed.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// The host that the pool talks to here.
    pub(super) host: &'static str,
    /// When it was made, and when it had its last stream.
    pub(super) made: Duration,
    pub(super) used: Duration,
    /// Streams so far, and from when on it should have no more.
    pub(super) opened: u64,
    pub(super) spent: Option<Duration>,
    /// Streams that have not ended, and since when there is one.
    pub(super) open: BTreeSet<u32>,
    waits_since: Duration,
    /// How many there may be; before the peer has said so, how many are taken for granted.
    pub(super) limit: usize,
    /// The peer's SETTINGS have come.
    pub(super) settled: bool,
    /// A stream was reset here: its place is held for a while, or its request made again.
    pub(super) resets: bool,
    /// One of both has said that it takes no more.
    pub(super) goes: bool,
    /// One of both has told the other of a fault.
    faulty: bool,
    /// When bytes came last.
    heard: Duration,
    /// A PING of ours has no answer.
    asks: bool,
    /// The transport takes nothing for now, and when it last took something again.
    blocked: bool,
    pub(super) freed: Duration,
    /// Since when a write waits.
    pub(super) stuck: Option<Duration>,
    /// From when on it is to end, and so to say that it will.
    leaves: Option<Duration>,
    /// From when on nobody has had its transport.
    pub(super) dropped: Option<Duration>,
    /// A read or write has failed, and when a write did.
    pub(super) failed: bool,
    pub(super) unwritten: Option<Duration>,
    /// The peer has said that it takes no more.
    pub(super) told: bool,
    /// What our end has in use.
    pub(super) usage: Option<Usage>,
    /// The peer's way has ended, and whether nothing was in progress then.
    ended: Option<bool>,
    /// When our way was to end, whether it has, and the bytes that came after that.
    shut_from: Option<Duration>,
    shut: bool,
    late: usize,
}

impl Course {
    pub(super) fn opens(&mut self, stream: u32, now: Duration) {
        if self.open.is_empty() {
            self.waits_since = now;
        }
        self.open.insert(stream);
        self.opened += 1;
        self.used = now;
    }

    pub(super) fn closes(&mut self, stream: u32, now: Duration) {
        // What is left of a stream that has ended is no use of it.
        if self.open.remove(&stream) {
            self.used = now;
        }
    }

    pub(super) fn resets(&mut self, stream: u32, now: Duration) {
        self.resets = true;
        self.closes(stream, now);
    }

    /// Our side of it was told to let it end.
    pub(super) fn is_to_go(&mut self, now: Duration) {
        self.leaves.get_or_insert(now);
    }

    /// Whether a connection was made in vain: nothing could be sent before its peer said that it takes nothing.
    pub(super) fn is_in_vain(&self) -> bool {
        self.told && self.opened == 0 && !self.blocked && self.freed == Duration::ZERO
    }

    /// Whether nothing can be seen here that would keep it from taking requests.
    pub(super) fn is_up(&self) -> bool {
        let ends = self.goes || self.leaves.is_some() || self.shut_from.is_some();
        !(ends || self.failed || self.blocked || self.dropped.is_some() || self.ended.is_some())
    }

    /// One of both says GOAWAY, with `last` where that ends streams of ours.
    pub(super) fn goes(&mut self, last: Option<u32>, faulty: bool) {
        self.goes = true;
        self.faulty |= faulty;
        if let Some(last) = last {
            self.open.retain(|&stream| stream <= last);
        }
    }

    /// A PING of ours leaves, or its answer comes.
    pub(super) fn pings(&mut self, leaves: bool) {
        self.asks = leaves;
    }

    pub(super) fn reads(&mut self, bytes: usize, now: Duration) {
        self.heard = now;
        if self.shut {
            self.late += bytes;
        }
    }

    /// Nothing comes any more.
    pub(super) fn ends(&mut self, is_whole: bool) {
        let clean = is_whole && self.open.is_empty() && self.settled;
        self.ended.get_or_insert(clean);
    }

    pub(super) fn shuts(&mut self, shut: bool, now: Duration) {
        self.shut_from.get_or_insert(now);
        self.shut |= shut;
    }

    /// Whether nothing goes on that others cannot count.
    pub(super) fn is_calm(&self) -> bool {
        self.settled && !(self.resets || self.goes || self.blocked || self.failed)
    }

    /// Whether it has failed behind a GOAWAY: who lets a socket go although there is something to read in it takes what
    /// was sent last with it.
    pub(super) fn is_torn(&self) -> bool {
        self.goes && self.failed
    }

    /// Whether streams have waited longer than `interval` for a peer that says nothing, and nobody has asked whether it
    /// lives. What waits to be written may hold the question up.
    fn is_late(&self, interval: Duration, now: Duration) -> bool {
        let ends = self.faulty || self.failed || self.ended.is_some() || self.shut_from.is_some();
        let asks = !self.open.is_empty() && !self.asks && !self.blocked && !ends;
        let from = self.heard.max(self.waits_since).max(self.freed);
        asks && now > from + interval + millis(LATE_MAX)
    }

    /// Whether it was told to let the connection end, and says nothing of that.
    fn stays(&self, now: Duration) -> bool {
        let over = self.goes || self.failed || self.ended.is_some() || self.shut_from.is_some();
        let late = |leaves| now > leaves + millis(LATE_MAX);
        !over && !self.blocked && late(self.freed) && self.leaves.is_some_and(late)
    }

    /// What is wrong with how it ends, well or not.
    fn judge(&self, well: bool, now: Duration) -> Option<&'static str> {
        if self.unwritten.is_some_and(|at| now > at + millis(LATE_MAX)) {
            return Some("it goes on although nothing can be written");
        }
        if self.failed {
            let cut = !self.open.is_empty() && !self.goes && self.shut_from.is_none();
            return (well && cut).then_some("streams were open, and its failure is no error");
        }
        match self.shut_from {
            // What the transport does not take may be left to it.
            None if self.blocked => {}
            None => return Some("it ends without shutting its transport"),
            Some(from) => {
                let lingers = now >= from + millis(LINGERS_MIN) || self.late > LINGERS_BYTES;
                if well && self.shut && self.ended.is_none() && !lingers {
                    return Some("it does not read on behind its end");
                }
                if now > from + millis(LINGERS_MAX + LATE_MAX) {
                    return Some("it reads on for too long");
                }
            }
        }
        let gone = self.ended == Some(true) && !self.faulty && !self.blocked;
        (gone && !well).then_some(ENDS_BADLY)
    }
}

impl Book {
    /// The same for a connection of its own.
    pub(super) fn of_connection(mut self) -> Self {
        self.working = Arc::default();
        self.course = Arc::default();
        self
    }

    /// What has passed this connection.
    pub(super) fn course(&self) -> MutexGuard<'_, Course> {
        read(&self.course)
    }

    /// The transport has answered a write or a flush.
    pub(super) fn is_blocked(&self, blocked: bool) {
        let mut course = self.course();
        if std::mem::replace(&mut course.blocked, blocked) && !blocked {
            course.freed = self.now();
        }
    }

    /// A write waits, or does not any more.
    pub(super) fn is_stuck(&self, stuck: bool) {
        let since = stuck.then(|| self.now());
        let before = &mut self.course().stuck;
        *before = since.and(before.or(since));
    }

    /// I-27: nobody waits for ever for a transport that takes nothing.
    fn writes_in_time(&self, role: Role, now: Duration) {
        // What is left of a connection that is over gets some time more.
        let config = self.config(role);
        let late = config.write_timeout + 2 * config.close_timeout + millis(LATE_MAX);
        let stuck = self.course().stuck.is_some_and(|from| now > from + late);
        if stuck && !self.plan.tls {
            self.fault(Fault::run(format!(
                "I-27: the {role:?} waits too long for its transport"
            )));
        }
    }

    fn config(&self, role: Role) -> &Config {
        match role {
            Role::Client => &self.plan.client,
            Role::Server => &self.plan.server,
        }
    }

    /// I-27: whoever waits asks in time whether the peer lives.
    pub(super) fn keeps_time(&self, role: Role, now: Duration) {
        let late = |interval| self.course().is_late(interval, now);
        if self.config(role).keep_alive_interval.is_some_and(late) {
            self.fault(Fault::run(format!(
                "I-27: the {role:?} asks too late whether its peer lives"
            )));
        }
        if self.course().stays(now) {
            self.fault(Fault::run(format!(
                "I-14: the {role:?} was to drain, and says nothing of it"
            )));
        }
    }

    /// I-20: what clients have given up is not kept, but for what the application works on.
    pub(super) fn holds_no_more(&self) {
        let course = self.course();
        let streams = course.usage.as_ref().map_or(0, Usage::streams);
        let open = course.open.len();
        drop(course);
        if streams > open + self.plan.server.concurrent_streams_max as usize {
            self.fault(Fault::run(format!(
                "I-20: the server holds {streams} streams, of which {open} are open"
            )));
        }
    }

    /// The peer's way has ended, which has sent whole frames or not.
    pub(super) fn hears_the_end(&self, role: Role, is_whole: bool) {
        // Requests that were made and have not left are in progress, too.
        let waits = role == Role::Client && self.open().oracle.unended().next().is_some();
        self.course().ends(is_whole && !waits);
    }

    /// The driver of this connection has ended by itself.
    pub(super) fn has_its_end(&self, role: Role, end: &Result<(), Error>) {
        let now = self.now();
        self.keeps_time(role, now);
        self.writes_in_time(role, now);
        // An end that comes in the moment in which a PING has been waited for in vain may be told as either.
        let violation = end.as_ref().err().and_then(Error::violation);
        let in_vain = violation == Some(Violation::PingTimeout);
        let wrong = self.course().judge(end.is_ok(), now);
        let wrong = wrong.filter(|what| !(in_vain && *what == ENDS_BADLY));
        if let Some(what) = wrong {
            self.fault(Fault::run(format!("the {role:?}'s connection: {what}")));
        }
    }
}

pub(super) fn read(course: &Mutex<Course>) -> MutexGuard<'_, Course> {
    course.lock().unwrap_or_else(PoisonError::into_inner)
}
