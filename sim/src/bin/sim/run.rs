//! Campaigns.

#![expect(
    clippy::disallowed_methods,
    reason = "how long things took is told, and when to stop; no run depends on it"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use raddle_sim::{
    campaign::World,
    outcome::{Fault, Marks, Outcome},
    races::{self, Race},
    watch::{self, Desk},
};
use serde_json::json;

use crate::{RunArgs, Wrong, command, progress::Progress};

/// How many times its time a campaign goes on that has not met every race and has to.
const PATIENCE: u64 = 4;

/// What a campaign has come to.
#[derive(Default)]
struct Sum {
    runs: u64,
    events: u64,
    requests: u64,
    failures: u64,
    marks: Marks,
}

/// A seed that was run as one world.
struct Ran {
    seed: u64,
    world: World,
    result: Result<Outcome, Fault>,
}

/// What the threads that run seeds share.
struct Work<'a> {
    next: AtomicU64,
    end: u64,
    worlds: &'a [World],
    stop: &'a AtomicBool,
    /// A seed that never ends, to see that it is noticed.
    hangs: Option<u64>,
}

/// How often somebody looks whether a run goes on for ever.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Results that wait to be summed up: enough that no thread waits while a line is printed.
const RESULTS_MAX: usize = 1_024;

/// Runs the seeds; answers whether everything was well.
pub(crate) fn run(args: &RunArgs, table: bool) -> Result<bool, Wrong> {
    let worlds = args.worlds()?;
    let stop = stop_on_interrupt()?;
    let (first, end) = args.seeds;
    let mut progress = Progress::new((end - first) * worlds.len() as u64);
    let mut sum = Sum::default();
    let all = races::of_tier(args.tier);
    let shared = Work {
        next: AtomicU64::new(first),
        end,
        worlds: &worlds,
        stop: &stop,
        hangs: args.hang_at,
    };
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = args.jobs.map_or_else(cores, |jobs| jobs as usize);
    let desks: Vec<_> = (0..jobs).map(|_| Desk::default()).collect();
    let (sender, results) = mpsc::sync_channel(RESULTS_MAX);
    std::thread::scope(|scope| {
        for desk in &desks {
            let (sender, shared) = (sender.clone(), &shared);
            scope.spawn(move || work(shared, desk, sender));
        }
        drop(sender);
        let mut looked = Instant::now();
        // Until the last thread has ended. What was run by then counts.
        while let Some(ran) = next(&results, &desks, args, &mut looked) {
            let ran = ran.unwrap_or_else(|stuck| {
                // Nothing ends a thread from outside but the end of all.
                one(args, stuck, &mut sum);
                progress.finish();
                tell(args, &sum, &progress);
                std::process::exit(1);
            });
            one(args, ran, &mut sum);
            progress.step(sum.runs, sum.failures, || {
                (hit(&all, args.tier, &sum.marks), all.len())
            });
            let late = args.time_max.is_some_and(|max| {
                let seconds = progress.elapsed().as_secs();
                // On a slow machine the races that have to be met get more time, and not for ever.
                let met = || hit(&all, args.tier, &sum.marks) == all.len();
                let patient = seconds < max.saturating_mul(PATIENCE) && args.every_race && !met();
                seconds >= max && !patient
            });
            if late || sum.failures >= args.failures_max {
                stop.store(true, Ordering::Relaxed);
            }
        }
    });
    progress.finish();
    tell(args, &sum, &progress);
    let missed: Vec<_> = all
        .iter()
        .filter(|race| race.hits(args.tier, &sum.marks) == Some(0))
        .collect();
    if table {
        print_races(args.tier, &sum.marks);
    }
    if args.every_race {
        for race in &missed {
            eprintln!("never hit: {} {}", race.id, race.what);
        }
    }
    Ok(sum.failures == 0 && (!args.every_race || missed.is_empty()))
}

/// What was run next; `Err` with a run that goes on for longer than it may. `None` when all have ended.
fn next(
    results: &mpsc::Receiver<Ran>,
    desks: &[Desk],
    args: &RunArgs,
    looked: &mut Instant,
) -> Option<Result<Ran, Ran>> {
    loop {
        let ran = match results.recv_timeout(LOOK_EVERY) {
            Ok(ran) => Some(ran),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return None,
        };
        if looked.elapsed() >= LOOK_EVERY {
            *looked = Instant::now();
            let max = Duration::from_secs(args.stuck_max);
            if let Some((seed, world)) = desks.iter().find_map(|desk| desk.stuck(max)) {
                let result = Err(watch::no_end(max));
                return Some(Err(Ran {
                    seed,
                    world,
                    result,
                }));
            }
        }
        if let Some(ran) = ran {
            return Some(Ok(ran));
        }
    }
}

/// Runs one seed after the other that nobody else has taken, as every world, until there are no more or it is to stop.
fn work(work: &Work<'_>, desk: &Desk, results: mpsc::SyncSender<Ran>) {
    loop {
        let seed = work.next.fetch_add(1, Ordering::Relaxed);
        if seed >= work.end {
            return;
        }
        for &world in work.worlds {
            if work.stop.load(Ordering::Relaxed) {
                return;
            }
            let result = desk.at(seed, world, || {
                while work.hangs == Some(seed) {
                    std::thread::park();
                }
                world.run_seed(seed)
            });
            let ran = Ran {
                seed,
                world,
                result,
            };
            if results.send(ran).is_err() {
                return;
            }
        }
    }
}

/// How many of these races have come to pass.
fn hit(races: &[Race], tier: u8, marks: &Marks) -> usize {
    let hit = |race: &&Race| race.hits(tier, marks).is_some_and(|hits| hits > 0);
    races.iter().filter(hit).count()
}

/// Every race: how often it came to pass here, or where it is made.
fn print_races(tier: u8, marks: &Marks) {
    for race in races::ALL {
        let hits = race.hits(tier, marks);
        let hits = hits.map_or("-".to_owned(), |hits| hits.to_string());
        println!("{:4} {hits:>10}  {} ({})", race.id, race.what, race.place());
    }
}

fn one(args: &RunArgs, ran: Ran, sum: &mut Sum) {
    let Ran {
        seed,
        world,
        result,
    } = ran;
    sum.runs += 1;
    match result {
        Ok(outcome) => {
            sum.events += outcome.events;
            let ends = outcome.ends;
            sum.requests += ends.completed + ends.never + ends.if_idempotent + ends.safe;
            sum.marks.add(&outcome.marks);
        }
        Err(fault) => {
            sum.failures += 1;
            if args.json {
                let line = json!({"kind": "failure", "seed": seed, "world": world.to_string(),
                    "what": fault.what, "request": fault.request});
                println!("{line}");
            } else {
                println!("seed {seed} as {world}: {fault}");
                println!("replay: {}", command("replay", world, seed));
            }
        }
    }
}

fn tell(args: &RunArgs, sum: &Sum, progress: &Progress) {
    let seconds = progress.elapsed().as_secs_f64();
    if args.json {
        let marks: serde_json::Map<_, _> = sum
            .marks
            .iter()
            .map(|(mark, count)| (mark.to_owned(), count.into()))
            .collect();
        let line = json!({"kind": "summary", "tier": args.tier, "first": args.seeds.0, "runs": sum.runs,
            "events": sum.events, "requests": sum.requests, "failures": sum.failures,
            "seconds": seconds, "marks": marks});
        println!("{line}");
    } else {
        println!(
            "{} runs, {} requests, {} frames, {} events in {seconds:.1} s ({:.0} runs/s); {} failures",
            sum.runs,
            sum.requests,
            sum.marks.count("frames"),
            sum.events,
            sum.runs as f64 / seconds,
            sum.failures
        );
    }
}

/// A flag that Ctrl-C raises, so that the summary so far is still printed.
fn stop_on_interrupt() -> Result<Arc<AtomicBool>, Wrong> {
    let stop = Arc::new(AtomicBool::new(false));
    let raised = stop.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::spawn(move || {
        if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
            raised.store(true, Ordering::Relaxed);
        }
    });
    Ok(stop)
}
