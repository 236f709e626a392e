//! What the engine is told to keep to.

use std::time::Duration;

use raddle_core::{Config, Role};

use crate::tape::Tape;

/// After how long a silence the engine asks, where it does.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long a server lets nobody use it.
pub(super) const IDLE: Duration = Duration::from_secs(300);
const IDLE_SHORT: Duration = Duration::from_secs(20);
/// What the window of the connection may grow to, where nothing else is said.
const PATH_MAX: u32 = 8 << 20;
/// A setting of the application's.
const EXTENSION: u16 = 0xff01;

/// What the engine was told to keep to.
#[derive(Debug)]
pub(super) struct Bounds {
    pub(super) events: usize,
    pub(super) output: usize,
    pub(super) keeps_alive: bool,
    /// Streams that are reset keep their places for a while.
    pub(super) keeps_places: bool,
    /// How long a server lets nobody use it.
    pub(super) idle: Duration,
    /// Frames without use that the engine lets pass at once, in a run that is a flood of them.
    pub(super) flood: Option<u32>,
    /// Fields of a list.
    pub(super) fields: u32,
    /// Requests that may wait.
    pub(super) queue: usize,
    /// Crumbs of cookies are joined.
    pub(super) joins: bool,
    /// Bytes of the lists that all streams have brought, beside small ones.
    pub(super) lists: usize,
    /// Streams at once, of the peer's.
    pub(super) streams: usize,
    /// The settings that the engine has to announce, or may leave out where they go without saying.
    pub(super) settings: Vec<(u16, u32)>,
}

pub(super) fn config(tape: &mut Tape) -> Config {
    Config {
        stream_window_bytes: tape.pick(&[65_535, 100, 1_000, 262_144]),
        concurrent_streams_assumed: tape.pick(&[100, 1, 3]),
        concurrent_streams_max: tape.pick(&[100, 3]),
        send_buffer_bytes: tape.pick(&[65_536, 500, 1_000]),
        header_list_bytes_max: 4_000,
        keep_alive_interval: None,
        enable_connect_protocol: tape.chance(1, 4),
        ..Config::default()
    }
}

/// What SETTINGS of such an end say, by the meaning of each (RFC 9113 §6.5.2, RFC 8441 §3).
pub(super) fn settings(config: &Config, role: Role) -> Vec<(u16, u32)> {
    let mut settings = vec![
        (1, config.header_table_bytes),
        (4, config.stream_window_bytes),
        (5, config.frame_size_max),
        (6, config.header_list_bytes_max),
    ];
    settings.push(match role {
        // Nobody takes a push.
        Role::Client => (2, 0),
        Role::Server => (3, config.concurrent_streams_max),
    });
    settings.extend(config.settings_more.first());
    if role == Role::Server {
        settings.push((8, u32::from(config.enable_connect_protocol)));
    }
    settings
}

/// Bounds that came later, from a lane of their own; and a burst that is so small that a run is nothing but one flood.
pub(super) fn bounds(tape: &mut Tape, config: Config) -> (Config, Option<u32>) {
    tape.lane("bounds");
    let bounded = Config {
        events_max: tape.pick(&[256, 256, 16]),
        output_bytes_max: tape.pick(&[65_536, 65_536, 1_000]),
        header_table_bytes: tape.pick(&[4_096, 4_096, 0, 64, 200, 8_192]),
        connection_window_bytes: tape.pick(&[1_048_576, 1_048_576, 65_535]),
        frame_size_max: tape.pick(&[16_384, 16_384, 16_384, 20_000]),
        idle_timeout: tape.pick(&[Some(IDLE), Some(IDLE), Some(IDLE_SHORT)]),
        header_fields_max: tape.pick(&[512, 512, 20]),
        keep_alive_interval: tape.pick(&[None, Some(KEEP_ALIVE)]),
        settings_more: match tape.chance(1, 4) {
            // The engine's own are not the application's to say.
            true => vec![(EXTENSION, 7), (4, 1), (3, 1)],
            false => Vec::new(),
        },
        header_bytes_total_max: tape.pick(&[1 << 20, 1 << 20, 6_000]),
        keep_reset_slots: !tape.chance(1, 3),
        join_cookies: !tape.chance(1, 4),
        open_queue_max: tape.pick(&[1_024, 1_024, 5]),
        ..config
    };
    let most = tape.lane("path").pick(&[PATH_MAX, PATH_MAX, 300_000, 0]);
    let bounded = Config {
        connection_window_bytes_max: most,
        ..bounded
    };
    tape.lane("bounds");
    let burst = tape.chance(1, 64).then(|| 1 + tape.size(200) as u32);
    let twin = tape.lane("twins").chance(1, 100);
    let burst = burst.or_else(|| twin.then(|| 1 + tape.size(60) as u32));
    tape.lane("setup");
    let bounded = Config {
        abuse_burst: burst.unwrap_or(bounded.abuse_burst),
        ..bounded
    };
    (bounded, burst)
}
