//! What the peer's GOAWAY says, for whoever asks.

use bytes::Bytes;

use super::by_hand::{POST, RST_STREAM, frame, head, open, ready, seconds};
use crate::{Config, ErrorCode, Event, Role, TransportEnd};

fn goaway(last: u32, code: ErrorCode, debug: &[u8]) -> std::vec::Vec<u8> {
    let payload = [&last.to_be_bytes()[..], &code.to_u32().to_be_bytes(), debug].concat();
    frame(7, 0, 0, &payload)
}

#[test]
fn the_first_fault_that_is_named_is_kept_and_no_more_than_a_sentence_of_it() {
    for role in [Role::Client, Role::Server] {
        let mut end = ready(role, Config::default(), &[]);
        // What is in progress keeps it from ending with the first.
        if role == Role::Client {
            open(&mut end, seconds(0));
        } else {
            end.input(&head(1, POST, false), seconds(0));
        }
        assert_eq!(end.connection.peer_goaway(), None);
        let before = end.connection.memory_footprint().output;
        let mut said = |code, debug: &[u8]| {
            end.input(&goaway(1, code, debug), seconds(0));
            let said = end.connection.peer_goaway().unwrap();
            let kept = end.connection.memory_footprint().output - before;
            assert!(kept <= 1_024 + 64, "{kept} bytes");
            (said.code, said.debug.to_vec())
        };
        let none = ErrorCode::NO_ERROR;
        assert_eq!(said(none, b"soon"), (none, b"soon".to_vec()));
        assert_eq!(said(none, b"now"), (none, b"now".to_vec()));
        let calm = (ErrorCode::ENHANCE_YOUR_CALM, std::vec![b'x'; 1_024]);
        assert_eq!(said(calm.0, &[b'x'; 10_000]), calm);
        assert_eq!(said(ErrorCode::PROTOCOL_ERROR, b"and so"), calm);
        assert_eq!(said(none, b""), calm);
    }
}

#[test]
fn only_a_goaway_that_takes_something_back_looks_at_the_streams() {
    let mut end = ready(Role::Client, Config::default(), &[(3, 100)]);
    for _ in 0..100 {
        open(&mut end, seconds(0));
    }
    let mut cost = |last| {
        let before = end.connection.stats().work_units;
        end.input(&goaway(last, ErrorCode::NO_ERROR, b""), seconds(0));
        end.connection.stats().work_units - before
    };
    assert!(cost(151) > 100, "the first looks at each of them");
    for again in [151, 151, 199] {
        let units = cost(again);
        assert!(units < 50, "{units} units of work for the same once more");
    }
    assert!(cost(99) > 50, "a lower one looks at those that are left");
}

#[test]
fn what_a_goaway_says_is_told_in_one_line() {
    let mut end = ready(Role::Client, Config::default(), &[]);
    end.input(
        &goaway(0, ErrorCode::ENHANCE_YOUR_CALM, b"too_many_pings\n\"\xff"),
        seconds(0),
    );
    let told = std::format!("{}", end.connection.peer_goaway().unwrap());
    assert!(told.starts_with("GOAWAY with ENHANCE_YOUR_CALM"), "{told}");
    assert!(told.ends_with(r#": "too_many_pings\n\"\xff""#), "{told}");
}

// RFC 9113 §8.7: the last stream that a GOAWAY names is the last that somebody looked at, and not each in front of it.
#[test]
fn who_was_refused_hears_of_it_although_the_connection_is_closed_meanwhile() {
    let config = Config {
        concurrent_streams_max: 1,
        ..Config::default()
    };
    let mut end = ready(Role::Server, config.clone(), &[]);
    // The second is above the limit, and the application refuses the first.
    let ask = |end: &mut super::pair::End| {
        end.input(&head(1, POST, false), seconds(0));
        end.input(&head(3, POST, false), seconds(0));
        let stream = end.take_events().iter().find_map(|event| match event {
            Event::Request { stream, .. } => Some(*stream),
            _ => None,
        });
        end.connection
            .reset(stream.unwrap(), ErrorCode::REFUSED_STREAM);
    };
    ask(&mut end);
    end.connection
        .close(ErrorCode::INTERNAL_ERROR, Bytes::new());
    let refused = |stream| frame(RST_STREAM, 0, stream, &[0, 0, 0, 7]);
    let goaway = goaway(3, ErrorCode::INTERNAL_ERROR, b"");
    assert_eq!(
        end.output(seconds(0)),
        [refused(3), refused(1), goaway].concat()
    );
    // Nothing is said to nobody.
    let mut end = ready(Role::Server, config, &[]);
    ask(&mut end);
    end.connection
        .handle_transport_end(TransportEnd::Failed, seconds(0));
    assert!(end.output(seconds(0)).is_empty());
}

// RFC 8441 §3
#[test]
fn only_settings_say_whether_an_extended_connect_is_taken() {
    let before = super::pair::End::new(Role::Client, Config::default());
    assert_eq!(before.connection.takes_extended_connect(), None);
    for (entries, takes) in [(&[][..], false), (&[(8, 0)], false), (&[(8, 1)], true)] {
        let end = ready(Role::Client, Config::default(), entries);
        assert_eq!(end.connection.takes_extended_connect(), Some(takes));
    }
}
