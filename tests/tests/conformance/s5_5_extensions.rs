//! RFC 9113 §5.5: what others may add.

use crate::*;

#[test]
fn unknown_settings_are_ignored_and_acknowledged() {
    for role in ROLES {
        let (mut hand, _) = open(role);
        hand.says(wire::settings(&[(0x77, u32::MAX), (0xf000, 0)]));
        assert_eq!(hand.end.output(), wire::settings_ack());
        hand.ignores();
    }
}

#[test]
fn unknown_error_codes_are_kept_and_end_the_stream_as_any_other() {
    let (mut hand, stream) = open(Role::Client);
    hand.says(wire::rst_stream(1, 0xdead));
    assert_eq!(hand.failure(stream).code, ErrorCode::from_u32(0xdead));
    hand.ignores();
}

#[test]
fn an_unknown_frame_inside_a_block_is_an_error() {
    let open = wire::frame(kind::HEADERS, 0, 3, b"");
    ends(
        Role::Server,
        [open, wire::frame(0xbe, 0, 3, b"")].concat(),
        Violation::ContinuationExpected,
    );
}

#[test]
fn frames_of_other_extensions_are_taken_by_both_roles() {
    for role in ROLES {
        let (mut hand, _) = open(role);
        // ALTSVC and ORIGIN, as their own documents write them.
        hand.says(wire::frame(0x0a, 0, 0, b"\x00\x04testh2=\":443\""));
        hand.says(wire::frame(0x0c, 0, 0, b"\x00\x0ahttps://a.b"));
        hand.ignores();
    }
}
