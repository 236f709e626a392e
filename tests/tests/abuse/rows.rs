//! The table in `docs/abuse.md` and the tests stay in step.

use std::{collections::BTreeMap, fs, path::Path};

/// Rows of the table.
const ROWS: usize = 53;

struct Row {
    name: String,
    counters: String,
    tests: String,
    twin: String,
}

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn rows() -> Vec<Row> {
    let page = read("docs/abuse.md");
    let lines = page.lines().filter(|line| line.starts_with("| V"));
    let rows = lines.map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, _, act, bound, counters, tests, twin] = cells[..] else {
            panic!("seven cells: {line}")
        };
        assert!(!act.is_empty() && !bound.is_empty(), "{line}");
        Row {
            name: name.to_owned(),
            counters: counters.to_owned(),
            tests: tests.to_owned(),
            twin: twin.to_owned(),
        }
    });
    rows.collect()
}

/// What stands between backquotes.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The tests by name, each with the file that it is in.
fn tests() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/abuse");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| format!("tests/tests/abuse/{name}"))
        .collect();
    files.extend([
        "tests/tests/benign.rs".to_owned(),
        "tests/tests/interop_balancer.rs".to_owned(),
        "load-balancer/tests/overload.rs".to_owned(),
        "load-balancer/src/front/tests.rs".to_owned(),
        "io-adapter/tests/tls.rs".to_owned(),
    ]);
    let mut found = BTreeMap::new();
    for file in files {
        let text = read(&file);
        let lines: Vec<_> = text.lines().collect();
        for pair in lines.windows(2) {
            let test = pair[0].starts_with("#[test]") || pair[0].starts_with("#[tokio::test");
            let name = pair[1].trim_start_matches("pub(crate) ");
            let name = name.trim_start_matches("async ").strip_prefix("fn ");
            if let Some(name) = name.filter(|_| test) {
                let name = name.split('(').next().unwrap().to_owned();
                assert_eq!(
                    found.insert(name.clone(), file.clone()),
                    None,
                    "{name} twice"
                );
            }
        }
    }
    found
}

#[test]
fn every_row_has_its_replay_and_its_twin() {
    let (rows, tests) = (rows(), tests());
    let names: Vec<_> = rows.iter().map(|row| row.name.clone()).collect();
    let expected: Vec<_> = (1..=ROWS).map(|n| format!("V{n:02}")).collect();
    assert_eq!(names, expected);
    for row in &rows {
        let prefix = format!("{}_", row.name.to_lowercase());
        let named: Vec<_> = quoted(&row.tests)
            .filter(|name| !name.contains('/'))
            .collect();
        assert!(!named.is_empty(), "{} has no test", row.name);
        for name in &named {
            let file = tests
                .get(*name)
                .unwrap_or_else(|| panic!("{}: no test {name}", row.name));
            assert!(name.starts_with(&prefix), "{name} is of another row");
            let here = file.starts_with("tests/tests/abuse/");
            assert!(
                here || row.tests.contains(file.as_str()),
                "{name} is in {file}"
            );
        }
        // And the page forgets none.
        for name in tests.keys().filter(|name| name.starts_with(&prefix)) {
            assert!(
                named.contains(&name.as_str()),
                "{} does not name {name}",
                row.name
            );
        }
        let twin = quoted(&row.twin).next();
        let twin = twin.unwrap_or_else(|| panic!("{} has no twin", row.name));
        let file = tests
            .get(twin)
            .unwrap_or_else(|| panic!("{}: no test {twin}", row.name));
        let usual = ["tests/tests/abuse/twins.rs", "tests/tests/benign.rs"];
        let said = usual.contains(&file.as_str()) || row.twin.contains(file.as_str());
        assert!(said, "{twin} is in {file}");
    }
    // Every twin stands for some row.
    for (name, file) in &tests {
        let used = rows
            .iter()
            .any(|row| quoted(&row.twin).next() == Some(name));
        assert!(
            used || !file.ends_with("twins.rs"),
            "{name} is the twin of no row"
        );
    }
}

/// The public fields of a struct in a source file.
fn fields<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let start = text.find(&format!("pub struct {name} {{")).unwrap();
    let body = text[start..].split("\n}").next().unwrap();
    let lines = body
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub "));
    let named = lines.filter_map(|line| line.split_once(':'));
    named.map(|(field, _)| field).collect()
}

#[test]
fn every_defence_has_a_counter_that_a_test_reads() {
    let stats = read("core/src/stats.rs");
    let footprint = read("core/src/connection/footprint.rs");
    let defences = fields(&stats, "Defences");
    let mut known = defences.clone();
    known.extend(fields(&stats, "Stats"));
    known.extend(fields(&footprint, "MemoryFootprint"));
    for row in rows() {
        for counter in quoted(&row.counters) {
            assert!(
                known.contains(&counter),
                "{}: no counter {counter}",
                row.name
            );
        }
    }
    let mut sources = String::new();
    for file in tests().into_values() {
        sources.push_str(&read(&file));
    }
    // rustfmt may break the line before the field.
    let sources: String = sources.split_whitespace().collect();
    for counter in defences {
        let read = sources.contains(&format!("defences.{counter}"));
        assert!(read, "no test reads {counter}");
    }
}

/// The source of a test, without white space.
fn body(name: &str, file: &str) -> String {
    let text = read(file);
    let start = text.find(&format!("fn {name}(")).unwrap();
    let body = text[start..].split("\n}\n").next().unwrap();
    body.split_whitespace().collect()
}

#[test]
fn the_tests_of_a_row_read_its_counters() {
    let tests = tests();
    for row in rows() {
        let named = quoted(&row.tests).filter_map(|name| Some((name, tests.get(name)?)));
        let bodies: String = named.map(|(name, file)| body(name, file)).collect();
        for counter in quoted(&row.counters) {
            let read = bodies
                .match_indices(&format!(".{counter}"))
                .any(|(at, found)| {
                    let next = bodies[at + found.len()..].chars().next();
                    next.is_none_or(|next| !next.is_alphanumeric() && next != '_')
                });
            assert!(read, "no test of {} reads {counter}", row.name);
        }
    }
}

#[test]
fn every_limit_gives_its_reason() {
    let config = read("core/src/config.rs");
    let page = read("docs/abuse.md");
    let start = config.find("pub struct Config {").unwrap();
    let body = config[start..].split("\n}").next().unwrap();
    let mut comment = String::new();
    let mut names = Vec::new();
    for line in body.lines().skip(1).map(str::trim) {
        if let Some(text) = line.strip_prefix("///") {
            comment.push_str(text);
        } else if let Some((name, _)) = line
            .strip_prefix("pub ")
            .and_then(|line| line.split_once(':'))
        {
            let sentences = comment.matches(". ").count() + comment.matches(": ").count();
            assert!(
                sentences >= 1,
                "{name} says what it is and not why: {comment}"
            );
            names.push(name.to_owned());
            comment.clear();
        }
    }
    assert!(names.len() > 20);
    // And what the page calls a limit is one.
    for name in quoted(&page).filter(|name| name.ends_with("_max") || name.ends_with("_timeout")) {
        assert!(
            names.iter().any(|known| known == name),
            "{name} is no field of Config"
        );
    }
}
