//! The races of a pool, by number, against servers that are played by hand, in virtual time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Request, StatusCode};
use raddle_core::StreamId;
use raddle_io::{
    Config, Connect, Dialing, Error, ErrorCode, Kind, Pool, PoolConfig, RecvBody, Retry, Target,
};
use raddle_tests::{
    patience::within,
    raw::RawPeer,
    wire::{self, kind},
};
use tokio::{
    io::DuplexStream,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinHandle,
};
use tower_service::Service;

const OK: &[(&str, &str)] = &[(":status", "200")];
/// In virtual time: longer than a pool waits for anything.
const MINUTE: Duration = Duration::from_secs(60);

/// Hands the far end of each connection to the test.
struct Handing {
    far: UnboundedSender<DuplexStream>,
    dials: Arc<AtomicUsize>,
    takes: Duration,
    config: Config,
    /// The identifier of the first stream.
    first: u32,
}

impl Connect for Handing {
    fn connect(&self, _: Target) -> Dialing {
        self.dials.fetch_add(1, Ordering::Relaxed);
        let (far, takes, first) = (self.far.clone(), self.takes, self.first);
        let (near, end) = tokio::io::duplex(65_536);
        let config = self.config.clone();
        Box::pin(async move {
            tokio::time::sleep(takes).await;
            let (client, driver) = raddle_io::connect(near, config).await?;
            client.skip_to(StreamId::from_u32(first));
            tokio::spawn(driver);
            far.send(end).map_err(Error::connect)?;
            Ok(client)
        })
    }
}

/// A pool, and the servers that it dials.
struct World {
    pool: Pool,
    dialed: UnboundedReceiver<DuplexStream>,
    dials: Arc<AtomicUsize>,
}

impl World {
    fn new(connections_max: usize, change: impl FnOnce(&mut Handing)) -> Self {
        let (far, dialed) = unbounded_channel();
        let dials = Arc::default();
        let mut connector = Handing {
            far,
            dials: Arc::clone(&dials),
            takes: Duration::ZERO,
            config: Config::default(),
            first: 1,
        };
        change(&mut connector);
        let config = PoolConfig {
            connections_max,
            ..PoolConfig::default()
        };
        Self {
            pool: Pool::new(connector, config),
            dialed,
            dials,
        }
    }

    async fn dialed(&mut self) -> DuplexStream {
        let dialed = within(MINUTE, "a dial", self.dialed.recv()).await;
        dialed.expect("the pool lives")
    }

    async fn server(&mut self) -> RawPeer<DuplexStream> {
        let io = self.dialed().await;
        RawPeer::server(io, &[]).await
    }

    fn dials(&self) -> usize {
        self.dials.load(Ordering::Relaxed)
    }

    fn ask(&self) -> JoinHandle<Result<http::Response<RecvBody>, Error>> {
        let mut pool = self.pool.clone();
        let request = Request::get("http://test/").body(RecvBody::empty());
        tokio::spawn(async move { pool.call(request.unwrap()).await })
    }
}

async fn request(peer: &mut RawPeer<DuplexStream>) -> u32 {
    within(MINUTE, "a request", peer.expect(kind::HEADERS))
        .await
        .stream
}

async fn answer(peer: &mut RawPeer<DuplexStream>) {
    let stream = request(peer).await;
    peer.send(&wire::headers(stream, OK, true)).await;
}

async fn ended(
    asked: JoinHandle<Result<http::Response<RecvBody>, Error>>,
) -> Result<http::Response<RecvBody>, Error> {
    within(MINUTE, "an answer", asked).await.unwrap()
}

/// Lets everything happen that needs no time.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn p10_what_is_dialed_when_the_pool_drains_is_closed_when_it_is_there() {
    let takes = Duration::from_secs(2);
    let mut world = World::new(4, |connector| connector.takes = takes);
    let asked = world.ask();
    settle().await;
    world.pool.drain();
    // Whoever waited has the connection of a dial from after it.
    let mut late = world.server().await;
    let frames = within(MINUTE, "the end of the late one", late.rest()).await;
    assert!(
        frames.iter().any(|frame| frame.kind == kind::GOAWAY),
        "{frames:?}"
    );
    assert!(frames.iter().all(|frame| frame.kind != kind::HEADERS));
    answer(&mut world.server().await).await;
    assert_eq!(ended(asked).await.unwrap().status(), 200);
    assert_eq!(world.dials(), 2);
}

#[tokio::test(start_paused = true)]
async fn p10_what_is_dialed_when_the_pool_goes_is_closed_when_it_is_there() {
    let takes = Duration::from_secs(2);
    let World {
        pool,
        mut dialed,
        dials,
    } = World::new(4, |connector| connector.takes = takes);
    let world = World {
        pool,
        dialed: unbounded_channel().1,
        dials,
    };
    let asked = world.ask();
    settle().await;
    asked.abort();
    drop(world);
    let io = within(MINUTE, "the dial goes on", dialed.recv()).await;
    let mut late = RawPeer::server(io.expect("it was made"), &[]).await;
    let frames = within(MINUTE, "its end", late.rest()).await;
    assert!(frames.iter().all(|frame| frame.kind != kind::HEADERS));
}

// RFC 9113 §5.1.1: identifiers are not used again; new streams need a new connection.
#[tokio::test(start_paused = true)]
async fn p12_when_identifiers_run_out_requests_go_to_another_connection() {
    let mut world = World::new(1, |connector| connector.first = 0x7fff_fffd);
    let first = world.ask();
    let mut old = world.server().await;
    assert_eq!(request(&mut old).await, 0x7fff_fffd);
    let last = world.ask();
    assert_eq!(request(&mut old).await, 0x7fff_ffff);
    // One connection is all that the pool may have, and this one counts no more.
    let next = world.ask();
    let mut new = world.server().await;
    answer(&mut new).await;
    assert_eq!(ended(next).await.unwrap().status(), 200);
    let goaway = within(MINUTE, "a drain", old.expect(kind::GOAWAY)).await;
    assert_eq!(goaway.number(4), 0);
    for stream in [0x7fff_fffd, 0x7fff_ffff] {
        old.send(&wire::headers(stream, OK, true)).await;
    }
    for asked in [first, last] {
        assert_eq!(ended(asked).await.unwrap().status(), 200);
    }
    within(MINUTE, "the old one ends", old.rest()).await;
    assert_eq!(world.dials(), 2);
}

// The permits of a connection are handed on when a stream ends. With the last identifier nothing is handed on any more.
#[tokio::test(start_paused = true)]
async fn p12_who_waits_for_the_last_connection_that_has_identifiers_is_told() {
    let mut world = World::new(1, |connector| {
        connector.first = 0x7fff_fffd;
        connector.config.concurrent_streams_assumed = 1;
    });
    let asked: Vec<_> = (0..4).map(|_| world.ask()).collect();
    let mut old = RawPeer::server(world.dialed().await, &[(3, 1)]).await;
    for _ in 0..2 {
        answer(&mut old).await;
    }
    let mut new = RawPeer::server(world.dialed().await, &[(3, 1)]).await;
    for _ in 0..2 {
        answer(&mut new).await;
    }
    for asked in asked {
        assert_eq!(ended(asked).await.unwrap().status(), 200);
    }
    assert_eq!(world.dials(), 2);
}

#[tokio::test(start_paused = true)]
async fn p13_a_connection_that_the_server_has_closed_is_not_the_next_requests() {
    let mut world = World::new(1, |_| ());
    let first = world.ask();
    let mut old = world.server().await;
    answer(&mut old).await;
    assert_eq!(ended(first).await.unwrap().status(), 200);
    // With and without a goodbye, read before the next request is made.
    for goodbye in [true, false] {
        if goodbye {
            old.send(&wire::goaway(0x7fff_ffff, 0)).await;
        }
        drop(old);
        settle().await;
        let next = world.ask();
        old = world.server().await;
        answer(&mut old).await;
        assert_eq!(ended(next).await.unwrap().status(), 200);
    }
    assert_eq!(world.pool.stats().resent, 0, "none was sent in vain");
}

#[tokio::test(start_paused = true)]
async fn p13_a_request_that_crosses_the_end_is_made_again_if_it_was_not_processed() {
    for goodbye in [true, false] {
        let mut world = World::new(1, |_| ());
        let first = world.ask();
        let mut old = world.server().await;
        answer(&mut old).await;
        assert_eq!(ended(first).await.unwrap().status(), 200);
        // It is on its way when the server, which has not read it, closes what it takes for idle.
        let crosses = world.ask();
        settle().await;
        if goodbye {
            old.send(&wire::goaway(1, 0)).await;
        }
        drop(old);
        if !goodbye {
            let error = ended(crosses).await.unwrap_err();
            assert_eq!(error.retry(), Retry::IfIdempotent, "{error}");
            assert_eq!((world.dials(), world.pool.stats().resent), (1, 0));
            continue;
        }
        answer(&mut world.server().await).await;
        assert_eq!(ended(crosses).await.unwrap().status(), 200);
        assert_eq!((world.dials(), world.pool.stats().resent), (2, 1));
    }
}

// RFC 9110 §15.5.20: 421 is for connections that several origins share. A pool shares none, so that there is no other
// place to try, and the caller decides.
#[tokio::test(start_paused = true)]
async fn p14_a_misdirected_request_is_the_callers_to_direct() {
    let mut world = World::new(4, |_| ());
    let asked = world.ask();
    let mut server = world.server().await;
    let stream = request(&mut server).await;
    server
        .send(&wire::headers(stream, &[(":status", "421")], true))
        .await;
    let status = ended(asked).await.unwrap().status();
    assert_eq!(status, StatusCode::MISDIRECTED_REQUEST);
    // The connection is as good as before.
    let next = world.ask();
    answer(&mut server).await;
    assert_eq!(ended(next).await.unwrap().status(), 200);
    assert_eq!((world.dials(), world.pool.stats().resent), (1, 0));
}

// RFC 9113 §7: the request is to be made with HTTP/1.1, which nobody here speaks.
#[tokio::test(start_paused = true)]
async fn p14_a_server_that_wants_http_1_1_says_so_by_its_code() {
    let mut world = World::new(4, |_| ());
    let asked = world.ask();
    let mut server = world.server().await;
    let stream = request(&mut server).await;
    let code = ErrorCode::HTTP_1_1_REQUIRED;
    server.send(&wire::rst_stream(stream, code.to_u32())).await;
    let error = ended(asked).await.unwrap_err();
    assert!(matches!(error.kind(), Kind::Stream(_)), "{error}");
    assert_eq!(error.reason(), Some(code));
    assert_eq!(error.retry(), Retry::IfIdempotent);
    assert_eq!((world.dials(), world.pool.stats().resent), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn p16_a_limit_that_falls_starves_nobody_while_another_connection_has_room() {
    let mut world = World::new(2, |connector| {
        connector.config.concurrent_streams_assumed = 2;
    });
    let held: Vec<_> = (0..2).map(|_| world.ask()).collect();
    let mut first = RawPeer::server(world.dialed().await, &[(3, 2)]).await;
    let streams = [request(&mut first).await, request(&mut first).await];
    let mut others: Vec<_> = (0..2).map(|_| world.ask()).collect();
    let mut second = RawPeer::server(world.dialed().await, &[(3, 2)]).await;
    for _ in 0..2 {
        answer(&mut second).await;
    }
    for other in others.drain(..) {
        assert_eq!(ended(other).await.unwrap().status(), 200);
    }
    // The second is idle. The first falls below what it has, and then has nothing free although one ends.
    first.send(&wire::settings(&[(3, 1)])).await;
    settle().await;
    first.send(&wire::headers(streams[0], OK, true)).await;
    settle().await;
    // More than fit at once: those who wait are served where something comes free.
    others.extend((0..6).map(|_| world.ask()));
    for _ in 0..6 {
        answer(&mut second).await;
    }
    for other in others {
        assert_eq!(ended(other).await.unwrap().status(), 200);
    }
    first.send(&wire::headers(streams[1], OK, true)).await;
    for held in held {
        assert_eq!(ended(held).await.unwrap().status(), 200);
    }
    // And the first takes one at a time again.
    let both: Vec<_> = (0..3).map(|_| world.ask()).collect();
    answer(&mut first).await;
    for _ in 0..2 {
        answer(&mut second).await;
    }
    for asked in both {
        assert_eq!(ended(asked).await.unwrap().status(), 200);
    }
    assert_eq!(world.dials(), 2);
}
