//! What honest peers do that looks like an attack of the table: no connection of these is ended, and no stream refused.
//! Ten more are in `tests/tests/benign.rs`.

use std::time::Duration;

use bytes::Bytes;
use raddle_core::{Config, Event, Lifecycle, ResponseHead, Role, Then};
use raddle_tests::wire::{self, GET, POST, flag, kind};

use crate::{
    blocks::{INSERT, PLAIN, head, literal, message},
    victim::{App, OK, ROLES, Victim},
};

/// Asserts that nobody was taken for an attacker.
fn assert_spared(victim: &Victim) {
    victim.is_no_attack();
    assert_eq!(victim.connection.error(), None);
    assert_eq!(victim.stats().streams_faulted, 0);
    assert_eq!(victim.stats().resets_sent, 0);
    assert_eq!(victim.stats().defences.floods, 0);
}

#[test]
fn requests_that_are_each_reprioritised() {
    let mut victim = Victim::new(Role::Server);
    for n in 0..10_000u32 {
        let stream = 2 * n + 1;
        let update = [&stream.to_be_bytes()[..], b"u=2"].concat();
        victim.send(&wire::frame(kind::PRIORITY_UPDATE, 0, 0, &update));
        victim.send(&wire::headers(stream, GET, true));
        victim.send(&wire::frame(kind::PRIORITY, 0, stream, &[0, 0, 0, 0, 7]));
        victim.answer();
        victim.events.clear();
    }
    assert_spared(&victim);
}

#[test]
fn frames_and_settings_that_keep_others_honest() {
    for role in ROLES {
        let (mut victim, _) = Victim::with_stream(role);
        for n in 0..10_000u32 {
            victim.wait(Duration::from_millis(100));
            victim.send(&wire::frame((0x1f * (n % 7) + 0x21) as u8, 0, 0, b"grease"));
            if n % 10 == 0 {
                victim.send(&wire::settings(&[(0x1a2a, n)]));
            }
        }
        assert_spared(&victim);
    }
}

#[test]
fn heads_of_the_largest_size() {
    for role in ROLES {
        let mut victim = Victim::new(role);
        for n in 0..200 {
            // 64 KiB by the formula of RFC 9113 §10.5.1, to the byte: four pseudo-fields, and one field for the rest.
            let pseudo: usize = match role {
                Role::Server => GET
                    .iter()
                    .map(|(name, value)| name.len() + value.len() + 32)
                    .sum(),
                Role::Client => 7 + 3 + 32,
            };
            let value = vec![b'v'; 65_536 - pseudo - 33];
            assert!(victim.message(n, &literal(PLAIN, b"x", &value)));
            if role == Role::Server {
                victim.answer();
            }
            victim.events.clear();
        }
        assert_spared(&victim);
    }
}

#[test]
fn a_head_in_twelve_small_frames() {
    for role in ROLES {
        let mut victim = Victim::new(role);
        for n in 0..500 {
            if role == Role::Client {
                victim.ask();
            }
            let block = [head(role), literal(PLAIN, b"x", b"value")].concat();
            let id = 2 * n + 1;
            victim.send(&wire::frame(
                kind::HEADERS,
                flag::END_STREAM,
                id,
                &block[..1],
            ));
            let pieces: Vec<_> = block[1..].chunks(block.len() / 9 + 1).collect();
            for (at, piece) in pieces.iter().enumerate() {
                let last = if at + 1 == pieces.len() {
                    flag::END_HEADERS
                } else {
                    0
                };
                victim.send(&wire::frame(kind::CONTINUATION, last, id, piece));
            }
            if role == Role::Server {
                victim.answer();
            }
            victim.events.clear();
        }
        assert_spared(&victim);
    }
}

#[test]
fn eight_kibibytes_of_cookies_on_every_stream_at_once() {
    let mut victim = Victim::new(Role::Server);
    let cookies = [
        head(Role::Server),
        literal(INSERT, b"cookie", &[b'c'; 8_000]),
    ]
    .concat();
    for round in 0..20 {
        for n in 0..100 {
            assert!(victim.send(&message(2 * (100 * round + n) + 1, &cookies, true)));
        }
        let requests: Vec<_> = victim.working.iter().copied().collect();
        assert_eq!(requests.len(), 100);
        for stream in requests {
            let head = ResponseHead::new(200).finish();
            victim.connection.respond(stream, head, Then::End).unwrap();
        }
        victim.turn();
        victim.events.clear();
    }
    assert_spared(&victim);
}

#[test]
fn as_many_streams_as_there_may_be_again_and_again() {
    let mut victim = Victim::new(Role::Server);
    for n in 0..10_000u32 {
        // As soon as one has ended there is another: the limit is reached all the time and never crossed.
        victim.send(&wire::headers(2 * n + 1, GET, true));
        if victim.working.len() == 100 {
            let stream = *victim.working.first().unwrap();
            let head = ResponseHead::new(200).finish();
            victim.connection.respond(stream, head, Then::End).unwrap();
            victim.turn();
        }
        victim.events.clear();
    }
    assert_eq!(victim.peak.app, 100);
    assert_spared(&victim);
}

#[test]
fn an_answer_that_is_read_slowly() {
    let mut victim = Victim::new(Role::Server);
    victim.send(&wire::settings(&[(4, 0)]));
    victim.send(&wire::headers(1, GET, true));
    let stream = victim.last_request();
    let answer = ResponseHead::new(200).finish();
    victim
        .connection
        .respond(stream, answer, Then::More)
        .unwrap();
    let mut body = Bytes::from(vec![7; 60_000]);
    let sent = victim.connection.send_data(stream, &mut body, Then::End);
    sent.unwrap();
    victim.turn();
    // A reader of two kibibytes in two minutes, for an hour.
    while victim.connection.gauges().streams > 0 {
        victim.wait(Duration::from_secs(120));
        victim.send(&wire::window_update(1, 2_048));
    }
    assert!(victim.now.0 > 3_400 * 1_000_000_000);
    assert_spared(&victim);
}

#[test]
fn messages_with_padding() {
    for role in ROLES {
        let (mut victim, _) = Victim::with_stream(role);
        for pad in 0..=255u8 {
            let payload = [&[pad][..], b"data", &vec![0; pad.into()]].concat();
            victim.send(&wire::frame(kind::DATA, flag::PADDED, 1, &payload));
        }
        let payload = [&[200][..], &wire::block(&[("x-sum", "1")]), &[0; 200]].concat();
        let flags = flag::PADDED | flag::END_HEADERS | flag::END_STREAM;
        victim.send(&wire::frame(kind::HEADERS, flags, 1, &payload));
        assert_eq!(victim.stats().data_bytes_received, 4 * 256);
        assert_spared(&victim);
    }
}

#[test]
fn a_trace_of_its_own_for_each_request() {
    for role in ROLES {
        let mut victim = Victim::new(role);
        for n in 0..3_000 {
            let trace = format!("00-{n:032x}-{n:016x}-01");
            assert!(victim.message(n, &literal(INSERT, b"traceparent", trace.as_bytes())));
            if role == Role::Server {
                victim.answer();
            }
            victim.events.clear();
        }
        assert_spared(&victim);
    }
}

#[test]
fn a_goaway_and_the_streams_before_it() {
    let mut victim = Victim::new(Role::Client);
    for _ in 0..50 {
        victim.ask();
    }
    // In two steps, as a server drains, and each stream is answered to its end.
    victim.send(&wire::goaway((1 << 31) - 1, 0));
    victim.send(&wire::goaway(99, 0));
    for n in 0..50 {
        victim.send(&wire::headers(2 * n + 1, OK, false));
        victim.send(&wire::data(2 * n + 1, b"whole", true));
    }
    let finished = victim
        .events
        .iter()
        .filter(|event| matches!(event, Event::Finished { .. }));
    assert_eq!(finished.count(), 50);
    assert!(victim.connection.lifecycle() >= Lifecycle::Closing);
    assert_spared(&victim);
}

#[test]
fn a_handshake_that_takes_nine_seconds() {
    for role in ROLES {
        let mut victim = Victim::fresh(role, Config::default());
        let mut said = match role {
            Role::Server => wire::PREFACE.to_vec(),
            Role::Client => Vec::new(),
        };
        said.extend(wire::settings(&[(4, 100_000)]));
        said.extend(wire::settings_ack());
        let pause = Duration::from_secs(9) / said.len() as u32;
        for byte in &said {
            victim.wait(pause);
            assert!(victim.send(&[*byte]));
        }
        victim.wait(Duration::from_secs(20));
        assert_spared(&victim);
    }
}

#[test]
fn trailers_after_every_kind_of_body() {
    for role in ROLES {
        let mut victim = Victim::new(role);
        for n in 0..6_000u32 {
            let id = 2 * n + 1;
            if role == Role::Client {
                victim.ask();
                victim.send(&wire::headers(
                    id,
                    &[(":status", "103"), ("link", "</a>")],
                    false,
                ));
            }
            victim.send(&wire::headers(
                id,
                if role == Role::Server { POST } else { OK },
                false,
            ));
            match n % 3 {
                0 => {}
                // With a flush behind it.
                1 => {
                    let flushed = [wire::data(id, b"body", false), wire::data(id, b"", false)];
                    victim.send(&flushed.concat());
                }
                _ => drop(victim.send(&wire::data(id, b"", false))),
            }
            victim.send(&wire::headers(id, &[("grpc-status", "0")], true));
            if role == Role::Server {
                victim.answer();
            }
            victim.events.clear();
        }
        assert_spared(&victim);
    }
}

#[test]
fn uploads_that_end_with_an_empty_frame() {
    for role in ROLES {
        let mut victim = Victim::new(role);
        victim.app = App::Prompt;
        for n in 0..10_000u32 {
            let id = 2 * n + 1;
            if role == Role::Client {
                victim.ask();
            }
            victim.send(&wire::headers(
                id,
                if role == Role::Server { POST } else { OK },
                false,
            ));
            // Some flush behind each part.
            for part in [b"body", b"rest"] {
                victim.send(&[wire::data(id, part, false), wire::data(id, b"", false)].concat());
            }
            assert!(victim.send(&wire::data(id, b"", true)));
            if role == Role::Server {
                victim.answer();
            }
            victim.events.clear();
        }
        assert_spared(&victim);
    }
}

#[test]
fn a_peer_with_small_limits_that_are_enough() {
    let mut victim = Victim::new(Role::Server);
    victim.send(&wire::settings(&[(1, 0), (3, 1), (4, 1_000), (6, 4_096)]));
    for n in 0..5_000u32 {
        victim.send(&wire::headers(2 * n + 1, GET, true));
        let stream = victim.last_request();
        let head = ResponseHead::new(503).field(b"retry-after", b"1").finish();
        victim.connection.respond(stream, head, Then::End).unwrap();
        victim.turn();
        victim.events.clear();
    }
    assert_spared(&victim);
}
