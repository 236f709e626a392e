//! What `sim shrink --planted DiscardUncredited` printed as a test, as it was pasted.

#[test]
fn a_failure_that_was_shrunk() {
    let case: raddle_sim::case::Case = r#"
raddle tape 1
world safety
planted DiscardUncredited
fails I-10 Client has bytes of credit out, its application has
features: 0 0 0 0 3
client: 1
replies: 1 1
readers: 15
"#
    .parse()
    .expect("it is a case");
    case.assert_kept();
}
