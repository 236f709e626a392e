//! Counters of defences that no replay needs for its bounds.

use raddle_core::{Config, OpenError, Role, Then, Violation};
use raddle_tests::{engine::get, wire};

use crate::victim::{BOUNDS, Bounds, ROLES, Victim};

#[test]
fn window_updates_and_goaways() {
    for role in ROLES {
        let (mut victim, _) = Victim::with_stream(role);
        assert_eq!(victim.flood(10_000, |_| wire::window_update(1, 1)), 1_000);
        assert_eq!(victim.stats().defences.window_updates, 1_001);
        assert_eq!(victim.stats().defences.floods, 1);
        victim.assert_killed(Violation::WindowUpdateFlood, BOUNDS);
        let (mut victim, _) = Victim::with_stream(role);
        victim.flood(5, |_| wire::goaway(1, 0));
        assert_eq!(victim.stats().defences.goaways, 5);
    }
}

#[test]
fn limits_are_what_the_config_says() {
    let config = Config {
        settings_entries_max: 16,
        continuations_spare: 0,
        events_max: 16,
        output_bytes_max: 2_000,
        answers_max: 200,
        ..Config::default()
    };
    let mut victim = Victim::under(Role::Server, config.clone());
    assert!(victim.send(&wire::settings(&[(0x77, 0); 16])));
    assert!(!victim.send(&wire::settings(&[(0x77, 0); 17])));
    assert_eq!(victim.stats().defences.settings_refused, 1);
    victim.assert_killed(Violation::SettingsTooMany, BOUNDS);
    let mut victim = Victim::under(Role::Server, config.clone());
    victim.send(&wire::frame(wire::kind::HEADERS, 0, 1, &[0x82]));
    let more = wire::frame(wire::kind::CONTINUATION, 0, 1, &[0x82]);
    // 64 KiB in frames of 16 KiB.
    assert_eq!(victim.flood(100, |_| more.clone()), 4);
    victim.assert_killed(Violation::ContinuationFlood, BOUNDS);
    let mut victim = Victim::under(Role::Server, config);
    victim.stream(1);
    let piece = wire::data(1, &[7; 1_025], false);
    let mut input = bytes::BytesMut::from(&piece.repeat(20)[..]);
    victim.read_unpolled(&mut input);
    assert_eq!(
        input.len(),
        (20 - 13) * piece.len(),
        "three places are kept free"
    );
    assert_eq!(victim.stats().defences.events_full, 1);
    while victim.connection.poll_event().is_some() {}
    victim.reads = false;
    // 118 answers are in the output, and the others are not.
    assert_eq!(victim.flood(900, |_| wire::ping([0; 8], false)), 200);
    assert_eq!(victim.stats().defences.output_full, 82);
    assert!(
        (2_000..2_100).contains(&victim.peak.unsent),
        "{:?}",
        victim.peak
    );
    victim.assert_killed(
        Violation::PingFlood,
        Bounds {
            owed: 201,
            ..BOUNDS
        },
    );
}

#[test]
fn frames_beyond_size_and_window() {
    let mut victim = Victim::new(Role::Server);
    victim.send(&wire::frame(wire::kind::PING, 0, 0, &[0; 16_385]));
    assert_eq!(victim.stats().defences.frames_refused, 1);
    let config = Config {
        stream_window_bytes: 1_000,
        ..Config::default()
    };
    let mut victim = Victim::under(Role::Server, config);
    victim.stream(1);
    victim.send(&wire::data(1, &[0; 1_001], false));
    assert_eq!(victim.stats().defences.windows_overrun, 1);
}

#[test]
fn interim_responses() {
    let mut victim = Victim::new(Role::Client);
    victim.ask();
    for _ in 0..17 {
        victim.send(&wire::headers(1, &[(":status", "103")], false));
    }
    assert_eq!(victim.stats().defences.informational_refused, 1);
    victim.assert_alive(BOUNDS);
}

#[test]
fn requests_that_find_no_place_in_the_line() {
    let config = Config {
        open_queue_max: 2,
        ..Config::default()
    };
    let mut victim = Victim::under(Role::Client, config);
    victim.send(&wire::settings(&[(3, 0)]));
    let opened = (0..5).map(|_| match victim.connection.open(get("/"), Then::End) {
        Ok(_) => true,
        Err((error, _)) => {
            assert_eq!(error, OpenError::QueueFull);
            false
        }
    });
    assert_eq!(
        opened.collect::<Vec<_>>(),
        [true, true, false, false, false]
    );
    assert_eq!(victim.stats().defences.open_queue_full, 3);
}
