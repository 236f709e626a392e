//! What callers hear when a connection ends under them.

use std::{
    future::{Future, poll_fn},
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
use http_body_util::{BodyExt, Full};
use raddle_io::{BoxError, Config, Kind, RecvBody, Retry};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf},
    time::timeout,
};
use tower_service::Service;

#[path = "support/mod.rs"]
mod support;
use support::{Answer, Echo, Stuck, get};

/// A transport that fails to read once it is told to.
struct Failing(DuplexStream, Arc<AtomicBool>);

impl AsyncRead for Failing {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.1.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Failing {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// A transport whose writing fails once it is told to, and that shows what has arrived only then.
struct Broken(DuplexStream, Arc<AtomicBool>, Arc<AtomicBool>);

impl AsyncRead for Broken {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.1.load(Ordering::Relaxed) && !self.2.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Broken {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.1.load(Ordering::Relaxed) {
            self.2.store(true, Ordering::Relaxed);
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

fn stuck(_: Request<RecvBody>) -> Answer {
    Response::new(Stuck.boxed_unsync())
}

#[tokio::test]
async fn a_response_that_had_begun_when_the_transport_failed_is_not_to_be_asked_for_again() {
    let (near, far) = tokio::io::duplex(65_536);
    tokio::spawn(raddle_io::serve_connection(
        far,
        Echo(stuck),
        Config::default(),
    ));
    let fails = Arc::new(AtomicBool::new(false));
    let io = Failing(near, Arc::clone(&fails));
    let (mut client, driver) = raddle_io::connect(io, Config::default()).await.unwrap();
    tokio::spawn(driver);
    let mut begun = client.call(get("/")).await.unwrap().into_body();
    fails.store(true, Ordering::Relaxed);
    // The answer to it is what the transport fails to read.
    assert_eq!(client.ping().await.unwrap_err().kind(), Kind::Io);
    let error = begun.frame().await.unwrap().unwrap_err();
    assert_eq!(error.retry(), Retry::Never, "{error}");
}

#[tokio::test]
async fn those_who_wait_for_a_stream_hear_of_a_drain_at_once() {
    let (near, _far) = tokio::io::duplex(65_536);
    let config = Config {
        concurrent_streams_assumed: 1,
        ..Config::default()
    };
    let (mut client, driver) = raddle_io::connect(near, config).await.unwrap();
    tokio::spawn(driver);
    // Nobody answers it, so that the connection stays.
    let pending = client.call(get("/"));
    let mut other = client.clone();
    let waiting = tokio::spawn(async move {
        poll_fn(|cx| Service::<Request<Full<Bytes>>>::poll_ready(&mut other, cx)).await
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    client.drain();
    let heard = timeout(Duration::from_secs(5), waiting).await;
    let error = heard.expect("at once").unwrap().unwrap_err();
    assert_eq!((error.kind(), error.retry()), (Kind::Closed, Retry::Safe));
    drop(pending);
}

// What `Config::close_timeout` promises: our last bytes are written or not.
#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_does_not_keep_a_connection_that_is_over() {
    // Room for less than what a client begins with.
    let (near, mut far) = tokio::io::duplex(16);
    let (client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
    let driver = tokio::spawn(driver);
    // Once writing has begun, the peer ends its half, and keeps the other one open without reading it.
    far.read_u8().await.unwrap();
    far.shutdown().await.unwrap();
    let ended = timeout(Duration::from_secs(60), driver).await;
    assert!(ended.expect("the driver ends").unwrap().is_err());
    assert!(client.is_closed());
    drop(far);
}

// RFC 9113 §6.8: what is above the last stream of a GOAWAY was not processed, also when the GOAWAY has not been read yet
// at the moment at which writing fails.
#[tokio::test]
async fn what_has_arrived_is_read_before_a_failed_write_is_judged() {
    let (near, mut far) = tokio::io::duplex(65_536);
    let (breaks, shows) = (Arc::default(), Arc::default());
    let io = Broken(near, Arc::clone(&breaks), Arc::clone(&shows));
    let (mut client, driver) = raddle_io::connect(io, Config::default()).await.unwrap();
    let driver = tokio::spawn(driver);
    let (answered, processed, ignored) = (
        client.call(get("/answered")),
        client.call(get("/processed")),
        client.call(get("/ignored")),
    );
    far.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    while client.stats().frames_received == 0 {
        tokio::task::yield_now().await;
    }
    breaks.store(true, Ordering::Relaxed);
    // The whole answer to the first, and GOAWAY with 3 as its last stream.
    let arrived = [
        0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88, 0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0,
    ];
    far.write_all(&arrived).await.unwrap();
    // It cannot be written.
    let last = client.call(get("/last"));
    assert_eq!(answered.await.unwrap().status(), 200);
    let verdict = |error: raddle_io::Error| error.retry();
    assert_eq!(verdict(processed.await.unwrap_err()), Retry::IfIdempotent);
    assert_eq!(verdict(ignored.await.unwrap_err()), Retry::Safe);
    assert_eq!(verdict(last.await.unwrap_err()), Retry::Safe);
    assert!(shows.load(Ordering::Relaxed));
    assert_eq!(driver.await.unwrap().unwrap_err().kind(), Kind::Io);
}

#[tokio::test]
async fn an_answer_that_was_taken_is_not_safe_to_ask_for_again() {
    let mut client = support::client_of(support::echo);
    let mut response = client.call(get("/"));
    poll_fn(|cx| Pin::new(&mut response).poll(cx))
        .await
        .unwrap();
    let again = poll_fn(|cx| Pin::new(&mut response).poll(cx)).await;
    let error = again.unwrap_err();
    assert!(matches!(error.kind(), Kind::Misuse(_)), "{error}");
    assert_eq!(error.retry(), Retry::Never);
}

#[tokio::test]
async fn a_ping_too_many_does_not_say_that_the_connection_is_closed() {
    let (near, _far) = tokio::io::duplex(65_536);
    let (client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
    tokio::spawn(driver);
    // Nobody answers them.
    let mut pings: Vec<_> = (0..20).map(|_| Box::pin(client.ping())).collect();
    let mut refused = Vec::new();
    for ping in &mut pings {
        if let Poll::Ready(ended) = poll_fn(|cx| Poll::Ready(ping.as_mut().poll(cx))).await {
            refused.push(ended.unwrap_err());
        }
    }
    assert!(!refused.is_empty());
    for error in refused {
        assert!(matches!(error.kind(), Kind::Misuse(_)), "{error}");
    }
    assert!(!client.is_closed());
}

/// A body that fails the second time that it is asked.
struct FailsLater(bool);

impl Body for FailsLater {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match std::mem::replace(&mut self.0, true) {
            false => Poll::Pending,
            true => Poll::Ready(Some(Err("its own source was given up".into()))),
        }
    }
}

#[tokio::test]
async fn a_body_that_fails_after_its_stream_does_not_hide_why() {
    let (near, mut far) = tokio::io::duplex(65_536);
    let (mut client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
    tokio::spawn(driver);
    let request = Request::post("http://test/").body(FailsLater(false));
    let response = client.call(request.unwrap());
    // SETTINGS, and RST_STREAM(REFUSED_STREAM) of stream 1. The upload is woken by it and asks the body again.
    let refused = [
        0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7,
    ];
    far.write_all(&refused).await.unwrap();
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let error = response.await.unwrap_err();
    assert_eq!(error.retry(), Retry::Safe, "{error}");
    assert_eq!(error.reason(), Some(raddle_io::ErrorCode::REFUSED_STREAM));
}
