//! What a subscriber of `tracing` is told of connections and requests.

use std::{
    fmt::Write,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
        mpsc::RecvTimeoutError,
    },
    time::Duration,
};

use http_body_util::BodyExt;
use raddle_io::{Client, Config, ErrorCode};
use tower_service::Service;
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

#[path = "support/mod.rs"]
mod support;
use support::{Echo, echo, get};

/// Writes down everything, with spans by their numbers.
#[derive(Clone, Default)]
struct Notes {
    last: Arc<AtomicU64>,
    lines: Arc<Mutex<Vec<String>>>,
    /// Called back with each thing that is told.
    asks: Arc<Mutex<Option<Client>>>,
}

impl Notes {
    fn note(&self, mut line: String, fields: impl FnOnce(&mut Fields<'_>)) {
        fields(&mut Fields(&mut line));
        let asks = self.asks.lock().unwrap().clone();
        if let Some(mut client) = asks {
            let stats = client.stats();
            line.push_str(&format!(" of {} streams", stats.streams_opened));
            if line.contains("finished") && stats.streams_opened < 5 {
                // Given up at once, which is to be told as well.
                drop(client.call(get("/from-within")));
            }
        }
        self.lines.lock().unwrap().push(line);
    }

    /// How many lines contain all of these.
    fn count(&self, parts: &[&str]) -> usize {
        let lines = self.lines.lock().unwrap();
        let found = lines
            .iter()
            .filter(|line| parts.iter().all(|part| line.contains(part)));
        found.count()
    }

    /// Where the first line stands that contains all of these.
    fn find(&self, parts: &[&str]) -> usize {
        let lines = self.lines.lock().unwrap();
        let found = lines
            .iter()
            .position(|line| parts.iter().all(|part| line.contains(part)));
        found.unwrap_or_else(|| panic!("{parts:?} is not in {lines:#?}"))
    }
}

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Subscriber for Notes {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("raddle_io")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let line = format!("open {id} {}", span.metadata().name());
        self.note(line, |fields| span.record(fields));
        Id::from_u64(id)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        self.note(format!("record {}", span.into_u64()), |fields| {
            values.record(fields);
        });
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let span = event.parent().map(Id::into_u64).unwrap_or_default();
        self.note(format!("event {span}"), |fields| event.record(fields));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}

    fn try_close(&self, id: Id) -> bool {
        self.note(format!("close {}", id.into_u64()), |_| ());
        true
    }
}

/// Runs `course` in a thread of its own. Fails when that gets stuck, as nothing in it takes time.
fn runs_to_its_end(course: impl Future<Output = ()> + Send + 'static) {
    let (ended, end) = std::sync::mpsc::channel();
    let running = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        runtime.unwrap().block_on(course);
        ended.send(()).unwrap();
    });
    match end.recv_timeout(Duration::from_secs(60)) {
        Ok(()) => running.join().unwrap(),
        Err(RecvTimeoutError::Disconnected) => panic!("{:?}", running.join()),
        Err(RecvTimeoutError::Timeout) => panic!("it waits for itself"),
    }
}

#[test]
fn a_subscriber_may_call_back_into_the_connection_that_it_hears_of() {
    runs_to_its_end(async {
        let notes = Notes::default();
        let told = tracing::subscriber::set_default(notes.clone());
        let (near, far) = tokio::io::duplex(65_536);
        tokio::spawn(raddle_io::serve_connection(
            far,
            Echo(echo),
            Config::default(),
        ));
        let (mut client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
        let driver = tokio::spawn(driver);
        // An event that `tracing` meets within a subscriber for the first time is left out for ever.
        drop(client.call(get("/given-up")));
        client.ping().await.unwrap();
        *notes.asks.lock().unwrap() = Some(client.clone());
        for _ in 0..3 {
            let response = client.call(get("/")).await.unwrap();
            response.into_body().collect().await.unwrap();
            client.ping().await.unwrap();
        }
        drop(notes.asks.lock().unwrap().take());
        let mut late = client.clone();
        drop(client);
        late.drain();
        late.call(get("/refused")).await.unwrap_err();
        drop(late);
        driver.await.unwrap().unwrap();
        drop(told);

        notes.find(&["open", "http2_request", "path=\"/\"", "of 1 streams"]);
        notes.find(&["event", "finished", "of 2 streams"]);
        // What is made within a subscriber has no span, says `tracing`. The client tells of it when the subscriber has
        // returned, if it was the client that had called. If it was the server, the client tells at once, and is not heard.
        let given_up = notes.count(&["event", "failed", "by this side"]);
        assert_eq!(given_up, 1 + 3, "{:#?}", notes.lines);
        let refused = notes.find(&["open", "path=\"/refused\""]);
        assert!(refused < notes.find(&["event", "not taken", "retry="]));
    });
}

#[tokio::test]
async fn requests_are_spans_of_either_side_and_say_how_they_ended() {
    let notes = Notes::default();
    let told = tracing::subscriber::set_default(notes.clone());
    let (near, far) = tokio::io::duplex(65_536);
    let serving = raddle_io::serve_connection(far, Echo(echo), Config::default());
    tokio::spawn(serving);
    let (mut client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
    let driver = tokio::spawn(driver);
    let response = client.call(get("/seen?secret=1")).await.unwrap();
    response.into_body().collect().await.unwrap();
    drop(client.call(get("/given-up")));
    client.ping().await.unwrap();
    drop(client);
    driver.await.unwrap().unwrap();
    drop(told);

    notes.find(&["open", "http2_connection", "role=\"client\""]);
    notes.find(&["open", "http2_connection", "role=\"server\""]);
    notes.find(&["the peer's settings have arrived"]);
    let asked = notes.find(&["open", "http2_request", "method=\"GET\"", "path=\"/seen\""]);
    let answered = notes.find(&["record", "status=200"]);
    let finished = notes.find(&["event", "finished"]);
    assert!(asked < answered && answered < finished);
    let cancel = ErrorCode::CANCEL.to_string();
    notes.find(&["event", "failed", &cancel, "by this side", "retry="]);
    notes.find(&["event", "failed", &cancel, "by the peer"]);
    notes.find(&["event", "the connection is over"]);
    let lines = notes.lines.lock().unwrap();
    let count = |word: &str| lines.iter().filter(|line| line.starts_with(word)).count();
    assert_eq!(count("open"), 2 + 2 * 2, "{lines:#?}");
    assert!(
        !lines.iter().any(|line| line.contains("secret")),
        "{lines:#?}"
    );
    assert!(count("close") >= 3, "{lines:#?}");
}
