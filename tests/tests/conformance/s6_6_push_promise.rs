//! RFC 9113 §6.6: PUSH_PROMISE, which nobody may send to us.

use crate::*;

fn promise(stream: u32, promised: u32) -> Vec<u8> {
    let payload = [&promised.to_be_bytes()[..], &wire::block(GET)].concat();
    wire::frame(kind::PUSH_PROMISE, 4, stream, &payload)
}

#[test]
fn a_promise_is_a_connection_error_on_both_sides() {
    for role in ROLES {
        ends(role, promise(1, 2), Violation::PushPromiseReceived);
    }
}

#[test]
fn a_promise_before_our_settings_are_acknowledged_is_one_too() {
    let mut hand = Hand::fresh(Role::Client);
    hand.end.connection.open(get("/"), Then::End).unwrap();
    hand.frames();
    hand.says(wire::settings(&[])).says(promise(1, 2));
    hand.ends_with(Violation::PushPromiseReceived);
}

#[test]
fn a_promise_on_stream_zero_or_of_an_odd_stream_is_named() {
    for role in ROLES {
        ends(role, promise(0, 2), Violation::PushPromiseOnStreamZero);
        ends(role, promise(1, 3), Violation::PromisedStreamInvalid);
        ends(
            role,
            wire::frame(kind::PUSH_PROMISE, 4, 1, &[0; 3]),
            Violation::PushPromiseFrameSize,
        );
    }
}
