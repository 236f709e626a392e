//! A pool under settings and servers at the edge of what makes sense.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http_body_util::BodyExt;
use raddle_io::{Client, Config, Dialing, Error, Kind, Pool, PoolConfig, Retry, Target};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout},
};
use tower_service::Service;

#[path = "support/mod.rs"]
mod support;
use support::{Echo, echo, get};

/// In virtual time: long past every other bound of a pool.
const MINUTE: Duration = Duration::from_secs(60);

/// A pool that dials as a function says, by number, and how often it has.
fn pool_of<F>(config: PoolConfig, dial: F) -> (Pool, Arc<AtomicUsize>)
where
    F: Fn(usize) -> Dialing + Send + Sync + 'static,
{
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let connect = move |_: Target| dial(counted.fetch_add(1, Ordering::Relaxed));
    (Pool::new(connect, config), count)
}

/// A connection to a server of its own.
async fn served() -> Result<Client, Error> {
    let (near, far) = tokio::io::duplex(65_536);
    tokio::spawn(raddle_io::serve_connection(
        far,
        Echo(echo),
        Config::default(),
    ));
    connect(near).await
}

/// A connection that its server closes at once.
async fn closed() -> Result<Client, Error> {
    let (near, _) = tokio::io::duplex(65_536);
    let client = connect(near).await?;
    // It has taken a round trip to open, and the end is there with it.
    tokio::time::sleep(Duration::from_millis(1)).await;
    Ok(client)
}

async fn connect(near: tokio::io::DuplexStream) -> Result<Client, Error> {
    let (client, driver) = raddle_io::connect(near, Config::default()).await?;
    tokio::spawn(driver);
    Ok(client)
}

#[tokio::test(start_paused = true)]
async fn a_server_that_accepts_and_closes_is_not_dialed_without_a_pause() {
    let (mut pool, dials) = pool_of(PoolConfig::default(), |_| Box::pin(closed()));
    let error = timeout(MINUTE, pool.call(get("/"))).await;
    let error = error.expect("it does not wait for ever").unwrap_err();
    assert_eq!(error.kind(), Kind::Connect, "{error}");
    let dials = dials.load(Ordering::Relaxed);
    assert!(dials < 20, "{dials} dials for one request");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_well_again_is_found() {
    let (mut pool, _) = pool_of(PoolConfig::default(), |n| match n {
        0..3 => Box::pin(closed()),
        _ => Box::pin(served()),
    });
    let begin = Instant::now();
    while pool.call(get("/")).await.is_err() {
        assert!(begin.elapsed() < MINUTE);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(pool.stats().connections, 1);
}

/// A connection that its server closes after a minute in which nobody has used it.
async fn closed_after_a_minute() -> Result<Client, Error> {
    let (near, mut far) = tokio::io::duplex(65_536);
    tokio::spawn(async move {
        let reads = async { while far.read(&mut [0; 1_024]).await.is_ok_and(|n| n > 0) {} };
        let _ = timeout(MINUTE, reads).await;
    });
    // Time for whoever has asked to go.
    tokio::time::sleep(Duration::from_secs(1)).await;
    connect(near).await
}

#[tokio::test(start_paused = true)]
async fn a_server_that_closes_what_nobody_uses_has_not_failed() {
    let second = Duration::from_secs(1);
    let config = PoolConfig {
        back_off: second,
        idle_max: 100 * MINUTE,
        ..PoolConfig::default()
    };
    let (mut pool, dials) = pool_of(config, |n| match n {
        0 => Box::pin(closed_after_a_minute()),
        1 => Box::pin(async { Err(Error::connect("nobody listens")) }),
        _ => Box::pin(served()),
    });
    let gives_up = timeout(second / 2, pool.call(get("/"))).await;
    assert!(gives_up.is_err(), "the dial takes longer");
    tokio::time::sleep(2 * MINUTE).await;
    pool.call(get("/")).await.unwrap_err();
    assert_eq!(dials.load(Ordering::Relaxed), 2);
    // One failure is one pause, and not two.
    tokio::time::sleep(second + second / 10).await;
    pool.call(get("/")).await.unwrap();
    assert_eq!(dials.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn settings_without_a_bound_are_no_panic() {
    let config = PoolConfig {
        wait_max: Duration::MAX,
        dial_max: Duration::MAX,
        idle_max: Duration::MAX,
        back_off: Duration::MAX,
        ..PoolConfig::default()
    };
    let (mut pool, _) = pool_of(config, |n| match n {
        1 => Box::pin(async { Err(Error::connect("planted")) }),
        _ => Box::pin(served()),
    });
    pool.call(get("/")).await.unwrap();
    tokio::time::sleep(MINUTE).await;
    assert_eq!(pool.stats().connections, 1);
    pool.drain();
    for _ in 0..2 {
        let failed = timeout(MINUTE, pool.call(get("/"))).await;
        let error = failed.expect("a dial that failed is told").unwrap_err();
        assert_eq!(error.kind(), Kind::Connect);
    }
}

#[tokio::test(start_paused = true)]
async fn settings_of_nothing_leave_room_for_one() {
    let config = PoolConfig {
        connections_max: 0,
        origins_max: 0,
        waiting_max: 0,
        idle_max: Duration::ZERO,
        ..PoolConfig::default()
    };
    let (mut pool, dials) = pool_of(config, |_| Box::pin(served()));
    for _ in 0..2 {
        pool.call(get("/")).await.unwrap();
        tokio::time::sleep(MINUTE).await;
        assert_eq!(pool.stats().connections, 0);
    }
    assert_eq!(dials.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn tasks_of_a_pool_end_with_its_connections() {
    let (mut pool, _) = pool_of(PoolConfig::default(), |_| Box::pin(served()));
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    for _ in 0..50 {
        drop(pool.call(get("/")).await.unwrap());
        pool.drain();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(tasks() <= before + 1, "{} tasks stayed", tasks() - before);
    tokio::time::sleep(PoolConfig::default().idle_max).await;
    assert_eq!(tasks(), before);
    // And the next connection is looked after again.
    pool.call(get("/")).await.unwrap();
    tokio::time::sleep(PoolConfig::default().idle_max * 2).await;
    assert_eq!((pool.stats().connections, tasks()), (0, before));
}

/// A connection to a server that leaves every answer open.
async fn serving_without_end() -> Result<Client, Error> {
    let (near, far) = tokio::io::duplex(65_536);
    let open = |_| http::Response::new(support::Stuck.boxed_unsync());
    tokio::spawn(raddle_io::serve_connection(
        far,
        Echo(open),
        Config::default(),
    ));
    connect(near).await
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_old_ends_what_it_has_and_takes_no_more() {
    let config = PoolConfig {
        age_max: Some(MINUTE),
        idle_max: 10 * MINUTE,
        ..PoolConfig::default()
    };
    let (mut pool, dials) = pool_of(config, |n| match n {
        0 => Box::pin(serving_without_end()),
        _ => Box::pin(served()),
    });
    let first = pool.call(get("/")).await.unwrap();
    tokio::time::sleep(MINUTE * 3 / 4 - Duration::from_secs(1)).await;
    drop(pool.call(get("/")).await.unwrap());
    assert_eq!(dials.load(Ordering::Relaxed), 1, "it is not old yet");
    tokio::time::sleep(MINUTE / 4 + Duration::from_secs(1)).await;
    drop(pool.call(get("/")).await.unwrap());
    assert_eq!(dials.load(Ordering::Relaxed), 2);
    assert_eq!(pool.stats().connections, 1);
    let mut body = first.into_body();
    let silent = timeout(MINUTE, body.frame()).await;
    assert!(silent.is_err(), "what it has begun is not cut off");
}

#[tokio::test(start_paused = true)]
async fn connections_of_the_same_age_do_not_end_together() {
    let config = PoolConfig {
        age_max: Some(MINUTE),
        idle_max: 10 * MINUTE,
        spread_seed: Some(0),
        ..PoolConfig::default()
    };
    let (pool, dials) = pool_of(config, |_| Box::pin(served()));
    let ask = async |n| {
        let mut request = get("/");
        *request.uri_mut() = format!("http://host{n}/").parse().unwrap();
        drop(pool.clone().call(request).await.unwrap());
    };
    for n in 0..8 {
        ask(n).await;
    }
    let mut most = 0;
    for _ in 0..75 {
        let before = dials.load(Ordering::Relaxed);
        for n in 0..8 {
            ask(n).await;
        }
        most = most.max(dials.load(Ordering::Relaxed) - before);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(dials.load(Ordering::Relaxed) >= 16, "each was opened anew");
    assert!(most <= 2, "{most} in one second");
}

/// When the connections of a pool with this seed end, which were opened together and used once.
async fn ends_of_idle(spread_seed: u64) -> Vec<Duration> {
    const COUNT: usize = 16;
    let config = PoolConfig {
        idle_max: MINUTE,
        spread_seed: Some(spread_seed),
        ..PoolConfig::default()
    };
    let (pool, _) = pool_of(config, |_| Box::pin(served()));
    let begin = Instant::now();
    for n in 0..COUNT {
        let mut request = get("/");
        *request.uri_mut() = format!("http://host{n}/").parse().unwrap();
        drop(pool.clone().call(request).await.unwrap());
    }
    let mut ends = Vec::new();
    while ends.len() < COUNT {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let gone = COUNT - pool.stats().connections;
        ends.resize(gone, begin.elapsed());
        assert!(begin.elapsed() < 2 * MINUTE, "{ends:?}");
    }
    ends
}

#[tokio::test(start_paused = true)]
async fn connections_that_are_idle_together_do_not_end_together() {
    let ends = ends_of_idle(7).await;
    let second = Duration::from_secs(1);
    assert!(ends[0] >= MINUTE * 3 / 4, "{ends:?}");
    assert!(ends[ends.len() - 1] <= MINUTE + second, "{ends:?}");
    // 16 of them in a quarter of a minute.
    let gaps = ends.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(gaps.min().unwrap() > second / 4, "{ends:?}");
    // Another process has connections of the same numbers, and does not end them at the same time.
    assert_eq!(ends, ends_of_idle(7).await);
    assert_ne!(ends, ends_of_idle(8).await);
}

#[tokio::test(start_paused = true)]
async fn a_connection_takes_so_many_requests_and_no_more() {
    let config = PoolConfig {
        requests_max: Some(4),
        ..PoolConfig::default()
    };
    let (mut pool, dials) = pool_of(config, |_| Box::pin(served()));
    for _ in 0..10 {
        drop(pool.call(get("/")).await.unwrap());
    }
    assert_eq!(dials.load(Ordering::Relaxed), 3);
    let config = PoolConfig {
        requests_max: Some(0),
        age_max: Some(Duration::ZERO),
        ..PoolConfig::default()
    };
    let (mut pool, _) = pool_of(config, |_| Box::pin(served()));
    pool.call(get("/")).await.unwrap();
}

/// A connection to a peer that begins well and then says nothing any more.
async fn silent() -> Result<Client, Error> {
    let (near, mut far) = tokio::io::duplex(65_536);
    tokio::spawn(async move {
        // The preface is 24 bytes long, and SETTINGS follow; then our own, and the acknowledgement.
        far.read_exact(&mut [0; 25]).await.unwrap();
        let begin = [0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0];
        far.write_all(&begin).await.unwrap();
        tokio::time::sleep(10 * MINUTE).await;
        drop(far);
    });
    connect(near).await
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_owes_a_sign_of_life_gets_no_more_requests() {
    let (mut pool, dials) = pool_of(PoolConfig::default(), |n| match n {
        0 => Box::pin(silent()),
        _ => Box::pin(served()),
    });
    let first = pool.call(get("/"));
    let mut first = tokio::spawn(first);
    let interval = Config::default().keep_alive_interval.unwrap();
    tokio::time::sleep(interval + Duration::from_secs(1)).await;
    assert!(timeout(Duration::ZERO, &mut first).await.is_err());
    let answer = timeout(Duration::from_secs(1), pool.call(get("/"))).await;
    drop(answer.expect("by another connection").unwrap());
    assert_eq!(dials.load(Ordering::Relaxed), 2);
    // The PING is not answered, and the request that was sent has an end.
    let ended = timeout(MINUTE, first).await.expect("a deadline");
    assert_eq!(ended.unwrap().unwrap_err().retry(), Retry::IfIdempotent);
    assert_eq!(pool.stats().connections, 1);
}

/// A connection to a server of one stream at a time that leaves every answer open.
async fn serving_one_without_end() -> Result<Client, Error> {
    let (near, far) = tokio::io::duplex(65_536);
    let open = |_| http::Response::new(support::Stuck.boxed_unsync());
    let config = Config {
        concurrent_streams_max: 1,
        ..Config::default()
    };
    tokio::spawn(raddle_io::serve_connection(far, Echo(open), config));
    let client = connect(near).await?;
    // The server's limit has arrived.
    client.ping().await?;
    Ok(client)
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_connection_that_grows_old_goes_to_the_next_one() {
    let config = PoolConfig {
        connections_max: 1,
        age_max: Some(MINUTE),
        wait_max: 10 * MINUTE,
        idle_max: 100 * MINUTE,
        ..PoolConfig::default()
    };
    let (mut pool, dials) = pool_of(config, |n| match n {
        0 => Box::pin(serving_one_without_end()),
        _ => Box::pin(served()),
    });
    let first = pool.call(get("/")).await.unwrap();
    let waits = tokio::spawn(pool.call(get("/")));
    tokio::time::sleep(MINUTE).await;
    assert!(!waits.is_finished());
    // This one finds that the connection is old, and opens the next.
    drop(pool.call(get("/")).await.unwrap());
    assert_eq!(dials.load(Ordering::Relaxed), 2);
    let waited = timeout(MINUTE, waits).await;
    drop(waited.expect("there is room").unwrap().unwrap());
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_idle_from_the_end_of_its_last_stream() {
    let config = PoolConfig {
        idle_max: MINUTE,
        spread_seed: Some(7),
        ..PoolConfig::default()
    };
    let (mut pool, _) = pool_of(config, |_| Box::pin(serving_without_end()));
    let first = pool.call(get("/")).await.unwrap();
    // In use for 44 seconds.
    tokio::time::sleep(Duration::from_secs(44)).await;
    drop(first);
    let idle_from = Instant::now();
    while pool.stats().connections > 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(
        idle_from.elapsed() >= MINUTE * 3 / 4,
        "idle for {:?}",
        idle_from.elapsed()
    );
}
