//! What the engine is told to keep to.

use std::time::Duration;

use raddle_core::{Config, Role};

use crate::tape::Tape;

/// After how long a silence the engine asks, where it does.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// How long a server lets nobody use it.
pub(super) const IDLE: Duration = Duration::from_secs(300);
const IDLE_SHORT: Duration = Duration::from_secs(20);
/// What the window of the connection may grow to, where nothing else is said.
const PATH_MAX: u32 = 8 << 20;
/// The longest frame that everybody takes.
const FRAME: u32 = 16_384;
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
    /// Bytes of one list.
    pub(super) list_bytes: u32,
    /// Bytes of the lists that all streams have brought, beside small ones.
    pub(super) lists: usize,
    /// Streams at once, of the peer's.
    pub(super) streams: usize,
    /// The settings that the engine has to announce, or may leave out where they go without saying.
    pub(super) settings: Vec<(u16, u32)>,
    /// Interim responses of one stream.
    pub(super) interims: u8,
    /// What has to be told and sent although it is odd (RFC 9113 §8).
    pub(super) odd: bool,
    /// Entries of one SETTINGS frame, and frames of a header block beyond those that the longest list needs.
    pub(super) entries: u32,
    pub(super) continuations: u32,
    /// Frames without use that are let pass again in each second.
    pub(super) refill: u32,
    pub(super) times: Times,
}

/// How long things may take, in nanoseconds.
#[derive(Debug)]
pub(super) struct Times {
    /// SETTINGS and their acknowledgement.
    pub(super) settings: u64,
    pub(super) block: u64,
    /// The answer to a PING.
    pub(super) answer: u64,
    /// From one PING to the next where they bring nothing.
    pub(super) quiet: u64,
    /// 1 KiB of the output, before the end and behind it.
    pub(super) write: u64,
    pub(super) close: u64,
    /// 1 KiB of a stream that windows hold back; `None` where nobody minds.
    pub(super) stall: Option<u64>,
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Times {
    fn new(config: &Config) -> Self {
        Self {
            settings: nanos(config.settings_timeout),
            block: nanos(config.header_block_timeout),
            answer: nanos(config.keep_alive_timeout),
            quiet: nanos(config.keep_alive_quiet_interval),
            write: nanos(config.write_timeout),
            close: nanos(config.close_timeout),
            stall: config.stall_timeout.map(nanos),
        }
    }
}

impl Bounds {
    pub(super) fn new(config: &Config, role: Role, flood: Option<u32>) -> Self {
        Self {
            events: config.events_max,
            output: config.output_bytes_max,
            keeps_alive: config.keep_alive_interval.is_some(),
            keeps_places: config.keep_alive_interval.is_some() && config.keep_reset_slots,
            idle: config.idle_timeout.unwrap_or(IDLE),
            flood,
            fields: config.header_fields_max,
            queue: config.open_queue_max,
            joins: config.join_cookies,
            list_bytes: config.header_list_bytes_max,
            lists: config.header_bytes_total_max,
            streams: config.concurrent_streams_max as usize,
            settings: settings(config, role),
            interims: config.informational_max,
            odd: config.forward_oddities,
            entries: config.settings_entries_max,
            continuations: config.header_list_bytes_max / FRAME + config.continuations_spare,
            refill: config.abuse_refill_per_second,
            times: Times::new(config),
        }
    }
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
    let twin = tape.lane("twins").chance(1, 60);
    let burst = burst.or_else(|| twin.then(|| 1 + tape.size(60) as u32));
    tape.lane("setup");
    let bounded = Config {
        abuse_burst: burst.unwrap_or(bounded.abuse_burst),
        ..bounded
    };
    let bounded = options(tape.lane("options"), bounded, burst.is_some());
    tape.lane("setup");
    (bounded, burst)
}

/// What came last, in half of the runs: nothing that is written down about an engine holds for the usual numbers alone.
fn options(tape: &mut Tape, config: Config, flood: bool) -> Config {
    if !tape.chance(1, 2) {
        return config;
    }
    let seconds = Duration::from_secs;
    Config {
        forward_oddities: tape.chance(1, 4),
        informational_max: tape.pick(&[16, 16, 3, 1, 0, 255]),
        stall_timeout: tape
            .pick(&[Some(300), Some(200), Some(900), None])
            .map(seconds),
        close_timeout: Duration::from_millis(tape.pick(&[1_000, 200, 5_000])),
        write_timeout: seconds(tape.pick(&[30, 12, 60])),
        header_block_timeout: seconds(tape.pick(&[5, 2, 20])),
        settings_timeout: seconds(tape.pick(&[10, 3, 30])),
        keep_alive_timeout: seconds(tape.pick(&[10, 10, 20])),
        keep_alive_quiet_interval: seconds(tape.pick(&[300, 300, 150])),
        settings_entries_max: tape.pick(&[32, 16, 100]),
        continuations_spare: tape.pick(&[8, 5, 20]),
        header_list_bytes_max: tape.pick(&[4_000, 6_000]),
        split_cookies: tape.chance(1, 3),
        abuse_refill_per_second: match flood {
            true => tape.pick(&[33, 1, 5, 300]),
            false => config.abuse_refill_per_second,
        },
        ..config
    }
}
