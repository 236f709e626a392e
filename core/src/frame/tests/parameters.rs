//! SETTINGS.

use alloc::vec::Vec;

use bytes::BytesMut;

use super::super::*;
use super::{decode, raw};
use crate::violation::Violation;

// RFC 9113 §6.5.2, RFC 8441 §3 and RFC 9218 §2.1: the values that a setting may have.
#[test]
fn settings_are_checked_one_by_one() {
    use Setting as S;
    use Violation as V;
    let table: [(u16, u32, Result<S, V>); 21] = [
        (1, 0, Ok(S::HeaderTableSize(0))),
        (1, u32::MAX, Ok(S::HeaderTableSize(u32::MAX))),
        (2, 0, Ok(S::EnablePush(false))),
        (2, 1, Ok(S::EnablePush(true))),
        (2, 2, Err(V::SettingEnablePushInvalid)),
        (3, 0, Ok(S::MaxConcurrentStreams(0))),
        (4, 0x7fff_ffff, Ok(S::InitialWindowSize(0x7fff_ffff))),
        (4, 0x8000_0000, Err(V::SettingInitialWindowTooLarge)),
        (5, 16_383, Err(V::SettingMaxFrameSizeInvalid)),
        (5, 16_384, Ok(S::MaxFrameSize(16_384))),
        (5, 0xff_ffff, Ok(S::MaxFrameSize(0xff_ffff))),
        (5, 0x100_0000, Err(V::SettingMaxFrameSizeInvalid)),
        (6, u32::MAX, Ok(S::MaxHeaderListSize(u32::MAX))),
        (7, 1, Ok(S::Other(7, 1))),
        (8, 1, Ok(S::EnableConnectProtocol(true))),
        (8, 2, Err(V::SettingConnectProtocolInvalid)),
        (9, 0, Ok(S::NoRfc7540Priorities(false))),
        (9, 3, Err(V::SettingNoPrioritiesInvalid)),
        (0, 5, Ok(S::Other(0, 5))),
        (0x0a0a, 5, Ok(S::Other(0x0a0a, 5))),
        (0xffff, u32::MAX, Ok(S::Other(0xffff, u32::MAX))),
    ];
    for (id, value, want) in table {
        let payload = [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
        let got = match decode(&raw(0x4, 0, 0, &payload)).pop() {
            Some(Ok(Frame::Settings(frame))) => Ok(frame.iter().next().unwrap()),
            Some(Err((violation, _))) => Err(violation),
            other => panic!("{other:?}"),
        };
        assert_eq!(got, want, "setting {id} = {value}");
        if let Ok(setting) = want {
            assert_eq!(setting.to_wire(), (id, value));
        }
    }
}

// RFC 9113 §6.5.3: values are processed in the order they appear.
#[test]
fn settings_keep_order_and_repetitions() {
    let sent: Vec<Setting> = (0..32).map(Setting::InitialWindowSize).collect();
    let mut wire = BytesMut::new();
    settings::encode(&mut wire, &sent);
    let Some(Ok(Frame::Settings(frame))) = decode(&wire).pop() else {
        panic!("32 are allowed")
    };
    assert_eq!(frame.iter().collect::<Vec<_>>(), sent);
}
