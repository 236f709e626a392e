//! The load balancer against clients that others wrote, over TLS: curl, h2load and wrk.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use raddle_lb::{
    limits::Limits,
    start::{Options, Running, start},
};
use raddle_tests::{
    patience::within,
    peers::{CURL, H2LOAD, WRK},
    samples::{TemporaryDirectory, assert_same, pattern},
};

/// For one run of a client. The longest, wrk's, is told to take 10 seconds.
const LIMIT: Duration = Duration::from_secs(60);
const MIB: usize = 1024 * 1024;

/// The load balancer in this process, with its two echo backends.
async fn balancer() -> Running {
    let options = Options {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        backends: Vec::new(),
        certificate: None,
        insecure_backends: false,
        limits: Limits::default(),
    };
    start(options).await.unwrap()
}

/// Asserts that few connections led to the backends, and that nothing of the clients' is left.
async fn finish(running: Running) {
    let stats = running.proxy.pool().stats();
    assert_eq!(stats.origins, 2, "{stats:?}");
    // Of all there ever were, not of those that are left.
    assert!((2..=8).contains(&stats.opened), "{stats:?}");
    assert_eq!(stats.dials_failed, 0, "{stats:?}");
    let drained = within(LIMIT, "the balancer's end", running.finish()).await;
    assert!(drained, "requests were still in progress");
}

/// Runs curl; answers the body and "VERSION STATUS". The certificate is self-signed, which `--insecure` accepts.
async fn curl(arguments: &[&str]) -> Option<(Vec<u8>, String)> {
    let curl = CURL.find()?;
    let directory = TemporaryDirectory::new().unwrap();
    let body = directory.path().join("body");
    // No configuration file and no proxy of the user's comes between.
    let mut all: Vec<_> = ["--disable", "--noproxy", "*", "--silent", "--show-error"].to_vec();
    all.extend(["--insecure", "-w", "%{http_version} %{http_code}"]);
    all.extend(["--output", body.to_str().unwrap()]);
    all.extend(arguments);
    let printed = curl.run(LIMIT, &all).await;
    // No body, no file.
    let body = std::fs::read(body).unwrap_or_default();
    Some((body, printed.text()))
}

/// GETs, statuses and an echo, over the version of HTTP that `flag` asks for.
async fn curl_is_served(flag: &str, version: &str) {
    let running = balancer().await;
    let uri = |path: &str| format!("https://{}{path}", running.address);
    let mut answers = BTreeSet::new();
    for _ in 0..4 {
        let Some((body, status)) = curl(&[flag, &uri("/")]).await else {
            return;
        };
        assert_eq!(status, format!("{version} 200"));
        let text = String::from_utf8(body).unwrap();
        assert!(text.starts_with("hello from 127.0.0.1:"), "{text}");
        answers.insert(text);
    }
    assert_eq!(answers.len(), 2, "idle backends take turns: {answers:?}");
    for code in ["204", "304", "404", "503"] {
        let (_, status) = curl(&[flag, &uri(&format!("/status/{code}"))])
            .await
            .unwrap();
        assert_eq!(status, format!("{version} {code}"));
    }
    let (body, _) = curl(&[flag, &uri("/bytes/300000")]).await.unwrap();
    assert_same("the download", &body, "x".repeat(300_000).as_bytes());
    let (directory, whole) = (TemporaryDirectory::new().unwrap(), pattern(MIB));
    let file = directory.write("upload", &whole).unwrap();
    let data = format!("@{}", file.display());
    let (body, status) = curl(&[flag, "--data-binary", &data, &uri("/echo")])
        .await
        .unwrap();
    assert_eq!(status, format!("{version} 200"));
    assert_same("the echo", &body, &whole);
    finish(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_is_served_over_http1() {
    curl_is_served("--http1.1", "1.1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_is_served_over_http2() {
    curl_is_served("--http2", "2").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h2load_has_two_thousand_requests_balanced() {
    let Some(h2load) = H2LOAD.find() else { return };
    let running = balancer().await;
    let uri = format!("https://{}/", running.address);
    let options = ["-n", "2000", "-c", "4", "-m", "20", &uri];
    let printed = h2load.run(LIMIT, options).await;
    printed.assert_h2load_succeeded(2_000);
    printed.assert_says("Application protocol: h2");
    finish(running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrk_on_fifty_connections_needs_no_more_than_eight_to_the_backends() {
    let Some(wrk) = WRK.find() else { return };
    let running = balancer().await;
    let uri = format!("https://{}/", running.address);
    let printed = wrk.run(LIMIT, ["-t2", "-c50", "-d10s", &uri]).await;
    let text = printed.text();
    // wrk names what went wrong only when something did.
    assert!(!text.contains("Socket errors"), "{printed}");
    assert!(!text.contains("Non-2xx"), "{printed}");
    let answered = text
        .lines()
        .find_map(|line| line.split_once(" requests in "));
    let answered: Option<u64> = answered.and_then(|(count, _)| count.trim().parse().ok());
    assert!(answered > Some(0), "{printed}");
    finish(running).await;
}
