//! One connection that the tasks of several threads share: does it get slower by them?

use std::net::SocketAddr;

use crate::{
    Kind, api,
    load::{self, Run},
};

const STREAMS: [usize; 3] = [1, 8, 64];
const THREADS: [usize; 2] = [1, 4];
/// What is held with `--check`, of the best round of each cell, which others at work on the machine disturb least: requests per
/// second with 4 threads are no less than those with one, but for a quarter. Where the server and 4 threads share 2
/// cores, they cannot be more, and the cores change hands; a lock that is held across a write, or makes threads wait in
/// line, costs a multiple.
const RATE_MIN: f64 = 0.75;
/// Threads that find the lock taken, for each request, and the part of the time of all threads that they wait there. It is
/// one in 250 requests, and one in 100 on a machine that is busy with other things; with a lock that is held for 50
/// microseconds more by who writes, one in ten.
const WAITS_MAX: f64 = 0.05;
const WAITED_MAX: f64 = 0.05;

/// The rounds of one cell, both clients in turn.
struct Cell {
    threads: usize,
    streams: usize,
    ours: Vec<Run>,
    theirs: Vec<Run>,
}

/// Measures every cell in each round, and prints a line for each. When it `checks`, it measures our client alone; answers
/// whether everything holds.
pub(crate) fn measure(rounds: u32, requests: u32, address: SocketAddr, checks: bool) -> bool {
    let mut cells: Vec<Cell> = THREADS
        .into_iter()
        .flat_map(|threads| STREAMS.map(|streams| Cell::new(threads, streams)))
        .collect();
    for _ in 0..rounds {
        for cell in &mut cells {
            cell.round(requests as usize, address, !checks);
        }
    }
    if checks {
        return check(&cells);
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
    println!(
        "\nthreads that found raddle's lock taken, per request, and their wait per request in ns:"
    );
    for cell in &cells {
        let (waits, waited) = (Spread::new(cell.ours.iter().map(waits)), cell.waited());
        let Cell {
            threads, streams, ..
        } = cell;
        println!("{threads:>7} threads, {streams:>2} streams: {waits}, {waited:.0}");
    }
    true
}

/// Holds what `--check` holds, and says it.
fn check(cells: &[Cell]) -> bool {
    let mut holds = true;
    for (one, four) in cells.iter().zip(&cells[STREAMS.len()..]) {
        let best = |cell: &Cell| cell.ours.iter().map(rate).fold(0.0, f64::max);
        let ratio = best(four) / best(one);
        let waits = Spread::new(four.ours.iter().map(waits)).median;
        let elapsed: f64 = four.ours.iter().map(|run| run.elapsed.as_secs_f64()).sum();
        let waited: f64 = four.ours.iter().map(|run| run.waits.1.as_secs_f64()).sum();
        let part = waited / (elapsed * four.threads as f64);
        let held = ratio >= RATE_MIN && waits <= WAITS_MAX && part <= WAITED_MAX;
        println!(
            "{:>2} streams: {:.0} requests/s on 1 thread, {:.2} times as many on 4; the lock was taken {waits:.4} times per \
             request, and {:.2} % of the time went by there: {}",
            one.streams,
            best(one),
            ratio,
            part * 100.0,
            if held { "holds" } else { "DOES NOT HOLD" },
        );
        holds &= held;
    }
    holds
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

    /// How long all that waited for the lock did so for each request, in ns.
    fn waited(&self) -> f64 {
        let waited = |run: &Run| run.waits.1.as_nanos() as f64 / run.requests as f64;
        Spread::new(self.ours.iter().map(waited)).median
    }

    fn round(&mut self, requests: usize, address: SocketAddr, both: bool) {
        // A lone stream waits for the loopback, each time.
        let requests = match self.streams {
            1 => requests / 8,
            _ => requests,
        };
        let (kind, streams) = (Kind(self.threads), self.streams);
        self.ours.push(kind.build().block_on(async {
            load::run(api::raddle(address).await, address, streams, requests).await
        }));
        if !both {
            return;
        }
        self.theirs.push(kind.build().block_on(async {
            load::run(api::hyper(address).await, address, streams, requests).await
        }));
    }

    fn print(&self) {
        let median = |runs: &[Run], of: fn(&Run) -> f64| Spread::new(runs.iter().map(of)).median;
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

/// Requests in a second.
fn rate(run: &Run) -> f64 {
    run.requests as f64 / run.elapsed.as_secs_f64()
}

/// How often the lock was found taken for each request.
fn waits(run: &Run) -> f64 {
    run.waits.0 as f64 / run.requests as f64
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
