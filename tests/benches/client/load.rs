//! Requests on one connection, so many at a time, and what they cost.

#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::{
    fs,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri, header};
use http_body_util::Empty;
use raddle_tests::scripted;

use crate::api::Api;

/// Prepared values of the fields that vary. More than a compression table of 4,096 bytes remembers.
const VALUES: usize = 1_000;

/// What one run cost.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) requests: usize,
    pub(crate) elapsed: Duration,
    /// Time that our threads were on a processor; `None` where the system does not tell.
    pub(crate) busy: Option<Duration>,
    pub(crate) writes: u64,
    /// How often a thread found the connection's state locked, and how long all of them waited. Of raddle's alone.
    pub(crate) waits: (u64, Duration),
    pub(crate) latencies: Vec<Duration>,
}

/// The requests: eleven fields, of which :path and x-request-id vary.
#[derive(Debug)]
struct Job {
    uris: Vec<Uri>,
    ids: Vec<HeaderValue>,
    fields: HeaderMap,
    next: AtomicUsize,
    end: usize,
}

impl Job {
    fn new(address: SocketAddr, requests: usize) -> Self {
        let uri = |n: usize| {
            let path = format!("http://{address}/items/{}?page={}", n * 7_919, n % 90 + 10);
            path.parse().expect("a URI")
        };
        let id = |n: usize| {
            format!(
                "{:016x}",
                (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
            )
        };
        let fields = [
            (header::USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64)"),
            (header::ACCEPT, "application/json"),
            (header::ACCEPT_LANGUAGE, "en-US,en;q=0.5"),
            (header::ACCEPT_ENCODING, "gzip, deflate, br"),
            (header::REFERER, "https://shop.example.com/catalogue"),
            (header::CACHE_CONTROL, "no-cache"),
        ];
        Self {
            uris: (0..VALUES).map(uri).collect(),
            ids: (0..VALUES)
                .map(|n| HeaderValue::try_from(id(n)).expect("a field value"))
                .collect(),
            fields: fields
                .map(|(name, value)| (name, HeaderValue::from_static(value)))
                .into_iter()
                .collect(),
            next: AtomicUsize::new(0),
            end: requests,
        }
    }

    fn claim(&self) -> Option<Request<Empty<Bytes>>> {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        if n >= self.end {
            return None;
        }
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.uris[n % VALUES].clone();
        let id = self.ids[n % VALUES].clone();
        *request.headers_mut() = self.fields.clone();
        request
            .headers_mut()
            .insert(HeaderName::from_static("x-request-id"), id);
        Some(request)
    }
}

/// Makes `requests` requests, `streams` at a time. Preface, SETTINGS and the first request are not counted.
pub(crate) async fn run<A: Api>(
    (mut client, writes): (A, Arc<AtomicU64>),
    address: SocketAddr,
    streams: usize,
    requests: usize,
) -> Run {
    let first = Job::new(address, 1).claim().expect("there is one");
    client.fetch(first).await;
    let job = Arc::new(Job::new(address, requests));
    let (writes_before, busy_before) = (writes.load(Ordering::Relaxed), busy());
    let start = Instant::now();
    let tasks: Vec<_> = (0..streams)
        .map(|_| tokio::spawn(stream(client.clone(), Arc::clone(&job), requests / streams)))
        .collect();
    let mut latencies = Vec::with_capacity(requests);
    for task in tasks {
        latencies.extend(task.await.expect("the stream's task does not panic"));
    }
    let elapsed = start.elapsed();
    assert_eq!(latencies.len(), requests);
    Run {
        requests,
        elapsed,
        busy: busy()
            .zip(busy_before)
            .map(|(after, before)| after - before),
        writes: writes.load(Ordering::Relaxed) - writes_before,
        waits: client.waits(),
        latencies,
    }
}

/// One stream after the other.
async fn stream<A: Api>(mut client: A, job: Arc<Job>, expected: usize) -> Vec<Duration> {
    let mut latencies = Vec::with_capacity(expected * 2);
    while let Some(request) = job.claim() {
        let start = Instant::now();
        let len = client.fetch(request).await;
        latencies.push(start.elapsed());
        assert_eq!(len, scripted::BODY.len());
    }
    latencies
}

/// How long the threads of this process have been on a processor. The first number of `schedstat` is in nanoseconds,
/// where `stat` has hundredths of a second.
fn busy() -> Option<Duration> {
    let mut nanos = 0;
    for thread in fs::read_dir("/proc/self/task").ok()? {
        let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        nanos += text.split(' ').next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(nanos))
}
