//! A subscriber of `tracing` that is slow where a connection writes and wakes. Alone in its process, as `slow_subscriber.rs` is.

use std::{
    sync::{
        Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread::JoinHandle,
    time::Duration,
};

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use raddle_io::{Client, Config, ResponseFuture, Server};
use tokio::time::{Instant, timeout};
use tower_service::Service;
use tracing::{
    Event, Metadata, Subscriber,
    span::{Attributes, Id, Record},
};

#[path = "support/mod.rs"]
mod support;
use support::get;

/// What nothing here takes.
const LONG: Duration = Duration::from_secs(60);

/// Wants to hear of everything. With the first event it tells that it has come, and waits until it may go on, if it is to.
#[derive(Default)]
struct Hears(Mutex<Option<(Sender<()>, Receiver<()>)>>);

impl Subscriber for Hears {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("raddle_io")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        let stuck = self.0.lock().unwrap().take();
        if let Some((begun, goes_on)) = stuck {
            begun.send(()).unwrap();
            goes_on.recv_timeout(LONG).unwrap();
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Does something in a thread of its own, which gets stuck in what it tells of that first. Answers when it is, and what lets it
/// go on.
fn telling(does: impl FnOnce() + Send + 'static) -> (Sender<()>, JoinHandle<()>) {
    let (begun, stuck) = channel();
    let (go_on, goes_on) = channel();
    let telling = std::thread::spawn(move || {
        let slow = Hears(Mutex::new(Some((begun, goes_on))));
        let _hears = tracing::subscriber::set_default(slow);
        does();
    });
    stuck.recv_timeout(LONG).unwrap();
    (go_on, telling)
}

async fn connected() -> (Client, Server) {
    let (near, far) = tokio::io::duplex(65_536);
    let (client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
    tokio::spawn(driver);
    let (server, driver) = raddle_io::accept(far, Config::default()).await.unwrap();
    tokio::spawn(driver);
    client.ping().await.unwrap();
    (client, server)
}

async fn body(response: ResponseFuture) -> Bytes {
    let body = response.await.unwrap().into_body();
    body.collect().await.unwrap().to_bytes()
}

// The end of an answer is told where the answer is cut into frames, which is under the write lock.
#[tokio::test(start_paused = true)]
async fn who_tells_of_an_answer_keeps_nobody_from_writing() {
    let _hears = tracing::subscriber::set_default(Hears::default());
    let (mut client, mut server) = connected().await;
    let (first, second) = (client.call(get("/1")), client.call(get("/2")));
    let (_, responder) = server.accept().await.unwrap();
    let (_, other) = server.accept().await.unwrap();
    other.respond_full(Response::new(Bytes::new()));
    assert!(body(second).await.is_empty());
    // The last request that is open: its answer is written where it is given.
    let (go_on, telling) =
        telling(move || responder.respond_full(Response::new(Bytes::from_static(b"there"))));
    let begun = Instant::now();
    let answered = timeout(LONG, async {
        client.ping().await.unwrap();
        body(first).await
    });
    let answered = answered.await;
    go_on.send(()).unwrap();
    telling.join().unwrap();
    assert_eq!(answered.expect("nobody waits for it"), "there");
    assert!(begun.elapsed().is_zero(), "{:?}", begun.elapsed());
}

// Among several the writing is left to the driver, which others take for woken.
#[tokio::test(start_paused = true)]
async fn who_tells_of_a_reset_keeps_nobody_asleep() {
    let _hears = tracing::subscriber::set_default(Hears::default());
    let (mut client, mut server) = connected().await;
    let [kept, _beside, dropped] = ["/1", "/2", "/3"].map(|path| client.call(get(path)));
    let (_, responder) = server.accept().await.unwrap();
    let (_, _unanswered) = server.accept().await.unwrap();
    let (_, _given_up) = server.accept().await.unwrap();
    let (go_on, telling) = telling(move || drop(dropped));
    let begun = Instant::now();
    let answered = timeout(LONG, async {
        let last = client.call(get("/4"));
        let (_, other) = server.accept().await.unwrap();
        other.respond_full(Response::new(Bytes::new()));
        assert!(body(last).await.is_empty());
        responder.respond_full(Response::new(Bytes::from_static(b"there")));
        body(kept).await
    });
    let answered = answered.await;
    go_on.send(()).unwrap();
    telling.join().unwrap();
    assert_eq!(answered.expect("nobody waits for it"), "there");
    assert!(begun.elapsed().is_zero(), "{:?}", begun.elapsed());
}
