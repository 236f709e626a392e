//! Bytes that are not HTTP/2, into both roles: a fault with a name and an answer on the wire, never a panic, and
//! nothing is lost of what was complete.

use bytes::Bytes;
use raddle_core::{
    Config, Event, Input, Lifecycle, ResponseHead, Retry, Role, StreamHandle, Then, Timestamp,
    TransportEnd, Violation,
};
use raddle_tests::{
    engine::{End, assert_ends_once, get},
    wire::{self, GET, kind},
};

/// Numbers that look random and are the same in every run (xorshift64*).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 16) as usize % bound
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| (self.next() >> 32) as u8).collect()
    }
}

/// Asserts that a connection which has ended did so with a name, and told both sides the same.
fn assert_named(end: &mut End, input: Input) -> Option<Violation> {
    if input != Input::Closed {
        assert!(end.connection.lifecycle() < Lifecycle::Closing);
        return None;
    }
    let frames = end.output_frames();
    let events = end.take_events();
    let Some(Event::Closed { error: Some(error) }) = events.last() else {
        panic!("a connection that ends by a fault says so last: {events:?}")
    };
    let violation = error.violation.expect("a fault has a name");
    assert_eq!(error.code, violation.error_code());
    let goaway = frames.last().expect("the peer is told");
    assert!(goaway.is(kind::GOAWAY, 0), "{goaway:?}");
    assert_eq!(
        goaway.number(4),
        violation.error_code().to_u32(),
        "{violation:?}"
    );
    let text = String::from_utf8_lossy(&goaway.payload[8..]).into_owned();
    assert_eq!(text, format!("{violation} ({})", violation.section()));
    // It stays so, whatever comes.
    assert_eq!(end.input(&wire::ping([0; 8], false)), Input::Closed);
    assert!(end.output().is_empty() && end.take_events().is_empty());
    Some(violation)
}

fn refused(role: Role, bytes: &[u8]) -> Violation {
    let mut end = End::new(role, Config::default());
    let input = end.input(bytes);
    assert_named(&mut end, input).expect("these bytes end the connection")
}

#[test]
fn http1_text_is_named_at_its_first_wrong_byte() {
    let request = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n";
    assert_eq!(refused(Role::Server, request), Violation::PrefaceMissing);
    assert_eq!(refused(Role::Server, b"G"), Violation::PrefaceMissing);
    // "P" could still be the preface.
    assert_eq!(refused(Role::Server, b"PO"), Violation::PrefaceMissing);
    assert_eq!(
        refused(Role::Server, b"PRI * HTTP/1.1"),
        Violation::PrefaceMissing
    );
    // Read as a frame's head, "HTT" is a length that nobody allowed.
    let response = b"HTTP/1.1 400 Bad Request\r\n\r\n";
    assert_eq!(refused(Role::Client, response), Violation::FrameTooLarge);
    // A TLS record, sent to a port without TLS.
    let hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    assert_eq!(refused(Role::Server, &hello), Violation::PrefaceMissing);
}

#[test]
fn random_bytes_end_with_a_name_and_never_with_a_panic() {
    let mut noise = Noise(0x7261_6464_6c65);
    let mut named = 0;
    for round in 0..6_000 {
        let role = if round % 2 == 0 {
            Role::Client
        } else {
            Role::Server
        };
        // A third of them get through the handshake first, and a third of those have streams open.
        let mut end = match round % 3 {
            0 => End::new(role, Config::default()),
            _ => End::established(role),
        };
        if round % 9 == 1 {
            open_streams(&mut end, role);
        }
        let len = noise.below(400);
        let mut bytes = noise.bytes(len);
        if round % 3 == 2 && len > 9 {
            // Heads that are likely to be read on: small length, known kind, small stream.
            bytes[..2].fill(0);
            bytes[2] %= 64;
            bytes[3] %= 12;
            bytes[5..8].fill(0);
            bytes[8] %= 8;
        }
        let input = end.input(&bytes);
        if let Some(violation) = assert_named(&mut end, input) {
            assert!(Violation::ALL.contains(&violation));
            named += 1;
        }
        // A peer that goes away in the middle leaves nothing open. One that only says no more may still read an answer.
        for how in [TransportEnd::Eof, TransportEnd::Failed] {
            end.connection.handle_transport_end(how, Timestamp(0));
        }
        let _ = assert_ends_once(&end.take_events());
    }
    assert!(named > 2_000, "only {named} of the inputs were refused");
}

fn open_streams(end: &mut End, role: Role) {
    for n in 0..3 {
        if role == Role::Client {
            end.connection.open(get("/"), Then::End).unwrap();
        } else {
            end.input(&wire::headers(2 * n + 1, GET, n == 1));
        }
    }
    end.output();
}

/// One request that is complete, behind which something else follows.
fn answered(role: Role) -> (End, StreamHandle) {
    let mut end = End::established(role);
    match role {
        Role::Client => {
            let stream = end.connection.open(get("/"), Then::End).unwrap();
            end.output();
            end.input(&wire::headers(1, &[(":status", "200")], false));
            end.input(&wire::data(1, b"whole", true));
            (end, stream)
        }
        Role::Server => {
            end.input(&wire::headers(1, GET, true));
            let events = std::mem::take(&mut end.events);
            let [Event::Request { stream, .. }] = &events[..] else {
                panic!("{events:?}")
            };
            let stream = *stream;
            end.connection
                .respond(stream, ResponseHead::new(200).finish(), Then::More)
                .unwrap();
            end.connection
                .send_data(stream, &mut Bytes::from_static(b"whole"), Then::End)
                .unwrap();
            end.output();
            end.events.splice(0..0, events);
            (end, stream)
        }
    }
}

/// Every kind of frame, well-formed, as a peer of `role` could send it next.
fn every_frame(role: Role) -> Vec<Vec<u8>> {
    let head = match role {
        Role::Client => wire::headers(3, &[(":status", "200")], false),
        Role::Server => wire::headers(3, GET, false),
    };
    vec![
        head.clone(),
        [head.clone(), wire::data(3, b"part", false)].concat(),
        [head, wire::rst_stream(3, 8)].concat(),
        wire::settings(&[(3, 50), (4, 1_000)]),
        wire::ping(*b"raddle!!", false),
        wire::goaway(if role == Role::Client { 1 } else { 0 }, 0),
        wire::window_update(0, 10),
        wire::frame(kind::PRIORITY, 0, 3, &[0, 0, 0, 0, 1]),
        wire::frame(0xbe, 0, 3, b"of a kind that nobody knows"),
    ]
}

#[test]
fn a_truncated_frame_costs_nothing_that_was_complete() {
    for role in [Role::Client, Role::Server] {
        for frame in every_frame(role) {
            for len in 0..frame.len() {
                let (mut end, complete) = answered(role);
                let other = (role == Role::Client).then(|| {
                    let other = end.connection.open(get("/"), Then::End).unwrap();
                    end.output();
                    other
                });
                let input = end.input(&frame[..len]);
                assert!(
                    matches!(input, Input::NeedMore { at_least: 1.. }),
                    "{input:?}"
                );
                end.connection
                    .handle_transport_end(TransportEnd::Eof, Timestamp(0));
                let events = end.take_events();
                let _ = assert_ends_once(&events);
                assert!(
                    events.contains(&Event::Finished { stream: complete }),
                    "{role:?}: cut after {len} of {frame:02x?}: {events:?}"
                );
                if let Some(other) = other {
                    assert_failed(&events, other);
                }
                assert!(matches!(events.last(), Some(Event::Closed { .. })));
            }
        }
    }
}

/// Asserts that a stream failed with a verdict that fits a request without an answer.
fn assert_failed(events: &[Event], stream: StreamHandle) {
    let head = events
        .iter()
        .any(|event| matches!(event, Event::Response { stream: at, .. } if *at == stream));
    let error = events.iter().find_map(|event| match event {
        Event::Failed { stream: at, error } if *at == stream => Some(error),
        _ => None,
    });
    let error = error.expect("half an answer is a failure");
    match (head, error.retry) {
        (true, Retry::Never) | (false, Retry::IfIdempotent | Retry::Safe) => {}
        (_, retry) => panic!("head delivered: {head}, verdict {retry:?}"),
    }
}

#[test]
fn a_fault_costs_nothing_that_was_complete_and_fails_the_rest() {
    for role in [Role::Client, Role::Server] {
        let (mut end, complete) = answered(role);
        if role == Role::Client {
            end.connection.open(get("/"), Then::End).unwrap();
            end.output();
        } else {
            end.input(&wire::headers(3, GET, false));
        }
        // A PING on a stream.
        let input = end.input(&wire::frame(kind::PING, 0, 1, &[0; 8]));
        assert_eq!(input, Input::Closed);
        let events = end.events.clone();
        assert_eq!(assert_ends_once(&events), 2);
        assert!(events.contains(&Event::Finished { stream: complete }));
        assert_eq!(assert_named(&mut end, input), Some(Violation::PingOnStream));
    }
}

/// Every kind, every short length, on the connection and on streams that are open, idle and of the other parity.
#[test]
fn frames_of_every_shape_are_taken_or_refused_by_name() {
    let mut refused: Vec<Violation> = Vec::new();
    for role in [Role::Client, Role::Server] {
        for kind in 0..=11u8 {
            for len in 0..=20usize {
                for stream in [0, 1, 2, 3, 99] {
                    for flags in [0, 1, 4, 5, 8, 0x20, 0x2d, 0xff] {
                        let mut end = End::established(role);
                        open_streams(&mut end, role);
                        let frame = wire::frame(kind, flags, stream, &vec![7; len]);
                        let input = end.input(&frame);
                        if let Some(violation) = assert_named(&mut end, input)
                            && !refused.contains(&violation)
                        {
                            refused.push(violation);
                        }
                    }
                }
            }
        }
    }
    assert!(refused.len() >= 15, "{refused:?}");
}

/// A whole exchange with one bit flipped, anywhere: what came before the fault has been told, and nothing else.
#[test]
fn one_flipped_bit_changes_nothing_before_it() {
    let script = [
        wire::headers(1, GET, true),
        wire::headers(3, GET, false),
        wire::data(3, b"some of the body", false),
        wire::window_update(0, 1_000),
        wire::headers(5, GET, true),
        wire::data(3, b"and the rest of it", true),
        wire::rst_stream(5, 8),
        wire::ping([1; 8], false),
    ];
    let mut told = Vec::new();
    let mut end = End::established(Role::Server);
    let mut ends = Vec::new();
    for frame in &script {
        end.input(frame);
        told.extend(end.take_events());
        ends.push(told.len());
    }
    for (at, frame) in script.iter().enumerate() {
        for bit in 0..frame.len() * 8 {
            let mut end = End::established(Role::Server);
            for whole in &script[..at] {
                end.input(whole);
            }
            let mut flipped = frame.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            end.input(&flipped);
            for rest in &script[at + 1..] {
                end.input(rest);
            }
            for how in [TransportEnd::Eof, TransportEnd::Failed] {
                end.connection.handle_transport_end(how, Timestamp(0));
            }
            let before = if at == 0 { 0 } else { ends[at - 1] };
            let events = end.take_events();
            assert_eq!(events[..before], told[..before], "frame {at}, bit {bit}");
            let _ = assert_ends_once(&events);
        }
    }
}
