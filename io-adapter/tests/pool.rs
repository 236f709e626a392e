//! The pool, over pipes in memory.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http_body_util::BodyExt;
use raddle_io::{Client, Config, Connect, Dialing, Error, Kind, Pool, PoolConfig, Target};
use tokio::task::JoinSet;
use tower_service::Service;

#[path = "support/mod.rs"]
mod support;
use support::{Echo, echo, get};

/// Every dial makes a server of its own, which takes a few streams at once.
struct Servers {
    dials: Arc<AtomicUsize>,
    streams: u32,
    broken: bool,
}

impl Connect for Servers {
    fn connect(&self, _: Target) -> Dialing {
        let count = self.dials.fetch_add(1, Ordering::Relaxed);
        let (streams, broken) = (self.streams, self.broken);
        Box::pin(async move {
            tokio::task::yield_now().await;
            if broken {
                let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
                return Err(Error::connect(refused));
            }
            let (near, far) = tokio::io::duplex(65_536);
            let config = Config {
                concurrent_streams_max: streams,
                ..Config::default()
            };
            tokio::spawn(raddle_io::serve_connection(far, Echo(echo), config));
            let near_config = Config {
                concurrent_streams_assumed: streams,
                ..Config::default()
            };
            let (client, driver) = raddle_io::connect(near, near_config).await?;
            tokio::spawn(driver);
            let _: (usize, &Client) = (count, &client);
            Ok(client)
        })
    }
}

fn pool(streams: u32, broken: bool) -> (Pool, Arc<AtomicUsize>) {
    let dials = Arc::new(AtomicUsize::new(0));
    let servers = Servers {
        dials: Arc::clone(&dials),
        streams,
        broken,
    };
    (
        Pool::new(
            servers,
            PoolConfig {
                connections_max: 3,
                // Each lives as long in every run.
                spread_seed: Some(1),
                ..PoolConfig::default()
            },
        ),
        dials,
    )
}

#[tokio::test(start_paused = true)]
async fn many_requests_share_few_connections() {
    let (pool, dials) = pool(4, false);
    let mut tasks = JoinSet::new();
    for n in 0..200 {
        let mut pool = pool.clone();
        tasks.spawn(async move {
            let response = pool.call(get(&format!("/{n}"))).await.unwrap();
            assert_eq!(
                response.into_body().collect().await.unwrap().to_bytes(),
                format!("GET /{n}")
            );
        });
    }
    while let Some(result) = tasks.join_next().await {
        result.unwrap();
    }
    assert!((1..=3).contains(&dials.load(Ordering::Relaxed)));
    assert_eq!(pool.stats().streams, 0);
}

#[tokio::test(start_paused = true)]
async fn one_failed_dial_answers_everyone_who_waited() {
    let (pool, dials) = pool(4, true);
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let mut pool = pool.clone();
        tasks.spawn(async move { pool.call(get("/")).await.unwrap_err().kind() });
    }
    while let Some(kind) = tasks.join_next().await {
        assert_eq!(kind.unwrap(), Kind::Connect);
    }
    assert_eq!(dials.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_let_go() {
    let (mut pool, _) = pool(4, false);
    pool.call(get("/"))
        .await
        .unwrap()
        .into_body()
        .collect()
        .await
        .unwrap();
    assert_eq!(pool.stats().connections, 1);
    tokio::time::sleep(PoolConfig::default().idle_max * 3).await;
    assert_eq!(pool.stats().connections, 0);
}

/// A request on a connection that has been idle for `idle`, after so many turns of other tasks, and another one a moment
/// later. Answers how many dials that took.
async fn asked_after(idle: Duration, turns: usize) -> usize {
    let (mut pool, dials) = pool(4, false);
    let fetch = async |pool: &mut Pool, path: &str| {
        let response = pool.call(get(path)).await?;
        response
            .into_body()
            .collect()
            .await
            .map(|body| body.to_bytes())
    };
    fetch(&mut pool, "/first").await.unwrap();
    tokio::time::sleep(idle).await;
    for _ in 0..turns {
        tokio::task::yield_now().await;
    }
    // One of them makes the connection busy again when the other finds it idle.
    let mut other = pool.clone();
    let (one, two) = tokio::join!(fetch(&mut pool, "/one"), async {
        tokio::task::yield_now().await;
        fetch(&mut other, "/two").await
    });
    assert_eq!(one.unwrap(), "GET /one");
    assert_eq!(two.unwrap(), "GET /two");
    let stats = pool.stats();
    assert_eq!(
        (stats.streams, stats.resent),
        (0, 0),
        "nothing is made twice"
    );
    dials.load(Ordering::Relaxed)
}

#[tokio::test(start_paused = true)]
async fn f08_a_request_in_the_moment_in_which_an_idle_connection_is_let_go_is_never_lost() {
    // When it is let go, to the millisecond, which is the grain of the clock.
    let (mut kept, mut gone) = (Duration::ZERO, PoolConfig::default().idle_max * 2);
    while gone - kept > Duration::from_millis(1) {
        let half = kept + (gone - kept) / 2;
        match asked_after(half, 0).await {
            1 => kept = half,
            _ => gone = half,
        }
    }
    let (mut before, mut after) = (0, 0);
    for millis in 0..5 {
        for turns in 0..12 {
            let idle = kept - Duration::from_millis(2) + Duration::from_millis(millis);
            match asked_after(idle, turns).await {
                1 => before += 1,
                2 => after += 1,
                dials => panic!("{dials} dials"),
            }
        }
    }
    assert!(before > 10 && after > 10, "{before} and {after}");
}
