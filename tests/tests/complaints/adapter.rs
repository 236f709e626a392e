//! Sockets, tasks and pools.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Poll},
    thread,
};

use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use raddle_io::{Client, Connect, Dialing, Error, Kind, Pool, PoolConfig, RecvBody, Target};
use raddle_tests::raw::RawPeer;
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::{JoinHandle, yield_now},
    time::timeout,
};
use tower_service::Service;

use crate::*;

/// In virtual time, longer than anything takes that is not stuck.
const MINUTE: Duration = Duration::from_secs(60);

fn ask(path: &str) -> Request<Empty<Bytes>> {
    let uri = format!("http://test{path}");
    Request::get(uri).body(Empty::new()).unwrap()
}

/// A pipe that looks, on each call of ours, and tells what it has seen.
struct Watched<W> {
    io: DuplexStream,
    watch: W,
}

/// What is looked at.
trait Watch: Send + Unpin + 'static {
    /// So many bytes were read.
    fn read(&mut self, _bytes: usize) {}
    /// Something is being written.
    fn write(&mut self);
}

impl<W: Watch> AsyncRead for Watched<W> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        self.watch.read(buffer.filled().len() - before);
        read
    }
}

impl<W: Watch> AsyncWrite for Watched<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.watch.write();
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.watch.write();
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Asks for the state of a connection while its transport works.
struct Pries(Arc<OnceLock<Client>>, Arc<AtomicUsize>);

impl Watch for Pries {
    fn write(&mut self) {
        if self.0.get().is_none() {
            return;
        }
        let (told, answer) = mpsc::channel();
        let client = Arc::clone(&self.0);
        // In a thread of its own, so that a lock that is held fails this test rather than to hang it.
        let asking = thread::spawn(move || told.send(client.get().map(Client::openable)));
        let free = answer.recv_timeout(Duration::from_secs(10));
        assert!(
            free.is_ok(),
            "the state is locked while the transport writes"
        );
        asking.join().unwrap().unwrap();
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

// A lock that was held while a socket was written to stopped everybody else.
#[tokio::test]
async fn nobody_holds_the_state_of_a_connection_while_its_transport_writes() {
    let (near, far) = tokio::io::duplex(1_000);
    let (known, looks) = (Arc::new(OnceLock::new()), Arc::new(AtomicUsize::new(0)));
    let io = Watched {
        io: near,
        watch: Pries(Arc::clone(&known), Arc::clone(&looks)),
    };
    let (mut client, driver) = raddle_io::connect(io, Config::default()).await.unwrap();
    known.set(client.clone()).unwrap();
    tokio::spawn(driver);
    let (mut server, driver) = raddle_io::accept(far, Config::default()).await.unwrap();
    tokio::spawn(driver);
    tokio::spawn(async move {
        while let Some((request, responder)) = server.accept().await {
            tokio::spawn(responder.respond(Response::new(request.into_body())));
        }
    });
    // A lone sender, the driver for several, and what a full pipe leaves to be written later.
    for count in [1, 5] {
        let answers: Vec<_> = (0..count)
            .map(|_| {
                let body = Full::new(Bytes::from(vec![7; 5_000]));
                client.call(Request::post("http://test/").body(body).unwrap())
            })
            .collect();
        for answer in answers {
            let body = answer.await.unwrap().into_body().collect().await.unwrap();
            assert_eq!(body.to_bytes().len(), 5_000);
        }
    }
    client.ping().await.unwrap();
    assert!(looks.load(Ordering::Relaxed) > 20);
}

/// How much was read until something was written.
struct Reads {
    since: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Watch for Reads {
    fn read(&mut self, bytes: usize) {
        self.since.fetch_add(bytes, Ordering::Relaxed);
    }

    fn write(&mut self) {
        let since = self.since.swap(0, Ordering::Relaxed);
        self.most.fetch_max(since, Ordering::Relaxed);
    }
}

// Everything that had arrived was read before anything was written.
#[tokio::test]
async fn an_answer_does_not_wait_until_a_burst_of_frames_is_read() {
    /// A hundred thousand bytes: by bytes alone it would all be read at once.
    const FRAMES: usize = 10_000;
    let (near, far) = tokio::io::duplex(2 << 20);
    let (since, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let io = Watched {
        io: near,
        watch: Reads {
            since: Arc::clone(&since),
            most: Arc::clone(&most),
        },
    };
    let (mut server, driver) = raddle_io::accept(io, Config::default()).await.unwrap();
    tokio::spawn(driver);
    let mut peer = RawPeer::client(far, &[]).await;
    peer.send(&wire::headers(1, GET, true)).await;
    peer.send(&wire::headers(3, POST, false)).await;
    let (_, tiny) = server.accept().await.unwrap();
    let (upload, responder) = server.accept().await.unwrap();
    // It is all there when the answer is given, and nobody reads the upload.
    peer.send(&wire::data(3, b"x", false).repeat(FRAMES)).await;
    most.store(0, Ordering::Relaxed);
    since.store(0, Ordering::Relaxed);
    tiny.respond_full(Response::new(Bytes::from_static(b"tiny")));
    while peer.expect(kind::DATA).await.payload != b"tiny" {}
    // A thousand frames, and those of one read more.
    let waited = most.load(Ordering::Relaxed) / 10;
    assert!(
        waited <= 3_000,
        "{waited} frames of {FRAMES} were read first"
    );
    drop((upload, responder));
}

/// Hands the far end of each connection to the test.
struct Handing(UnboundedSender<DuplexStream>, usize);

impl Connect for Handing {
    fn connect(&self, _: Target) -> Dialing {
        let (handed, bytes) = (self.0.clone(), self.1);
        Box::pin(async move {
            let (near, far) = tokio::io::duplex(bytes);
            // More patience than by default with a transport that takes nothing.
            let config = Config {
                write_timeout: MINUTE + MINUTE / 6,
                stall_timeout: None,
                ..Config::default()
            };
            let (client, driver) = raddle_io::connect(near, config).await?;
            tokio::spawn(driver);
            handed.send(far).map_err(Error::connect)?;
            Ok(client)
        })
    }
}

/// A pool whose connections are pipes of so many bytes, and their far ends.
fn pool(bytes: usize) -> (Pool, UnboundedReceiver<DuplexStream>) {
    let (handed, dialed) = unbounded_channel();
    let config = PoolConfig::default();
    (Pool::new(Handing(handed, bytes), config), dialed)
}

fn get_by(pool: &Pool) -> JoinHandle<Result<Response<RecvBody>, Error>> {
    tokio::spawn(pool.clone().call(ask("/")))
}

async fn next(dialed: &mut UnboundedReceiver<DuplexStream>) -> RawPeer<DuplexStream> {
    let far = timeout(MINUTE, dialed.recv()).await.expect("a dial");
    RawPeer::server(far.expect("the pool lives"), &[]).await
}

/// A body that gives as much as is asked for, and counts it.
struct Endless(Arc<AtomicUsize>);

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        self.0.fetch_add(10_000, Ordering::Relaxed);
        let piece = Bytes::from_static(&[7; 10_000]);
        Poll::Ready(Some(Ok(http_body::Frame::data(piece))))
    }
}

// A peer that stopped reading stopped our reading, too, and everybody who wanted a connection.
#[tokio::test(start_paused = true)]
async fn a_peer_that_stops_reading_is_read_on_and_left_in_time() {
    let (pool, mut dialed) = pool(4_096);
    let download = get_by(&pool);
    let mut peer = next(&mut dialed).await;
    peer.expect(kind::HEADERS).await;
    peer.send(&wire::settings(&[(4, 1 << 24)])).await;
    peer.send(&wire::window_update(0, 1 << 24)).await;
    peer.send(&wire::headers(1, OK, false)).await;
    let mut body = download.await.unwrap().unwrap().into_body();
    // From here on it takes nothing, and windows are no reason for it.
    let given = Arc::new(AtomicUsize::new(0));
    let upload = Request::post("http://test/")
        .body(Endless(Arc::clone(&given)))
        .unwrap();
    let mut uploading = pool.clone();
    let upload = tokio::spawn(async move { uploading.call(upload).await });
    for n in 0..60u8 {
        peer.send(&wire::data(1, &[n; 100], false)).await;
        let part = timeout(MINUTE, body.frame()).await.expect("it is read on");
        assert_eq!(part.unwrap().unwrap().into_data().unwrap(), vec![n; 100]);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let taken = given.load(Ordering::Relaxed);
    assert!(taken < 300_000, "{taken} bytes for a peer that reads none");
    // Time goes on for the transport that takes nothing, whatever it brings.
    let failed = timeout(MINUTE, upload).await.expect("an end").unwrap();
    let violation = failed.unwrap_err().violation();
    assert_eq!(violation, Some(raddle_io::Violation::WriteTimeout));
    let again = get_by(&pool);
    let mut other = next(&mut dialed).await;
    other.expect(kind::HEADERS).await;
    other.send(&wire::headers(1, OK, true)).await;
    assert_eq!(again.await.unwrap().unwrap().status(), 200);
    assert_eq!(pool.stats().opened, 2);
    drop(peer);
}

/// How a server leaves a connection on which nothing is in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    Silently,
    WithGoaway,
    WithGoawayAndStaying,
}

/// One request beside which a server leaves, so many turns after the request is made, or before. Answers whether it had
/// an answer, and how often servers saw it.
async fn race(leaving: Leaving, turns: i32) -> (Result<(), Error>, usize) {
    let (pool, mut dialed) = pool(65_536);
    let first = get_by(&pool);
    let mut old = next(&mut dialed).await;
    old.expect(kind::HEADERS).await;
    old.send(&wire::headers(1, OK, true)).await;
    drop(first.await.unwrap().unwrap());
    let mut asked = None;
    if turns >= 0 {
        asked = Some(get_by(&pool));
        for _ in 0..turns {
            yield_now().await;
        }
    }
    if leaving != Leaving::Silently {
        old.send(&wire::goaway(1, 0)).await;
    }
    let mut old = (leaving == Leaving::WithGoawayAndStaying).then_some(old);
    for _ in turns..0 {
        yield_now().await;
    }
    let asked = asked.unwrap_or_else(|| get_by(&pool));
    let seen = Cell::new(0);
    let serving = async {
        let mut new = next(&mut dialed).await;
        new.expect(kind::HEADERS).await;
        seen.set(seen.get() + 1);
        new.send(&wire::headers(1, OK, true)).await;
        // The connection stays until the answer is read.
        new
    };
    let mut serving = std::pin::pin!(serving);
    let mut kept = None;
    let mut asked = asked;
    let answered = loop {
        tokio::select! {
            biased;
            answered = &mut asked => break answered.unwrap(),
            new = &mut serving, if kept.is_none() => kept = Some(new),
        }
    };
    drop(old.take());
    (answered.map(drop), seen.get())
}

// Requests failed that were made in the moment at which the server let an idle connection go.
#[tokio::test(start_paused = true)]
async fn a_server_that_leaves_at_any_moment_around_a_request_never_makes_it_fail_unsent() {
    for leaving in [
        Leaving::Silently,
        Leaving::WithGoaway,
        Leaving::WithGoawayAndStaying,
    ] {
        let mut answered = 0;
        for turns in -8..=8 {
            let (result, seen) = race(leaving, turns).await;
            match result {
                Ok(()) => {
                    assert_eq!(seen, 1, "{leaving:?} {turns}");
                    answered += 1;
                }
                // It was written in that moment, and nobody can know what became of it. A GOAWAY tells.
                Err(error) => {
                    assert_eq!(leaving, Leaving::Silently, "{turns}: {error}");
                    assert_eq!(error.retry(), Retry::IfIdempotent, "{turns}: {error}");
                    assert_ne!(error.kind(), Kind::Closed);
                    assert!(seen == 0 && turns > -3, "{turns}: {error}");
                }
            }
        }
        assert!(answered >= 6, "{leaving:?}: {answered}");
    }
}
