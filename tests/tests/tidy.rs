//! What the house looks like: layers, sizes, and the promises that the manifests make.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Lines of a source file. Beyond it a reader loses the thread.
const FILE_LINES_MAX: usize = 450;
/// Lines of a function, signature and closing brace counted.
const FUNCTION_LINES_MAX: usize = 70;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap().to_str().unwrap();
        // Generated, or not ours to judge.
        if ["target", ".git", "corpus", "artifacts"].contains(&name) {
            continue;
        }
        if path.is_dir() {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Every file below `folder`, its path as the project sees it, and its text.
fn files(folder: &str, ending: &str) -> Vec<(String, String)> {
    let root = root();
    let mut found = Vec::new();
    walk(&root.join(folder), &mut found);
    found.retain(|path| path.to_str().is_some_and(|path| path.ends_with(ending)));
    let named = found.into_iter().map(|path| {
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        let text = fs::read_to_string(&path).unwrap();
        (name, text)
    });
    let named: Vec<_> = named.collect();
    assert!(!named.is_empty(), "no {ending} below {folder}");
    named
}

fn assert_none(what: &str, faults: Vec<String>) {
    assert!(faults.is_empty(), "{what}:\n  {}", faults.join("\n  "));
}

/// The text without comments.
fn code(text: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn files_and_functions_are_short() {
    let mut faults = Vec::new();
    for (name, text) in files("", ".rs") {
        let lines = text.lines().count();
        if lines > FILE_LINES_MAX {
            faults.push(format!("{name}: {lines} lines"));
        }
        let lines: Vec<_> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let body = line.trim_start();
            let indent = line.len() - body.len();
            let starts = [
                "fn ",
                "pub fn ",
                "pub(crate) fn ",
                "pub(super) fn ",
                "async fn ",
                "pub async fn ",
            ];
            if !starts.iter().any(|start| body.starts_with(start)) || body.ends_with(';') {
                continue;
            }
            // rustfmt puts the closing brace under the first letter.
            let close = format!("{}}}", " ".repeat(indent));
            let Some(len) = lines[at..].iter().position(|line| *line == close) else {
                continue;
            };
            if len + 1 > FUNCTION_LINES_MAX {
                faults.push(format!(
                    "{name}:{}: a function of {} lines",
                    at + 1,
                    len + 1
                ));
            }
        }
    }
    assert_none("too long", faults);
}

/// The modules of the engine from the bottom up; each sees those below it, and these beside it.
const LAYERS: &[(&str, u8, &[&str])] = &[
    ("id", 0, &[]),
    ("fuel", 0, &[]),
    ("planted", 0, &[]),
    ("drawn", 0, &[]),
    ("rare", 0, &[]),
    ("time", 0, &[]),
    ("stats", 0, &[]),
    ("violation", 1, &[]),
    ("error", 1, &["violation"]),
    ("wire", 1, &[]),
    ("priority", 1, &[]),
    ("config", 1, &[]),
    ("transmit", 1, &[]),
    ("frame", 2, &[]),
    ("head", 3, &[]),
    ("flow", 3, &[]),
    ("limits", 3, &[]),
    ("ping", 3, &[]),
    ("settings", 3, &[]),
    ("stream", 4, &["event"]),
    ("event", 4, &[]),
    ("streams", 5, &[]),
    ("connection", 6, &[]),
];

/// The modules that a text of the engine imports from its root.
fn imports(text: &str) -> BTreeSet<String> {
    let text = code(text);
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.insert(identifier(rest));
            continue;
        };
        let mut depth = 0;
        let mut fresh = true;
        for (at, letter) in group.char_indices() {
            match letter {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => fresh = true,
                letter if fresh && letter.is_ascii_alphabetic() => {
                    found.insert(identifier(&group[at..]));
                    fresh = false;
                }
                _ => {}
            }
        }
    }
    found
}

fn identifier(text: &str) -> String {
    text.chars()
        .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
        .collect()
}

#[test]
fn the_engine_imports_downward_only() {
    let layers: BTreeMap<_, _> = LAYERS
        .iter()
        .map(|(name, layer, beside)| (*name, (*layer, *beside)))
        .collect();
    let mut faults = Vec::new();
    let mut seen = 0;
    for (name, text) in files("core/src", ".rs") {
        let module = name.trim_start_matches("core/src/");
        if name.contains("/tests") || module == "lib.rs" {
            continue;
        }
        let module = module.split('/').next().unwrap().trim_end_matches(".rs");
        let Some((layer, beside)) = layers.get(module) else {
            faults.push(format!("{name} belongs to no layer"));
            continue;
        };
        for import in imports(&text) {
            // Types that lib.rs re-exports are named by their modules inside.
            let Some((other, _)) = layers.get(import.as_str()) else {
                if import.starts_with(char::is_lowercase) {
                    faults.push(format!("{name} imports {import}, which has no layer"));
                }
                continue;
            };
            seen += 1;
            let flow_bound = module == "flow" && *other > 1;
            let down = other < layer || import == module || beside.contains(&import.as_str());
            if !down || flow_bound {
                faults.push(format!(
                    "{name} (layer {layer}) imports {import} (layer {other})"
                ));
            }
            if module == "frame" && text.contains("raddle_hpack") {
                faults.push(format!("{name}: frames and HPACK never see each other"));
            }
        }
    }
    assert!(seen > 50, "only {seen} imports were found");
    assert_none("against the layers", faults);
}

#[test]
fn the_core_crates_are_sans_io_and_without_unsafe() {
    for (lib, manifest, allowed) in [
        (
            "core/hpack/src/lib.rs",
            "core/hpack/Cargo.toml",
            &["bytes"][..],
        ),
        (
            "core/src/lib.rs",
            "core/Cargo.toml",
            &["bytes", "raddle-hpack"],
        ),
    ] {
        let text = fs::read_to_string(root().join(lib)).unwrap();
        for attribute in ["#![no_std]", "#![forbid(unsafe_code)]"] {
            assert!(text.contains(attribute), "{lib} lacks {attribute}");
        }
        assert_eq!(
            dependencies(manifest, "[dependencies]"),
            allowed,
            "{manifest}"
        );
    }
    let mut faults = Vec::new();
    for folder in ["core/src", "core/hpack/src", "sim/src", "io-adapter/src"] {
        for (name, text) in files(folder, ".rs") {
            let text = code(&text);
            for word in ["HashMap", "HashSet", "SystemTime", "thread_rng"] {
                if text.contains(word) {
                    faults.push(format!("{name} uses {word}"));
                }
            }
        }
    }
    assert_none("not deterministic", faults);
}

/// The names in one section of a manifest, in order.
fn dependencies(manifest: &str, section: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(manifest)).unwrap();
    let lines = text.lines().skip_while(|line| *line != section).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| line.split(['=', '.', ' ']).next());
    names
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_dependency_of_the_workspace_is_used_and_every_use_is_of_the_workspace() {
    let declared: BTreeSet<_> = dependencies("Cargo.toml", "[workspace.dependencies]")
        .into_iter()
        .collect();
    let mut used = BTreeSet::new();
    let mut faults = Vec::new();
    for (name, text) in files("", "Cargo.toml") {
        if name == "Cargo.toml" || name.starts_with("fuzz/") {
            continue;
        }
        for section in ["[dependencies]", "[dev-dependencies]"] {
            let folder = Path::new(&name).parent().unwrap();
            for dependency in dependencies(&name, section) {
                if !declared.contains(&dependency) {
                    faults.push(format!("{name}: {dependency} is not of the workspace"));
                }
                let underscored = dependency.replace('-', "_");
                let sources = files(folder.to_str().unwrap(), ".rs");
                if !sources.iter().any(|(_, text)| text.contains(&underscored)) {
                    faults.push(format!("{name}: nothing uses {dependency}"));
                }
                used.insert(dependency);
            }
        }
        if !text.contains("[lints]\nworkspace = true") {
            faults.push(format!("{name} does not take the workspace's lints"));
        }
    }
    faults.extend(
        declared
            .difference(&used)
            .map(|name| format!("no package uses {name}")),
    );
    assert_none("dependencies", faults);
}

#[test]
fn every_select_is_biased_and_nothing_is_left_for_later() {
    // Written in two parts, so that this file does not find itself.
    let later = ["todo", "unimplemented"].map(|word| format!("{word}!("));
    let ignored = format!("#[{}", "ignore");
    let mut faults = Vec::new();
    for (name, text) in files("", ".rs") {
        let text = code(&text);
        for (at, _) in text.match_indices(concat!("select", "! {")) {
            let inside = text[at..].split_once('{').unwrap().1;
            if !inside.trim_start().starts_with("biased;") {
                faults.push(format!("{name}: a select without biased;"));
            }
        }
        for word in later.iter().chain([&ignored]) {
            if text.contains(word.as_str()) {
                faults.push(format!("{name}: {word}"));
            }
        }
    }
    assert_none("house rules", faults);
}

#[test]
fn the_adapter_judges_no_frame_and_no_error_code() {
    let mut faults = Vec::new();
    for (name, text) in files("io-adapter/src", ".rs") {
        for line in code(&text).lines() {
            let arm = line.split_once("=>").map_or("", |(pattern, _)| pattern);
            if arm.contains("ErrorCode::") || line.contains("Violation::") {
                faults.push(format!("{name}: {}", line.trim()));
            }
        }
    }
    assert_none("protocol rules belong in core", faults);
}

#[test]
fn every_example_says_how_to_run_it_and_what_it_prints() {
    for (name, text) in files("io-adapter/examples", ".rs") {
        if name.contains("/support/") {
            continue;
        }
        let comment: Vec<_> = text
            .lines()
            .take_while(|line| line.starts_with("//!"))
            .collect();
        let example = Path::new(&name).file_stem().unwrap().to_str().unwrap();
        let command = format!("--example {example}");
        assert!(
            comment.iter().any(|line| line.contains(&command)),
            "{name}: no command"
        );
        let shown = comment
            .iter()
            .filter(|line| line.starts_with("//! ```"))
            .count();
        assert!(shown >= 2, "{name}: shows no output");
    }
}

#[test]
fn nothing_names_a_machine() {
    let mut marks: Vec<_> = ["home", "root", "Users"]
        .map(|folder| format!("/{folder}/"))
        .into();
    marks.push("C:".to_owned() + "\\");
    let mut faults = Vec::new();
    for ending in [".rs", ".md", ".toml", ".sh", "/run", "/smoke"] {
        let mut found = Vec::new();
        walk(&root(), &mut found);
        for path in found {
            let name = path.strip_prefix(root()).unwrap().display().to_string();
            if !name.ends_with(ending) {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for mark in &marks {
                if text.contains(mark.as_str()) {
                    faults.push(format!("{name}: {mark}"));
                }
            }
        }
    }
    assert_none("paths of a machine", faults);
}

#[test]
fn links_between_the_documents_lead_somewhere() {
    let mut faults = Vec::new();
    for (name, text) in files("", ".md") {
        let folder = root().join(Path::new(&name).parent().unwrap());
        for (at, _) in text.match_indices("](") {
            let target = text[at + 2..].split(')').next().unwrap_or("");
            let target = target.split('#').next().unwrap_or("");
            if target.is_empty() || target.contains("://") {
                continue;
            }
            if !folder.join(target).exists() {
                faults.push(format!("{name}: {target}"));
            }
        }
    }
    assert_none("links that lead nowhere", faults);
}

#[test]
fn the_documents_and_the_checks_name_the_same_commands() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let run = fs::read_to_string(root().join(".ci/run")).unwrap();
    for command in [
        "cargo run --release --bin load_balancer",
        "cargo test --workspace",
    ] {
        let line = format!("$ {command}\n");
        assert!(readme.contains(&line), "the README does not show {command}");
    }
    assert!(
        run.contains("\nstep cargo test --workspace\n"),
        "checked as it is documented"
    );
    let nightly = fs::read_to_string(root().join(".github/workflows/nightly.yml")).unwrap();
    for target in fs::read_dir(root().join("fuzz/fuzz_targets")).unwrap() {
        let path = target.unwrap().path();
        let target = path.file_stem().unwrap().to_str().unwrap();
        assert!(
            run.contains(target),
            "nothing runs the fuzz target {target}"
        );
        assert!(
            nightly.contains(target),
            "nothing runs the fuzz target {target} for long"
        );
    }
}
