//! RFC 9113 §6.1: DATA.

use crate::*;

/// DATA with padding of this many bytes besides the byte that says so.
fn padded(payload: &[u8], padding: u8, end: bool) -> Vec<u8> {
    let whole = [&[padding][..], payload, &vec![0; usize::from(padding)]].concat();
    wire::frame(kind::DATA, flag::PADDED | u8::from(end), 1, &whole)
}

#[test]
fn padding_is_taken_off_whatever_its_length() {
    for padding in [0, 1, 100, 255] {
        for role in ROLES {
            let (mut hand, _) = open(role);
            hand.says(padded(b"body", padding, true));
            let events = hand.events();
            let data = Bytes::from_static(b"body");
            let [
                Event::Data {
                    data: told, then, ..
                },
            ] = &events[..]
            else {
                panic!("{events:?}")
            };
            assert_eq!((told, *then), (&data, Then::End));
        }
    }
}

#[test]
fn padding_as_long_as_the_payload_is_an_error() {
    for role in ROLES {
        for payload in [&[1][..], &[4, 0, 0, 0], &[255; 200]] {
            let frame = wire::frame(kind::DATA, flag::PADDED, 1, payload);
            ends(role, frame, Violation::PaddingTooLong);
        }
        // One byte less is fine: padding and nothing else.
        let (mut hand, _) = open(role);
        hand.says(wire::frame(kind::DATA, flag::PADDED, 1, &[3, 0, 0, 0]));
        hand.ignores();
    }
}

#[test]
fn padding_counts_and_comes_back_at_once() {
    let (mut hand, stream) = open(Role::Server);
    let mut granted = (0, 0);
    for _ in 0..2_000 {
        hand.says(padded(b"x", 255, false));
        hand.end.connection.release(stream, 1);
        for frame in hand.frames() {
            match frame.stream {
                0 => granted.0 += frame.number(0),
                _ => granted.1 += frame.number(0),
            }
        }
    }
    hand.lives();
    // 514,000 bytes came: less than half a window of each kind is owed.
    assert!(granted.0 + 1_048_576 / 2 >= 514_000, "{granted:?}");
    assert!(granted.1 + 262_144 / 2 >= 514_000, "{granted:?}");
}

#[test]
fn an_empty_data_frame_ends_a_stream() {
    for role in ROLES {
        let (mut hand, stream) = open(role);
        hand.says(wire::data(1, b"", true));
        let events = hand.events();
        assert!(heard!(
            events,
            Event::Data {
                then: Then::End,
                ..
            }
        ));
        hand.send(stream, b"", Then::End);
        assert_eq!(hand.end.output(), wire::data(1, b"", true));
        assert_eq!(hand.outcome(stream), Some(Ok(())));
    }
}

#[test]
fn the_last_piece_of_a_body_carries_end_stream() {
    let (mut hand, stream) = open(Role::Server);
    hand.send(stream, b"all", Then::End);
    assert_eq!(hand.end.output(), wire::data(1, b"all", true));
}

#[test]
fn an_empty_frame_inside_a_body_is_nothing_to_tell() {
    for role in ROLES {
        let (mut hand, _) = open(role);
        hand.says(wire::data(1, b"", false));
        assert_eq!(hand.events(), []);
        hand.lives();
    }
}

#[test]
fn streams_that_end_by_an_empty_frame_are_no_abuse() {
    let mut hand = Hand::server();
    for n in 0..2_000 {
        let stream = hand.request(2 * n + 1, Then::More);
        hand.says(wire::data(2 * n + 1, b"", true));
        hand.respond(stream, Then::End);
        hand.frames();
    }
    hand.lives();
}
