//! What is dropped is undone: each row of the adapter's table, as the peer sees it.

use std::{
    convert::Infallible,
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full};
use raddle_io::{Client, Config, ErrorCode, Kind, Retry};
use raddle_tests::{
    raw::RawPeer,
    wire::{self, GET, POST, flag, kind},
};
use tokio::{io::DuplexStream, task::JoinHandle};
use tower_service::Service;

const OK: &[(&str, &str)] = &[(":status", "200")];

/// A driver that runs.
struct Driving(JoinHandle<Result<(), raddle_io::Error>>);

/// Our client, connected to a server that the test plays.
async fn client() -> (Client, Driving, RawPeer<DuplexStream>) {
    let (near, far) = tokio::io::duplex(65_536);
    let (client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
    let driving = Driving(tokio::spawn(driver));
    (client, driving, RawPeer::server(far, &[]).await)
}

/// Our server, connected to a client that the test plays.
async fn server() -> (raddle_io::Server, Driving, RawPeer<DuplexStream>) {
    let (near, far) = tokio::io::duplex(65_536);
    let (server, driver) = raddle_io::accept(near, Config::default()).await.unwrap();
    let driving = Driving(tokio::spawn(driver));
    (server, driving, RawPeer::client(far, &[]).await)
}

fn get() -> Request<Empty<Bytes>> {
    Request::get("http://test/").body(Empty::new()).unwrap()
}

/// A body of one part, behind which it waits for ever or fails.
struct Broken {
    part: Option<Bytes>,
    fails: bool,
}

impl Broken {
    fn new(fails: bool) -> Self {
        Self {
            part: Some(Bytes::from_static(b"the first part")),
            fails,
        }
    }
}

impl Body for Broken {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match (self.part.take(), self.fails) {
            (Some(part), _) => Poll::Ready(Some(Ok(Frame::data(part)))),
            (None, true) => Poll::Ready(Some(Err(io::Error::other("the disk is on fire")))),
            (None, false) => Poll::Pending,
        }
    }
}

async fn expect_reset<T>(peer: &mut RawPeer<T>, stream: u32, code: ErrorCode)
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let reset = peer.expect(kind::RST_STREAM).await;
    assert_eq!((reset.stream, reset.number(0)), (stream, code.to_u32()));
}

#[tokio::test]
async fn a_response_that_nobody_waits_for_is_cancelled() {
    let (mut client, _driving, mut peer) = client().await;
    let response = client.call(get());
    assert_eq!(peer.expect(kind::HEADERS).await.stream, 1);
    drop(response);
    expect_reset(&mut peer, 1, ErrorCode::CANCEL).await;
    // Before it was ever sent it leaves no trace: the next request has the next identifier.
    let mut second = client.call(get());
    drop(client.call(get()));
    assert_eq!(peer.expect(kind::HEADERS).await.stream, 3);
    peer.send(&wire::headers(3, OK, true)).await;
    assert_eq!((&mut second).await.unwrap().status(), 200);
}

/// Counts how often it is woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

// The peer's reset crosses ours.
#[tokio::test]
async fn b21_a_reset_for_a_response_that_was_dropped_wakes_nobody_and_leaves_nothing() {
    let (mut client, _driving, mut peer) = client().await;
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut response = Box::pin(client.call(get()));
    let pending = response.as_mut().poll(&mut Context::from_waker(&waker));
    assert!(pending.is_pending());
    assert_eq!(peer.expect(kind::HEADERS).await.stream, 1);
    drop((response, waker));
    assert_eq!(Arc::strong_count(&wakes), 1, "the task is free to go");
    for _ in 0..2 {
        let code = ErrorCode::INTERNAL_ERROR.to_u32();
        peer.send(&wire::rst_stream(1, code)).await;
    }
    expect_reset(&mut peer, 1, ErrorCode::CANCEL).await;
    // What came is read when this is answered.
    let ping = client.ping();
    let answers = async {
        while let Some(frame) = peer.next().await {
            peer.send(&wire::pongs(&[frame])).await;
        }
    };
    tokio::select! {
        biased;
        pong = ping => pong.unwrap(),
        () = answers => panic!("the client has gone"),
    }
    assert_eq!(wakes.0.load(Ordering::Relaxed), 0, "nobody is woken");
    assert_eq!(client.streams(), 0);
    client.usage().check();
    // The connection goes on, and the place is free.
    let answer = client.call(get());
    assert_eq!(peer.expect(kind::HEADERS).await.stream, 3);
    peer.send(&wire::headers(3, OK, true)).await;
    assert_eq!(answer.await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_body_that_nobody_reads_to_its_end_is_cancelled() {
    let (mut client, _driving, mut peer) = client().await;
    let response = client.call(get());
    peer.expect(kind::HEADERS).await;
    peer.send(&wire::headers(1, OK, false)).await;
    peer.send(&wire::data(1, b"half", false)).await;
    let mut body = response.await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    expect_reset(&mut peer, 1, ErrorCode::CANCEL).await;
    // One that has ended is not.
    let response = client.call(get());
    peer.expect(kind::HEADERS).await;
    peer.send(&wire::headers(3, OK, false)).await;
    peer.send(&wire::data(3, b"whole", true)).await;
    drop(response.await.unwrap());
    drop(client);
    let frames = peer.rest().await;
    assert!(
        !frames.iter().any(|frame| frame.kind == kind::RST_STREAM),
        "{frames:?}"
    );
}

#[tokio::test]
async fn a_request_body_that_fails_is_told_to_both_sides() {
    let (mut client, _driving, mut peer) = client().await;
    let request = Request::post("http://test/")
        .body(Broken::new(true))
        .unwrap();
    let error = client.call(request).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Body);
    assert!(format!("{error:?}").contains("the disk is on fire"));
    expect_reset(&mut peer, 1, ErrorCode::INTERNAL_ERROR).await;
    drop(client);
    let ended =
        |frame: &wire::Frame| frame.kind <= kind::HEADERS && frame.flags & flag::END_STREAM != 0;
    assert!(
        !peer.rest().await.iter().any(ended),
        "half a body never looks whole"
    );
}

#[tokio::test]
async fn an_upload_goes_with_its_request() {
    let (mut client, _driving, mut peer) = client().await;
    let request = Request::post("http://test/")
        .body(Broken::new(false))
        .unwrap();
    let response = client.call(request);
    let part = peer.expect(kind::DATA).await;
    assert_eq!((&part.payload[..], part.flags), (&b"the first part"[..], 0));
    drop(response);
    expect_reset(&mut peer, 1, ErrorCode::CANCEL).await;
}

#[tokio::test]
async fn a_response_body_that_fails_resets_the_stream() {
    let (mut server, _driving, mut peer) = server().await;
    peer.send(&wire::headers(1, GET, true)).await;
    let (_, responder) = server.accept().await.unwrap();
    let error = responder
        .respond(Response::new(Broken::new(true)))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Body);
    let frame = peer.expect(kind::HEADERS).await;
    assert_eq!(frame.flags & flag::END_STREAM, 0);
    expect_reset(&mut peer, 1, ErrorCode::INTERNAL_ERROR).await;
    // The same when whoever answers is dropped in the middle of it.
    peer.send(&wire::headers(3, GET, true)).await;
    let (_, responder) = server.accept().await.unwrap();
    let answering = tokio::spawn(responder.respond(Response::new(Broken::new(false))));
    assert_eq!(peer.expect(kind::DATA).await.stream, 3);
    answering.abort();
    expect_reset(&mut peer, 3, ErrorCode::INTERNAL_ERROR).await;
}

#[tokio::test]
async fn a_request_without_an_answer_is_an_internal_error() {
    let (mut server, _driving, mut peer) = server().await;
    peer.send(&wire::headers(1, GET, true)).await;
    let (_, responder) = server.accept().await.unwrap();
    drop(responder);
    expect_reset(&mut peer, 1, ErrorCode::INTERNAL_ERROR).await;
}

#[tokio::test]
async fn requests_that_nobody_accepted_may_be_sent_again() {
    let (server, driving, mut peer) = server().await;
    peer.send(&wire::headers(1, GET, true)).await;
    peer.send(&wire::headers(3, POST, false)).await;
    // The answer to a PING behind them shows that they have been read.
    peer.send(&wire::ping([7; 8], false)).await;
    peer.expect(kind::PING).await;
    drop(server);
    // The connection drains: a GOAWAY, a PING to see that it was read, and the last GOAWAY.
    let ping = peer.expect(kind::PING).await;
    expect_reset(&mut peer, 1, ErrorCode::REFUSED_STREAM).await;
    expect_reset(&mut peer, 3, ErrorCode::REFUSED_STREAM).await;
    peer.send(&wire::ping(ping.payload.try_into().unwrap(), true))
        .await;
    peer.expect(kind::GOAWAY).await;
    drop(peer);
    driving.0.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_reset_before_it_was_accepted_is_not_handed_out() {
    let (mut server, _driving, mut peer) = server().await;
    for n in 0..500 {
        let id = 2 * n + 1;
        peer.send(&wire::headers(id, GET, true)).await;
        peer.send(&wire::rst_stream(id, ErrorCode::CANCEL.to_u32()))
            .await;
    }
    peer.send(&wire::headers(
        1_001,
        &[&GET[..3], &[(":path", "/kept")]].concat(),
        true,
    ))
    .await;
    peer.send(&wire::ping([7; 8], false)).await;
    peer.expect(kind::PING).await;
    let (request, _responder) = server.accept().await.unwrap();
    assert_eq!(request.uri().path(), "/kept");
}

#[tokio::test]
async fn the_last_client_ends_the_connection_after_what_is_in_progress() {
    let (mut client, driving, mut peer) = client().await;
    let other = client.clone();
    let response = client.call(get());
    drop((client, other));
    peer.expect(kind::HEADERS).await;
    let goaway = peer.expect(kind::GOAWAY).await;
    assert_eq!(goaway.number(4), ErrorCode::NO_ERROR.to_u32());
    peer.send(&wire::headers(1, OK, false)).await;
    peer.send(&wire::data(1, b"still whole", true)).await;
    let body = response.await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes(), "still whole");
    assert!(peer.next().await.is_none());
    drop(peer);
    driving.0.await.unwrap().unwrap();
}

#[tokio::test]
async fn without_its_driver_a_connection_is_over_and_every_stream_has_a_verdict() {
    let (near, far) = tokio::io::duplex(65_536);
    let (mut client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
    let driving = tokio::spawn(driver);
    let mut peer = RawPeer::server(far, &[(3, 2)]).await;
    client.ping_and_answer(&mut peer).await;
    let answered = client.call(get());
    let sent = client.call(get());
    let waiting = client.call(get());
    peer.expect(kind::HEADERS).await;
    peer.expect(kind::HEADERS).await;
    peer.send(&wire::headers(1, OK, false)).await;
    let mut body = answered.await.unwrap().into_body();
    driving.abort();
    assert!(driving.await.unwrap_err().is_cancelled());
    assert_eq!(
        body.frame().await.unwrap().unwrap_err().retry(),
        Retry::Never
    );
    assert_eq!(sent.await.unwrap_err().retry(), Retry::IfIdempotent);
    assert_eq!(waiting.await.unwrap_err().retry(), Retry::Safe);
    peer.rest().await;
    assert_eq!(client.call(get()).await.unwrap_err().retry(), Retry::Safe);
}

trait PingAndAnswer {
    async fn ping_and_answer(&self, peer: &mut RawPeer<DuplexStream>);
}

impl PingAndAnswer for Client {
    /// A round trip, behind which both sides know each other's SETTINGS.
    async fn ping_and_answer(&self, peer: &mut RawPeer<DuplexStream>) {
        let answer = async {
            let ping = peer.expect(kind::PING).await;
            peer.send(&wire::ping(ping.payload.try_into().unwrap(), true))
                .await;
        };
        let (pong, ()) = tokio::join!(biased; self.ping(), answer);
        pong.unwrap();
    }
}

/// A service whose answer never comes, and that tells when it is dropped.
#[derive(Clone)]
struct Endless(tokio::sync::mpsc::Sender<()>);

impl Service<Request<raddle_io::RecvBody>> for Endless {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<raddle_io::RecvBody>) -> Self::Future {
        let held = self.0.clone();
        Box::pin(async move {
            std::future::pending::<()>().await;
            drop(held);
            unreachable!("it never ends")
        })
    }
}

#[tokio::test]
async fn a_request_that_its_client_gives_up_takes_its_service_call_with_it() {
    let (near, far) = tokio::io::duplex(65_536);
    let (alive, mut gone) = tokio::sync::mpsc::channel(1);
    let serving = raddle_io::serve_connection(near, Endless(alive), Config::default());
    let serving = tokio::spawn(serving);
    let mut peer = RawPeer::client(far, &[]).await;
    peer.send(&wire::headers(1, GET, true)).await;
    peer.send(&wire::ping([7; 8], false)).await;
    peer.expect(kind::PING).await;
    peer.send(&wire::rst_stream(1, ErrorCode::CANCEL.to_u32()))
        .await;
    peer.send(&wire::goaway(0, 0)).await;
    drop(peer);
    let _ = serving.await.unwrap();
    // The last sender is dropped with the call; a call that lived on would hang here.
    let closed = tokio::time::timeout(Duration::from_secs(20), gone.recv()).await;
    assert_eq!(closed.expect("the call was dropped"), None);
}
