//! Runs that failed once. Each file of `sim/tests/tapes` is one.
//!
//! With the feature `planted`, those that name a fault have to fail with it, too: a tape that leads elsewhere, because
//! the simulation draws in another way since, tests nothing. `sim shrink --planted all --keep sim/tests/tapes` writes
//! all of them anew.

use std::{fs, path::Path};

use raddle_sim::case::Case;

#[path = "support/pasted.rs"]
mod pasted;

#[test]
fn what_failed_once_runs_well() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tapes");
    let mut kept = 0;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        let text = fs::read_to_string(&path).expect("it is text");
        let name = path.file_name().unwrap_or_default().display().to_string();
        let case: Case = text
            .parse()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        wrong.extend(case.kept().err().map(|error| format!("{name}: {error}")));
        kept += 1;
    }
    assert!(kept >= 40, "{kept} tapes are kept");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// The form that `sim shrink` prints is in `pasted.rs`, as it was printed.
#[test]
fn a_test_that_is_printed_is_the_one_that_was_pasted() {
    let pasted = include_str!("support/pasted.rs");
    let (_, test) = pasted.split_once("\n\n").expect("a comment is above it");
    let text = test
        .split_once("r#\"")
        .and_then(|(_, rest)| rest.split_once("\"#"));
    let (tape, _) = text.expect("it has a tape");
    let case: Case = tape.parse().expect("it is a case");
    assert_eq!(case.as_test("a_failure_that_was_shrunk"), test);
}

#[test]
fn a_case_is_read_as_it_was_written() {
    let text = "raddle tape 1\nworld abuse\nplanted Some\nfails I-10: x\nmain: 4 0 1\n";
    let case: Case = format!("# why it is kept\n{text}")
        .parse()
        .expect("it is a case");
    assert_eq!(case.to_string(), text);
    assert_eq!(case.planted.as_deref(), Some("Some"));
    for wrong in [
        "raddle tape 1\n",
        "world none\nraddle tape 1\n",
        "world abuse\n1\n",
    ] {
        assert!(wrong.parse::<Case>().is_err(), "{wrong}");
    }
}
