//! Header blocks that are large, endless, or grow when they are decoded.

use std::time::Duration;

use raddle_core::{Config, Role, Violation};
use raddle_tests::wire::{self, flag, kind};

use crate::{
    blocks::{PLAIN, head, literal, message},
    victim::{BOUNDS, Bounds, KIB, ONE_LIST, ROLES, Victim},
};

#[test]
pub(crate) fn v06_fields_without_name_and_value() {
    for role in ROLES {
        let mut victim = Victim::new(role);
        // A literal whose name and value are Huffman codes of no octet.
        let empty = [0x00, 0x80, 0x80].repeat(100);
        let mut sent = 0;
        while victim.message(sent, &empty) {
            victim.events.clear();
            sent += 1;
            assert!(sent < 5_000, "for ever");
        }
        assert_eq!(sent, 1_000);
        assert_eq!(victim.stats().defences.stream_errors, 1_001);
        victim.assert_killed(Violation::StreamErrorFlood, BOUNDS);
        let mut victim = Victim::new(role);
        victim.message(0, &empty);
        assert_eq!(victim.stats().streams_faulted, 1);
        let after = victim.live();
        for n in 1..500 {
            victim.message(n, &empty);
            victim.events.clear();
        }
        assert!(victim.live() <= after + 6 * KIB, "only ids are remembered");
        victim.assert_alive(BOUNDS);
    }
}

#[test]
pub(crate) fn v13_continuation_flood() {
    // 8,000 times the letter a, of five bits each; and as many octets of the wire as they are.
    let mut dense = vec![PLAIN, 1, b'x', 0x80 | 0x7f];
    let len = 5_000 - 127;
    dense.extend([len as u8 | 0x80, (len >> 7) as u8]);
    dense.extend([0x18, 0xc6, 0x31, 0x8c, 0x63].repeat(1_000));
    let plain = literal(PLAIN, b"x", &[b'a'; 5_000]);
    // As many frames of the smallest size as the largest list needs, and eight to spare; or until another of 24,000 letters
    // could make more than four lists of it.
    let limit = 64 * KIB as u64;
    for (block, frames, decoded, violation) in [
        (&plain, 12, 12 * 3 * 5_001, Violation::ContinuationFlood),
        (&dense, 10, 10 * 3 * 8_001, Violation::HeaderBlockTooLarge),
    ] {
        for role in ROLES {
            let mut victim = Victim::new(role);
            start_block(&mut victim);
            let frame = wire::frame(kind::CONTINUATION, 0, 1, &block.repeat(3));
            assert_eq!(victim.flood(1_000, |_| frame.clone()), frames);
            assert_eq!(victim.stats().defences.header_blocks_refused, 1);
            let pseudo = victim.peak.decoded - decoded;
            assert!(pseudo < 60, "{:?}", victim.peak);
            assert!(victim.peak.decoded <= 4 * limit, "to stay in step");
            victim.assert_killed(violation, ONE_LIST);
        }
    }
    // A string that comes in two frames is not even decoded once the list is too long.
    let mut victim = Victim::new(Role::Server);
    start_block(&mut victim);
    let block = dense.repeat(36);
    let pieces: Vec<_> = block.chunks(15_007).collect();
    victim.flood(pieces.len(), |n| {
        wire::frame(kind::CONTINUATION, 0, 1, pieces[n])
    });
    assert!(victim.peak.decoded <= 4 * limit, "{:?}", victim.peak);
    victim.assert_killed(Violation::ContinuationFlood, ONE_LIST);
}

fn start_block(victim: &mut Victim) {
    if victim.connection.role() == Role::Client {
        victim.ask();
    }
    let head = head(victim.connection.role());
    victim.send(&wire::frame(kind::HEADERS, 0, 1, &head));
}

#[test]
pub(crate) fn v13_a_block_that_comes_in_drops() {
    for role in ROLES {
        let mut victim = Victim::new(role);
        start_block(&mut victim);
        // One octet at a time, each at the last moment: time that passes with octets counts, too.
        let dribble = literal(PLAIN, b"x", &[b'y'; 100]);
        let frame = wire::frame(kind::CONTINUATION, 0, 1, &dribble);
        for byte in &frame[..6] {
            if victim.violation().is_some() {
                break;
            }
            victim.wait(Duration::from_secs(1));
            victim.send(&[*byte]);
        }
        assert_eq!(victim.stats().defences.timeouts, 1);
        let bounds = Bounds {
            close: Duration::from_secs(6),
            ..BOUNDS
        };
        victim.assert_killed(Violation::HeaderBlockTimeout, bounds);
    }
}

#[test]
pub(crate) fn v14_empty_continuations() {
    for role in ROLES {
        for (payload, allowed, violation) in [
            (&b""[..], 4, Violation::EmptyContinuationFlood),
            (&[0x88], 12, Violation::ContinuationFlood),
        ] {
            let mut victim = Victim::new(role);
            start_block(&mut victim);
            let frame = wire::frame(kind::CONTINUATION, 0, 1, payload);
            assert_eq!(victim.flood(1_000, |_| frame.clone()), allowed);
            assert_eq!(victim.stats().defences.header_blocks_refused, 1);
            victim.assert_killed(violation, BOUNDS);
        }
    }
}

#[test]
pub(crate) fn v20_input_in_crumbs() {
    // A mebibyte of header block, as a program may allow.
    let config = Config {
        header_list_bytes_max: 2 << 20,
        header_bytes_total_max: 4 << 20,
        ..Config::default()
    };
    // Twice the list while it grows.
    let bounds = Bounds {
        live: 5 << 20,
        ..BOUNDS
    };
    for role in ROLES {
        let of = |fields: usize| {
            let field = literal(PLAIN, b"x", &[b'y'; 8_000]);
            message(1, &[head(role), field.repeat(fields)].concat(), true)
        };
        let work = |input: &[u8], whole: bool| {
            let mut victim = Victim::under(role, config.clone());
            if role == Role::Client {
                victim.ask();
            }
            victim.begin();
            let before = victim.stats().work_units;
            if whole {
                assert!(victim.send(input));
            } else {
                victim.drip(input);
            }
            assert_eq!(victim.stats().streams_faulted, 0);
            let work = victim.stats().work_units - before;
            victim.assert_alive(bounds);
            work
        };
        let input = of(131);
        assert!(input.len() >= 1 << 20);
        let whole = work(&input, true);
        // Beside the work on each octet there is one call for each, and that is half of it at most.
        let crumbs = work(&input, false);
        assert!(crumbs <= whole + input.len() as u64 + 64);
        // But for the heads of its frames, on which there is nothing else to do.
        let heads = 9 * input.len().div_ceil(16_384) as u64;
        assert!(2 * crumbs <= 3 * whole + heads, "{crumbs} for {whole}");
        // Twice the octets, twice the work.
        assert!(work(&of(64), false) <= work(&of(32), false) * 21 / 10);
    }
}

#[test]
pub(crate) fn v24_an_encoder_table_of_any_size() {
    for role in ROLES {
        let mut victim = Victim::new(role);
        victim.send(&wire::settings(&[(1, u32::MAX)]));
        for n in 0..1_000u32 {
            let name = format!("x-{n}");
            if role == Role::Server {
                victim.send(&wire::headers(2 * n + 1, wire::GET, true));
                let stream = victim.last_request();
                let head = raddle_core::ResponseHead::new(200)
                    .field(name.as_bytes(), b"value")
                    .finish();
                let then = raddle_core::Then::End;
                victim.connection.respond(stream, head, then).unwrap();
            } else {
                let head = raddle_core::RequestHead::new(b"GET", b"http", Some(b"a"), b"/")
                    .field(name.as_bytes(), b"value")
                    .finish();
                let then = raddle_core::Then::End;
                victim.connection.open(head, then).unwrap();
                victim.turn();
                victim.send(&message(2 * n + 1, &[0x88], true));
            }
            victim.turn();
            victim.events.clear();
        }
        let footprint = victim.connection.memory_footprint();
        let table = Config::default().header_table_bytes as usize;
        assert!(footprint.hpack <= 8 * table, "{footprint:?}");
        let bounds = Bounds {
            work_per_byte: 24,
            ..BOUNDS
        };
        victim.assert_alive(bounds);
    }
}

#[test]
pub(crate) fn v38_pushes() {
    let promise = |flags, promised: u32, block: &[u8]| {
        let payload = [&promised.to_be_bytes()[..], block].concat();
        wire::frame(kind::PUSH_PROMISE, flags, 1, &payload)
    };
    for (frames, violation) in [
        (
            promise(flag::END_HEADERS, 2, &head(Role::Server)),
            Violation::PushPromiseReceived,
        ),
        (promise(0, 2, &[]), Violation::PushPromiseReceived),
        (
            promise(flag::END_HEADERS, 3, &[]),
            Violation::PromisedStreamInvalid,
        ),
        (
            [
                wire::headers(1, &[(":status", "103")], false),
                promise(flag::END_HEADERS, 2, &head(Role::Server)),
            ]
            .concat(),
            Violation::PushPromiseReceived,
        ),
    ] {
        let mut victim = Victim::new(Role::Client);
        victim.ask();
        victim.begin();
        assert!(!victim.send(&frames));
        assert_eq!(victim.peak.streams, 1, "nothing is reserved");
        assert_eq!(victim.stats().streams_opened, 1);
        victim.assert_killed(violation, BOUNDS);
    }
}
