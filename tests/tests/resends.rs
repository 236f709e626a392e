//! What a pool sends again, and what not, against servers that are played by hand.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body::Body;
use http_body_util::{BodyExt, Full};
use raddle_io::{
    Config, Connect, Dialing, Error, ErrorCode, Kind, Pool, PoolConfig, RecvBody, ResendBudget,
    Retry, Target,
};
use raddle_tests::{
    raw::RawPeer,
    wire::{self, kind},
};
use tokio::{
    io::DuplexStream,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinHandle,
    time::timeout,
};
use tower_service::Service;

const OK: &[(&str, &str)] = &[(":status", "200")];
/// In virtual time: longer than a pool waits for anything.
const MINUTE: Duration = Duration::from_secs(60);

/// Hands the far end of each connection to the test.
struct Handing(UnboundedSender<DuplexStream>);

impl Connect for Handing {
    fn connect(&self, _: Target) -> Dialing {
        let far = self.0.clone();
        Box::pin(async move {
            let (near, end) = tokio::io::duplex(65_536);
            let (client, driver) = raddle_io::connect(near, Config::default()).await?;
            tokio::spawn(driver);
            far.send(end).map_err(Error::connect)?;
            Ok(client)
        })
    }
}

/// A pool, and the servers that it dials.
fn pool() -> (Pool, UnboundedReceiver<DuplexStream>) {
    pool_with(PoolConfig::default())
}

fn pool_with(config: PoolConfig) -> (Pool, UnboundedReceiver<DuplexStream>) {
    let (send, dialed) = unbounded_channel();
    (Pool::new(Handing(send), config), dialed)
}

async fn next(dialed: &mut UnboundedReceiver<DuplexStream>) -> RawPeer<DuplexStream> {
    let far = timeout(MINUTE, dialed.recv()).await;
    RawPeer::server(far.expect("a dial").expect("the pool lives"), &[]).await
}

/// Makes a request, with a body unless that is empty.
fn ask(pool: &Pool, body: &'static str) -> JoinHandle<Result<http::Response<RecvBody>, Error>> {
    ask_with(pool, Full::new(Bytes::from_static(body.as_bytes())))
}

fn ask_with<B>(pool: &Pool, body: B) -> JoinHandle<Result<http::Response<RecvBody>, Error>>
where
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let mut pool = pool.clone();
    let request = Request::post("http://test/").body(body).unwrap();
    tokio::spawn(async move { pool.call(request).await })
}

async fn expect_request(peer: &mut RawPeer<DuplexStream>) -> u32 {
    let head = timeout(MINUTE, peer.expect(kind::HEADERS)).await;
    head.expect("a request").stream
}

#[tokio::test(start_paused = true)]
async fn what_a_goaway_leaves_out_goes_to_another_connection() {
    let (pool, mut dialed) = pool();
    let (first, second) = (ask(&pool, ""), ask(&pool, ""));
    let mut old = next(&mut dialed).await;
    assert_eq!(expect_request(&mut old).await, 1);
    assert_eq!(expect_request(&mut old).await, 3);
    old.send(&wire::goaway(1, 0)).await;
    let mut new = next(&mut dialed).await;
    assert_eq!(expect_request(&mut new).await, 1);
    new.send(&wire::headers(1, OK, true)).await;
    // What was processed is answered where it was.
    old.send(&wire::headers(1, OK, true)).await;
    for asked in [first, second] {
        assert_eq!(asked.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!((pool.stats().opened, pool.stats().resent), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_is_sent_again_and_not_for_ever() {
    let (pool, mut dialed) = pool();
    let asked = ask(&pool, "");
    let mut peer = next(&mut dialed).await;
    let attempts = 1 + PoolConfig::default().resends_max;
    for _ in 0..attempts {
        let stream = expect_request(&mut peer).await;
        let code = ErrorCode::REFUSED_STREAM.to_u32();
        peer.send(&wire::rst_stream(stream, code)).await;
    }
    let error = asked.await.unwrap().unwrap_err();
    assert_eq!(error.reason(), Some(ErrorCode::REFUSED_STREAM));
    assert_eq!(error.retry(), Retry::Safe, "another pool may try");
    assert_eq!(u64::from(attempts - 1), pool.stats().resent);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_nothing_ends_in_an_error() {
    let (pool, mut dialed) = pool();
    let asked = ask(&pool, "");
    for _ in 0..=PoolConfig::default().resends_max {
        let mut peer = next(&mut dialed).await;
        expect_request(&mut peer).await;
        peer.send(&wire::goaway(0, 0)).await;
    }
    let error = timeout(MINUTE, asked).await.expect("an end").unwrap();
    assert_eq!(error.unwrap_err().retry(), Retry::Safe);
    assert!(dialed.try_recv().is_err(), "no dial behind the last");
}

#[tokio::test(start_paused = true)]
async fn what_may_have_been_processed_is_not_sent_again() {
    for code in [ErrorCode::PROTOCOL_ERROR, ErrorCode::CANCEL] {
        let (pool, mut dialed) = pool();
        let asked = ask(&pool, "");
        let mut peer = next(&mut dialed).await;
        let stream = expect_request(&mut peer).await;
        peer.send(&wire::rst_stream(stream, code.to_u32())).await;
        let error = asked.await.unwrap().unwrap_err();
        assert_eq!(error.retry(), Retry::IfIdempotent);
        assert_eq!((pool.stats().opened, pool.stats().resent), (1, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_has_been_read_is_not_sent_again_and_the_verdict_says_that_it_could_be() {
    let (pool, mut dialed) = pool();
    // Behind a box it is like any other that is read part by part.
    let asked = ask_with(&pool, Full::new(Bytes::from_static(b"once")).boxed());
    let mut peer = next(&mut dialed).await;
    let stream = expect_request(&mut peer).await;
    assert_eq!(peer.expect(kind::DATA).await.payload, b"once");
    let code = ErrorCode::REFUSED_STREAM.to_u32();
    peer.send(&wire::rst_stream(stream, code)).await;
    let error = asked.await.unwrap().unwrap_err();
    assert_eq!(error.retry(), Retry::Safe);
    assert_eq!(pool.stats().resent, 0);
}

/// How a server ends a request that it has seen, body and all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Refused,
    AboveTheGoaway,
    Reset,
    Lost,
}

#[tokio::test(start_paused = true)]
async fn a_request_is_sent_again_whole_where_its_fate_and_its_body_allow_it() {
    let message = Bytes::from_static(b"all of it");
    for fate in [Fate::Refused, Fate::AboveTheGoaway, Fate::Reset, Fate::Lost] {
        for (body, again) in [("none", true), ("bytes", true), ("parts", false)] {
            let (pool, mut dialed) = pool();
            let asked = match body {
                "none" => ask(&pool, ""),
                "bytes" => ask_with(&pool, Full::new(message.clone())),
                _ => ask_with(&pool, Full::new(message.clone()).boxed()),
            };
            let expected: &[u8] = if body == "none" { b"" } else { &message };
            let mut peer = next(&mut dialed).await;
            let stream = expect_whole(&mut peer, expected).await;
            match fate {
                Fate::Refused => peer.send(&wire::rst_stream(stream, 7)).await,
                Fate::AboveTheGoaway => peer.send(&wire::goaway(0, 0)).await,
                Fate::Reset => peer.send(&wire::rst_stream(stream, 2)).await,
                Fate::Lost => {}
            }
            let safe = matches!(fate, Fate::Refused | Fate::AboveTheGoaway);
            let stays = fate == Fate::Refused;
            let mut peer = stays.then_some(peer);
            if safe && again {
                let mut other = match peer.take() {
                    Some(peer) => peer,
                    None => next(&mut dialed).await,
                };
                let stream = expect_whole(&mut other, expected).await;
                other.send(&wire::headers(stream, OK, true)).await;
                assert_eq!(asked.await.unwrap().unwrap().status(), 200);
            } else {
                let error = asked.await.unwrap().unwrap_err();
                let verdict = if safe {
                    Retry::Safe
                } else {
                    Retry::IfIdempotent
                };
                assert_eq!(error.retry(), verdict, "{fate:?}, {body}: {error}");
            }
            let resent = u64::from(safe && again);
            assert_eq!(pool.stats().resent, resent, "{fate:?}, {body}");
        }
    }
}

/// The next request, which must have this body.
async fn expect_whole(peer: &mut RawPeer<DuplexStream>, body: &[u8]) -> u32 {
    let stream = expect_request(peer).await;
    if !body.is_empty() {
        assert_eq!(peer.expect(kind::DATA).await.payload, body);
    }
    stream
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_falls_on_one_connection_sends_those_who_wait_to_another() {
    let (pool, mut dialed) = pool();
    // As many as the pool assumes, so that the next ones want a second connection.
    let full = Config::default().concurrent_streams_assumed;
    let held: Vec<_> = (0..full).map(|_| ask(&pool, "")).collect();
    let mut first = next(&mut dialed).await;
    for _ in 0..full {
        expect_request(&mut first).await;
    }
    let waiting = ask(&pool, "");
    // The first connection takes no more, whatever comes free there.
    first.send(&wire::settings(&[(3, 0)])).await;
    first.send(&wire::headers(1, OK, true)).await;
    let mut second = next(&mut dialed).await;
    let stream = expect_request(&mut second).await;
    second.send(&wire::headers(stream, OK, true)).await;
    let body = waiting.await.unwrap().unwrap().into_body();
    assert!(body.collect().await.unwrap().to_bytes().is_empty());
    held.iter().for_each(JoinHandle::abort);
}

/// Refuses the next request.
async fn refuse(peer: &mut RawPeer<DuplexStream>) {
    let stream = expect_request(peer).await;
    let code = ErrorCode::REFUSED_STREAM.to_u32();
    peer.send(&wire::rst_stream(stream, code)).await;
}

// A server that refuses everything was asked three times as much for that.
#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_all_is_asked_a_fifth_more_often_and_no_more() {
    let budget = ResendBudget {
        per_second: 0,
        ..ResendBudget::default()
    };
    let (pool, mut dialed) = pool_with(PoolConfig {
        resend_budget: budget,
        ..PoolConfig::default()
    });
    let count = 2_000_u64;
    let first = ask(&pool, "");
    let mut peer = next(&mut dialed).await;
    let asked = Arc::new(AtomicU64::new(0));
    let counts = Arc::clone(&asked);
    let serving = tokio::spawn(async move {
        loop {
            refuse(&mut peer).await;
            counts.fetch_add(1, Ordering::Relaxed);
        }
    });
    let mut errors = vec![first.await.unwrap().unwrap_err()];
    for _ in 1..count {
        errors.push(ask(&pool, "").await.unwrap().unwrap_err());
    }
    let spent = Kind::ResendBudgetSpent;
    let denied = errors.iter().filter(|error| error.kind() == spent).count() as u64;
    for error in errors {
        assert_eq!(error.retry(), Retry::Safe, "somebody else may try");
        assert_eq!(error.reason(), Some(ErrorCode::REFUSED_STREAM), "{error}");
    }
    let stats = pool.stats();
    assert_eq!(stats.resends_denied, denied);
    // What was saved up may be spent as well.
    let share = count / 5;
    let saved = u64::from(budget.saved_max);
    assert!((share..=share + saved).contains(&stats.resent), "{stats:?}");
    assert_eq!(asked.load(Ordering::Relaxed), count + stats.resent);
    serving.abort();
}

#[tokio::test(start_paused = true)]
async fn who_asks_little_may_always_try_again_and_one_origin_takes_nothing_from_another() {
    let budget = ResendBudget {
        saved_max: 1,
        ..ResendBudget::default()
    };
    let (pool, mut dialed) = pool_with(PoolConfig {
        resend_budget: budget,
        ..PoolConfig::default()
    });
    let asked = ask(&pool, "");
    let mut peer = next(&mut dialed).await;
    for _ in 0..2 {
        refuse(&mut peer).await;
    }
    let error = asked.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), Kind::ResendBudgetSpent, "{error}");
    // Another origin has a budget of its own.
    let mut other = pool.clone();
    let request = Request::get("http://other/")
        .body(Full::<Bytes>::default())
        .unwrap();
    let asked = tokio::spawn(async move { other.call(request).await });
    let mut second = next(&mut dialed).await;
    refuse(&mut second).await;
    let stream = expect_request(&mut second).await;
    second.send(&wire::headers(stream, OK, true)).await;
    assert_eq!(asked.await.unwrap().unwrap().status(), 200);
    // A tenth of a second earns a resend, too.
    for _ in 0..3 {
        tokio::time::advance(Duration::from_millis(100)).await;
        let asked = ask(&pool, "");
        refuse(&mut peer).await;
        let stream = expect_request(&mut peer).await;
        peer.send(&wire::headers(stream, OK, true)).await;
        assert_eq!(asked.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!((pool.stats().resent, pool.stats().resends_denied), (5, 1));
}
