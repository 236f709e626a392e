//! What an end does of itself, and what its application announces of its own.

use std::time::Duration;

use raddle_core::Config;

use super::end::End;
use crate::{outcome::Fault, tape::Tape};

/// What an end does of itself beside that: how it treats cookies, and how far its windows follow the path.
pub(super) fn habits(tape: &mut Tape, config: Config) -> Config {
    Config {
        join_cookies: !tape.chance(1, 3),
        split_cookies: tape.chance(1, 3),
        connection_window_bytes_max: tape.pick(&[8 << 20, 0, 200_000]),
        keep_reset_slots: !tape.chance(1, 3),
        settings_more: match tape.chance(1, 4) {
            true => vec![(0xf001, 7), (4, 1)],
            false => Vec::new(),
        },
        ..config
    }
}

/// Bounds that came last, in half of the runs; none that an honest peer could meet with.
pub(super) fn bounds(tape: &mut Tape, config: Config) -> Config {
    if !tape.chance(1, 2) {
        return config;
    }
    Config {
        events_max: tape.pick(&[config.events_max, config.events_max, 8]),
        output_bytes_max: tape.pick(&[65_536, 1, 1_000, 20_000]),
        informational_max: tape.pick(&[16, 30, 255]),
        close_timeout: Duration::from_millis(tape.pick(&[1_000, 100, 10_000])),
        stall_timeout: tape
            .pick(&[Some(300), Some(3_600), None])
            .map(Duration::from_secs),
        forward_oddities: tape.chance(1, 3),
        settings_entries_max: tape.pick(&[32, 16]),
        answers_max: tape.pick(&[64, 100, 1_000]),
        ..config
    }
}

/// The largest window that there is (RFC 9113 §6.9.1).
const WINDOW_MAX: u32 = (1 << 31) - 1;

/// Windows as large as they may be, or a byte less, in some runs: for the streams, or for the connection, too.
pub(super) fn vast(tape: &mut Tape, config: Config) -> Config {
    if !tape.chance(1, 12) {
        return config;
    }
    let window = tape.pick(&[WINDOW_MAX, WINDOW_MAX - 1]);
    Config {
        stream_window_bytes: window,
        connection_window_bytes: tape.pick(&[window, config.connection_window_bytes]),
        ..config
    }
}

impl End {
    /// What its application has announced of its own: what the engine knows itself it leaves out.
    pub(super) fn settings_more(&self) -> Option<(u16, u32)> {
        self.config.settings_more.first().copied()
    }

    /// I-14: what an application's peer has announced is told.
    pub(super) fn knows_of(&self, said: &Option<(u16, u32)>) -> Result<(), Fault> {
        let &Some((id, value)) = said else {
            return Ok(());
        };
        let told = self.conn.peer_setting(id);
        if self.conn.stats().frames_received == 0 || told == Some(value) {
            return Ok(());
        }
        Err(Fault::run(format!(
            "I-14: setting {id:x} is {value}, and is told as {told:?}"
        )))
    }
}
