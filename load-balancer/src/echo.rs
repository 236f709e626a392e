//! A backend to try things with: it echoes bodies, and answers a few paths in special ways.

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use raddle_io::{Config, RecvBody, serve_connection, tls};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tower_service::Service;

use crate::{body::AnyBody, shutdown::Guard};

/// Connections at once. A test backend that is asked for more has met a fault.
const CONNECTIONS_MAX: usize = 1_000;
/// Time for a handshake of TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Size of the pieces of `/bytes/N`.
const PIECE: usize = 16 * 1024;
/// The longest `/delay/MS`: an hour.
const DELAY_MS_MAX: u64 = 3_600_000;

/// What the paths do, for `--help`.
pub const PATHS: &str = "GET /             a short text that names this server
POST /            the request body, echoed
GET /bytes/N      N bytes
GET /status/CODE  that status
GET /delay/MS     an answer after so many milliseconds
GET /trailers     a body with trailers behind it
GET /headers      the received header fields as text";

/// A backend that listens.
#[derive(Debug)]
pub struct Echo {
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    name: Arc<str>,
}

impl Echo {
    /// Listens on `address`; over TLS when there is a configuration for it.
    ///
    /// # Errors
    /// What the system says.
    pub async fn bind(address: SocketAddr, tls: Option<Arc<ServerConfig>>) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let name = format!("{}", listener.local_addr()?).into();
        Ok(Self {
            listener,
            tls,
            name,
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until the end begins.
    pub async fn run(self, mut guard: Guard) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let accepted = tokio::select! {
                biased;
                () = guard.begun() => return,
                accepted = self.listener.accept() => accepted,
            };
            let (Ok((io, _)), Ok(place)) = (accepted, Arc::clone(&places).try_acquire_owned())
            else {
                sleep(Duration::from_millis(10)).await;
                continue;
            };
            let _ = io.set_nodelay(true);
            let (tls, name) = (self.tls.clone(), Arc::clone(&self.name));
            let work = shake_and_serve(io, tls, name, guard.clone());
            let guard = guard.clone();
            tokio::spawn(async move {
                guard.until_over(work).await;
                drop(place);
            });
        }
    }
}

async fn shake_and_serve(
    io: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    name: Arc<str>,
    mut guard: Guard,
) {
    let Some(config) = tls else {
        return serve(io, name, guard).await;
    };
    let accepted = tokio::select! {
        biased;
        () = guard.begun() => return,
        accepted = timeout(HANDSHAKE, tls::accept(config, io)) => accepted,
    };
    if let Ok(Ok((io, true))) = accepted {
        serve(io, name, guard).await;
    }
}

async fn serve<T>(io: T, name: Arc<str>, mut guard: Guard)
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let config = Config {
        concurrent_streams_max: 250,
        ..Config::default()
    };
    let service = EchoService {
        name,
        _guard: Some(guard.clone()),
    };
    let mut serving = std::pin::pin!(serve_connection(io, service, config));
    tokio::select! {
        biased;
        _ = &mut serving => return,
        () = guard.begun() => serving.as_mut().graceful_shutdown(),
    }
    let _ = serving.await;
}

/// The service behind every connection.
#[derive(Clone, Debug)]
pub struct EchoService {
    name: Arc<str>,
    /// Held for as long as a request is worked on.
    _guard: Option<Guard>,
}

impl EchoService {
    /// A service that calls itself `name`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            _guard: None,
        }
    }

    async fn answer(self, request: Request<RecvBody>) -> Response<AnyBody> {
        let path = request.uri().path().to_owned();
        let mut parts = path.trim_start_matches('/').splitn(2, '/');
        let (first, argument) = (parts.next().unwrap_or_default(), parts.next());
        let number = argument.and_then(|text| text.parse::<u64>().ok());
        match (first, number) {
            ("bytes", Some(count)) => bytes(count),
            ("status", Some(code @ 200..=599)) => {
                // In the range that is checked, every number is a status.
                let status = StatusCode::from_u16(code as u16).unwrap_or(StatusCode::OK);
                text(status, format!("{status}\n"))
            }
            ("delay", Some(ms @ 0..=DELAY_MS_MAX)) => {
                sleep(Duration::from_millis(ms)).await;
                text(StatusCode::OK, format!("{} after {ms} ms\n", self.name))
            }
            ("trailers", None) => Response::new(AnyBody::stream(WithTrailers::default())),
            ("headers", None) => text(StatusCode::OK, headers(&request)),
            ("bytes" | "status" | "delay", _) => text(
                StatusCode::BAD_REQUEST,
                format!("/{first}/ wants a number behind it\n"),
            ),
            _ if request.method() == Method::GET || request.method() == Method::HEAD => {
                text(StatusCode::OK, format!("hello from {}\n", self.name))
            }
            _ => echo(request),
        }
    }
}

impl Service<Request<RecvBody>> for EchoService {
    type Response = Response<AnyBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<AnyBody>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RecvBody>) -> Self::Future {
        let service = self.clone();
        let head = request.method() == Method::HEAD;
        Box::pin(async move {
            let mut response = service.answer(request).await;
            if head {
                // RFC 9110 §9.3.2: the fields of a GET, and no content.
                *response.body_mut() = AnyBody::empty();
            }
            Ok(response)
        })
    }
}

fn text(status: StatusCode, text: String) -> Response<AnyBody> {
    let mut response = Response::new(AnyBody::empty());
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    // RFC 9110 §8.6 and §15.3.5: these two have neither content nor its length.
    if status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED {
        fields.insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
        *response.body_mut() = AnyBody::from(text);
    }
    response
}

fn echo(request: Request<RecvBody>) -> Response<AnyBody> {
    let mut fields = HeaderMap::new();
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
        if let Some(value) = request.headers().get(&name) {
            fields.insert(name, value.clone());
        }
    }
    let mut response = Response::new(AnyBody::stream(request.into_body()));
    *response.headers_mut() = fields;
    response
}

fn headers(request: &Request<RecvBody>) -> String {
    let mut text = format!("{} {}\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        text += &format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()));
    }
    text
}

fn bytes(count: u64) -> Response<AnyBody> {
    let mut response = Response::new(AnyBody::stream(Zeros {
        left: count,
        piece: Bytes::from(vec![b'x'; PIECE]),
    }));
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(count));
    response
}

/// So many bytes, made as they are asked for.
struct Zeros {
    left: u64,
    piece: Bytes,
}

impl Body for Zeros {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let len = self.left.min(PIECE as u64);
        self.left -= len;
        Poll::Ready(Some(Ok(Frame::data(self.piece.slice(..len as usize)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// One piece and then trailers.
#[derive(Default)]
struct WithTrailers {
    steps: u8,
}

impl Body for WithTrailers {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.steps += 1;
        Poll::Ready(match self.steps {
            1 => Some(Ok(Frame::data(Bytes::from_static(
                b"a body with trailers behind it\n",
            )))),
            2 => {
                let mut trailers = HeaderMap::new();
                trailers.insert("x-checksum", HeaderValue::from_static("31"));
                Some(Ok(Frame::trailers(trailers)))
            }
            _ => None,
        })
    }
}
