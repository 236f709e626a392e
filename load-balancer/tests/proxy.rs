//! The load balancer in this process, with real sockets on ports that the system chooses.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use raddle_io::{Config, Dialer, ErrorCode, Pool, PoolConfig, RecvBody, Target, tls};
use raddle_lb::{
    limits::Limits,
    start::{Options, Running, start},
};
use tokio::net::TcpListener;
use tower_service::Service;

async fn balancer(backends: Vec<SocketAddr>, limits: Limits) -> Running {
    let backends = backends
        .into_iter()
        .map(|address| target(&format!("http://{address}")))
        .collect();
    let options = Options {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        backends,
        certificate: None,
        insecure_backends: false,
        limits,
    };
    start(options).await.unwrap()
}

fn target(uri: &str) -> Target {
    Target::of(&uri.parse::<Uri>().unwrap()).unwrap()
}

/// A client that takes the self-signed certificate.
fn client() -> Pool {
    let dialer = Dialer::new(Config::default()).tls(tls::Connector::new(tls::Trust::Anyone));
    Pool::new(dialer, PoolConfig::default())
}

async fn send(pool: &mut Pool, request: Request<Full<Bytes>>) -> Response<RecvBody> {
    tokio::time::timeout(Duration::from_secs(20), pool.call(request))
        .await
        .expect("an answer in time")
        .unwrap()
}

async fn get(running: &Running, path: &str) -> (StatusCode, String) {
    let uri = format!("https://{}{path}", running.address);
    let response = send(
        &mut client(),
        Request::get(uri).body(Full::default()).unwrap(),
    )
    .await;
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8_lossy(&body).into_owned())
}

/// An address where nobody listens.
async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

/// A backend that refuses every stream before it is processed.
async fn refusing() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((io, _)) = listener.accept().await {
            let (mut server, driver) = raddle_io::accept(io, Config::default()).await.unwrap();
            tokio::spawn(driver);
            tokio::spawn(async move {
                while let Some((_, responder)) = server.accept().await {
                    responder.reset(ErrorCode::REFUSED_STREAM);
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn requests_and_bodies_pass_with_their_fields_rewritten() {
    let running = balancer(Vec::new(), Limits::default()).await;
    let (status, text) = get(&running, "/headers").await;
    assert_eq!(status, 200);
    for line in [
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-proto: https",
        "via: 2 raddle",
    ] {
        assert!(text.contains(line), "{line:?} is not in {text}");
    }
    assert!(
        text.contains(&format!("//{}/headers", running.address)),
        "the client's authority: {text}"
    );
    let whole = Bytes::from(
        (0..1_048_576u32)
            .map(|at| (at % 253) as u8)
            .collect::<Vec<_>>(),
    );
    let uri = format!("https://{}/", running.address);
    let mut pool = client();
    let response = send(
        &mut pool,
        Request::post(&uri).body(Full::new(whole.clone())).unwrap(),
    )
    .await;
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        whole
    );
    let head = send(
        &mut pool,
        Request::head(&uri).body(Full::default()).unwrap(),
    )
    .await;
    assert_eq!(head.headers()["via"], "2 raddle");
    assert!(
        head.into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .is_empty()
    );
    let trailers = Request::get(format!("{uri}trailers"))
        .body(Full::default())
        .unwrap();
    let collected = send(&mut pool, trailers)
        .await
        .into_body()
        .collect()
        .await
        .unwrap();
    assert_eq!(collected.trailers().unwrap()["x-checksum"], "31");
    let connect = Request::builder()
        .method(Method::CONNECT)
        .uri(running.address.to_string());
    let mut connect = connect.body(Full::default()).unwrap();
    connect
        .extensions_mut()
        .insert(raddle_io::PoolTarget(target(&uri)));
    assert_eq!(
        send(&mut pool, connect).await.status(),
        StatusCode::METHOD_NOT_ALLOWED
    );
    drop(pool);
    assert!(running.finish().await);
}

#[tokio::test]
async fn statuses_of_the_backend_pass_as_they_are() {
    let running = balancer(Vec::new(), Limits::default()).await;
    for code in [204, 304, 404, 503] {
        assert_eq!(
            get(&running, &format!("/status/{code}")).await.0.as_u16(),
            code
        );
    }
}

#[tokio::test]
async fn a_dead_backend_is_502_and_then_503() {
    let running = balancer(
        vec![nobody().await],
        Limits {
            back_off_min: Duration::from_secs(60),
            back_off_max: Duration::from_secs(60),
            ..Limits::default()
        },
    )
    .await;
    let (status, text) = get(&running, "/").await;
    assert_eq!(
        (status, text.as_str()),
        (
            StatusCode::BAD_GATEWAY,
            "raddle: no backend could be reached\n"
        )
    );
    assert_eq!(get(&running, "/").await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_silent_backend_is_504() {
    let limits = Limits {
        response_head: Duration::from_millis(100),
        ..Limits::default()
    };
    let running = balancer(Vec::new(), limits).await;
    assert_eq!(
        get(&running, "/delay/60000").await.0,
        StatusCode::GATEWAY_TIMEOUT
    );
}

#[tokio::test]
async fn what_was_not_processed_is_sent_to_another_backend() {
    // One backend refuses streams, one is not there, and one answers.
    let answering = balancer_backend().await;
    let running = balancer(
        vec![refusing().await, nobody().await, answering],
        Limits::default(),
    )
    .await;
    for _ in 0..20 {
        assert_eq!(get(&running, "/").await.0, StatusCode::OK);
    }
    let body = Bytes::from_static(b"kept for the second attempt");
    let uri = format!("https://{}/", running.address);
    for _ in 0..10 {
        let request = Request::post(&uri).body(Full::new(body.clone())).unwrap();
        let response = send(&mut client(), request).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(
            response.into_body().collect().await.unwrap().to_bytes(),
            body
        );
    }
}

/// The address of an echo backend that goes on until the test ends.
async fn balancer_backend() -> SocketAddr {
    let echo = raddle_lb::echo::Echo::bind(SocketAddr::from(([127, 0, 0, 1], 0)), None)
        .await
        .unwrap();
    let address = echo.address().unwrap();
    tokio::spawn(async move {
        let shutdown = raddle_lb::shutdown::Shutdown::default();
        echo.run(shutdown.guard()).await;
    });
    address
}

#[tokio::test]
async fn a_drain_waits_for_what_is_in_progress() {
    let running = balancer(Vec::new(), Limits::default()).await;
    let uri = format!("https://{}/delay/300", running.address);
    let mut pool = client();
    // Opened first, so that the request is on its way when the drain begins.
    let warm = Request::get(format!("https://{}/", running.address))
        .body(Full::default())
        .unwrap();
    send(&mut pool, warm)
        .await
        .into_body()
        .collect()
        .await
        .unwrap();
    let request: Request<Full<Bytes>> = Request::get(uri).body(Full::default()).unwrap();
    let mut answer = pool.call(request);
    // One poll puts it on the wire.
    let begun =
        std::future::poll_fn(|cx| std::task::Poll::Ready(answer.as_mut().poll(cx).is_pending()));
    assert!(begun.await);
    assert!(running.finish().await);
    assert_eq!(answer.await.unwrap().status(), StatusCode::OK);
}

/// A backend that reads and never answers, and that ends nothing either.
async fn dumb() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Of a thread and a runtime of its own: its tasks are none of the load balancer's.
    let listener = listener.into_std().unwrap();
    listener.set_nonblocking(false).unwrap();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        while let Ok((mut io, _)) = listener.accept() {
            use std::io::Write;
            // SETTINGS.
            io.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).unwrap();
            held.push(io);
        }
    });
    address
}

#[tokio::test]
async fn after_the_hard_deadline_nothing_lives_on() {
    // Its own backends, and one that never lets go.
    for backends in [Vec::new(), vec![dumb().await]] {
        let limits = Limits {
            drain: Duration::from_millis(50),
            ..Limits::default()
        };
        let metrics = tokio::runtime::Handle::current().metrics();
        let before = metrics.num_alive_tasks();
        let running = balancer(backends, limits).await;
        let uri = format!("https://{}/delay/60000", running.address);
        let dialer = Dialer::new(Config::default()).tls(tls::Connector::new(tls::Trust::Anyone));
        let target = target(&uri);
        let (mut client, driver) = dialer.connect(&target).await.unwrap();
        let mut driver = std::pin::pin!(driver);
        let request = Request::get(uri).body(Full::<Bytes>::default()).unwrap();
        let mut answer = std::pin::pin!(client.call(request));
        let proxy = std::sync::Arc::clone(&running.proxy);
        // Until the request is at its backend.
        while proxy.pool().stats().streams == 0 {
            tokio::select! {
                biased;
                ended = &mut driver => panic!("{ended:?}"),
                answer = &mut answer => panic!("{answer:?}"),
                () = tokio::time::sleep(Duration::from_millis(5)) => {}
            }
        }
        // A client that is not polled takes no part in the end.
        assert!(!running.finish().await, "it was cut");
        assert_eq!(metrics.num_alive_tasks(), before);
        drop(proxy);
    }
}
