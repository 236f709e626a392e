//! `docs/scenarios.md` names tests that exist.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// The functions that stand right behind an attribute which makes a test of them.
fn tests_of(text: &str) -> impl Iterator<Item = &str> {
    let marked = text.lines().zip(text.lines().skip(1));
    marked
        .filter(|(mark, _)| mark.trim_start().starts_with("#[") && mark.contains("test"))
        .filter_map(|(_, line)| {
            line.trim_start()
                .trim_start_matches("pub(crate) ")
                .trim_start_matches("async ")
                .strip_prefix("fn ")
        })
        .filter_map(|line| line.split_once('(').map(|(name, _)| name))
}

#[test]
fn every_scenario_has_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for folder in ["core/src", "io-adapter", "sim/tests", "tests/tests"] {
        rust_files(&root.join(folder), &mut files);
    }
    let texts: Vec<_> = files
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let tests: BTreeSet<_> = texts.iter().flat_map(|text| tests_of(text)).collect();
    let page = fs::read_to_string(root.join("docs/scenarios.md")).unwrap();
    let mut rows = 0;
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let Some((there, here)) = line.trim_matches('|').split_once(" | ") else {
            panic!("{line}");
        };
        if there.trim() == "there" {
            continue;
        }
        rows += 1;
        let named: Vec<_> = here.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "no test plays{there}");
        for name in named {
            assert!(tests.contains(name), "{there}: there is no test {name}");
        }
    }
    assert!(rows > 100, "{rows} rows");
}
