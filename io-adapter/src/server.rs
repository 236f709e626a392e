//! The receiving end of a server's connection.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Buf, Bytes};
use http::{Request, Response};
use http_body::Body;
use raddle_core::{
    Config, Connection, ErrorCode, GoAway, ResponseHead, Role, SendError, Stats, StreamHandle,
    Then, Timestamp,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

use crate::{
    body::RecvBody,
    convert,
    driver::Driver,
    error::{BoxError, Error, Kind},
    guard::put,
    shared::Shared,
    state::{Half, State},
    transport::is_socket,
    upload::{Upload, run_or_spawn},
    usage::Usage,
};

/// Starts HTTP/2 as a server on `io`, which is open and, for TLS, has agreed on `h2`.
///
/// The driver has to be spawned, or polled beside [`Server::accept`]. A TCP socket is best given `set_nodelay(true)` first,
/// as for [`connect`](crate::connect).
///
/// Cancel safe: it is ready at once. Dropping what it has returned closes `io`.
///
/// # Errors
/// None today: what goes wrong with the connection is told by the driver.
pub async fn accept<T>(io: T, config: Config) -> Result<(Server, Driver<T>), Error>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    Ok(start(io, config))
}

pub(crate) fn start<T>(io: T, config: Config) -> (Server, Driver<T>)
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (read, write) = tokio::io::split(io);
    let working_max = config.concurrent_streams_max as usize;
    let connection = Connection::new(Role::Server, config, Timestamp(0));
    let shared = Shared::new(
        connection,
        Box::new(write),
        is_socket::<T>(),
        Instant::now(),
    );
    shared.lock().working_max = working_max;
    let driver = Driver::new(Arc::clone(&shared), read);
    (Server { shared }, driver)
}

/// Takes the requests of one connection.
///
/// Dropped, it refuses those that nobody has accepted, in a way that lets the client send them elsewhere, and ends the
/// connection after those in progress.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
}

impl Server {
    /// The next request, with the means to answer it; `None` when the connection has ended. While as many requests as
    /// [`Config::concurrent_streams_max`] allows are still being worked on, it waits: one that its client has given up
    /// counts until its responder is dropped, and its body when it has one that was not read whole.
    ///
    /// Cancel safe: no request is taken before it is handed out.
    pub async fn accept(&mut self) -> Option<(Request<RecvBody>, Responder)> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    pub(crate) fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<(Request<RecvBody>, Responder)>> {
        loop {
            let mut state = self.shared.lock();
            let next = state
                .may_accept()
                .then(|| state.incoming.pop_front())
                .flatten();
            let Some((handle, head)) = next else {
                if state.closed.is_some() && state.incoming.is_empty() {
                    return Poll::Ready(None);
                }
                let before = put(&mut state.acceptor, cx);
                state.aside.extend(before);
                return Poll::Pending;
            };
            let slot = state.slot(handle);
            let expected = match &slot {
                Some(slot) if slot.ended && slot.data.is_empty() => Some(0),
                _ => head.content_length(),
            };
            let is_whole = slot.is_some_and(|slot| slot.is_read());
            if is_whole {
                state.leave(handle, Half::Reader);
            }
            drop(state);
            let body = match is_whole {
                true => RecvBody::empty(),
                false => RecvBody::new(Arc::clone(&self.shared), handle, expected),
            };
            let responder = Responder::new(Arc::clone(&self.shared), handle);
            match convert::request(&head) {
                Ok(request) => return Poll::Ready(Some((request.map(|()| body), responder))),
                // Legal in HTTP/2, and yet nothing that the application could be shown.
                Err(_) => responder.respond_full(bad_request()),
            }
        }
    }

    /// The value of a setting of the peer's that the engine does not know, for an extension of the application's; `None`
    /// before it has arrived. Our own are in [`Config::settings_more`].
    #[must_use]
    pub fn peer_setting(&self, id: u16) -> Option<u32> {
        self.shared.lock().connection.peer_setting(id)
    }

    /// What the client has said in a GOAWAY, if it has sent one.
    #[must_use]
    pub fn goaway(&self) -> Option<GoAway> {
        self.shared.lock().connection.peer_goaway().cloned()
    }

    /// Counters of the connection, from its beginning on.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.lock().connection.stats()
    }

    /// What the connection has in use, for simulation.
    #[doc(hidden)]
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage::new(&self.shared)
    }

    /// Announces the end: requests that are on their way are still served, then the connection ends (RFC 9113 §6.8). It does
    /// not wait for that; a second call changes nothing.
    pub fn drain(&self) {
        self.shared.command(|state| state.connection.drain());
    }
}

fn bad_request() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = http::StatusCode::BAD_REQUEST;
    response
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.command(|state| {
            state.refuses = true;
            while let Some((handle, _)) = state.incoming.pop_front() {
                state.connection.reset(handle, ErrorCode::REFUSED_STREAM);
                state.leave(handle, Half::Reader);
                state.leave(handle, Half::Writer);
            }
            state.connection.drain();
        });
    }
}

impl State {
    /// Gives the engine the head of an answer.
    fn respond(
        &mut self,
        handle: StreamHandle,
        head: ResponseHead,
        then: Then,
    ) -> Result<(), SendError> {
        if let Some(slot) = self.slot(handle) {
            slot.span.answered(head.status());
        }
        self.connection.respond(handle, head, then)
    }
}

/// Answers one request. Dropped without an answer, it resets the stream with INTERNAL_ERROR.
#[must_use = "dropping it resets the stream"]
#[derive(Debug)]
pub struct Responder {
    stream: Option<(Arc<Shared>, StreamHandle)>,
}

impl Responder {
    fn new(shared: Arc<Shared>, handle: StreamHandle) -> Self {
        Self {
            stream: Some((shared, handle)),
        }
    }

    /// Sends an interim (1xx) response before the final one.
    ///
    /// # Errors
    /// When the stream has ended, the status is not interim, or the head has no form in HTTP/2.
    pub fn inform(&mut self, response: Response<()>) -> Result<(), Error> {
        let Some((shared, handle)) = &self.stream else {
            return Err(Error::new(Kind::Closed));
        };
        let head = convert::response_head(&response.into_parts().0)?;
        shared
            .command(|state| state.connection.inform(*handle, head))
            .map_err(|error| Error::new(Kind::Send(error)))
    }

    /// Sends the response, and its body as fast as the peer takes it; ready when all of it was given to the engine.
    ///
    /// Not cancel safe: dropped before that, it resets the stream, because half a response never looks whole. In a
    /// `select!` it belongs in a task of its own, or outside of the loop and by reference.
    ///
    /// # Errors
    /// When the head has no form in HTTP/2, or the body fails. A client that has gone is no error.
    pub async fn respond<B>(mut self, response: Response<B>) -> Result<(), Error>
    where
        B: Body + Send + 'static,
        B::Data: Buf + Send,
        B::Error: Into<BoxError>,
    {
        let (parts, body) = response.into_parts();
        let head = convert::response_head(&parts)?;
        if body.is_end_stream() {
            return self.give(head, Bytes::new());
        }
        let Some((shared, handle)) = self.stream.take() else {
            return Err(Error::new(Kind::Closed));
        };
        let upload = Upload::new(Arc::clone(&shared), handle, body, ErrorCode::INTERNAL_ERROR);
        shared.command_unflushed(|state| match state.respond(handle, head, Then::More) {
            Ok(()) | Err(raddle_core::SendError::Gone) => Ok(()),
            Err(error) => Err(Error::new(Kind::Send(error))),
        })?;
        Eager {
            upload,
            shared,
            first: true,
        }
        .await
    }

    /// Sends the response with a body that is there already. It returns at once; what the peer does not take yet is sent by a
    /// task. A head that has no form in HTTP/2 resets the stream with INTERNAL_ERROR.
    ///
    /// # Panics
    /// Outside of a tokio runtime, for a body that the engine does not take whole.
    pub fn respond_full(mut self, response: Response<Bytes>) {
        let (parts, body) = response.into_parts();
        // A head that cannot be sent leaves the stream unanswered, which the drop of `self` tells the peer.
        if let Ok(head) = convert::response_head(&parts) {
            let _ = self.give(head, body);
        }
    }

    fn give(&mut self, head: ResponseHead, body: Bytes) -> Result<(), Error> {
        let Some((shared, handle)) = self.stream.clone() else {
            return Err(Error::new(Kind::Closed));
        };
        if !body.is_empty() {
            let upload = Upload::new(
                Arc::clone(&shared),
                handle,
                Whole(Some(body)),
                ErrorCode::INTERNAL_ERROR,
            );
            self.stream = None;
            shared
                .command_unflushed(|state| state.respond(handle, head, Then::More))
                .map_err(|error| Error::new(Kind::Send(error)))?;
            run_or_spawn(upload, &shared);
            return Ok(());
        }
        shared.command(|state| match state.respond(handle, head, Then::End) {
            Ok(()) | Err(raddle_core::SendError::Gone) => {
                if let Some(slot) = state.slot(handle) {
                    slot.given = true;
                }
                state.leave(handle, Half::Writer);
                self.stream = None;
                Ok(())
            }
            Err(error) => Err(Error::new(Kind::Send(error))),
        })
    }

    /// Resets the stream instead of answering. REFUSED_STREAM tells the client that nothing was done, so that it may send the
    /// request again; after an interim response, which belies that, INTERNAL_ERROR goes out in its place.
    pub fn reset(mut self, code: ErrorCode) {
        self.abandon(code);
    }

    /// Ready when the client has given the request up, or the connection is gone.
    pub(crate) fn poll_cancelled(
        shared: &Shared,
        handle: StreamHandle,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let mut state = shared.lock();
        match state.visit(handle) {
            Some(slot) if slot.outcome.is_none() => {
                let before = put(&mut slot.writer, cx);
                state.aside.extend(before);
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }

    pub(crate) fn parts(&self) -> Option<(Arc<Shared>, StreamHandle)> {
        self.stream.clone()
    }

    fn abandon(&mut self, code: ErrorCode) {
        let Some((shared, handle)) = self.stream.take() else {
            return;
        };
        shared.command(|state| {
            state.connection.reset(handle, code);
            state.leave(handle, Half::Writer);
        });
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.abandon(ErrorCode::INTERNAL_ERROR);
    }
}

/// An upload behind a head that was not flushed: flushed with the first part, or alone when that is late.
struct Eager<B> {
    upload: Upload<B>,
    shared: Arc<Shared>,
    first: bool,
}

impl<B> std::future::Future for Eager<B>
where
    B: Body + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Into<BoxError>,
{
    type Output = Result<(), Error>;

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = std::pin::Pin::new(&mut self.upload).poll(cx);
        if std::mem::take(&mut self.first) && polled.is_pending() {
            self.shared.command(|_| ());
        }
        polled
    }
}

/// A body of one piece.
struct Whole(Option<Bytes>);

impl Body for Whole {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.take().map(|data| Ok(http_body::Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }
}
