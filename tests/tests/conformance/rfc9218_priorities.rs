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
    assert_eq!(data_order(&mut hand), [3, 3, 1, 1]);
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
    let mut order = data_order(&mut hand);
    order.dedup();
    assert_eq!(order, [5, 3, 1]);
}

// RFC 9218 §8
#[test]
fn the_priority_field_of_a_response_is_merged_with_that_of_its_request() {
    let mut hand = Hand::server();
    for (id, asked, answered) in [
        (1, None, Some("u=4")),
        (3, None, None),
        // Of an answer that says nothing of it, the parts go on taking turns.
        (5, Some("u=5, i"), Some("u=1")),
        (7, Some("u=6, i"), Some("u=1")),
        // What cannot be read changes nothing.
        (9, Some("u=0"), Some("u=")),
    ] {
        let asked = asked.map(|value| ("priority", value));
        let fields = [GET, asked.as_slice()].concat();
        hand.says(wire::headers(id, &fields, true));
        let Some(Event::Request { stream, .. }) = hand.events().pop() else {
            panic!("no request")
        };
        let head = ResponseHead::new(200);
        let head = match answered {
            Some(value) => head.field(b"priority", value.as_bytes()),
            None => head,
        };
        let responded = hand
            .end
            .connection
            .respond(stream, head.finish(), Then::More);
        responded.unwrap();
        hand.send(stream, &[0; 40_000], Then::End);
    }
    // As much as the connection's window lets pass.
    let mut order = data_order(&mut hand);
    // An update that comes later counts more than both.
    hand.says(update(3, b"u=7"));
    hand.says(wire::window_update(0, 1_000_000));
    order.extend(data_order(&mut hand));
    order.dedup();
    assert_eq!(order, [9, 5, 7, 5, 7, 5, 7, 1, 3]);
}

/// The streams whose bodies leave, in the order of their frames.
fn data_order(hand: &mut Hand) -> Vec<u32> {
    let frames = hand.frames();
    let data = frames.iter().filter(|frame| frame.kind == kind::DATA);
    data.map(|frame| frame.stream).collect()
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
