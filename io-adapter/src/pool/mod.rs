//! Several connections to each origin, behind one service.
//!
//! A request goes to the connection with the most free streams. When none has one, the pool dials another, up to a
//! limit, and the request waits for whichever comes first: the new connection, or a free stream on an old one. One
//! dial serves all who wait, and belongs to the pool: a request that is given up takes nobody's connection with it.

mod budget;
mod flight;
mod origin;
mod reap;
mod send;
mod wait;

use std::{
    collections::BTreeMap,
    future::Future,
    hash::{BuildHasher, Hasher},
    pin::Pin,
    sync::{Arc, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Buf;
use http::{Request, Response};
use http_body::Body;
use tokio::sync::Notify;
use tower_service::Service;

use crate::{
    body::RecvBody,
    client::Client,
    dial::{Dialer, Target},
    error::{BoxError, Error, Kind},
    sync::{Mutex, MutexGuard},
};
pub use budget::ResendBudget;
use flight::Dial;
use origin::{Gone, Origin};

/// A future of a connection that is being opened.
pub type Dialing = Pin<Box<dyn Future<Output = Result<Client, Error>> + Send>>;

/// Opens connections for a pool: a [`Dialer`], or a function of one's own.
///
/// ```
/// use raddle_io::{Config, Dialing, Pool, PoolConfig, Target};
///
/// // Over a pipe in memory; over a socket of another kind it looks the same.
/// let connect = |_: Target| -> Dialing {
///     Box::pin(async {
///         let (near, far) = tokio::io::duplex(65_536);
///         // `far` goes to a server. What cannot be opened is `raddle_io::Error::connect(why)`.
/// #       drop(far);
///         let (client, driver) = raddle_io::connect(near, Config::default()).await?;
///         tokio::spawn(driver);
///         Ok(client)
///     })
/// };
/// let pool = Pool::new(connect, PoolConfig::default());
/// # assert_eq!(pool.stats().connections, 0);
/// ```
pub trait Connect: Send + Sync + 'static {
    /// Opens a connection to `target` and sees to its driver. It runs in a task of the pool's, one for each target at a
    /// time, and beside it perhaps one from before a [`Pool::drain`]. A panic counts as a failure, and so does one that has not ended after [`PoolConfig::dial_max`]: its future
    /// is dropped then, and what it has opened should close with it.
    fn connect(&self, target: Target) -> Dialing;
}

impl<F> Connect for F
where
    F: Fn(Target) -> Dialing + Send + Sync + 'static,
{
    fn connect(&self, target: Target) -> Dialing {
        self(target)
    }
}

impl Connect for Dialer {
    fn connect(&self, target: Target) -> Dialing {
        let dialer = self.clone();
        Box::pin(async move { dialer.dial(&target).await })
    }
}

/// The bounds of a pool. Numbers of nothing count as one.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// Connections to one origin that take requests; those that only end what is in progress do not count. Four carry
    /// hundreds of streams; more share one bottleneck.
    pub connections_max: usize,
    /// Origins in all. The one that was used least recently gives way.
    pub origins_max: usize,
    /// Requests of one origin that may wait for a stream.
    pub waiting_max: usize,
    /// How long one may wait.
    pub wait_max: Duration,
    /// How long a dial may take, whatever the connector has in mind: there is one at a time for each origin, and one
    /// that never ended would keep it unreachable for ever. A little more than a [`Dialer`] allows itself, whose own
    /// error tells more.
    pub dial_max: Duration,
    /// How long a connection without streams is kept; up to a quarter less, as for `age_max`. What the peer allows should be
    /// longer than that: a request that meets with its end may have to be made again.
    pub idle_max: Duration,
    /// How long a connection takes new requests; up to a quarter less, so that those that were opened together do not end
    /// together, neither here nor in a thousand clients of a server that they have all just found again. What stands behind a name changes, and only a new connection sees it: `None`, the default, is right where
    /// addresses are fixed. What is in progress goes on.
    pub age_max: Option<Duration>,
    /// Requests that a connection takes, before another one is opened in its place; a few more when several are sent at
    /// once. `None`, the default, is right unless a server says otherwise.
    pub requests_max: Option<u64>,
    /// Decides how much less than `idle_max` and `age_max` each connection lives. `None`, the default: drawn from the
    /// system's randomness for each pool. A number repeats the same course, as a simulation wants it.
    pub spread_seed: Option<u64>,
    /// After a failed dial, or one whose connection ended before it was used, requests fail at once for so long, and twice
    /// as long after each further failure, up to 64 times: who waits for a dead server is not helped by dialing it for
    /// each request.
    pub back_off: Duration,
    /// How often a request is sent again when its verdict is `Safe`, and it has no body, its body is a `Full` of bytes, or
    /// no part of its body has been asked for.
    pub resends_max: u32,
    /// How many of all requests to one origin are. Who is told [`Kind::ResendBudgetSpent`] had better wait.
    pub resend_budget: ResendBudget,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            connections_max: 4,
            origins_max: 256,
            waiting_max: 10_000,
            wait_max: Duration::from_secs(10),
            dial_max: Duration::from_secs(15),
            idle_max: Duration::from_secs(90),
            age_max: None,
            requests_max: None,
            spread_seed: None,
            back_off: Duration::from_millis(50),
            resends_max: 2,
            resend_budget: ResendBudget::default(),
        }
    }
}

/// Where a request is to be sent, when that is not what its URI says. A proxy puts it among the request's extensions:
/// it dials the backend, and sends the authority that its client named (RFC 9113 §8.3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolTarget(pub Target);

/// How long a request may wait for a stream each time that it is sent, where that is less than [`PoolConfig::wait_max`]. A
/// proxy that has several places to send it to puts what is left of its own time among the request's extensions. With
/// nothing left it takes a stream that is free, and waits for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolWait(pub Duration);

/// What a pool holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Origins that are known.
    pub origins: usize,
    /// Connections that take requests.
    pub connections: usize,
    /// Requests in progress on them.
    pub streams: usize,
    /// Connections opened since the pool was made.
    pub opened: u64,
    /// Dials that failed since then.
    pub dials_failed: u64,
    /// Requests that were sent again.
    pub resent: u64,
    /// Requests that were not, because [`PoolConfig::resend_budget`] was spent.
    pub resends_denied: u64,
}

/// A client for any number of origins. Clones share the connections; with the last of them those end after the requests in
/// progress.
///
/// Beside the errors of a [`Client`] a request may fail with [`Kind::Connect`], [`Kind::ConnectTimeout`] or [`Kind::Tls`] when
/// there is no connection, with [`Kind::PoolExhausted`] when none had room in time, and with [`Kind::ResendBudgetSpent`].
/// Nothing was done then. A URI without scheme or host, in a request without [`PoolTarget`], is [`Kind::Head`].
///
/// # Panics
/// When a request of its is polled outside of a tokio runtime.
#[derive(Clone)]
pub struct Pool {
    inner: Arc<Inner>,
}

struct Inner {
    connector: Box<dyn Connect>,
    config: PoolConfig,
    spread_seed: u64,
    state: Mutex<State>,
    /// Tells the reaper that there may be nothing left to look after.
    ends: Arc<Notify>,
}

#[derive(Default)]
struct State {
    origins: BTreeMap<Target, Origin>,
    /// Dials of origins that have given way meanwhile. Each is here until it has ended, or its origin is back.
    left: BTreeMap<Target, (u64, Dial)>,
    /// Tags each connection, so that what is said about one never hits another.
    last_token: u64,
    /// Orders the origins by use.
    uses: u64,
    /// Somebody looks after idle connections.
    reaps: bool,
    stats: PoolStats,
}

impl Pool {
    /// A pool without connections.
    #[must_use]
    pub fn new(connector: impl Connect, config: PoolConfig) -> Self {
        let inner = Inner {
            connector: Box::new(connector),
            spread_seed: seed_of(&config),
            config,
            state: Mutex::default(),
            ends: Arc::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// What the pool holds now.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        let mut gone = Gone::default();
        let mut state = self.inner.lock();
        let origins = state.origins.len();
        let (mut connections, mut streams) = (0, 0);
        for origin in state.origins.values_mut() {
            origin.retire_closed(&self.inner.config, &mut gone);
            connections += origin.connections();
            streams += origin.streams();
        }
        PoolStats {
            origins,
            connections,
            streams,
            ..state.stats
        }
    }

    /// Closes every connection after the requests in progress. New requests open new ones. It does not wait for the end.
    pub fn drain(&self) {
        let mut state = self.inner.lock();
        let origins = std::mem::take(&mut state.origins);
        state.left.clear();
        drop(state);
        for client in origins.into_values().flat_map(Origin::into_clients) {
            client.drain();
        }
        self.inner.ends.notify_one();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.ends.notify_one();
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The origin of a target, made when it is new; the one that was used least recently gives way, and is put into
    /// `gone`.
    fn touch(
        &mut self,
        target: &Target,
        config: &PoolConfig,
        gone: &mut Gone,
    ) -> Result<&mut Origin, Error> {
        self.uses += 1;
        if !self.origins.contains_key(target) && self.origins.len() >= config.origins_max.max(1) {
            let unused = self
                .origins
                .iter()
                .filter(|(_, origin)| origin.waiting() == 0);
            let oldest = unused
                .min_by_key(|(_, origin)| origin.last_use)
                .map(|(target, _)| target.clone());
            let oldest = oldest.and_then(|oldest| self.origins.remove_entry(&oldest));
            // Each of them has somebody who waits for it.
            let Some((oldest, mut origin)) = oldest else {
                return Err(Error::with_source(
                    Kind::PoolExhausted,
                    "requests wait for too many origins",
                ));
            };
            if let Some(dial) = origin.dialing.take() {
                self.left.insert(oldest, dial);
            }
            gone.extend(origin.into_clients());
        }
        let left = &mut self.left;
        let origin = self
            .origins
            .entry(target.clone())
            .or_insert_with(|| Origin::dialed_by(left.remove(target)));
        origin.last_use = self.uses;
        Ok(origin)
    }
}

impl<B> Service<Request<B>> for Pool
where
    B: Body + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<RecvBody>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<RecvBody>, Error>> + Send>>;

    /// Always ready: which connection a request needs is known when it is there.
    ///
    /// What `call` answers is cancel safe as a [`ResponseFuture`](crate::ResponseFuture) is: dropped, it gives up its
    /// place in line, or resets its stream. A dial that it has begun goes on, for whoever comes next.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let pool = self.clone();
        Box::pin(async move { pool.send(request).await })
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// Where the spread of a pool's connections begins.
fn seed_of(config: &PoolConfig) -> u64 {
    // The one source of randomness that the standard library has.
    #[expect(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        reason = "processes that began together are not to act together; a seed is the other way"
    )]
    let drawn = || std::hash::RandomState::new().build_hasher().finish();
    config.spread_seed.unwrap_or_else(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pool_spreads_its_connections_by_itself() {
        let mut config = PoolConfig::default();
        assert_ne!(seed_of(&config), seed_of(&config));
        config.spread_seed = Some(7);
        assert_eq!((seed_of(&config), seed_of(&config)), (7, 7));
    }
}
