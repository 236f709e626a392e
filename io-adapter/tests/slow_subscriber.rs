//! A subscriber of `tracing` that is slower than what it is told of. Alone in its process: what one thread wants to hear
//! decides for others what is worth telling.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use http_body_util::BodyExt;
use raddle_io::Config;
use tower_service::Service;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

#[path = "support/mod.rs"]
mod support;
use support::{Echo, echo, get};

/// More than are kept.
const REQUESTS: u64 = 6_000;
/// What nothing here takes.
const LONG: Duration = Duration::from_secs(60);

/// What was told.
#[derive(Default)]
struct Told {
    spans: AtomicU64,
    finished: AtomicU64,
    missed: AtomicU64,
}

/// Counts, and gets stuck once, if it is to.
#[derive(Clone)]
struct Slow {
    told: Arc<Told>,
    stuck: Arc<Mutex<Option<Stuck>>>,
}

/// Tells that it has come, and waits until it may go on.
struct Stuck {
    begun: Sender<()>,
    goes_on: Receiver<()>,
}

impl Visit for Slow {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "requests" {
            self.told.missed.fetch_add(value, Ordering::Relaxed);
        }
    }

    fn record_debug(&mut self, _: &Field, value: &dyn std::fmt::Debug) {
        if format!("{value:?}") == "finished" {
            self.told.finished.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Subscriber for Slow {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("raddle_io")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(self.told.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let stuck = self.stuck.lock().unwrap().take();
        if let Some(Stuck { begun, goes_on }) = stuck {
            begun.send(()).unwrap();
            goes_on.recv_timeout(LONG).unwrap();
        }
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn what_a_subscriber_is_too_slow_for_is_counted_and_not_kept() {
    let quick = Slow {
        told: Arc::default(),
        stuck: Arc::default(),
    };
    let hears = tracing::subscriber::set_default(quick);
    let (near, far) = tokio::io::duplex(65_536);
    let serving = raddle_io::serve_connection(far, Echo(echo), Config::default());
    tokio::spawn(serving);
    let (mut client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
    let driver = tokio::spawn(driver);
    client.ping().await.unwrap();

    // Another thread tells of the client's connection, and gets stuck. This one, which would tell as well, waits for that.
    let (begun, stuck) = channel();
    let (go_on, goes_on) = channel();
    let slow = Slow {
        told: Arc::default(),
        stuck: Arc::new(Mutex::new(Some(Stuck { begun, goes_on }))),
    };
    let told = Arc::clone(&slow.told);
    let mut first = client.clone();
    let runtime = tokio::runtime::Handle::current();
    let telling = std::thread::spawn(move || {
        let _runtime = runtime.enter();
        let _hears = tracing::subscriber::set_default(slow);
        drop(first.call(get("/given-up")));
    });
    stuck.recv_timeout(LONG).unwrap();
    for _ in 0..REQUESTS {
        let response = client.call(get("/")).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
    go_on.send(()).unwrap();
    telling.join().unwrap();
    drop(client);
    driver.await.unwrap().unwrap();
    drop(hears);

    let finished = told.finished.load(Ordering::Relaxed);
    assert!((1_000..2_000).contains(&finished), "{finished} were kept");
    let missed = told.missed.load(Ordering::Relaxed);
    assert_eq!(finished + missed, REQUESTS);
}
