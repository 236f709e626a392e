//! What can be asked of an engine, and how it can be set up, against what tier 0 asks and sets.

use std::{fs, path::Path};

/// Methods that tier 0 does not call, and why.
const UNCALLED: [(&str, &str); 5] = [
    ("total", "the parts of memory are judged one by one"),
    (
        "handle_transport_unflushed",
        "no transport of tier 0 keeps anything",
    ),
    (
        "handle_transport_flushed",
        "no transport of tier 0 keeps anything",
    ),
    (
        "keep_place",
        "no application of tier 0 works past the end of a stream",
    ),
    (
        "free_place",
        "no application of tier 0 works past the end of a stream",
    ),
];

/// Fields that tier 0 leaves as they are, and why.
const UNVARIED: [(&str, &str); 0] = [];

fn read_all(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() && !path.ends_with("net") {
            read_all(&path, text);
        } else if path.extension().is_some_and(|end| end == "rs") {
            *text += &fs::read_to_string(path).expect("it can be read");
        }
    }
}

fn text_of(folder: &str) -> String {
    let mut text = String::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    read_all(&root.join(folder), &mut text);
    text
}

/// Whether `name` stands in `text` with `before` in front of it and `behind` after it.
fn stands(text: &str, before: &str, name: &str, behind: &str) -> bool {
    text.contains(&format!("{before}{name}{behind}"))
}

#[test]
fn every_method_of_a_connection_is_called() {
    let (core, sim) = (text_of("../core/src/connection"), text_of("src"));
    let mut names = Vec::new();
    for at in core.match_indices("    pub fn ").map(|(at, _)| at) {
        let hidden = core[..at].trim_end().ends_with("#[doc(hidden)]")
            || core[..at].trim_end().ends_with("#[must_use]")
                && core[at.saturating_sub(60)..at].contains("#[doc(hidden)]");
        let rest = &core[at + "    pub fn ".len()..];
        let end = rest.find(['(', '<']).expect("it has parameters");
        // What makes a connection is called by its path.
        if !hidden && &rest[..end] != "new" {
            names.push(&rest[..end]);
        }
    }
    assert!(names.len() > 30, "they were not found: {names:?}");
    for name in names {
        let called = stands(&sim, ".", name, "(");
        let excused = UNCALLED.iter().any(|(uncalled, _)| *uncalled == name);
        assert_ne!(
            called, excused,
            "{name}: called {called}, excused {excused}"
        );
    }
}

#[test]
fn every_field_of_a_configuration_is_varied() {
    let config =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/src/config.rs"));
    let config = config.expect("it can be read");
    let sim = text_of("src");
    let begin = config.find("pub struct Config {").expect("it is there");
    let body = &config[begin..];
    let body = &body[..body.find("\n}").expect("it ends")];
    let fields: Vec<&str> = body
        .lines()
        .filter_map(|line| line.strip_prefix("    pub ")?.split_once(':'))
        .map(|(name, _)| name)
        .collect();
    assert!(fields.len() > 25, "they were not found: {fields:?}");
    for name in fields {
        let varied = stands(&sim, "        ", name, ":") || stands(&sim, "        ", name, ",\n");
        let excused = UNVARIED.iter().any(|(unvaried, _)| *unvaried == name);
        assert_ne!(
            varied, excused,
            "{name}: varied {varied}, excused {excused}"
        );
    }
}
