//! The table of races: each has its place, and what it names is there.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use raddle_sim::races::{self, By, Race};

fn root() -> &'static Path {
    let sim = Path::new(env!("CARGO_MANIFEST_DIR"));
    sim.parent().expect("the workspace is above")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every file of Rust below a folder.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.extension() {
            None if path.is_dir() => sources(&path, found),
            Some(extension) if extension == "rs" => found.push(path),
            _ => {}
        }
    }
}

/// The functions of a file that the test harness runs. What is left out by a condition is none; nothing is ignored in
/// this house.
fn tests_of(text: &str) -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    let (mut is_test, mut is_off) = (false, false);
    for line in text.lines().map(str::trim) {
        if let Some(attribute) = line.strip_prefix("#[") {
            is_test |= attribute.starts_with("test]") || attribute.starts_with("tokio::test");
            is_off |= attribute.starts_with("cfg");
            continue;
        }
        let function = line.trim_start_matches("async ").strip_prefix("fn ");
        if let Some(name) = function.and_then(|line| line.split('(').next())
            && is_test
            && !is_off
        {
            tests.insert(name.to_owned());
        }
        (is_test, is_off) = (false, false);
    }
    tests
}

#[test]
fn every_race_has_its_place_and_the_tests_that_it_names_are_there() {
    let mut scripts = BTreeSet::new();
    for entry in fs::read_dir(root().join("tests/tests/races")).expect("the scripts") {
        scripts.append(&mut tests_of(&read(&entry.expect("an entry").path())));
    }
    let mut files: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for race in races::ALL {
        assert!(ids.insert(race.id), "{} is there twice", race.id);
        assert!(!race.by.is_empty(), "{} has no place", race.id);
        for &by in race.by {
            match by {
                By::Script => {
                    let begin = format!("{}_", race.id.to_lowercase());
                    let found = scripts.iter().any(|name| name.starts_with(&begin));
                    assert!(found, "no script `{begin}*`");
                }
                By::Test(file, name) => {
                    let tests = files
                        .entry(file)
                        .or_insert_with(|| tests_of(&read(&root().join(file))));
                    assert!(tests.contains(name), "{}: no {name} in {file}", race.id);
                }
                By::Engines(_) | By::Network(_) => {}
            }
        }
    }
    assert_eq!(ids.len(), 160);
}

#[test]
fn every_mark_is_hit_somewhere() {
    let mut found = Vec::new();
    sources(&root().join("sim/src"), &mut found);
    found.retain(|path| !path.ends_with("races/table.rs"));
    let text: String = found.iter().map(|path| read(path)).collect();
    let marks = |race: &Race| {
        let marks = race
            .by
            .iter()
            .filter_map(|by| by.mark(0).or_else(|| by.mark(1)));
        marks.collect::<Vec<_>>()
    };
    for mark in races::ALL.iter().flat_map(marks) {
        assert!(text.contains(&format!("\"{mark}\"")), "who hits {mark}?");
    }
}

#[test]
fn the_page_counts_as_the_table_does() {
    let page = read(&root().join("docs/simulation.md"));
    let words: Vec<_> = page.split_whitespace().collect();
    let page = words.join(" ");
    let count = |has: &dyn Fn(By) -> bool| {
        let of = |race: &&Race| race.by.iter().any(|&by| has(by));
        races::ALL.iter().filter(of).count()
    };
    let unmarked = races::ALL.len() - count(&|by| by.mark(0).or(by.mark(1)).is_some());
    let wanted = format!(
        "{} have a mark of tier 0, {} one of tier 1, {} a script of their number in `tests/tests/races`, {} tests \
         elsewhere. {unmarked} have no mark",
        count(&|by| matches!(by, By::Engines(_))),
        count(&|by| matches!(by, By::Network(_))),
        count(&|by| matches!(by, By::Script)),
        count(&|by| matches!(by, By::Test(..))),
    );
    assert!(page.contains(&wanted), "{wanted}");
    for race in races::of_tier(0).iter().chain(&races::of_tier(1)) {
        assert!(page.contains(&format!("{} ", race.id)), "{}", race.id);
    }
}

#[test]
fn what_the_harness_does_not_run_is_no_test() {
    let text = "#[test]\nfn plain() {\n#[tokio::test(start_paused = true)]\nasync fn timed() {\n\
        #[test]\n#[cfg(windows)]\nfn elsewhere() {\nfn helper() {\n";
    let names: Vec<_> = tests_of(text).into_iter().collect();
    assert_eq!(names, ["plain", "timed"]);
}
