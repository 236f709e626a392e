//! Resets, and the end of streams.

use bytes::Buf;
use raddle_core::Transmit;

use crate::*;

#[test]
fn b01_a_reset_that_crosses_our_end_is_not_answered() {
    let (mut hand, [stream]) = asking::<1>();
    hand.send(stream, b"all", Then::End);
    hand.frames();
    hand.says(wire::rst_stream(1, CANCEL));
    assert_eq!(hand.failure(stream).origin, Origin::Remote);
    hand.ignores();
}

#[test]
fn b02_our_cancel_that_crosses_the_end_has_one_outcome() {
    let (mut hand, [stream]) = asking::<1>();
    hand.cancel(stream);
    hand.says([wire::headers(1, OK, false), wire::data(1, b"x", true)].concat());
    hand.ignores();
    let events = hand.events();
    assert_eq!(assert_ends_once(&events), 1);
    assert_eq!(events.len(), 1, "late frames are not told: {events:?}");
}

#[test]
fn b03_a_reset_without_error_behind_the_answer_stops_the_upload() {
    let (mut hand, [stream]) = asking::<1>();
    hand.says([wire::headers(1, OK, true), wire::rst_stream(1, 0)].concat());
    assert_eq!(hand.outcome(stream), Some(Ok(())));
    assert!(hand.told.contains(&Event::StopSending { stream }));
}

#[test]
fn b04_a_whole_answer_keeps_the_slot_until_we_end() {
    let mut hand = Hand::client();
    hand.says(wire::settings(&[(3, 1)]));
    let stream = hand.open(Then::More);
    hand.says(wire::headers(1, OK, true));
    assert!(matches!(hand.events()[..], [.., Event::Response { .. }]));
    assert_eq!(hand.end.connection.openable(), 0);
    hand.send(stream, b"", Then::End);
    hand.frames();
    assert_eq!(hand.end.connection.openable(), 1);
}

#[test]
fn b05_an_answer_that_is_reset_is_no_clean_end_in_any_cut() {
    let bytes = [
        wire::headers(1, OK, false),
        wire::data(1, b"part", false),
        wire::rst_stream(1, CANCEL),
    ]
    .concat();
    for cut in 0..bytes.len() {
        let (mut hand, [stream]) = asking::<1>();
        hand.says(&bytes[..cut]).says(&bytes[cut..]);
        assert_eq!(hand.failure(stream).retry, Retry::Never, "{cut}");
    }
}

#[test]
fn b06_complete_stays_complete() {
    let mut hand = Hand::client();
    let stream = hand.open(Then::End);
    hand.says([wire::headers(1, OK, true), wire::rst_stream(1, 2)].concat());
    assert_eq!(hand.outcome(stream), Some(Ok(())));
}

#[test]
fn b06_the_end_of_a_body_is_told_although_a_reset_came_with_it() {
    for then in [Then::End, Then::More] {
        let mut hand = Hand::client();
        let stream = hand.open(then);
        let bytes = [
            wire::headers(1, OK, false),
            wire::data(1, b"all", true),
            wire::rst_stream(1, 0),
        ];
        hand.says(bytes.concat());
        assert_eq!(hand.outcome(stream), Some(Ok(())));
        let ended = hand.told.iter().any(|event| {
            matches!(
                event,
                Event::Data {
                    then: Then::End,
                    ..
                }
            )
        });
        assert!(ended, "{:?}", hand.told);
    }
}

#[test]
fn b07_a_reset_of_an_idle_stream_is_an_error() {
    let (mut hand, _) = asked();
    hand.says(wire::rst_stream(9, CANCEL));
    hand.ends_with(Violation::IdleStreamFrame);
}

#[test]
fn b08_what_waits_for_its_turn_is_idle_to_the_peer() {
    for frame in [
        wire::rst_stream(1, CANCEL),
        wire::window_update(1, 1),
        wire::headers(1, OK, true),
        wire::data(1, b"x", true),
    ] {
        let mut hand = Hand::client();
        hand.says(wire::settings(&[(3, 0)]));
        let stream = hand.open(Then::More);
        hand.says(frame).ends_with(Violation::IdleStreamFrame);
        assert_eq!(hand.failure(stream).retry, Retry::Safe);
    }
}

#[test]
fn b09_a_cancel_before_the_head_leaves_no_trace() {
    let mut hand = Hand::client();
    let stream = hand.end.connection.open(post("/"), Then::More).unwrap();
    hand.end.connection.reset(stream, ErrorCode::CANCEL);
    assert_eq!(hand.frames(), []);
    assert_eq!(hand.failure(stream).retry, Retry::Safe);
}

#[test]
fn b10_a_cancel_leaves_at_once_also_at_window_zero() {
    let (mut hand, [stream]) = asking::<1>();
    hand.says(wire::settings(&[(4, 0)]));
    hand.frames();
    hand.send(stream, &[0; 60_000], Then::End);
    hand.end.connection.reset(stream, ErrorCode::CANCEL);
    assert_eq!(hand.end.output(), wire::rst_stream(1, CANCEL));
}

#[test]
fn b10_a_cancel_leaves_at_once_also_when_the_connection_has_no_window() {
    let (mut hand, [first, second]) = asking::<2>();
    hand.send(first, &[0; 65_535], Then::More);
    hand.frames();
    hand.end.connection.reset(second, ErrorCode::CANCEL);
    assert_eq!(hand.end.output(), wire::rst_stream(3, CANCEL));
}

#[test]
fn b11_a_frame_that_is_half_written_stays_whole_before_the_reset() {
    // In the first head, in the payload, at its end, in and behind the second head, and in the second payload.
    for cut in [1, 8, 9, 10, 5_000, 16_392, 16_393, 16_400, 16_402, 20_000] {
        let two_frames = Config {
            output_bytes_max: 20_000,
            ..Config::default()
        };
        let mut hand = Hand::under(Role::Client, two_frames);
        let stream = hand.open(Then::More);
        hand.send(stream, &[7; 60_000], Then::End);
        let (connection, now, mut out) = (&mut hand.end.connection, hand.end.now, Transmit::new());
        connection.poll_transmit(&mut out, now);
        let mut bytes = out.copy_to_bytes(cut).to_vec();
        assert!(out.has_remaining(), "the rest is not taken");
        connection.handle_transport_blocked(&out, now);
        connection.reset(stream, ErrorCode::CANCEL);
        while connection.poll_transmit(&mut out, now) > 0 || out.has_remaining() {
            bytes.extend_from_slice(&out.copy_to_bytes(out.remaining()));
        }
        let (frames, left) = wire::frames(&bytes);
        assert_eq!(left, 0, "{cut}");
        // The reset, and nothing of what was not cut.
        let data = data_lengths(&frames, 1);
        assert_eq!(data, [16_384, 16_384], "{cut}");
        assert_eq!(kinds(&frames[2..]), [kind::RST_STREAM], "{cut}");
    }
}

#[test]
fn b12_two_cancels_are_one_reset_and_one_slot() {
    let mut hand = Hand::client();
    hand.says(wire::settings(&[(3, 2)]));
    let stream = hand.open(Then::More);
    hand.end.connection.reset(stream, ErrorCode::CANCEL);
    hand.end.connection.reset(stream, ErrorCode::INTERNAL_ERROR);
    let frames = hand.frames();
    assert_eq!(kinds(&frames), [kind::RST_STREAM, kind::PING]);
    assert_eq!(frames[0].number(0), CANCEL);
    assert_eq!(hand.end.connection.openable(), 1);
    hand.says(wire::pongs(&frames));
    assert_eq!(hand.end.connection.openable(), 2);
    assert_eq!(assert_ends_once(&hand.events()), 1);
}

#[test]
fn b13_a_block_on_a_stream_that_we_reset_keeps_hpack_in_step() {
    let (mut hand, stream) = asked();
    hand.cancel(stream);
    hand.says(wire::frame(kind::HEADERS, 5, 1, b"\x40\x01k\x01v"));
    let next = [&wire::block(GET)[..], b"\xbe"].concat();
    hand.says(wire::frame(kind::HEADERS, 5, 3, &next));
    let events = hand.events();
    let Some(Event::Request { head, .. }) = events.last() else {
        panic!("{events:?}")
    };
    assert_eq!(head.fields().next().unwrap().name, b"k");
}

#[test]
fn b14_data_on_a_stream_that_we_reset_is_credited_at_once() {
    let mut hand = Hand::under(Role::Server, small());
    let stream = hand.request(1, Then::More);
    hand.cancel(stream);
    hand.says(wire::data(1, &[0; 16_384], false).repeat(2));
    hand.says(wire::data(1, b"xx", false));
    assert_eq!(granted(&hand.frames()), 32_770);
}

#[test]
fn b15_a_forgotten_stream_is_closed_and_never_idle() {
    let mut hand = Hand::server();
    for n in 0..1_000 {
        let stream = hand.request(2 * n + 1, Then::End);
        hand.respond(stream, Then::End);
        hand.frames();
    }
    hand.says([wire::data(1, b"x", false), wire::headers(3, GET, true)].concat());
    hand.says([wire::rst_stream(5, CANCEL), wire::window_update(7, 1)].concat());
    hand.ignores();
}

#[test]
fn b16_no_reset_answers_a_reset() {
    let (mut hand, stream) = asked();
    hand.says(wire::rst_stream(1, CANCEL).repeat(3));
    assert_eq!(hand.failure(stream).origin, Origin::Remote);
    hand.ignores();
}

#[test]
fn b17_a_refusal_of_what_was_not_answered_is_safe() {
    let (mut hand, [stream]) = asking::<1>();
    hand.says(wire::rst_stream(1, REFUSED));
    assert_eq!(hand.failure(stream).retry, Retry::Safe);
}

#[test]
fn b18_a_refusal_behind_an_answer_is_not_safe() {
    let (mut hand, [stream]) = asking::<1>();
    hand.says([wire::headers(1, OK, false), wire::rst_stream(1, REFUSED)].concat());
    assert_eq!(hand.failure(stream).retry, Retry::Never);
}

// Nor is a GOAWAY that excludes what was answered.
#[test]
fn b18_a_refusal_behind_an_interim_response_is_not_safe() {
    for refusal in [wire::rst_stream(1, REFUSED), wire::goaway(0, 0)] {
        let (mut hand, [stream]) = asking::<1>();
        hand.says([wire::headers(1, &[(":status", "103")], false), refusal].concat());
        assert_eq!(hand.failure(stream).retry, Retry::IfIdempotent);
    }
}

#[test]
fn b19_an_unknown_code_is_a_failure_like_any_other() {
    let (mut hand, [stream]) = asking::<1>();
    hand.says(wire::rst_stream(1, 0xbeef));
    let error = hand.failure(stream);
    assert_eq!(error.code.to_u32(), 0xbeef);
    assert_eq!(error.retry, Retry::IfIdempotent);
}

#[test]
fn b20_frames_behind_the_peers_end_are_counted_faults() {
    let (mut hand, stream) = asked();
    hand.says([wire::data(1, b"", true), wire::data(1, b"x", false)].concat());
    hand.resets(1, Violation::StreamClosedFrame);
    assert!(hand.outcome(stream).is_some());
    assert_eq!(hand.end.connection.stats().streams_faulted, 1);
}

#[test]
fn b22_a_late_frame_never_reaches_the_next_tenant_of_a_slot() {
    let (mut hand, [stream]) = asking::<1>();
    hand.cancel(stream);
    hand.events();
    let next = hand.open(Then::End);
    assert_eq!(next.index(), stream.index(), "the same slot");
    hand.says(wire::headers(1, OK, true));
    assert_eq!(hand.events(), []);
    hand.end.connection.reset(stream, ErrorCode::CANCEL);
    hand.ignores();
    hand.says(wire::headers(3, OK, true));
    assert_eq!(hand.outcome(next), Some(Ok(())));
}
