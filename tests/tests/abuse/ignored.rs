//! Frames that the protocol says to ignore.

use raddle_core::{Config, Role, Violation};
use raddle_tests::wire::{self, GET, kind};

use crate::victim::{BOUNDS, ROLES, Victim};

const MANY: usize = 1_000_000;
/// Tokens of a bucket.
const BURST: usize = 1_000;
/// Bytes of the sentence that a GOAWAY of ours carries.
const FAREWELL: usize = 128;

#[test]
pub(crate) fn v28_kinds_flags_and_settings_that_nobody_knows() {
    for role in ROLES {
        for kind in (0x0a..=0xff).filter(|kind| *kind != kind::PRIORITY_UPDATE) {
            for flags in [0, 0xff] {
                let (mut victim, _) = Victim::with_stream(role);
                for stream in [0, 1, 2, 99] {
                    assert!(victim.send(&wire::frame(kind, flags, stream, &[7; 300])));
                }
                assert_eq!(victim.peak.live, 0);
                assert_eq!(victim.stats().defences.unknown_frames, 4);
                victim.assert_alive(BOUNDS);
                // RFC 9113 §6.2: within a field section nothing else may come.
                let mut victim = Victim::new(Role::Server);
                victim.send(&wire::frame(kind::HEADERS, 0, 1, &[]));
                assert!(!victim.send(&wire::frame(kind, flags, 1, &[])));
                victim.assert_killed(Violation::ContinuationExpected, BOUNDS);
            }
        }
        let mut victim = Victim::new(role);
        for id in (0x0a..=u16::MAX).step_by(97) {
            assert!(victim.send(&wire::settings(&[(id, u32::MAX)])));
        }
        victim.assert_alive(BOUNDS);
    }
}

#[test]
pub(crate) fn v29_frames_that_are_ignored_keep_nothing() {
    for role in ROLES {
        let mut victim = Victim::new(role);
        let origin = wire::frame(0x0c, 0, 0, &[b'o'; 16_384]);
        assert_eq!(victim.flood(MANY, |_| origin.clone()), BURST);
        assert!(victim.peak.live <= FAREWELL);
        assert_eq!(victim.stats().defences.unknown_frames, BURST as u64 + 1);
        victim.assert_killed(Violation::UnknownFrameFlood, BOUNDS);
        let (mut victim, _) = Victim::with_stream(role);
        assert_eq!(victim.flood(MANY, |_| wire::goaway(1, 0)), BURST);
        assert_eq!(victim.stats().defences.goaways, BURST as u64 + 1);
        victim.assert_killed(Violation::GoAwayFlood, BOUNDS);
    }
    // Unknown frames of a client that asks for something are explained by its requests.
    let mut victim = Victim::under(Role::Server, Config::default());
    for n in 0..20_000u32 {
        assert!(victim.send(&wire::frame(0x0b + 0x1f, 0, 0, b"grease")));
        victim.send(&wire::headers(2 * n + 1, GET, true));
        victim.answer();
        victim.events.clear();
    }
    victim.assert_alive(BOUNDS);
}
