//! The engine against the `h2` crate: the same requests in memory, each pair of client and server in one thread.
//!
//! ```text
//! $ cargo bench -p raddle-tests --bench versus -- --only W1
//! ```
//!
//! Rounds of both alternate, so that a slow moment of the machine meets both. "allocs" and "alloc bytes" are what the
//! heap is asked for, "wire up" and "wire down" the bytes on the wire, all per request: the same work shows in them.
//! Both read every field and every body byte. The `h2` crate is made of futures and needs an executor, which is about
//! a hundredth of its time; raddle's engine needs none. `--engine` runs one alone, for a profiler.

mod allocations;
mod h2_pair;
mod raddle_pair;
mod report;
mod wire;
mod workload;

use std::time::Instant;

use clap::{Parser, ValueEnum, builder::RangedU64ValueParser};

use allocations::{Allocated, Counting};
use h2_pair::H2Pair;
use raddle_pair::RaddlePair;
use report::Measured;
use workload::{Seen, WORKLOADS, Workload};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Debug, Parser)]
#[command(
    about = "raddle's engine against the h2 crate, in memory",
    max_term_width = 100
)]
struct Options {
    /// Rounds of each engine.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Requests of each round; a number for each workload when not given.
    #[arg(long, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    requests: Option<usize>,
    /// Runs only this workload.
    #[arg(long, ignore_case = true, value_parser = ["W1", "W2", "W3", "W4"])]
    only: Option<String>,
    /// Runs only this engine.
    #[arg(long)]
    engine: Option<Engine>,
    /// What raddle buffers of each stream; h2 takes whole bodies.
    #[arg(long, value_name = "BYTES", default_value_t = 1024 * 1024)]
    send_buffer: usize,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Engine {
    Raddle,
    H2,
}

/// A client and a server with wires between them.
trait Pair {
    /// Makes so many requests, as many at a time as the workload has streams.
    fn run(&mut self, requests: usize) -> Seen;

    /// Bytes that went up and down so far.
    fn carried(&self) -> (u64, u64);
}

fn main() {
    let options = Options::parse();
    let chosen = |workload: &&Workload| {
        let only = options.only.as_deref();
        only.is_none_or(|only| only.eq_ignore_ascii_case(workload.name))
    };
    for workload in WORKLOADS.iter().filter(chosen) {
        report::print(workload, &measure(workload, &options));
    }
}

fn measure(workload: &'static Workload, options: &Options) -> Vec<Measured> {
    let requests = options.requests.unwrap_or(workload.requests);
    let wanted = |engine| options.engine.is_none_or(|only| only == engine);
    let mut pairs: Vec<(Box<dyn Pair>, Measured)> = Vec::new();
    let mut add = |name, pair| {
        let measured = Measured {
            engine: name,
            ..Measured::default()
        };
        pairs.push((pair, measured));
    };
    if wanted(Engine::Raddle) {
        let pair = RaddlePair::new(workload, options.send_buffer);
        add("raddle", Box::new(pair));
    }
    if wanted(Engine::H2) {
        add("h2", Box::new(H2Pair::new(workload)));
    }
    for (pair, _) in &mut pairs {
        // The handshake, the compression tables and the first growth of the buffers are not what is measured.
        pair.run(requests.div_ceil(10));
    }
    for _ in 0..options.rounds {
        for (pair, measured) in &mut pairs {
            round(pair.as_mut(), measured, workload, requests);
        }
    }
    pairs.into_iter().map(|(_, measured)| measured).collect()
}

fn round(pair: &mut dyn Pair, measured: &mut Measured, workload: &Workload, requests: usize) {
    let (up, down) = pair.carried();
    let before = Allocated::now();
    let start = Instant::now();
    let seen = pair.run(requests);
    let elapsed = start.elapsed();
    let allocated = Allocated::now().since(before);
    assert!(
        seen.same_work(&workload.seen(requests)),
        "{} did other work than it was given: {seen:?}",
        measured.engine
    );
    measured.allocated.calls += allocated.calls;
    measured.allocated.bytes += allocated.bytes;
    let (up_after, down_after) = pair.carried();
    measured.bytes_up += up_after - up;
    measured.bytes_down += down_after - down;
    measured.requests += requests;
    measured
        .nanos
        .push(elapsed.as_nanos() as f64 / requests as f64);
}
