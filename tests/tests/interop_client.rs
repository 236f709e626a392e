//! Our client against servers that others wrote: nghttpd, hyper and h2.

use std::{convert::Infallible, future::poll_fn, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Collected, Full, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use raddle_io::{Client, Config, Error};
use raddle_tests::{
    patience::within,
    peers::{NGHTTPD, Server},
    samples::{TemporaryDirectory, assert_same, pattern},
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tower_service::Service;

/// For a whole test. Each takes a second or two without optimization.
const LIMIT: Duration = Duration::from_secs(60);
const TEN_MIB: usize = 10 * 1024 * 1024;
const GETS: usize = 1_000;

type AnyBody = UnsyncBoxBody<Bytes, hyper::Error>;

/// One connection to `address`, the only one of its test.
async fn connect(address: SocketAddr) -> Client {
    let io = TcpStream::connect(address).await.unwrap();
    io.set_nodelay(true).unwrap();
    let (client, driver) = raddle_io::connect(io, Config::default()).await.unwrap();
    tokio::spawn(driver);
    client
}

/// Sends a request as soon as the server allows one more, and reads the whole answer.
async fn send(
    client: &mut Client,
    request: Request<AnyBody>,
) -> Result<(http::response::Parts, Collected<Bytes>), Error> {
    poll_fn(|cx| Service::<Request<AnyBody>>::poll_ready(client, cx)).await?;
    let (head, body) = client.call(request).await?.into_parts();
    Ok((head, body.collect().await?))
}

fn full(body: Bytes) -> AnyBody {
    Full::new(body)
        .map_err(|never| match never {})
        .boxed_unsync()
}

fn get(path: &str) -> Request<AnyBody> {
    let request = Request::get(format!("http://localhost{path}"));
    request.body(full(Bytes::new())).unwrap()
}

fn post(path: &str, body: AnyBody) -> Request<AnyBody> {
    let request = Request::post(format!("http://localhost{path}"));
    request.body(body).unwrap()
}

/// 1,000 GETs on one connection, 100 of them at a time, each for a body of its own.
async fn a_thousand_gets(client: &Client, body_of: fn(usize) -> String) {
    const AT_ONCE: usize = 100;
    let mut tasks = JoinSet::new();
    for first in 0..AT_ONCE {
        let mut client = client.clone();
        tasks.spawn(async move {
            for number in (first..GETS).step_by(AT_ONCE) {
                let (head, body) = send(&mut client, get(&format!("/{number}"))).await.unwrap();
                assert_eq!(head.status, 200, "GET /{number}");
                assert_eq!(body.to_bytes(), body_of(number), "GET /{number}");
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    // No resends, and nothing that the server took back.
    let stats = client.stats();
    assert_eq!(stats.streams_opened, GETS as u64);
    assert_eq!((stats.resets_received, stats.resets_sent), (0, 0));
}

/// 10 MiB there and back, with trailers behind them both ways.
async fn an_echo_with_trailers(client: &mut Client) {
    let whole = pattern(TEN_MIB);
    let trailers = HeaderMap::from_iter([(
        "x-end".parse().unwrap(),
        HeaderValue::from_static("of the request"),
    )]);
    let sent = trailers.clone();
    let body = full(whole.clone()).with_trailers(async { Some(Ok(sent)) });
    let (head, body) = send(client, post("/echo", body.boxed_unsync()))
        .await
        .unwrap();
    assert_eq!(head.status, 200);
    assert_eq!(body.trailers(), Some(&trailers));
    assert_same("the echo", &body.to_bytes(), &whole);
}

/// What the servers in this process answer to `GET /7`.
fn named(number: usize) -> String {
    format!("GET /{number}")
}

/// nghttpd with these files, and the directory that they are in.
async fn nghttpd(files: &[(String, Bytes)]) -> Option<(Server, TemporaryDirectory)> {
    let nghttpd = NGHTTPD.find()?;
    let directory = TemporaryDirectory::new().unwrap();
    for (name, content) in files {
        directory.write(name, content).unwrap();
    }
    let root = directory.path().to_str().unwrap().to_owned();
    let server = nghttpd.serve(|port| {
        let options = ["--no-tls", "--echo-upload", "-a", "127.0.0.1", "-d"].map(str::to_owned);
        options.into_iter().chain([root, port.to_string()])
    });
    Some((server.await, directory))
}

#[tokio::test]
async fn a_thousand_gets_share_one_connection_to_nghttpd() {
    fn content(number: usize) -> String {
        format!("the content of file {number}\n").repeat(1 + number % 7)
    }
    let files: Vec<_> = (0..GETS)
        .map(|number| (number.to_string(), Bytes::from(content(number))))
        .collect();
    within(LIMIT, "1,000 GETs to nghttpd", async {
        let Some((server, _directory)) = nghttpd(&files).await else {
            return;
        };
        let client = connect(server.address()).await;
        a_thousand_gets(&client, content).await;
    })
    .await;
}

#[tokio::test]
async fn ten_mebibytes_come_whole_from_nghttpd() {
    let whole = pattern(TEN_MIB);
    within(LIMIT, "a download from nghttpd", async {
        let Some((server, _directory)) = nghttpd(&[("large".to_owned(), whole.clone())]).await
        else {
            return;
        };
        let mut client = connect(server.address()).await;
        let (head, body) = send(&mut client, get("/large")).await.unwrap();
        assert_eq!(head.status, 200);
        assert_eq!(head.headers["content-length"], TEN_MIB.to_string());
        assert_same("the download", &body.to_bytes(), &whole);
        let (head, _) = send(&mut client, get("/absent")).await.unwrap();
        assert_eq!(head.status, 404);
    })
    .await;
}

#[tokio::test]
async fn ten_mebibytes_come_back_whole_from_nghttpd() {
    let whole = pattern(TEN_MIB);
    within(LIMIT, "an upload to nghttpd", async {
        let Some((server, _directory)) = nghttpd(&[]).await else {
            return;
        };
        let mut client = connect(server.address()).await;
        let request = post("/upload", full(whole.clone()));
        let (head, body) = send(&mut client, request).await.unwrap();
        assert_eq!(head.status, 200);
        assert_same("the upload", &body.to_bytes(), &whole);
    })
    .await;
}

/// A hyper server for one connection.
async fn hyper_server() -> SocketAddr {
    async fn answer(request: Request<Incoming>) -> Result<Response<AnyBody>, Infallible> {
        if request.method() == Method::GET {
            let text = format!("GET {}", request.uri().path());
            return Ok(Response::new(full(text.into())));
        }
        Ok(Response::new(request.into_body().boxed_unsync()))
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (io, _) = listener.accept().await.unwrap();
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(io), service_fn(answer))
            .await
    });
    address
}

#[tokio::test]
async fn a_thousand_gets_a_hundred_at_once_are_answered_by_hyper() {
    within(LIMIT, "1,000 GETs to hyper", async {
        let client = connect(hyper_server().await).await;
        a_thousand_gets(&client, named).await;
    })
    .await;
}

#[tokio::test]
async fn ten_mebibytes_and_trailers_come_back_from_hyper() {
    within(LIMIT, "an echo by hyper", async {
        let mut client = connect(hyper_server().await).await;
        an_echo_with_trailers(&mut client).await;
    })
    .await;
}

/// A server made with the `h2` crate, for one connection.
async fn h2_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (io, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(io).await.unwrap();
        while let Some(Ok((request, respond))) = connection.accept().await {
            tokio::spawn(h2_answer(request, respond));
        }
    });
    address
}

async fn h2_answer(
    request: Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let mut answer = respond.send_response(Response::new(()), false)?;
    if request.method() == Method::GET {
        let text = format!("GET {}", request.uri().path());
        return answer.send_data(text.into(), true);
    }
    let mut body = request.into_body();
    while let Some(data) = body.data().await {
        let mut data = data?;
        body.flow_control().release_capacity(data.len())?;
        while !data.is_empty() {
            answer.reserve_capacity(data.len());
            let Some(room) = poll_fn(|cx| answer.poll_capacity(cx)).await else {
                return Ok(());
            };
            let room = room?.min(data.len());
            answer.send_data(data.split_to(room), false)?;
        }
    }
    let trailers = body.trailers().await?.unwrap_or_default();
    answer.send_trailers(trailers)
}

#[tokio::test]
async fn a_thousand_gets_a_hundred_at_once_are_answered_by_h2() {
    within(LIMIT, "1,000 GETs to h2", async {
        let client = connect(h2_server().await).await;
        a_thousand_gets(&client, named).await;
    })
    .await;
}

#[tokio::test]
async fn ten_mebibytes_and_trailers_come_back_from_h2() {
    within(LIMIT, "an echo by h2", async {
        let mut client = connect(h2_server().await).await;
        an_echo_with_trailers(&mut client).await;
    })
    .await;
}
