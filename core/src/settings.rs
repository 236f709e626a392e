//! Both sides' SETTINGS: what the peer told us, and what we told the peer and it has acknowledged (RFC 9113 §6.5).

use alloc::vec::Vec;

use crate::{
    config::{Config, WINDOW_INITIAL},
    frame::{self, Setting, SettingsFrame},
    id::Role,
    planted::{Planted, Plants},
    violation::Violation,
};

/// Settings of the peer's that are kept although nothing here knows them. As many are registered.
const UNKNOWN_MAX: usize = 16;
/// The table size that HPACK starts with on both sides (RFC 7541 §4.2, RFC 9113 §6.5.2).
const TABLE_INITIAL: u32 = 4_096;

/// The peer's settings as they stand.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    pub(crate) header_table_size: u32,
    /// `None` until the peer sets a limit: RFC 9113 §6.5.2 starts without one.
    pub(crate) concurrent_streams: Option<u32>,
    pub(crate) initial_window: u32,
    pub(crate) frame_size: u32,
    /// `u32::MAX` while the peer names no limit.
    pub(crate) header_list_size: u32,
    pub(crate) connect_protocol: bool,
    /// Whether the peer goes by RFC 9218 alone; `None` before its first SETTINGS.
    pub(crate) no_rfc7540_priorities: Option<bool>,
    /// Whether the peer's first SETTINGS has arrived.
    pub(crate) received: bool,
    acks_due: u32,
    /// Those that the engine does not know, by identifier and value.
    unknown: Vec<(u16, u32)>,
    pub(crate) plants: Plants,
}

impl Default for Remote {
    fn default() -> Self {
        Self {
            header_table_size: TABLE_INITIAL,
            concurrent_streams: None,
            initial_window: WINDOW_INITIAL,
            frame_size: frame::MAX_FRAME_SIZE_MIN,
            header_list_size: u32::MAX,
            connect_protocol: false,
            no_rfc7540_priorities: None,
            received: false,
            acks_due: 0,
            unknown: Vec::new(),
            plants: Plants::default(),
        }
    }
}

impl Remote {
    /// Applies a SETTINGS frame, each entry in order, and owes its acknowledgement (RFC 9113 §6.5.3), of which at most
    /// `acks_max` may be owed and not cut.
    pub(crate) fn apply(
        &mut self,
        settings: &SettingsFrame,
        peer: Role,
        acks_max: usize,
    ) -> Result<(), Violation> {
        let first = !core::mem::replace(&mut self.received, true);
        for setting in settings.iter() {
            match setting {
                Setting::HeaderTableSize(bytes) => self.header_table_size = bytes,
                // RFC 9113 §6.5.2: a server MUST NOT set it to 1. Elsewhere it means nothing to us: we never push.
                Setting::EnablePush(true) if peer == Role::Server => {
                    return Err(Violation::SettingEnablePushByServer);
                }
                Setting::EnablePush(_) => {}
                Setting::MaxConcurrentStreams(count) => self.concurrent_streams = Some(count),
                Setting::InitialWindowSize(bytes) => self.initial_window = bytes,
                Setting::MaxFrameSize(bytes) => self.frame_size = bytes,
                Setting::MaxHeaderListSize(bytes) if self.plants.has(Planted::ListLimitStays) => {
                    self.header_list_size = bytes.min(self.header_list_size);
                }
                Setting::MaxHeaderListSize(bytes) => self.header_list_size = bytes,
                // RFC 8441 §3: a sender MUST NOT go back from 1 to 0.
                Setting::EnableConnectProtocol(false) if self.connect_protocol => {
                    return Err(Violation::SettingConnectProtocolWithdrawn);
                }
                Setting::EnableConnectProtocol(on) => self.connect_protocol = on,
                Setting::NoRfc7540Priorities(on) => {
                    // RFC 9218 §2.1: the value MUST NOT change after the first SETTINGS frame, and is 0 when absent.
                    if !first && self.no_rfc7540_priorities != Some(on) {
                        return Err(Violation::SettingNoPrioritiesChanged);
                    }
                    self.no_rfc7540_priorities = Some(on);
                }
                Setting::Other(id, value) => self.keep(id, value),
            }
        }
        if first {
            self.no_rfc7540_priorities.get_or_insert(false);
        }
        if self.acks_due as usize >= acks_max && !self.plants.has(Planted::AnswersUnbounded) {
            return Err(Violation::SettingsFlood);
        }
        self.acks_due += u32::from(!(self.plants.has(Planted::AcksMerged) && self.acks_due > 0));
        Ok(())
    }

    /// Keeps a setting for whoever knows it.
    fn keep(&mut self, id: u16, value: u32) {
        if let Some((_, old)) = self.unknown.iter_mut().find(|(other, _)| *other == id) {
            *old = value;
        } else if self.unknown.len() < UNKNOWN_MAX {
            self.unknown.push((id, value));
        }
    }

    /// The value of a setting that the engine does not know.
    pub(crate) fn unknown(&self, id: u16) -> Option<u32> {
        let found = self.unknown.iter().find(|(other, _)| *other == id)?;
        Some(found.1)
    }

    /// Bytes of memory allocated.
    pub(crate) fn memory_footprint(&self) -> usize {
        self.unknown.capacity() * size_of::<(u16, u32)>()
    }

    /// Acknowledgements that are due.
    pub(crate) fn acks_due(&self) -> u32 {
        self.acks_due
    }

    /// Whether an acknowledgement is due.
    pub(crate) fn owes_ack(&self) -> bool {
        self.acks_due > 0
    }

    /// Takes one acknowledgement that is due.
    pub(crate) fn take_ack(&mut self) -> bool {
        let due = self.acks_due > 0;
        self.acks_due -= u32::from(due);
        due
    }
}

/// Our settings: sent once, at the start, and in force once the peer has acknowledged them.
#[derive(Debug, Default)]
pub(crate) struct Local {
    sent: bool,
    acked: bool,
}

impl Local {
    /// What we announce. Defaults of the protocol are left out.
    pub(crate) fn announce(config: &Config, role: Role) -> impl Iterator<Item = Setting> {
        let client = role == Role::Client;
        let table = config.header_table_bytes;
        let more = config.settings_more.iter().take(UNKNOWN_MAX);
        let more = more
            .map(|&(id, value)| Setting::Other(id, value))
            // Those that the engine knows are its own to announce.
            .filter(|more| {
                let (id, value) = more.to_wire();
                Setting::parse(id, value) == Ok(*more)
            });
        [
            (table != TABLE_INITIAL).then_some(Setting::HeaderTableSize(table)),
            client.then_some(Setting::EnablePush(false)),
            (!client).then_some(Setting::MaxConcurrentStreams(config.concurrent_streams_max)),
            (config.stream_window_bytes != WINDOW_INITIAL)
                .then_some(Setting::InitialWindowSize(config.stream_window_bytes)),
            (config.frame_size_max != frame::MAX_FRAME_SIZE_MIN)
                .then_some(Setting::MaxFrameSize(config.frame_size_max)),
            Some(Setting::MaxHeaderListSize(config.header_list_bytes_max)),
            (!client && config.enable_connect_protocol)
                .then_some(Setting::EnableConnectProtocol(true)),
            // RFC 9218 §2.1: the tree of RFC 7540 is nothing that we go by, or send.
            Some(Setting::NoRfc7540Priorities(true)),
        ]
        .into_iter()
        .flatten()
        .chain(more)
    }

    /// The receive window of a stream while the peer may not have seen our SETTINGS: the larger of what it starts with
    /// and what we announce, so that neither order of events overruns it (RFC 9113 §6.9.3).
    pub(crate) fn unacked_window(config: &Config) -> u32 {
        config.stream_window_bytes.max(WINDOW_INITIAL)
    }

    /// Whether they still have to be sent; from now on they are.
    pub(crate) fn take_unsent(&mut self) -> bool {
        !core::mem::replace(&mut self.sent, true)
    }

    /// Whether the peer is known to follow them.
    pub(crate) fn acked(&self) -> bool {
        self.acked
    }

    /// Notes the peer's acknowledgement; `false` when nothing is to be acknowledged.
    pub(crate) fn acknowledged(&mut self) -> bool {
        let awaited = self.sent && !self.acked;
        self.acked |= awaited;
        awaited
    }
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};

    use super::*;

    /// The peer's settings after each of these frames.
    fn applied(peer: Role, frames: &[&[Setting]]) -> Result<Remote, Violation> {
        let mut remote = Remote::default();
        for settings in frames {
            let mut frame = BytesMut::new();
            frame::settings::encode(&mut frame, settings);
            let payload = Bytes::copy_from_slice(&frame[frame::HEAD_LEN..]);
            remote.apply(&SettingsFrame::parse(payload)?, peer, 64)?;
        }
        Ok(remote)
    }

    // RFC 9113 §6.5.2.
    #[test]
    fn only_a_server_must_not_enable_push() {
        let push: &[&[Setting]] = &[&[Setting::EnablePush(true)]];
        assert!(applied(Role::Client, push).is_ok());
        assert_eq!(
            applied(Role::Server, push).err(),
            Some(Violation::SettingEnablePushByServer)
        );
        assert!(applied(Role::Server, &[&[Setting::EnablePush(false)]]).is_ok());
    }

    // RFC 8441 §3.
    #[test]
    fn connect_is_enabled_for_good() {
        let [off, on] = [false, true].map(Setting::EnableConnectProtocol);
        let remote = applied(Role::Server, &[&[off], &[on], &[on]]);
        assert!(remote.is_ok_and(|remote| remote.connect_protocol));
        assert_eq!(
            applied(Role::Server, &[&[on, off]]).err(),
            Some(Violation::SettingConnectProtocolWithdrawn)
        );
    }

    // RFC 9218 §2.1.
    #[test]
    fn priorities_are_chosen_in_the_first_frame() {
        let [off, on] = [false, true].map(Setting::NoRfc7540Priorities);
        assert!(applied(Role::Client, &[&[on], &[on], &[]]).is_ok());
        assert!(applied(Role::Client, &[&[], &[off]]).is_ok());
        for changed in [
            &[&[on][..], &[off]],
            &[&[off][..], &[on]],
            &[&[][..], &[on]],
        ] {
            assert_eq!(
                applied(Role::Client, changed).err(),
                Some(Violation::SettingNoPrioritiesChanged)
            );
        }
    }

    #[test]
    fn each_frame_is_acknowledged_and_so_many_may_wait() {
        let mut remote = applied(Role::Client, &[&[][..]; 64]).unwrap();
        assert_eq!(remote.acks_due(), 64);
        let many = applied(Role::Client, &[&[][..]; 65]);
        assert_eq!(many.err(), Some(Violation::SettingsFlood));
        assert!((0..64).all(|_| remote.take_ack()));
        assert!(!remote.take_ack() && !remote.owes_ack());
    }

    // RFC 9113 §6.5.3.
    #[test]
    fn ours_hold_when_they_are_acknowledged_once_they_are_sent() {
        let mut local = Local::default();
        assert!(!local.acknowledged(), "of what?");
        assert!(local.take_unsent() && !local.take_unsent());
        assert!(!local.acked());
        assert!(local.acknowledged() && local.acked());
        assert!(!local.acknowledged() && local.acked());
        let window = |bytes| {
            Local::unacked_window(&Config {
                stream_window_bytes: bytes,
                ..Config::default()
            })
        };
        assert_eq!([window(10), window(70_000)], [65_535, 70_000]);
    }
}
