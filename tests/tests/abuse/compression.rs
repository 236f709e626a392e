//! What must not happen to the state that all streams share: to HPACK, to the limits, to the table.

use raddle_core::{Config, ErrorCode, Event, Role, Stats, Violation};
use raddle_tests::{
    counting,
    wire::{self, GET, flag, kind},
};

use crate::{
    blocks::{INSERT, NEWEST, PLAIN, head, literal, message},
    victim::{BOUNDS, Bounds, ROLES, Victim},
};

#[test]
pub(crate) fn v21_integers_without_end() {
    let mut blocks: Vec<Vec<u8>> = (0..=255).map(|first| vec![first]).collect();
    // Every kind of representation at the end of its first octet, and what may follow.
    for first in [
        0x00, 0x0f, 0x10, 0x1f, 0x20, 0x3f, 0x40, 0x7f, 0x80, 0xbf, 0xff,
    ] {
        blocks.extend((0..=255).map(|second| vec![first, second]));
        for octet in [0x80, 0xff, 0x00, 0x7f] {
            blocks.extend((1..12).map(|len| [&[first][..], &vec![octet; len]].concat()));
        }
        // A string that is longer than anything, of either form.
        blocks.push(vec![first, 0x00, 0xff, 0xff, 0xff, 0xff, 0x0f]);
        blocks.push(vec![first, 0x7f, 0xff, 0xff, 0xff, 0xff, 0x07, b'a']);
    }
    let mut refused = 0;
    for role in ROLES {
        for block in &blocks {
            let mut victim = Victim::new(role);
            if role == Role::Client {
                victim.ask();
            }
            victim.begin();
            victim.send(&message(1, block, true));
            match victim.violation() {
                Some(Violation::HpackDecodeFailed) => refused += 1,
                None => {}
                other => panic!("{block:02x?}: {other:?}"),
            }
            assert!(victim.peak.live <= 12 * 1_024, "{block:02x?}");
        }
    }
    assert!(refused > 2 * blocks.len() / 3, "{refused}");
    // An integer of more octets than 32 bits need is an error at the sixth, and not read on.
    let mut victim = Victim::new(Role::Server);
    victim.send(&message(1, &[&[0xff][..], &[0x80; 5_000]].concat(), true));
    assert!(victim.stats().work_units <= 3 * (victim.wire + 100));
    victim.assert_killed(Violation::HpackDecodeFailed, BOUNDS);
}

/// What a block leaves behind in the table has to be there for the next one, whatever became of its stream.
fn assert_in_step(victim: &mut Victim, id: u32, value: &[u8]) {
    victim.events.clear();
    let role = victim.connection.role();
    let block = [&head(role)[..], &[NEWEST]].concat();
    assert!(victim.send(&message(id, &block, true)));
    let found = victim.events.iter().any(|event| match event {
        Event::Request { head, .. } => head.as_fields().find(b"x-key") == Some(value),
        Event::Response { head, .. } => head.as_fields().find(b"x-key") == Some(value),
        _ => false,
    });
    assert!(found, "{:?}", victim.events);
}

/// A decoder that refuses nothing, and reads every block that the victim is sent.
struct Shadow(raddle_hpack::Decoder);

struct Nobody;

impl raddle_hpack::Sink for Nobody {
    fn field(&mut self, _: &[u8], _: &[u8], _: bool) {}
}

impl Shadow {
    fn new() -> Self {
        Self(raddle_hpack::Decoder::new(raddle_hpack::DecoderConfig {
            list_size_max: u32::MAX,
            fields_max: u32::MAX,
            string_len_max: u32::MAX,
            ..raddle_hpack::DecoderConfig::default()
        }))
    }

    /// Sends a block as a message, and holds the table of the victim against the one that read it for what it is.
    fn send(&mut self, victim: &mut Victim, id: u32, block: &[u8], end: bool) {
        self.0.decode(block, &mut Nobody).unwrap();
        let _ = self.0.finish().unwrap();
        assert!(victim.send(&message(id, block, end)), "costs its stream");
        let [_, table] = victim.connection.audit_tables();
        assert_eq!(table, self.0.table_fingerprint(), "behind stream {id}");
        assert!(self.0.table_size() > 0);
    }

    /// The same, with a reference to the newest entry, which the application has to see.
    fn in_step(&mut self, victim: &mut Victim, id: u32, value: &[u8]) {
        let block = [&head(victim.connection.role())[..], &[NEWEST]].concat();
        self.0.decode(&block, &mut Nobody).unwrap();
        let _ = self.0.finish().unwrap();
        assert_in_step(victim, id, value);
    }
}

#[test]
pub(crate) fn v22_blocks_that_are_refused_are_decoded() {
    for role in ROLES {
        let key = literal(INSERT, b"x-key", b"secret of the first");
        let (mut victim, _) = Victim::with_stream(role);
        let mut shadow = Shadow::new();
        if role == Role::Client {
            for _ in 0..8 {
                victim.ask();
            }
        }
        // Over the limit of fields, and of bytes.
        for (id, fields) in [
            (3, vec![0x82; 600]),
            (7, literal(PLAIN, b"y", &[b'z'; 70_000])),
        ] {
            let block = [&head(role)[..], &fields, &key].concat();
            shadow.send(&mut victim, id, &block, true);
            shadow.in_step(&mut victim, id + 2, b"secret of the first");
        }
        assert_eq!(victim.stats().defences.header_lists_refused, 2);
        victim.assert_alive(Bounds {
            live: 160 * 1_024,
            ..BOUNDS
        });
    }
}

#[test]
pub(crate) fn v22_blocks_that_come_too_late_are_decoded() {
    // On a stream that we have reset.
    for role in ROLES {
        let (mut victim, stream) = Victim::with_stream(role);
        let mut shadow = Shadow::new();
        if role == Role::Client {
            victim.ask();
        }
        victim.connection.reset(stream, ErrorCode::CANCEL);
        victim.turn();
        let late = literal(INSERT, b"x-key", b"late");
        shadow.send(&mut victim, 1, &late, true);
        shadow.in_step(&mut victim, 3, b"late");
        // For ever it does not go on like that.
        let sent = victim.flood(10_000, |_| message(1, &[NEWEST], true));
        assert_eq!(sent, 1_003, "four are explained by our reset");
        assert_eq!(victim.stats().defences.resets, 1_001);
        victim.assert_killed(Violation::ResetFlood, BOUNDS);
    }
    // Beyond our limit of streams.
    let narrow = Config {
        concurrent_streams_max: 1,
        ..Config::default()
    };
    let mut victim = Victim::under(Role::Server, narrow);
    let mut shadow = Shadow::new();
    victim.stream(1);
    let block = [head(Role::Server), literal(INSERT, b"x-key", b"refused")].concat();
    shadow.send(&mut victim, 3, &block, true);
    assert_eq!(victim.stats().defences.streams_refused, 1);
    victim.send(&wire::data(1, b"", true));
    victim.answer();
    shadow.in_step(&mut victim, 5, b"refused");
    victim.assert_alive(BOUNDS);
    // Behind our GOAWAY, which a drain has sent in both its steps while a stream is open.
    let (mut victim, _) = Victim::with_stream(Role::Server);
    let mut shadow = Shadow::new();
    victim.connection.drain();
    victim.turn();
    victim.send(&[]);
    let opened = victim.stats().streams_opened;
    let block = [head(Role::Server), literal(INSERT, b"x-key", b"too late")].concat();
    shadow.send(&mut victim, 3, &block, true);
    assert_eq!(victim.stats().streams_opened, opened, "nobody sees it");
    // The trailers of the stream before it.
    victim.events.clear();
    shadow.send(&mut victim, 1, &[NEWEST], true);
    let found = victim.events.iter().any(|event| {
        matches!(event, Event::Trailers { fields, .. }
            if fields.find(b"x-key") == Some(&b"too late"[..]))
    });
    assert!(found, "{:?}", victim.events);
    victim.assert_within(BOUNDS);
}

#[test]
pub(crate) fn v23_faults_that_stay_with_their_stream() {
    for role in ROLES {
        let mut victim = Victim::new(role);
        if role == Role::Client {
            for _ in 0..8 {
                victim.ask();
            }
        }
        // A field that no message may have, in the middle of good ones, all of which enter the table.
        let block = [
            head(role),
            literal(INSERT, b"x-other", b"1"),
            literal(INSERT, b"Bad", b"2"),
            literal(INSERT, b"x-key", b"good"),
        ]
        .concat();
        assert!(victim.send(&message(1, &block, true)));
        assert_eq!(victim.stats().streams_faulted, 1);
        assert_in_step(&mut victim, 3, b"good");
        // Whoever asks for the bad one is refused again, and nobody else is.
        let block = [&head(role)[..], &[NEWEST + 1]].concat();
        assert!(victim.send(&message(5, &block, true)));
        assert_eq!(victim.stats().streams_faulted, 2);
        assert_in_step(&mut victim, 7, b"good");
        assert_eq!(victim.stats().streams_faulted, 2);
        assert_eq!(victim.stats().defences.stream_errors, 2);
        victim.assert_alive(BOUNDS);
    }
}

/// Sends one SETTINGS frame with these entries, and does what goes on as before: a request and its answer. Nothing that is
/// allocated for it may be large.
fn settings_allocate_nothing(role: Role, entries: &[(u16, u32)]) -> Stats {
    let mut victim = Victim::new(role);
    let _ = counting::take_largest();
    let alive = victim.send(&wire::settings(entries));
    let largest = counting::take_largest();
    assert!(largest <= 4_096, "{entries:?}: {largest} bytes");
    let stats = victim.stats();
    if !alive {
        let violation = victim.violation().unwrap();
        victim.assert_killed(violation, BOUNDS);
        return stats;
    }
    if role == Role::Server {
        victim.send(&wire::headers(1, GET, true));
        let stream = victim.last_request();
        let head = raddle_core::ResponseHead::new(200).finish();
        let then = raddle_core::Then::End;
        let _ = victim.connection.respond(stream, head, then);
    } else {
        let head = raddle_tests::engine::get("/");
        let _ = victim.connection.open(head, raddle_core::Then::End);
    }
    victim.turn();
    let largest = counting::take_largest();
    assert!(largest <= 8_192, "{entries:?}: {largest} bytes");
    victim.assert_alive(BOUNDS);
    stats
}

#[test]
pub(crate) fn v25_nothing_is_allocated_by_a_number_of_the_peers() {
    // Every power of two, with what is one less and one more, in every setting that is registered and some that are not.
    let powers = (0..32).map(|bits| 1u32 << bits);
    let near = powers.flat_map(|power| [power - 1, power, power + 1]);
    let values: Vec<_> = near.chain([u32::MAX - 1, u32::MAX]).collect();
    let (mut charged, mut all) = (0, 0);
    for role in ROLES {
        for id in (0..=16).chain([0x1a2a, u16::MAX]) {
            for &value in &values {
                let stats = settings_allocate_nothing(role, &[(id, value)]);
                charged += stats.defences.settings;
                all += 1;
            }
        }
    }
    // All but those that are refused as they are read.
    assert!(charged < all && charged > all * 3 / 4, "{charged} of {all}");
    // And any values at all, up to 32 in one frame, drawn by a generator that always draws the same.
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut draw = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for n in 0..4_000 {
        let entries: Vec<_> = (0..draw() % 33)
            .map(|_| {
                let id = [draw() % 17, draw() % (1 << 16)][usize::from(draw() % 8 == 0)];
                (id as u16, (draw() >> (draw() % 33)) as u32)
            })
            .collect();
        let _ = settings_allocate_nothing(ROLES[n % 2], &entries);
    }
}

#[test]
pub(crate) fn v26_a_frame_of_16_mebibytes() {
    for role in ROLES {
        for kind in 0..=0x20 {
            let mut victim = Victim::new(role);
            let head = [0xff, 0xff, 0xff, kind, 0, 0, 0, 0, 1];
            for (at, byte) in head.iter().enumerate() {
                assert_eq!(victim.send(&[*byte]), at < 8, "decided by the ninth octet");
            }
            assert_eq!(victim.stats().defences.frames_refused, 1);
            assert!(victim.peak.live <= 1_024, "{:?}", victim.peak);
            let bounds = Bounds {
                work_per_byte: 12,
                ..BOUNDS
            };
            victim.assert_killed(Violation::FrameTooLarge, bounds);
        }
    }
}

#[test]
pub(crate) fn v27_a_frame_size_that_no_frame_fits() {
    for role in ROLES {
        for value in [0, 1, 9, 16_383, 1 << 24, u32::MAX] {
            let mut victim = Victim::new(role);
            let before = victim.stats().frames_received;
            assert!(!victim.send(&wire::settings(&[(5, value)])));
            assert_eq!(victim.stats().frames_received, before, "refused unread");
            victim.assert_killed(Violation::SettingMaxFrameSizeInvalid, BOUNDS);
        }
    }
    // The smallest that there is: a large head goes out in frames of that size, and gets to its end.
    let mut victim = Victim::new(Role::Client);
    victim.send(&wire::settings(&[(5, 16_384)]));
    let head = raddle_core::RequestHead::new(b"GET", b"http", Some(b"a"), b"/")
        .field(b"x", &[0xf8; 60_000])
        .finish();
    let then = raddle_core::Then::End;
    victim.connection.open(head, then).unwrap();
    victim.reads = false;
    victim.turn();
    let bytes: Vec<u8> = victim.out.parts().flatten().copied().collect();
    let (frames, rest) = wire::frames(&bytes);
    assert_eq!((frames.len(), rest), (4, 0));
    assert!(frames.iter().all(|frame| frame.payload.len() <= 16_384));
    assert_eq!(frames[3].kind, kind::CONTINUATION);
    assert_eq!(frames[3].flags, flag::END_HEADERS);
    // The output is that head, and all of it.
    victim.assert_alive(Bounds {
        live: 2 * 60_100 + 8 * 1_024,
        unsent: 60_100,
        ..BOUNDS
    });
}
