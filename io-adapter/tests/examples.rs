//! The examples, as a user meets them. `cargo test` builds them first; with `--test examples` alone, what runs is what
//! was built last.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use raddle_io::{Config, RecvBody};
use tokio::{net::TcpListener, task::JoinHandle};

#[path = "support/mod.rs"]
mod support;
use support::{Answer, Echo, echo};

/// Where cargo has put an example; `None`, with a line that says so, when only this test was built.
fn example(name: &str) -> Option<PathBuf> {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples");
    path.push(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    if path.exists() {
        return Some(path);
    }
    println!("skipped: the example {name} is not built (cargo build --examples)");
    None
}

/// A server on loopback, and its address.
async fn server() -> (JoinHandle<()>, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let accepting = tokio::spawn(async move {
        while let Ok((io, _)) = listener.accept().await {
            io.set_nodelay(true).unwrap();
            let service = Echo(answer);
            tokio::spawn(raddle_io::serve_connection(io, service, Config::default()));
        }
    });
    (accepting, address)
}

/// As `echo`, and two paths that end badly.
fn answer(request: Request<RecvBody>) -> Answer {
    let mut answer = match request.uri().path() {
        "/missing" => Response::new(
            Full::new(Bytes::from_static(b"not here\n"))
                .map_err(|never| match never {})
                .boxed_unsync(),
        ),
        // A body that fails in the middle resets the stream.
        "/broken" => Response::new(
            Full::new(Bytes::from_static(b"half"))
                .map_err(|never| match never {})
                .with_trailers(async { Some(Err("a disk is full".into())) })
                .boxed_unsync(),
        ),
        _ => return echo(request),
    };
    if request.uri().path() == "/missing" {
        *answer.status_mut() = StatusCode::NOT_FOUND;
    }
    answer
}

async fn run(program: PathBuf, arguments: Vec<String>) -> (Option<i32>, String, String) {
    let running =
        tokio::task::spawn_blocking(move || Command::new(program).args(arguments).output());
    let Output {
        status,
        stdout,
        stderr,
    } = running.await.unwrap().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status.code(), text(stdout), text(stderr))
}

#[tokio::test]
async fn get_fetches_and_says_what_went_wrong() {
    let Some(get) = example("get") else { return };
    let (accepting, address) = server().await;
    let url = |path: &str| format!("http://{address}{path}");
    let fetch = async |arguments: &[&str]| {
        let arguments = arguments.iter().map(|text| (*text).to_owned()).collect();
        run(get.clone(), arguments).await
    };
    let (code, out, _) = fetch(&[&url("/a"), &url("/b"), &url("/missing")]).await;
    assert_eq!(
        (code, out.as_str()),
        (Some(0), "GET /aGET /bnot here\n"),
        "any status is whole"
    );
    let (code, out, _) = fetch(&["-d", "some text", &url("/")]).await;
    assert_eq!((code, out.as_str()), (Some(0), "some text"));
    let (code, _, err) = fetch(&["-v", "-H", "x-a: b", &url("/")]).await;
    assert_eq!(code, Some(0));
    for line in [
        "send (stream_id=1) x-a: b",
        "send HEADERS frame <length=",
        "recv (stream_id=1) :status: 200",
        "recv DATA frame <length=5, flags=0x01, stream_id=1>",
    ] {
        assert!(err.contains(line), "{line:?} is not in {err}");
    }
    let (code, _, err) = fetch(&[&url("/broken")]).await;
    assert_eq!(code, Some(1));
    assert!(
        err.contains("INTERNAL_ERROR") && err.contains("do not send it again"),
        "{err}"
    );
    // What hears no TLS where it should says nothing and goes.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tls = silent.local_addr().unwrap();
    tokio::spawn(async move { drop(silent.accept().await) });
    let nobody = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let (code, _, err) = fetch(&[&format!("http://{nobody}/")]).await;
    assert_eq!(code, Some(1));
    assert!(err.contains("safe to send it again"), "{err}");
    for wrong in ["localhost:1", "/x", "http://a:99999/"] {
        let (code, _, err) = fetch(&[wrong]).await;
        assert_eq!(code, Some(2), "{wrong}");
        assert!(err.contains("a URL is written http://"), "{err}");
    }
    let (code, _, err) = fetch(&[&format!("http://{tls}/")]).await;
    assert_eq!(code, Some(1));
    assert!(err.contains("does it speak it without TLS?"), "{err}");
    assert_eq!(fetch(&[]).await.0, Some(2));
    assert_eq!(fetch(&["--bogus", &url("/")]).await.0, Some(2));
    accepting.abort();
}

#[tokio::test]
async fn load_counts_what_it_did() {
    let Some(load) = example("load") else { return };
    let (accepting, address) = server().await;
    let run = async |arguments: &str, path: &str| {
        let mut arguments: Vec<_> = arguments.split(' ').map(str::to_owned).collect();
        arguments.push(format!("http://{address}{path}"));
        run(load.clone(), arguments).await
    };
    let (code, out, err) = run("-n 1000 -c 2 -m 10 -d 100", "/").await;
    assert_eq!(code, Some(0), "{err}");
    for line in [
        "requests: 1000 total, 1000 finished, 1000 succeeded, 0 failed",
        "status codes: 1000 2xx, 0 3xx, 0 4xx, 0 5xx",
        " req/s",
        "latency: min ",
    ] {
        assert!(out.contains(line), "{line:?} is not in {out}");
    }
    let (code, out, _) = run("-n 10", "/broken").await;
    assert_eq!(code, Some(1));
    assert!(out.contains("10 finished, 0 succeeded, 10 failed"), "{out}");
    accepting.abort();
}

// A reader that goes away, `head` for one, ends no program with a panic.
#[cfg(unix)]
#[tokio::test]
async fn nobody_need_listen_to_the_end() {
    use std::process::Stdio;

    let (accepting, address) = server().await;
    let url = format!("http://{address}/");
    for (name, arguments) in [("get", ["-v", &url]), ("load", ["-n3", &url])] {
        let Some(program) = example(name) else { return };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let ended = tokio::task::spawn_blocking(move || {
            let mut running = command.spawn().unwrap();
            drop((running.stdout.take(), running.stderr.take()));
            running.wait().unwrap()
        });
        assert_eq!(ended.await.unwrap().code(), Some(0), "{name}");
    }
    accepting.abort();
}
