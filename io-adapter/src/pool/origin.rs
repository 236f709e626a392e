//! The connections to one origin.

use std::time::Duration;

use tokio::{sync::watch, time::Instant};

use super::PoolConfig;
use crate::{client::Client, error::Error};

/// How a dial tells its end to all who wait for it.
type Dial = watch::Receiver<Option<Result<(), Error>>>;

/// How often a back-off doubles.
const DOUBLINGS_MAX: u32 = 6;

#[derive(Default)]
pub(super) struct Origin {
    connections: Vec<Entry>,
    /// The dial in progress: one at a time, for everybody.
    pub(super) dialing: Option<Dial>,
    /// Requests that wait for a stream, or for a connection.
    pub(super) waiting: usize,
    pub(super) last_use: u64,
    /// How many dials in a row have failed, the last error, and until when nobody tries again.
    failures: u32,
    failing: Option<(Instant, Error)>,
}

struct Entry {
    token: u64,
    client: Client,
    last_use: Instant,
}

/// What a request is to do.
pub(super) enum Choice {
    /// Go to this connection.
    Use(Client),
    /// Wait for a stream on the connection with the least to do, if there is one, or for the dial in progress.
    Wait {
        oldest: Option<Client>,
        dial: Option<Dial>,
    },
    /// Give up: the origin could not be reached a moment ago.
    Failing(Error),
}

impl Origin {
    pub(super) fn choose(&mut self, config: &PoolConfig) -> Choice {
        self.retire_closed();
        let best = self
            .connections
            .iter_mut()
            .max_by_key(|entry| entry.client.openable());
        if let Some(entry) = best
            && entry.client.openable() > 0
        {
            entry.last_use = Instant::now();
            return Choice::Use(entry.client.clone());
        }
        if self.connections.is_empty()
            && self.dialing.is_none()
            && let Some((until, error)) = &self.failing
            && Instant::now() < *until
        {
            return Choice::Failing(error.clone());
        }
        debug_assert!(self.connections.len() <= config.connections_max);
        let least = self
            .connections
            .iter_mut()
            .min_by_key(|entry| entry.client.streams());
        let oldest = least.map(|entry| {
            entry.last_use = Instant::now();
            entry.client.clone()
        });
        Choice::Wait {
            oldest,
            dial: self.dialing.clone(),
        }
    }

    /// Whether one more connection is allowed, and none is on its way.
    pub(super) fn may_dial(&self, config: &PoolConfig) -> bool {
        let backing_off = self
            .failing
            .as_ref()
            .is_some_and(|(until, _)| Instant::now() < *until);
        self.dialing.is_none() && self.connections.len() < config.connections_max && !backing_off
    }

    pub(super) fn dialed(
        &mut self,
        token: u64,
        result: Result<Client, Error>,
        config: &PoolConfig,
    ) {
        self.dialing = None;
        match result {
            Ok(client) => {
                self.failures = 0;
                self.failing = None;
                // A dial from before a drain may come in behind one from after it; dropped, the connection ends.
                if self.connections.len() < config.connections_max {
                    self.connections.push(Entry {
                        token,
                        client,
                        last_use: Instant::now(),
                    });
                }
            }
            Err(error) => {
                let pause = config.back_off * (1 << self.failures.min(DOUBLINGS_MAX));
                self.failures = self.failures.saturating_add(1);
                self.failing = Some((Instant::now() + pause, error));
            }
        }
    }

    /// Lets go of connections that take no more requests; what is in progress on them goes on.
    pub(super) fn retire_closed(&mut self) {
        self.connections.retain(|entry| !entry.client.is_closed());
    }

    /// Whether the connection with this token is to be kept; one that is idle for too long is let go.
    pub(super) fn keep(&mut self, token: u64, idle_max: Duration) -> bool {
        self.retire_closed();
        self.connections.retain(|entry| {
            entry.token != token
                || entry.client.streams() > 0
                || entry.last_use.elapsed() < idle_max
        });
        self.connections.iter().any(|entry| entry.token == token)
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.len()
    }

    pub(super) fn streams(&self) -> usize {
        self.connections
            .iter()
            .map(|entry| entry.client.streams())
            .sum()
    }

    pub(super) fn drain(self) {
        for entry in self.connections {
            entry.client.drain();
        }
    }
}
