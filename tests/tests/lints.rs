//! `clippy.toml` forbids what makes a run depend on something else than its input, and few places are let off.

use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The sources below a folder that let themselves off.
fn look(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            look(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs")
            && fs::read_to_string(&path)
                .unwrap()
                .contains("clippy::disallowed")
        {
            let name = path.strip_prefix(root()).unwrap();
            found.push(name.display().to_string());
        }
    }
}

/// Where a clock is read, or randomness drawn, outside of tests: each place says why in its attribute.
const ALLOWED: [&str; 8] = [
    "io-adapter/src/pool/mod.rs",
    "sim/src/bin/sim/progress.rs",
    "sim/src/bin/sim/report.rs",
    "sim/src/bin/sim/run.rs",
    "sim/src/bin/sim/shrink.rs",
    "sim/src/mutants.rs",
    "sim/src/shrink.rs",
    "sim/src/watch.rs",
];

#[test]
fn a_lint_forbids_clocks_randomness_and_random_order_but_where_it_says_why() {
    let list = fs::read_to_string(root().join("clippy.toml")).unwrap();
    for path in [
        "std::time::Instant::now",
        "std::time::SystemTime::now",
        "std::hash::RandomState::new",
        "rand::random",
        "std::collections::HashMap",
        "std::collections::HashSet",
    ] {
        let entry = format!("path = \"{path}\"");
        assert!(list.contains(&entry), "nothing forbids {path}");
    }
    let run = fs::read_to_string(root().join(".ci/run")).unwrap();
    assert!(run.contains("cargo clippy --workspace --all-targets --locked -- -D warnings"));
    let mut found = Vec::new();
    for folder in ["core", "io-adapter/src", "load-balancer/src", "sim/src"] {
        look(&root().join(folder), &mut found);
    }
    found.sort();
    assert_eq!(found, ALLOWED);
}
