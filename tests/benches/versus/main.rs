//! The engine against the `h2` crate and, with the feature `nghttp2`, against libnghttp2: the same requests in memory, in
//! one thread.
//!
//! ```text
//! $ cargo bench -p raddle-tests --bench versus -- --only W1
//! $ cargo bench -p raddle-tests --features nghttp2 --bench versus -- --only W1 --side client
//! ```
//!
//! `--side` says whose work is measured: a client and a server of the engine, or one of them against a script that
//! costs next to nothing; the row "script" is script against script. Rounds of all engines alternate, so that a slow
//! moment of the machine meets all, and time is the processor's. "allocs" and "alloc bytes" are what the heap is asked for, "wire up" and "wire
//! down" the bytes on the wire, all per request: the same work shows in them. All read every field and every body
//! byte. The `h2` crate is made of futures and needs an executor, which is about a hundredth of its time.
//!
//! `--measure growth` asks how the cost of a request grows with streams, connections, fields and bodies.
//!
//! `--engine` runs one alone, for a profiler; what is measured runs below the function `measured`.

mod drive;
mod growth;
mod h2_ends;
mod hpack;
mod memory;
#[cfg(feature = "nghttp2")]
mod nghttp2;
mod raddle_ends;
mod report;
mod script;
mod wire;
mod workload;

use std::path::PathBuf;

use clap::{Parser, ValueEnum, builder::RangedU64ValueParser};
use cpu_time::ThreadTime;

use drive::{Ends, Pair};
use h2_ends::H2Ends;
use raddle_ends::{Client, Server};
use raddle_tests::counting::{Allocated, Counting};
use report::Measured;
use script::{ScriptClient, ScriptServer};
use workload::{Seen, Side, WORKLOADS, Workload};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[derive(Debug, Parser)]
#[command(
    about = "raddle's engine against the h2 crate and libnghttp2, in memory",
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
    /// What is measured.
    #[arg(long, default_value = "requests")]
    measure: Measure,
    /// Which ends are the engine's.
    #[arg(long, default_value = "pair")]
    side: Side,
    /// What raddle buffers of each stream; h2 takes whole bodies.
    #[arg(long, value_name = "BYTES", default_value_t = 1024 * 1024)]
    send_buffer: usize,
    /// For `--measure hpack`: the lists of these stories, a folder of hpack-test-case.
    #[arg(long, value_name = "FOLDER")]
    stories: Option<PathBuf>,
    /// For `--measure hpack`: only this direction.
    #[arg(long)]
    direction: Option<hpack::Direction>,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Measure {
    /// Time, allocations and bytes of each request.
    Requests,
    /// Bytes held by streams that wait, and by connections.
    Memory,
    /// Time of each header field, encoded and decoded.
    Hpack,
    /// Time of each request with more streams, connections, fields and bytes.
    Growth,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Engine {
    Raddle,
    H2,
    #[cfg(feature = "nghttp2")]
    Nghttp2,
    Script,
}

impl Engine {
    fn name(self) -> &'static str {
        match self {
            Self::Raddle => "raddle",
            Self::H2 => "h2",
            #[cfg(feature = "nghttp2")]
            Self::Nghttp2 => "nghttp2",
            Self::Script => "script",
        }
    }

    fn ends(self, workload: &'static Workload, side: Side, send_buffer: usize) -> Box<dyn Pair> {
        let client = |workload, texts| Client::new(workload, texts, send_buffer);
        let server = |workload, texts| Server::new(workload, texts, send_buffer);
        let (script_client, script_server) = (ScriptClient::new, ScriptServer::new);
        match (self, side) {
            (Self::Raddle, Side::Client) => Box::new(Ends::new(workload, client, script_server)),
            (Self::Raddle, Side::Server) => Box::new(Ends::new(workload, script_client, server)),
            (Self::Raddle, _) => Box::new(Ends::new(workload, client, server)),
            (Self::H2, _) => Box::new(H2Ends::new(workload, side)),
            #[cfg(feature = "nghttp2")]
            (Self::Nghttp2, _) => {
                let (client, server) = (nghttp2::Ends::client, nghttp2::Ends::server);
                match side {
                    Side::Client => Box::new(Ends::new(workload, client, script_server)),
                    Side::Server => Box::new(Ends::new(workload, script_client, server)),
                    _ => Box::new(Ends::new(workload, client, server)),
                }
            }
            (Self::Script, _) => Box::new(Ends::new(workload, script_client, script_server)),
        }
    }
}

fn main() {
    let options = Options::parse();
    let chosen = |workload: &&Workload| {
        let only = options.only.as_deref();
        only.is_none_or(|only| only.eq_ignore_ascii_case(workload.name))
    };
    let engines: Vec<Engine> = match options.engine {
        Some(engine) => vec![engine],
        None => Engine::value_variants().to_vec(),
    };
    match options.measure {
        Measure::Memory => memory::print(&engines),
        Measure::Hpack => hpack::print(&engines, &options),
        Measure::Growth => growth::print(&engines, &options),
        Measure::Requests => {
            for workload in WORKLOADS.iter().filter(chosen) {
                report::print(workload, &measure(workload, &engines, &options));
            }
        }
    }
}

fn measure(workload: &'static Workload, engines: &[Engine], options: &Options) -> Vec<Measured> {
    let requests = options.requests.unwrap_or(workload.requests);
    let ends = |&engine: &Engine| {
        let side = match engine {
            Engine::Script => Side::Script,
            _ => options.side,
        };
        let measured = Measured {
            engine: engine.name(),
            ..Measured::default()
        };
        let ends = engine.ends(workload, side, options.send_buffer);
        (ends, side, measured)
    };
    let mut all: Vec<_> = engines.iter().map(ends).collect();
    for (ends, ..) in &mut all {
        // The handshake, the compression tables and the first growth of the buffers are not what is measured.
        let few = requests.div_ceil(10);
        ends.prepare(few);
        ends.run(few);
    }
    for _ in 0..options.rounds {
        for (ends, side, measured) in &mut all {
            let expected = workload.seen(requests, *side);
            round(ends.as_mut(), measured, &expected, requests);
        }
    }
    all.into_iter().map(|(.., measured)| measured).collect()
}

/// What is measured runs in here, so that a profiler can be told to look at nothing else.
#[inline(never)]
fn measured<T>(work: impl FnOnce() -> T) -> T {
    work()
}

fn round(ends: &mut dyn Pair, into: &mut Measured, expected: &Seen, requests: usize) {
    ends.prepare(requests);
    let (up, down) = ends.carried();
    let before = Allocated::now();
    // What others on the machine take is not in it, but what they do to the caches is.
    let start = ThreadTime::now();
    let seen = measured(|| ends.run(requests));
    let elapsed = start.elapsed();
    let allocated = Allocated::now().since(before);
    assert!(
        seen.same_work(expected),
        "{} did other work than it was given: {seen:?}, not {expected:?}",
        into.engine
    );
    into.allocated.calls += allocated.calls;
    into.allocated.bytes += allocated.bytes;
    let (up_after, down_after) = ends.carried();
    into.bytes_up += up_after - up;
    into.bytes_down += down_after - down;
    into.requests += requests;
    into.nanos.push(elapsed.as_nanos() as f64 / requests as f64);
}
