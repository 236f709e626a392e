//! What is asserted of every victim.

use std::mem;

use bytes::Bytes;
use raddle_core::{Config, Connection, ErrorCode, GoAway, Lifecycle, Role, Transmit, Violation};
use raddle_tests::{counting, wire};

use crate::victim::{Bounds, Judge, KIB, REMEMBERED, Victim};

/// Who has said nothing of what an attack cost is held to the usual bounds, and everybody to them until the end. One that
/// lives is ended then, and must leave nothing behind.
impl Drop for Victim {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        match self.judge.get() {
            Judge::Account => {}
            Judge::Ends(bounds) => {
                self.run_out();
                let time = self.now.since(self.calm.at);
                assert!(time <= bounds.close, "TTC: {time:?}");
                self.assert_bounds(bounds);
                self.assert_nothing_left();
            }
            Judge::Attack(bounds) => {
                self.connection.close(ErrorCode::NO_ERROR, Bytes::new());
                self.run_out();
                self.assert_bounds(bounds);
                self.assert_nothing_left();
            }
        }
        self.account();
    }
}

impl Victim {
    /// Asserts that the attack ended the connection for this reason, within the bounds.
    pub(crate) fn assert_killed(self, violation: Violation, bounds: Bounds) {
        assert_eq!(self.violation(), Some(violation));
        let error = self.connection.error().unwrap();
        assert_eq!(error.code, violation.error_code());
        self.assert_ended(bounds);
    }

    /// Asserts that the connection is over within the bounds, counted from the beginning of the attack, whether or not
    /// anybody reads; and that nothing of it is left then.
    pub(crate) fn assert_ended(self, bounds: Bounds) {
        self.assert_bounds(bounds);
        // And the rest when it is dropped, here.
        self.judge.set(Judge::Ends(bounds));
    }

    /// Lets the connection come to its end, which it must have, with a peer that reads nothing more.
    fn run_out(&mut self) {
        self.reads = false;
        self.turn();
        while self.connection.lifecycle() < Lifecycle::Closed {
            let due = self.connection.poll_timeout();
            self.now = due.expect("an ending connection has a deadline");
            self.connection.handle_timeout(self.now);
            self.turn();
        }
        assert!(!self.send(&wire::ping([0; 8], false)), "after the end");
    }

    /// Asserts that an application which lets go of everything has everything back.
    fn assert_nothing_left(&mut self) {
        for stream in mem::take(&mut self.working) {
            self.let_go(stream);
        }
        let holders: Vec<_> = self.connection.holders().map(|held| held.0).collect();
        for stream in holders {
            self.discard(stream);
        }
        self.unread.clear();
        self.unread_bytes = 0;
        self.out = Transmit::new();
        self.connection.check();
        let gauges = self.connection.gauges();
        assert_eq!((gauges.entries, gauges.owed), (0, 0), "ENT after the end");
        // What the peer gave as its reason is there to be asked for.
        let said = self.connection.peer_goaway();
        let said = said.map_or(0, |said| size_of::<GoAway>() + said.debug.len());
        let live = self.live_now();
        assert!(
            live <= self.calm.live + said,
            "LIVE after the end: {live}, and {} before the attack: {:?}",
            self.calm.live,
            self.connection.memory_footprint()
        );
    }

    /// Asserts that the connection lives, within the bounds: the peer does nothing that it may not, so that there is no
    /// end to be timed. What it leaves behind when we end it is asserted of it as of any other.
    pub(crate) fn assert_alive(&self, bounds: Bounds) {
        assert_eq!(self.connection.error(), None);
        assert!(self.connection.lifecycle() < Lifecycle::Closing);
        self.assert_within(bounds);
    }

    /// Asserts the bounds now, and once more when it has ended.
    pub(crate) fn assert_within(&self, bounds: Bounds) {
        self.judge.set(Judge::Attack(bounds));
        self.assert_bounds(bounds);
    }

    fn assert_bounds(&self, bounds: Bounds) {
        let peak = self.peak;
        assert!(peak.live <= bounds.live, "LIVE: {peak:?}");
        assert!(peak.owed <= bounds.owed, "OUTQ, frames: {peak:?}");
        assert!(peak.unsent <= bounds.unsent, "OUTQ, bytes: {peak:?}");
        assert!(peak.streams <= bounds.streams, "ENT: {peak:?}");
        assert!(
            peak.entries <= bounds.streams + REMEMBERED,
            "ENT, with those that are remembered: {peak:?}"
        );
        assert!(peak.app <= bounds.app, "APP: {peak:?}");
        let (work, wire) = (self.work(), self.wire);
        assert!(
            work <= wire * bounds.work_per_byte + KIB as u64,
            "OPS: {work} units for {wire} bytes"
        );
    }

    /// Asserts that the engine's account of its memory is the allocator's, within a tenth: that is what comes back when
    /// the connection goes, with its output. Leaves another one in its place.
    pub(crate) fn account(&mut self) {
        drop((mem::take(&mut self.events), mem::take(&mut self.unread)));
        drop(mem::take(&mut self.inbox));
        let other = Connection::new(Role::Client, Config::default(), self.now);
        let connection = mem::replace(&mut self.connection, other);
        let out = mem::take(&mut self.out);
        let told = connection.memory_footprint();
        let total = told.total() + out.memory_footprint();
        // Heads that wait lie in memory of the caller's, which has room to spare.
        let theirs = 256 * connection.waiting();
        let before = counting::live();
        drop((connection, out));
        let freed = before - counting::live();
        let apart = (total as i64 - freed).unsigned_abs();
        assert!(
            apart <= freed.unsigned_abs() / 10 + 64 + theirs as u64,
            "{freed} bytes were allocated, {total} were told of: {told:?}",
        );
    }
}
