//! RFC 9218: priorities that are followed. The schedule itself is tested in core.

use crate::*;

fn update(id: u32, value: &[u8]) -> Vec<u8> {
    let payload = [&id.to_be_bytes()[..], value].concat();
    wire::frame(kind::PRIORITY_UPDATE, 0, 0, &payload)
}

#[test]
fn an_urgent_answer_overtakes_one_that_is_not() {
    let mut hand = Hand::server();
    let fields = [GET, &[("priority", "u=7")]].concat();
    hand.says(wire::headers(1, &fields, true));
    let Some(Event::Request { stream: slow, .. }) = hand.events().pop() else {
        panic!("no request")
    };
    let fast = hand.request(3, Then::End);
    for stream in [slow, fast] {
        hand.respond(stream, Then::More);
        hand.send(stream, &[0; 30_000], Then::End);
    }
    let frames = hand.frames();
    let order: Vec<_> = frames
        .iter()
        .filter(|frame| frame.kind == kind::DATA)
        .map(|frame| frame.stream)
        .collect();
    assert_eq!(order, [3, 3, 1, 1]);
}

#[test]
fn an_update_may_come_before_its_request_and_after_its_end() {
    let mut hand = Hand::server();
    hand.says(update(5, b"u=0"));
    let stream = hand.request(1, Then::End);
    hand.respond(stream, Then::End);
    hand.frames();
    hand.says(update(1, b"u=1, i"));
    hand.says(update(3, b"not a dictionary ="));
    hand.ignores();
}

#[test]
fn an_update_moves_what_already_waits() {
    let mut hand = Hand::server();
    for id in [1, 3, 5] {
        let stream = hand.request(id, Then::End);
        hand.respond(stream, Then::More);
        hand.send(stream, &[0; 40_000], Then::End);
    }
    // As much as the connection's window lets pass.
    hand.frames();
    hand.says(update(5, b"u=0"));
    hand.says(update(1, b"u=7"));
    hand.says(wire::window_update(0, 1_000_000));
    let frames = hand.frames();
    let data = frames.iter().filter(|frame| frame.kind == kind::DATA);
    let mut order: Vec<_> = data.map(|frame| frame.stream).collect();
    order.dedup();
    assert_eq!(order, [5, 3, 1]);
}

#[test]
fn updates_with_a_wrong_shape_are_errors() {
    use Violation as V;
    for (frame, violation) in [
        (update(0, b""), V::PriorityUpdateStreamInvalid),
        (update(2, b""), V::PriorityUpdateStreamInvalid),
        (
            wire::frame(kind::PRIORITY_UPDATE, 0, 1, &[0, 0, 0, 1]),
            V::PriorityUpdateOnStream,
        ),
        (
            wire::frame(kind::PRIORITY_UPDATE, 0, 0, &[0, 0, 1]),
            V::PriorityUpdateFrameSize,
        ),
    ] {
        ends(Role::Server, frame, violation);
    }
    ends(Role::Client, update(1, b"u=1"), V::PriorityUpdateFromServer);
}

#[test]
fn the_setting_is_a_bit_and_does_not_change() {
    use Violation as V;
    for role in ROLES {
        ends(
            role,
            wire::settings(&[(9, 2)]),
            V::SettingNoPrioritiesInvalid,
        );
        ends(
            role,
            wire::settings(&[(9, 1)]),
            V::SettingNoPrioritiesChanged,
        );
    }
}
