//! The program `sim`, as people and machines use it.

#[cfg(target_os = "linux")]
use std::process::Stdio;
use std::process::{Command, Output};

use serde_json::{Map, Value};

fn sim(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
    command.args(arguments).output().expect("it starts")
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("text")
}

#[test]
fn what_is_wrong_is_told_in_one_line() {
    for (arguments, what) in [
        (&["run", "--seeds", "5"][..], "A..B"),
        (&["run", "--seeds", "9..9"], "no seed"),
        (&["run", "--tier", "2"], "0..=1"),
        (&["run", "--tier", "1", "--profile", "abuse"], "profiles"),
        (&["run", "--profile", "any"], "possible values"),
        (&["run", "--failures-max", "0"], "failures-max"),
        (&["run", "--jobs", "0"], "jobs"),
        (&["replay"], "TAPE"),
        (&["replay", "--seed", "x"], "invalid"),
        (&["replay", "--seed", "1", "--as", "any"], "no world `any`"),
        (
            &["replay", "--seed", "1", "--tier", "1", "--as", "abuse"],
            "tier",
        ),
        (&["replay", "--seed", "1", "--format", "html"], "--format"),
        (&["replay", "no such file"], "no such file: "),
        (&["trace", "--seed", "1", "--format", "any"], "perfetto"),
        (
            &["shrink", "--seed", "1", "--keep", "here"],
            "--planted all",
        ),
        (&["hashes", "--check", "no such file"], "no such file: "),
        (&["dance"], "dance"),
        (&[], "--help"),
    ] {
        let output = sim(arguments);
        let told = String::from_utf8(output.stderr).expect("text");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(told.starts_with("sim: ") && told.contains(what), "{told}");
    }
}

/// The sum of what campaigns have printed, one after the other.
fn sum(lines: &str) -> Map<String, Value> {
    let mut sum = Map::new();
    let mut add = |name: &str, count: &Value| {
        let before = sum.get(name).and_then(Value::as_u64).unwrap_or_default();
        let more = count.as_u64().expect("a count");
        sum.insert(name.to_owned(), Value::from(before + more));
    };
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).expect("one object a line");
        assert_eq!(line["kind"], "summary", "nothing fails here");
        for name in ["runs", "requests", "events", "failures"] {
            add(name, &line[name]);
        }
        let marks = line["marks"].as_object().expect("marks");
        marks.iter().for_each(|(mark, count)| add(mark, count));
    }
    sum
}

#[test]
fn shares_of_a_campaign_merge_by_concatenation() {
    let run =
        |seeds: &str, jobs: &str| said(&sim(&["run", "--json", "--seeds", seeds, "--jobs", jobs]));
    let whole = sum(&run("0..24", "2"));
    let shares = [run("0..9", "1"), run("9..10", "3"), run("10..24", "1")];
    assert_eq!(sum(&shares.concat()), whole);
    assert_eq!(whole["runs"], 24 * 5);
    assert!(whole.len() > 30, "{whole:?}");
}

#[test]
fn a_run_is_repeated_and_shown_by_the_commands_that_are_printed() {
    for (world, tier) in [("abuse", "0"), ("Both", "1")] {
        let seed = ["--tier", tier, "--as", world, "--seed", "3"];
        let of = |verb: &'static str| [&[verb][..], &seed].concat();
        let once = said(&sim(&of("replay")));
        assert!(once.starts_with("well: "), "{once}");
        if tier == "0" {
            assert_eq!(said(&sim(&of("replay"))), once);
        }
        let text = said(&sim(&of("trace")));
        let mut lines = text.lines();
        assert!(
            lines
                .next()
                .is_some_and(|line| line.starts_with("seed 3: "))
        );
        let again = lines.next().expect("a command");
        let again = again.split_once(" -- ").expect("arguments").1;
        assert_eq!(again.split(' ').collect::<Vec<_>>(), of("replay"));
        assert_eq!(said(&sim(&of("shrink"))), "it does not fail\n");
    }
}

#[test]
fn every_form_of_a_trace_comes_on_standard_output() {
    for (format, beginning) in [
        ("text", &b"seed 7: "[..]),
        ("jsonl", b"{\"format\":\"raddle-trace\""),
        ("html", b"<!doctype html>"),
        ("pcapng", &[0x0a, 0x0d, 0x0d, 0x0a]),
        ("qlog", &[0x1e, b'{']),
        ("perfetto", b"{\"displayTimeUnit\""),
    ] {
        let output = sim(&["trace", "--seed", "7", "--format", format]);
        assert!(output.status.success() && output.stderr.is_empty());
        assert!(output.stdout.starts_with(beginning), "{format}");
    }
}

#[cfg(unix)]
#[test]
fn who_reads_no_further_ends_the_program_without_a_word() {
    for arguments in [
        &["trace", "--seed", "7"][..],
        &["hashes"],
        &["races", "--seeds", "0..2"],
    ] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_sim"));
        let output = command.args(arguments).stdout(writer).output();
        let output = output.expect("it starts");
        // As a shell says it of a program that such a write has ended.
        assert_eq!(output.status.code(), Some(141), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
    }
}

/// Waits until the program would not die of an interrupt: the kernel lists the signals that it catches.
#[cfg(target_os = "linux")]
fn wait_until_it_listens(id: u32) {
    const SIGINT: u64 = 1 << 1;
    loop {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("it lives");
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let caught = u64::from_str_radix(caught.expect("a set").trim(), 16).expect("bits");
        if caught & SIGINT != 0 {
            return;
        }
        std::thread::yield_now();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_ends_a_campaign_with_its_summary() {
    for json in [&[][..], &["--json"]] {
        // Seeds for days.
        let campaign = Command::new(env!("CARGO_BIN_EXE_sim"))
            .args(["run", "--seeds", "0..1000000000", "--jobs", "1"])
            .args(json)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        wait_until_it_listens(campaign.id());
        let id = campaign.id().to_string();
        let interrupted = Command::new("kill").args(["-INT", &id]).status();
        assert!(interrupted.expect("kill runs").success());
        let output = campaign.wait_with_output().expect("it ends");
        let summary = said(&output);
        assert_eq!(summary.lines().count(), 1, "{summary}");
        assert!(summary.contains("failures"), "{summary}");
    }
}
