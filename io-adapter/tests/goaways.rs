//! What the peer's GOAWAY says, for whoever asked for something.

use raddle_io::{Client, Config, Error, ErrorCode, Kind, Origin, Retry};
use tokio::{
    io::{AsyncWriteExt, DuplexStream},
    task::JoinHandle,
    time::{Duration, sleep},
};
use tower_service::Service;

#[path = "support/mod.rs"]
mod support;
use support::get;

/// A server's SETTINGS and its GOAWAY.
fn last_words(last: u8, code: ErrorCode, debug: &[u8]) -> Vec<u8> {
    let len = (8 + debug.len() as u32).to_be_bytes();
    let head = [len[1], len[2], len[3], 7, 0, 0, 0, 0, 0, 0, 0, 0, last];
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    [&settings[..], &head, &code.to_u32().to_be_bytes(), debug].concat()
}

/// A client, its driver, and the other end, where nobody is.
async fn client() -> (Client, JoinHandle<Result<(), Error>>, DuplexStream) {
    let (near, far) = tokio::io::duplex(65_536);
    let (client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
    (client, tokio::spawn(driver), far)
}

#[tokio::test(start_paused = true)]
async fn every_error_carries_what_the_peer_said() {
    let (mut client, driver, mut far) = client().await;
    let asked = tokio::spawn(client.call(get("/")));
    // The request is on its way.
    sleep(Duration::from_secs(1)).await;
    assert_eq!(client.goaway(), None);
    let debug = [&b"too_many_pings\n"[..], &[b'x'; 5_000]].concat();
    let calm = ErrorCode::ENHANCE_YOUR_CALM;
    far.write_all(&last_words(0, calm, &debug)).await.unwrap();
    let failed = asked.await.unwrap().unwrap_err();
    assert!(matches!(failed.kind(), Kind::Stream(_)), "{failed}");
    assert_eq!(failed.retry(), Retry::Safe, "{failed}");
    let ended = driver.await.unwrap().unwrap_err();
    assert!(matches!(ended.kind(), Kind::Connection(_)), "{ended}");
    let refused = client.call(get("/")).await.unwrap_err();
    assert_eq!(refused.kind(), Kind::Closed);
    let said = client.goaway().unwrap();
    for error in [failed, ended, refused] {
        assert_eq!(error.goaway(), Some(&said), "{error}");
        // In one line, whatever it is.
        let text = error.to_string();
        assert!(text.contains("too_many_pings\\n"), "{text}");
    }
    assert_eq!((said.code, said.last.is_zero()), (calm, true));
    assert_eq!(said.debug, debug[..1_024]);
}

#[tokio::test(start_paused = true)]
async fn a_graceful_end_has_something_to_say_as_well() {
    let (mut client, driver, mut far) = client().await;
    let asked = tokio::spawn(client.call(get("/")));
    sleep(Duration::from_secs(1)).await;
    let none = ErrorCode::NO_ERROR;
    far.write_all(&last_words(0, none, b"max_age"))
        .await
        .unwrap();
    let failed = asked.await.unwrap().unwrap_err();
    assert_eq!(failed.origin(), Some(Origin::Remote));
    driver.await.unwrap().unwrap();
    let said = client.goaway().unwrap();
    assert_eq!((said.code, &said.debug[..]), (none, &b"max_age"[..]));
    assert_eq!(failed.goaway(), Some(&said));
}
