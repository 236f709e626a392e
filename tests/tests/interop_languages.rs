//! Our client and our server against those of other languages: Node.js, whose HTTP/2 is nghttp2's, and Python's `h2`, which is
//! an engine without I/O like ours. Each script checks what it gets, and ends with an error when that is wrong.

use std::{future::poll_fn, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use raddle_io::Config;
use raddle_lb::{echo::Echo, shutdown::Shutdown};
use raddle_tests::{
    patience::within,
    peers::{Installed, NODE, PYTHON, Server},
    samples::{TemporaryDirectory, assert_same, pattern},
};
use tokio::{net::TcpStream, task::JoinSet};
use tower_service::Service;

/// For a whole test. Each takes a second or two without optimization.
const LIMIT: Duration = Duration::from_secs(60);

const NODE_SERVER: &str = include_str!("interop_languages/server.js");
const NODE_CLIENT: &str = include_str!("interop_languages/client.js");
const PYTHON_SERVER: &str = include_str!("interop_languages/server.py");
const PYTHON_CLIENT: &str = include_str!("interop_languages/client.py");

/// Runs a client's script against our server.
async fn client(program: &Installed, option: &str, script: &str) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let echo = Echo::bind(any, None).await.unwrap();
    let port = echo.address().unwrap().port();
    let shutdown = Shutdown::default();
    tokio::spawn(echo.run(shutdown.guard()));
    let printed = program
        .run(LIMIT, [option, script, &port.to_string()])
        .await;
    printed.assert_says("100 downloads, an echo and trailers");
    let limit = Duration::from_secs(10);
    assert!(shutdown.finish(limit).await, "the server's end");
}

/// A server of another language answers `GET /N` with N bytes, and echoes what is posted, with trailers behind it.
async fn ask(server: Server) {
    let io = TcpStream::connect(server.address()).await.unwrap();
    io.set_nodelay(true).unwrap();
    let (client, driver) = raddle_io::connect(io, Config::default()).await.unwrap();
    tokio::spawn(driver);
    let mut tasks = JoinSet::new();
    for number in 0..100 {
        let mut client = client.clone();
        tasks.spawn(async move {
            poll_fn(|cx| Service::<Request<Full<Bytes>>>::poll_ready(&mut client, cx))
                .await
                .unwrap();
            let request = Request::get(format!("http://localhost/{}", number * 100));
            let response = client
                .call(request.body(Full::new(Bytes::new())).unwrap())
                .await
                .unwrap();
            assert_eq!(response.status(), 200);
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, "x".repeat(number * 100));
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let mut client = client;
    let whole = pattern(300_000);
    let request = Request::post("http://localhost/");
    let request = request.body(Full::new(whole.clone())).unwrap();
    let response = client.call(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap();
    let trailers = body.trailers().expect("there are some");
    assert_eq!(trailers.get("x-length").unwrap(), "300000");
    assert_same("the echo", &body.to_bytes(), &whole);
    let stats = client.stats();
    assert_eq!(stats.streams_opened, 101);
    assert_eq!((stats.resets_received, stats.resets_sent), (0, 0));
}

/// Starts a server's script.
async fn serve(program: &Installed, name: &str, script: &str) -> (Server, TemporaryDirectory) {
    let directory = TemporaryDirectory::new().unwrap();
    let file = directory.write(name, script.as_bytes()).unwrap();
    let server = program.serve(|port| [file.into_os_string(), port.to_string().into()]);
    (server.await, directory)
}

#[tokio::test]
async fn a_server_in_node_answers_our_client() {
    let Some(node) = NODE.find() else { return };
    within(LIMIT, "a server in Node.js", async {
        let (server, _directory) = serve(&node, "server.js", NODE_SERVER).await;
        ask(server).await;
    })
    .await;
}

#[tokio::test]
async fn a_client_in_node_is_answered_by_our_server() {
    let Some(node) = NODE.find() else { return };
    client(&node, "-e", NODE_CLIENT).await;
}

#[tokio::test]
async fn a_server_in_python_answers_our_client() {
    let Some(python) = PYTHON.find_that(&["-c", "import h2"]) else {
        return;
    };
    within(LIMIT, "a server in Python", async {
        let (server, _directory) = serve(&python, "server.py", PYTHON_SERVER).await;
        ask(server).await;
    })
    .await;
}

#[tokio::test]
async fn a_client_in_python_is_answered_by_our_server() {
    let Some(python) = PYTHON.find_that(&["-c", "import h2"]) else {
        return;
    };
    client(&python, "-c", PYTHON_CLIENT).await;
}
