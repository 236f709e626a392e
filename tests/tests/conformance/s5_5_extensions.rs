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

// RFC 9113 §5.5 and §6.5.2: settings that only the two applications know.
#[test]
fn settings_of_an_extension_go_out_and_come_in() {
    let config = Config {
        // The last one is the engine's own.
        settings_more: vec![(0x77, 7), (0xf000, u32::MAX), (4, 1)],
        ..Config::default()
    };
    for role in ROLES {
        let mut end = End::new(role, config.clone());
        let frames = end.output_frames();
        let entries: Vec<_> = frames[0].payload.chunks(6).map(<[u8]>::to_vec).collect();
        assert!(entries.contains(&vec![0, 0x77, 0, 0, 0, 7]));
        assert!(entries.contains(&vec![0xf0, 0, 255, 255, 255, 255]));
        assert!(!entries.contains(&vec![0, 4, 0, 0, 0, 1]));
        let mut hand = Hand::of(role);
        assert_eq!(hand.end.connection.peer_setting(0x77), None);
        hand.says(wire::settings(&[(0x77, 1), (0x78, 2), (3, 9)]));
        hand.says(wire::settings(&[(0x77, 5)]));
        let connection = &hand.end.connection;
        let told = [0x77, 0x78, 0x79, 3].map(|id| connection.peer_setting(id));
        assert_eq!(told, [Some(5), Some(2), None, None]);
        // However many there are, so many are kept.
        let many: Vec<_> = (0x100..0x120).map(|id| (id, 1)).collect();
        hand.says(wire::settings(&many));
        let kept = many
            .iter()
            .filter(|(id, _)| hand.end.connection.peer_setting(*id).is_some());
        assert_eq!(kept.count(), 14);
        hand.lives();
    }
}
