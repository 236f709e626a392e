//! Proxies that others wrote between our client and our server, over HTTP/2 on both sides: nghttpx, HAProxy and nginx.

use std::{future::poll_fn, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use raddle_io::{Client, Config};
use raddle_lb::{echo::Echo, shutdown::Shutdown};
use raddle_tests::{
    patience::within,
    peers::{HAPROXY, NGHTTPX, NGINX, Server},
    samples::{TemporaryDirectory, assert_same, pattern},
};
use tokio::{net::TcpStream, task::JoinSet};
use tower_service::Service;

/// For a whole test. Each takes a second or two without optimization.
const LIMIT: Duration = Duration::from_secs(60);
const MIB: usize = 1024 * 1024;

/// Our server, which ends with the test.
async fn backend() -> (SocketAddr, Shutdown) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let echo = Echo::bind(any, None).await.unwrap();
    let address = echo.address().unwrap();
    let shutdown = Shutdown::default();
    tokio::spawn(echo.run(shutdown.guard()));
    (address, shutdown)
}

async fn send(
    client: &mut Client,
    request: Request<Full<Bytes>>,
) -> (StatusCode, Bytes, Option<HeaderMap>) {
    poll_fn(|cx| Service::<Request<Full<Bytes>>>::poll_ready(client, cx))
        .await
        .unwrap();
    let (head, body) = client.call(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned();
    (head.status, body.to_bytes(), trailers)
}

fn get(path: &str) -> Request<Full<Bytes>> {
    let request = Request::get(format!("http://localhost{path}"));
    request.body(Full::default()).unwrap()
}

/// Two hundred downloads, fifty at a time, an upload of 1 MiB that comes back, a status, and trailers. All of it over one
/// connection of ours to the proxy.
async fn exchange(proxy: &Server) {
    let io = TcpStream::connect(proxy.address()).await.unwrap();
    io.set_nodelay(true).unwrap();
    let (mut client, driver) = raddle_io::connect(io, Config::default()).await.unwrap();
    tokio::spawn(driver);
    let mut tasks = JoinSet::new();
    for first in 0..50 {
        let mut client = client.clone();
        tasks.spawn(async move {
            for number in (first..200).step_by(50) {
                let path = format!("/bytes/{}", number * 100);
                let (status, body, _) = send(&mut client, get(&path)).await;
                assert_eq!((status.as_u16(), body.len()), (200, number * 100), "{path}");
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let whole = pattern(MIB);
    let upload = Request::post("http://localhost/echo");
    let upload = upload.body(Full::new(whole.clone())).unwrap();
    let (status, body, _) = send(&mut client, upload).await;
    assert_eq!(status, 200);
    assert_same("the echo", &body, &whole);
    assert_eq!(send(&mut client, get("/status/404")).await.0, 404);
    let (_, _, trailers) = send(&mut client, get("/trailers")).await;
    let trailers = trailers.expect("they pass");
    assert_eq!(trailers.get("x-checksum").unwrap(), "31");
    let stats = client.stats();
    assert_eq!(stats.streams_opened, 203);
    assert_eq!((stats.resets_received, stats.resets_sent), (0, 0));
}

/// Ends the proxy before the backend, which has to be left with no stream open.
async fn finish(proxy: Server, shutdown: Shutdown) {
    drop(proxy);
    assert!(
        shutdown.finish(Duration::from_secs(10)).await,
        "the backend's end"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nghttpx_stands_between_our_client_and_our_server() {
    let Some(nghttpx) = NGHTTPX.find() else {
        return;
    };
    within(LIMIT, "nghttpx", async {
        let (backend, shutdown) = backend().await;
        let proxy = nghttpx.serve(|port| {
            let front = format!("--frontend=127.0.0.1,{port};no-tls");
            let back = format!("--backend=127.0.0.1,{};;proto=h2", backend.port());
            let options = [
                "--conf=/dev/null",
                "--single-process",
                "--workers=1",
                "--log-level=ERROR",
            ];
            options.map(str::to_owned).into_iter().chain([front, back])
        });
        let proxy = proxy.await;
        exchange(&proxy).await;
        finish(proxy, shutdown).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_stands_between_our_client_and_our_server() {
    let Some(haproxy) = HAPROXY.find() else {
        return;
    };
    within(LIMIT, "HAProxy", async {
        let (backend, shutdown) = backend().await;
        let directory = TemporaryDirectory::new().unwrap();
        let proxy = haproxy.serve(|port| {
            // HAProxy 2.6 grants a stream 64 KiB and buffers 16. While that buffer is full it reads nothing more from the
            // whole connection, not even the WINDOW_UPDATE behind those bytes, which RFC 9113 §5.2.2 forbids. With an echo
            // that fills both sides, where whoever reads here came a little late, each side waited for the update that lay
            // unread on the other. A recording of both sides had every byte of credit that HAProxy gave used up, our updates
            // sent (277,357 and 49,211 bytes), and 65,537 and 65,460 bytes unread in its two sockets, none in ours. It does
            // the same, always, to Python's h2 at both ends when that gives credit only once all is quiet; nghttpx passes
            // that. No buffer fills here that holds a whole body.
            let buffer = MIB + 64 * 1024;
            let text = format!(
                "global\n tune.bufsize {buffer}\n\
                 defaults\n mode http\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n\
                 frontend front\n bind 127.0.0.1:{port} proto h2\n default_backend back\n\
                 backend back\n server one {backend} proto h2\n"
            );
            let file = directory.write("haproxy.cfg", text.as_bytes()).unwrap();
            ["-db".into(), "-q".into(), "-f".into(), file.into_os_string()]
        });
        let proxy = proxy.await;
        exchange(&proxy).await;
        finish(proxy, shutdown).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_stands_between_our_client_and_our_server() {
    let Some(nginx) = NGINX.find() else { return };
    within(LIMIT, "nginx", async {
        let (backend, shutdown) = backend().await;
        let directory = TemporaryDirectory::new().unwrap();
        let folder = directory.path().to_str().unwrap().to_owned();
        // It speaks HTTP/2 to backends of gRPC alone, and does not ask whether that is what they speak.
        let proxy = nginx.serve(|port| {
            let text = format!(
                "daemon off; master_process off; pid {folder}/pid; error_log stderr crit;\n\
                 events {{ worker_connections 100; }}\n\
                 http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;\n\
                 fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n\
                 client_max_body_size 10m;\n\
                 server {{ listen 127.0.0.1:{port} http2; location / {{ grpc_pass grpc://{backend}; }} }} }}\n"
            );
            let file = directory.write("nginx.conf", text.as_bytes()).unwrap();
            let prefix = ["-p".into(), folder.clone().into()];
            prefix.into_iter().chain(["-c".into(), file.into_os_string()])
        });
        let proxy = proxy.await;
        exchange(&proxy).await;
        finish(proxy, shutdown).await;
    })
    .await;
}
