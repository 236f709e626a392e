//! The engine's account of its own memory against the allocator, and the counters of its defences.

use bytes::Bytes;
use raddle_core::{Config, ResponseHead, Role, Then};
use raddle_tests::{
    engine::get,
    wire::{self, GET},
};

use crate::victim::{ROLES, Victim};

#[test]
fn an_idle_connection() {
    for role in ROLES {
        let mut victim = Victim::new(role);
        victim.turn();
        let footprint = victim.connection.memory_footprint();
        assert!(footprint.total() < 16 * 1_024, "{footprint:?}");
        victim.is_no_attack();
    }
}

#[test]
fn a_hundred_streams_with_bodies_on_their_way() {
    for role in ROLES {
        let mut victim = Victim::new(role);
        for n in 0..100 {
            let stream = victim.stream(2 * n + 1);
            if role == Role::Server {
                let head = ResponseHead::new(200).finish();
                victim.connection.respond(stream, head, Then::More).unwrap();
            }
            let mut body = Bytes::from(vec![7; 3_000]);
            let sent = victim.connection.send_data(stream, &mut body, Then::More);
            sent.unwrap();
        }
        victim.turn();
        let footprint = victim.connection.memory_footprint();
        assert!(footprint.table > 10_000, "{footprint:?}");
        // 65,535 bytes of the connection's window were sent, the rest waits.
        assert!(footprint.buffers > 200_000, "{footprint:?}");
        victim.is_no_attack();
    }
}

#[test]
fn heads_that_wait_for_a_slot() {
    let mut victim = Victim::new(Role::Client);
    victim.send(&wire::settings(&[(3, 1)]));
    for n in 0..1_000 {
        let path = format!("/{n:0400}");
        victim.connection.open(get(&path), Then::End).unwrap();
    }
    victim.turn();
    let footprint = victim.connection.memory_footprint();
    assert!(footprint.header_lists > 400_000, "{footprint:?}");
    victim.is_no_attack();
}

#[test]
fn events_that_nobody_polls() {
    let mut victim = Victim::new(Role::Server);
    let long = "x".repeat(100);
    let mut fields = GET.to_vec();
    fields.extend(vec![("a", &long[..]); 30]);
    let mut input = bytes::BytesMut::new();
    for n in 0..60 {
        input.extend_from_slice(&wire::headers(2 * n + 1, &fields, false));
        input.extend_from_slice(&wire::data(2 * n + 1, &[7; 500], false));
    }
    let now = victim.now;
    victim.connection.handle_input(&mut input, now);
    drop(input);
    let footprint = victim.connection.memory_footprint();
    assert!(footprint.events > 10_000, "{footprint:?}");
    assert!(footprint.header_lists > 180_000, "{footprint:?}");
    assert!(footprint.buffers > 30_000, "{footprint:?}");
    assert_eq!(
        footprint.total(),
        footprint.table
            + footprint.events
            + footprint.buffers
            + footprint.hpack
            + footprint.header_lists
            + footprint.output
    );
    victim.is_no_attack();
}

#[test]
fn tables_of_hpack() {
    let config = Config {
        header_table_bytes: 65_536,
        ..Config::default()
    };
    let mut victim = Victim::under(Role::Client, config);
    victim.send(&wire::settings(&[(1, 65_536)]));
    for n in 0..1_000 {
        let head = raddle_core::RequestHead::new(b"GET", b"http", Some(b"test"), b"/")
            .field(format!("x-name-{n}").as_bytes(), &[b'v'; 60])
            .finish();
        let stream = victim.connection.open(head, Then::End).unwrap();
        victim.turn();
        victim
            .connection
            .reset(stream, raddle_core::ErrorCode::CANCEL);
        victim.turn();
    }
    let footprint = victim.connection.memory_footprint();
    assert!(footprint.hpack > 65_536, "{footprint:?}");
    assert!(footprint.hpack < 6 * 65_536, "{footprint:?}");
    victim.is_no_attack();
}
