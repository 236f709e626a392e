//! RFC 9113 §8.1: what a message is made of, and in which order.

use crate::*;

const HINTS: &[(&str, &str)] = &[(":status", "103"), ("link", "</a>")];

#[test]
fn interim_responses_come_in_order_in_front_of_the_final_one() {
    let mut hand = Hand::client();
    let stream = hand.open(Then::End);
    for status in ["100", "103", "199"] {
        hand.says(wire::headers(1, &[(":status", status)], false));
    }
    hand.says(wire::headers(1, OK, true));
    let statuses = hand.events().into_iter().filter_map(|event| match event {
        Event::Interim { head, .. } | Event::Response { head, .. } => Some(head.status()),
        _ => None,
    });
    assert_eq!(statuses.collect::<Vec<_>>(), [100, 103, 199, 200]);
    assert!(hand.end.connection.stream_id(stream).is_none());
}

#[test]
fn every_shape_of_a_response_is_told_as_it_came() {
    // Interims, final head, pieces of body, trailers or none: all the shapes that a server may give an answer.
    for interims in 0..3 {
        for pieces in 0..3usize {
            for trailers in [false, true] {
                let mut hand = Hand::client();
                let stream = hand.open(Then::End);
                hand.says(wire::headers(1, HINTS, false).repeat(interims));
                hand.says(wire::headers(1, OK, pieces == 0 && !trailers));
                for n in 1..=pieces {
                    hand.says(wire::data(1, b"piece", n == pieces && !trailers));
                }
                if trailers {
                    hand.says(wire::headers(1, &[("sum", "1")], true));
                }
                assert_eq!(hand.outcome(stream), Some(Ok(())));
                let events = hand.events();
                assert_eq!(body_bytes(&events), 5 * pieces);
                assert_eq!(heard!(events, Event::Trailers { .. }), trailers);
                let told = events.iter();
                let told = told.filter(|event| matches!(event, Event::Interim { .. }));
                assert_eq!(told.count(), interims);
            }
        }
    }
}

/// What a client does that expects 100 (RFC 9110 §10.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expects {
    /// Nothing: it sends its body at once.
    Nothing,
    /// It hears 100, and sends its body then.
    Hears,
    /// It hears the final head instead, and gives the body up.
    HearsFinal,
}

/// How a header block lies on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    None,
    Whole,
    /// In HEADERS and two frames of CONTINUATION.
    Split,
}

fn block(fields: &[(&str, &str)], shape: Block, end_stream: bool) -> Vec<u8> {
    if shape != Block::Split {
        return wire::headers(1, fields, end_stream);
    }
    let block = wire::block(fields);
    let (first, rest) = block.split_at(1);
    let (second, third) = rest.split_at(rest.len() / 2);
    [
        wire::frame(kind::HEADERS, u8::from(end_stream), 1, first),
        wire::frame(kind::CONTINUATION, 0, 1, second),
        wire::frame(kind::CONTINUATION, flag::END_HEADERS, 1, third),
    ]
    .concat()
}

/// One exchange: the names of what the client is told, in order, and how many frames of a body it has sent.
fn exchange(expects: Expects, head: Block, data: bool, trailers: Block) -> (String, usize) {
    let mut hand = Hand::client();
    let expectation = match expects {
        Expects::Nothing => (&b"accept"[..], &b"*/*"[..]),
        _ => (&b"expect"[..], &b"100-continue"[..]),
    };
    let request = RequestHead::new(b"POST", b"http", Some(b"test"), b"/")
        .field(expectation.0, expectation.1)
        .finish();
    let stream = hand.end.connection.open(request, Then::More).unwrap();
    hand.frames();
    if expects == Expects::Hears {
        hand.says(wire::headers(1, &[(":status", "100")], false));
    }
    if expects != Expects::HearsFinal {
        hand.send(stream, b"body", Then::End);
    }
    let sent = hand.frames();
    let sent = sent.iter().filter(|frame| frame.kind == kind::DATA);
    let sent = sent.count();
    let last = |is_last: bool| is_last && trailers == Block::None;
    let answer = [OK, &[("x-answer", "a value of some length")]].concat();
    hand.says(block(&answer, head, last(!data)));
    if data {
        hand.says(wire::data(1, b"piece", last(true)));
    }
    if trailers != Block::None {
        hand.says(block(&[("x-sum", "1"), ("x-more", "2")], trailers, true));
    }
    if expects == Expects::HearsFinal {
        hand.end.connection.reset(stream, ErrorCode::CANCEL);
        assert_eq!(hand.failure(stream).retry, Retry::Never);
    } else {
        assert_eq!(hand.outcome(stream), Some(Ok(())));
    }
    let names = hand.events().into_iter().filter_map(|event| match event {
        Event::Interim { head, .. } => Some(format!("interim {}", head.status())),
        Event::Response { head, then, .. } => {
            assert_eq!(
                head.as_fields().find(b"x-answer"),
                Some(&b"a value of some length"[..])
            );
            Some(format!("response {then:?}"))
        }
        Event::Data { data, then, .. } => Some(format!("data {} {then:?}", data.len())),
        Event::Trailers { fields, .. } => Some(format!("trailers {}", fields.len())),
        _ => None,
    });
    (names.collect::<Vec<_>>().join(", "), sent)
}

/// Every pattern of a response to a request with a body: three kinds of expectation, two of heads, with data and
/// without, three of trailers.
#[test]
fn every_pattern_of_a_response_to_an_upload_is_told_as_it_came() {
    let mut patterns = 0;
    for expects in [Expects::Nothing, Expects::Hears, Expects::HearsFinal] {
        for head in [Block::Whole, Block::Split] {
            for data in [false, true] {
                for trailers in [Block::None, Block::Whole, Block::Split] {
                    let (told, sent) = exchange(expects, head, data, trailers);
                    let more = |more: bool| if more { "More" } else { "End" };
                    let ends = trailers == Block::None;
                    let mut wanted = Vec::new();
                    if expects == Expects::Hears {
                        wanted.push("interim 100".to_owned());
                    }
                    wanted.push(format!("response {}", more(data || !ends)));
                    if data {
                        wanted.push(format!("data 5 {}", more(!ends)));
                    }
                    if !ends {
                        wanted.push("trailers 2".to_owned());
                    }
                    let what = (expects, head, data, trailers);
                    assert_eq!(told, wanted.join(", "), "{what:?}");
                    let body = usize::from(expects != Expects::HearsFinal);
                    assert_eq!(sent, body, "{what:?}");
                    patterns += 1;
                }
            }
        }
    }
    assert_eq!(patterns, 36);
}

#[test]
fn an_interim_response_does_not_end_a_stream() {
    let mut hand = Hand::client();
    hand.open(Then::End);
    hand.says(wire::headers(1, HINTS, true));
    hand.resets(1, Violation::InformationalEndsStream);
}

#[test]
fn a_body_does_not_come_before_the_final_head() {
    for head in [None, Some(HINTS)] {
        let mut hand = Hand::client();
        hand.open(Then::End);
        if let Some(head) = head {
            hand.says(wire::headers(1, head, false));
        }
        hand.says(wire::data(1, b"x", true));
        hand.resets(1, Violation::DataBeforeHeaders);
    }
}

#[test]
fn trailers_end_the_message_and_have_no_pseudo_fields() {
    for role in ROLES {
        let (mut hand, _) = open(role);
        hand.says(wire::headers(1, &[("a", "b")], false));
        hand.resets(1, Violation::TrailersWithoutEndStream);
        for name in [":status", ":path", ":method"] {
            let (mut hand, _) = open(role);
            hand.says(wire::headers(1, &[(name, "200")], true));
            hand.resets(1, Violation::PseudoFieldInTrailers);
        }
    }
}

#[test]
fn trailers_may_come_before_the_body_was_read() {
    let (mut hand, stream) = open(Role::Client);
    hand.says(wire::data(1, &[0; 5_000], false));
    hand.says(wire::headers(1, &[("a", "b")], true));
    let events = hand.events();
    assert!(matches!(
        events[..],
        [Event::Data { .. }, Event::Trailers { .. }]
    ));
    hand.end.connection.release(stream, 5_000);
    hand.lives();
}

#[test]
fn a_whole_answer_may_come_before_the_request_ends() {
    let (mut hand, stream) = open(Role::Client);
    hand.says(wire::data(1, b"no, thanks", true));
    assert_eq!(hand.outcome(stream), None, "the upload may go on");
    hand.send(stream, b"the rest", Then::End);
    hand.frames();
    assert_eq!(hand.outcome(stream), Some(Ok(())));
}

#[test]
fn a_reset_without_error_behind_a_whole_answer_stops_the_upload_only() {
    let (mut hand, stream) = open(Role::Client);
    hand.send(stream, &[0; 60_000], Then::More);
    hand.says([wire::data(1, b"enough", true), wire::rst_stream(1, 0)].concat());
    assert_eq!(hand.outcome(stream), Some(Ok(())));
    let events = hand.events();
    assert_eq!(body_bytes(&events), 6);
    assert!(heard!(events, Event::StopSending { .. }));
    hand.ignores();
}

#[test]
fn a_reset_without_error_before_the_whole_answer_is_a_failure() {
    let (mut hand, stream) = open(Role::Client);
    hand.says([wire::data(1, b"enough", false), wire::rst_stream(1, 0)].concat());
    assert_eq!(hand.failure(stream).code, ErrorCode::NO_ERROR);
}

#[test]
fn a_server_stops_an_upload_behind_its_whole_answer() {
    let mut hand = Hand::server();
    let stream = hand.request(1, Then::More);
    hand.respond(stream, Then::More);
    hand.send(stream, b"enough", Then::End);
    hand.end.connection.reset(stream, ErrorCode::NO_ERROR);
    let frames = hand.frames();
    let kinds: Vec<_> = frames.iter().map(|frame| frame.kind).collect();
    assert_eq!(kinds, [kind::HEADERS, kind::DATA, kind::RST_STREAM]);
    assert_eq!(frames[2].number(0), 0);
    assert_eq!(hand.outcome(stream), Some(Ok(())));
}

#[test]
fn a_server_says_everything_in_order() {
    let mut hand = Hand::server();
    let stream = hand.request(1, Then::End);
    let connection = &mut hand.end.connection;
    let early = connection.send_data(stream, &mut Bytes::from_static(b"x"), Then::More);
    assert_eq!(early, Err(SendError::OutOfOrder));
    let early = connection.send_trailers(stream, Fields::new());
    assert_eq!(early, Err(SendError::OutOfOrder));
    let hints = ResponseHead::new(103).finish();
    connection.inform(stream, hints.clone()).unwrap();
    let final_as_hint = connection.respond(stream, hints.clone(), Then::End);
    assert_eq!(final_as_hint, Err(SendError::OutOfOrder));
    hand.respond(stream, Then::More);
    let late = hand.end.connection.inform(stream, hints);
    assert_eq!(late, Err(SendError::OutOfOrder));
    hand.send(stream, b"body", Then::More);
    let fields = Fields::from_iter([(&b"sum"[..], &b"1"[..])]);
    hand.end.connection.send_trailers(stream, fields).unwrap();
    let frames = hand.frames();
    let kinds: Vec<_> = frames.iter().map(|frame| frame.kind).collect();
    use kind::{DATA, HEADERS};
    assert_eq!(kinds, [HEADERS, HEADERS, DATA, HEADERS]);
    let flags: Vec<_> = frames.iter().map(|frame| frame.flags).collect();
    assert_eq!(flags, [4, 4, 0, 5]);
}
