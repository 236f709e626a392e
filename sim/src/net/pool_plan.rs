//! What a run with a pool has besides.

use raddle_io::{PoolConfig, ResendBudget};

use super::plan::millis;
use crate::tape::Tape;

#[derive(Debug)]
pub(super) struct PoolPlan {
    pub(super) servers: u64,
    pub(super) connections_max: usize,
    /// When connections are stalled one by one, with how many milliseconds between, and released in another order.
    pub(super) swizzle: Option<(u64, u64)>,
    /// Milliseconds after which a connection that nobody uses is let go.
    pub(super) idle_max: u64,
    /// Milliseconds after which a connection takes no more requests, and how many it takes.
    pub(super) age_max: Option<u64>,
    pub(super) requests_max: Option<u64>,
    /// How often one request is sent again, and how many of all are.
    pub(super) resends_max: u32,
    pub(super) budget: ResendBudget,
    pub(super) origins_max: usize,
    pub(super) waiting_max: usize,
    /// Milliseconds that a dial may take.
    pub(super) dial_max: u64,
    /// In how many of 100 cases a dial is not even tried: it fails at once, or does not end.
    pub(super) dials_fail: u64,
    /// Milliseconds between two dials, after the first that has failed.
    pub(super) back_off: u64,
    /// By which connections live less long than others.
    pub(super) spread: u64,
}

impl PoolPlan {
    /// With bounds that no run reaches, but for the connections.
    pub(super) fn new(servers: u64, connections_max: usize, swizzle: Option<(u64, u64)>) -> Self {
        Self {
            servers,
            connections_max,
            swizzle,
            idle_max: 90_000,
            age_max: None,
            requests_max: None,
            resends_max: 2,
            budget: ResendBudget::default(),
            origins_max: 256,
            waiting_max: 10_000,
            dial_max: 15_000,
            dials_fail: 0,
            back_off: 50,
            spread: 0,
        }
    }

    /// Draws the bounds that came later, in half of the runs.
    pub(super) fn bound(&mut self, tape: &mut Tape) {
        if tape.chance(1, 2) {
            return;
        }
        self.age_max = tape.pick(&[None, None, None, Some(300), Some(2_000)]);
        self.requests_max = tape.pick(&[None, None, None, Some(1), Some(5), Some(20)]);
        self.resends_max = tape.pick(&[2, 2, 0, 1]);
        self.budget = ResendBudget {
            percent_of_requests: tape.pick(&[20, 20, 0]),
            per_second: tape.pick(&[10, 10, 0]),
            saved_max: tape.pick(&[100, 100, 0, 3]),
        };
        self.origins_max = tape.pick(&[256, 256, 1, 2]);
        self.waiting_max = tape.pick(&[10_000, 10_000, 10_000, 2]);
        self.dial_max = tape.pick(&[15_000, 15_000, 1_000]);
        self.dials_fail = tape.pick(&[0, 0, 10, 40]);
        self.back_off = tape.pick(&[50, 50, 20]);
        self.spread = tape.lane("spread").below(1 << 32);
        tape.lane("deeper");
    }

    /// Whether an origin may have to give way to another, and with it goes what the pool knows of it.
    pub(super) fn evicts(&self) -> bool {
        (self.origins_max as u64) < self.servers
    }

    pub(super) fn config(&self) -> PoolConfig {
        PoolConfig {
            connections_max: self.connections_max,
            origins_max: self.origins_max,
            waiting_max: self.waiting_max,
            wait_max: millis(WAIT_MAX),
            dial_max: millis(self.dial_max),
            idle_max: millis(self.idle_max),
            age_max: self.age_max.map(millis),
            requests_max: self.requests_max,
            spread_seed: Some(self.spread),
            back_off: millis(self.back_off),
            resends_max: self.resends_max,
            resend_budget: self.budget,
        }
    }
}

/// Milliseconds that a request may wait for a stream.
pub(super) const WAIT_MAX: u64 = 60_000;
