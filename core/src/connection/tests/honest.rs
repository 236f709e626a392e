//! Honest peers that could be mistaken for others.

use bytes::Bytes;

use super::{
    by_hand::{
        GET, PING, frame, head, millis, open, pass, ready, reset, seconds, update, violation,
    },
    pair::End,
    post,
};
use crate::{
    Config, ErrorCode, Event, Fields, Lifecycle, ResponseHead, Retry, Role, SendError,
    StreamHandle, Then, Violation,
};

const GOAWAY: u8 = 7;

/// A server whose client reads a long response.
fn download() -> (End, StreamHandle) {
    let mut end = ready(Role::Server, Config::default(), &[(4, 1 << 20)]);
    end.input(&head(1, GET, true), seconds(0));
    let Some(Event::Request { stream, .. }) = end.take_events().pop() else {
        panic!("a request");
    };
    let head = ResponseHead::new(200).finish();
    end.connection.respond(stream, head, Then::More).unwrap();
    end.output(seconds(0));
    (end, stream)
}

/// The download goes on for a second, and the client says that it reads; what the server sends.
fn go_on(end: &mut End, stream: StreamHandle, second: u64) -> std::vec::Vec<u8> {
    pass(end, seconds(second));
    let mut data = Bytes::from_static(&[0; 1_000]);
    let _ = end.connection.send_data(stream, &mut data, Then::More);
    let bytes = [update(1, 1_000), update(0, 1_000)].concat();
    end.input(&bytes, seconds(second));
    end.output(seconds(second))
}

#[test]
fn who_speaks_while_its_answer_to_a_ping_is_late_lives() {
    let (mut end, stream) = download();
    // 30 s of silence have led to a PING, which the client never answers.
    pass(&mut end, seconds(30));
    for second in 31..=600 {
        go_on(&mut end, stream, second);
        assert_eq!(violation(&end), None, "after {second} s");
    }
    pass(&mut end, millis(609_999));
    assert_eq!(violation(&end), None);
    pass(&mut end, seconds(610));
    assert_eq!(violation(&end), Some(Violation::PingTimeout));
}

/// The last streams that the GOAWAY frames of an output name.
fn goaways(mut bytes: &[u8]) -> std::vec::Vec<u32> {
    let mut last = std::vec::Vec::new();
    while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = bytes {
        let len = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        if *kind == GOAWAY {
            last.push(u32::from_be_bytes(rest[..4].try_into().unwrap()));
        }
        bytes = &rest[len..];
    }
    last
}

#[test]
fn a_drain_waits_for_a_slow_reader_and_goes_on_without_its_answer() {
    let (mut end, stream) = download();
    end.connection.drain();
    assert_eq!(goaways(&end.output(seconds(0))), [0x7fff_ffff]);
    for second in 1..=29 {
        assert!(
            goaways(&go_on(&mut end, stream, second)).is_empty(),
            "{second} s"
        );
        assert_eq!(violation(&end), None, "after {second} s");
    }
    // `pass` lets out what falls due; the last stream that will be served is named in it.
    while end
        .connection
        .poll_timeout()
        .is_some_and(|due| due <= seconds(30))
    {
        end.connection.handle_timeout(seconds(30));
    }
    assert_eq!(goaways(&end.output(seconds(30))), [1]);
    for second in 31..=600 {
        go_on(&mut end, stream, second);
        assert_eq!(end.connection.lifecycle(), Lifecycle::Draining);
    }
    let mut none = Bytes::new();
    let sent = end.connection.send_data(stream, &mut none, Then::End);
    assert_eq!(sent, Ok(0));
    end.output(seconds(601));
    assert_eq!(end.take_events().pop(), Some(Event::Closed { error: None }));
}

#[test]
fn a_drain_does_not_wait_for_the_silent() {
    let (mut end, _) = download();
    end.connection.drain();
    end.output(seconds(0));
    end.input(&frame(PING, 0, 0, &[0; 8]), seconds(5));
    end.output(seconds(5));
    pass(&mut end, millis(14_999));
    assert_eq!(violation(&end), None);
    pass(&mut end, seconds(15));
    assert_eq!(violation(&end), Some(Violation::PingTimeout));
}

#[test]
fn a_window_may_be_opened_by_hand_for_each_request() {
    let mut end = ready(Role::Server, Config::default(), &[]);
    for n in 0..10_000u32 {
        // 200 in a second, none of which is answered with a body.
        let now = millis(u64::from(n) * 5);
        let stream = 2 * n + 1;
        let bytes = [head(stream, GET, true), update(stream, 1 << 20)].concat();
        end.input(&bytes, now);
        for event in end.take_events() {
            if let Event::Request { stream, .. } = event {
                let head = ResponseHead::new(204).finish();
                end.connection.respond(stream, head, Then::End).unwrap();
            }
        }
        end.output(now);
        assert_eq!(violation(&end), None, "after {n} requests");
    }
}

#[test]
fn a_client_is_not_ended_for_trailers_of_its_own() {
    let mut end = ready(Role::Client, Config::default(), &[(6, 1_000)]);
    let stream = end.connection.open(post("/"), Then::More).unwrap();
    end.output(seconds(0));
    for _ in 0..1_500 {
        let mut fields = Fields::builder();
        fields.push(b"x", &[b'y'; 2_000], false);
        let sent = end.connection.send_trailers(stream, fields.finish());
        assert_eq!(sent, Err(SendError::HeaderListTooLarge));
    }
    end.input(&frame(PING, 0, 0, &[0; 8]), seconds(0));
    assert_eq!(violation(&end), None);
    end.output(seconds(0));
}

#[test]
fn a_reset_that_crosses_theirs_is_not_sent() {
    let mut end = ready(Role::Client, Config::default(), &[(3, 3)]);
    let stream = open(&mut end, seconds(0));
    end.connection.reset(stream, ErrorCode::CANCEL);
    assert_eq!(end.connection.openable(), 2);
    end.input(&reset(1), seconds(0));
    assert_eq!(end.connection.openable(), 3);
    assert!(end.output(seconds(0)).is_empty());
}

#[test]
fn a_keep_alive_of_no_time_asks_each_millisecond() {
    let config = Config {
        keep_alive_interval: Some(core::time::Duration::ZERO),
        ..Config::default()
    };
    let mut end = ready(Role::Client, config, &[]);
    open(&mut end, seconds(1));
    let due = end.connection.poll_timeout().unwrap();
    assert!(due > seconds(1), "time passes");
}

/// HEADERS of a response with one field of 16,000 bytes, and a body to come.
fn large_answer(stream: u32) -> std::vec::Vec<u8> {
    // The length by RFC 7541 §5.1: 127 fill the prefix.
    let rest = 16_000 - 127;
    let field = [
        0,
        1,
        b'x',
        0x7f,
        (rest as u8 & 0x7f) | 0x80,
        (rest >> 7) as u8,
    ];
    head(
        stream,
        &[super::by_hand::OK, &field, &[b'v'; 16_000]].concat(),
        false,
    )
}

#[test]
fn large_answers_to_everything_at_once_cost_those_beyond_the_total_and_no_other() {
    let mut end = ready(Role::Client, Config::default(), &[(3, 100)]);
    let asked: std::vec::Vec<_> = (0..100).map(|_| open(&mut end, seconds(0))).collect();
    let (mut answered, mut refused) = (std::vec::Vec::new(), 0);
    for n in 0..100 {
        end.input(&large_answer(2 * n + 1), seconds(0));
        for event in end.take_events() {
            match event {
                Event::Response { stream, .. } => answered.push((stream, 2 * n + 1)),
                Event::Failed { error, .. } => {
                    assert_eq!(error.violation, Some(Violation::HeaderTotalExceeded));
                    assert_eq!(error.code, ErrorCode::ENHANCE_YOUR_CALM);
                    // It may have been acted on: a GET may be made again, and a POST not.
                    assert_eq!(error.retry, Retry::IfIdempotent);
                    refused += 1;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!((answered.len() + refused, asked.len()), (100, 100));
    assert_eq!(answered.len(), 65, "of a mebibyte");
    assert_eq!(violation(&end), None);
    end.output(seconds(0));
    // What waits for nobody but itself goes on, and makes room as it ends.
    for &(_, id) in &answered {
        end.input(&frame(0, 1, id, b"body"), seconds(1));
    }
    end.take_events();
    answered
        .iter()
        .for_each(|&(stream, _)| end.connection.release(stream, 4));
    end.output(seconds(1));
    for n in 0..refused as u32 {
        open(&mut end, seconds(1));
        end.input(&large_answer(201 + 2 * n), seconds(1));
        assert!(matches!(end.take_events()[..], [Event::Response { .. }]));
    }
}
