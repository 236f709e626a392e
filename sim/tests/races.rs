//! The table of races: each has its place, and the tests that it names are there.

use std::{collections::BTreeSet, fs, path::Path};

use raddle_sim::races::{self, By};

fn root() -> &'static Path {
    let sim = Path::new(env!("CARGO_MANIFEST_DIR"));
    sim.parent().expect("the workspace is above")
}

#[test]
fn every_race_has_its_place_and_the_tests_that_it_names_are_there() {
    let mut scripts = String::new();
    for entry in fs::read_dir(root().join("tests/tests/races")).expect("the scripts") {
        let path = entry.expect("an entry").path();
        scripts += &fs::read_to_string(path).expect("a file of text");
    }
    let mut ids = BTreeSet::new();
    for race in races::ALL {
        assert!(ids.insert(race.id), "{} is there twice", race.id);
        match race.by {
            By::Script => {
                let name = format!("fn {}_", race.id.to_lowercase());
                assert!(scripts.contains(&name), "no script `{name}`");
            }
            By::Test(file, name) => {
                let text = fs::read_to_string(root().join(file));
                let text = text.unwrap_or_else(|error| panic!("{file}: {error}"));
                assert!(text.contains(&format!("fn {name}(")), "no {name} in {file}");
            }
            By::Engines(_) | By::Network(_) | By::Nobody | By::Missing => {}
        }
    }
    assert_eq!(ids.len(), 160);
}
