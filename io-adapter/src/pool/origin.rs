//! The connections to one origin.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    PoolConfig,
    flight::{Dial, Done, dial},
};
use crate::{
    client::Client,
    error::{Error, Kind},
    planted::{self, Planted},
};

/// Those who wait for a stream have failed dials tried again; without a pause they would do nothing else.
const BACK_OFF_MIN: Duration = Duration::from_millis(1);
/// How often a back-off doubles.
const DOUBLINGS_MAX: u32 = 6;

#[derive(Default)]
pub(super) struct Origin {
    connections: Vec<Entry>,
    /// The dial in progress: one at a time, for everybody. Its token tells it from one that began before a drain.
    dialing: Option<(u64, Dial)>,
    /// Shared with everybody who waits for a stream, or for a connection.
    places: Arc<()>,
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
    /// Go to this connection, where a place is kept.
    Use(Client),
    /// Wait in the lines, and for what else may bring a place.
    Wait(Wait),
    /// Give up: the origin could not be reached a moment ago, or too many wait already.
    Failing(Error),
}

/// What a request waits for beside the lines that it stands in.
pub(super) struct Wait {
    pub(super) dial: Option<Dial>,
    /// The dial is to be started, by who was given this.
    pub(super) begun: Option<Done>,
    /// When to look again, because a dial that failed may be tried again then.
    pub(super) again: Option<Instant>,
}

/// A request's places in the lines of all connections of its origin.
#[derive(Default)]
pub(super) struct Line {
    /// Counts it among those who wait.
    place: Option<Arc<()>>,
    clients: Vec<(u64, Client)>,
}

impl Line {
    /// Whether there is no connection to wait for.
    pub(super) fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// The first connection that has room; `None` when one of them takes no more requests.
    pub(super) fn poll_free(&mut self, cx: &mut Context<'_>) -> Poll<Option<Client>> {
        for at in 0..self.clients.len() {
            match self.clients[at].1.poll_permit(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => return Poll::Ready(Some(self.clients.swap_remove(at).1)),
                Poll::Ready(Err(_)) => return Poll::Ready(None),
            }
        }
        Poll::Pending
    }
}

impl Origin {
    /// Decides what a request is to do that stands in `line`. `token` is for a dial, should one begin; what is let go
    /// comes into `gone`.
    pub(super) fn choose(
        &mut self,
        config: &PoolConfig,
        token: u64,
        line: &mut Line,
        gone: &mut Vec<Client>,
    ) -> Choice {
        self.retire_closed(gone);
        if let Some(client) = self.free() {
            return Choice::Use(client);
        }
        let backs_off = self
            .failing
            .as_ref()
            .filter(|(until, _)| Instant::now() < *until);
        if self.connections.is_empty()
            && self.dialing.is_none()
            && let Some((_, error)) = backs_off
        {
            return Choice::Failing(error.clone());
        }
        let again = backs_off.map(|(until, _)| *until);
        if !self.join(line, config.waiting_max, gone) {
            return Choice::Failing(Error::with_source(
                Kind::PoolExhausted,
                "too many requests wait for a free stream",
            ));
        }
        if planted::has(Planted::EverybodyDials) {
            self.dialing = None;
        }
        let mut wait = Wait {
            dial: self.dialing.as_ref().map(|(_, dial)| dial.clone()),
            begun: None,
            again: None,
        };
        if wait.dial.is_none() && self.connections.len() < config.connections_max.max(1) {
            if again.is_some() {
                wait.again = again;
            } else {
                let (done, dial) = dial();
                self.dialing = Some((token, dial.clone()));
                wait.dial = Some(dial);
                wait.begun = Some(done);
            }
        }
        Choice::Wait(wait)
    }

    /// A place on the connection with the most room.
    fn free(&mut self) -> Option<Client> {
        if planted::has(Planted::EndedKept)
            && let Some(entry) = self.connections.iter().find(|e| e.client.is_closed())
        {
            return Some(entry.client.clone());
        }
        let best = self
            .connections
            .iter_mut()
            .max_by_key(|entry| entry.client.free())?;
        let mut client = best.client.clone();
        if !client.try_permit() {
            return None;
        }
        best.last_use = Instant::now();
        Some(client)
    }

    /// Puts a request into the line of every connection that it does not stand in yet. Answers whether there was room
    /// for one more who waits.
    fn join(&self, line: &mut Line, waiting_max: usize, gone: &mut Vec<Client>) -> bool {
        let joined = |place: &Arc<()>| Arc::ptr_eq(place, &self.places);
        if !line.place.as_ref().is_some_and(joined) {
            if self.waiting() >= waiting_max {
                return false;
            }
            line.place = Some(Arc::clone(&self.places));
        }
        let (kept, left) = std::mem::take(&mut line.clients)
            .into_iter()
            .partition(|&(token, _)| self.connections.iter().any(|entry| entry.token == token));
        line.clients = kept;
        let left: Vec<(u64, Client)> = left;
        gone.extend(left.into_iter().map(|(_, client)| client));
        for entry in &self.connections {
            if !line.clients.iter().any(|&(token, _)| token == entry.token) {
                line.clients.push((entry.token, entry.client.clone()));
            }
        }
        true
    }

    /// Requests that wait for a stream, or for a connection.
    pub(super) fn waiting(&self) -> usize {
        Arc::strong_count(&self.places) - 1
    }

    /// Takes in what the dial with this token has brought. Answers a connection that there is no place for, because
    /// it was dialed before a drain.
    pub(super) fn dialed(
        &mut self,
        token: u64,
        result: Result<Client, Error>,
        config: &PoolConfig,
    ) -> Option<Client> {
        if self.dialing.as_ref().is_none_or(|&(own, _)| own != token) {
            return result.ok();
        }
        self.dialing = None;
        match result {
            Ok(client) => {
                debug_assert!(self.connections.len() < config.connections_max.max(1));
                self.failures = 0;
                self.failing = None;
                self.connections.push(Entry {
                    token,
                    client,
                    last_use: Instant::now(),
                });
            }
            Err(error) => {
                let pause = config.back_off.max(BACK_OFF_MIN);
                let pause = pause * (1 << self.failures.min(DOUBLINGS_MAX));
                self.failures = self.failures.saturating_add(1);
                self.failing = Some((Instant::now() + pause, error));
            }
        }
        None
    }

    /// Lets go of connections that take no more requests; what is in progress on them goes on.
    pub(super) fn retire_closed(&mut self, gone: &mut Vec<Client>) {
        let kept = planted::has(Planted::EndedKept);
        self.let_go(gone, |entry| entry.client.is_closed() && !kept);
    }

    /// When to look again after the connection with this token; `None` when it is gone. One that has been idle for too
    /// long goes.
    pub(super) fn keep(
        &mut self,
        token: u64,
        idle_max: Duration,
        gone: &mut Vec<Client>,
    ) -> Option<Instant> {
        self.retire_closed(gone);
        if let Some(entry) = self
            .connections
            .iter_mut()
            .find(|entry| entry.token == token)
            && entry.client.streams() > 0
        {
            entry.last_use = Instant::now();
        }
        self.let_go(gone, |entry| {
            entry.token == token && entry.last_use.elapsed() >= idle_max
        });
        let kept = self.connections.iter().find(|entry| entry.token == token);
        kept.map(|entry| entry.last_use + idle_max)
    }

    fn let_go(&mut self, gone: &mut Vec<Client>, which: impl Fn(&Entry) -> bool) {
        let going = self.connections.extract_if(.., |entry| which(entry));
        gone.extend(going.map(|entry| entry.client));
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

    pub(super) fn into_clients(self) -> impl Iterator<Item = Client> {
        self.connections.into_iter().map(|entry| entry.client)
    }
}
