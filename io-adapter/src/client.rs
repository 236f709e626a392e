//! The sending end of a client's connection.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Buf;
use http::{Request, Response, uri::Scheme};
use http_body::Body;
use raddle_core::{
    Config, Connection, ErrorCode, GoAway, Lifecycle, OpenError, Role, Stats, StreamId, Then,
    Timestamp,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Sleep},
};
use tower_service::Service;

use crate::{
    body::RecvBody,
    convert,
    driver::Driver,
    error::{BoxError, Error, Kind},
    ping,
    planted::{self, Planted},
    response::ResponseFuture,
    settled,
    shared::Shared,
    state::Half,
    transport::{self, is_socket},
    upload::{Upload, run_or_spawn},
    usage::Usage,
};

/// Starts HTTP/2 as a client on `io`, which is open and, for TLS, has agreed on `h2`.
///
/// The driver has to be spawned. Requests may be made at once; they wait for nothing but the transport. A TCP socket is
/// best given `set_nodelay(true)` first: everything that can be sent together is, and without it a small frame may wait
/// 40 ms for an acknowledgement that the other side delays.
///
/// When writing fails, requests in it whose heads `io` was given may have been sent, unless `io` is a `TcpStream` or a
/// `UnixStream` itself: those say how much they have taken, so that the requests are safe to send again.
///
/// By the same token a request whose URI names no scheme is one for `http` over such a socket, and one for `https` over a
/// `tls::TlsStream` of it; over any other `io` it is refused, unless [`Client::scheme`] says what it is.
///
/// Cancel safe: it is ready at once. Dropping what it has returned closes `io`.
///
/// # Errors
/// None today: what goes wrong with the connection is told by the driver and by the requests on it.
pub async fn connect<T>(io: T, config: Config) -> Result<(Client, Driver<T>), Error>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let scheme = transport::scheme::<T>();
    Ok(start(io, is_socket::<T>(), scheme, config))
}

/// As [`connect`], for who knows whether `io` is a socket, and of which scheme, though its type does not tell.
pub(crate) fn start<T>(
    io: T,
    is_socket: bool,
    scheme: Option<Scheme>,
    config: Config,
) -> (Client, Driver<T>)
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (read, write) = tokio::io::split(io);
    let waiting_max = config.open_queue_max.max(1);
    let connection = Connection::new(Role::Client, config, Timestamp(0));
    let shared = Shared::new(connection, Box::new(write), is_socket, Instant::now());
    shared.lock().clients = 1;
    let driver = Driver::new(Arc::clone(&shared), read);
    let client = Client {
        shared,
        scheme,
        permit: false,
        ticket: None,
        waiting_max,
        wait_max: None,
        patience: None,
    };
    (client, driver)
}

/// Opens requests on one connection. Clones share it; when the last one is dropped, the connection ends after the
/// streams that are in progress.
///
/// `poll_ready` answers `Ready` when a stream may be opened at once and keeps that place for the next `call`; callers
/// are served in the order in which they asked. Up to [`Config::open_queue_max`] of them wait, and no longer than
/// [`Client::wait_max`] says: beyond that `poll_ready` fails with [`OpenError::QueueFull`] or [`Kind::StreamTimeout`], and the
/// handle may be asked again. Who is dropped, or calls without being ready, leaves the line; a handle that is kept and does
/// neither keeps its place. A `call` without `poll_ready` waits inside the engine instead, where as many have room.
/// `poll_ready` fails with [`Kind::Closed`] when the connection takes no requests any more.
///
/// A request fails with [`Kind::Head`] or [`Kind::Open`] when it was not taken, with [`Kind::Closed`] when it came too late,
/// and else with what ended its stream; [`Error::retry`] says whether it may be sent again. A body of the request's that
/// fails is [`Kind::Body`].
#[derive(Debug)]
pub struct Client {
    shared: Arc<Shared>,
    /// Of requests whose URI names none.
    scheme: Option<Scheme>,
    /// A stream may be opened.
    permit: bool,
    /// The place in the line for a permit.
    ticket: Option<u64>,
    /// How many may stand there.
    waiting_max: usize,
    /// How long it may stand there, and until when it does.
    wait_max: Option<Duration>,
    patience: Option<Pin<Box<Sleep>>>,
}

impl Client {
    /// Says what scheme a request has whose URI names none, as the one of an HTTP/1.1 request that is passed on: that of the
    /// connection (RFC 9110 §7.1, RFC 9113 §8.3.1). It is for a transport whose type does not tell, see [`connect`], and
    /// holds for this handle and what is cloned from it.
    #[must_use]
    pub fn scheme(mut self, scheme: Scheme) -> Self {
        self.scheme = Some(scheme);
        self
    }

    /// Says how long `poll_ready` waits for a stream before it fails with [`Kind::StreamTimeout`]. Without it there is no limit
    /// but the caller's, who may stop waiting at any time. It holds for this handle and what is cloned from it.
    #[must_use]
    pub fn wait_max(mut self, wait_max: Duration) -> Self {
        self.wait_max = Some(wait_max);
        self
    }

    /// As [`Self::scheme`], where nothing is known yet.
    pub(crate) fn suppose_scheme(&mut self, scheme: Scheme) {
        self.scheme.get_or_insert(scheme);
    }

    /// How many more streams could be opened at once.
    #[must_use]
    pub fn openable(&self) -> usize {
        self.shared.lock().connection.openable()
    }

    /// Streams in use here, the ones that wait for their turn among them.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.shared.lock_quietly().live
    }

    /// When its last stream ended, if it has had one.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        self.shared.lock_quietly().idle_since
    }

    /// Whether no request can be made here any more: the connection has ended, or one side has said that it will.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let state = self.shared.lock_quietly();
        let leaves = state.connection.lifecycle() >= Lifecycle::Draining;
        state.closed.is_some() || (leaves && !planted::has(Planted::LeavingKept))
    }

    /// Takes no more requests and ends the connection after those in progress. Those that wait for a stream fail with
    /// `Retry::Safe`. It does not wait for that end, which is the driver's; a second call changes nothing.
    pub fn drain(&self) {
        self.shared.command(|state| state.connection.drain());
    }

    /// The value of a setting of the peer's that the engine does not know, for an extension of the application's; `None`
    /// before it has arrived. Our own are in [`Config::settings_more`].
    #[must_use]
    pub fn peer_setting(&self, id: u16) -> Option<u32> {
        self.shared.lock().connection.peer_setting(id)
    }

    /// What the peer has said in a GOAWAY, if it has sent one; also after a graceful end, which is no error.
    #[must_use]
    pub fn goaway(&self) -> Option<GoAway> {
        self.shared.lock().connection.peer_goaway().cloned()
    }

    /// Whether the server takes an extended CONNECT, which a request with [`Protocol`](crate::Protocol) is (RFC 8441 §3):
    /// `None` before its SETTINGS have arrived, which [`Self::settled`] waits for, and then for good. While it is `None`
    /// such a request is refused as it is when the answer is no.
    #[must_use]
    pub fn takes_extended_connect(&self) -> Option<bool> {
        self.shared.lock().connection.takes_extended_connect()
    }

    /// Counters of the connection, from its beginning on.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.lock_quietly().connection.stats()
    }

    /// What the connection has in use, for simulation.
    #[doc(hidden)]
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage::new(&self.shared)
    }

    /// Sends a PING and waits for its answer (RFC 9113 §6.7). A peer of which nothing arrives within
    /// [`Config::keep_alive_timeout`](crate::Config::keep_alive_timeout) counts as gone: the connection ends, also when no
    /// stream is open. One that goes on sending and does not answer is waited for as long as it does.
    ///
    /// Cancel safe: the answer to a PING that nobody waits for is dropped.
    ///
    /// # Errors
    /// When the connection ends first; [`Kind::Misuse`] when several PINGs are in flight already.
    pub async fn ping(&self) -> Result<(), Error> {
        ping::ping(&self.shared).await
    }

    /// Waits for the peer's SETTINGS (RFC 9113 §3.4): only then is it known whether it takes an extended CONNECT, see
    /// [`Protocol`](crate::Protocol). A [`Pool`](crate::Pool) waits by itself.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// [`Kind::Closed`] when the connection ends first.
    pub async fn settled(&self) -> Result<(), Error> {
        settled::settled(&self.shared).await
    }

    /// Makes `id` the identifier of the next stream, so that a test sees the last of them.
    #[doc(hidden)]
    pub fn skip_to(&self, id: StreamId) {
        self.shared.command(|state| state.connection.skip_to(id));
    }

    /// The error for a connection that has ended before it was of use to anybody.
    pub(crate) fn unused_error(&self) -> Error {
        const TEXT: &str = "it ended before a request could be sent";
        match &self.shared.lock_quietly().closed {
            Some(error) if error.kind() != Kind::Closed => {
                Error::connect(format!("{TEXT}: {error}"))
            }
            _ => Error::connect(TEXT),
        }
    }

    /// How many more streams could be opened at once, beside those that somebody holds a permit for or waits for.
    pub(crate) fn free(&self) -> usize {
        let state = self.shared.lock_quietly();
        state.permits.free(state.connection.openable())
    }

    /// Keeps a place for one stream, if there is one beside those that others hold or wait for.
    pub(crate) fn try_permit(&mut self) -> bool {
        let mut state = self.shared.lock_quietly();
        let openable = match state.closed {
            Some(_) => 0,
            None => state.connection.openable(),
        };
        self.permit = self.permit || state.permits.try_acquire(openable);
        self.permit
    }

    /// Ready when a stream may be opened at once. The line has as much room as a pool's own, which counts who waits.
    pub(crate) fn poll_permit(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_permit_among(usize::MAX, cx)
    }

    /// Ready when a stream may be opened at once; who would come behind `waiting_max` others is not let into the line.
    fn poll_permit_among(
        &mut self,
        waiting_max: usize,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        if self.permit {
            return Poll::Ready(Ok(()));
        }
        let mut state = self.shared.lock();
        if state.closed.is_some() || state.connection.lifecycle() >= Lifecycle::Draining {
            return Poll::Ready(Err(Shared::refusal(&state)));
        }
        let openable = state.connection.openable();
        if self.ticket.is_none() && state.permits.waiting() >= waiting_max {
            return Poll::Ready(Err(state.told(Kind::Open(OpenError::QueueFull))));
        }
        self.permit = state
            .permits
            .acquire(&mut self.ticket, openable, cx.waker());
        if self.permit && planted::has(Planted::PermitNotKept) {
            self.permit = false;
            state.permits.settle();
            return Poll::Ready(Ok(()));
        }
        if self.permit {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }

    /// Opens a stream for `request`.
    ///
    /// # Errors
    /// The request comes back untouched with the error.
    pub(crate) fn open<B>(
        &mut self,
        request: Request<B>,
    ) -> Result<ResponseFuture, Box<(Error, Request<B>)>>
    where
        B: Body + Send + 'static,
        B::Data: Buf + Send,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = request.into_parts();
        let head = match convert::request_head(&parts, self.scheme.as_ref()) {
            Ok(head) => head,
            Err(error) => return Err(Box::new((error, Request::from_parts(parts, body)))),
        };
        let empty = body.is_end_stream();
        let permit = std::mem::take(&mut self.permit);
        // Who calls without a permit waits inside the engine from here on.
        let place = self.ticket.take();
        self.patience = None;
        let mut span = Some(self.shared.watcher.sent(&parts));
        let open = |state: &mut crate::state::State| {
            if permit {
                state.permits.settle();
            }
            place.into_iter().for_each(|own| state.permits.leave(own));
            if state.closed.is_some() {
                return Err(Shared::refusal(state));
            }
            let then = if empty { Then::End } else { Then::More };
            let handle = state
                .connection
                .open(head, then)
                .map_err(|(error, _)| state.told(Kind::Open(error)))?;
            state.track(handle, span.take().unwrap_or_default());
            if empty {
                state.leave(handle, Half::Writer);
            }
            Ok(handle)
        };
        let opened = match empty {
            true => self.shared.command(open),
            false => self.shared.command_unflushed(open).inspect_err(|_| {
                // The permit that was not used is for the next in line.
                self.shared.command(|_| ());
            }),
        };
        let handle = match opened {
            Ok(handle) => handle,
            Err(error) => {
                self.shared.watcher.refused(span, &error);
                return Err(Box::new((error, Request::from_parts(parts, body))));
            }
        };
        // Before the body is asked for anything: it may panic.
        let response = ResponseFuture::new(Arc::clone(&self.shared), handle, &parts.method);
        if !empty {
            let upload = Upload::new(Arc::clone(&self.shared), handle, body, ErrorCode::CANCEL);
            // Most bodies are there at once, and then head and body leave in one write and without a task.
            run_or_spawn(upload, &self.shared);
        }
        Ok(response)
    }
}

impl<B> Service<Request<B>> for Client
where
    B: Body + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<RecvBody>;
    type Error = Error;
    type Future = ResponseFuture;

    /// # Panics
    /// Outside of a tokio runtime whose time is enabled, with [`Client::wait_max`].
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if let Poll::Ready(ready) = self.poll_permit_among(self.waiting_max, cx) {
            self.patience = None;
            return Poll::Ready(ready);
        }
        let Some(wait_max) = self.wait_max else {
            return Poll::Pending;
        };
        let patience = self
            .patience
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(wait_max)));
        ready!(patience.as_mut().poll(cx));
        self.patience = None;
        let ticket = self.ticket.take();
        self.shared.command(|state| {
            ticket.into_iter().for_each(|own| state.permits.leave(own));
            Poll::Ready(Err(state.told(Kind::StreamTimeout)))
        })
    }

    /// # Panics
    /// Outside of a tokio runtime, for a request whose body is not there at once.
    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        self.open(request)
            .unwrap_or_else(|refused| ResponseFuture::refused(refused.0))
    }
}

impl Clone for Client {
    /// The clone begins without a permit.
    fn clone(&self) -> Self {
        self.shared.lock_quietly().clients += 1;
        Self {
            shared: Arc::clone(&self.shared),
            scheme: self.scheme.clone(),
            permit: false,
            ticket: None,
            waiting_max: self.waiting_max,
            wait_max: self.wait_max,
            patience: None,
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let (permit, ticket) = (self.permit, self.ticket);
        let permit = permit && !planted::has(Planted::PermitLost);
        if planted::has(Planted::LastHandleUnnoticed) {
            let mut state = self.shared.lock();
            if state.clients == 1 && ticket.is_none() && !permit {
                state.clients = 0;
                return;
            }
        }
        self.shared.command(|state| {
            if permit {
                state.permits.settle();
            }
            if let Some(ticket) = ticket.filter(|_| !planted::has(Planted::PlaceInLineKept)) {
                state.permits.leave(ticket);
            }
            // Without the last one the connection drains, see `State::process`.
            state.clients -= 1;
        });
    }
}
