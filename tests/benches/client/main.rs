//! Our client against hyper's, over TCP on the loopback.
//!
//! ```text
//! $ cargo bench -p raddle-tests --bench client -- --rounds 5
//! ```
//!
//! The server is a process of its own that answers every request out of bytes made beforehand, so that the client is
//! what is measured. "cpu" is the time of the client's threads on a processor, "writes" are calls that write to the
//! socket, both per request. Rounds of both clients alternate; the figures are medians, the latencies those of all
//! rounds together.
//!
//! The last lines say for each runtime whether raddle keeps its word: at most 0.05 writes per request with a hundred
//! streams, and exactly one with a single stream.
//!
//! `--grid` measures instead whether a connection gets slower when the tasks of several threads share it, and how long they
//! wait for its lock; with `--check` it fails when one does.

mod api;
mod grid;
mod load;

use std::{
    env,
    io::{self, BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use clap::Parser;
use hdrhistogram::Histogram;
use load::Run;
use raddle_tests::scripted;
use tokio::runtime::{Builder, Runtime};

/// Writes per request with many streams.
const WRITES_MAX: f64 = 0.05;

#[derive(Debug, Parser)]
#[command(
    about = "raddle's client against hyper's, over the loopback",
    max_term_width = 100
)]
struct Options {
    /// Rounds of each client.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Requests of each round with a hundred streams; a fifteenth with one.
    #[arg(long, default_value_t = 60_000, value_parser = clap::value_parser!(u32).range(100..))]
    requests: u32,
    /// 1, 8 and 64 streams on 1 and 4 threads, instead of what is measured otherwise.
    #[arg(long)]
    grid: bool,
    /// With `--grid`: our client alone, and it fails when a cell with several threads falls behind the one with a single one.
    #[arg(long, requires = "grid")]
    check: bool,
    /// Answers requests until the standard input ends.
    #[arg(long, hide = true)]
    serve: bool,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// A runtime by the number of its workers; 0 is the one without.
#[derive(Clone, Copy, Debug)]
struct Kind(usize);

const KINDS: [Kind; 3] = [Kind(0), Kind(1), Kind(2)];

impl Kind {
    fn name(self) -> String {
        match self.0 {
            0 => "current_thread".into(),
            workers => format!("multi_thread, {workers}"),
        }
    }

    fn build(self) -> Runtime {
        let mut builder = match self.0 {
            0 => Builder::new_current_thread(),
            workers => {
                let mut builder = Builder::new_multi_thread();
                builder.worker_threads(workers);
                builder
            }
        };
        builder.enable_all().build().expect("a runtime")
    }
}

/// The server's process.
struct Server(Child, SocketAddr);

impl Server {
    fn start() -> io::Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .arg("--serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let address = line.trim().parse().map_err(io::Error::other)?;
        Ok(Self(child, address))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Neither fails but for a process that has ended and was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    if options.serve {
        println!("{}", scripted::spawn()?);
        // Also when our parent dies without a word.
        io::stdin().read_to_end(&mut Vec::new())?;
        return Ok(());
    }
    let server = Server::start()?;
    if options.grid {
        let checks = options.check;
        let held = grid::measure(options.rounds, options.requests, server.1, checks);
        return match held {
            true => Ok(()),
            false => Err(io::Error::other(
                "the connection gets slower by its threads",
            )),
        };
    }
    println!(
        "{:<16} {:>7} {:>8} {:>9} {:>7} {:>10} {:>8} {:>8}",
        "runtime", "streams", "client", "req/s", "cpu us", "writes", "p50 us", "p99 us"
    );
    let mut verdicts = Vec::new();
    for kind in KINDS {
        let many = cell(kind, 100, options.requests as usize, &options, server.1);
        let lone = cell(kind, 1, options.requests as usize / 15, &options, server.1);
        let lone_requests = u64::from(options.requests / 15 * options.rounds);
        let many_writes = many as f64 / f64::from(options.requests * options.rounds);
        let holds = many_writes <= WRITES_MAX && lone == lone_requests;
        verdicts.push(format!(
            "{}: {} ({many_writes:.4} writes per request at 100 streams, {lone} for {lone_requests} at 1)",
            kind.name(),
            if holds { "holds" } else { "DOES NOT HOLD" },
        ));
    }
    println!("\nraddle's promise of few writes:");
    for verdict in verdicts {
        println!("  {verdict}");
    }
    Ok(())
}

/// Measures both clients in turn and prints a line for each; answers how often raddle's has written.
fn cell(
    kind: Kind,
    streams: usize,
    requests: usize,
    options: &Options,
    address: SocketAddr,
) -> u64 {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        ours.push(kind.build().block_on(async {
            load::run(api::raddle(address).await, address, streams, requests).await
        }));
        theirs.push(kind.build().block_on(async {
            load::run(api::hyper(address).await, address, streams, requests).await
        }));
    }
    print("raddle", kind, streams, &ours);
    print("hyper", kind, streams, &theirs);
    ours.iter().map(|run| run.writes).sum()
}

fn print(client: &str, kind: Kind, streams: usize, runs: &[Run]) {
    let median = |of: &dyn Fn(&Run) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[(values.len() - 1) / 2]
    };
    let per_request = |run: &Run, amount: f64| amount / run.requests as f64;
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let cpu = median(&|run| per_request(run, run.busy.map_or(f64::NAN, micros)));
    // Three digits from a nanosecond to a minute.
    let mut latency =
        Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3).expect("the bounds are legal");
    for time in runs.iter().flat_map(|run| &run.latencies) {
        latency.saturating_record(time.as_nanos() as u64);
    }
    let quantile = |at| latency.value_at_quantile(at) as f64 / 1e3;
    println!(
        "{:<16} {streams:>7} {client:>8} {:>9.0} {cpu:>7.2} {:>10.4} {:>8.0} {:>8.0}",
        kind.name(),
        median(&|run| run.requests as f64 / run.elapsed.as_secs_f64()),
        median(&|run| per_request(run, run.writes as f64)),
        quantile(0.5),
        quantile(0.99),
    );
}
