//! RFC 9113 §6.3: PRIORITY.

use crate::*;

#[test]
fn priority_on_stream_zero_is_a_connection_error() {
    for role in ROLES {
        ends(
            role,
            wire::frame(kind::PRIORITY, 0, 0, &[0; 5]),
            Violation::PriorityOnStreamZero,
        );
    }
}

#[test]
fn priority_of_another_length_is_a_stream_error() {
    for len in [0, 4, 6] {
        for role in ROLES {
            let (mut hand, _) = open(role);
            hand.says(wire::frame(kind::PRIORITY, 0, 1, &vec![0; len]));
            hand.resets(1, Violation::PriorityFrameSize);
        }
    }
}

#[test]
fn priority_of_another_length_cannot_reset_an_idle_stream() {
    let mut hand = Hand::server();
    hand.says(wire::frame(kind::PRIORITY, 0, 9, &[0; 4]));
    hand.ignores();
    hand.request(9, Then::End);
}

#[test]
fn priority_opens_no_stream() {
    let mut hand = Hand::server();
    hand.says(wire::frame(kind::PRIORITY, 0, 9, &[0; 5]));
    hand.request(1, Then::End);
    hand.ignores();
}
