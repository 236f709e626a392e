//! Streams that are opened and reset, by the peer or by what it makes us do.

use std::time::Duration;

use raddle_core::{ErrorCode, Event, ResponseHead, Role, SendError, Then, Violation};
use raddle_tests::wire::{self, GET, POST, kind};

use crate::victim::{App, BOUNDS, Bounds, ROLES, Victim};

const MANY: usize = 1_000_000;
/// Tokens of a bucket, and the most events of one cause that come before the end.
const BURST: usize = 1_000;

/// A request, and its reset.
fn pair(n: usize) -> Vec<u8> {
    let stream = 2 * n as u32 + 1;
    let reset = wire::rst_stream(stream, ErrorCode::CANCEL.to_u32());
    [wire::headers(stream, GET, true), reset].concat()
}

#[test]
pub(crate) fn v09_rapid_reset() {
    let mut victim = Victim::new(Role::Server);
    assert_eq!(victim.flood(MANY, pair), BURST);
    assert_eq!(victim.stats().defences.resets, BURST as u64 + 1);
    // An application that drops what is given up.
    assert!(victim.peak.app <= 1 && victim.peak.streams <= 1);
    victim.assert_killed(Violation::ResetFlood, BOUNDS);
    // One that works on: a hundred are all that it gets, and the others are refused before it sees them.
    let mut victim = Victim::new(Role::Server);
    victim.app = App::Hoards;
    assert_eq!(victim.flood(MANY, pair), BURST);
    assert_eq!((victim.peak.app, victim.peak.streams), (100, 100));
    let defences = victim.stats().defences;
    assert_eq!(defences.streams_refused, BURST as u64 + 1 - 100);
    assert_eq!(defences.resets, BURST as u64 + 1);
    victim.assert_killed(Violation::ResetFlood, BOUNDS);
    // The same slowly, for as long as anybody likes: what it works on it was given once.
    let mut victim = Victim::new(Role::Server);
    victim.app = App::Hoards;
    for n in 0..5_000 {
        victim.wait(Duration::from_millis(31));
        assert!(victim.send(&pair(n)));
        // Each thousandth request is done at last, which makes room for one.
        if n % 1_000 == 999 {
            let done = *victim.working.first().unwrap();
            victim.let_go(done);
        }
    }
    assert_eq!(victim.peak.app, 100);
    assert_eq!(victim.stats().defences.streams_refused, 5_000 - 104);
    victim.assert_alive(BOUNDS);
}

#[test]
pub(crate) fn v09_rapid_reset_for_ever() {
    // Below the rate it may go on for ever, and leaves nothing behind: a million pairs, each half minute as many at once
    // as it has brought tokens.
    let mut victim = Victim::new(Role::Server);
    let mut after = [raddle_core::MemoryFootprint::default(); 2];
    let mut sent = 0;
    while sent < MANY {
        victim.wait(Duration::from_secs(30));
        for _ in 0..11 {
            let batch: Vec<u8> = (sent..sent + 90).flat_map(pair).collect();
            assert!(victim.send(&batch));
            victim.events.clear();
            sent += 90;
        }
        let footprint = victim.connection.memory_footprint();
        if sent == 990 {
            after[0] = footprint;
        }
        after[1] = footprint;
    }
    assert_eq!(after[0], after[1], "LIVE after a thousand and after all");
    assert_eq!(victim.stats().resets_received, sent as u64);
    victim.assert_alive(BOUNDS);
}

#[test]
pub(crate) fn v09_bodies_that_nobody_takes() {
    // Streams that have ended, and whose bodies nobody has taken, are in the table still: up to twice the limit.
    let mut victim = Victim::new(Role::Server);
    victim.app = App::Hoards;
    for n in 0..300 {
        let stream = 2 * n + 1;
        let refused = victim.stats().defences.streams_refused;
        victim.send(&wire::headers(stream, POST, false));
        victim.send(&wire::data(stream, b"x", true));
        if victim.stats().defences.streams_refused == refused {
            victim.answer();
        }
    }
    assert_eq!(victim.peak.streams, 200);
    assert_eq!(victim.stats().defences.streams_refused, 100);
    let bounds = Bounds {
        live: 160 * 1_024,
        ..BOUNDS
    };
    victim.assert_alive(bounds);
}

/// One of the 24 orders of four things.
fn permutation(mut order: usize) -> [usize; 4] {
    let mut acts = [0, 1, 2, 3];
    for at in (1..4).rev() {
        acts.swap(at, order % (at + 1));
        order /= at + 1;
    }
    acts
}

#[test]
pub(crate) fn v10_reset_before_the_handler() {
    // Whatever the order of reset, teardown and the application's own end: each stream ends once, and is gone then.
    for role in ROLES {
        for order in 0..24 {
            let (mut victim, stream) = Victim::with_stream(role);
            for act in permutation(order) {
                match act {
                    0 => drop(victim.send(&wire::rst_stream(1, ErrorCode::CANCEL.to_u32()))),
                    1 => victim.connection.reset(stream, ErrorCode::CANCEL),
                    2 => victim.connection.discard(stream),
                    _ => drop(victim.send(&wire::goaway(0, 0))),
                }
                victim.turn();
            }
            let end = raddle_core::TransportEnd::Eof;
            let now = victim.now;
            victim.connection.handle_transport_end(end, now);
            victim.turn();
            let ends = victim
                .events
                .iter()
                .filter(|event| matches!(event, Event::Failed { .. } | Event::Finished { .. }));
            assert_eq!(ends.count(), 1, "created once, freed once");
            assert_eq!(victim.connection.gauges().streams, 0);
            // The old handle reaches nobody.
            victim.connection.reset(stream, ErrorCode::CANCEL);
            victim.assert_ended(BOUNDS);
        }
    }
}

/// The request, its reset and the end of the transport, before anybody has looked at the first of them.
#[test]
pub(crate) fn v10_reset_before_anybody_polls() {
    use raddle_core::TransportEnd;
    for role in ROLES {
        for order in 0..24 {
            let mut victim = Victim::new(role);
            let asked = (role == Role::Client).then(|| victim.ask());
            victim.begin();
            let head = match role {
                Role::Server => wire::headers(1, POST, false),
                Role::Client => wire::headers(1, &[(":status", "200")], false),
            };
            victim.read_unpolled(&mut bytes::BytesMut::from(&head[..]));
            let (mut events, mut stream) = (Vec::new(), asked);
            let mut poll = |victim: &mut Victim, stream: &mut Option<_>| {
                while let Some(event) = victim.connection.poll_event() {
                    if let Event::Request { stream: asked, .. } = event {
                        *stream = Some(asked);
                    }
                    events.push(event);
                    victim.connection.check();
                }
            };
            let mut reset = wire::rst_stream(1, ErrorCode::CANCEL.to_u32());
            let mut first = Some(());
            for act in permutation(order) {
                match act {
                    0 => {
                        let mut input = bytes::BytesMut::from(&std::mem::take(&mut reset)[..]);
                        victim.read_unpolled(&mut input);
                        // A request that nobody has answered yet is charged for; not behind the end of everything.
                        let charged = victim.stats().defences.resets;
                        assert_eq!(charged, u64::from(role == Role::Server && first.is_some()));
                    }
                    1 => {
                        let now = victim.now;
                        let end = TransportEnd::Failed;
                        victim.connection.handle_transport_end(end, now);
                        first = None;
                    }
                    2 => poll(&mut victim, &mut stream),
                    // The handler begins, if it knows of it by now, and finds what it finds.
                    _ => {
                        if let Some(stream) = stream {
                            let head = ResponseHead::new(200).finish();
                            let _ = victim.connection.respond(stream, head, Then::More);
                            victim.connection.discard(stream);
                        }
                    }
                }
                victim.connection.check();
            }
            poll(&mut victim, &mut stream);
            let ends =
                |event: &&Event| matches!(event, Event::Failed { .. } | Event::Finished { .. });
            assert_eq!(events.iter().filter(ends).count(), 1, "{order}: {events:?}");
            assert_eq!(victim.stats().streams_opened, 1, "created once, freed once");
            assert_eq!(victim.connection.gauges().streams, 0);
            // The old handle reaches nobody.
            let stream = stream.expect("it was told of");
            victim.connection.reset(stream, ErrorCode::CANCEL);
            victim.connection.free_place(stream);
            victim.connection.release(stream, 1);
            victim.assert_ended(BOUNDS);
        }
    }
}

#[test]
pub(crate) fn v11_made_you_reset() {
    let priority = wire::frame(kind::PRIORITY, 0, 0, &[0; 4]);
    let on = |frame: &[u8], stream: u32| {
        let mut frame = frame.to_vec();
        frame[5..9].copy_from_slice(&stream.to_be_bytes());
        frame
    };
    // What makes a server reset a stream whose request is good.
    let broken: [(&dyn Fn(u32) -> Vec<u8>, _); 5] = [
        (
            &|stream| wire::window_update(stream, 0),
            Violation::WindowUpdateFlood,
        ),
        (
            &|stream| wire::window_update(stream, (1 << 31) - 1),
            Violation::WindowUpdateFlood,
        ),
        (&|stream| on(&priority, stream), Violation::StreamErrorFlood),
        (
            &|stream| wire::headers(stream, GET, true),
            Violation::StreamErrorFlood,
        ),
        (
            &|stream| wire::data(stream, b"x", false),
            Violation::StreamErrorFlood,
        ),
    ];
    for (broken, flood) in broken {
        for app in [App::Prompt, App::Hoards] {
            let mut victim = Victim::new(Role::Server);
            victim.app = app;
            let sent = victim.flood(MANY, |n| {
                let stream = 2 * n as u32 + 1;
                [wire::headers(stream, GET, true), broken(stream)].concat()
            });
            // What is refused is charged for, and so is the frame behind it.
            let least = if app == App::Hoards { BURST / 2 } else { BURST };
            assert!((least..=BURST).contains(&sent), "{flood:?}: {sent}");
            // An application that works on what we had to reset gets no more than it may have at once.
            let most = if app == App::Hoards { 100 } else { 1 };
            assert_eq!((victim.peak.app, victim.peak.streams), (most, most));
            let defences = victim.stats().defences;
            assert!(defences.stream_errors >= BURST as u64);
            assert_eq!(defences.floods, 1);
            // Refusals come on top, so that their bucket is empty before that of WINDOW_UPDATE frames is.
            let updates = flood == Violation::WindowUpdateFlood;
            let (updates, flood) = match (updates, app) {
                (true, App::Hoards) => (BURST as u64, Violation::StreamErrorFlood),
                (true, _) => (BURST as u64 + 1, flood),
                (false, _) => (0, flood),
            };
            assert_eq!(defences.window_updates, updates);
            victim.assert_killed(flood, BOUNDS);
        }
    }
}

/// The sixth way: a stream that depends on itself is no fault any more (RFC 9113 §5.3.1), so that nothing is reset.
#[test]
pub(crate) fn v11_a_stream_that_depends_on_itself() {
    let mut victim = Victim::new(Role::Server);
    for n in 0..10_000u32 {
        let stream = 2 * n + 1;
        victim.send(&wire::headers(stream, GET, true));
        let mut payload = stream.to_be_bytes().to_vec();
        payload.push(7);
        assert!(victim.send(&wire::frame(kind::PRIORITY, 0, stream, &payload)));
        victim.answer();
        victim.events.clear();
    }
    assert_eq!(victim.stats().streams_faulted, 0);
    victim.assert_alive(BOUNDS);
}

#[test]
pub(crate) fn v12_answers_that_cannot_be_sent() {
    let mut victim = Victim::new(Role::Server);
    // Not even a status fits.
    victim.send(&wire::settings(&[(6, 40)]));
    victim.begin();
    let mut served = 0;
    while victim.send(&wire::headers(2 * served + 1, GET, true)) {
        let stream = victim.last_request();
        let head = ResponseHead::new(200).finish();
        let refused = victim.connection.respond(stream, head, Then::End);
        assert_eq!(refused, Err(SendError::HeaderListTooLarge));
        victim.connection.reset(stream, ErrorCode::INTERNAL_ERROR);
        victim.turn();
        victim.events.clear();
        served += 1;
        assert!(served < 5_000, "for ever");
    }
    assert_eq!(served, BURST as u32 + 1);
    assert_eq!(victim.stats().defences.stream_errors, BURST as u64 + 1);
    victim.assert_killed(Violation::StreamErrorFlood, BOUNDS);
}
