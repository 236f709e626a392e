//! Header lists: what is made of few bytes, and what is kept of it.

use std::time::Duration;

use raddle_core::{Config, Event, Role, Violation};
use raddle_tests::{counting, wire};

use crate::{
    blocks::{INSERT, NEWEST, PLAIN, head, literal, message},
    victim::{BOUNDS, KIB, ONE_LIST, ROLES, Victim},
};

#[test]
pub(crate) fn v15_references_to_a_large_entry() {
    for role in ROLES {
        let mut victim = Victim::new(role);
        let mut bomb = literal(INSERT, b"n", &[b'x'; 4_000]);
        bomb.resize(bomb.len() + 16_000, NEWEST);
        assert!(victim.message(0, &bomb), "costs its stream");
        assert_eq!(victim.stats().defences.header_lists_refused, 1);
        // Not one field more than fits was produced.
        assert!(victim.peak.live <= 150 * KIB, "{:?}", victim.peak);
        // Once the entry is there, a block of a few octets makes as much.
        let mut sent = 1;
        while victim.message(sent, &[NEWEST; 40]) {
            victim.events.clear();
            sent += 1;
            assert!(sent < 5_000, "for ever");
        }
        assert_eq!(sent, 1_000);
        victim.assert_killed(Violation::StreamErrorFlood, ONE_LIST);
    }
}

#[test]
pub(crate) fn v16_tiny_fields_and_cookie_crumbs() {
    for role in ROLES {
        let cookie: &[u8] = if role == Role::Server {
            b"cookie"
        } else {
            b"set-cookie"
        };
        let mut victim = Victim::new(role);
        let mut block = literal(INSERT, cookie, b"a=b");
        block.resize(block.len() + 500, NEWEST);
        let fields = victim.message(0, &block);
        assert!(fields && victim.stats().streams_faulted == 0);
        let wire = victim.wire as usize;
        assert!(victim.peak.live <= 40 * wire, "{:?} of {wire}", victim.peak);
        // One crumb more than there may be.
        block.resize(block.len() + 20, NEWEST);
        victim.message(1, &block);
        assert_eq!(victim.stats().defences.header_lists_refused, 1);
        victim.assert_alive(BOUNDS);
    }
}

/// The memory of a list, while the application has not looked at it and when it has, is no more than its size by the
/// formula of RFC 9113 §10.5.1.
#[test]
pub(crate) fn v16_a_list_takes_no_more_than_its_size() {
    let config = Config {
        join_cookies: false,
        ..Config::default()
    };
    for role in ROLES {
        for (fields, value) in [(1, 0), (1, 500), (1, 60_000), (50, 10), (500, 0), (500, 90)] {
            let mut victim = Victim::under(role, config.clone());
            if role == Role::Client {
                victim.ask();
            }
            victim.begin();
            let crumb = literal(INSERT, b"cookie", &vec![b'c'; value]);
            let again = match value < 4_000 {
                true => vec![NEWEST; fields - 1],
                false => Vec::new(),
            };
            let block = [&head(role)[..], &crumb, &again].concat();
            let pseudo: usize = match role {
                Role::Server => 7 + 3 + 7 + 4 + 10 + 4 + 5 + 1 + 4 * 32,
                Role::Client => 7 + 3 + 32,
            };
            let size = pseudo + fields * (6 + value + 32);
            let before = victim.connection.memory_footprint().header_lists;
            let bytes = message(1, &block, true);
            victim.read_unpolled(&mut bytes::BytesMut::from(&bytes[..]));
            let after = victim.connection.memory_footprint().header_lists;
            // Small ones share a piece of memory, of which the rest waits for the next.
            let room = if size < 4 * KIB { 4 * KIB } else { 0 };
            assert!(
                after - before <= size + room,
                "{fields} fields, {size} bytes by the formula: {before} and {after}"
            );
            assert_eq!(victim.stats().streams_faulted, 0);
            let before = counting::live();
            let list = victim.connection.poll_event();
            assert!(matches!(
                list,
                Some(Event::Request { .. } | Event::Response { .. })
            ));
            drop(list);
            let freed = before - counting::live();
            assert!(freed <= (size + room) as i64, "{freed} of {size}");
            victim.assert_alive(ONE_LIST);
        }
    }
}

#[test]
pub(crate) fn v16_lists_of_all_streams_together() {
    let mut victim = Victim::new(Role::Server);
    let mut block = head(Role::Server);
    block.extend(literal(INSERT, b"n", &[b'x'; 4_000]));
    victim.send(&message(1, &block, false));
    let mut bomb = head(Role::Server);
    bomb.extend([NEWEST; 15]);
    for n in 1..100 {
        assert!(victim.send(&message(2 * n + 1, &bomb, false)));
    }
    let gauges = victim.connection.gauges();
    assert!(gauges.header_bytes <= 1024 * KIB, "{gauges:?}");
    assert!(gauges.header_bytes > 960 * KIB, "{gauges:?}");
    let refused = victim.stats().defences.header_totals_refused;
    assert_eq!(refused, 100 - gauges.streams as u64);
    // A usual list is taken all the same, and those that end make room.
    victim.stream(201);
    victim.send(&wire::rst_stream(3, 8));
    victim.stream(203);
    assert!(victim.send(&message(205, &bomb, false)));
    assert_eq!(victim.stats().defences.header_totals_refused, refused);
    victim.assert_alive(ONE_LIST);
    // A server that answers everything at length.
    let mut victim = Victim::new(Role::Client);
    for _ in 0..100 {
        victim.ask();
    }
    let mut block = head(Role::Client);
    block.extend(literal(INSERT, b"n", &[b'x'; 4_000]));
    for n in 0..100 {
        victim.send(&message(2 * n + 1, &block, false));
        block.truncate(1);
        block.extend([NEWEST; 15]);
    }
    let gauges = victim.connection.gauges();
    assert!(gauges.header_bytes <= 1024 * KIB, "{gauges:?}");
    let defences = victim.stats().defences;
    assert!(defences.header_totals_refused > 80);
    assert_eq!(defences.header_lists_refused, 0, "each is small enough");
    victim.assert_alive(ONE_LIST);
}

#[test]
pub(crate) fn v16_a_response_held_by_a_window_that_opens_in_drips() {
    let mut victim = Victim::new(Role::Server);
    victim.send(&wire::settings(&[(4, 0)]));
    victim.send(&wire::headers(1, wire::GET, true));
    let stream = victim.last_request();
    let answer = raddle_core::ResponseHead::new(200).finish();
    let connection = &mut victim.connection;
    connection
        .respond(stream, answer, raddle_core::Then::More)
        .unwrap();
    let mut body = bytes::Bytes::from(vec![7; 10_000]);
    connection
        .send_data(stream, &mut body, raddle_core::Then::End)
        .unwrap();
    victim.turn();
    let mut seconds = 0;
    while victim.connection.gauges().streams > 0 {
        victim.wait(Duration::from_secs(1));
        victim.send(&wire::window_update(1, 1));
        seconds += 1;
        assert!(seconds <= 450, "held for ever");
    }
    assert!(seconds >= 300, "a slow reader is no attacker: {seconds}");
    let ended = victim.events.iter().any(|event| {
        matches!(event, Event::Failed { error, .. }
            if error.violation == Some(Violation::StreamStalled))
    });
    assert!(ended);
    assert_eq!(victim.stats().defences.timeouts, 1);
    victim.assert_alive(BOUNDS);
}

#[test]
pub(crate) fn v17_hosts_beside_an_authority() {
    let mut victim = Victim::new(Role::Server);
    let mut block = literal(INSERT, b"host", b"test");
    block.resize(block.len() + 5_000, NEWEST);
    assert!(victim.message(0, &block));
    assert_eq!(victim.stats().defences.header_lists_refused, 1);
    // 512 fields of 14 octets and what goes before each, however many come.
    assert!(victim.peak.live <= 24 * KIB, "{:?}", victim.peak);
    assert!(victim.message(1, &[NEWEST; 300]));
    assert_eq!(victim.stats().streams_faulted, 2, "two are one too many");
    victim.assert_alive(BOUNDS);
}

#[test]
pub(crate) fn v18_names_of_trailers_to_come() {
    for role in ROLES {
        let mut victim = Victim::new(role);
        let names = "a,".repeat(30_000);
        let block = literal(PLAIN, b"trailer", names.as_bytes());
        assert!(victim.message(0, &block));
        assert_eq!(victim.stats().streams_faulted, 0);
        // Nothing is derived from it: the list, and room for it to grow.
        assert!(victim.peak.live <= 2 * names.len() + 16 * KIB);
        let lists = victim.connection.memory_footprint().header_lists;
        assert!(lists <= 2 * names.len(), "{lists}");
        victim.assert_alive(ONE_LIST);
    }
}

#[test]
pub(crate) fn v19_names_that_never_repeat() {
    for role in ROLES {
        let mut victim = Victim::new(role);
        let mut after = [(0, 0); 2];
        for n in 0..2_000u32 {
            let mut block = Vec::new();
            for at in 0..30 {
                let name = format!("x-{n:06}-{at}");
                let first = if at % 2 == 0 { INSERT } else { PLAIN };
                block.extend(literal(first, name.as_bytes(), b"v"));
            }
            assert!(victim.message(n, &block));
            if role == Role::Server {
                victim.answer();
            }
            victim.events.clear();
            let lists = victim.connection.memory_footprint().header_lists;
            after[usize::from(n > 500)] = (victim.live(), lists);
        }
        assert_eq!(after[0], after[1], "nothing is remembered of a name");
        victim.assert_alive(BOUNDS);
    }
}
