//! Passes quickly over time in which nothing happens.
//!
//! A step of the network costs the same whether anything passes or not, and most of them would only wait for somebody's
//! deadline. Once nothing has happened for a while and no byte has passed, the clocks of all hosts are set forward between
//! two steps. Who has a deadline in between finds it late, as on a busy machine: by no more than half of the time that
//! nothing has happened for.

use std::{
    future::Future,
    pin::pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Waker},
    time::Duration,
};

use tokio::{runtime::Handle, time::advance};
use turmoil::Sim;

use super::book::Book;

/// Steps in which nothing happens before the clocks are set forward: what arrives with one of them is seen in the next.
const STEPS: u32 = 3;
/// The longest way that they are set forward at once.
const FORWARD_MAX: Duration = Duration::from_millis(500);

/// What of the time the network itself does not know.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// Milliseconds by which the clocks of hosts were set forward.
    ahead: AtomicU64,
    /// Milliseconds that had passed for hosts before this step.
    reached: AtomicU64,
}

impl Book {
    /// The moment that it is for who is running; between two steps, for all hosts.
    pub(super) fn now(&self) -> Duration {
        match turmoil::sim_elapsed() {
            Some(elapsed) => elapsed + self.ahead(),
            None => Duration::from_millis(self.clock.reached.load(Ordering::Relaxed)),
        }
    }

    fn ahead(&self) -> Duration {
        Duration::from_millis(self.clock.ahead.load(Ordering::Relaxed))
    }

    /// The moment that it is for hosts when it is `elapsed` for the network, between two steps.
    pub(super) fn reached(&self, elapsed: Duration) -> Duration {
        let now = elapsed + self.ahead();
        let millis = now.as_millis() as u64;
        self.clock.reached.store(millis, Ordering::Relaxed);
        now
    }

    /// Writes down that the clocks of all hosts are set forward, and answers which hosts there are.
    pub(super) fn set_forward(&self, by: Duration) -> Vec<Handle> {
        let by = by.as_millis() as u64;
        self.clock.ahead.fetch_add(by, Ordering::Relaxed);
        self.open().hosts.values().cloned().collect()
    }

    /// `host`, on which this runs, has started.
    pub(super) fn starts(&self, host: &'static str) {
        self.open().hosts.insert(host, Handle::current());
    }

    /// `host` dies.
    pub(super) fn stops(&self, host: &'static str) {
        self.open().hosts.remove(host);
    }
}

/// How long nothing has happened.
pub(super) struct Lull {
    tick: Duration,
    /// How much had happened before the last step.
    happened: u64,
    steps: u32,
    long: Duration,
}

impl Lull {
    pub(super) fn new(tick: Duration) -> Self {
        Self {
            tick,
            happened: 0,
            steps: 0,
            long: Duration::ZERO,
        }
    }

    /// Sets the clocks forward behind a step, by no more than `most`, when it goes on that nothing happens. While the
    /// network is `held` what is on its way does not arrive.
    pub(super) fn pass(&mut self, sim: &Sim<'_>, book: &Book, held: bool, most: Duration) {
        let happened = book.happened();
        let happens = happened != std::mem::replace(&mut self.happened, happened);
        if happens || (!held && is_under_way(sim)) {
            (self.steps, self.long) = (0, Duration::ZERO);
            return;
        }
        self.steps += 1;
        self.long += self.tick;
        // Timers count whole milliseconds.
        let forward = (self.long / 2).min(most).min(FORWARD_MAX);
        let forward = Duration::from_millis(forward.as_millis() as u64);
        if self.steps >= STEPS && forward >= self.tick {
            for host in book.set_forward(forward) {
                set_forward(&host, forward);
            }
            self.long += forward;
        }
    }
}

/// Whether a message is on its way.
fn is_under_way(sim: &Sim<'_>) -> bool {
    let mut found = false;
    sim.links(|mut links| found = links.any(|mut link| link.next().is_some()));
    found
}

/// Sets the clock of this runtime forward, which has stopped between two steps.
fn set_forward(host: &Handle, by: Duration) {
    let _entered = host.enter();
    // The clock moves at once. What is left then would let other tasks run, and none does now.
    let _ = pin!(advance(by)).poll(&mut Context::from_waker(Waker::noop()));
}
