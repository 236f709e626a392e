//! What the failures of backends cost: the proxy alone, over pipes and in virtual time.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use raddle_io::{
    Config, Dialing, Error, ErrorCode, Pool, RecvBody, Responder, Target, serve_connection,
};
use raddle_lb::{
    backends::Backends, body::AnyBody, echo::EchoService, fields, limits::Limits, notice::Notices,
    proxy::Proxy,
};
use tokio::{
    io::DuplexStream,
    sync::{
        Notify,
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    },
    time::{Instant, sleep, timeout},
};

/// How long a dial takes.
const DIAL: Duration = Duration::from_millis(10);
/// In virtual time: longer than anything takes that is not stuck.
const MINUTE: Duration = Duration::from_secs(60);

/// A proxy before so many backends, to which `connect` opens connections.
fn proxy(
    backends: usize,
    limits: &Limits,
    connect: impl Fn(Target) -> Dialing + Send + Sync + 'static,
) -> Arc<Proxy> {
    telling_proxy(backends, limits, connect, |_| {})
}

/// The same, which hands its notices to `tell`.
fn telling_proxy(
    backends: usize,
    limits: &Limits,
    connect: impl Fn(Target) -> Dialing + Send + Sync + 'static,
    tell: impl Fn(&str) + Send + Sync + 'static,
) -> Arc<Proxy> {
    let target = |n| Target::of(&format!("http://backend{n}").parse().unwrap()).unwrap();
    let backends = Backends::new((0..backends).map(target).collect(), limits);
    let backends = backends.telling(Notices::to(tell));
    let pool = Pool::new(connect, limits.pool_config());
    Arc::new(Proxy::new(backends, pool, limits.clone()))
}

async fn get(proxy: &Proxy) -> Response<AnyBody> {
    let client = fields::Client {
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        encrypted: true,
    };
    let request = Request::get("https://test/").body(AnyBody::empty());
    let answer = proxy.answer(request.unwrap(), client);
    timeout(MINUTE, answer).await.expect("an answer in time")
}

/// Counts its dials, each of which takes a moment and fails.
fn refusing(dials: &Arc<AtomicUsize>) -> impl Fn(Target) -> Dialing + Send + Sync + 'static {
    let dials = Arc::clone(dials);
    move |_| {
        dials.fetch_add(1, Ordering::Relaxed);
        Box::pin(async {
            sleep(DIAL).await;
            Err(Error::connect("refused"))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn who_waited_for_one_dial_together_puts_the_backend_back_by_one_step() {
    let dials = Arc::new(AtomicUsize::new(0));
    let limits = Limits::default();
    let proxy = proxy(1, &limits, refusing(&dials));
    for round in 1..=3 {
        let asked: Vec<_> = (0..20)
            .map(|_| {
                let proxy = Arc::clone(&proxy);
                tokio::spawn(async move { get(&proxy).await.status() })
            })
            .collect();
        for answer in asked {
            assert_eq!(answer.await.unwrap(), StatusCode::BAD_GATEWAY);
        }
        assert_eq!(dials.load(Ordering::Relaxed), round);
        // Until the pause is over, nobody asks there.
        let pause = limits.back_off_min * (1 << (round - 1));
        sleep(pause - Duration::from_millis(1)).await;
        let refused = get(&proxy).await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
        assert_eq!(dials.load(Ordering::Relaxed), round);
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_no_dial_has_brought_is_no_failure() {
    let dials = Arc::new(AtomicUsize::new(0));
    let limits = Limits::default();
    let proxy = proxy(1, &limits, refusing(&dials));
    // The pool has seen a row of failures, of which the proxy was told nothing.
    for dialed in 1..=7 {
        assert!(timeout(DIAL / 2, get(&proxy)).await.is_err(), "it waits");
        assert_eq!(dials.load(Ordering::Relaxed), dialed);
        sleep(Duration::from_secs(5)).await;
    }
    // Whatever it hears of from now on comes from a dial.
    for step in 0..3 {
        assert_eq!(get(&proxy).await.status(), StatusCode::BAD_GATEWAY);
        assert_eq!(dials.load(Ordering::Relaxed), 8 + step);
        sleep(limits.back_off_min * (1 << step)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_runs_it_is_told_what_is_down_and_why_and_what_is_back() {
    let dials = AtomicUsize::new(0);
    let connect = move |_: Target| -> Dialing {
        let failing = dials.fetch_add(1, Ordering::Relaxed) < 2;
        Box::pin(async move {
            sleep(DIAL).await;
            if failing {
                return Err(Error::connect("nobody listens there"));
            }
            let (near, far) = tokio::io::duplex(65_536);
            let echo = EchoService::new("echo");
            tokio::spawn(serve_connection(far, echo, Config::default()));
            let (client, driver) = raddle_io::connect(near, Config::default()).await?;
            tokio::spawn(driver);
            Ok(client)
        })
    };
    let (tell, mut told) = unbounded_channel();
    let limits = Limits::default();
    let proxy = telling_proxy(1, &limits, connect, move |line| {
        tell.send(line.to_owned()).unwrap();
    });
    for step in 0..3 {
        let asked: Vec<_> = (0..20).map(|_| ask(&proxy)).collect();
        let status = [StatusCode::BAD_GATEWAY, StatusCode::OK][usize::from(step == 2)];
        for answer in asked {
            assert_eq!(answer.await.unwrap(), status);
        }
        sleep(limits.back_off_min * (1 << step)).await;
    }
    drop(proxy);
    let mut lines = Vec::new();
    while let Some(line) = told.recv().await {
        lines.push(line);
    }
    let down = |pause| {
        format!(
            "backend http://backend0:80 is down, and left alone for {pause}: \
             the connection could not be opened: nobody listens there"
        )
    };
    let back = "backend http://backend0:80 is back".to_owned();
    assert_eq!(lines, [down("250ms"), down("500ms"), back]);
}

/// A request at a backend.
type Asked = (Request<RecvBody>, Responder);

/// Hands the requests to every backend to the test. A backend takes one at a time.
fn narrow(
    asked: &UnboundedSender<(Target, Asked)>,
) -> impl Fn(Target) -> Dialing + Send + Sync + 'static {
    let asked = asked.clone();
    move |target| {
        let asked = asked.clone();
        Box::pin(async move {
            let (near, far) = tokio::io::duplex(65_536);
            tokio::spawn(hand_on(far, target, asked));
            let (client, driver) = raddle_io::connect(near, Config::default()).await?;
            tokio::spawn(driver);
            client.settled().await?;
            Ok(client)
        })
    }
}

async fn hand_on(io: DuplexStream, target: Target, asked: UnboundedSender<(Target, Asked)>) {
    let config = Config {
        concurrent_streams_max: 1,
        ..Config::default()
    };
    let (mut server, driver) = raddle_io::accept(io, config).await.unwrap();
    tokio::spawn(driver);
    while let Some(request) = server.accept().await {
        if asked.send((target.clone(), request)).is_err() {
            return;
        }
    }
}

/// So many backends that take one request at a time, over one connection each.
fn narrow_backends(
    backends: usize,
    limits: Limits,
) -> (Arc<Proxy>, UnboundedReceiver<(Target, Asked)>) {
    let limits = Limits {
        backend_connections_max: 1,
        ..limits
    };
    let (asked, at_backend) = unbounded_channel();
    (proxy(backends, &limits, narrow(&asked)), at_backend)
}

fn ask(proxy: &Arc<Proxy>) -> tokio::task::JoinHandle<StatusCode> {
    let proxy = Arc::clone(proxy);
    tokio::spawn(async move { get(&proxy).await.status() })
}

/// The next request at a backend.
async fn next(at_backend: &mut UnboundedReceiver<(Target, Asked)>) -> (Target, Asked) {
    let asked = timeout(MINUTE, at_backend.recv()).await;
    asked.expect("a request in time").expect("a backend")
}

fn answer((_, (_, responder)): (Target, Asked)) {
    responder.respond_full(Response::new(Bytes::new()));
}

#[tokio::test(start_paused = true)]
async fn a_full_backend_is_waited_for_once() {
    let limits = Limits::default();
    let (proxy, mut at_backend) = narrow_backends(1, limits.clone());
    let first = ask(&proxy);
    let held = next(&mut at_backend).await;
    let start = Instant::now();
    let refused = get(&proxy).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
    let waited = start.elapsed();
    assert!(
        waited >= limits.backend_wait && waited < limits.backend_wait + Duration::from_secs(1),
        "{waited:?}"
    );
    answer(held);
    assert_eq!(first.await.unwrap(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn several_full_backends_together_are_waited_for_once() {
    let limits = Limits::default();
    let (proxy, mut at_backend) = narrow_backends(3, limits.clone());
    let first = [ask(&proxy), ask(&proxy), ask(&proxy)];
    let mut held = Vec::new();
    for _ in &first {
        held.push(next(&mut at_backend).await);
    }
    let start = Instant::now();
    let refused = get(&proxy).await;
    let waited = start.elapsed();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
    assert!(
        waited >= limits.backend_wait && waited < limits.backend_wait + Duration::from_secs(1),
        "{waited:?}"
    );
    let text = refused.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(
        text,
        "raddle: every backend is busy, and no stream came free in time\n"
    );
    // One that gets room meanwhile is asked though nothing of the time is left.
    let waiting = ask(&proxy);
    sleep(limits.backend_wait / 2).await;
    answer(held.remove(0));
    answer(next(&mut at_backend).await);
    assert_eq!(waiting.await.unwrap(), StatusCode::OK);
    held.into_iter().for_each(answer);
    for asked in first {
        assert_eq!(asked.await.unwrap(), StatusCode::OK);
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_no_time_left_to_dial_marks_nobody_as_down() {
    let limits = Limits {
        backend_connections_max: 1,
        ..Limits::default()
    };
    let (asked, mut at_backend) = unbounded_channel();
    let (dials, leaves) = (AtomicUsize::new(0), Arc::new(Notify::new()));
    let leaving = Arc::clone(&leaves);
    let connect = move |target: Target| -> Dialing {
        // The second backend leaves when it is told to, and takes long to come back.
        let second = target.host() == "backend1";
        let comes_back = second && dials.fetch_add(1, Ordering::Relaxed) > 0;
        let leaves = [Arc::default(), Arc::clone(&leaving)][usize::from(second)].clone();
        let asked = asked.clone();
        Box::pin(async move {
            if comes_back {
                sleep(Limits::default().dial / 2).await;
            }
            let (near, far) = tokio::io::duplex(65_536);
            tokio::spawn(async move {
                tokio::select! {
                    biased;
                    () = Notify::notified(&leaves) => {}
                    () = hand_on(far, target, asked) => {}
                }
            });
            let (client, driver) = raddle_io::connect(near, Config::default()).await?;
            tokio::spawn(driver);
            client.settled().await?;
            Ok(client)
        })
    };
    let (tell, mut told) = unbounded_channel();
    let proxy = telling_proxy(2, &limits, connect, move |line| {
        tell.send(line.to_owned()).unwrap();
    });
    let first = [ask(&proxy), ask(&proxy)];
    let held = [next(&mut at_backend).await, next(&mut at_backend).await];
    // It waits at the first backend for all of its time, and the second one has no connection when that is over.
    let waiting = ask(&proxy);
    sleep(limits.backend_wait / 2).await;
    leaves.notify_one();
    let [stays, goes] = held;
    assert_eq!(goes.0.host(), "backend1");
    sleep(DIAL).await;
    answer(goes);
    assert_eq!(waiting.await.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
    // That is no fault of the second one's, and whoever has the time for it gets there.
    assert!(told.try_recv().is_err());
    let patient = ask(&proxy);
    let asked = next(&mut at_backend).await;
    assert_eq!(asked.0.host(), "backend1");
    answer(asked);
    answer(stays);
    for asked in first.into_iter().chain([patient]) {
        assert_eq!(asked.await.unwrap(), StatusCode::OK);
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_backend_is_left_for_another_one() {
    let (proxy, mut at_backend) = narrow_backends(2, Limits::default());
    let held = [ask(&proxy), ask(&proxy)];
    let (one, other) = (next(&mut at_backend).await, next(&mut at_backend).await);
    assert_ne!(one.0, other.0);
    // Two that wait, one at each. While they do, one backend gets room, which takes the one that waits there.
    let waiting = [ask(&proxy), ask(&proxy)];
    sleep(Limits::default().backend_wait / 2).await;
    let free = one.0.clone();
    answer(one);
    let third = next(&mut at_backend).await;
    assert_eq!(third.0, free);
    answer(third);
    // The other one has waited for long enough, and goes there.
    let fourth = next(&mut at_backend).await;
    assert_eq!(fourth.0, free);
    answer(fourth);
    for asked in waiting {
        assert_eq!(asked.await.unwrap(), StatusCode::OK);
    }
    answer(other);
    for asked in held {
        assert_eq!(asked.await.unwrap(), StatusCode::OK);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_sent_again_leaves_the_budget_alone() {
    // One resend, and what five requests earn.
    let limits = Limits {
        resends_saved_max: 1,
        ..Limits::default()
    };
    let (proxy, mut at_backend) = narrow_backends(1, limits);
    let first = ask(&proxy);
    let held = next(&mut at_backend).await;
    // There is nowhere else to send it.
    assert_eq!(get(&proxy).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    answer(held);
    assert_eq!(first.await.unwrap(), StatusCode::OK);
    let refused = ask(&proxy);
    let (_, (_, responder)) = next(&mut at_backend).await;
    responder.reset(ErrorCode::REFUSED_STREAM);
    answer(next(&mut at_backend).await);
    assert_eq!(refused.await.unwrap(), StatusCode::OK);
}
