//! Our server against clients that others wrote: nghttp, h2load, curl and hyper.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Collected, Full, combinators::UnsyncBoxBody};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use raddle_lb::{echo::Echo, shutdown::Shutdown};
use raddle_tests::{
    patience::within,
    peers::{CURL, H2LOAD, NGHTTP},
    samples::{TemporaryDirectory, assert_same, pattern},
};
use tokio::{net::TcpStream, task::JoinSet};

/// For a whole test. The longest takes a few seconds without optimization.
const LIMIT: Duration = Duration::from_secs(60);
const MIB: usize = 1024 * 1024;

/// Our server, which serves until this is finished.
struct Serving {
    address: SocketAddr,
    shutdown: Shutdown,
}

impl Serving {
    async fn start() -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let echo = Echo::bind(any, None).await.unwrap();
        let address = echo.address().unwrap();
        let shutdown = Shutdown::default();
        tokio::spawn(echo.run(shutdown.guard()));
        Self { address, shutdown }
    }

    fn uri(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Ends every connection: a stream that the client has left and we have not would hold this up.
    async fn finish(self) {
        let limit = Duration::from_secs(10);
        assert!(self.shutdown.finish(limit).await, "the server's end");
    }
}

#[tokio::test]
async fn nghttp_gets_several_resources_on_one_connection() {
    let Some(nghttp) = NGHTTP.find() else { return };
    let serving = Serving::start().await;
    let paths = ["/", "/bytes/70000", "/status/404", "/trailers", "/delay/20"];
    let uris = paths.map(|path| serving.uri(path));
    let printed = nghttp.run(LIMIT, &uris).await;
    let name = serving.address;
    let lines = [
        format!("hello from {name}\n"),
        "404 Not Found\n".to_owned(),
        "a body with trailers behind it\n".to_owned(),
        format!("{name} after 20 ms\n"),
    ];
    // nghttp prints the bodies frame by frame as they come: each line is one frame, and has no x in it.
    for line in &lines {
        printed.assert_says(line);
    }
    let text = printed.text();
    assert_eq!(text.matches('x').count(), 70_000);
    assert_eq!(text.len(), 70_000 + lines.concat().len());
    serving.finish().await;
}

#[tokio::test]
async fn nghttp_sees_statuses_and_trailers() {
    let Some(nghttp) = NGHTTP.find() else { return };
    let serving = Serving::start().await;
    let uris = ["/trailers", "/status/204", "/status/503"].map(|path| serving.uri(path));
    let arguments = ["--verbose", "--null-out"].map(str::to_owned);
    let printed = nghttp.run(LIMIT, arguments.into_iter().chain(uris)).await;
    for line in [
        ":status: 200",
        ":status: 204",
        ":status: 503",
        "x-checksum: 31",
    ] {
        printed.assert_says(line);
    }
    assert!(!printed.text().contains("RST_STREAM"), "{printed}");
    serving.finish().await;
}

#[tokio::test]
async fn nghttp_uploads_and_gets_back_a_mebibyte() {
    let Some(nghttp) = NGHTTP.find() else { return };
    let serving = Serving::start().await;
    let (directory, whole) = (TemporaryDirectory::new().unwrap(), pattern(MIB));
    let file = directory.write("upload", &whole).unwrap();
    let uri = serving.uri("/echo");
    let printed = nghttp
        .run(LIMIT, ["-d".into(), file.into_os_string(), uri.into()])
        .await;
    assert_same("the echo", &printed.stdout, &whole);
    serving.finish().await;
}

#[tokio::test]
async fn h2load_has_twenty_thousand_requests_answered() {
    let Some(h2load) = H2LOAD.find() else { return };
    let serving = Serving::start().await;
    let options = ["-n", "20000", "-c", "4", "-m", "50"].map(str::to_owned);
    let printed = h2load
        .run(LIMIT, options.into_iter().chain([serving.uri("/")]))
        .await;
    printed.assert_h2load_succeeded(20_000);
    serving.finish().await;
}

/// Runs curl with these arguments over HTTP/2 without TLS; answers the body and "VERSION STATUS".
async fn curl(arguments: &[&str]) -> Option<(Vec<u8>, String)> {
    let curl = CURL.find()?;
    let directory = TemporaryDirectory::new().unwrap();
    let body = directory.path().join("body");
    // No configuration file and no proxy of the user's comes between.
    let mut all: Vec<_> = ["--disable", "--noproxy", "*", "--silent", "--show-error"].to_vec();
    all.extend([
        "--http2-prior-knowledge",
        "-w",
        "%{http_version} %{http_code}",
    ]);
    all.extend(["--output", body.to_str().unwrap()]);
    all.extend(arguments);
    let printed = curl.run(LIMIT, &all).await;
    // No body, no file.
    let body = std::fs::read(body).unwrap_or_default();
    Some((body, printed.text()))
}

#[tokio::test]
async fn curl_gets_over_http2() {
    let serving = Serving::start().await;
    let Some((body, status)) = curl(&[&serving.uri("/")]).await else {
        return;
    };
    assert_eq!(status, "2 200");
    assert_eq!(body, format!("hello from {}\n", serving.address).as_bytes());
    for code in ["204", "404", "503"] {
        let uri = serving.uri(&format!("/status/{code}"));
        let (_, status) = curl(&[&uri]).await.unwrap();
        assert_eq!(status, format!("2 {code}"));
    }
    let (body, status) = curl(&["--head", &serving.uri("/bytes/5")]).await.unwrap();
    let head = String::from_utf8_lossy(&body);
    assert_eq!(status, "2 200");
    assert!(head.contains("content-length: 5\r\n"), "{head}");
    serving.finish().await;
}

#[tokio::test]
async fn curl_posts_a_mebibyte_and_gets_it_back() {
    let serving = Serving::start().await;
    let (directory, whole) = (TemporaryDirectory::new().unwrap(), pattern(MIB));
    let file = directory.write("upload", &whole).unwrap();
    let data = format!("@{}", file.display());
    let Some((body, status)) = curl(&["--data-binary", &data, &serving.uri("/echo")]).await else {
        return;
    };
    assert_eq!(status, "2 200");
    assert_same("the echo", &body, &whole);
    serving.finish().await;
}

#[tokio::test]
async fn curl_sees_trailers() {
    let serving = Serving::start().await;
    let directory = TemporaryDirectory::new().unwrap();
    let fields = directory.path().join("fields");
    let dump = ["--dump-header", fields.to_str().unwrap()];
    let uri = serving.uri("/trailers");
    let Some((body, status)) = curl(&[dump[0], dump[1], &uri]).await else {
        return;
    };
    assert_eq!(status, "2 200");
    assert_eq!(body, b"a body with trailers behind it\n");
    let fields = std::fs::read_to_string(fields).unwrap();
    assert!(fields.contains("x-checksum: 31"), "{fields}");
    serving.finish().await;
}

type AnyBody = UnsyncBoxBody<Bytes, Infallible>;

/// One connection of hyper's.
async fn hyper_client(serving: &Serving) -> SendRequest<AnyBody> {
    let io = TcpStream::connect(serving.address).await.unwrap();
    io.set_nodelay(true).unwrap();
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(io))
            .await
            .unwrap();
    tokio::spawn(connection);
    sender
}

async fn send(
    sender: &mut SendRequest<AnyBody>,
    request: Request<AnyBody>,
) -> hyper::Result<Response<Collected<Bytes>>> {
    sender.ready().await?;
    let (head, body) = sender.send_request(request).await?.into_parts();
    Ok(Response::from_parts(head, body.collect().await?))
}

#[tokio::test]
async fn hyper_has_a_thousand_concurrent_gets_answered() {
    within(LIMIT, "1,000 GETs by hyper", async {
        let serving = Serving::start().await;
        let sender = hyper_client(&serving).await;
        let mut tasks = JoinSet::new();
        for number in 0..1_000 {
            let (mut sender, uri) = (sender.clone(), serving.uri(&format!("/bytes/{number}")));
            tasks.spawn(async move {
                let request = Request::get(&uri).body(Full::default().boxed_unsync());
                let response = send(&mut sender, request.unwrap()).await.unwrap();
                assert_eq!(response.status(), 200, "{uri}");
                let body = response.into_body().to_bytes();
                assert_eq!(body, "x".repeat(number), "{uri}");
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        drop(sender);
        serving.finish().await;
    })
    .await;
}

#[tokio::test]
async fn hyper_gets_back_ten_mebibytes_and_their_trailers() {
    within(LIMIT, "an echo to hyper", async {
        let serving = Serving::start().await;
        let mut sender = hyper_client(&serving).await;
        let whole = pattern(10 * MIB);
        let trailers = HeaderMap::from_iter([(
            "x-end".parse().unwrap(),
            HeaderValue::from_static("of the request"),
        )]);
        let sent = trailers.clone();
        let body = Full::new(whole.clone()).with_trailers(async { Some(Ok(sent)) });
        let request = Request::post(serving.uri("/echo")).body(body.boxed_unsync());
        let response = send(&mut sender, request.unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.body().trailers(), Some(&trailers));
        assert_same("the echo", &response.into_body().to_bytes(), &whole);
        drop(sender);
        serving.finish().await;
    })
    .await;
}
