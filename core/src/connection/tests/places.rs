//! Places that an application keeps, answers that nobody reads, and what is left of a connection that is over.

use bytes::{Buf, Bytes};

use super::{
    by_hand::{GET, PING, POST, frame, head, ready, reset, seconds, settings, violation},
    pair::End,
};
use std::vec::Vec;

use crate::{
    Config, ErrorCode, Event, Lifecycle, ResponseHead, Role, StreamHandle, Then, Transmit,
    TransportEnd, Violation,
};

/// Opens and resets a request. Its place is kept, if it came to the application.
fn rapid(end: &mut End, id: u32) -> Option<StreamHandle> {
    let bytes = [head(id, GET, true), reset(id)].concat();
    end.inbox.extend_from_slice(&bytes);
    end.connection.handle_input(&mut end.inbox, seconds(0));
    let mut kept = None;
    while let Some(event) = end.connection.poll_event() {
        if let Event::Request { stream, .. } = event {
            assert!(end.connection.keep_place(stream));
            kept = Some(stream);
        }
        end.connection.check();
    }
    end.output(seconds(0));
    kept
}

fn narrow() -> Config {
    Config {
        concurrent_streams_max: 3,
        ..Config::default()
    }
}

#[test]
fn a_place_that_is_kept_outlives_its_stream() {
    let mut end = ready(Role::Server, narrow(), &[]);
    let kept: Vec<_> = (0..10).map(|n| rapid(&mut end, 2 * n + 1)).collect();
    let kept: Vec<_> = kept.into_iter().flatten().collect();
    assert_eq!(kept.len(), 3, "the others never came to the application");
    assert_eq!(end.connection.stats().defences.streams_refused, 7);
    assert_eq!(end.connection.stats().resets_sent, 7);
    assert_eq!(end.connection.gauges().streams, 3);
    // One that is freed makes room for one, once.
    end.connection.free_place(kept[0]);
    end.connection.free_place(kept[0]);
    assert!(!end.connection.keep_place(kept[0]), "it is gone");
    assert!(rapid(&mut end, 101).is_some());
    assert!(rapid(&mut end, 103).is_none());
    assert_eq!(violation(&end), None);
}

#[test]
fn a_place_that_is_kept_counts_once_while_its_stream_is_open() {
    let mut end = ready(Role::Server, narrow(), &[]);
    for id in [1, 3] {
        end.input(&head(id, GET, true), seconds(0));
        let Some(Event::Request { stream, .. }) = end.take_events().pop() else {
            panic!("a request");
        };
        assert!(end.connection.keep_place(stream));
        if id == 3 {
            // Freed before its end, it leaves with it.
            end.connection.free_place(stream);
            let answer = ResponseHead::new(200).finish();
            end.connection.respond(stream, answer, Then::End).unwrap();
            end.output(seconds(0));
        }
    }
    end.take_events();
    assert_eq!(end.connection.gauges().streams, 1);
    for id in [5, 7] {
        end.input(&head(id, GET, true), seconds(0));
    }
    assert_eq!(end.connection.stats().defences.streams_refused, 0);
    // A drain does not wait for whoever works for nobody, and the end of a connection frees all.
    let mut end = ready(Role::Server, narrow(), &[]);
    let stream = rapid(&mut end, 1).unwrap();
    end.connection.close(ErrorCode::NO_ERROR, Bytes::new());
    end.take_events();
    assert_eq!(end.connection.gauges().streams, 0);
    assert!(!end.connection.keep_place(stream));
    let mut client = ready(Role::Client, narrow(), &[]);
    let stream = super::by_hand::open(&mut client, seconds(0));
    assert!(!client.connection.keep_place(stream), "it is our own");
}

/// How often `frame` comes in before it is too much, for a transport that takes `takes` bytes after each.
fn answers(frame: &[u8], takes: usize, max: usize) -> (usize, Option<Violation>) {
    let config = Config {
        answers_max: max as u32,
        ..Config::default()
    };
    let mut end = ready(Role::Server, config, &[]);
    let mut out = Transmit::new();
    for n in 0..900 {
        end.input(frame, seconds(0));
        end.connection.poll_transmit(&mut out, seconds(0));
        end.connection.check();
        if let Some(violation) = violation(&end) {
            return (n, Some(violation));
        }
        out.advance(takes.min(out.remaining()));
    }
    (900, None)
}

#[test]
fn answers_count_until_the_transport_has_them() {
    let ping = frame(PING, 0, 0, &[7; 8]);
    let settings = settings(&[]);
    for max in [1, 5, 64] {
        assert_eq!(answers(&ping, 0, max), (max, Some(Violation::PingFlood)));
        assert_eq!(
            answers(&settings, 0, max),
            (max, Some(Violation::SettingsFlood))
        );
        // One less than the whole of an answer is none of it.
        assert_eq!(answers(&ping, 17, max), (900, None));
        assert_eq!(answers(&settings, 9, max), (900, None));
    }
    let (after, _) = answers(&ping, 16, 5);
    assert_eq!(after, 4 * 17 + 1, "a byte short each time");
}

#[test]
fn a_connection_that_is_over_keeps_nothing() {
    for role in [Role::Client, Role::Server] {
        let mut end = ready(role, Config::default(), &[(0x77, 1)]);
        let rest = end.connection.memory_footprint().total();
        // Tables, lists, events, answers and streams.
        for n in 0..50 {
            if role == Role::Client {
                super::by_hand::open(&mut end, seconds(0));
            }
            let field = [&[0x40, 1, b'a' + n as u8 % 26, 100][..], &[b'v'; 100]].concat();
            let block = match role {
                Role::Server => [POST, &field].concat(),
                Role::Client => [&[0x88][..], &field].concat(),
            };
            end.input(&head(2 * n + 1, &block, false), seconds(0));
            end.input(&frame(0, 0, 2 * n + 1, &[7; 100]), seconds(0));
            end.input(&frame(PING, 0, 0, &[0; 8]), seconds(0));
        }
        let streams: Vec<_> = end.connection.holders().map(|held| held.0).collect();
        assert_eq!(streams.len(), 50);
        assert!(end.connection.memory_footprint().total() > rest + 10_000);
        // In the middle of a block, too.
        end.input(
            &frame(1, 0, 2 * 49 + 1, &[0, 1, b'x', 90, b'y']),
            seconds(0),
        );
        end.input(&frame(PING, 0, 0, &[0; 8]), seconds(0));
        assert_eq!(violation(&end), Some(Violation::ContinuationExpected));
        assert!(matches!(end.events.last(), Some(Event::Closed { .. })));
        end.output(seconds(0));
        // What the application holds, it gives back in its own time.
        for stream in streams {
            end.connection.discard(stream);
        }
        end.events.clear();
        let kept = end.connection.memory_footprint();
        assert!(kept.total() <= rest, "{kept:?} of {rest}");
        assert_eq!((kept.events, kept.hpack, kept.table), (0, 0, 32));
    }
}

/// A server with an answer in its output, which the transport has not taken, and no stream; it drains or does not.
fn answered(drains: bool) -> (End, Transmit) {
    let (mut end, mut out) = (ready(Role::Server, Config::default(), &[]), Transmit::new());
    end.input(&head(1, GET, true), seconds(0));
    let Some(Event::Request { stream, .. }) = end.take_events().pop() else {
        panic!("a request");
    };
    if drains {
        end.connection.drain();
        end.output(seconds(0));
        end.input(&frame(PING, 1, 0, &[0, 0, 0, 0, 0, 0, 0, 1]), seconds(0));
    }
    let connection = &mut end.connection;
    let answer = ResponseHead::new(200).finish();
    connection.respond(stream, answer, Then::More).unwrap();
    let mut body = Bytes::from_static(&[7; 10_000]);
    connection.send_data(stream, &mut body, Then::End).unwrap();
    connection.poll_transmit(&mut out, seconds(0));
    assert!(out.remaining() > 10_000);
    end.take_events();
    (end, out)
}

// The transport is dropped where the connection is closed.
#[test]
fn a_client_that_ends_its_half_reads_what_is_in_the_output() {
    for drains in [false, true] {
        let (mut end, mut out) = answered(drains);
        assert_eq!(end.connection.gauges().streams, 0);
        let mut ends = |end: &mut End, how| {
            end.connection.handle_transport_end(how, seconds(1));
            end.connection.poll_transmit(&mut out, seconds(1));
            end.connection.check();
            end.connection.lifecycle()
        };
        assert_eq!(ends(&mut end, TransportEnd::Eof), Lifecycle::Closing);
        assert_eq!(ends(&mut end, TransportEnd::Eof), Lifecycle::Closing);
        // As slow as any other that is over may be, and no slower.
        for second in 2..9 {
            out.advance(1_024);
            end.connection.poll_transmit(&mut out, seconds(second));
            assert_eq!(end.connection.poll_timeout(), Some(seconds(second + 1)));
        }
        out.advance(out.remaining());
        end.connection.poll_transmit(&mut out, seconds(9));
        assert_eq!(end.connection.lifecycle(), Lifecycle::Closed);
        assert_eq!(end.connection.error(), None);
        assert_eq!(end.connection.poll_timeout(), None);
        let (mut slow, mut out) = answered(drains);
        let connection = &mut slow.connection;
        connection.handle_transport_end(TransportEnd::Eof, seconds(1));
        connection.poll_transmit(&mut out, seconds(1));
        connection.handle_timeout(seconds(2));
        assert_eq!(connection.lifecycle(), Lifecycle::Closed);
    }
    // Whoever cannot be written to gets nothing.
    let (mut end, _) = answered(false);
    for how in [TransportEnd::Eof, TransportEnd::Failed] {
        end.connection.handle_transport_end(how, seconds(1));
    }
    assert_eq!(end.connection.lifecycle(), Lifecycle::Closed);
}
