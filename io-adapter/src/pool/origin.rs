//! The connections to one origin.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    sync::{Notify, futures::OwnedNotified},
    time::Instant,
};

use super::{
    PoolConfig,
    budget::Spent,
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
/// No connection is let go before those who waited for it have had their turn.
const IDLE_MIN: Duration = Duration::from_millis(1);
/// What is never, for a clock that cannot count to [`Duration::MAX`].
const NEVER: Duration = Duration::from_secs(30 * 365 * 86_400);

#[derive(Default)]
pub(super) struct Origin {
    connections: Vec<Entry>,
    /// The dial in progress: one at a time, for everybody. Its token tells it from one that began before a drain.
    pub(super) dialing: Option<(u64, Dial)>,
    /// Shared with everybody who waits for a stream, or for a connection.
    places: Arc<()>,
    /// Tells those who wait for a stream that a connection takes no more requests, which may have room for none of
    /// them for long.
    moves: Arc<Notify>,
    pub(super) last_use: u64,
    /// What its requests have taken out of the budget for resends.
    pub(super) resends: Spent,
    /// How many dials in a row have brought nothing of use, the last error, and until when nobody tries again.
    failures: u32,
    failing: Option<(Instant, Error)>,
}

struct Entry {
    token: u64,
    client: Client,
    last_use: Instant,
    opened: Instant,
    /// How long it is kept without streams.
    idle_max: Duration,
    /// From when on it takes no more requests.
    old_from: Option<Instant>,
}

impl Entry {
    /// Whether no request has been sent here yet: until then the dial has proved nothing.
    fn is_unused(&self) -> bool {
        self.client.stats().streams_opened == 0
    }
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
    /// A connection was let go, whose line is not worth standing in any more.
    pub(super) moves: Pin<Box<OwnedNotified>>,
}

/// What is let go of under the pool's lock, to be dropped behind it: a connection that is let go writes its last words,
/// and who waited for one of them is woken.
#[derive(Default)]
pub(super) struct Gone {
    clients: Vec<Client>,
    moves: Vec<Arc<Notify>>,
}

impl Gone {
    pub(super) fn extend(&mut self, clients: impl Iterator<Item = Client>) {
        self.clients.extend(clients);
    }
}

impl Drop for Gone {
    fn drop(&mut self) {
        for moves in self.moves.drain(..) {
            moves.notify_waiters();
        }
    }
}

/// A request's places in the lines of all connections of its origin.
pub(super) struct Line {
    /// It is made for the first time, and its origin has not heard of it.
    is_new: bool,
    /// Counts it among those who wait.
    place: Option<Arc<()>>,
    clients: Vec<(u64, Client)>,
}

impl Line {
    /// No places yet, for a request that is made for the first time when it `is_new`.
    pub(super) fn new(is_new: bool) -> Self {
        Self {
            is_new,
            place: None,
            clients: Vec::new(),
        }
    }

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
    /// One without connections, for which this dial is in progress.
    pub(super) fn dialed_by(dialing: Option<(u64, Dial)>) -> Self {
        Self {
            dialing,
            ..Self::default()
        }
    }

    /// Decides what a request is to do that stands in `line`. `token` is for a dial, should one begin; what is let go
    /// comes into `gone`.
    pub(super) fn choose(
        &mut self,
        config: &PoolConfig,
        token: u64,
        line: &mut Line,
        gone: &mut Gone,
    ) -> Choice {
        if std::mem::take(&mut line.is_new) {
            self.resends.earn(&config.resend_budget);
        }
        self.retire_closed(config, gone);
        self.retire_old(config, gone);
        if let Some(client) = self.free(gone) {
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
        if !self.join(line, config.waiting_max.max(1), gone) {
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
            moves: Box::pin(Arc::clone(&self.moves).notified_owned()),
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
    fn free(&mut self, gone: &mut Gone) -> Option<Client> {
        if planted::has(Planted::EndedKept)
            && let Some(entry) = self.connections.iter().find(|e| e.client.is_closed())
        {
            return Some(entry.client.clone());
        }
        let best = self.connections.iter_mut().max_by_key(|entry| {
            match planted::has(Planted::FullestChosen) {
                true => usize::MAX - entry.client.free(),
                false => entry.client.free(),
            }
        })?;
        let mut client = best.client.clone();
        if !client.try_permit() {
            gone.clients.push(client);
            return None;
        }
        best.last_use = Instant::now();
        self.failures = 0;
        Some(client)
    }

    /// Puts a request into the line of every connection that it does not stand in yet. Answers whether there was room
    /// for one more who waits.
    fn join(&self, line: &mut Line, waiting_max: usize, gone: &mut Gone) -> bool {
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
        spread_seed: u64,
    ) -> Option<Client> {
        if self.dialing.as_ref().is_none_or(|&(own, _)| own != token) {
            return result.ok();
        }
        self.dialing = None;
        match result {
            Ok(client) => {
                debug_assert!(self.connections.len() < config.connections_max.max(1));
                self.failing = None;
                let now = Instant::now();
                let part = part_of(token, spread_seed);
                let lives = |age| later(now, part.less(age));
                self.connections.push(Entry {
                    token,
                    client,
                    last_use: now,
                    opened: now,
                    idle_max: part.less(config.idle_max).max(IDLE_MIN),
                    old_from: config.age_max.map(lives),
                });
            }
            Err(error) => self.back_off(config, Instant::now(), error),
        }
        None
    }

    /// A dial has brought nothing of use, from `at` on. Nothing is made of it when the pause would be over by now: a server
    /// that closes what nobody uses for minutes is well.
    fn back_off(&mut self, config: &PoolConfig, at: Instant, error: Error) {
        let doubled = 1 << self.failures.min(DOUBLINGS_MAX);
        let pause = config.back_off.max(BACK_OFF_MIN).saturating_mul(doubled);
        let until = later(at, pause);
        if until <= Instant::now() || planted::has(Planted::BackOffForgotten) {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self
            .failing
            .as_ref()
            .is_none_or(|(other, _)| *other < until)
        {
            self.failing = Some((until, error));
        }
    }

    /// Lets go of connections that take no more requests; what is in progress on them goes on. One that has ended
    /// before anybody used it was no better than a dial that failed: whoever waits would open the next, and so on,
    /// as fast as the server closes them.
    pub(super) fn retire_closed(&mut self, config: &PoolConfig, gone: &mut Gone) {
        let kept = planted::has(Planted::EndedKept);
        let going = self
            .connections
            .extract_if(.., |entry| entry.client.is_closed() && !kept);
        for entry in going.collect::<Vec<_>>() {
            if entry.is_unused() {
                self.back_off(config, entry.opened, entry.client.unused_error());
            }
            gone.clients.push(entry.client);
        }
    }

    /// Lets go of connections that have taken requests for long enough, or enough of them: one at least, or whoever waits
    /// would dial without end.
    fn retire_old(&mut self, config: &PoolConfig, gone: &mut Gone) {
        let now = Instant::now();
        let old = self.connections.extract_if(.., |entry| {
            let is_old = entry.old_from.is_some_and(|from| from <= now);
            let carried = |max: u64| entry.client.stats().streams_opened >= max.max(1);
            (is_old && !entry.is_unused()) || config.requests_max.is_some_and(carried)
        });
        let old: Vec<Entry> = old.collect();
        self.let_go(old, gone);
    }

    /// Lets go of connections that may still have room one day, and of the lines for it.
    fn let_go(&self, entries: Vec<Entry>, gone: &mut Gone) {
        if !entries.is_empty() {
            gone.moves.push(Arc::clone(&self.moves));
            gone.extend(entries.into_iter().map(|entry| entry.client));
        }
    }

    /// Lets go of connections that have been idle for too long. Answers when to look again; `None` when there are none.
    pub(super) fn keep(&mut self, config: &PoolConfig, gone: &mut Gone) -> Option<Instant> {
        self.retire_closed(config, gone);
        self.retire_old(config, gone);
        for entry in &mut self.connections {
            let used = match entry.client.streams() {
                0 => entry.client.idle_since(),
                _ => Some(Instant::now()),
            };
            entry.last_use = used.map_or(entry.last_use, |used| used.max(entry.last_use));
        }
        if planted::has(Planted::IdleKept) {
            return None;
        }
        let idle = self
            .connections
            .extract_if(.., |entry| entry.last_use.elapsed() >= entry.idle_max)
            .collect();
        self.let_go(idle, gone);
        let ends = |entry: &Entry| later(entry.last_use, entry.idle_max);
        self.connections.iter().map(ends).min()
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

/// How much less than the most a connection lives: a part of a quarter.
struct Part(f64);

/// The part of the connection with this token. The multiples of the golden ratio stay as far from each other as so many
/// numbers can, wherever a pool begins.
fn part_of(token: u64, spread_seed: u64) -> Part {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let part = token.wrapping_add(spread_seed).wrapping_mul(GOLDEN) >> 32;
    Part(f64::from(part as u32) / f64::from(u32::MAX))
}

impl Part {
    fn less(&self, most: Duration) -> Duration {
        most - (most / 4).mul_f64(self.0)
    }
}

/// The shortest that a connection is kept without streams.
pub(super) fn idle_least(config: &PoolConfig) -> Duration {
    Part(1.0).less(config.idle_max).max(IDLE_MIN)
}

pub(super) fn later(at: Instant, by: Duration) -> Instant {
    at.checked_add(by).unwrap_or_else(|| at + NEVER)
}
