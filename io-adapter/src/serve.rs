//! A whole server connection for a `tower` service.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Buf;
use http::{Request, Response};
use http_body::Body;
use raddle_core::{Config, ErrorCode, Stats};
use tokio::io::{AsyncRead, AsyncWrite};
use tower_service::Service;

use crate::{
    body::RecvBody,
    driver::Driver,
    error::{BoxError, Error},
    interim::Informer,
    planted::{self, Planted},
    server::{self, Responder, Server},
    usage::Usage,
};

/// Serves every request that comes over `io` with a clone of `service`, each in a task of its own.
///
/// A TCP socket is best given `set_nodelay(true)` first, as for [`connect`](crate::connect).
///
/// A request that its client gives up takes its task with it. So does the end of the connection, but that of the client's
/// half alone: what it has asked for in full is answered, and a client that has gone altogether is found by what is
/// written to it, a GOAWAY at once and a PING every second. A service that fails resets the stream with
/// INTERNAL_ERROR, and so does one that panics, of which no other request hears.
///
/// [`Config::concurrent_streams_max`] bounds how many requests are worked on at once.
pub fn serve_connection<T, S, B>(io: T, service: S, config: Config) -> Serve<T, S>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Service<Request<RecvBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Into<BoxError>,
{
    let (server, driver) = server::start(io, config);
    Serve {
        server,
        driver,
        service,
        informs: false,
    }
}

/// A connection that is being served; a future that ends with it, as a [`Driver`] does: with `Ok` after a graceful end, and
/// else with the error that ended the connection.
///
/// Cancel safe in the sense that it may be polled from a `select!` by reference, beside a signal to stop. Dropped, it
/// closes the transport, and the tasks of its requests end.
///
/// # Panics
/// When polled outside of a tokio runtime.
#[must_use = "a connection is served only while it is polled"]
#[derive(Debug)]
pub struct Serve<T, S> {
    server: Server,
    driver: Driver<T>,
    service: S,
    informs: bool,
}

impl<T, S> Serve<T, S> {
    /// Puts an [`Informer`] among the extensions of every request, for a service that has something to say before its
    /// answer.
    pub fn informs(mut self) -> Self {
        self.informs = true;
        self
    }

    /// Counters of the connection.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.server.stats()
    }

    /// What the connection has in use, for simulation.
    #[doc(hidden)]
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.server.usage()
    }

    /// Announces the end: requests that are on their way are still served, then the connection ends, and with it this
    /// future.
    pub fn graceful_shutdown(self: Pin<&mut Self>) {
        self.server.drain();
    }
}

/// Whatever the service is: it is cloned and never pinned.
impl<T, S> Unpin for Serve<T, S> {}

impl<T, S, B> Future for Serve<T, S>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Service<Request<RecvBody>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Into<BoxError>,
{
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let driven = Pin::new(&mut this.driver).poll(cx);
        while let Poll::Ready(Some((mut request, responder))) = this.server.poll_accept(cx) {
            if this.informs
                && let Some((shared, handle)) = responder.parts()
            {
                let informer = Informer::new(shared, handle);
                request.extensions_mut().insert(informer);
            }
            tokio::spawn(serve_request(this.service.clone(), request, responder));
        }
        driven
    }
}

async fn serve_request<S, B>(mut service: S, request: Request<RecvBody>, responder: Responder)
where
    S: Service<Request<RecvBody>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Into<BoxError>,
{
    let Some((shared, handle)) = responder.parts() else {
        return;
    };
    let answer = async {
        // What the error was is for the service to have told; the client learns only that there was one.
        if !planted::has(Planted::ReadinessUnasked) {
            poll_fn(|cx| service.poll_ready(cx)).await.map_err(drop)?;
        }
        service.call(request).await.map_err(drop)
    };
    let mut answer = std::pin::pin!(answer);
    let answered = poll_fn(|cx| match answer.as_mut().poll(cx) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending => Responder::poll_cancelled(&shared, handle, cx).map(|()| None),
    });
    match answered.await {
        // A body that fails has told the client by the reset of the stream.
        Some(Ok(response)) => drop(responder.respond(response).await),
        Some(Err(_)) => responder.reset(ErrorCode::INTERNAL_ERROR),
        None => drop(responder),
    }
}
