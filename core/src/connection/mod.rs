//! One HTTP/2 connection: the parts, who owns them, and what can be asked of them.

mod agreed;
mod answers;
mod commands;
mod data;
mod deadlines;
mod defences;
mod explain;
mod footprint;
mod half;
mod headers;
mod invariants;
mod lifecycle;
mod outputs;
mod priorities;
mod receive;
mod ring;
mod slots;
mod target;
#[cfg(test)]
mod tests;
mod transmit;

use alloc::boxed::Box;

pub use explain::Waiting;
pub use footprint::{Gauges, MemoryFootprint};
#[doc(hidden)]
pub use invariants::{Audit, StreamAudit};
pub use lifecycle::{Lifecycle, TransportEnd};
pub use receive::Input;

use crate::{
    config::{Config, WINDOW_INITIAL},
    error::{ConnectionError, GoAway},
    flow::{Inbound, Outbound, Probe},
    frame,
    head::{BlockEncoder, BlockSink, KnownBlocks, Oddities},
    id::{ErrorCode, Role, StreamHandle, StreamId},
    limits::Buckets,
    ping::Pings,
    planted::Plants,
    priority::Priority,
    rare::Rare,
    settings::{Local, Remote},
    stats::Stats,
    streams::Streams,
    time::{NEVER, Timer, Timers, Timestamp},
};

/// The most events that one frame puts into the ring. Input is not read on while fewer places are free.
const EVENTS_SPARE: usize = 4;

/// One end of an HTTP/2 connection, without a socket, a clock or a task.
///
/// Inputs are [`handle_input`](Self::handle_input), [`handle_timeout`](Self::handle_timeout),
/// [`handle_transport_blocked`](Self::handle_transport_blocked),
/// [`handle_transport_unflushed`](Self::handle_transport_unflushed),
/// [`handle_transport_flushed`](Self::handle_transport_flushed), [`handle_output_lost`](Self::handle_output_lost) and
/// [`handle_transport_end`](Self::handle_transport_end); they never fail, because what goes wrong comes out as an event
/// in its place. Commands are plain verbs: [`open`](Self::open), [`inform`](Self::inform), [`respond`](Self::respond),
/// [`send_data`](Self::send_data), [`send_trailers`](Self::send_trailers), [`release`](Self::release),
/// [`discard`](Self::discard), [`set_receive_window`](Self::set_receive_window), [`reset`](Self::reset),
/// [`keep_place`](Self::keep_place), [`free_place`](Self::free_place),
/// [`prioritize`](Self::prioritize), [`ping`](Self::ping), [`drain`](Self::drain) and [`close`](Self::close). After any
/// of these poll the outputs, in this order, each until it has nothing more: [`poll_event`](Self::poll_event),
/// [`poll_transmit`](Self::poll_transmit),
/// [`poll_timeout`](Self::poll_timeout). Polling a transmit may make new events, and never needs new input.
///
/// One [`Transmit`](crate::Transmit) serves a connection for its life: what it has taken in all is what deadlines for writing
/// are judged by. After `handle_transport_blocked`, `poll_transmit` is to be called once more when everything is written,
/// also when there is nothing to append: only it ends the deadline that began then.
///
/// Every [`StreamHandle`] ends with exactly one of [`Event::Finished`](crate::Event::Finished) and
/// [`Event::Failed`](crate::Event::Failed). Bytes handed out in [`Event::Data`](crate::Event::Data) take credit of the
/// stream and of the connection until they are given back by `release` or `discard`, also after the end of the stream.
#[derive(Debug)]
pub struct Connection {
    role: Role,
    config: Config,
    lifecycle: Lifecycle,
    /// Why the connection ended, or is about to: the peer's GOAWAY may say so first, and what ends it replaces that.
    error: Option<ConnectionError>,
    /// Whether this side has begun to drain.
    drains: bool,
    /// `Closed` is to be told, after everything else.
    closed_due: bool,
    /// The client has ended its half of the transport, and what it asked for in full is answered still.
    input_ended: bool,

    decoder: frame::Decoder,
    /// Bytes of the client's preface that are still to come, on a server.
    preface_left: u8,
    hpack_in: raddle_hpack::Decoder,
    block: Option<headers::Block>,
    sink: BlockSink,

    known: KnownBlocks,
    hpack_out: BlockEncoder,
    output: Output,

    streams: Streams,
    /// Priorities of streams that the peer has not opened yet.
    early: Rare<(StreamId, Priority)>,
    /// The identifier of the next stream that we open; `None` when they are used up.
    next_id: Option<StreamId>,
    /// The highest stream that the peer opened.
    last_peer_id: StreamId,
    /// What the peer's GOAWAY frames have said.
    peer_goaway: Option<Box<GoAway>>,
    /// The first of the streams whose heads will never be written.
    unsent_from: Option<StreamId>,
    /// The last stream of the GOAWAY that we sent or will send.
    our_goaway: Option<StreamId>,

    credit: Inbound,
    probe: Probe,
    window: Outbound,
    local: Local,
    remote: Remote,
    pings: Pings,
    held: slots::Held,
    buckets: Buckets,
    timers: Timers,
    /// When the peer was last heard of.
    last_input: Timestamp,
    /// Bytes that were read since the deadline for the acknowledgement of our SETTINGS was last set.
    read_unacked: u32,
    /// How far that deadline moves at most.
    ack_latest: Timestamp,
    /// Bytes of a frame's beginning that were left in the input.
    unfinished: u32,
    /// Whether a silence has led to a PING, and nothing at all has come since.
    suspect: bool,
    /// How far the transport had come when a deadline for writing was last set.
    written: u64,
    /// Where the last PING of ours ends in the output, counted as `written`.
    ping_end: u64,
    /// When the PING of a drain was cut; never, before that.
    drain_asked: Timestamp,
    /// Since when there has been no stream.
    idle_since: Option<Timestamp>,
    /// PINGs for liveness since the peer's last HEADERS or DATA.
    quiet_pings: u8,
    /// Streams that had been opened when `Timer::Tidy` was set.
    opened_before_tidy: u32,

    events: ring::Ring,
    /// Frames that may still come on streams that we have reset.
    late_frames: u32,
    /// Answers that the peer's limit forbade, and that are not charged yet.
    unanswerable: u32,
    /// Whether `openable` was zero when it was last looked at.
    starved: bool,
    plants: Plants,
    stats: Stats,
}

/// Output that belongs to no stream of the table.
#[derive(Debug, Default)]
struct Output {
    preface_sent: bool,
    /// The transport keeps some of what it has taken.
    unflushed: bool,
    /// RST_STREAM frames for streams that never got into the table, or have left it.
    refusals: Rare<(StreamId, ErrorCode)>,
    goaway: Option<Box<GoAway>>,
}

/// What of a frame is judged from its head.
fn frame_limits(config: &Config) -> frame::Limits {
    frame::Limits {
        max_frame_size: config.frame_size_max,
        header_list_bytes_max: config.header_list_bytes_max,
        continuations_spare: config.continuations_spare,
        settings_entries_max: config.settings_entries_max,
    }
}

impl Connection {
    /// A connection whose transport has just been opened, at the moment `now`.
    #[must_use]
    pub fn new(role: Role, config: Config, now: Timestamp) -> Self {
        let config = config.clamped();
        let mut timers = Timers::default();
        timers.set(Timer::Handshake, now.after(config.settings_timeout));
        Self {
            role,
            lifecycle: Lifecycle::Handshake,
            error: None,
            drains: false,
            closed_due: false,
            input_ended: false,
            decoder: frame::Decoder::new(frame_limits(&config)),
            preface_left: match role {
                Role::Server => frame::PREFACE.len() as u8,
                Role::Client => 0,
            },
            hpack_in: Self::hpack_decoder(&config),
            block: None,
            sink: BlockSink::new(Oddities::of(&config)),
            known: KnownBlocks::default(),
            hpack_out: BlockEncoder::new(config.header_table_bytes),
            output: Output::default(),
            streams: Streams::new(WINDOW_INITIAL),
            early: Rare::default(),
            next_id: (role == Role::Client).then_some(StreamId::from_u32(1)),
            last_peer_id: StreamId::ZERO,
            peer_goaway: None,
            unsent_from: None,
            our_goaway: None,
            credit: Inbound::new(WINDOW_INITIAL, config.connection_window_bytes),
            probe: Probe::new(
                config.stream_window_bytes,
                config.connection_window_bytes,
                config.connection_window_bytes_max,
                now,
            ),
            window: Outbound::default(),
            local: Local::default(),
            remote: Remote::default(),
            pings: Pings::default(),
            held: slots::Held::default(),
            buckets: Buckets::new(config.abuse_burst, config.abuse_refill_per_second, now),
            timers,
            last_input: now,
            read_unacked: 0,
            ack_latest: NEVER,
            unfinished: 0,
            suspect: false,
            written: 0,
            ping_end: 0,
            drain_asked: NEVER,
            idle_since: None,
            quiet_pings: 0,
            opened_before_tidy: 0,
            events: ring::Ring::default(),
            late_frames: 0,
            unanswerable: 0,
            starved: false,
            plants: Plants::default(),
            stats: Stats::default(),
            config,
        }
    }

    fn hpack_decoder(config: &Config) -> raddle_hpack::Decoder {
        raddle_hpack::Decoder::new(raddle_hpack::DecoderConfig {
            // RFC 7541 §4.2: what the peer may use before it has acknowledged our SETTINGS.
            table_size_max: config.header_table_bytes.max(4_096),
            list_size_max: config.header_list_bytes_max,
            fields_max: config.header_fields_max,
            string_len_max: config.header_list_bytes_max,
        })
    }

    /// Which end this is.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// How far the connection has come.
    #[must_use]
    pub fn lifecycle(&self) -> Lifecycle {
        self.lifecycle
    }

    /// Why the connection ended; `None` after a drain that completed. While it lives, and drains, it is the reason that the
    /// peer's GOAWAY gave, if that was a fault. What ends the connection then replaces it.
    #[must_use]
    pub fn error(&self) -> Option<ConnectionError> {
        self.error
    }

    /// What the peer said in its GOAWAY, if it has sent one. Of several it is the lowest last stream, beside what the
    /// first one said that names a fault, or else the last.
    #[must_use]
    pub fn peer_goaway(&self) -> Option<&GoAway> {
        self.peer_goaway.as_deref()
    }

    /// Whether the peer takes an extended CONNECT (RFC 8441 §3), which [`open`](Self::open) is otherwise refused for; `None`
    /// before its first SETTINGS have arrived. A peer that takes them goes on to.
    #[must_use]
    pub fn takes_extended_connect(&self) -> Option<bool> {
        let remote = &self.remote;
        remote.received.then_some(remote.connect_protocol)
    }

    /// The identifier of a stream; `None` before it has one, and after the stream is gone.
    #[must_use]
    pub fn stream_id(&self, stream: StreamHandle) -> Option<StreamId> {
        self.streams
            .get(stream)
            .filter(|stream| stream.is_bound())
            .map(|stream| stream.id)
    }

    /// How many more requests [`open`](Self::open) would take that need not wait for another stream to end. 0 while a
    /// silent peer has not answered the PING of [`Config::keep_alive_interval`], and always on a server. Never more than
    /// [`Config::open_queue_max`] has room for: requests get their identifiers in [`poll_transmit`](Self::poll_transmit).
    #[must_use]
    pub fn openable(&self) -> usize {
        if !self.takes_requests() || self.suspect {
            return 0;
        }
        let waiting = self.streams.waiting();
        let places = self.concurrent_streams();
        places
            .saturating_sub(self.slots_taken() + waiting)
            .min(self.config.open_queue_max.saturating_sub(waiting))
    }

    /// Requests that were opened and have not got their identifier yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.streams.waiting()
    }

    /// Bytes that [`send_data`](Self::send_data) would take now.
    #[must_use]
    pub fn writable(&self, stream: StreamHandle) -> usize {
        let stream = self
            .streams
            .get(stream)
            .filter(|stream| stream.send.takes_parts());
        stream.map_or(0, |stream| stream.send.room())
    }

    /// What the connection's receive window is meant to be, in bytes: it follows the path between
    /// [`Config::connection_window_bytes`] and [`Config::connection_window_bytes_max`].
    #[must_use]
    pub fn receive_window(&self) -> u32 {
        self.probe.window()
    }

    /// The value of a setting of the peer's that the engine does not know, for an extension of the application's; the last
    /// one where it was sent repeatedly, and `None` for those that the engine knows. The first 16 are kept.
    #[must_use]
    pub fn peer_setting(&self, id: u16) -> Option<u32> {
        self.remote.unknown(id)
    }

    /// What has happened so far, in numbers.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats;
        stats.work_units += self.streams.visits() + self.sink.produced();
        self.buckets.report(&mut stats.defences);
        stats
    }

    /// The peer's limit of concurrent streams, or what stands for it before the peer has spoken.
    fn concurrent_streams(&self) -> usize {
        let limit = match (self.remote.received, self.remote.concurrent_streams) {
            (true, limit) => limit.unwrap_or(u32::MAX),
            (false, _) => self.config.concurrent_streams_assumed,
        };
        limit as usize
    }

    /// Whether requests may still be opened here.
    fn takes_requests(&self) -> bool {
        self.role == Role::Client
            && matches!(self.lifecycle, Lifecycle::Handshake | Lifecycle::Open)
            && self.next_id.is_some()
    }
}
