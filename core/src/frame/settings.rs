//! SETTINGS: parameters in order, each valid in itself (RFC 9113 §6.5).

use bytes::{Bytes, BytesMut};

use super::encode;
use super::{Flags, Kind, MAX_FRAME_SIZE_MAX, MAX_FRAME_SIZE_MIN};
use crate::config::WINDOW_MAX;
use crate::id::StreamId;
use crate::violation::Violation;
use crate::wire;

/// Length of one entry in bytes: 16 bits of identifier, 32 bits of value.
pub(crate) const ENTRY_LEN: usize = 6;

/// One parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Setting {
    /// Bytes of the HPACK table that the sender's decoder keeps.
    HeaderTableSize(u32),
    EnablePush(bool),
    MaxConcurrentStreams(u32),
    /// Bytes, at most 2^31-1.
    InitialWindowSize(u32),
    /// Bytes, 2^14 to 2^24-1.
    MaxFrameSize(u32),
    /// Bytes by the formula of RFC 9113 §10.5.1.
    MaxHeaderListSize(u32),
    /// RFC 8441 §3.
    EnableConnectProtocol(bool),
    /// RFC 9218 §2.1.
    NoRfc7540Priorities(bool),
    /// One that this engine does not know: identifier and value.
    Other(u16, u32),
}

impl Setting {
    /// Reads one entry.
    pub(crate) fn parse(id: u16, value: u32) -> Result<Self, Violation> {
        let switch = |fault| match value {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(fault),
        };
        Ok(match id {
            0x1 => Self::HeaderTableSize(value),
            // RFC 9113 §6.5.2: any value other than 0 or 1 MUST be treated as a PROTOCOL_ERROR.
            0x2 => Self::EnablePush(switch(Violation::SettingEnablePushInvalid)?),
            0x3 => Self::MaxConcurrentStreams(value),
            // RFC 9113 §6.5.2: values above 2^31-1 MUST be treated as a FLOW_CONTROL_ERROR.
            0x4 if value > WINDOW_MAX => {
                return Err(Violation::SettingInitialWindowTooLarge);
            }
            0x4 => Self::InitialWindowSize(value),
            // RFC 9113 §6.5.2: values outside the range MUST be treated as a PROTOCOL_ERROR.
            0x5 if !(MAX_FRAME_SIZE_MIN..=MAX_FRAME_SIZE_MAX).contains(&value) => {
                return Err(Violation::SettingMaxFrameSizeInvalid);
            }
            0x5 => Self::MaxFrameSize(value),
            0x6 => Self::MaxHeaderListSize(value),
            // RFC 8441 §3: the value MUST be 0 or 1.
            0x8 => Self::EnableConnectProtocol(switch(Violation::SettingConnectProtocolInvalid)?),
            // RFC 9218 §2.1: any other value than 0 or 1 MUST be treated as a PROTOCOL_ERROR.
            0x9 => Self::NoRfc7540Priorities(switch(Violation::SettingNoPrioritiesInvalid)?),
            // RFC 9113 §6.5.2: an unknown identifier MUST be ignored.
            _ => Self::Other(id, value),
        })
    }

    /// The identifier and the value on the wire.
    pub(crate) const fn to_wire(self) -> (u16, u32) {
        match self {
            Self::HeaderTableSize(value) => (0x1, value),
            Self::EnablePush(on) => (0x2, on as u32),
            Self::MaxConcurrentStreams(value) => (0x3, value),
            Self::InitialWindowSize(value) => (0x4, value),
            Self::MaxFrameSize(value) => (0x5, value),
            Self::MaxHeaderListSize(value) => (0x6, value),
            Self::EnableConnectProtocol(on) => (0x8, on as u32),
            Self::NoRfc7540Priorities(on) => (0x9, on as u32),
            Self::Other(id, value) => (id, value),
        }
    }
}

/// The payload of a SETTINGS frame, every entry checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SettingsFrame {
    entries: Bytes,
}

impl SettingsFrame {
    /// Checks a payload, whose length is a multiple of [`ENTRY_LEN`].
    ///
    /// # Errors
    /// The first entry whose value the peer must not send.
    pub(crate) fn parse(entries: Bytes) -> Result<Self, Violation> {
        debug_assert!(entries.len().is_multiple_of(ENTRY_LEN));
        for entry in entries.chunks_exact(ENTRY_LEN) {
            Setting::parse(wire::u16(entry), wire::u32(&entry[2..]))?;
        }
        Ok(Self { entries })
    }

    /// The parameters in the order sent, repetitions included (RFC 9113 §6.5.3).
    pub(crate) fn iter(&self) -> impl Iterator<Item = Setting> + '_ {
        // `parse` refused every entry that fails, so that none is left out here.
        self.entries
            .chunks_exact(ENTRY_LEN)
            .filter_map(|entry| Setting::parse(wire::u16(entry), wire::u32(&entry[2..])).ok())
    }
}

/// Appends a SETTINGS frame.
pub(crate) fn encode(out: &mut BytesMut, settings: &[Setting]) {
    let head = encode::head(
        Kind::Settings,
        Flags::NONE,
        StreamId::ZERO,
        settings.len() * ENTRY_LEN,
    );
    out.extend_from_slice(&head);
    for setting in settings {
        let (id, value) = setting.to_wire();
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// Appends the acknowledgement of a SETTINGS frame.
pub(crate) fn encode_ack(out: &mut BytesMut) {
    out.extend_from_slice(&encode::head(Kind::Settings, Flags::ACK, StreamId::ZERO, 0));
}
