//! Every input that is kept runs through its target, without a fuzzer.

use std::{fs, path::Path};

fn replay(target: &str, run: fn(&[u8])) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut count = 0;
    // The seeds are in the repository; what fuzzing has found since is where it ran.
    for folder in ["seeds", "corpus"] {
        let Ok(entries) = fs::read_dir(root.join(folder).join(target)) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            let input = fs::read(&path).unwrap();
            println!("{}", path.display());
            run(&input);
            count += 1;
        }
    }
    assert!(count > 0, "{target} has no seed");
}

#[test]
fn chunking() {
    replay("chunking", raddle_fuzz::chunking::run);
}

#[test]
fn connection_bytes() {
    replay("connection_bytes", raddle_fuzz::connection_bytes::run);
}

#[test]
fn frame_decode() {
    replay("frame_decode", raddle_fuzz::frame_decode::run);
}

#[test]
fn hpack_decode() {
    replay("hpack_decode", raddle_fuzz::hpack_decode::run);
}

#[test]
fn hpack_roundtrip() {
    replay("hpack_roundtrip", raddle_fuzz::hpack_roundtrip::run);
}

#[test]
fn hostile_tape() {
    replay("hostile_tape", raddle_fuzz::tapes::hostile_tape);
}

#[test]
fn pair_tape() {
    replay("pair_tape", raddle_fuzz::tapes::pair_tape);
}
