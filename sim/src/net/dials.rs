//! When a pool dials, and when it lets a connection go: neither without a reason.

use std::time::Duration;

use super::{
    book::Book,
    course::{self, Course, LATE_MAX},
    delivery::pause,
    plan::millis,
};
use crate::outcome::Fault;

impl Book {
    /// Whoever asks for `host` now has the pool look at its connections there: those that are spent take nothing that is
    /// asked for later.
    pub(super) fn spends(&self, host: &str, now: Duration) {
        if self.plan.pool.evicts() || self.client_drains() {
            return;
        }
        for course in self.open().fates.courses() {
            let mut course = course::read(course);
            if course.host == host && self.is_spent(&course, now) {
                course.spent.get_or_insert(now);
            }
        }
    }

    /// Whether a connection has taken requests for long enough, or enough of them.
    pub(super) fn is_spent(&self, course: &Course, now: Duration) -> bool {
        let pool = &self.plan.pool;
        let old = pool
            .age_max
            .is_some_and(|age| now >= course.made + millis(age + 1));
        let many = pool.requests_max.is_some_and(|max| course.opened >= max);
        course.opened > 0 && (old || many)
    }

    /// Whether a connection that is up may have been let go without a word so far.
    pub(super) fn may_be_let_go(&self, course: &Course, now: Duration) -> bool {
        let idle = millis(self.plan.pool.idle_max * 3 / 4);
        let old = millis(self.plan.pool.age_max.unwrap_or(u64::MAX / 2) / 4 * 3);
        let is_idle = course.open.is_empty() && now >= course.used + idle;
        is_idle || now >= course.made + old || self.is_spent(course, now)
    }

    /// A dial to `host` begins.
    pub(super) fn may_dial(&self, host: &str) {
        let now = self.now();
        let plan = &self.plan;
        let again = !plan.pool.evicts() && !self.client_drains();
        let wrong = {
            let mut pages = self.open();
            let mut courses = pages.fates.courses().map(|course| course::read(course));
            let in_vain = courses.any(|course| {
                course.host == host
                    && course.is_in_vain()
                    && now < course.made + millis(plan.pool.back_off)
            });
            drop(courses);
            let known = pages.deliveries.hosts.entry(host.to_owned()).or_default();
            known.dials = Some(now);
            let earliest = known
                .failed
                .map(|at| at + pause(plan.pool.back_off, known.row));
            let soon = known.row > 0 && earliest.is_some_and(|earliest| now < earliest);
            match again {
                true if soon => Some("so soon after the last one, which has failed"),
                true if in_vain => Some("so soon after one that was of no use"),
                _ => None,
            }
        };
        let wrong = wrong.or_else(|| self.needs_no_dial(host, now));
        if let Some(what) = wrong {
            self.fault(Fault::run(format!("a pool dials {host} {what}")));
        }
    }

    /// Why no connection to `host` need be opened.
    fn needs_no_dial(&self, host: &str, now: Duration) -> Option<&'static str> {
        let pool = &self.plan.pool;
        if pool.evicts() || self.client_drains() {
            return None;
        }
        let asked = self.unended_at(host);
        let pages = self.open();
        let courses = pages.fates.courses().map(|course| course::read(course));
        let up = |course: &Course| course.is_up() && !self.may_be_let_go(course, now);
        let up: Vec<_> = courses
            .filter(|course| course.host == host && up(course))
            .collect();
        if up.len() >= pool.connections_max {
            return Some("beyond its limit");
        }
        // What has ended at this moment may not have when the pool decided.
        let (at, ended) = pages.deliveries.ended;
        let asked = asked.max(1) + if at == now { ended } else { 0 };
        let room: usize = up.iter().map(|course| course.limit).sum();
        let calm = up
            .iter()
            .all(|course| course.is_calm() && course.limit >= course.open.len());
        let needless = calm && asked <= room && self.is_lasting() && !self.disturbed();
        needless.then_some("although its connections have room for everybody")
    }

    /// The dial to `host` ends.
    pub(super) fn has_dialed(&self, host: &str, opened: bool) {
        let now = self.now();
        let dial_max = millis(self.plan.pool.dial_max + LATE_MAX);
        let mut pages = self.open();
        let mut courses = pages.fates.courses().map(|course| course::read(course));
        // What is of use begins the row anew, also where its transport takes nothing just now.
        let failed = pages
            .deliveries
            .hosts
            .get(host)
            .and_then(|known| known.failed);
        let since = |course: &Course| failed.is_some_and(|at| course.used >= at);
        let used = courses.any(|course| course.host == host && (course.is_up() || since(&course)));
        drop(courses);
        let known = pages.deliveries.hosts.entry(host.to_owned()).or_default();
        let long = known.dials.take().is_some_and(|from| now > from + dial_max);
        match opened {
            true => known.row = 0,
            false => {
                known.row = if used { 1 } else { known.row + 1 };
                known.failures += 1;
                known.failed = Some(now);
            }
        }
        drop(pages);
        if long {
            self.fault(Fault::run(format!("a dial to {host} takes too long")));
        }
    }

    /// The pool says goodbye to this connection before anybody else does.
    pub(super) fn has_a_reason_to_let_go(&self, now: Duration) {
        let plan = &self.plan;
        let over = self.open().deliveries.over;
        let other = plan.cut.is_some() || self.client_drains();
        if over || other || !plan.pooled || plan.pool.evicts() {
            return;
        }
        let pool = &plan.pool;
        let course = self.course();
        // Up to a quarter less.
        let is_past = |from: Duration, age: u64| now >= from + millis(age * 3 / 4);
        // A stream that was reset may have ended for the pool long before its RST_STREAM passed.
        let idle = course.open.is_empty() && (course.resets || is_past(course.used, pool.idle_max));
        let old = pool.age_max.is_some_and(|age| is_past(course.made, age));
        let many = pool.requests_max.is_some_and(|max| course.opened >= max);
        drop(course);
        if !(idle || old || many) {
            self.fault(Fault::run("a pool lets go of a connection for no reason"));
        }
    }
}
