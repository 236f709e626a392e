//! How many runs of tier 1 one core makes in a second, by who talks to whom, with TLS and without.
//!
//! ```console
//! $ cargo run --release -p raddle-sim --example network_speed -- 0..1000
//! ```
//!
//! What is counted is the processor time of the thread that makes them, so that it matters less what else the machine
//! does.

use std::{collections::BTreeMap, process::ExitCode};

use cpu_time::ThreadTime;
use raddle_sim::net::{self, Pairing};

/// Runs of one kind.
#[derive(Default)]
struct Sum {
    runs: u64,
    requests: u64,
    events: u64,
    seconds: f64,
}

impl Sum {
    fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.requests += other.requests;
        self.events += other.events;
        self.seconds += other.seconds;
    }

    fn tell(&self, what: &str) {
        let each = |count: u64| count as f64 / self.runs as f64;
        let per_second = |count: u64| count as f64 / self.seconds;
        println!(
            "| {what} | {} | {:.0} | {:.0} | {:.0} | {:.0} |",
            self.runs,
            each(self.requests),
            each(self.events),
            per_second(self.runs),
            per_second(self.requests),
        );
    }
}

fn main() -> ExitCode {
    let seeds = std::env::args().nth(1).and_then(|seeds| {
        let (first, end) = seeds.split_once("..")?;
        Some(first.parse::<u64>().ok()?..end.parse().ok()?)
    });
    let Some(seeds) = seeds else {
        eprintln!("usage: network_speed FIRST..END");
        return ExitCode::FAILURE;
    };
    let mut sums = BTreeMap::<_, Sum>::new();
    for seed in seeds {
        for (number, pairing) in Pairing::ALL.into_iter().enumerate() {
            let begun = ThreadTime::now();
            let outcome = match net::run(seed, pairing) {
                Ok(outcome) => outcome,
                Err(fault) => {
                    eprintln!("seed {seed} as {pairing:?}: {fault}");
                    return ExitCode::FAILURE;
                }
            };
            let ends = outcome.ends;
            // Where nobody gets as far as a connection there is neither.
            let tls = outcome.marks.count("tls") > 0;
            sums.entry((tls, number)).or_default().add(&Sum {
                runs: 1,
                requests: ends.completed + ends.never + ends.if_idempotent + ends.safe,
                events: outcome.events,
                seconds: begun.elapsed().as_secs_f64(),
            });
        }
    }
    println!("| | runs | requests each | events each | runs each second | requests each second |");
    println!("|---|---|---|---|---|---|");
    for (tls, name) in [(false, "plain"), (true, "TLS")] {
        let mut all = Sum::default();
        for ((_, number), sum) in sums.iter().filter(|((with, _), _)| *with == tls) {
            sum.tell(&format!("`{:?}`, {name}", Pairing::ALL[*number]));
            all.add(sum);
        }
        all.tell(&format!("all, {name}"));
    }
    ExitCode::SUCCESS
}
