//! `core/REQUIREMENTS.md`, the comments of the code and the tests keep in step: a section that the code cites has a row,
//! a file that a row names cites the section, and a test that a row names exists.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// A section as `9113 §5.1`.
fn section(rfc: &str, number: &str) -> String {
    format!("{rfc} §{number}")
}

struct Row {
    line: usize,
    sections: Vec<String>,
    place: String,
    files: Vec<String>,
    tests: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn rows() -> Vec<Row> {
    let text = fs::read_to_string(root().join("core/REQUIREMENTS.md")).unwrap();
    let mut rows = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let Some(inner) = line
            .strip_prefix("| ")
            .and_then(|line| line.strip_suffix('|'))
        else {
            continue;
        };
        let cells: Vec<_> = inner.split(" | ").map(str::trim).collect();
        assert_eq!(cells.len(), 4, "line {}: {line}", at + 1);
        if cells[0] == "§" {
            continue;
        }
        let sections = cells[0]
            .split(", ")
            .map(|cell| match cell.split_once(" §") {
                Some((rfc, number)) => section(rfc, number),
                None => section("9113", cell),
            });
        rows.push(Row {
            line: at + 1,
            sections: sections.collect(),
            place: cells[2].to_owned(),
            files: match cells[2].starts_with("not applicable") {
                true => Vec::new(),
                false => quoted(cells[2]),
            },
            tests: quoted(cells[3]),
        });
    }
    assert!(rows.len() > 100, "the table was read");
    rows
}

/// The sections that a text cites, also those behind an "and" or a comma.
fn cited(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    // Comments break lines anywhere.
    let text = text
        .replace("///", " ")
        .replace("//!", " ")
        .replace("//", " ");
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for rfc in ["9113", "8441", "9218"] {
        for (at, mark) in text.match_indices(&format!("RFC {rfc} §")) {
            let mut rest = &text[at + mark.len()..];
            loop {
                let end = rest
                    .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
                    .unwrap_or(rest.len());
                found.insert(section(rfc, rest[..end].trim_end_matches('.')));
                let next = [" and §", ", §", ", and §"];
                let Some(more) = next.iter().find_map(|mark| rest[end..].strip_prefix(mark)) else {
                    break;
                };
                rest = more;
            }
        }
    }
    found
}

/// The sources of the engine by their path below `core`, tests left out, with the sections that they cite.
fn sources() -> BTreeMap<String, BTreeSet<String>> {
    let core = root().join("core");
    let mut paths = Vec::new();
    rust_files(&core.join("src"), &mut paths);
    rust_files(&core.join("hpack/src"), &mut paths);
    let named = paths.into_iter().map(|path| {
        let name = path.strip_prefix(&core).unwrap().display().to_string();
        (name, cited(&fs::read_to_string(&path).unwrap()))
    });
    named.filter(|(name, _)| !name.contains("/tests")).collect()
}

/// Every test of core and of this package, by name.
fn tests() -> BTreeSet<String> {
    let mut paths = Vec::new();
    for folder in ["core", "tests", "io-adapter"] {
        for part in ["src", "tests", "hpack/src"] {
            let folder = root().join(folder).join(part);
            if folder.is_dir() {
                rust_files(&folder, &mut paths);
            }
        }
    }
    let mut found = BTreeSet::new();
    for path in paths {
        let text = fs::read_to_string(path).unwrap();
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if line == "#[test]" || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if let Some(name) = line
                .strip_prefix("async ")
                .unwrap_or(line)
                .strip_prefix("fn ")
                && std::mem::take(&mut is_test)
            {
                found.insert(name.split('(').next().unwrap_or_default().to_owned());
            }
        }
    }
    found
}

#[test]
fn every_section_that_the_code_cites_has_a_row() {
    let known: BTreeSet<_> = rows().into_iter().flat_map(|row| row.sections).collect();
    // Chapters as a whole are introductions.
    let chapter = |section: &String| !section.contains('.') && section.starts_with("9113");
    let faults: Vec<_> = sources()
        .into_iter()
        .flat_map(|(file, sections)| {
            let unknown = sections.into_iter().filter(|section| !chapter(section));
            unknown.map(move |section| (section, file.clone()))
        })
        .filter(|(section, _)| !known.contains(section))
        .collect();
    assert!(faults.is_empty(), "without a row: {faults:#?}");
}

#[test]
fn every_file_that_a_row_names_cites_its_section() {
    let sources = sources();
    let mut faults = Vec::new();
    for row in rows() {
        if row.files.is_empty() {
            let reason = row.place.split_once(": ").map(|(_, reason)| reason);
            if !row.place.starts_with("not applicable") || reason.is_none_or(str::is_empty) {
                faults.push(format!("line {}: neither a file nor a reason", row.line));
            }
        }
        for file in &row.files {
            let cites = sources
                .get(file)
                .is_some_and(|cited| row.sections.iter().any(|section| cited.contains(section)));
            if !cites {
                faults.push(format!("line {}: {file}, {:?}", row.line, row.sections));
            }
        }
    }
    assert!(faults.is_empty(), "not cited: {faults:#?}");
}

#[test]
fn every_test_that_a_row_names_exists() {
    let tests = tests();
    let mut faults = Vec::new();
    for row in rows() {
        if !row.files.is_empty() && row.tests.is_empty() {
            faults.push(format!("line {}: no test", row.line));
        }
        let missing = row.tests.iter().filter(|test| !tests.contains(*test));
        faults.extend(missing.map(|test| format!("line {}: {test}", row.line)));
    }
    assert!(faults.is_empty(), "no such test: {faults:#?}");
}
