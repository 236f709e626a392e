//! Runs that take the same course in every build (I-33). This compares the one without optimisation with the file;
//! `.ci/run` does the same with the one that has it.

use raddle_sim::hashes;

const KEPT: &str = include_str!("hashes.txt");

#[test]
fn courses_are_those_that_are_kept() {
    match hashes::check(KEPT) {
        Ok(courses) => assert!(courses >= 200, "only {courses} are kept"),
        Err(what) => panic!("{what}"),
    }
}

/// A course of the file that is not too short, with `change` made to its words.
fn changed(change: impl Fn(&mut Vec<String>)) -> Result<u64, String> {
    let is_long = |line: &&str| !line.starts_with('#') && line.split(' ').count() > 6;
    let line = KEPT.lines().find(is_long);
    let line = line.expect("courses are kept");
    let mut words: Vec<_> = line.split(' ').map(str::to_owned).collect();
    change(&mut words);
    hashes::check(&words.join(" "))
}

// The check has to be able to fail.
#[test]
fn a_course_that_differs_is_told_with_the_place_where_it_does() {
    assert_eq!(changed(|_| {}), Ok(1));
    let what = changed(|words| words[2] = format!("{:016x}", 7)).expect_err("another hash");
    assert!(
        what.contains("I-33") && what.contains("hashes --write"),
        "{what}"
    );
    let what = changed(|words| {
        words[2] = format!("{:016x}", 7);
        words[5] = "0000".to_owned();
    });
    let what = what.expect_err("another course from event 32 on");
    assert!(what.contains("The first 32 events are the same"), "{what}");
    assert!(
        what.lines().filter(|line| line.starts_with("  ")).count() > 10,
        "{what}"
    );
}

#[test]
fn what_is_no_file_of_courses_is_refused() {
    for text in [
        "",
        "# only a comment\n",
        "safety one two\n",
        "nowhere 1 0 0\n",
    ] {
        assert!(hashes::check(text).is_err(), "{text:?}");
    }
}
