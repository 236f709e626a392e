//! Every order in which tasks can meet at a stream's slot and at the pool's dial, by loom: the adapter's own source, its
//! driver and its engine among it, on loom's locks, where a task is a thread.

use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use http_body::{Body, Frame};
use loom::model::Builder;
use raddle_core::{Config, Retry};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tower_service::Service;

macro_rules! adapter {
    ($($name:ident $path:literal)*) => {
        $(#[path = $path]
        #[allow(dead_code, unreachable_pub, unused_imports, reason = "each model uses its part")]
        mod $name;)*
    };
}

adapter! {
    addresses "../src/addresses.rs"
    body "../src/body.rs"
    client "../src/client.rs"
    convert "../src/convert.rs"
    dial "../src/dial.rs"
    driver "../src/driver.rs"
    error "../src/error.rs"
    guard "../src/guard.rs"
    interim "../src/interim.rs"
    permits "../src/permits.rs"
    ping "../src/ping.rs"
    planted "../src/planted.rs"
    pool "../src/pool/mod.rs"
    response "../src/response.rs"
    settled "../src/settled.rs"
    shared "../src/shared.rs"
    slots "../src/slots.rs"
    state "../src/state.rs"
    sync "support/loom_sync.rs"
    transport "../src/transport.rs"
    turn "../src/turn.rs"
    upload "../src/upload.rs"
    usage "../src/usage.rs"
    watch "../src/watch.rs"
}
#[cfg(feature = "tls")]
#[path = "../src/tls.rs"]
#[allow(dead_code, unreachable_pub, reason = "the dialer names it")]
mod tls;

use body::RecvBody;
use client::Client;
use dial::Target;
use driver::Driver;
use error::{Error, Kind};
use pool::{Connect, Dialing, Pool, PoolConfig};
use response::ResponseFuture;
use sync::block_on;

/// Runs a model in every order with up to three switches that nobody asked for.
fn every_order(model: impl Fn() + Send + Sync + 'static) {
    every_order_with(3, model);
}

/// As [`every_order`], with so many switches. Time stands still. Who waits for ever ends the program: loom cannot clear
/// away what tokio holds.
fn every_order_with(switches: usize, model: impl Fn() + Send + Sync + 'static) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let mut builder = Builder::new();
    builder.preemption_bound = Some(switches);
    let model = Arc::new(model);
    builder.check(move || {
        let model = Arc::clone(&model);
        sync::thread(move || model()).join().unwrap();
    });
}

/// SETTINGS, empty (RFC 9113 §6.5).
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
/// `:status: 200` on stream 1, and nothing after it.
const WHOLE: &[u8] = &[0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88];
/// `:status: 200` on stream 1.
const HEAD: &[u8] = &[0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88];
/// Three bytes on stream 1, and three more with its end.
const DATA: &[u8] = b"\0\0\x03\0\0\0\0\0\x01abc";
const LAST: &[u8] = b"\0\0\x03\0\x01\0\0\0\x01def";
/// RST_STREAM(REFUSED_STREAM) of stream 1.
const REFUSED: &[u8] = &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7];

/// A transport that takes everything or fails, and has brought these bytes: what a read gets, read by read. After them
/// it is silent, or at its end. It wakes nobody.
struct Pipe {
    reads: std::vec::IntoIter<&'static [u8]>,
    ends: bool,
    breaks: bool,
    /// What it has taken.
    written: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.reads.next() {
            Some(bytes) => buffer.put_slice(bytes),
            None if self.ends => {}
            None => return Poll::Pending,
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.breaks {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        self.written.lock().unwrap().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn pipe(reads: &[&'static [u8]]) -> Pipe {
    Pipe {
        reads: Vec::from(reads).into_iter(),
        ends: false,
        breaks: false,
        written: Arc::default(),
    }
}

/// A connection to a server that says `reads`.
fn connected(reads: &[&'static [u8]], ends: bool) -> (Client, Driver<Pipe>) {
    let pipe = Pipe {
        ends,
        ..pipe(reads)
    };
    block_on(client::connect(pipe, config())).unwrap()
}

/// One stream at a time.
fn config() -> Config {
    Config {
        concurrent_streams_assumed: 1,
        ..Config::default()
    }
}

fn ask(client: &mut Client) -> ResponseFuture {
    client.call(
        Request::get("http://test/")
            .body(RecvBody::empty())
            .unwrap(),
    )
}

/// Polls once, with the waker of a task of its own.
fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    block_on(poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))))
}

/// Runs the driver in a thread until it waits, and answers with it.
fn drive(mut driver: Driver<Pipe>) -> loom::thread::JoinHandle<Driver<Pipe>> {
    sync::thread(move || {
        let _silent = poll_once(&mut driver);
        driver
    })
}

#[test]
fn a_response_that_arrives_while_its_future_is_dropped_leaves_nothing_behind() {
    every_order(|| {
        let (mut client, driver) = connected(&[SETTINGS, WHOLE], false);
        let mut response = ask(&mut client);
        let driving = drive(driver);
        let early = poll_once(&mut response);
        drop(response);
        drop(early);
        let mut driver = driving.join().unwrap();
        let _silent = poll_once(&mut driver);
        assert_eq!(client.streams(), 0);
        // The place is free for the next one.
        assert!(client.try_permit());
    });
}

#[test]
fn a_response_finds_the_task_that_asked_last() {
    every_order(|| {
        let (mut client, driver) = connected(&[SETTINGS, WHOLE], false);
        let mut response = ask(&mut client);
        let driving = drive(driver);
        let response = match poll_once(&mut response) {
            Poll::Ready(response) => response,
            // Another task.
            Poll::Pending => block_on(response),
        };
        assert_eq!(response.unwrap().status(), StatusCode::OK);
        let _driver = driving.join().unwrap();
        assert_eq!(client.streams(), 0);
    });
}

#[test]
fn a_body_that_arrives_in_parts_is_read_whole() {
    every_order(|| {
        let (mut client, driver) = connected(&[SETTINGS, HEAD, DATA, LAST], false);
        let response = ask(&mut client);
        let driving = drive(driver);
        let text = block_on(async {
            let mut body = pin!(response.await.unwrap().into_body());
            let mut text = Vec::new();
            while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
                text.extend(frame.unwrap().into_data().unwrap());
            }
            text
        });
        assert_eq!(text, b"abcdef");
        let _driver = driving.join().unwrap();
        assert_eq!(client.streams(), 0);
    });
}

#[test]
fn who_waits_when_the_stream_or_the_connection_ends_hears_of_it() {
    for (last, ends) in [(REFUSED, false), (SETTINGS, true)] {
        every_order(move || {
            let pipe = Pipe {
                ends,
                ..pipe(&[SETTINGS, last])
            };
            let written = Arc::clone(&pipe.written);
            let (mut client, driver) = block_on(client::connect(pipe, config())).unwrap();
            let response = ask(&mut client);
            let driving = drive(driver);
            let verdict = block_on(response).unwrap_err().retry();
            let _driver = driving.join().unwrap();
            // Whose request is not written when the connection ends may send it again.
            let asked = has_headers(&written.lock().unwrap());
            let uncertain = ends && asked;
            assert_eq!(verdict == Retry::IfIdempotent, uncertain, "{verdict:?}");
            assert!(uncertain || verdict == Retry::Safe, "{verdict:?}");
            assert_eq!(client.streams(), 0);
        });
    }
}

/// Whether a client has written a whole HEADERS frame.
fn has_headers(written: &[u8]) -> bool {
    let mut rest = written.get(24..).unwrap_or_default();
    while let [a, b, c, kind, ..] = *rest {
        let whole = 9 + u32::from_be_bytes([0, a, b, c]) as usize;
        if rest.len() < whole {
            return false;
        }
        if kind == 1 {
            return true;
        }
        rest = &rest[whole..];
    }
    false
}

#[test]
fn a_write_that_fails_is_heard_by_the_driver_whoever_wrote() {
    every_order(|| {
        let pipe = Pipe {
            breaks: true,
            ..pipe(&[])
        };
        let (mut client, driver) = block_on(client::connect(pipe, config())).unwrap();
        let driving = sync::thread(move || block_on(driver).unwrap_err().kind());
        let response = ask(&mut client);
        assert!(block_on(response).is_err());
        assert_eq!(driving.join().unwrap(), Kind::Io);
        assert_eq!(client.streams(), 0);
    });
}

/// A body of parts of three bytes, and then of silence or of its end.
struct Parts {
    left: usize,
    ends: bool,
}

impl Body for Parts {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"abc")))))
            }
            None if self.ends => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

#[test]
fn an_upload_ends_with_its_stream_or_with_its_body() {
    for (reads, body, verdict) in [
        // One that waits for its body, and one that waits for room.
        (&[SETTINGS, REFUSED], (0, false), Some(Retry::Safe)),
        (&[SETTINGS, WHOLE], (2, true), None),
    ] {
        // Three tasks; with three switches it takes minutes.
        every_order_with(2, move || {
            let config = Config {
                send_buffer_bytes: 2,
                ..config()
            };
            let (mut client, driver) = block_on(client::connect(pipe(reads), config)).unwrap();
            let (left, ends) = body;
            let request = Request::post("http://test/").body(Parts { left, ends });
            let response = client.call(request.unwrap());
            let driving = drive(driver);
            // Loom waits for the task of the upload.
            let response = block_on(response).map(drop);
            assert_eq!(response.err().map(|error| error.retry()), verdict);
            let _driver = driving.join().unwrap();
        });
    }
}

/// Dials that open a silent connection, or fail.
struct Dials {
    begun: Arc<AtomicUsize>,
    fails: bool,
    /// Kept, and not driven: nobody here waits for the peer.
    drivers: Mutex<Vec<Driver<Pipe>>>,
}

impl Connect for Dials {
    fn connect(&self, _: Target) -> Dialing {
        self.begun.fetch_add(1, Ordering::Relaxed);
        if self.fails {
            let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
            return Box::pin(async { Err(Error::connect(refused)) });
        }
        let (client, driver) = connected(&[], false);
        self.drivers.lock().unwrap().push(driver);
        Box::pin(async { Ok(client) })
    }
}

/// A pool with room for one connection, and how often it has dialed.
fn pool_of(fails: bool) -> (Pool, Arc<AtomicUsize>) {
    let begun = Arc::new(AtomicUsize::new(0));
    let dials = Dials {
        begun: Arc::clone(&begun),
        fails,
        drivers: Mutex::default(),
    };
    let config = PoolConfig {
        connections_max: 1,
        ..PoolConfig::default()
    };
    (Pool::new(dials, config), begun)
}

const WAIT_MAX: Duration = Duration::from_secs(10);

fn target() -> Target {
    Target::of(&Uri::from_static("http://test")).unwrap()
}

/// Waits for a place and gives it back.
fn pass(pool: &Pool) -> Result<(), Error> {
    block_on(pool.acquire(&target(), true, WAIT_MAX)).map(drop)
}

#[test]
fn two_who_need_a_connection_share_one_dial_and_one_stream() {
    every_order_with(2, || {
        let (pool, begun) = pool_of(false);
        let other = pool.clone();
        let passing = sync::thread(move || pass(&other).unwrap());
        pass(&pool).unwrap();
        passing.join().unwrap();
        assert_eq!(begun.load(Ordering::Relaxed), 1);
        assert_eq!((pool.stats().connections, pool.stats().streams), (1, 0));
        // The stream is free for whoever comes next.
        assert!(poll_once(&mut Box::pin(pool.acquire(&target(), true, WAIT_MAX))).is_ready());
    });
}

#[test]
fn a_dial_that_fails_is_heard_by_all() {
    every_order(|| {
        let (pool, begun) = pool_of(true);
        let other = pool.clone();
        let passing = sync::thread(move || pass(&other).unwrap_err().kind());
        assert_eq!(pass(&pool).unwrap_err().kind(), Kind::Connect);
        assert_eq!(passing.join().unwrap(), Kind::Connect);
        assert_eq!(begun.load(Ordering::Relaxed), 1, "the back-off is not over");
    });
}

#[test]
fn who_begins_a_dial_and_goes_takes_nothing_from_who_stays() {
    every_order(|| {
        let (pool, begun) = pool_of(false);
        let other = pool.clone();
        let leaving = sync::thread(move || {
            let _left = poll_once(&mut Box::pin(other.acquire(&target(), true, WAIT_MAX)));
        });
        pass(&pool).unwrap();
        leaving.join().unwrap();
        assert_eq!(begun.load(Ordering::Relaxed), 1);
        assert_eq!((pool.stats().connections, pool.stats().streams), (1, 0));
        assert!(poll_once(&mut Box::pin(pool.acquire(&target(), true, WAIT_MAX))).is_ready());
    });
}
