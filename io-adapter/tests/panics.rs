//! What goes on after a panic in code that is not ours.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use raddle_io::{
    BoxError, Client, Config, Connect, Dialing, Error, ErrorCode, Pool, PoolConfig, RecvBody,
    Retry, Target,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    time::timeout,
};
use tower_service::Service;

#[path = "support/mod.rs"]
mod support;
use support::{Echo, Stuck, echo, get};

/// A transport whose writing panics once it is `armed`.
struct Trap {
    io: DuplexStream,
    armed: Arc<AtomicBool>,
}

impl AsyncRead for Trap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Trap {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        assert!(!self.armed.load(Ordering::Relaxed), "planted: a write");
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Each dial opens a connection to a server of its own.
struct Trapped(Arc<AtomicBool>);

impl Connect for Trapped {
    fn connect(&self, target: Target) -> Dialing {
        // The trap is for the first target alone.
        let armed = match target.host() {
            "first" => Arc::clone(&self.0),
            _ => Arc::default(),
        };
        Box::pin(connect(armed))
    }
}

async fn connect(armed: Arc<AtomicBool>) -> Result<Client, Error> {
    let (io, far) = tokio::io::duplex(65_536);
    tokio::spawn(raddle_io::serve_connection(
        far,
        Echo(echo),
        Config::default(),
    ));
    let (client, driver) = raddle_io::connect(Trap { io, armed }, Config::default()).await?;
    tokio::spawn(driver);
    Ok(client)
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_panics_when_it_is_let_go_takes_no_other_origin_with_it() {
    let armed = Arc::new(AtomicBool::new(false));
    let config = PoolConfig {
        origins_max: 1,
        ..PoolConfig::default()
    };
    let pool = Pool::new(Trapped(Arc::clone(&armed)), config);
    let ask = async |host: &str| {
        let mut request = get("/");
        *request.uri_mut() = format!("http://{host}/").parse().unwrap();
        let mut pool = pool.clone();
        tokio::spawn(async move { pool.call(request).await.map(drop) }).await
    };
    ask("first").await.unwrap().unwrap();
    armed.store(true, Ordering::Relaxed);
    // The first origin gives way, and says GOAWAY into the trap.
    assert!(ask("second").await.unwrap_err().is_panic());
    let answer = timeout(Duration::from_secs(1), ask("second")).await;
    answer.expect("in time").unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_panics_under_its_driver_is_an_end_for_every_stream() {
    let armed = Arc::new(AtomicBool::new(false));
    let (io, far) = tokio::io::duplex(65_536);
    let stuck = |_| Response::new(Stuck.boxed_unsync());
    tokio::spawn(raddle_io::serve_connection(
        far,
        Echo(stuck),
        Config::default(),
    ));
    let io = Trap {
        io,
        armed: Arc::clone(&armed),
    };
    let (mut client, driver) = raddle_io::connect(io, Config::default()).await.unwrap();
    let driver = tokio::spawn(driver);
    let mut begun = client.call(get("/")).await.unwrap().into_body();
    let mut other = client.call(get("/")).await.unwrap().into_body();
    armed.store(true, Ordering::Relaxed);
    // With several streams open it is the driver who writes.
    let answer = client.call(get("/"));
    assert!(driver.await.unwrap_err().is_panic());
    for body in [&mut begun, &mut other] {
        let ended = timeout(Duration::from_secs(1), body.frame()).await;
        let error = ended.expect("at once").unwrap().unwrap_err();
        assert_eq!(error.retry(), Retry::Never);
    }
    assert!(answer.await.is_err());
    assert!(client.is_closed());
    drop((begun, other));
    assert_eq!(client.streams(), 0);
}

/// A body that panics after its first part.
struct Panics(bool);

impl Body for Panics {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        assert!(!self.0, "planted: a body");
        self.0 = true;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"half")))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_or_a_body_that_panics_takes_its_own_stream_and_no_other() {
    let answer = |request: Request<RecvBody>| match request.uri().path() {
        "/service" => panic!("planted: a service"),
        "/body" => Response::new(Panics(false).boxed_unsync()),
        _ => echo(request),
    };
    let mut client = support::client_of(answer);
    let error = client.call(get("/service")).await.unwrap_err();
    assert_eq!(error.reason(), Some(ErrorCode::INTERNAL_ERROR));
    // The head may have left with what there was of the body, or not at all.
    let half = async { client.call(get("/body")).await?.into_body().collect().await };
    let error = half.await.unwrap_err();
    assert_eq!(error.reason(), Some(ErrorCode::INTERNAL_ERROR));
    let body = client.call(get("/")).await.unwrap().into_body();
    assert_eq!(body.collect().await.unwrap().to_bytes(), "GET /");
    assert_eq!(client.streams(), 0);
}
