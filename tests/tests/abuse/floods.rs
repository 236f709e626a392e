//! Frames that cost their sender next to nothing, sent for ever.

use std::time::Duration;

use raddle_core::{Config, ErrorCode, ResponseHead, Role, Then, Violation};
use raddle_tests::wire::{self, GET, POST, flag, kind};

use crate::victim::{BOUNDS, Bounds, ROLES, Victim};

const MANY: usize = 1_000_000;
/// Tokens of a bucket, and the most events of one cause that come before the end.
const BURST: usize = 1_000;
/// `Config::answers_max`: answers that may be owed, those in output that the transport does not take among them.
const ANSWERS: usize = 64;
/// Bytes of the sentence that a GOAWAY of ours carries.
const FAREWELL: usize = 128;

#[test]
pub(crate) fn v02_ping_flood() {
    for role in ROLES {
        for reads in [true, false] {
            let mut victim = Victim::new(role);
            victim.reads = reads;
            let sent = victim.flood(MANY, |n| wire::ping((n as u64).to_be_bytes(), false));
            // Answers count until the transport has them, whether they are cut or not.
            let most = if reads { BURST } else { ANSWERS };
            assert_eq!(sent, most);
            assert!(reads || victim.peak.owed == ANSWERS + 1, "and one too many");
            assert!(victim.peak.unsent <= 17 * ANSWERS + FAREWELL);
            assert_eq!(victim.stats().defences.pings, most as u64 + 1);
            assert_eq!(victim.stats().defences.floods, 1);
            assert!(victim.peak.live <= 4 * 1_024, "{:?}", victim.peak);
            victim.assert_killed(Violation::PingFlood, BOUNDS);
        }
        // With output that the transport does not take, answers wait as what they are: 64 of 8 bytes.
        let (mut victim, stream) = Victim::with_stream(role);
        victim.reads = false;
        fill_output(&mut victim, stream);
        let before = victim.unsent();
        let sent = victim.flood(MANY, |_| wire::ping([7; 8], false));
        assert_eq!((sent, victim.peak.owed), (64, 64));
        assert!(victim.peak.live <= 4 * 1_024, "{:?}", victim.peak);
        assert!(victim.unsent() <= before + FAREWELL, "no answer was cut");
        let bounds = Bounds {
            unsent: 96 * 1_024,
            ..BOUNDS
        };
        victim.assert_killed(Violation::PingFlood, bounds);
        // Answers to PINGs that nobody sent.
        let mut victim = Victim::new(role);
        assert_eq!(victim.flood(MANY, |_| wire::ping([7; 8], true)), BURST);
        victim.assert_killed(Violation::PingFlood, BOUNDS);
    }
}

/// Gives the connection more to say than may wait for the transport.
fn fill_output(victim: &mut Victim, stream: raddle_core::StreamHandle) {
    if victim.connection.role() == Role::Server {
        let head = ResponseHead::new(200).finish();
        let answered = victim.connection.respond(stream, head, Then::More);
        answered.unwrap();
    }
    victim.send(&wire::window_update(0, 1 << 20));
    victim.send(&wire::window_update(1, 1 << 20));
    while victim.unsent() < 64 * 1_024 {
        let mut body = bytes::Bytes::from(vec![7; 16_384]);
        let sent = victim.connection.send_data(stream, &mut body, Then::More);
        sent.unwrap();
        victim.turn();
    }
    victim.begin();
}

#[test]
pub(crate) fn v03_resource_loop() {
    let priority = |stream: u32, parent: u32| {
        let mut payload = parent.to_be_bytes().to_vec();
        payload.push(7);
        wire::frame(kind::PRIORITY, 0, stream, &payload)
    };
    for role in ROLES {
        // Cycles, idle streams up to the last, and streams that depend on themselves.
        let shapes: [&dyn Fn(usize) -> Vec<u8>; 3] = [
            &|n| priority(1 + 2 * (n as u32 % 2), 3 - 2 * (n as u32 % 2)),
            &|n| priority((1 << 30) + 2 * n as u32 + 1, 0),
            &|_| priority(1, 1),
        ];
        for shape in shapes {
            let (mut victim, _) = Victim::with_stream(role);
            assert_eq!(victim.flood(MANY, shape), BURST);
            assert_eq!(victim.peak.streams, 1);
            assert!(victim.peak.live <= FAREWELL, "no tree is kept");
            assert!(victim.work() <= 30 * (BURST as u64 + 1));
            assert_eq!(victim.stats().defences.priorities, BURST as u64 + 1);
            victim.assert_killed(Violation::PriorityFlood, BOUNDS);
        }
    }
    // RFC 9218 §7.1: of streams that are to come 32 are kept.
    let mut victim = Victim::new(Role::Server);
    let sent = victim.flood(MANY, |n| {
        let stream = (2 * n as u32 + 9).to_be_bytes();
        let payload = [&stream[..], b"u=1, i"].concat();
        wire::frame(kind::PRIORITY_UPDATE, 0, 0, &payload)
    });
    assert_eq!(sent, BURST);
    assert!(victim.peak.live <= 1_024, "{:?}", victim.peak);
    assert!(victim.work() <= 60 * (BURST as u64 + 1));
    victim.assert_killed(Violation::PriorityFlood, BOUNDS);
    // Priorities in HEADERS of requests that are answered are no fault, whatever they say.
    let mut victim = Victim::new(Role::Server);
    for n in 0..20_000u32 {
        let stream = 2 * n + 1;
        let mut payload = (stream + 2 * (n % 3)).to_be_bytes().to_vec();
        payload.push(7);
        payload.extend(wire::block(GET));
        victim.send(&wire::frame(kind::HEADERS, 0x25, stream, &payload));
        victim.answer();
        victim.events.clear();
    }
    victim.assert_alive(BOUNDS);
}

#[test]
pub(crate) fn v04_reset_flood() {
    for reads in [true, false] {
        let mut victim = Victim::new(Role::Server);
        victim.reads = reads;
        // Each stream is opened well and then broken.
        let sent = victim.flood(MANY, |n| {
            let stream = 2 * n as u32 + 1;
            // Trailers that do not end the stream.
            let broken = wire::headers(stream, &[("a", "b")], false);
            [wire::headers(stream, POST, false), broken].concat()
        });
        assert_eq!(sent, BURST);
        assert_eq!(victim.stats().defences.stream_errors, BURST as u64 + 1);
        victim.assert_killed(
            Violation::StreamErrorFlood,
            Bounds {
                live: 128 * 1_024,
                owed: BURST,
                ..BOUNDS
            },
        );
    }
    // Over the years of one connection as many as anybody likes, below the rate.
    let (mut victim, _) = Victim::with_stream(Role::Server);
    for n in 1..20_000u32 {
        victim.wait(Duration::from_millis(50));
        assert!(victim.send(&wire::headers(2 * n + 1, &GET[..3], true)));
    }
    victim.assert_alive(BOUNDS);
    // A server that breaks every response of ours.
    let mut victim = Victim::new(Role::Client);
    for n in 0..=BURST as u32 {
        victim.ask();
        victim.send(&wire::headers(2 * n + 1, &[(":status", "2")], true));
    }
    victim.assert_killed(Violation::StreamErrorFlood, BOUNDS);
}

/// What is owed for streams that are refused has a bound of its own where the rate sets none.
#[test]
pub(crate) fn v04_refusals_that_nobody_reads() {
    let config = Config {
        abuse_burst: 10 * MANY as u32,
        output_bytes_max: 1,
        ..Config::default()
    };
    let mut victim = Victim::under(Role::Server, config);
    victim.reads = false;
    let sent = victim.flood(MANY, |n| wire::headers(2 * n as u32 + 1, &GET[..3], true));
    // One is cut into a frame that nobody takes, 1,024 wait behind it, and the next is too many.
    assert_eq!(sent, 1_025);
    victim.assert_killed(
        Violation::StreamErrorFlood,
        Bounds {
            owed: 1_024,
            ..BOUNDS
        },
    );
}

#[test]
pub(crate) fn v05_settings_flood() {
    for role in ROLES {
        for (reads, most) in [(true, BURST), (false, ANSWERS)] {
            let mut victim = Victim::new(role);
            victim.reads = reads;
            assert_eq!(victim.flood(MANY, |_| wire::settings(&[])), most);
            assert_eq!(victim.stats().defences.settings, most as u64 + 1);
            assert!(victim.peak.unsent <= 9 * ANSWERS + FAREWELL);
            victim.assert_killed(Violation::SettingsFlood, BOUNDS);
        }
        // Acknowledgements that cannot be cut are a number.
        let (mut victim, stream) = Victim::with_stream(role);
        victim.reads = false;
        fill_output(&mut victim, stream);
        assert_eq!(victim.flood(MANY, |_| wire::settings(&[])), 64);
        assert_eq!(victim.connection.memory_footprint().output, 0);
        victim.assert_killed(
            Violation::SettingsFlood,
            Bounds {
                unsent: 96 * 1_024,
                ..BOUNDS
            },
        );
        // As many entries as a frame may have, and one more.
        let mut victim = Victim::new(role);
        let entries: Vec<_> = (0..32).map(|n| (4, 65_535 + n % 2)).collect();
        assert_eq!(victim.flood(MANY, |_| wire::settings(&entries)), BURST);
        assert!(victim.work() <= 2 * victim.wire, "OPS");
        victim.assert_killed(Violation::SettingsFlood, BOUNDS);
        let mut victim = Victim::new(role);
        assert!(!victim.send(&wire::settings(&[(0x77, 0); 33])));
        assert_eq!(victim.stats().defences.settings_refused, 1);
        victim.assert_killed(Violation::SettingsTooMany, BOUNDS);
    }
}

#[test]
pub(crate) fn v08_empty_frames() {
    for role in ROLES {
        // Empty as it is, and empty behind its padding.
        let padded = wire::frame(kind::DATA, flag::PADDED, 1, &[3, 0, 0, 0]);
        for frame in [wire::data(1, b"", false), padded] {
            let (mut victim, _) = Victim::with_stream(role);
            victim.events.clear();
            assert_eq!(victim.flood(MANY, |_| frame.clone()), BURST);
            assert_eq!(victim.stats().defences.empty_data, BURST as u64 + 1);
            assert_eq!(victim.stats().data_bytes_received, 0);
            assert!(victim.peak.live <= FAREWELL, "no event is queued");
            victim.assert_killed(Violation::EmptyDataFlood, BOUNDS);
        }
        // On a stream that we have reset, where nothing else is charged. Four frames our reset explains.
        let (mut victim, stream) = Victim::with_stream(role);
        victim.connection.reset(stream, ErrorCode::CANCEL);
        victim.turn();
        let late = |_| wire::data(1, b"", true);
        assert_eq!(victim.flood(MANY, late), BURST + 4);
        assert_eq!(victim.stats().defences.resets, BURST as u64 + 1);
        victim.assert_killed(Violation::ResetFlood, BOUNDS);
        // CONTINUATION without a byte: see also v14.
        let mut victim = Victim::new(role);
        let stream = if role == Role::Client {
            victim.ask();
            1
        } else {
            1
        };
        victim.send(&wire::frame(kind::HEADERS, 0, stream, &[]));
        let empty = wire::frame(kind::CONTINUATION, 0, stream, &[]);
        assert_eq!(victim.flood(MANY, |_| empty.clone()), 4);
        victim.assert_killed(Violation::EmptyContinuationFlood, BOUNDS);
    }
    let (mut victim, _) = Victim::with_stream(Role::Client);
    let push = wire::frame(kind::PUSH_PROMISE, 0, 1, &[0, 0, 0, 2]);
    assert!(!victim.send(&push));
    victim.assert_killed(Violation::PushPromiseReceived, BOUNDS);
    // An empty frame that ends a stream is how many end it.
    let mut victim = Victim::new(Role::Server);
    for n in 0..20_000u32 {
        let stream = 2 * n + 1;
        victim.send(&wire::headers(stream, POST, false));
        assert!(victim.send(&wire::data(stream, b"", true)));
        victim.answer();
        victim.events.clear();
    }
    victim.assert_alive(BOUNDS);
}
