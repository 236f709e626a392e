//! Frames that bring nothing, and each of which is counted somewhere.

use super::{
    by_hand::{
        GET, PING, POST, PREFACE, PRIORITY, frame, head, ready, reset, seconds, settings, violation,
    },
    pair::End,
};
use crate::{Config, Role, Violation};

/// After how many such frames the connection is ended, of 10,000 at most.
fn ends_after(end: &mut End, bytes: impl Fn(u32) -> std::vec::Vec<u8>) -> Option<u32> {
    (0..10_000).find(|&n| {
        end.input(&bytes(n), seconds(0));
        end.output(seconds(0));
        end.take_events();
        violation(end).is_some()
    })
}

#[test]
fn requests_above_our_last_goaway_are_not_free_for_ever() {
    let mut end = ready(Role::Server, Config::default(), &[]);
    end.input(&head(1, GET, true), seconds(0));
    end.connection.drain();
    let out = end.output(seconds(0));
    let ping = out.len() - 17;
    assert_eq!(out[ping + 3], PING);
    end.input(&frame(PING, 1, 0, &out[ping + 9..]), seconds(0));
    end.output(seconds(0));
    let after = ends_after(&mut end, |n| head(2 * n + 3, GET, true));
    // Four frames for each of 100 requests that cross it, and the burst.
    assert_eq!(after, Some(1_400));
    assert_eq!(violation(&end), Some(Violation::ResetFlood));
}

#[test]
fn resets_of_a_stream_that_is_closed_and_in_use_are_counted() {
    let mut end = ready(Role::Server, Config::default(), &[]);
    let data = frame(0, 0, 1, b"unread");
    let bytes = [head(1, POST, false), data, reset(1)].concat();
    end.input(&bytes, seconds(0));
    assert!(end.connection.gauges().streams > 0, "it is in the table");
    let after = ends_after(&mut end, |_| reset(1));
    // The first reset of all took one of the same bucket.
    assert_eq!(after, Some(999));
    assert_eq!(violation(&end), Some(Violation::ResetFlood));
}

#[test]
fn priorities_of_wrong_size_are_counted_on_an_idle_stream() {
    let mut end = ready(Role::Server, Config::default(), &[]);
    let after = ends_after(&mut end, |_| frame(PRIORITY, 0, 1, &[]));
    assert_eq!(after, Some(1_000));
    assert_eq!(violation(&end), Some(Violation::PriorityFlood));
}

#[test]
fn a_faulty_frame_before_settings_is_no_faulty_stream() {
    let mut end = End::new(Role::Server, Config::default());
    let bytes = [PREFACE, &frame(PRIORITY, 0, 1, &[]), &settings(&[])].concat();
    end.input(&bytes, seconds(0));
    assert_eq!(violation(&end), Some(Violation::FirstFrameNotSettings));
}
