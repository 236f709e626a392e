//! Dials of a pool: who hears of one that fails, and what becomes of one that nobody wants any more.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use raddle_io::{
    BoxError, Client, Config, Connect, Dialing, Error, Kind, Pool, PoolConfig, RecvBody, Target,
};
use tokio::{task::JoinSet, time::timeout};
use tower_service::Service;

#[path = "support/mod.rs"]
mod support;
use support::{Answer, Echo, Stuck, echo, get};

/// In virtual time: long past every other bound of a pool.
const MINUTE: Duration = Duration::from_secs(60);

/// What the n-th dial, from 0, does.
struct Dials<F> {
    count: Arc<AtomicUsize>,
    dial: F,
}

impl<F> Connect for Dials<F>
where
    F: Fn(usize) -> Dialing + Send + Sync + 'static,
{
    fn connect(&self, _: Target) -> Dialing {
        (self.dial)(self.count.fetch_add(1, Ordering::Relaxed))
    }
}

/// A pool of at most `connections_max`, and how often it has dialed.
fn pool_of<F>(connections_max: usize, dial: F) -> (Pool, Arc<AtomicUsize>)
where
    F: Fn(usize) -> Dialing + Send + Sync + 'static,
{
    let count = Arc::new(AtomicUsize::new(0));
    let dials = Dials {
        count: Arc::clone(&count),
        dial,
    };
    let config = PoolConfig {
        connections_max,
        wait_max: MINUTE,
        ..PoolConfig::default()
    };
    (Pool::new(dials, config), count)
}

/// A connection to a server of its own that takes `streams` at once.
async fn server_of<F>(streams: u32, answer: F) -> Result<Client, Error>
where
    F: Fn(Request<RecvBody>) -> Answer + Clone + Send + Unpin + 'static,
{
    let (near, far) = tokio::io::duplex(65_536);
    let config = Config {
        concurrent_streams_max: streams,
        ..Config::default()
    };
    tokio::spawn(raddle_io::serve_connection(far, Echo(answer), config));
    let config = Config {
        concurrent_streams_assumed: streams,
        ..Config::default()
    };
    let (client, driver) = raddle_io::connect(near, config).await?;
    tokio::spawn(driver);
    Ok(client)
}

fn refused() -> Error {
    Error::connect(std::io::Error::from(std::io::ErrorKind::ConnectionRefused))
}

/// Answers `/stuck` with a body without an end, and anything else as `echo` does.
fn answer(request: Request<RecvBody>) -> Answer {
    match request.uri().path() {
        "/stuck" => Response::new(Stuck.boxed_unsync()),
        _ => echo(request),
    }
}

/// Lets every other task run until it waits.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

async fn text(pool: &mut Pool, path: &str) -> Result<String, Error> {
    let body = pool.call(get(path)).await?.into_body().collect().await?;
    Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
}

#[tokio::test(start_paused = true)]
async fn a_request_that_can_wait_outlives_a_failed_dial() {
    let (mut pool, dials) = pool_of(4, |n| match n {
        0 => Box::pin(server_of(1, answer)),
        _ => Box::pin(async { Err(refused()) }),
    });
    let first = pool.call(get("/stuck")).await.unwrap();
    let mut other = pool.clone();
    let waiting = tokio::spawn(async move { text(&mut other, "/waits").await });
    settle().await;
    assert_eq!(dials.load(Ordering::Relaxed), 2, "the pool tried to grow");
    assert!(!waiting.is_finished(), "the first stream may come free");
    drop(first);
    assert_eq!(waiting.await.unwrap().unwrap(), "GET /waits");
}

#[tokio::test(start_paused = true)]
async fn growth_is_tried_again_after_the_back_off() {
    let (mut pool, dials) = pool_of(4, |n| match n {
        1..=3 => Box::pin(async { Err(refused()) }),
        _ => Box::pin(server_of(1, answer)),
    });
    let _first = pool.call(get("/stuck")).await.unwrap();
    // Nothing comes free, and nobody else asks.
    let answer = timeout(MINUTE / 2, text(&mut pool, "/waits")).await;
    assert_eq!(answer.expect("the fifth dial").unwrap(), "GET /waits");
    assert_eq!(dials.load(Ordering::Relaxed), 5);
    assert_eq!(pool.stats().dials_failed, 3);
}

#[tokio::test(start_paused = true)]
async fn a_dial_that_panics_is_a_dial_that_failed() {
    let (mut pool, dials) = pool_of(4, |n| match n {
        0 => panic!("planted: before the dial has begun"),
        1 => Box::pin(async {
            tokio::task::yield_now().await;
            panic!("planted: while it is dialing")
        }),
        _ => Box::pin(server_of(1, answer)),
    });
    for _ in 0..2 {
        let error = pool.call(get("/")).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Connect, "{error}");
        tokio::time::sleep(MINUTE).await;
    }
    assert_eq!(text(&mut pool, "/").await.unwrap(), "GET /");
    assert_eq!(dials.load(Ordering::Relaxed), 3);
    assert_eq!(pool.stats().dials_failed, 2);
}

#[tokio::test(start_paused = true)]
async fn a_dial_goes_on_without_the_request_that_began_it() {
    let (pool, dials) = pool_of(4, |_| {
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            server_of(8, answer).await
        })
    });
    let mut requests = JoinSet::new();
    let mut begun = Vec::new();
    for n in 0..4 {
        let mut pool = pool.clone();
        begun.push(requests.spawn(async move { text(&mut pool, &format!("/{n}")).await }));
    }
    settle().await;
    begun[0].abort();
    let mut answers = 0;
    while let Some(answer) = requests.join_next().await {
        answers += usize::from(answer.is_ok_and(|answer| answer.is_ok()));
    }
    assert_eq!((answers, dials.load(Ordering::Relaxed)), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_dial_from_before_a_drain_does_not_stand_for_one_from_after_it() {
    // The first fails after a second, the others take two.
    let (pool, dials) = pool_of(4, |n| {
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(if n == 0 { 1 } else { 2 })).await;
            match n {
                0 => Err(refused()),
                _ => server_of(8, answer).await,
            }
        })
    });
    let ask = |path: &'static str| {
        let mut pool = pool.clone();
        tokio::spawn(async move { text(&mut pool, path).await })
    };
    let before = ask("/before");
    settle().await;
    pool.drain();
    let after = ask("/after");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let late = ask("/late");
    assert!(before.await.unwrap().is_err(), "its dial failed");
    assert_eq!(after.await.unwrap().unwrap(), "GET /after");
    assert_eq!(late.await.unwrap().unwrap(), "GET /late");
    assert_eq!(dials.load(Ordering::Relaxed), 2, "late joined the second");
}

#[tokio::test(start_paused = true)]
async fn a_request_takes_whichever_connection_has_room_first() {
    let (mut pool, dials) = pool_of(2, |_| Box::pin(server_of(1, answer)));
    let _first = pool.call(get("/stuck")).await.unwrap();
    let second = pool.call(get("/stuck")).await.unwrap();
    let mut others = Vec::new();
    for _ in 0..2 {
        let mut pool = pool.clone();
        others.push(tokio::spawn(async move { text(&mut pool, "/waits").await }));
    }
    settle().await;
    drop(second);
    for other in others {
        let answer = timeout(MINUTE / 2, other).await.expect("there is room");
        assert_eq!(answer.unwrap().unwrap(), "GET /waits");
    }
    assert_eq!(dials.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn without_a_back_off_dials_are_not_all_that_is_done() {
    let count = Arc::new(AtomicUsize::new(0));
    let dials = Dials {
        count: Arc::clone(&count),
        dial: |n| -> Dialing {
            match n {
                0 => Box::pin(server_of(1, answer)),
                _ => Box::pin(async { Err(refused()) }),
            }
        },
    };
    let config = PoolConfig {
        back_off: Duration::ZERO,
        wait_max: Duration::from_secs(1),
        ..PoolConfig::default()
    };
    let mut pool = Pool::new(dials, config);
    let _first = pool.call(get("/stuck")).await.unwrap();
    let error = text(&mut pool, "/waits").await.unwrap_err();
    assert_eq!(error.kind(), Kind::PoolExhausted);
    let dials = count.load(Ordering::Relaxed);
    assert!((5..40).contains(&dials), "{dials} dials in a second");
}

/// A body that drains its pool when the connection has been chosen and its request is not made yet.
struct Draining {
    pool: Pool,
    looks: AtomicUsize,
    part: Option<Bytes>,
}

impl Body for Draining {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(self.part.take().map(|part| Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        if self.looks.fetch_add(1, Ordering::Relaxed) == 1 {
            self.pool.drain();
        }
        self.part.is_none()
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_nobody_has_asked_for_goes_with_its_request_to_another_connection() {
    let (mut pool, dials) = pool_of(4, |_| Box::pin(server_of(8, answer)));
    text(&mut pool, "/first").await.unwrap();
    let body = Draining {
        pool: pool.clone(),
        looks: AtomicUsize::new(0),
        part: Some(Bytes::from_static(b"whole")),
    };
    let request = Request::post("http://test/").body(body).unwrap();
    let response = pool.call(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes(), "whole");
    assert_eq!(dials.load(Ordering::Relaxed), 2);
    assert_eq!(pool.stats().resent, 1);
}

/// Counts what a dial holds while it is alive.
struct Held(Arc<AtomicUsize>);

impl Held {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A pool whose first dial never ends, how often it has dialed, and how many of its dials are alive.
fn pool_that_hangs_once(config: PoolConfig) -> (Pool, Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let (count, alive) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let holds = Arc::clone(&alive);
    let dials = Dials {
        count: Arc::clone(&count),
        dial: move |n| -> Dialing {
            let held = Held::new(&holds);
            Box::pin(async move {
                let _held = held;
                match n {
                    0 => std::future::pending().await,
                    _ => server_of(8, answer).await,
                }
            })
        },
    };
    (Pool::new(dials, config), count, alive)
}

#[tokio::test(start_paused = true)]
async fn a_dial_that_never_ends_fails_and_the_next_one_goes_ahead() {
    let config = PoolConfig {
        wait_max: MINUTE,
        ..PoolConfig::default()
    };
    let limit = config.dial_max;
    let (mut pool, dials, alive) = pool_that_hangs_once(config);
    let begin = tokio::time::Instant::now();
    let mut waiting = JoinSet::new();
    for _ in 0..5 {
        let mut pool = pool.clone();
        waiting.spawn(async move { text(&mut pool, "/").await.unwrap_err() });
    }
    while let Some(error) = waiting.join_next().await {
        let error = error.unwrap();
        assert_eq!(error.kind(), Kind::ConnectTimeout);
        assert_eq!(error.retry(), raddle_io::Retry::Safe);
        let said = error.to_string();
        assert!(said.contains("none to http://test:80 after 15s"), "{said}");
    }
    assert!(begin.elapsed() >= limit && begin.elapsed() < limit + Duration::from_secs(1));
    assert_eq!(alive.load(Ordering::Relaxed), 0, "the dial was dropped");
    assert_eq!(pool.stats().dials_failed, 1);
    tokio::time::sleep(MINUTE).await;
    assert_eq!(text(&mut pool, "/").await.unwrap(), "GET /");
    assert_eq!(dials.load(Ordering::Relaxed), 2);
    assert_eq!(
        (alive.load(Ordering::Relaxed), pool.stats().streams),
        (0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_nothing_but_a_dial_hears_that_it_was_the_dial() {
    let config = PoolConfig {
        wait_max: Duration::from_secs(5),
        ..PoolConfig::default()
    };
    let (mut pool, dials, alive) = pool_that_hangs_once(config);
    let error = text(&mut pool, "/").await.unwrap_err();
    assert_eq!(error.kind(), Kind::ConnectTimeout, "{error}");
    assert!(error.to_string().contains("after 5s"), "{error}");
    assert_eq!(alive.load(Ordering::Relaxed), 1, "the dial has more time");
    // Three seconds later somebody waits until the dial fails, and once more after the back-off.
    tokio::time::sleep(Duration::from_secs(8)).await;
    let error = text(&mut pool, "/").await.unwrap_err();
    assert!(error.to_string().contains("after 15s"), "{error}");
    tokio::time::sleep(MINUTE).await;
    assert_eq!(text(&mut pool, "/").await.unwrap(), "GET /");
    assert_eq!(dials.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_dropped_while_it_dials_leaves_nothing_behind() {
    let (mut pool, _, alive) = pool_that_hangs_once(PoolConfig::default());
    let waits = timeout(Duration::from_secs(1), pool.call(get("/")));
    assert!(waits.await.is_err(), "it dials");
    drop(pool);
    assert_eq!(alive.load(Ordering::Relaxed), 1);
    tokio::time::sleep(PoolConfig::default().dial_max).await;
    assert_eq!(alive.load(Ordering::Relaxed), 0);
}
