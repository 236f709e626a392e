//! Connections that should end and would not, and what is left of them.

use std::time::Duration;

use bytes::Bytes;
use raddle_core::{
    Config, ErrorCode, Event, Lifecycle, ResponseHead, Retry, Role, Then, TransportEnd, Violation,
};
use raddle_tests::wire::{self, GET, POST, kind};

use crate::{
    blocks::{PLAIN, literal},
    victim::{App, BOUNDS, Bounds, KIB, OK, ROLES, Victim},
};

/// The end of a connection that was stuck on its transport: the deadline for writing, and then the one for closing.
const STUCK: Bounds = Bounds {
    unsent: 96 * KIB,
    ..BOUNDS
};

#[test]
pub(crate) fn v07_windows_wide_and_a_transport_that_is_shut() {
    let mut victim = Victim::new(Role::Server);
    victim.send(&wire::settings(&[(4, (1 << 31) - 1)]));
    victim.send(&wire::window_update(0, (1 << 31) - 1 - 65_535));
    victim.reads = false;
    victim.begin();
    let mut taken = 0;
    for n in 0..100 {
        let stream = victim.stream(2 * n + 1);
        let head = ResponseHead::new(200).finish();
        let answered = victim.connection.respond(stream, head, Then::More);
        answered.unwrap();
        for _ in 0..4 {
            let mut body = Bytes::from(vec![7; 64 * KIB]);
            taken += victim
                .connection
                .send_data(stream, &mut body, Then::More)
                .unwrap();
            victim.turn();
        }
    }
    // 64 KiB for each stream and for the transport, whatever the windows are; the producer knows.
    assert!(taken <= 101 * 64 * KIB + 16 * KIB, "{taken}");
    assert!(victim.stats().defences.send_buffers_full >= 100);
    assert!(victim.stats().defences.output_full >= 100);
    assert!(victim.peak.unsent <= 96 * KIB, "{:?}", victim.peak);
    victim.wait(Duration::from_secs(31));
    // What the application gave, and what a hundred streams need.
    let bounds = Bounds {
        live: 102 * 64 * KIB + 64 * KIB,
        close: Duration::from_secs(31),
        ..STUCK
    };
    victim.assert_killed(Violation::WriteTimeout, bounds);
}

#[test]
pub(crate) fn v31_input_behind_the_end() {
    for role in ROLES {
        let (mut victim, _) = Victim::with_stream(role);
        let faults = [
            wire::ping([0; 8], false)[..8].to_vec(),
            wire::frame(kind::PING, 0, 1, &[0; 8]),
            wire::headers(2, GET, true),
            wire::frame(kind::CONTINUATION, 0, 7, &[0xff; 30]),
            wire::settings(&[(5, 1)]),
            wire::goaway(0, 99),
            wire::rst_stream(99, 0),
        ]
        .concat();
        // The first of them ends it, and the rest is in the same piece of input.
        assert!(!victim.send(&[wire::data(0, b"x", false), faults.clone()].concat()));
        assert_eq!(victim.violation(), Some(Violation::DataOnStreamZero));
        let (events, stats) = (victim.events.len(), victim.stats());
        for _ in 0..100 {
            assert!(!victim.send(&faults));
        }
        assert_eq!(victim.events.len(), events, "told once");
        assert_eq!(victim.stats().frames_received, stats.frames_received);
        victim.assert_killed(Violation::DataOnStreamZero, BOUNDS);
    }
}

#[test]
pub(crate) fn v32_our_goaway_and_a_peer_that_stays() {
    for role in ROLES {
        let (mut victim, _) = Victim::with_stream(role);
        assert!(!victim.send(&wire::window_update(0, (1 << 31) - 1)));
        let told = victim.events.len();
        let read = victim.stats().frames_received;
        for _ in 0..50 {
            assert!(!victim.send(&wire::data(1, &[7; 16_384], false)));
            assert!(!victim.send(&wire::headers(9, POST, false)));
        }
        assert_eq!(victim.events.len(), told, "no events behind the last");
        assert_eq!(victim.stats().frames_received, read, "none is read");
        assert!(matches!(victim.events.last(), Some(Event::Closed { .. })));
        victim.assert_killed(Violation::ConnectionWindowOverflow, BOUNDS);
        // A peer that goes without a word.
        let (mut victim, _) = Victim::with_stream(role);
        let now = victim.now;
        victim
            .connection
            .handle_transport_end(TransportEnd::Eof, now);
        victim.turn();
        assert_eq!(victim.connection.lifecycle(), Lifecycle::Closed);
        victim.assert_ended(BOUNDS);
    }
}

#[test]
pub(crate) fn v33_an_end_that_cannot_be_written() {
    for role in ROLES {
        // A fault in the middle of a drain, with a peer that reads nothing.
        let (mut victim, _) = Victim::with_stream(role);
        victim.reads = false;
        victim.connection.drain();
        victim.turn();
        assert!(!victim.send(&wire::data(0, b"x", false)));
        victim.assert_killed(Violation::DataOnStreamZero, BOUNDS);
        // A close of our own.
        let (mut victim, _) = Victim::with_stream(role);
        victim.reads = false;
        victim.connection.close(ErrorCode::NO_ERROR, Bytes::new());
        victim.assert_ended(BOUNDS);
        // A drain whose last word is stuck: it ends when nothing was written for the time that a write may take.
        let (mut victim, stream) = Victim::with_stream(role);
        victim.reads = false;
        victim.connection.drain();
        victim.turn();
        victim.connection.reset(stream, ErrorCode::CANCEL);
        victim.turn();
        victim.wait(Duration::from_secs(32));
        assert_eq!(victim.connection.lifecycle(), Lifecycle::Closed);
        victim.assert_ended(Bounds {
            close: Duration::from_secs(32),
            ..BOUNDS
        });
        // A server that nobody uses, on a transport that takes nothing.
        let mut victim = Victim::new(Role::Server);
        victim.reads = false;
        victim.wait(Duration::from_secs(300 + 30 + 2));
        assert_eq!(victim.connection.lifecycle(), Lifecycle::Closed);
        assert_eq!(victim.stats().defences.timeouts, 1);
        victim.assert_ended(Bounds {
            close: Duration::from_secs(332),
            ..BOUNDS
        });
    }
}

#[test]
pub(crate) fn v34_senders_that_wait_for_credit() {
    let mut victim = Victim::new(Role::Client);
    victim.send(&wire::settings(&[(4, 0)]));
    for n in 0..3 {
        let stream = victim.stream(2 * n + 1);
        let mut body = Bytes::from(vec![7; 64 * KIB]);
        let sent = victim.connection.send_data(stream, &mut body, Then::More);
        assert_eq!(sent, Ok(64 * KIB));
    }
    victim.turn();
    victim.events.clear();
    // Those above the last stream hear it at once.
    victim.send(&wire::goaway(1, 0));
    let failed = victim.events.iter().filter_map(|event| match event {
        Event::Failed { error, .. } => Some(error.retry),
        _ => None,
    });
    // Their response heads had come, so that they were processed whatever the GOAWAY says.
    assert_eq!(failed.collect::<Vec<_>>(), [Retry::Never; 2]);
    assert_eq!(victim.connection.gauges().streams, 1);
    // The one that goes on waits no longer than the peer may hold a stream back.
    victim.wait(Duration::from_secs(451));
    assert_eq!(victim.connection.gauges().streams, 0);
    assert_eq!(victim.stats().defences.timeouts, 1);
    assert_eq!(victim.connection.error(), None);
    // What the application gave of three bodies.
    victim.assert_ended(Bounds {
        live: 3 * 64 * KIB + 8 * KIB,
        close: Duration::from_secs(451),
        ..BOUNDS
    });
}

#[test]
pub(crate) fn v35_streams_are_counted_right() {
    // `turn` counts the table anew after every step; here every kind of step that a head too large could upset.
    for role in ROLES {
        let mut victim = Victim::new(role);
        let large = vec![0x88; 600];
        let ends = |n: u32| match n % 4 {
            0 => wire::rst_stream(2 * n + 1, 8),
            1 => wire::data(2 * n + 1, b"", true),
            2 => wire::window_update(2 * n + 1, 0),
            _ => Vec::new(),
        };
        for n in 0..400 {
            if n % 3 == 0 {
                victim.message(n, &large);
            } else {
                if role == Role::Client {
                    victim.ask();
                }
                let head = if role == Role::Server { POST } else { OK };
                victim.send(&wire::headers(2 * n + 1, head, false));
                victim.send(&ends(n));
                victim.working.clear();
            }
        }
        assert_eq!(victim.connection.error(), None);
        assert_eq!(victim.stats().defences.header_lists_refused, 134);
        // With all of them gone the deadlines of an idle connection count again.
        let entries = victim.connection.gauges().streams;
        assert!(entries <= 200, "{entries}");
        victim.assert_alive(Bounds {
            live: 96 * KIB,
            ..BOUNDS
        });
    }
}

#[test]
pub(crate) fn v36_requests_that_were_never_sent() {
    let mut victim = Victim::new(Role::Client);
    victim.send(&wire::settings(&[(3, 1)]));
    for _ in 0..50 {
        let head = raddle_tests::engine::get("/");
        victim.connection.open(head, Then::End).unwrap();
    }
    victim.turn();
    assert_eq!(victim.connection.waiting(), 49);
    victim.events.clear();
    // Both in one piece, so that no request is sent between them.
    victim.send(&[wire::goaway(0, 0), wire::rst_stream(1, 7)].concat());
    let safe = victim
        .events
        .iter()
        .filter(|event| matches!(event, Event::Failed { error, .. } if error.retry == Retry::Safe));
    assert_eq!(safe.count(), 50);
    assert_eq!(victim.stats().streams_opened, 1);
    let gauges = victim.connection.gauges();
    assert_eq!((gauges.streams, victim.connection.waiting()), (0, 0));
    assert_eq!(victim.connection.memory_footprint().header_lists, 0);
    victim.assert_ended(BOUNDS);
}

#[test]
pub(crate) fn v37_refused_in_the_middle_of_an_upload() {
    for code in [ErrorCode::REFUSED_STREAM, ErrorCode::HTTP_1_1_REQUIRED] {
        let mut victim = Victim::new(Role::Client);
        let mut handles = Vec::new();
        for n in 0..2_000u32 {
            let head = raddle_tests::engine::post("/");
            let stream = victim.connection.open(head, Then::More).unwrap();
            assert!(!handles.contains(&stream), "a handle is never used twice");
            handles.push(stream);
            let mut body = Bytes::from(vec![7; 1_000]);
            let sent = victim.connection.send_data(stream, &mut body, Then::More);
            sent.unwrap();
            victim.turn();
            victim.send(&wire::rst_stream(2 * n + 1, code.to_u32()));
            // Whoever still holds the handle, or sends on, reaches nobody.
            let mut body = Bytes::from_static(b"more");
            assert!(
                victim
                    .connection
                    .send_data(stream, &mut body, Then::End)
                    .is_err()
            );
            victim.connection.release(stream, 1);
        }
        let ends = victim
            .events
            .iter()
            .filter(|event| matches!(event, Event::Failed { .. }));
        assert_eq!(ends.count(), 2_000);
        assert_eq!(victim.stats().resets_received, 2_000);
        assert_eq!(victim.peak.streams, 1);
        victim.assert_alive(Bounds {
            work_per_byte: 60,
            ..BOUNDS
        });
    }
}

#[test]
pub(crate) fn v45_commands_between_any_two_events() {
    // There are no callbacks: what an application does on an event, it does when the engine has returned.
    for role in ROLES {
        let (mut victim, stream) = Victim::with_stream(role);
        let input = [
            // Too long to become one event with the next.
            wire::data(1, &[7; 1_025], false),
            wire::data(1, b"b", false),
            wire::ping([0; 8], false),
            wire::data(1, &[7; 1_025], true),
            wire::window_update(0, 5),
        ];
        let mut inbox = bytes::BytesMut::from(&input.concat()[..]);
        let now = victim.now;
        victim.read_unpolled(&mut inbox);
        let mut told = 0;
        while let Some(event) = victim.connection.poll_event() {
            told += 1;
            let _ = event;
            victim.connection.release(stream, 1_025);
            victim.connection.reset(stream, ErrorCode::CANCEL);
            victim.connection.ping();
            victim.connection.drain();
            victim.connection.poll_transmit(&mut victim.out, now);
            victim.connection.handle_input(&mut inbox, now);
            victim.connection.check();
        }
        assert!(told >= 4, "{told}");
        assert_eq!(victim.connection.gauges().streams, 0);
        assert!(victim.connection.memory_footprint().events <= 512);
        // It drains because it was told to; what the peer did was no fault.
        assert_eq!(victim.connection.error(), None);
        victim.assert_within(BOUNDS);
    }
}

#[test]
pub(crate) fn v46_every_byte_has_one_budget() {
    for (role, torn) in ROLES
        .into_iter()
        .flat_map(|role| [(role, false), (role, true)])
    {
        let (mut victim, _) = Victim::with_stream(role);
        victim.app = App::Unread;
        // Torn down in the middle of a head, with bodies on their way and unread, and a string half decoded.
        victim.send(&wire::data(1, &[7; 700], false).repeat(20));
        let long = [&[0x00, 0x7f, 0xff, 0x3f][..], &[b'x'; 6_000]].concat();
        let whole = literal(PLAIN, b"y", &[b'z'; 3_000]);
        let stream = if role == Role::Server { 3 } else { 1 };
        victim.send(&wire::frame(
            kind::HEADERS,
            0,
            stream,
            &[whole, long].concat(),
        ));
        let footprint = victim.connection.memory_footprint();
        assert!(footprint.hpack >= 6_000, "{footprint:?}");
        assert!(footprint.header_lists >= 3_000, "{footprint:?}");
        victim.assert_within(BOUNDS);
        if torn {
            let now = victim.now;
            let end = TransportEnd::Failed;
            victim.connection.handle_transport_end(end, now);
            victim.turn();
            victim.assert_ended(BOUNDS);
        } else {
            // As it stands: the sum of all budgets is what was allocated.
            victim.is_no_attack();
        }
    }
}

#[test]
pub(crate) fn v47_streams_beyond_the_limit() {
    // Before the peer has acknowledged it, too.
    let mut victim = Victim::fresh(Role::Server, Config::default());
    victim.send(wire::PREFACE);
    victim.send(&wire::settings(&[]));
    victim.begin();
    for n in 0..1_000 {
        assert!(victim.send(&wire::headers(2 * n + 1, POST, false)));
    }
    assert_eq!((victim.peak.app, victim.peak.streams), (100, 100));
    assert_eq!(victim.stats().defences.streams_refused, 900);
    assert_eq!(victim.stats().resets_sent, 900);
    victim.assert_alive(Bounds {
        live: 96 * KIB,
        ..BOUNDS
    });
}

#[test]
pub(crate) fn v49_silence_from_the_start() {
    for role in ROLES {
        // Nothing; or a byte a second, which changes nothing.
        for drip in [false, true] {
            let mut victim = Victim::fresh(role, Config::default());
            let beginning = match role {
                Role::Server => wire::PREFACE.to_vec(),
                Role::Client => wire::settings(&[]),
            };
            for byte in beginning.iter().take(8) {
                if drip {
                    victim.send(&[*byte]);
                }
                victim.wait(Duration::from_secs(1));
            }
            assert_eq!(victim.violation(), None);
            victim.wait(Duration::from_secs(2));
            assert_eq!(victim.stats().defences.timeouts, 1);
            let bounds = Bounds {
                close: Duration::from_secs(11),
                ..BOUNDS
            };
            victim.assert_killed(Violation::HandshakeTimeout, bounds);
        }
    }
}

#[test]
pub(crate) fn v50_no_stream_sees_the_faults_of_another() {
    // The same requests, alone and beside neighbours that break every rule: what the application sees is the same.
    let run = |noise: bool| {
        let mut victim = Victim::new(Role::Server);
        let mut seen = Vec::new();
        for n in 0..200u32 {
            let id = 4 * n + 1;
            let path = format!("/{n}");
            let fields = [&GET[..3], &[(":path", &path[..]), ("x-user", &path[..])]].concat();
            if noise && n % 2 == 0 {
                victim.send(&wire::headers(id, &[GET, &[("Bad", "x")]].concat(), true));
            }
            if noise && n % 2 == 1 {
                victim.send(&wire::headers(
                    id,
                    &[GET, &[("content-length", "7")]].concat(),
                    true,
                ));
            }
            assert!(victim.send(&wire::headers(id + 2, &fields, true)));
            victim.answer();
            let heads = victim.events.drain(..).filter_map(|event| match event {
                Event::Request { head, then, .. } => {
                    let fields = head.as_fields().iter();
                    let fields = fields.map(|field| (field.name.to_vec(), field.value.to_vec()));
                    Some((fields.collect::<Vec<_>>(), then))
                }
                _ => None,
            });
            seen.extend(heads);
        }
        let faults = if noise { 200 } else { 0 };
        assert_eq!(victim.stats().streams_faulted, faults);
        victim.assert_alive(BOUNDS);
        assert_eq!(seen.len(), 200);
        seen
    };
    assert_eq!(run(false), run(true));
}
