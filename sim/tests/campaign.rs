//! Every world of engines over seeds that never change, tapes that once failed, and a canary for what compares runs.

use std::sync::atomic::{AtomicU64, Ordering};

use raddle_sim::{
    campaign::{Profile, World},
    outcome::Marks,
    runner, shrink,
    tape::Tape,
};

#[test]
fn every_world_of_engines_runs_well_and_repeats() {
    for profile in Profile::ALL {
        let world = World::Engines(profile);
        for seed in 0..60 {
            let outcome = world.run_seed(seed);
            let outcome = outcome.unwrap_or_else(|fault| panic!("{world}, seed {seed}: {fault}"));
            assert!(outcome.events > 0);
        }
    }
}

#[test]
fn several_connections_meet_what_they_are_there_for() {
    let pool = [
        "a connection is replaced",
        "a stream that nobody reads",
        "one connection breaks",
        "one connection drains",
        "one connection is closed",
        "one connection stalls",
        "one way of a connection ends",
        "opened while closing",
        "sent again on another connection",
    ];
    let proxy = [
        "a reset is forwarded",
        "the proxy holds back",
        "the proxy sends again",
    ];
    for (profile, wanted) in [
        (Profile::Pool, &pool[..]),
        (Profile::Proxy, &[pool.as_slice(), &proxy].concat()),
    ] {
        let mut marks = Marks::default();
        let mut completed = 0;
        for seed in 1_000..1_200 {
            let outcome = World::Engines(profile).run_seed(seed);
            let outcome =
                outcome.unwrap_or_else(|fault| panic!("{profile:?}, seed {seed}: {fault}"));
            marks.add(&outcome.marks);
            completed += outcome.ends.completed;
        }
        for mark in wanted {
            assert!(
                marks.count(mark) > 0,
                "{profile:?}: no seed reached: {mark}"
            );
        }
        assert!(completed > 500, "{profile:?}: only {completed} completed");
    }
}

// I-34. What a thread keeps is no less a part of a run than what a process does, so that each seed is run in one of its own, too.
#[test]
fn a_seed_of_every_world_takes_the_same_course_whatever_ran_before_it() {
    let hash = |world: World, seed| {
        let outcome = world.run(&mut Tape::from_seed(seed));
        let outcome = outcome.unwrap_or_else(|fault| panic!("{world}, seed {seed}: {fault}"));
        outcome.hash
    };
    let worlds = World::of_tier(0);
    let seeds = 2_000..2_012;
    let mut alone = Vec::new();
    for &world in &worlds {
        for seed in seeds.clone() {
            let run = std::thread::spawn(move || hash(world, seed));
            alone.push(run.join().expect("it runs well"));
        }
    }
    // One world behind the other, backwards, and all worlds in turns.
    let mut reversed = Vec::new();
    for &world in worlds.iter().rev() {
        reversed.extend(seeds.clone().rev().map(|seed| hash(world, seed)));
    }
    reversed.reverse();
    assert_eq!(alone, reversed);
    for (n, seed) in seeds.clone().enumerate() {
        for (at, &world) in worlds.iter().enumerate() {
            let first = alone[at * seeds.clone().count() + n];
            assert_eq!(hash(world, seed), first, "{world}, seed {seed}");
        }
    }
    // Some are so short that others are like them.
    let all = alone.len();
    alone.sort_unstable();
    alone.dedup();
    assert!(alone.len() * 10 > all * 9, "{} courses", alone.len());
}

// I-32. What a process keeps from run to run is the classic way to lose it.
#[test]
fn a_run_that_depends_on_the_runs_before_it_is_found() {
    let runs = AtomicU64::new(0);
    let world = |tape: &mut Tape, trace: &mut raddle_sim::trace::Trace| {
        let drawn = tape.below(10);
        trace.push(format!(
            "run {}, drawn {drawn}",
            runs.fetch_add(1, Ordering::Relaxed)
        ));
        Ok(raddle_sim::outcome::Outcome {
            hash: trace.hash(),
            events: trace.events(),
            ends: Default::default(),
            marks: Default::default(),
        })
    };
    let first = runner::run(&mut Tape::from_seed(1), world).expect("nothing is wrong with it");
    let fault = runner::repeats(&first, &mut Tape::from_seed(1), world).expect_err("it differs");
    assert!(
        fault.what.contains("I-32") && fault.what.contains("event 0"),
        "{fault}"
    );
}

// I-05, the same way: a reader that tells one piece from two.
#[test]
fn a_run_that_depends_on_how_its_input_is_cut_is_found() {
    let world = |tape: &mut Tape, trace: &mut raddle_sim::trace::Trace| {
        trace.push("begins");
        trace.push(match tape.reads_in_crumbs() {
            false => "hears `ab`",
            true => "hears `a`, then `b`",
        });
        Ok(raddle_sim::outcome::Outcome {
            hash: trace.hash(),
            events: trace.events(),
            ends: Default::default(),
            marks: Default::default(),
        })
    };
    let first = runner::run(&mut Tape::from_seed(1), world).expect("nothing is wrong with it");
    let mut tape = Tape::from_seed(1);
    let fault = runner::repeats_in_crumbs(&first, &mut tape, world).expect_err("it differs");
    assert!(
        fault.what.contains("I-05") && fault.what.contains("event 1"),
        "{fault}"
    );
}

#[test]
fn a_failure_shrinks_to_the_choices_that_make_it() {
    let fails = |tape: &mut Tape| {
        let values = tape.lane("a").bytes(50);
        tape.lane("b").bytes(50);
        let found = values.iter().position(|&value| value > 100)?;
        Some((
            raddle_sim::outcome::Fault::run("too large"),
            found as u64 + 1,
        ))
    };
    let time = std::time::Duration::from_secs(5);
    let shrunk = shrink::shrink_by(&fails, &Tape::from_seed(3), time).expect("it fails");
    assert_eq!(shrunk.events, 1);
    assert_eq!(shrunk.tape.to_string(), "raddle tape 1\na: 101\n");
}

// A run that never ends must not hold up a campaign.
#[test]
#[cfg(feature = "network")]
fn a_seed_that_hangs_ends_the_campaign_by_its_name() {
    let sim = std::process::Command::new(env!("CARGO_BIN_EXE_sim"))
        .args(["run", "--seeds", "3..50", "--profile", "safety"])
        .args(["--stuck-max", "1", "--hang-at", "7"])
        .output()
        .expect("it runs");
    let told = String::from_utf8_lossy(&sim.stdout);
    assert_eq!(sim.status.code(), Some(1), "{told}");
    for line in [
        "seed 7 as safety: I-21: no end",
        "replay: sim replay --tier 0 --as safety --seed 7",
        "1 failures",
    ] {
        assert!(told.contains(line), "no `{line}` in {told}");
    }
}
