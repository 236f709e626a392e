//! RFC 9113 §4.2: how long a frame may be.

use crate::*;

#[test]
fn a_frame_of_the_largest_size_is_taken_and_one_byte_more_is_not() {
    let (mut hand, _) = open(Role::Server);
    hand.says(wire::data(1, &[0; 16_384], false));
    assert_eq!(body_bytes(&hand.events()), 16_384);
    ends(
        Role::Server,
        wire::data(1, &[0; 16_385], false),
        Violation::FrameTooLarge,
    );
}

#[test]
fn a_frame_that_is_too_large_is_refused_by_its_head_alone() {
    for kind in [
        kind::DATA,
        kind::HEADERS,
        kind::SETTINGS,
        kind::GOAWAY,
        0xbe,
    ] {
        let head = &wire::frame(kind, 0, 1, &[0; 16_385])[..9];
        ends(Role::Client, head, Violation::FrameTooLarge);
    }
}

#[test]
fn we_accept_as_much_as_we_announce() {
    let config = Config {
        frame_size_max: 20_000,
        ..Config::default()
    };
    let mut hand = Hand::under(Role::Server, config);
    hand.request(1, Then::More);
    hand.says(wire::data(1, &[0; 20_000], false));
    assert_eq!(body_bytes(&hand.events()), 20_000);
    hand.says(wire::data(1, &[0; 20_001], false));
    hand.ends_with(Violation::FrameTooLarge);
}

#[test]
fn frames_of_ours_keep_to_the_peers_size() {
    let (mut hand, stream) = open(Role::Client);
    hand.send(stream, &[7; 40_000], Then::More);
    assert_eq!(data_lengths(&hand.frames(), 1), [16_384, 16_384, 7_232]);
    // A header block, too: the rest of it goes into CONTINUATION.
    let long = "x".repeat(20_000);
    let head = RequestHead::new(b"GET", b"http", Some(b"test"), b"/")
        .field(b"x-long", long.as_bytes())
        .finish();
    hand.end.connection.open(head, Then::End).unwrap();
    let frames = hand.frames();
    let kinds: Vec<_> = frames.iter().map(|frame| frame.kind).collect();
    assert_eq!(kinds, [kind::HEADERS, kind::CONTINUATION]);
    assert!(frames.iter().all(|frame| frame.payload.len() <= 16_384));
    // END_STREAM stands in HEADERS, END_HEADERS in the last frame.
    assert_eq!(
        (frames[0].flags, frames[1].flags),
        (flag::END_STREAM, flag::END_HEADERS)
    );
}

#[test]
fn frames_with_a_wrong_length_are_size_errors() {
    use Violation as V;
    for (kind, stream, len, violation) in [
        (kind::RST_STREAM, 1, 3, V::RstStreamFrameSize),
        (kind::RST_STREAM, 1, 5, V::RstStreamFrameSize),
        (kind::PING, 0, 7, V::PingFrameSize),
        (kind::PING, 0, 9, V::PingFrameSize),
        (kind::GOAWAY, 0, 7, V::GoAwayFrameSize),
        (kind::WINDOW_UPDATE, 0, 3, V::WindowUpdateFrameSize),
        (kind::WINDOW_UPDATE, 1, 5, V::WindowUpdateFrameSize),
        (kind::SETTINGS, 0, 5, V::SettingsFrameSize),
    ] {
        for role in ROLES {
            ends(role, wire::frame(kind, 0, stream, &vec![0; len]), violation);
        }
    }
    ends(
        Role::Server,
        wire::frame(kind::DATA, flag::PADDED, 1, b""),
        V::DataFrameSize,
    );
    ends(
        Role::Server,
        wire::frame(kind::HEADERS, flag::PRIORITY, 3, &[0; 4]),
        V::HeadersFrameSize,
    );
}
