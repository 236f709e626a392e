//! A small h2load.
//!
//! ```text
//! $ cargo run --release -p raddle-io --example load -- -n 20000 -c 4 -m 50 http://127.0.0.1:8080/
//! finished in 0.10s, 202986.60 req/s
//! requests: 20000 total, 20000 finished, 20000 succeeded, 0 failed
//! status codes: 20000 2xx, 0 3xx, 0 4xx, 0 5xx
//! traffic: 527.34KB data received
//! latency: min 123us, median 839us, p99 4.25ms, max 5.22ms
//! ```
//!
//! `-n` requests over `-c` connections with `-m` concurrent streams each; `-d BYTES` sends a body of that size with
//! every request, `-T SECONDS` runs for a time instead of for a number. `-k` takes any certificate. The exit status is
//! 0 when every request succeeded, 1 when one failed, 2 for a wrong command line.

#![expect(clippy::disallowed_methods, reason = "it measures time")]

use std::{
    io::Write,
    process::ExitCode,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use clap::Parser;
use hdrhistogram::Histogram;
use http::{Method, Request, Uri};
use http_body_util::{BodyExt, Full};
use raddle_io::{Client, Config, Dialer, Error, Target, tls};
use tokio::task::JoinSet;
use tower_service::Service;

#[path = "support/url.rs"]
mod url;

#[derive(Clone, Debug, Parser)]
#[command(about = "Puts load on an HTTP/2 server", max_term_width = 100)]
struct Options {
    /// What to request.
    #[arg(value_name = "URL", value_parser = url::parse)]
    uri: Uri,
    /// Requests in total.
    #[arg(short = 'n', long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    requests: u64,
    /// Connections.
    #[arg(short = 'c', long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    connections: u64,
    /// Concurrent streams of each connection.
    #[arg(short = 'm', long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000))]
    streams: u64,
    /// Send a body of this many bytes with each request.
    #[arg(short = 'd', long, default_value_t = 0, value_name = "BYTES")]
    data: usize,
    /// Run for this many seconds instead of for a number of requests.
    #[arg(short = 'T', long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3_600))]
    time: Option<u64>,
    /// Take any certificate.
    #[arg(short = 'k', long)]
    insecure: bool,
}

/// What all workers count together.
struct Tally {
    /// Requests that may still be made.
    left: AtomicU64,
    deadline: Option<Instant>,
    started: AtomicU64,
    bytes: AtomicU64,
    /// Responses by the hundreds of their status.
    classes: [AtomicU64; 6],
    failed: AtomicU64,
    first_error: Mutex<Option<Error>>,
    latency: Mutex<Histogram<u64>>,
}

impl Tally {
    /// Whether one more request is to be made.
    fn claim(&self) -> bool {
        let go = match self.deadline {
            Some(deadline) => Instant::now() < deadline,
            None => self
                .left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                    left.checked_sub(1)
                })
                .is_ok(),
        };
        self.started.fetch_add(u64::from(go), Ordering::Relaxed);
        go
    }

    fn fail(&self, error: Error) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        self.first_error
            .lock()
            .expect("no worker panics")
            .get_or_insert(error);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    let target = match Target::of(&options.uri) {
        Ok(target) => target,
        Err(error) => {
            eprintln!("load: {}: {error}", options.uri);
            return ExitCode::from(2);
        }
    };
    let tally = Arc::new(Tally {
        left: AtomicU64::new(options.requests),
        deadline: options
            .time
            .map(|seconds| Instant::now() + Duration::from_secs(seconds)),
        started: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        classes: Default::default(),
        failed: AtomicU64::new(0),
        first_error: Mutex::new(None),
        // Three digits from a microsecond to an hour.
        latency: Mutex::new(
            Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("the bounds are legal"),
        ),
    });
    let begin = Instant::now();
    let mut connections = JoinSet::new();
    for _ in 0..options.connections {
        connections.spawn(connection(
            options.clone(),
            target.clone(),
            Arc::clone(&tally),
        ));
    }
    end_of(connections).await;
    let succeeded = report(&tally, begin.elapsed());
    if succeeded {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn connection(options: Options, target: Target, tally: Arc<Tally>) {
    let trust = if options.insecure {
        tls::Trust::Anyone
    } else {
        tls::Trust::Public
    };
    let dialer = Dialer::new(Config::default()).tls(tls::Connector::new(trust));
    let client = match dialer.dial(&target).await {
        Ok(client) => client,
        Err(error) => {
            // The requests that this connection would have made fail with it.
            let mut told = false;
            while tally.deadline.is_none() && tally.claim() {
                tally.fail(error.clone());
                told = true;
            }
            // There may be none left, and yet a connection that failed must be seen.
            if !told {
                tally.started.fetch_add(1, Ordering::Relaxed);
                tally.fail(error);
            }
            return;
        }
    };
    let mut streams = JoinSet::new();
    for _ in 0..options.streams {
        streams.spawn(stream(options.clone(), client.clone(), Arc::clone(&tally)));
    }
    drop(client);
    end_of(streams).await;
}

/// Waits for every task. One that panicked takes the program with it: its requests would be missing in the count.
async fn end_of(mut tasks: JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        if let Err(panicked) = ended {
            std::panic::resume_unwind(panicked.into_panic());
        }
    }
}

async fn stream(options: Options, mut client: Client, tally: Arc<Tally>) {
    let body = Bytes::from(vec![b'x'; options.data]);
    while tally.claim() {
        let mut request = Request::new(Full::new(body.clone()));
        *request.uri_mut() = options.uri.clone();
        *request.method_mut() = if body.is_empty() {
            Method::GET
        } else {
            Method::POST
        };
        let begin = Instant::now();
        match fetch(&mut client, request, &tally).await {
            Ok(()) => {
                let micros = u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX);
                tally
                    .latency
                    .lock()
                    .expect("no worker panics")
                    .saturating_record(micros);
            }
            Err(error) => tally.fail(error),
        }
    }
}

async fn fetch(
    client: &mut Client,
    request: Request<Full<Bytes>>,
    tally: &Tally,
) -> Result<(), Error> {
    std::future::poll_fn(|cx| Service::<Request<Full<Bytes>>>::poll_ready(client, cx)).await?;
    let response = client.call(request).await?;
    let class = usize::from(response.status().as_u16() / 100).min(5);
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        let len = frame?.data_ref().map_or(0, Bytes::len);
        tally.bytes.fetch_add(len as u64, Ordering::Relaxed);
    }
    tally.classes[class].fetch_add(1, Ordering::Relaxed);
    Ok(())
}

/// Prints the summary; answers whether every request succeeded.
fn report(tally: &Tally, elapsed: Duration) -> bool {
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let [_, _, ok, redirected, refused, broken] = tally.classes.each_ref().map(count);
    let succeeded = ok + redirected;
    // As h2load counts: without a whole response, or with one that is an error.
    let failed = count(&tally.failed) + refused + broken;
    let finished = succeeded + failed;
    let seconds = elapsed.as_secs_f64();
    let latency = tally.latency.lock().expect("no worker panics");
    let mut text = format!(
        "finished in {seconds:.2}s, {:.2} req/s\n\
         requests: {} total, {finished} finished, {succeeded} succeeded, {failed} failed\n\
         status codes: {ok} 2xx, {redirected} 3xx, {refused} 4xx, {broken} 5xx\n\
         traffic: {} data received\n",
        finished as f64 / seconds,
        count(&tally.started),
        size(count(&tally.bytes)),
    );
    if !latency.is_empty() {
        text += &format!(
            "latency: min {}, median {}, p99 {}, max {}\n",
            time(latency.min()),
            time(latency.value_at_quantile(0.5)),
            time(latency.value_at_quantile(0.99)),
            time(latency.max()),
        );
    }
    // Whoever closed our output, or our errors, wants no more of it.
    let _ = std::io::stdout().write_all(text.as_bytes());
    if let Some(error) = &*tally.first_error.lock().expect("no worker panics") {
        let text = format!("load: the first failure: {error}\n");
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
    succeeded > 0 && succeeded == count(&tally.started)
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_024 => format!("{bytes}B"),
        1_024..1_048_576 => format!("{:.2}KB", bytes as f64 / 1_024.0),
        _ => format!("{:.2}MB", bytes as f64 / 1_048_576.0),
    }
}

fn time(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros}us"),
        1_000..1_000_000 => format!("{:.2}ms", micros as f64 / 1e3),
        _ => format!("{:.2}s", micros as f64 / 1e6),
    }
}
