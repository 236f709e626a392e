//! The clients' side: accept, TLS, and one of two protocols in front of the same proxy.

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use raddle_io::{Config, RecvBody, Transport, serve_connection, tls};
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{Duration, Instant, sleep, timeout},
};
use tower_service::Service;

use crate::{
    body::AnyBody, fields::Client, limits::Limits, notice::Notices, proxy::Proxy, shutdown::Guard,
    stall::Stall,
};

#[cfg(test)]
mod tests;

/// After a failed accept, for instance because descriptors have run out: a moment for connections to end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How often failed accepts are told of: they may go on for as long as there is no room.
const ACCEPT_NOTICE: Duration = Duration::from_secs(60);

/// Where clients come from.
trait Listen: Send + Sync {
    /// A connection.
    type Io: Transport + 'static;

    /// The next one. Cancel safe.
    fn next(&self) -> impl Future<Output = io::Result<(Self::Io, SocketAddr)>> + Send;
}

impl Listen for TcpListener {
    type Io = TcpStream;

    async fn next(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let (io, address) = self.accept().await?;
        // Frames are gathered before they are written; a delay here would be for nothing.
        let _ = io.set_nodelay(true);
        Ok((io, address))
    }
}

/// Accepts clients until the end begins.
#[derive(Debug)]
pub struct Front {
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    proxy: Arc<Proxy>,
    limits: Limits,
}

impl Front {
    /// A front that listens on `listener` already.
    #[must_use]
    pub fn new(
        listener: TcpListener,
        tls: Arc<ServerConfig>,
        proxy: Arc<Proxy>,
        limits: Limits,
    ) -> Self {
        Self {
            listener,
            tls,
            proxy,
            limits,
        }
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the end begins; each connection holds a guard until it has drained.
    pub async fn run(self, guard: Guard) {
        let Self {
            listener,
            tls,
            proxy,
            limits,
        } = self;
        accept_all(listener, &tls, &proxy, &limits, guard).await;
    }
}

/// What [`Front::run`] does, wherever clients come from.
async fn accept_all<L: Listen>(
    listener: L,
    tls: &Arc<ServerConfig>,
    proxy: &Arc<Proxy>,
    limits: &Limits,
    mut guard: Guard,
) {
    let places = Arc::new(Semaphore::new(limits.front_connections_max));
    let mut told = None;
    loop {
        let accepted = async {
            // Never closed, so that a place is only a question of time.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (place, listener.next().await)
        };
        let (place, accepted) = tokio::select! {
            biased;
            () = guard.begun() => return,
            accepted = accepted => accepted,
        };
        let (io, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if told.is_none_or(|at: Instant| at.elapsed() >= ACCEPT_NOTICE) {
                    told = Some(Instant::now());
                    let line = format_args!("a client cannot be accepted: {error}");
                    Notices::default().tell(line);
                }
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let from = Client {
            address: address.ip(),
            encrypted: true,
        };
        let service = ProxyService::new(Arc::clone(proxy), from);
        let connection = Connection {
            tls: Arc::clone(tls),
            limits: limits.clone(),
            // Each request has a task of its own, which ends with its connection, though a moment later.
            service: service.guarded(guard.clone()),
            guard: guard.clone(),
        };
        let guard = guard.clone();
        tokio::spawn(async move {
            guard.until_over(connection.serve(io)).await;
            drop(place);
        });
    }
}

struct Connection {
    tls: Arc<ServerConfig>,
    limits: Limits,
    service: ProxyService,
    guard: Guard,
}

impl Connection {
    /// Serves one client. What goes wrong with it is its own affair.
    async fn serve<T: Transport + 'static>(mut self, io: T) {
        // Below TLS, where it shows what the client takes and not what TLS has room for.
        let io = Stall::new(io, self.limits.client_stall);
        let handshake = timeout(
            self.limits.tls_handshake,
            tls::accept(Arc::clone(&self.tls), io),
        );
        let shaken = tokio::select! {
            biased;
            () = self.guard.begun() => return,
            shaken = handshake => shaken,
        };
        match shaken {
            Ok(Ok((io, true))) => self.serve_h2(io).await,
            Ok(Ok((io, false))) => self.serve_h1(io).await,
            _ => {}
        }
    }

    async fn serve_h2<T: Transport + 'static>(mut self, io: tls::TlsStream<T>) {
        let config = Config {
            concurrent_streams_max: self.limits.http2_streams_max,
            ..Config::default()
        };
        let mut serving = std::pin::pin!(serve_connection(io, self.service, config).informs());
        tokio::select! {
            biased;
            _ = &mut serving => return,
            () = self.guard.begun() => serving.as_mut().graceful_shutdown(),
        }
        let _ = serving.await;
    }

    async fn serve_h1<T: Transport + 'static>(mut self, io: tls::TlsStream<T>) {
        let service = self.service.clone();
        let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
            let service = service.clone();
            async move { Ok::<_, Infallible>(service.answer(request.map(AnyBody::stream)).await) }
        });
        let serving = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.http1_head)
            .max_buf_size(self.limits.http1_head_bytes_max)
            .serve_connection(TokioIo::new(io), service);
        let mut serving = std::pin::pin!(serving);
        tokio::select! {
            biased;
            _ = &mut serving => return,
            () = self.guard.begun() => serving.as_mut().graceful_shutdown(),
        }
        let _ = serving.await;
    }
}

/// The proxy, for one client: the service behind each connection of the front.
#[derive(Clone, Debug)]
pub struct ProxyService {
    proxy: Arc<Proxy>,
    client: Client,
    /// Held for as long as a request is worked on.
    guard: Option<Guard>,
}

impl ProxyService {
    /// What answers the requests of `client`.
    #[must_use]
    pub fn new(proxy: Arc<Proxy>, client: Client) -> Self {
        Self {
            proxy,
            client,
            guard: None,
        }
    }

    /// The same; whoever ends the process waits for its requests.
    #[must_use]
    pub fn guarded(mut self, guard: Guard) -> Self {
        self.guard = Some(guard);
        self
    }

    async fn answer(&self, request: Request<AnyBody>) -> Response<AnyBody> {
        self.proxy.answer(request, self.client).await
    }
}

impl Service<Request<RecvBody>> for ProxyService {
    type Response = Response<AnyBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<AnyBody>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RecvBody>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.answer(request.map(AnyBody::stream)).await) })
    }
}
