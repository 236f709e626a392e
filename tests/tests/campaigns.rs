//! What runs campaigns elsewhere, as far as it can be checked here: the scripts, the lists of targets and the forms.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Names in a folder, without the ending.
fn names(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    entries.map(|entry| stem(entry.unwrap().path())).collect()
}

fn installed(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success())
}

#[test]
fn every_fuzz_target_has_a_program_a_test_options_and_inputs() {
    let targets = names("fuzz/fuzz_targets");
    assert_eq!(targets, names("fuzz/options"));
    assert_eq!(targets, names("fuzz/seeds"));
    let (manifest, test) = (read("fuzz/Cargo.toml"), read("fuzz/tests/corpus.rs"));
    for target in &targets {
        assert!(
            manifest.contains(&format!("path = \"fuzz_targets/{target}.rs\"")),
            "{target}"
        );
        assert!(test.contains(&format!("replay(\"{target}\"")), "{target}");
        let options = read(&format!("fuzz/options/{target}.options"));
        assert!(options.starts_with("[libfuzzer]\n"), "{target}");
        if let Some((_, dict)) = options.split_once("dict = ") {
            assert!(!read(&format!("fuzz/{}", dict.trim())).is_empty());
        }
    }
}

#[test]
fn what_is_kept_of_the_fuzzers_is_small() {
    let mut bytes = 0;
    for target in names("fuzz/seeds") {
        let entries = fs::read_dir(root().join("fuzz/seeds").join(target)).unwrap();
        bytes += entries
            .map(|entry| entry.unwrap().metadata().unwrap().len())
            .sum::<u64>();
    }
    assert!(bytes <= 200_000, "{bytes} bytes");
}

#[test]
fn every_script_is_one_of_its_shell() {
    for (shell, script) in [
        ("bash", ".ci/run"),
        ("bash", "fuzz/build"),
        ("bash", "fuzz/smoke"),
        ("bash", "fuzz/minimise"),
        ("bash", ".clusterfuzzlite/build.sh"),
        ("sh", "deploy/shard"),
    ] {
        let status = Command::new(shell)
            .arg("-n")
            .arg(root().join(script))
            .status();
        assert!(status.unwrap().success(), "{script}");
    }
}

#[test]
fn the_build_for_clusterfuzzlite_leaves_what_it_has_to() {
    if !installed("zip") {
        println!("skipped: zip is not installed");
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clusterfuzzlite");
    let _ = fs::remove_dir_all(&folder);
    let (src, out, bin) = (folder.join("src"), folder.join("out"), folder.join("bin"));
    for path in [&src, &out, &bin] {
        fs::create_dir_all(path).unwrap();
    }
    // The sources without what was built: a cargo that builds nothing leaves its files beside them.
    let built = "fuzz/target/x86_64-unknown-linux-gnu/release";
    let copied = Command::new("bash")
        .arg("-c")
        .arg(format!(
            "mkdir -p {src}/raddle/fuzz && cp -r fuzz/fuzz_targets fuzz/options fuzz/seeds fuzz/*.dict {src}/raddle/fuzz",
            src = src.display()
        ))
        .current_dir(root())
        .status();
    assert!(copied.unwrap().success());
    let cargo =
        format!("#!/bin/sh\nfor last; do :; done\nmkdir -p {built}\necho \"$@\" > {built}/$last\n");
    fs::write(bin.join("cargo"), cargo).unwrap();
    let status = Command::new("bash")
        .arg("-c")
        .arg("chmod +x \"$BIN/cargo\" && PATH=\"$BIN:$PATH\" bash -eu \"$BUILD\"")
        .env("BIN", &bin)
        .env("BUILD", root().join(".clusterfuzzlite/build.sh"))
        .env("SRC", &src)
        .env("OUT", &out)
        .status();
    assert!(status.unwrap().success());
    for target in names("fuzz/fuzz_targets") {
        let said = fs::read_to_string(out.join(&target)).expect("it was built");
        assert!(said.contains("fuzz build -O --debug-assertions"), "{said}");
        assert!(out.join(format!("{target}_seed_corpus.zip")).exists());
        let options = fs::read_to_string(out.join(format!("{target}.options"))).unwrap();
        if let Some((_, dict)) = options.split_once("dict = ") {
            assert!(out.join(dict.trim()).exists(), "{dict}");
        }
    }
}

#[test]
fn a_share_is_its_own_seeds() {
    let share = |index: &str| {
        let output = Command::new("sh")
            .arg(root().join("deploy/shard"))
            .args(["--tier", "1"])
            .env("SIM", "echo")
            .env("FIRST", "100")
            .env("SEEDS", "50")
            .env("JOB_COMPLETION_INDEX", index)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(share("0"), "run --json --seeds 100..150 --tier 1\n");
    assert_eq!(share("3"), "run --json --seeds 250..300 --tier 1\n");
}

#[test]
fn yaml_is_yaml() {
    let mut files: Vec<String> = vec!["deploy/sim-job.yaml".into()];
    files.push(".clusterfuzzlite/project.yaml".into());
    for workflow in names(".github/workflows") {
        files.push(format!(".github/workflows/{workflow}.yml"));
    }
    let check = "import sys, yaml\nfor f in sys.argv[1:]: assert isinstance(yaml.safe_load(open(f)), dict), f";
    let python = |arguments: &[String]| {
        Command::new("python3")
            .args(arguments)
            .current_dir(root())
            .output()
    };
    if !python(&["-c".into(), "import yaml".into()]).is_ok_and(|found| found.status.success()) {
        println!("skipped: python3 with yaml is not installed");
        return;
    }
    let output = python(&[vec!["-c".into(), check.into()], files].concat()).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
