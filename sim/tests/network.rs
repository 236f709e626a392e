//! Whole clients and servers over a simulated network, over seeds that never change and over one that nobody has seen.

mod support;

use raddle_core::Role;
use raddle_sim::{
    campaign::World,
    net::{self, Pairing},
    outcome::{Marks, Outcome},
    tape::Tape,
    view::{self, Event, Format, Header, Recording, What},
};

/// The name of this file, for the command that repeats a run.
const TEST: &str = "network";

/// The outcome of a seed that has to go well.
fn good(seed: u64, pairing: Pairing) -> Outcome {
    println!("{pairing:?}, seed {seed}");
    support::good(TEST, seed, net::run(seed, pairing))
}

#[test]
fn fixed_seeds_run_well_and_reach_everything_that_is_of_interest() {
    for pairing in Pairing::ALL {
        let mut marks = Marks::default();
        let (mut completed, mut never, mut idempotent, mut safe) = (0, 0, 0, 0);
        for seed in 0..60 {
            let outcome = good(seed, pairing);
            marks.add(&outcome.marks);
            completed += outcome.ends.completed;
            never += outcome.ends.never;
            idempotent += outcome.ends.if_idempotent;
            safe += outcome.ends.safe;
        }
        println!("{marks:?}, {completed} completed, verdicts {never} {idempotent} {safe}");
        for mark in [
            "crash",
            "cut",
            "drain by server",
            "hold",
            "reset by client",
            "reset by server",
            "trailers",
            "tls",
            "bounce",
            "partition",
        ] {
            // The h2 client never notices that what it sends is lost, and takes part in no such run.
            let reached =
                marks.count(mark) > 0 || (pairing == Pairing::OurServer && mark == "partition");
            assert!(reached, "{pairing:?}: no seed reached {mark}");
        }
        let ours: &[_] = match pairing {
            Pairing::Both => &["keeper", "no answer", "J04"],
            Pairing::Pool => &["idle", "no answer", "J04"],
            Pairing::OurClient => &["keeper", "J04"],
            Pairing::OurServer => &[],
        };
        for mark in ours {
            assert!(marks.count(mark) > 0, "{pairing:?}: no seed reached {mark}");
        }
        let interim = matches!(pairing, Pairing::Both | Pairing::Pool);
        assert_eq!(marks.count("interim") > 0, interim, "{pairing:?}: interim");
        let drain = pairing != Pairing::OurServer;
        assert_eq!(marks.count("drain by client") > 0, drain, "{pairing:?}");
        assert!(completed > 300, "{pairing:?}: only {completed} completed");
        assert!(
            never > 0 && idempotent > 0 && safe > 0,
            "{pairing:?}: a verdict is missing: {never} never, {idempotent} if idempotent, {safe} safe"
        );
    }
}

/// Bytes that pass are something that happens, also when they are no whole frame yet. The clocks that were set forward
/// meanwhile made each wait of a write in this run 25 times as long, and a deadline pass.
#[test]
fn a_slow_way_is_no_lull() {
    good(1_217, Pairing::Both);
}

#[test]
fn a_seed_that_nobody_has_seen_runs_well() {
    for seed in support::fresh_seeds(TEST, 4) {
        for pairing in Pairing::ALL {
            good(seed, pairing);
        }
    }
}

#[test]
fn a_seed_takes_the_same_course_again_whatever_ran_before_it() {
    for pairing in Pairing::ALL {
        let hash = |seed| good(seed, pairing).hash;
        let alone: Vec<_> = (100..106).map(hash).collect();
        let reversed: Vec<_> = (100..106).rev().map(hash).collect();
        assert!(alone.iter().eq(reversed.iter().rev()), "{pairing:?}");
        let mut distinct = alone.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(distinct.len(), alone.len(), "seeds differ in their course");
    }
}

#[test]
fn a_run_over_the_network_is_recorded_in_every_form() {
    let frames = |recording: &Recording, wanted: Role| {
        let seen =
            |event: &&Event| matches!(&event.what, What::Frame(frame) if frame.side == wanted);
        recording.events.iter().filter(seen).count()
    };
    for pairing in Pairing::ALL {
        let (mut client, mut server) = (0, 0);
        for seed in 0..6 {
            let mut tape = Tape::from_seed(seed);
            let (result, recorder) = view::record(World::Network(pairing), &mut tape);
            let recording = recorder.finish(Header::simulated(Some(seed), 1, &result, None));
            let moments: Vec<_> = recording.events.iter().map(|event| event.at).collect();
            assert!(moments.is_sorted(), "{pairing:?}, seed {seed}");
            client += frames(&recording, Role::Client);
            server += frames(&recording, Role::Server);
            for format in Format::ALL {
                assert!(!view::export(&recording, format).is_empty());
            }
        }
        assert!(client > 500, "{pairing:?}: {client} frames at the client");
        assert_eq!(
            server > 500,
            pairing != Pairing::Pool,
            "{pairing:?}: {server}"
        );
    }
}
