//! Every violation that the engine knows is provoked, and answered as its row in the table says. One that nothing
//! provokes fails the test.

use raddle_core::{
    Config, Event, Input, RequestHead, ResponseHead, Role, Scope, SendError, Then, Transmit,
    Violation,
};
use raddle_tests::{
    engine::{End, get, post},
    wire::{self, GET, flag, kind},
};

/// What a peer does.
enum Act {
    /// Bytes behind the handshake. Streams 1 and 3 are open: both requests of a client are sent, the second whole; of
    /// the two that a server has received, the second is whole.
    Bytes(Role, Vec<u8>),
    /// The same under limits of one's own.
    Under(Role, Box<Config>, Vec<u8>),
    /// Bytes from the very first.
    Raw(Role, Vec<u8>),
    /// As `Bytes`, and then silence until the last deadline has passed.
    Silence(Role, Vec<u8>),
    /// As `Bytes`, and what we answer is never read.
    Stuck(Role, Vec<u8>),
    /// Answers requests with more than the peer's window takes.
    Stalled,
    /// Answers CONNECT, and then sends this on the tunnel.
    Tunnel(Vec<u8>),
    /// Nothing from the very first.
    Dead(Role),
    /// Nothing: it is tolerated in what comes, and refused in what we are given to send.
    Own,
}

use Act::{Bytes, Dead, Own, Raw, Silence, Stalled, Stuck, Tunnel, Under};
use Role::{Client, Server};

const WINDOW_MAX: u32 = (1 << 31) - 1;

/// A request of these fields on a new stream.
fn request(fields: &[(&str, &str)]) -> Act {
    Bytes(Server, wire::headers(5, fields, true))
}

/// A GET with one more field.
fn with(name: &str, value: &str) -> Act {
    request(&[GET, &[(name, value)]].concat())
}

/// A GET with one pseudo-field replaced.
fn replaced(name: &str, value: &str) -> Act {
    let mut fields = GET.to_vec();
    for field in &mut fields {
        if field.0 == name {
            field.1 = value;
        }
    }
    request(&fields)
}

/// A response on stream 1.
fn response(fields: &[(&str, &str)], end: bool) -> Act {
    Bytes(Client, wire::headers(1, fields, end))
}

/// A frame for a server.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Act {
    Bytes(Server, wire::frame(kind, flags, stream, payload))
}

fn repeated(role: Role, times: usize, bytes: &[u8]) -> Act {
    Bytes(role, bytes.repeat(times))
}

/// Requests on the streams from 5 on.
fn requests(count: u32, each: impl Fn(u32) -> Vec<u8>) -> Act {
    Bytes(Server, (0..count).flat_map(|n| each(5 + 2 * n)).collect())
}

fn framing(violation: Violation) -> Option<Act> {
    use Violation as V;
    Some(match violation {
        V::PrefaceMissing => Raw(Server, b"GET / HTTP/1.1\r\n".to_vec()),
        V::FirstFrameNotSettings => Raw(Client, wire::ping([0; 8], false)),
        V::FrameTooLarge => frame(kind::DATA, 0, 1, &[0; 16_385]),
        V::DataFrameSize => frame(kind::DATA, flag::PADDED, 1, &[]),
        V::HeadersFrameSize => frame(kind::HEADERS, flag::PRIORITY, 5, &[0; 4]),
        V::PriorityFrameSize => frame(kind::PRIORITY, 0, 1, &[0; 4]),
        V::RstStreamFrameSize => frame(kind::RST_STREAM, 0, 1, &[0; 3]),
        V::SettingsFrameSize => frame(kind::SETTINGS, 0, 0, &[0; 7]),
        V::PushPromiseFrameSize => frame(kind::PUSH_PROMISE, 0, 1, &[0; 3]),
        V::PingFrameSize => frame(kind::PING, 0, 0, &[0; 7]),
        V::GoAwayFrameSize => frame(kind::GOAWAY, 0, 0, &[0; 7]),
        V::WindowUpdateFrameSize => frame(kind::WINDOW_UPDATE, 0, 1, &[0; 5]),
        V::DataOnStreamZero => frame(kind::DATA, 0, 0, &[]),
        V::HeadersOnStreamZero => frame(kind::HEADERS, 4, 0, &[]),
        V::PriorityOnStreamZero => frame(kind::PRIORITY, 0, 0, &[0; 5]),
        V::RstStreamOnStreamZero => frame(kind::RST_STREAM, 0, 0, &[0; 4]),
        V::SettingsOnStream => frame(kind::SETTINGS, 0, 1, &[]),
        V::PushPromiseOnStreamZero => frame(kind::PUSH_PROMISE, 4, 0, &[0, 0, 0, 2]),
        V::PingOnStream => frame(kind::PING, 0, 1, &[0; 8]),
        V::GoAwayOnStream => frame(kind::GOAWAY, 0, 1, &[0; 8]),
        V::PriorityUpdateFrameSize => frame(kind::PRIORITY_UPDATE, 0, 0, &[0; 3]),
        V::PriorityUpdateOnStream => frame(kind::PRIORITY_UPDATE, 0, 1, &[0, 0, 0, 1]),
        V::PaddingTooLong => frame(kind::DATA, flag::PADDED, 1, &[4, 0, 0, 0]),
        _ => return None,
    })
}

fn blocks_and_settings(violation: Violation) -> Option<Act> {
    use Violation as V;
    let open = wire::frame(kind::HEADERS, 0, 5, &[]);
    let cont = |payload: &[u8]| wire::frame(kind::CONTINUATION, 0, 5, payload);
    let setting = |role, id, value| Bytes(role, wire::settings(&[(id, value)]));
    Some(match violation {
        V::ContinuationUnexpected => Bytes(Server, cont(b"")),
        V::ContinuationExpected => Bytes(Server, [open, wire::ping([0; 8], false)].concat()),
        V::ContinuationFlood => Bytes(Server, [open, cont(&[0x82]).repeat(50)].concat()),
        V::EmptyContinuationFlood => Bytes(Server, [open, cont(b"").repeat(50)].concat()),
        V::HeaderBlockTooLarge => {
            let small = Config {
                header_list_bytes_max: 4_096,
                ..Config::default()
            };
            Under(
                Server,
                Box::new(small),
                [open, cont(&[0x82; 16_384]).repeat(2)].concat(),
            )
        }
        V::SettingsAckWithPayload => frame(kind::SETTINGS, flag::ACK, 0, &[0; 6]),
        V::SettingsTooMany => Bytes(Server, wire::settings(&[(0x77, 0); 200])),
        V::SettingEnablePushInvalid => setting(Server, 2, 2),
        V::SettingEnablePushByServer => setting(Client, 2, 1),
        V::SettingInitialWindowTooLarge => setting(Server, 4, WINDOW_MAX + 1),
        V::SettingMaxFrameSizeInvalid => setting(Server, 5, 16_383),
        V::SettingConnectProtocolInvalid => setting(Client, 8, 2),
        V::SettingConnectProtocolWithdrawn => Bytes(
            Client,
            [wire::settings(&[(8, 1)]), wire::settings(&[(8, 0)])].concat(),
        ),
        V::SettingNoPrioritiesInvalid => setting(Server, 9, 2),
        V::SettingNoPrioritiesChanged => setting(Server, 9, 1),
        _ => return None,
    })
}

fn windows_and_streams(violation: Violation) -> Option<Act> {
    use Violation as V;
    let promise = |promised: u8| wire::frame(kind::PUSH_PROMISE, 4, 1, &[0, 0, 0, promised]);
    let full = |stream| wire::data(stream, &[0; 16_384], false).repeat(16);
    Some(match violation {
        V::PriorityUpdateFromServer => Bytes(
            Client,
            wire::frame(kind::PRIORITY_UPDATE, 0, 0, &[0, 0, 0, 1]),
        ),
        V::PriorityUpdateStreamInvalid => frame(kind::PRIORITY_UPDATE, 0, 0, &[0, 0, 0, 2]),
        V::PushPromiseReceived => Bytes(Client, promise(2)),
        V::PromisedStreamInvalid => Bytes(Client, promise(3)),
        V::WindowUpdateZeroOnStream => Bytes(Server, wire::window_update(1, 0)),
        V::WindowUpdateZeroOnConnection => Bytes(Server, wire::window_update(0, 0)),
        V::StreamWindowOverflow => Bytes(Server, wire::window_update(1, WINDOW_MAX)),
        V::ConnectionWindowOverflow => Bytes(Server, wire::window_update(0, WINDOW_MAX)),
        V::InitialWindowOverflow => {
            let full = wire::window_update(1, WINDOW_MAX - 65_535);
            Bytes(Server, [full, wire::settings(&[(4, 65_536)])].concat())
        }
        V::StreamWindowExceeded => Bytes(Server, [full(1), wire::data(1, b"x", false)].concat()),
        V::ConnectionWindowExceeded => requests(5, |stream| {
            [wire::headers(stream, GET, false), full(stream)].concat()
        }),
        V::IdleStreamFrame => Bytes(Server, wire::data(99, b"x", false)),
        V::StreamIdParity => Bytes(Server, wire::headers(2, GET, true)),
        V::StreamIdNotIncreasing => Bytes(
            Server,
            [wire::headers(9, GET, true), wire::headers(7, GET, true)].concat(),
        ),
        V::StreamClosedFrame => Bytes(Server, wire::data(3, b"x", false)),
        V::StreamClosedConnection => {
            let whole = wire::headers(3, &[(":status", "200")], true);
            Bytes(Client, [whole, wire::data(3, b"x", false)].concat())
        }
        V::StreamLimitExceeded => requests(99, |stream| wire::headers(stream, GET, true)),
        _ => return None,
    })
}

fn messages(violation: Violation) -> Option<Act> {
    use Violation as V;
    Some(match violation {
        V::HpackDecodeFailed => frame(kind::HEADERS, flag::END_HEADERS, 5, &[0xbf]),
        V::HeaderListTooLarge => request(&[GET, &[("a", "b"); 600]].concat()),
        V::PseudoFieldMissing => request(&GET[..3]),
        V::PseudoFieldDuplicate => with(":path", "/"),
        V::PseudoFieldUnknown => with(":colour", "red"),
        V::PseudoFieldAfterRegular => request(&[&[("a", "b")], GET].concat()),
        V::PseudoFieldInTrailers => Bytes(Server, wire::headers(1, &[(":path", "/")], true)),
        V::PseudoFieldWrongDirection => with(":status", "200"),
        V::FieldNameInvalid => with("a b", "x"),
        V::FieldNameUppercase => with("Accept", "x"),
        V::FieldValueInvalid => with("a", " x"),
        V::ConnectionSpecificField => with("connection", "close"),
        V::TeNotTrailers => with("te", "gzip"),
        V::ContentLengthInvalid => with("content-length", "many"),
        V::ContentLengthForbidden => Own,
        V::ContentLengthMismatch => with("content-length", "5"),
        V::MethodInvalid => replaced(":method", "G T"),
        V::SchemeInvalid => replaced(":scheme", "ht tp"),
        V::PathEmpty => replaced(":path", ""),
        V::PathInvalid => replaced(":path", "index.html"),
        V::AuthorityInvalid => replaced(":authority", "user@test"),
        V::HostMismatch => with("host", "other"),
        V::ConnectMalformed => replaced(":method", "CONNECT"),
        V::TunnelFieldSection => Tunnel(wire::headers(1, &[("a", "b")], true)),
        V::ConnectProtocolDisabled => request(
            &[
                &[(":method", "CONNECT"), (":protocol", "websocket")],
                &GET[1..],
            ]
            .concat(),
        ),
        V::StatusInvalid => response(&[(":status", "20")], true),
        V::InformationalEndsStream => response(&[(":status", "103")], true),
        V::SwitchingProtocols => response(&[(":status", "101")], false),
        V::TooManyInformational => {
            repeated(Client, 17, &wire::headers(1, &[(":status", "103")], false))
        }
        V::DataBeforeHeaders => Bytes(Client, wire::data(1, b"x", false)),
        V::TrailersWithoutEndStream => Bytes(Server, wire::headers(1, &[("a", "b")], false)),
        _ => return None,
    })
}

fn abuse_and_silence(violation: Violation) -> Act {
    use Violation as V;
    match violation {
        V::PingFlood => repeated(Server, 1_500, &wire::ping([0; 8], false)),
        V::SettingsFlood => repeated(Server, 1_500, &wire::settings(&[])),
        V::ResetFlood => requests(1_500, |stream| {
            [
                wire::headers(stream, GET, true),
                wire::rst_stream(stream, 8),
            ]
            .concat()
        }),
        V::StreamErrorFlood => requests(1_500, |stream| wire::headers(stream, &GET[..3], true)),
        V::EmptyDataFlood => repeated(Server, 1_500, &wire::data(1, b"", false)),
        V::WindowUpdateFlood => repeated(Server, 1_500, &wire::window_update(1, 1)),
        V::PriorityFlood => repeated(Server, 1_500, &wire::frame(kind::PRIORITY, 0, 1, &[0; 5])),
        V::UnknownFrameFlood => repeated(Server, 1_500, &wire::frame(0xbe, 0, 1, b"")),
        V::GoAwayFlood => repeated(Client, 1_500, &wire::goaway(3, 0)),
        V::HeaderTotalTooLarge => totals(Server, GET, [5, 7]),
        V::HeaderTotalExceeded => totals(Client, &[(":status", "200")], [1, 3]),
        V::HandshakeTimeout => Dead(Server),
        V::SettingsTimeout => Silence(Server, Vec::new()),
        V::HeaderBlockTimeout => Silence(Server, wire::frame(kind::HEADERS, 0, 5, &[])),
        V::PingTimeout => Silence(Client, Vec::new()),
        V::StreamStalled => Stalled,
        V::WriteTimeout => Stuck(Server, wire::ping([0; 8], false)),
        other => panic!("nothing provokes {other:?}"),
    }
}

/// Two lists of which a connection keeps one.
fn totals(role: Role, head: &[(&str, &str)], streams: [u32; 2]) -> Act {
    let small = Config {
        header_bytes_total_max: 4_096,
        ..Config::default()
    };
    let long = "x".repeat(100);
    let large = [head, &[("a", &long[..]); 30]].concat();
    let messages = streams.map(|stream| wire::headers(stream, &large, true));
    Under(role, Box::new(small), messages.concat())
}

fn act(violation: Violation) -> Act {
    framing(violation)
        .or_else(|| blocks_and_settings(violation))
        .or_else(|| windows_and_streams(violation))
        .or_else(|| messages(violation))
        .unwrap_or_else(|| abuse_and_silence(violation))
}

/// An engine on which streams 1 and 3 are open.
fn busy(role: Role, config: Config, acknowledged: bool) -> End {
    let mut end = End::new(role, config);
    if role == Server {
        end.input(wire::PREFACE);
    }
    end.input(&wire::settings(&[]));
    end.output();
    if acknowledged {
        end.input(&wire::settings_ack());
    }
    if role == Server {
        end.input(&wire::headers(1, GET, false));
        end.input(&wire::headers(3, GET, true));
    } else {
        end.connection.open(post("/"), Then::More).unwrap();
        end.connection.open(get("/"), Then::End).unwrap();
        end.output();
    }
    end.take_events();
    end
}

/// A client whose CONNECT has been answered, and what it makes of these bytes.
fn tunnel(bytes: &[u8]) -> (End, Input) {
    let mut end = End::established(Client);
    let head = RequestHead::connect(b"test:443").finish();
    end.connection.open(head, Then::More).unwrap();
    end.connection.open(get("/"), Then::End).unwrap();
    end.output();
    end.input(&wire::headers(1, &[(":status", "200")], false));
    let input = end.input(bytes);
    (end, input)
}

fn run(violation: Violation) -> Option<(End, Input)> {
    Some(match act(violation) {
        Own => return None,
        Bytes(role, bytes) => {
            let mut end = busy(role, Config::default(), true);
            let input = end.input(&bytes);
            (end, input)
        }
        Under(role, config, bytes) => {
            let mut end = busy(role, *config, true);
            let input = end.input(&bytes);
            (end, input)
        }
        Raw(role, bytes) => {
            let mut end = End::new(role, Config::default());
            let input = end.input(&bytes);
            (end, input)
        }
        Silence(role, bytes) => {
            let mut end = busy(
                role,
                Config::default(),
                violation != Violation::SettingsTimeout,
            );
            end.input(&bytes);
            let input = end.wait_out();
            (end, input)
        }
        Stuck(role, bytes) => {
            let mut end = busy(role, Config::default(), true);
            end.input(&bytes);
            let mut out = Transmit::new();
            end.connection.poll_transmit(&mut out, end.now);
            end.connection.handle_transport_blocked(&out, end.now);
            let input = end.wait_out();
            (end, input)
        }
        Stalled => {
            let config = Config {
                keep_alive_interval: None,
                ..Config::default()
            };
            let mut end = End::new(Client, config);
            end.input(&wire::settings(&[(4, 1)]));
            end.output();
            end.input(&wire::settings_ack());
            let upload = end.connection.open(post("/"), Then::More).unwrap();
            end.connection.open(get("/"), Then::End).unwrap();
            let mut body = bytes::Bytes::from_static(b"more than one byte");
            end.connection
                .send_data(upload, &mut body, Then::End)
                .unwrap();
            end.output();
            end.take_events();
            for _ in 0..3 {
                end.now = end.connection.poll_timeout().unwrap();
                end.connection.handle_timeout(end.now);
            }
            let input = end.input(&[]);
            (end, input)
        }
        Tunnel(bytes) => tunnel(&bytes),
        Dead(role) => {
            let mut end = End::new(role, Config::default());
            let input = end.wait_out();
            (end, input)
        }
    })
}

#[test]
fn what_is_tolerated_from_a_peer_is_not_sent() {
    let mut end = busy(Server, Config::default(), true);
    end.input(&wire::headers(5, GET, true));
    let [Event::Request { stream, .. }] = end.take_events()[..] else {
        panic!("a request was sent")
    };
    let head = ResponseHead::new(204)
        .field(b"content-length", b"1")
        .finish();
    assert_eq!(
        end.connection.respond(stream, head, Then::End),
        Err(SendError::Malformed(Violation::ContentLengthForbidden))
    );
    assert!(end.output().is_empty(), "nothing went out");
}

#[test]
fn every_violation_is_answered_as_its_row_says() {
    for &violation in Violation::ALL {
        let Some((mut end, input)) = run(violation) else {
            continue;
        };
        let events = end.take_events();
        let frames = end.output_frames();
        let code = violation.error_code().to_u32();
        if violation.scope() == Scope::Connection {
            assert_eq!(input, Input::Closed, "{violation:?}");
            let error = end.connection.error().and_then(|error| error.violation);
            assert_eq!(error, Some(violation));
            let goaway = frames.last().unwrap_or_else(|| panic!("{violation:?}"));
            assert!(
                goaway.is(kind::GOAWAY, 0) && goaway.number(4) == code,
                "{violation:?}"
            );
            continue;
        }
        assert_eq!(
            end.connection.error(),
            None,
            "{violation:?} costs one stream"
        );
        let reset = frames.iter().find(|frame| frame.kind == kind::RST_STREAM);
        let reset = reset.unwrap_or_else(|| panic!("{violation:?}: {events:?}"));
        assert_eq!(reset.number(0), code, "{violation:?}");
        // A stream that the application knows of fails with the name; one that it does not, it never hears of.
        let named = events.iter().any(|event| {
            matches!(event, Event::Failed { error, .. } if error.violation == Some(violation))
        });
        assert_eq!(named, reset.stream <= 3, "{violation:?}: {events:?}");
        // The other stream goes on.
        let other = if reset.stream == 1 { 3 } else { 1 };
        assert!(!frames.iter().any(|frame| frame.is(kind::RST_STREAM, other)));
    }
}
