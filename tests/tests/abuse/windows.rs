//! Lengths, windows, and what they are summed up to.

use bytes::Bytes;
use raddle_core::{Config, ErrorCode, ResponseHead, Role, Then, Violation};
use raddle_tests::wire::{self, flag, kind};

use crate::victim::{App, BOUNDS, Bounds, ROLES, Victim};

const WINDOW_MAX: u32 = (1 << 31) - 1;

#[test]
pub(crate) fn v01_data_dribble() {
    // A window that is shut and opens by a byte, and one of a byte from the beginning.
    for (role, first) in ROLES.into_iter().flat_map(|role| [(role, 0), (role, 1)]) {
        let mut victim = Victim::new(role);
        victim.send(&wire::settings(&[(4, first)]));
        let streams: Vec<_> = (0..100).map(|n| victim.stream(2 * n + 1)).collect();
        for &stream in &streams {
            if role == Role::Server {
                let head = ResponseHead::new(200).finish();
                let answered = victim.connection.respond(stream, head, Then::More);
                answered.unwrap();
            }
            let mut body = Bytes::from(vec![7; 4_000]);
            let sent = victim.connection.send_data(stream, &mut body, Then::More);
            sent.unwrap();
        }
        victim.turn();
        assert_eq!(victim.stats().data_bytes_sent, 100 * u64::from(first));
        victim.begin();
        // One byte for each stream in turn, and another place in the order for each tenth: the old way, and the new one.
        let before = victim.stats();
        for n in 0..5_000u32 {
            let stream = 2 * (n % 100) + 1;
            if n % 10 == 0 {
                let mut payload = (2 * (n % 50) + 203).to_be_bytes().to_vec();
                payload.push(n as u8);
                assert!(victim.send(&wire::frame(kind::PRIORITY, 0, stream, &payload)));
            }
            if n % 10 == 5 && role == Role::Server {
                let update = [&stream.to_be_bytes()[..], b"u=", &[b'0' + (n % 8) as u8]].concat();
                assert!(victim.send(&wire::frame(kind::PRIORITY_UPDATE, 0, 0, &update)));
            }
            assert!(victim.send(&wire::window_update(stream, 1)));
        }
        let emitted = victim.stats().data_bytes_sent - before.data_bytes_sent;
        assert_eq!(emitted, 5_000, "a frame for each byte, and none that waits");
        let defences = victim.stats().defences;
        let updates = defences.window_updates - before.defences.window_updates;
        assert_eq!(updates, 5_000);
        // 10 bytes go out for each.
        assert!(
            victim.work() <= 40 * 10 * emitted,
            "OPS for an emitted byte"
        );
        assert_eq!(victim.peak.unsent, 10);
        assert!(victim.peak.owed <= 100, "{:?}", victim.peak);
        assert!(victim.peak.live <= 1_024, "{:?}", victim.peak);
        // A peer may read as slowly as it likes; who holds a stream for it is V16.
        victim.assert_alive(BOUNDS);
    }
}

#[test]
pub(crate) fn v30_every_length_and_padding() {
    let lengths = (0..=24).chain(250..=262).chain([100, 299, 300]);
    for role in ROLES {
        for len in lengths.clone() {
            for pad in (0..=255usize).filter(|pad| pad % 5 == 0 || pad.abs_diff(len) <= 2) {
                let (mut victim, _) = Victim::with_stream(role);
                victim.app = App::Unread;
                let mut payload = vec![0; len];
                if let Some(first) = payload.first_mut() {
                    *first = pad as u8;
                }
                let before = victim.stats().data_bytes_received;
                let alive = victim.send(&wire::frame(kind::DATA, flag::PADDED, 1, &payload));
                // RFC 9113 §6.1: padding of the length of the payload or more is a fault, and of no payload, too.
                let expected = match len {
                    0 => Some(Violation::DataFrameSize),
                    _ if pad >= len => Some(Violation::PaddingTooLong),
                    _ => None,
                };
                assert_eq!(victim.violation(), expected, "{len} with {pad}");
                assert_eq!(alive, expected.is_none());
                match expected {
                    Some(violation) => victim.assert_killed(violation, BOUNDS),
                    None => {
                        let data = victim.stats().data_bytes_received - before;
                        assert_eq!(data as usize, len - 1 - pad, "only data is held");
                        victim.assert_alive(BOUNDS);
                    }
                }
            }
        }
    }
}

#[test]
pub(crate) fn v30_padding_never_uses_a_window_up() {
    for role in ROLES {
        // One byte that is lost with each frame would close the window before the end.
        let narrow = Config {
            stream_window_bytes: 65_535,
            connection_window_bytes: 65_535,
            connection_window_bytes_max: 65_535,
            ..Config::default()
        };
        let mut victim = Victim::under(role, narrow);
        victim.stream(1);
        victim.begin();
        // 20 MiB of padding around single bytes through windows of 64 KiB.
        let mut payload = vec![0; 257];
        payload[0] = 255;
        let frame = wire::frame(kind::DATA, flag::PADDED, 1, &payload);
        for _ in 0..80_000 {
            assert!(victim.send(&frame));
        }
        assert_eq!(victim.stats().data_bytes_received, 80_000);
        assert_eq!(victim.stats().defences.windows_overrun, 0);
        victim.assert_alive(BOUNDS);
        // And it counts: with it a frame is longer than the window.
        let config = Config {
            stream_window_bytes: 1_000,
            ..Config::default()
        };
        let mut victim = Victim::under(role, config);
        victim.stream(1);
        let payload = [&[255][..], &[7; 745], &[0; 255]].concat();
        victim.send(&wire::frame(kind::DATA, flag::PADDED, 1, &payload));
        assert_eq!(victim.stats().defences.windows_overrun, 1);
        victim.assert_alive(BOUNDS);
    }
}

#[test]
pub(crate) fn v30_heads_with_nothing_but_priority() {
    for role in ROLES {
        for len in 0..=12usize {
            for flags in [0x20, 0x28, 0x08] {
                for pad in [0, 1, 5, 6, 255] {
                    let mut victim = Victim::new(role);
                    if role == Role::Client {
                        victim.ask();
                    }
                    let mut payload = vec![0; len];
                    if let Some(first) = payload.first_mut().filter(|_| flags & 8 != 0) {
                        *first = pad;
                    }
                    let alive = victim.send(&wire::frame(kind::HEADERS, flags | 5, 1, &payload));
                    match victim.violation() {
                        Some(violation) => victim.assert_killed(violation, BOUNDS),
                        None => {
                            assert!(alive);
                            victim.assert_alive(BOUNDS);
                        }
                    }
                }
            }
        }
    }
}

#[test]
pub(crate) fn v40_data_that_nobody_reads() {
    for role in ROLES {
        let mut victim = Victim::new(role);
        victim.app = App::Unread;
        for n in 0..4 {
            victim.stream(2 * n + 1);
        }
        let frame = |stream| wire::data(stream, &[7; 16_384], false);
        for n in 0..4 {
            for _ in 0..16 {
                assert!(victim.send(&frame(2 * n + 1)));
            }
        }
        // 256 KiB of each, 1 MiB of all: what was granted, and nothing was granted since.
        assert_eq!(victim.stats().data_bytes_received, 1 << 20);
        assert!(!victim.send(&wire::data(1, b"x", false)));
        assert_eq!(victim.stats().defences.windows_overrun, 1);
        // LIVE with what nobody has read: all of the window and not a byte more, beside four streams.
        assert!(victim.peak.live >= 1 << 20, "{:?}", victim.peak);
        let bounds = Bounds {
            live: (1 << 20) + 8 * 1_024,
            ..BOUNDS
        };
        victim.assert_killed(Violation::ConnectionWindowExceeded, bounds);
    }
    // Before anybody polls, 256 events are all that waits; the rest stays with the caller's input.
    let (mut victim, _) = Victim::with_stream(Role::Server);
    let piece = wire::data(1, &[7; 1_025], false);
    let mut input = bytes::BytesMut::from(&piece.repeat(255)[..]);
    victim.read_unpolled(&mut input);
    assert_eq!(input.len(), 2 * piece.len());
    assert_eq!(victim.stats().defences.events_full, 1);
    victim.assert_within(Bounds {
        live: 300 * 1_024,
        ..BOUNDS
    });
}

#[test]
pub(crate) fn v40_single_bytes_that_nobody_polls() {
    // One stream after the other, or all in turn: what waits are bytes, and a place in the queue for each stream.
    for together in [true, false] {
        let mut victim = Victim::new(Role::Server);
        victim.app = App::Unread;
        for n in 0..100 {
            victim.stream(2 * n + 1);
        }
        victim.begin();
        let stream = |n: u32| match together {
            true => 2 * (n % 100) + 1,
            false => 2 * (n / 200) + 1,
        };
        let frames = (0..20_000).flat_map(|n| wire::data(stream(n), b"x", false));
        let mut input: bytes::BytesMut = frames.collect();
        victim.read_unpolled(&mut input);
        assert!(input.is_empty());
        assert_eq!(victim.stats().defences.events_full, 0);
        let footprint = victim.connection.memory_footprint();
        assert!(footprint.events <= 16 * 1_024, "{footprint:?}");
        victim.assert_within(BOUNDS);
    }
}

#[test]
pub(crate) fn v41_initial_window_toggled() {
    for role in ROLES {
        let work = |streams: u32| {
            let mut victim = Victim::new(role);
            for n in 0..streams {
                let stream = victim.stream(2 * n + 1);
                if role == Role::Server {
                    let head = ResponseHead::new(200).finish();
                    let answered = victim.connection.respond(stream, head, Then::More);
                    answered.unwrap();
                }
                let mut body = Bytes::from(vec![7; 4_000]);
                let sent = victim.connection.send_data(stream, &mut body, Then::More);
                sent.unwrap();
            }
            victim.turn();
            victim.begin();
            for n in 0..900 {
                assert!(victim.send(&wire::settings(&[(4, 100 * (n % 2))])));
            }
            assert_eq!(victim.stats().defences.settings, 900);
            victim.assert_alive(BOUNDS);
            victim.work()
        };
        let (few, many) = (work(1), work(100));
        assert!(
            many <= few + few / 10,
            "{few} with one stream, {many} with a hundred"
        );
    }
}

#[test]
pub(crate) fn v42_credit_of_every_way_to_end() {
    for role in ROLES {
        let mut dropped = [0; 2];
        // Every order of six acts that give credit back, or end the stream.
        for order in 0..720 {
            let (mut victim, stream) = Victim::with_stream(role);
            victim.app = App::Unread;
            victim.send(&wire::data(1, &[7; 50_000 % 16_384], false).repeat(3));
            let mut order = order;
            let mut acts = vec![0, 1, 2, 3, 4, 5];
            while !acts.is_empty() {
                let act = acts.remove(order % acts.len());
                order /= acts.len() + 1;
                let connection = &mut victim.connection;
                match act {
                    0 => connection.release(stream, 700),
                    1 => connection.release(stream, usize::MAX),
                    2 => connection.discard(stream),
                    3 => connection.reset(stream, ErrorCode::CANCEL),
                    4 => drop(victim.send(&wire::rst_stream(1, 8))),
                    _ => drop(victim.send(&wire::data(1, &[7; 600], true))),
                }
                // `turn` checks that free, announced and held credit add up, to the byte.
                victim.turn();
            }
            assert_eq!(victim.connection.gauges().streams, 0, "nothing is held");
            // What came when nobody wanted it: the last piece, or nothing.
            match victim.stats().data_bytes_dropped {
                0 => dropped[0] += 1,
                600 => dropped[1] += 1,
                other => panic!("{other} bytes were dropped"),
            }
            victim.assert_alive(BOUNDS);
        }
        assert!(dropped.iter().all(|times| *times >= 100), "{dropped:?}");
    }
}

#[test]
pub(crate) fn v42_the_peer_never_gets_more_than_the_window() {
    let mut victim = Victim::new(Role::Server);
    victim.reads = false;
    let mut granted = 0;
    let mut sent = 0;
    for n in 0..2_000u32 {
        let stream = 2 * n + 1;
        let abort = [
            wire::headers(stream, wire::POST, false),
            wire::data(stream, &[7; 2_000], false),
        ];
        assert!(victim.send(&abort.concat()));
        sent += 2_000;
        let request = victim.last_request();
        if n % 3 == 0 {
            victim.connection.reset(request, ErrorCode::CANCEL);
        } else {
            victim.send(&wire::data(stream, b"", true));
            victim.answer();
        }
        victim.turn();
        victim.events.clear();
        let bytes: Vec<u8> = victim.out.parts().flatten().copied().collect();
        victim.out = raddle_core::Transmit::new();
        for frame in wire::frames(&bytes).0 {
            if frame.is(kind::WINDOW_UPDATE, 0) {
                granted += u64::from(frame.number(0));
            }
        }
        assert!(granted <= sent, "credited twice: {granted} of {sent}");
    }
    assert!(granted + (1 << 20) > sent);
    let bounds = Bounds {
        unsent: 128 * 1_024,
        ..BOUNDS
    };
    victim.assert_alive(bounds);
}

#[test]
pub(crate) fn v43_windows_at_their_edges() {
    let edges = [
        0,
        1,
        65_534,
        65_535,
        65_536,
        1 << 30,
        WINDOW_MAX - 65_535,
        WINDOW_MAX - 1,
        WINDOW_MAX,
    ];
    for role in ROLES {
        for first in edges {
            for grant in edges {
                for second in edges {
                    let (mut victim, _) = Victim::with_stream(role);
                    assert!(victim.send(&wire::settings(&[(4, first)])));
                    victim.send(&wire::window_update(1, grant));
                    // By arithmetic that cannot overflow.
                    let window = i64::from(first) + i64::from(grant);
                    if grant == 0 || window > i64::from(WINDOW_MAX) {
                        assert_eq!(victim.stats().streams_faulted, 1);
                        assert_eq!(victim.violation(), None);
                        continue;
                    }
                    let alive = victim.send(&wire::settings(&[(4, second)]));
                    let fits = i64::from(second) + i64::from(grant) <= i64::from(WINDOW_MAX);
                    assert_eq!(alive, fits, "{first} + {grant}, then {second}");
                    if !fits {
                        assert_eq!(victim.violation(), Some(Violation::InitialWindowOverflow));
                    }
                }
            }
        }
        for grant in edges {
            let mut victim = Victim::new(role);
            let alive = victim.send(&wire::window_update(0, grant));
            assert_eq!(alive, (1..=WINDOW_MAX - 65_535).contains(&grant));
        }
        let mut victim = Victim::new(role);
        assert!(!victim.send(&wire::settings(&[(4, WINDOW_MAX + 1)])));
        victim.assert_killed(Violation::SettingInitialWindowTooLarge, BOUNDS);
    }
}

#[test]
pub(crate) fn v43_windows_below_nothing() {
    let edges = [0, 1, 59_999, 60_000, 60_001, 65_535, 1 << 30, WINDOW_MAX];
    for role in ROLES {
        for first in edges {
            for grant in [1, 60_000, WINDOW_MAX - 60_000, WINDOW_MAX] {
                let (mut victim, stream) = Victim::with_stream(role);
                if role == Role::Server {
                    let head = ResponseHead::new(200).finish();
                    let answered = victim.connection.respond(stream, head, Then::More);
                    answered.unwrap();
                }
                let mut body = Bytes::from(vec![7; 60_000]);
                let sent = victim.connection.send_data(stream, &mut body, Then::More);
                sent.unwrap();
                victim.turn();
                assert_eq!(victim.stats().data_bytes_sent, 60_000);
                victim.begin();
                // 60,000 bytes are out, and the base moves under them (RFC 9113 §6.9.2).
                assert!(victim.send(&wire::settings(&[(4, first)])));
                let of = |victim: &Victim| {
                    let id = victim.connection.stream_id(stream).unwrap();
                    victim.connection.audit_stream(id).unwrap().send_window
                };
                let mut window = i64::from(first) - 60_000;
                assert_eq!(of(&victim), Some(window));
                // Nothing goes out below, and above it as much as there is room for.
                let mut more = Bytes::from(vec![8; 100]);
                let sent = victim.connection.send_data(stream, &mut more, Then::More);
                sent.unwrap();
                victim.turn();
                let went = window.clamp(0, 100);
                assert_eq!(victim.stats().data_bytes_sent, 60_000 + went as u64);
                window += i64::from(grant) - went;
                victim.send(&wire::window_update(1, grant));
                if window > i64::from(WINDOW_MAX) {
                    assert_eq!(victim.stats().streams_faulted, 1);
                } else {
                    let rest = window.clamp(0, 100 - went);
                    assert_eq!(of(&victim), Some(window - rest));
                }
                // The lowest that there is.
                assert!(victim.send(&wire::settings(&[(4, 0)])));
                victim.assert_alive(BOUNDS);
            }
        }
    }
}
