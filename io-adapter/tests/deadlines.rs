//! Deadlines that come into being while the driver sleeps, permits that come back, and requests that outlive their
//! clients.

use std::{future::poll_fn, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use raddle_io::Config;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    time::timeout,
};
use tower_service::Service;

#[path = "support/mod.rs"]
mod support;
use support::{client_of, echo, get};

/// In virtual time: for ever.
const DAY: Duration = Duration::from_secs(86_400);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS_ACK: &[u8] = &[0, 0, 0, 4, 1, 0, 0, 0, 0];

/// Plays a peer up to the exchange of SETTINGS, and then lets a minute pass, so that the driver sleeps.
async fn settle(far: &mut DuplexStream, preface: &[u8], settings: &[u8]) {
    far.write_all(preface).await.unwrap();
    far.write_all(&[0, 0, settings.len() as u8, 4, 0, 0, 0, 0, 0])
        .await
        .unwrap();
    far.write_all(settings).await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    far.write_all(SETTINGS_ACK).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
}

#[tokio::test(start_paused = true)]
async fn a_lone_request_to_a_peer_that_has_vanished_ends() {
    let (near, mut far) = tokio::io::duplex(65_536);
    let (mut client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
    tokio::spawn(driver);
    settle(&mut far, b"", &[]).await;
    let answer = timeout(DAY, client.call(get("/"))).await;
    assert!(answer.expect("the keep-alive found out").is_err());
}

#[tokio::test(start_paused = true)]
async fn a_ping_to_a_peer_that_has_vanished_ends_where_nobody_else_waits() {
    let (near, mut far) = tokio::io::duplex(65_536);
    let (client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
    let driver = tokio::spawn(driver);
    settle(&mut far, b"", &[]).await;
    let answer = timeout(DAY, client.ping()).await;
    answer.expect("the peer counts as gone").unwrap_err();
    let end = timeout(DAY, driver)
        .await
        .expect("and the connection as over");
    end.unwrap().unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn the_drain_of_a_peer_that_has_vanished_ends() {
    let (near, mut far) = tokio::io::duplex(65_536);
    let (server, driver) = raddle_io::accept(near, Config::default()).await.unwrap();
    let driver = tokio::spawn(driver);
    settle(&mut far, PREFACE, &[]).await;
    server.drain();
    assert!(timeout(DAY, driver).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_was_not_used_goes_to_the_next_in_line() {
    let (near, mut far) = tokio::io::duplex(65_536);
    let (mut first, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
    tokio::spawn(driver);
    // MAX_CONCURRENT_STREAMS 1, MAX_HEADER_LIST_SIZE 1,000.
    settle(&mut far, b"", &[0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 3, 0xe8]).await;
    let ready = |cx: &mut std::task::Context<'_>, client: &mut raddle_io::Client| {
        Service::<Request<Full<Bytes>>>::poll_ready(client, cx)
    };
    poll_fn(|cx| ready(cx, &mut first)).await.unwrap();
    let mut second = first.clone();
    let waiting = tokio::spawn(async move { poll_fn(|cx| ready(cx, &mut second)).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let request = Request::post("http://test/").header("x-large", "x".repeat(2_000));
    let request = request
        .body(Full::new(Bytes::from_static(b"body")))
        .unwrap();
    assert!(
        first.call(request).await.is_err(),
        "the peer takes no head of this size"
    );
    assert!(timeout(DAY, waiting).await.is_ok(), "the next was told");
}

#[tokio::test]
async fn requests_that_were_made_are_answered_although_the_last_client_goes() {
    let mut client = client_of(echo);
    let answers: Vec<_> = (0..20)
        .map(|n| client.call(get(&format!("/{n}"))))
        .collect();
    drop(client);
    for answer in answers {
        assert_eq!(answer.await.unwrap().status(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_were_reset_for_a_fault_do_not_stand_in_line() {
    let (near, mut far) = tokio::io::duplex(1 << 20);
    let (mut server, driver) = raddle_io::accept(near, Config::default()).await.unwrap();
    tokio::spawn(driver);
    settle(&mut far, PREFACE, &[]).await;
    for n in 0..900u32 {
        let id = (2 * n + 1).to_be_bytes();
        // A GET, and a WINDOW_UPDATE of 0, which is a stream error.
        let mut bytes = vec![0, 0, 6, 1, 4];
        bytes.extend(id);
        bytes.extend([0x82, 0x86, 0x84, 0x01, 1, b'a', 0, 0, 4, 8, 0]);
        bytes.extend(id);
        bytes.extend([0; 4]);
        far.write_all(&bytes).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let accepted = timeout(Duration::from_secs(1), server.accept()).await;
    assert!(accepted.is_err(), "all of them are dead");
}

/// A body whose first part comes when the test sends it.
struct Late(tokio::sync::mpsc::Receiver<Bytes>);

impl http_body::Body for Late {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        self.0
            .poll_recv(cx)
            .map(|part| part.map(|part| Ok(http_body::Frame::data(part))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_comes_when_the_window_is_closed_is_given_up_in_time() {
    let (near, mut far) = tokio::io::duplex(65_536);
    let config = Config {
        keep_alive_interval: None,
        ..Config::default()
    };
    let (mut client, driver) = raddle_io::connect(near, config).await.unwrap();
    tokio::spawn(driver);
    // INITIAL_WINDOW_SIZE 0.
    settle(&mut far, b"", &[0, 4, 0, 0, 0, 0]).await;
    let (parts, body) = tokio::sync::mpsc::channel(1);
    let answer = client.call(Request::post("http://test/").body(Late(body)).unwrap());
    tokio::time::sleep(Duration::from_secs(1)).await;
    parts.send(Bytes::from_static(b"late")).await.unwrap();
    let error = timeout(DAY, answer)
        .await
        .expect("its stall timeout")
        .unwrap_err();
    assert_eq!(error.violation(), Some(raddle_io::Violation::StreamStalled));
}

#[tokio::test(start_paused = true)]
async fn what_a_deadline_says_after_the_flush_is_written() {
    let (near, mut far) = tokio::io::duplex(65_536);
    let config = Config {
        // Due at once when a stream opens, which is after the driver has looked at the clock and before it writes.
        keep_alive_interval: Some(Duration::ZERO),
        idle_timeout: None,
        ..Config::default()
    };
    let (_server, driver) = raddle_io::accept(near, config).await.unwrap();
    tokio::spawn(driver);
    settle(&mut far, PREFACE, &[]).await;
    let get = [0, 0, 6, 1, 5, 0, 0, 0, 1, 0x82, 0x86, 0x84, 0x01, 1, b'a'];
    far.write_all(&get).await.unwrap();
    let mut heard = Vec::new();
    let ping = async {
        while !heard.windows(5).any(|head| head == [0, 0, 8, 6, 0]) {
            far.read_buf(&mut heard).await.unwrap();
        }
    };
    let said = timeout(Duration::from_secs(1), ping).await;
    assert!(said.is_ok(), "no PING: {heard:?}");
}
