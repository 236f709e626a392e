//! Messages that two readers would read in two ways, and messages in a wrong order.

use raddle_core::{Event, Role, Violation};
use raddle_tests::wire::{self, GET, POST};

use crate::{
    blocks::{PLAIN, head, literal, message},
    victim::{BOUNDS, OK, ROLES, Victim},
};

#[test]
pub(crate) fn v39_trailers_out_of_order() {
    let ok = || wire::headers(1, OK, false);
    let trailers = |end| wire::headers(1, &[("x-sum", "1")], end);
    let data = |end| wire::data(1, b"x", end);
    let hints = |end| wire::headers(1, &[(":status", "103")], end);
    let sequences = [
        (vec![trailers(true)], Violation::PseudoFieldMissing),
        (vec![trailers(false)], Violation::PseudoFieldMissing),
        (
            vec![hints(false), trailers(true)],
            Violation::PseudoFieldMissing,
        ),
        (vec![hints(true)], Violation::InformationalEndsStream),
        (vec![data(true)], Violation::DataBeforeHeaders),
        (vec![hints(false), data(true)], Violation::DataBeforeHeaders),
        (
            vec![ok(), trailers(false)],
            Violation::TrailersWithoutEndStream,
        ),
        (
            vec![ok(), data(false), trailers(false)],
            Violation::TrailersWithoutEndStream,
        ),
        (vec![ok(), ok()], Violation::TrailersWithoutEndStream),
        (
            vec![ok(), wire::headers(1, OK, true)],
            Violation::PseudoFieldInTrailers,
        ),
    ];
    for (frames, violation) in sequences {
        let mut victim = Victim::new(Role::Client);
        victim.ask();
        assert!(victim.send(&frames.concat()), "costs its stream");
        let ends = victim.events.iter().filter_map(|event| match event {
            Event::Failed { error, .. } => Some(error.violation),
            Event::Finished { .. } => Some(None),
            _ => None,
        });
        assert_eq!(ends.collect::<Vec<_>>(), [Some(violation)]);
        assert_eq!(victim.connection.gauges().streams, 0);
        assert_eq!(victim.stats().streams_faulted, 1);
        victim.assert_alive(BOUNDS);
    }
    // Behind the end of everything, the connection is at fault.
    for late in [trailers(true), trailers(false), data(true), ok()] {
        let mut victim = Victim::new(Role::Client);
        victim.ask();
        victim.send(&[ok(), data(false), trailers(true)].concat());
        assert!(!victim.send(&late));
        victim.assert_killed(Violation::StreamClosedConnection, BOUNDS);
    }
}

/// What a request or a response may not say, because somebody else would read it in another way.
fn ambiguous() -> Vec<(Role, Vec<u8>, Violation)> {
    use Violation as V;
    let field = |name: &[u8], value: &[u8]| literal(PLAIN, name, value);
    let lengths = |first: &[u8], second: &[u8]| {
        [
            field(b"content-length", first),
            field(b"content-length", second),
        ]
        .concat()
    };
    let mut cases = Vec::new();
    for role in ROLES {
        let mut case = |rest: Vec<u8>, violation| {
            cases.push((role, [head(role), rest].concat(), violation));
        };
        for bad in [
            &b"1, 2"[..],
            b"1x",
            b"-1",
            b"+1",
            b"0x1",
            b"",
            b"1 2",
            b"99999999999999999999",
        ] {
            case(field(b"content-length", bad), V::ContentLengthInvalid);
        }
        case(lengths(b"1", b"2"), V::ContentLengthInvalid);
        for octet in [b'\r', b'\n', 0] {
            case(field(b"x", &[b'a', octet, b'b']), V::FieldValueInvalid);
            case(field(&[b'x', octet], b"a"), V::FieldNameInvalid);
        }
        case(field(b"x", b"a\r\nhost: other"), V::FieldValueInvalid);
        case(field(b"x y", b"a"), V::FieldNameInvalid);
        case(field(b"x:", b"a"), V::FieldNameInvalid);
        case(
            field(b"transfer-encoding", b"chunked"),
            V::ConnectionSpecificField,
        );
        case(field(b"upgrade", b"h2c"), V::ConnectionSpecificField);
        case(
            field(b"proxy-connection", b"close"),
            V::ConnectionSpecificField,
        );
    }
    let with = |rest: Vec<u8>| [head(Role::Server), rest].concat();
    cases.push((
        Role::Server,
        with(field(b"host", b"other")),
        V::HostMismatch,
    ));
    cases.push((
        Role::Server,
        with([field(b"host", b"test"), field(b"host", b"test")].concat()),
        V::HostMismatch,
    ));
    cases.push((
        Role::Server,
        with(field(b":path", b"/other")),
        V::PseudoFieldDuplicate,
    ));
    cases.push((Role::Client, field(b"x", b"a"), V::PseudoFieldMissing));
    cases.push((
        Role::Client,
        [head(Role::Client), head(Role::Client)].concat(),
        V::PseudoFieldDuplicate,
    ));
    cases
}

#[test]
pub(crate) fn v48_messages_that_can_be_read_in_two_ways() {
    for (role, block, violation) in ambiguous() {
        let mut victim = Victim::new(role);
        if role == Role::Client {
            victim.ask();
        }
        assert!(victim.send(&message(1, &block, false)));
        assert_eq!(victim.stats().streams_faulted, 1, "{violation:?}");
        // The application never sees any of it.
        let seen = victim
            .events
            .iter()
            .any(|event| matches!(event, Event::Request { .. } | Event::Response { .. }));
        assert!(!seen, "{violation:?}");
        if role == Role::Client {
            let failed = victim.events.iter().find_map(|event| match event {
                Event::Failed { error, .. } => error.violation,
                _ => None,
            });
            assert_eq!(failed, Some(violation));
        }
        victim.assert_alive(BOUNDS);
    }
}

#[test]
pub(crate) fn v48_bodies_that_are_not_as_long_as_they_say() {
    for role in ROLES {
        let head = match role {
            Role::Server => [POST, &[("content-length", "5")]].concat(),
            Role::Client => [OK, &[("content-length", "5")]].concat(),
        };
        for (frames, good) in [
            (wire::data(1, b"12345", true), true),
            (
                [wire::data(1, b"12345", false), wire::data(1, b"", true)].concat(),
                true,
            ),
            (wire::data(1, b"1234", true), false),
            (wire::data(1, b"123456", false), false),
            (wire::headers(1, &[("x-sum", "1")], true), false),
        ] {
            let mut victim = Victim::new(role);
            if role == Role::Client {
                victim.ask();
            }
            victim.send(&wire::headers(1, &head, false));
            assert!(victim.send(&frames));
            let faults = victim.stats().streams_faulted;
            assert_eq!(faults == 0, good, "{role:?}: {frames:02x?}");
            victim.assert_alive(BOUNDS);
        }
    }
}

#[test]
pub(crate) fn v48_what_was_never_http2() {
    // The body of an upgraded HTTP/1.1 request, and frames in the clear behind a request that was not upgraded.
    for first in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"PRI * HTTP/2.0\r\n\r\nXX",
        b"\0\0\0\x04",
    ] {
        let mut victim = Victim::fresh(Role::Server, raddle_core::Config::default());
        assert!(!victim.send(first));
        assert!(
            victim
                .events
                .iter()
                .all(|event| !matches!(event, Event::Request { .. }))
        );
        victim.assert_killed(Violation::PrefaceMissing, BOUNDS);
    }
    let mut victim = Victim::new(Role::Server);
    assert!(victim.send(&wire::headers(1, GET, true)));
    victim.assert_alive(BOUNDS);
}
