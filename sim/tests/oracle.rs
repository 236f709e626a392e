//! The oracle finds what it is there to find: each test plants one fault.

use bytes::Bytes;
use raddle_core::Retry;
use raddle_sim::{
    oracle::{Message, Oracle, Way},
    outcome::Fault,
};

/// The request of every test here, and its two messages.
const N: u64 = 7;

fn up() -> Message {
    Message::stamped(1, 1_000, true)
}

fn down() -> Message {
    Message::stamped(2, 500, true)
}

fn end_of(message: &Message) -> Bytes {
    message.trailers.clone().expect("they have trailers")
}

/// One request, told to the oracle as far as `until`, where each step that goes well takes one.
fn told(until: usize) -> Oracle {
    let (up, down) = (up(), down());
    let mut oracle = Oracle::default();
    type Step<'a> = Box<dyn Fn(&mut Oracle) -> Result<(), Fault> + 'a>;
    let steps: [Step<'_>; 12] = [
        Box::new(|o| o.register(N, up.clone())),
        Box::new(|o| o.shown(N)),
        Box::new(|o| o.data(N, Way::Up, &up.body)),
        Box::new(|o| o.trailers(N, Way::Up, &end_of(&up))),
        Box::new(|o| o.whole(N, Way::Up)),
        Box::new(|o| o.answered(N, down.clone())),
        Box::new(|o| o.head(N)),
        Box::new(|o| o.data(N, Way::Down, &down.body)),
        Box::new(|o| o.trailers(N, Way::Down, &end_of(&down))),
        Box::new(|o| o.whole(N, Way::Down)),
        Box::new(|o| o.server_ended(N, true)),
        Box::new(|o| o.complete(N)),
    ];
    for step in &steps[..until] {
        step(&mut oracle).expect("nothing is wrong yet");
    }
    oracle
}

const REGISTERED: usize = 1;
const SHOWN: usize = 2;
const RECEIVED: usize = 5;
const ANSWERED: usize = 6;
const HEAD: usize = 7;
const BODY: usize = 8;
const ALL: usize = 12;

#[track_caller]
fn assert_fault(result: Result<(), Fault>, part: &str) {
    let fault = result.expect_err("this had to be found");
    assert_eq!(fault.request, Some(N));
    assert!(fault.what.contains(part), "found instead: {fault}");
}

#[test]
fn an_exchange_without_a_fault_passes() {
    let ends = told(ALL).finish().expect("all is well");
    assert_eq!(ends.completed, 1);
}

#[test]
fn bytes_that_differ_are_found_and_where() {
    let mut body = down().body.to_vec();
    body[123] ^= 1;
    let mut oracle = told(HEAD);
    assert_fault(oracle.data(N, Way::Down, &body), "differs from byte 123 on");
    let body = up().body;
    assert_fault(
        told(SHOWN).data(N, Way::Up, &body[1..]),
        "differs from byte 0",
    );
    let more = [&body[..], b"x"].concat();
    assert_fault(
        told(SHOWN).data(N, Way::Up, &more),
        "differs from byte 1000",
    );
}

#[test]
fn an_end_before_the_last_byte_or_without_trailers_is_found() {
    let mut oracle = told(HEAD);
    oracle
        .data(N, Way::Down, &down().body[..499])
        .expect("a prefix");
    assert_fault(oracle.whole(N, Way::Down), "499 of 500");
    assert_fault(told(BODY).whole(N, Way::Down), "without its trailers");
    assert_fault(told(BODY).complete(N), "without a whole response");
    assert_fault(told(BODY).trailers(N, Way::Down, b"other"), "were sent as");
    assert_fault(told(SHOWN).server_ended(N, true), "is not whole");
}

#[test]
fn what_comes_after_an_end_is_found() {
    let mut oracle = told(ALL);
    assert_fault(oracle.data(N, Way::Down, b"x"), "after its end");
    assert_fault(oracle.data(N, Way::Up, b"x"), "after its end");
    assert_fault(told(BODY + 2).whole(N, Way::Down), "ended twice");
    assert_fault(told(RECEIVED).data(N, Way::Up, b"x"), "after the end");
}

#[test]
fn an_end_that_is_told_twice_or_never_is_found() {
    assert_fault(told(ALL).complete(N), "ended twice");
    assert_fault(told(ALL).failed(N, Retry::Never), "ended twice");
    assert_fault(told(ALL).server_ended(N, true), "ended twice");
    let unended = told(ALL - 1);
    assert_eq!(unended.unended().collect::<Vec<_>>(), [N]);
    assert_fault(unended.finish().map(drop), "never ended");
}

#[test]
fn verdicts_that_are_too_mild_or_too_harsh_are_found() {
    assert_fault(told(SHOWN).failed(N, Retry::Safe), "saw it");
    assert_fault(
        told(HEAD).failed(N, Retry::IfIdempotent),
        "its response was there",
    );
    assert_fault(told(SHOWN).failed(N, Retry::Never), "nobody gave it up");
    let mut oracle = told(REGISTERED);
    oracle.failed(N, Retry::Safe).expect("nobody saw it");
    assert_fault(oracle.shown(N), "after the verdict");
    let mut oracle = told(SHOWN);
    oracle.declined(N).expect("it was shown");
    oracle
        .failed(N, Retry::Safe)
        .expect("it said that it did nothing");
}

#[test]
fn requests_and_answers_that_nobody_made_are_found() {
    assert_fault(Oracle::default().shown(N), "nobody made");
    assert_fault(told(SHOWN).shown(N), "twice");
    assert_fault(told(REGISTERED).register(N, up()), "twice");
    assert_fault(told(REGISTERED).answered(N, down()), "was not shown");
    assert_fault(told(ANSWERED).answered(N, down()), "twice");
    assert_fault(told(SHOWN).head(N), "without an answer");
    assert_fault(told(HEAD).head(N), "two heads");
}

#[test]
fn a_body_that_its_client_keeps_may_not_arrive() {
    assert_fault(told(RECEIVED).withheld(N), "before it was asked for");
    let mut oracle = told(SHOWN);
    oracle.withheld(N).expect("nothing has arrived");
    assert_fault(oracle.data(N, Way::Up, b"x"), "0 bytes were sent");
    assert_fault(oracle.trailers(N, Way::Up, b"x"), "sent as None");
    oracle.whole(N, Way::Up).expect_err("trailers have arrived");
    let mut oracle = told(SHOWN);
    oracle.withheld(N).expect("nothing has arrived");
    oracle.whole(N, Way::Up).expect("the head was all");
}
