//! One connection that the tasks of several threads share: does it get slower by them?

use std::net::SocketAddr;

use crate::{
    Kind, api,
    load::{self, Run},
};

const STREAMS: [usize; 3] = [1, 8, 64];
const THREADS: [usize; 2] = [1, 4];

/// The rounds of one cell, both clients in turn.
struct Cell {
    threads: usize,
    streams: usize,
    ours: Vec<Run>,
    theirs: Vec<Run>,
}

/// Measures every cell in each round, and prints a line for each.
pub(crate) fn measure(rounds: u32, requests: u32, address: SocketAddr) {
    let mut cells: Vec<Cell> = THREADS
        .into_iter()
        .flat_map(|threads| STREAMS.map(|streams| Cell::new(threads, streams)))
        .collect();
    for _ in 0..rounds {
        for cell in &mut cells {
            cell.round(requests as usize, address);
        }
    }
    println!(
        "{:>7} {:>7} {:>9} {:>9} {:>20} {:>9} {:>9} {:>8} {:>8}",
        "threads",
        "streams",
        "raddle us",
        "hyper us",
        "hyper / raddle",
        "raddle /s",
        "hyper /s",
        "writes",
        "hyper's"
    );
    cells.iter().for_each(Cell::print);
    println!("\ntime of 4 threads / time of 1, of a processor and of the clock:");
    for (one, four) in cells.iter().zip(&cells[STREAMS.len()..]) {
        for (client, of) in [("raddle", Cell::ours as Of), ("hyper", Cell::theirs)] {
            let ratio = |time: fn(&Run) -> f64| {
                let pairs = of(one).iter().zip(of(four));
                Spread::new(pairs.map(|(one, four)| time(four) / time(one)))
            };
            println!(
                "{:>7} streams, {client:>6}: {} {}",
                one.streams,
                ratio(micros),
                ratio(|run| run.elapsed.as_secs_f64()),
            );
        }
    }
}

type Of = fn(&Cell) -> &[Run];

impl Cell {
    fn new(threads: usize, streams: usize) -> Self {
        Self {
            threads,
            streams,
            ours: Vec::new(),
            theirs: Vec::new(),
        }
    }

    fn ours(&self) -> &[Run] {
        &self.ours
    }

    fn theirs(&self) -> &[Run] {
        &self.theirs
    }

    fn round(&mut self, requests: usize, address: SocketAddr) {
        // A lone stream waits for the loopback, each time.
        let requests = match self.streams {
            1 => requests / 8,
            _ => requests,
        };
        let (kind, streams) = (Kind(self.threads), self.streams);
        self.ours.push(kind.build().block_on(async {
            load::run(api::raddle(address).await, address, streams, requests).await
        }));
        self.theirs.push(kind.build().block_on(async {
            load::run(api::hyper(address).await, address, streams, requests).await
        }));
    }

    fn print(&self) {
        let median = |runs: &[Run], of: fn(&Run) -> f64| Spread::new(runs.iter().map(of)).median;
        let rate = |run: &Run| run.requests as f64 / run.elapsed.as_secs_f64();
        let writes = |run: &Run| run.writes as f64 / run.requests as f64;
        let pairs = self.ours.iter().zip(&self.theirs);
        let ratio = Spread::new(pairs.map(|(ours, theirs)| micros(theirs) / micros(ours)));
        println!(
            "{:>7} {:>7} {:>9.2} {:>9.2} {:>20} {:>9.0} {:>9.0} {:>8.4} {:>8.4}",
            self.threads,
            self.streams,
            median(&self.ours, micros),
            median(&self.theirs, micros),
            ratio.to_string(),
            median(&self.ours, rate),
            median(&self.theirs, rate),
            median(&self.ours, writes),
            median(&self.theirs, writes),
        );
    }
}

/// Time on a processor for each request.
fn micros(run: &Run) -> f64 {
    run.busy.map_or(f64::NAN, |busy| {
        busy.as_secs_f64() * 1e6 / run.requests as f64
    })
}

/// The median of some values, the least and the most.
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn new(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        Self {
            median: values[(values.len() - 1) / 2],
            least: values[0],
            most: values[values.len() - 1],
        }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            median,
            least,
            most,
        } = self;
        write!(f, "{median:.2} ({least:.2}..{most:.2})")
    }
}
