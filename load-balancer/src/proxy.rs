//! One request's way: check and rewrite, choose a backend, send, and decide what may be sent again.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use http::{Request, Response, Uri, uri};
use raddle_io::{
    Error, Informer, Kind, OnInformational, Pool, PoolTarget, PoolWait, RecvBody, Retry, Target,
};
use tokio::time::{Instant, sleep_until};
use tower_service::Service;

use crate::{
    backends::{Backends, Chosen},
    body::{AnyBody, Relay, Replay, RequestBody, Silence},
    fields::{self, Client, Rewrite},
    limits::Limits,
    refusal::Refusal,
};

/// Answers every request with what a backend says.
#[derive(Debug)]
pub struct Proxy {
    backends: Arc<Backends>,
    pool: Pool,
    rewrite: Rewrite,
    limits: Limits,
    /// Resends that were earned, in parts of one.
    budget: AtomicU32,
}

/// Why one attempt has no response.
enum Failed {
    /// Another may be made.
    Again(Refusal),
    /// Another may be made, on another backend: this one had no room for as long as a request waits.
    Elsewhere,
    /// This is the answer.
    Answer(Refusal),
}

impl Proxy {
    /// A proxy that sends requests to `backends` by way of `pool`.
    #[must_use]
    pub fn new(backends: Backends, pool: Pool, limits: Limits) -> Self {
        Self {
            backends: Arc::new(backends),
            pool,
            rewrite: Rewrite {
                forwarded_trusted: false,
                passes_max: limits.passes_max,
            },
            budget: AtomicU32::new(limits.resends_saved_max * limits.resend_every),
            limits,
        }
    }

    /// The pool that requests go through.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Answers one request, whatever happens.
    pub async fn answer(&self, request: Request<AnyBody>, client: Client) -> Response<AnyBody> {
        match self.forward(request, client).await {
            Ok(response) => response,
            Err(refusal) => refusal.response(),
        }
    }

    async fn forward(
        &self,
        request: Request<AnyBody>,
        client: Client,
    ) -> Result<Response<AnyBody>, Refusal> {
        let (mut head, body) = request.into_parts();
        let authority = self.rewrite.request(&mut head, client)?;
        let passed_on = head.extensions.remove::<Informer>().map(pass_on);
        head.extensions = http::Extensions::new();
        head.version = http::Version::HTTP_2;
        let mut replay = Replay::new(body, self.limits.replay_bytes_max);
        self.earn();
        let (mut tried, mut full) = (Vec::new(), Vec::new());
        let mut refusal = None;
        let begun = Instant::now();
        for attempt in 0..self.limits.attempts_max {
            let Some(backend) = self.backends.choose(&tried, &full) else {
                refusal.get_or_insert_with(|| Refusal::NoneHealthy(self.backends.retry_after()));
                break;
            };
            let Some(body) = replay.attempt() else { break };
            // Only now: what is not sent again costs nothing.
            if attempt > 0 && !self.spend() {
                break;
            }
            tried.push(backend.index());
            let mut head = head.clone();
            head.uri = uri_for(&head.uri, authority.as_ref(), backend.target())?;
            head.extensions.insert(PoolTarget(backend.target().clone()));
            // One budget for all attempts: with none left, what has room at once is still asked.
            let wait = self.limits.backend_wait.saturating_sub(begun.elapsed());
            head.extensions.insert(PoolWait(wait));
            if let Some(passed_on) = &passed_on {
                head.extensions.insert(passed_on.clone());
            }
            match self
                .send(Request::from_parts(head, body), &replay, &backend)
                .await
            {
                Ok(response) => {
                    replay.settle();
                    return Ok(self.relay(response, backend));
                }
                Err(Failed::Again(reason)) => refusal = Some(reason),
                Err(Failed::Elsewhere) => {
                    refusal = Some(Refusal::Busy);
                    full.extend(tried.last());
                }
                Err(Failed::Answer(reason)) => return Err(reason),
            }
        }
        Err(refusal.unwrap_or(Refusal::Unreachable))
    }

    /// One attempt on one backend, whose [`PoolWait`] is among the request's extensions.
    async fn send(
        &self,
        request: Request<RequestBody>,
        replay: &Replay,
        backend: &Chosen,
    ) -> Result<Response<RecvBody>, Failed> {
        let wait = request.extensions().get::<PoolWait>().copied();
        // What would have stayed unreachable for longer than a dial takes is; of anything else nobody knows.
        let hurried = wait.is_some_and(|PoolWait(wait)| wait < self.limits.dial);
        // Who falls silent behind an alarm that was set may have less time than who was silent then, but never less than this.
        let least = self.limits.response_head.min(self.limits.request_body);
        let mut pool = self.pool.clone();
        let mut answer = std::pin::pin!(pool.call(request));
        loop {
            let due = match replay.silence() {
                Silence::Backend(since) => since + self.limits.response_head,
                Silence::Client(since) => since + self.limits.request_body,
                Silence::ClientGone => return Err(Failed::Answer(Refusal::ClientSilent)),
            };
            tokio::select! {
                biased;
                result = &mut answer => return self.judge(result, backend, hurried),
                () = sleep_until(due.min(Instant::now() + least)) => {}
            }
            // Something may have moved since the alarm was set.
            let now = Instant::now();
            match replay.silence() {
                Silence::Backend(since) if since + self.limits.response_head <= now => {
                    return Err(Failed::Answer(Refusal::Timeout));
                }
                Silence::Client(since) if since + self.limits.request_body <= now => {
                    return Err(Failed::Answer(Refusal::ClientSilent));
                }
                _ => {}
            }
        }
    }

    fn judge(
        &self,
        result: Result<Response<RecvBody>, Error>,
        backend: &Chosen,
        hurried: bool,
    ) -> Result<Response<RecvBody>, Failed> {
        let error = match result {
            Ok(response) => {
                backend.succeeded();
                return Ok(response);
            }
            Err(error) => error,
        };
        let refusal = match error.kind() {
            Kind::ConnectTimeout if hurried => return Err(Failed::Elsewhere),
            Kind::Connect | Kind::ConnectTimeout | Kind::Tls => {
                backend.unreachable(&error);
                Refusal::Unreachable
            }
            Kind::PoolExhausted => return Err(Failed::Elsewhere),
            _ => Refusal::Broken,
        };
        // RFC 9113 §8.7: only what was provably not processed is sent again, whatever its method.
        Err(if error.retry() == Retry::Safe {
            Failed::Again(refusal)
        } else {
            Failed::Answer(refusal)
        })
    }

    fn relay(&self, response: Response<RecvBody>, backend: Chosen) -> Response<AnyBody> {
        let (mut head, body) = response.into_parts();
        head.extensions = http::Extensions::new();
        fields::rewrite_response(&mut head);
        Response::from_parts(
            head,
            AnyBody::stream(Relay::new(body, self.limits.response_body, backend)),
        )
    }

    /// Each request earns a part of a resend.
    fn earn(&self) {
        let full = self.limits.resends_saved_max * self.limits.resend_every;
        let more = |saved: u32| (saved < full).then_some(saved + 1);
        // Full is as good as earned.
        let _ = self
            .budget
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }

    fn spend(&self) -> bool {
        let less = |saved: u32| saved.checked_sub(self.limits.resend_every);
        self.budget
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less)
            .is_ok()
    }
}

/// RFC 9110 §15.2: a proxy passes interim responses on. HTTP/1.1 has no `Informer`: hyper says `100 Continue` itself, once
/// the body is asked for, and nothing else.
fn pass_on(informer: Informer) -> OnInformational {
    OnInformational::new(move |interim| {
        let (mut head, ()) = interim.into_parts();
        fields::rewrite_response(&mut head);
        // The client may have gone, which is told elsewhere.
        let _ = informer.inform(Response::from_parts(head, ()));
    })
}

/// The target as the backend is to see it: the path and authority that the client named, the scheme of our connection.
fn uri_for(uri: &Uri, authority: Option<&uri::Authority>, target: &Target) -> Result<Uri, Refusal> {
    let own = || format!("{}:{}", target.host(), target.port());
    let authority = authority.map_or_else(own, ToString::to_string);
    // RFC 9113 §8.3.1: OPTIONS * has the asterisk for its path, and `http` keeps it so.
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    Uri::builder()
        .scheme(if target.is_https() { "https" } else { "http" })
        .authority(authority)
        .path_and_query(if path.is_empty() { "/" } else { path })
        .build()
        .map_err(|_| Refusal::BadRequest("bad request target"))
}
