//! What a pool owes its callers: every request is made, and as often as it may be, or refused for a reason that can be seen
//! from here. And what it owes its servers: no dial and no request more than that takes.

use std::{
    collections::BTreeMap,
    error::Error as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use raddle_core::{Retry, Role};
use raddle_io::{Error, Kind, PoolStats};

use super::{
    book::Book,
    course::{self, LATE_MAX},
    plan::{Cut, millis},
    pool_plan::WAIT_MAX,
    weather,
};
use crate::outcome::Fault;

/// How often a pause between two dials doubles.
const DOUBLINGS_MAX: u32 = 6;
/// Milliseconds of an idle time above which nobody is idle for so long in a run.
pub(super) const IDLE_LONG: u64 = 10_000;

/// What the pool was asked for, and what it has made of that.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    pub(super) hosts: BTreeMap<String, Host>,
    /// Streams that servers have refused, and requests that were told so in the end.
    refused: u64,
    told: u64,
    /// The moment when a request ended last, and how many did then.
    pub(super) ended: (Duration, usize),
    /// Dials do not fail any more.
    healed: bool,
    /// The client is done, and its pool is about to go.
    pub(super) over: bool,
}

#[derive(Debug, Default)]
pub(super) struct Host {
    /// Requests for it.
    asked: u64,
    /// Dials that have failed, in all and since the last one that has not; and when the last one did.
    pub(super) failures: u32,
    pub(super) row: u32,
    pub(super) failed: Option<Duration>,
    /// When the dial began that is under way.
    pub(super) dials: Option<Duration>,
    /// Requests that the server has not been shown, in the order in which they were made, and when.
    line: Vec<(u64, Duration)>,
    /// Which of them another was shown before that was made later, and when first.
    passed: BTreeMap<u64, Duration>,
}

/// A request that the pool was asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) n: u64,
    at: Duration,
    resent: u64,
    has_body: bool,
    /// Something of its body was taken.
    touched: Arc<AtomicBool>,
}

impl Asked {
    /// Whether it cannot be made once more, as far as its body goes.
    fn is_used(&self) -> bool {
        self.has_body && self.touched.load(Ordering::Relaxed)
    }
}

/// So many pauses in a row.
pub(super) fn pause(back_off: u64, failures: u32) -> Duration {
    millis(back_off) * (1 << failures.saturating_sub(1).min(DOUBLINGS_MAX))
}

impl Book {
    /// The host that request `n` of a pool goes to.
    pub(super) fn host_of(&self, n: u64) -> &'static str {
        weather::SERVERS[(n % self.plan.pool.servers) as usize]
    }

    /// The pool is asked for request `n`.
    pub(super) fn asks(
        &self,
        n: u64,
        has_body: bool,
        touched: Arc<AtomicBool>,
        stats: PoolStats,
    ) -> Asked {
        let (host, at) = (self.host_of(n), self.now());
        let mut pages = self.open();
        let known = pages.deliveries.hosts.entry(host.to_owned()).or_default();
        known.asked += 1;
        known.line.push((n, at));
        drop(pages);
        self.spends(host, at);
        self.keeps_the_line_short(host);
        Asked {
            n,
            at,
            resent: stats.resent,
            has_body,
            touched,
        }
    }

    /// Before there is a connection to `host`, no more requests wait for one than may.
    fn keeps_the_line_short(&self, host: &str) {
        let pool = &self.plan.pool;
        // The last one has not asked yet.
        let waiting = self.unended_at(host) - 1;
        let met = self
            .open()
            .fates
            .courses()
            .any(|course| course::read(course).host == host);
        if waiting > pool.waiting_max && !met && !pool.evicts() && !self.client_drains() {
            self.fault(Fault::run(format!("{waiting} requests wait for {host}")));
        }
    }

    /// I-24: the server is shown request `n`. On the one connection that there is, nobody waits who has asked before.
    pub(super) fn comes_in_turn(&self, n: u64) {
        let plan = &self.plan;
        if !plan.pooled {
            return;
        }
        let host = self.host_of(n);
        let tunnels = plan.requests.iter().any(|request| request.tunnel);
        let mut pages = self.open();
        let unended: Vec<u64> = pages.oracle.unended().collect();
        let refused = pages.deliveries.refused;
        let courses = pages.fates.courses().map(|course| course::read(course));
        let here: Vec<_> = courses.filter(|course| course.host == host).collect();
        let forgets = plan.pool.evicts() || self.client_drains();
        let only = match &here[..] {
            [only] if only.is_up() && !tunnels && !forgets => Some(only.made),
            _ => None,
        };
        drop(here);
        let Some(known) = pages.deliveries.hosts.get_mut(host) else {
            return;
        };
        let at = known.line.iter().position(|&(other, _)| other == n);
        let own = at.map(|at| known.line.remove(at).1);
        known.line.retain(|(other, _)| unended.contains(other));
        let first = known.line.first().copied();
        let now = self.now();
        // Both may have been made as soon as there was room for both; who comes later then is behind both.
        let behind = first.filter(|&(_, since)| own.is_some_and(|own| since < own));
        let passed = behind.map(|(other, _)| *known.passed.entry(other).or_insert(now));
        drop(pages);
        // Who waits for the connection itself is told of it later than who asks behind that.
        if let (Some((other, since)), Some(own), Some(made)) = (first, own, only)
            && made < since
            && since < own
            && passed.is_some_and(|passed| passed < own)
            && refused == 0
            && !self.disturbed()
        {
            let what = format!("I-24: it is made before #{other}, which was asked for before");
            self.fault(Fault::of(n, what));
        }
    }

    /// A request of the pool's has failed with `error`.
    pub(super) fn owes_a_reason(&self, asked: &Asked, error: &Error, stats: PoolStats) {
        let wrong = match error.kind() {
            Kind::Connect | Kind::Tls | Kind::ConnectTimeout => self.is_reachable(asked),
            Kind::PoolExhausted => self.is_not_exhausted(asked),
            Kind::ResendBudgetSpent => self.has_resends(error, stats),
            _ if error.retry() == Retry::Safe => self.may_be_made_again(asked, stats),
            _ => None,
        };
        if let Some(what) = wrong {
            let what = format!("I-06: refused for no reason, {what}: {error}");
            self.fault(Fault::of(asked.n, what));
        }
    }

    /// What speaks against it that the host of a request cannot be reached.
    fn is_reachable(&self, asked: &Asked) -> Option<&'static str> {
        let now = self.now();
        let host = self.host_of(asked.n);
        let pages = self.open();
        let known = pages.deliveries.hosts.get(host)?;
        // A connection that ends before it was used counts as a failure as well.
        let (mut up, mut failures, mut unused) = (false, known.failures, None);
        for course in pages.fates.courses() {
            let course = course::read(course);
            if course.host == host {
                let stays = course.is_up() && !self.may_be_let_go(&course, now);
                up |= stays && course.made < asked.at;
                if course.opened == 0 && !course.is_up() {
                    failures += 1;
                    unused = unused.max(Some(course.made));
                }
            }
        }
        let known_for_ever = !self.plan.pool.evicts() && !self.client_drains();
        if up && known_for_ever {
            return Some("there is a connection");
        }
        let pause = pause(self.plan.pool.back_off, failures) + millis(LATE_MAX);
        let recent = |at: Option<Duration>| at.is_some_and(|at| at + pause >= asked.at);
        (!recent(known.failed) && !recent(unused)).then_some("no dial has failed")
    }

    /// What speaks against it that no connection had room.
    fn is_not_exhausted(&self, asked: &Asked) -> Option<&'static str> {
        let pool = &self.plan.pool;
        let waited = self.now() >= asked.at + millis(WAIT_MAX);
        let many = self.unended_at(self.host_of(asked.n)) > pool.waiting_max;
        (!waited && !many && !pool.evicts()).then_some("nobody waits too long")
    }

    /// What speaks against it that no resend is left.
    fn has_resends(&self, error: &Error, stats: PoolStats) -> Option<&'static str> {
        let last = error.source().and_then(|source| source.downcast_ref());
        match last.map(Error::kind) {
            Some(Kind::Closed | Kind::Open(_)) => Some("what has not left costs nothing"),
            _ if stats.resent < u64::from(self.plan.pool.budget.saved_max) => {
                Some("the budget is not spent")
            }
            _ => None,
        }
    }

    /// Why a request might have been made again that provably was not processed.
    fn may_be_made_again(&self, asked: &Asked, stats: PoolStats) -> Option<&'static str> {
        let resends = stats.resent - asked.resent;
        if !asked.is_used() && resends < u64::from(self.plan.pool.resends_max) {
            return Some("it might have been made again");
        }
        let mut pages = self.open();
        let deliveries = &mut pages.deliveries;
        deliveries.told += 1;
        let untold = deliveries.told > deliveries.refused;
        let calm = self.is_lasting() && !self.disturbed();
        (untold && calm).then_some("no server has refused so many")
    }

    /// Requests that have not ended for the client, of those to `host`.
    pub(super) fn unended_at(&self, host: &str) -> usize {
        let pages = self.open();
        pages
            .oracle
            .unended()
            .filter(|&n| self.host_of(n) == host)
            .count()
    }

    /// Whether the pool forgets all that it has.
    pub(super) fn client_drains(&self) -> bool {
        matches!(self.plan.drain, Some((Role::Client, _)))
    }

    /// Whether a connection of the pool's stays as long as there is a pool, unless it breaks.
    pub(super) fn is_lasting(&self) -> bool {
        let pool = &self.plan.pool;
        let let_go = pool.idle_max <= IDLE_LONG || pool.age_max.is_some() || pool.evicts();
        self.plan.drain.is_none() && !let_go && pool.requests_max.is_none()
    }

    /// A request has ended for the client.
    pub(super) fn one_less(&self) {
        let now = self.now();
        let ended = &mut self.open().deliveries.ended;
        if std::mem::replace(&mut ended.0, now) != now {
            ended.1 = 0;
        }
        ended.1 += 1;
    }

    /// A server refuses a stream of the client's.
    pub(super) fn is_refused(&self) {
        self.open().deliveries.refused += 1;
    }

    /// Everything that was asked for has ended.
    pub(super) fn has_delivered(&self, stats: PoolStats) {
        let plan = &self.plan;
        let pages = self.open();
        let (asked, opened) = pages.fates.requests();
        let budget = &plan.pool.budget;
        let seconds = self.now().as_secs() + 1;
        let hosts = pages.deliveries.hosts.values();
        let earned = hosts.map(|host| {
            let of_requests = host.asked * u64::from(budget.percent_of_requests) / 100;
            u64::from(budget.saved_max) + of_requests + u64::from(budget.per_second) * seconds
        });
        // What has not left costs nothing, and is no stream. One that begins anew has a budget of its own.
        let begins_anew = plan.pool.evicts() || self.client_drains();
        let most = asked + earned.sum::<u64>();
        let each = asked * (1 + u64::from(plan.pool.resends_max));
        let more = opened > each || (opened > most && !begins_anew);
        let refused = pages.deliveries.refused;
        drop(pages);
        if more {
            self.fault(Fault::run(format!(
                "I-06: {opened} streams for {asked} requests"
            )));
        }
        if self.is_lasting() && !self.disturbed() && stats.resent > refused {
            self.fault(Fault::run(format!(
                "I-06: {} requests are made again, of which {refused} were refused",
                stats.resent
            )));
        }
    }

    /// I-03: what may have been processed has left.
    pub(super) fn has_sent_what_failed(&self, impatient: bool) {
        let course = self.course();
        let (opened, failed) = (course.opened, course.failed);
        drop(course);
        let ends = self.open().oracle.ends();
        let sent = ends.completed + ends.if_idempotent;
        // Of a write that has failed nobody knows what of it has left, and who is out of patience does not look.
        if sent > opened && !failed && !impatient {
            self.fault(Fault::run(format!(
                "I-03: {sent} requests may have been processed, of {opened} that have left"
            )));
        }
    }

    /// What fails for no reason does so no more.
    pub(super) fn dials_succeed(&self) {
        self.open().deliveries.healed = true;
    }

    /// In how many of 100 cases a dial fails.
    pub(super) fn dials_fail(&self) -> u64 {
        match self.open().deliveries.healed {
            true => 0,
            false => self.plan.pool.dials_fail,
        }
    }

    /// Whether the client is done.
    pub(super) fn is_done(&self) -> bool {
        self.open().deliveries.over
    }

    /// The client is done.
    pub(super) fn client_is_done(&self) {
        self.open().deliveries.over = true;
    }

    /// What breaks connections has no end in this run.
    pub(super) fn is_broken_for_good(&self) -> bool {
        match self.plan.cut {
            None | Some(Cut::Partition(..)) => false,
            Some(Cut::ServerCrashes(_)) => self.plan.bounce.is_none(),
            Some(_) => true,
        }
    }
}
