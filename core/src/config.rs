//! Limits and windows of one connection. Each default states its reason.

use alloc::vec::Vec;
use core::time::Duration;

/// The largest window that either side may ever see (RFC 9113 §6.9.1).
pub(crate) const WINDOW_MAX: u32 = (1 << 31) - 1;
/// The window of the connection at its start, and the initial value of SETTINGS_INITIAL_WINDOW_SIZE (RFC 9113 §6.5.2).
pub(crate) const WINDOW_INITIAL: u32 = 65_535;

/// How one connection behaves and what it lets its peer do.
///
/// Values outside a field's stated range are brought into it by [`Connection::new`](crate::Connection::new);
/// none of them can make the engine announce something that RFC 9113 forbids.
#[derive(Clone, Debug)]
pub struct Config {
    /// Streams that the peer may have open at once (SETTINGS_MAX_CONCURRENT_STREAMS). 100 is the least that
    /// RFC 9113 §6.5.2 recommends, and bounds every per-stream cost below. A stream that is reset makes room at once, but for
    /// whoever keeps its place by [`Connection::keep_place`](crate::Connection::keep_place).
    pub concurrent_streams_max: u32,
    /// Streams that we open before the peer's first SETTINGS says what it allows. 100, because a peer that follows
    /// RFC 9113 §6.5.2 allows at least that many; refused streams come back as `Retry::Safe` anyway.
    pub concurrent_streams_assumed: u32,
    /// Requests that may wait inside the engine for a stream slot. Callers see `OpenError::QueueFull` beyond it. An adapter
    /// lets as many callers wait before they give it a request. 1,024 are ten times what the usual peer runs at once; who has
    /// more to send is better told than served late.
    pub open_queue_max: usize,
    /// Receive window that each stream begins with, in bytes, at most 2^31-1. 256 KiB: a quarter of the connection window, so that
    /// three unread streams still leave room for a fourth.
    pub stream_window_bytes: u32,
    /// Receive window of the connection in bytes, 65,535 to 2^31-1, and what it never shrinks below. 1 MiB is what an
    /// unread connection holds, in shares of the buffers that it was read into.
    pub connection_window_bytes: u32,
    /// What the connection's window may grow to on a path that carries more within one round trip, in bytes; the
    /// windows of its streams grow in step, and shrink again. It bounds what a connection holds that was read fast and
    /// then no more. 8 MiB carry a gigabit per second over 67 ms; one stream alone has its part of that, a quarter by
    /// default, and needs twice what is on its way at once to be never held up: 100 Mbit/s over 100 ms. That is kept
    /// small because as many readers may stop as there are connections; who has few of them and a gigabit per second over
    /// 100 ms to fill with one stream takes 128 MiB. Values up to `connection_window_bytes`
    /// fix the windows, and then no PING measures the path.
    pub connection_window_bytes_max: u32,
    /// Largest frame payload that we accept (SETTINGS_MAX_FRAME_SIZE), 16,384 to 2^24-1. The least allowed value:
    /// larger frames delay control frames and gain little.
    pub frame_size_max: u32,
    /// Largest header list that we accept, by the formula of RFC 9113 §10.5.1 (name + value + 32 per field). 64 KiB: above
    /// what browsers and common servers let through, cookies included.
    pub header_list_bytes_max: u32,
    /// Fields of one header list, cookie crumbs counted. Bounds bookkeeping that the byte limit does not see. 512, so that a
    /// list of one-byte references costs no more than one of honest fields of 128 bytes.
    pub header_fields_max: u32,
    /// CONTINUATION frames of one header block beyond those that the largest list needs in frames of the smallest size. A
    /// sender may cut smaller than it must. 8 is what others allow for a whole block.
    pub continuations_spare: u32,
    /// Entries of one SETTINGS frame, at least 16. About ten are registered, so that 32 leave room for all of them and for
    /// repetitions; without a limit 2,730 fit one frame, and each is work.
    pub settings_entries_max: u32,
    /// Settings of extensions, by identifier and value, that are announced beside our own (RFC 9113 §5.5), 16 at most.
    /// Those that the engine knows are left out. What the peer announces is told by
    /// [`Connection::peer_setting`](crate::Connection::peer_setting). None, because an extension is the application's.
    pub settings_more: Vec<(u16, u32)>,
    /// Bytes of the header lists that all streams in the table have brought, as they lie in memory. A list of up to
    /// 2 KiB is taken even beyond it. 1 MiB, because one list of the largest size can be made of twenty bytes on the
    /// wire, and a hundred streams that are held open would make six times as much of them. Beyond it a server refuses
    /// requests, and a client ends the streams whose responses are: more is for who expects long lists on many streams.
    pub header_bytes_total_max: usize,
    /// HPACK table in bytes, both for what we announce and for what we are willing to keep as the encoder. 4,096 is what
    /// HPACK starts with: it holds the fields that repeat, and a larger one pays on few connections.
    pub header_table_bytes: u32,
    /// Bytes of one stream's body that [`send_data`](crate::Connection::send_data) takes before it answers 0.
    /// 64 KiB keeps a stream busy for four turns of the scheduler.
    pub send_buffer_bytes: usize,
    /// Events that wait for [`poll_event`](crate::Connection::poll_event), at least 8; reading pauses beyond it. 256 are
    /// what one read of a socket brings when its frames are small.
    pub events_max: usize,
    /// Bytes that may wait in a [`Transmit`](crate::Transmit) before no more frames are cut. 64 KiB are one long vectored
    /// write, and little enough that a reset or an urgent stream does not wait behind megabytes.
    pub output_bytes_max: usize,
    /// Answers to PING that may be owed at once, and as many acknowledgements of SETTINGS, at least 1: those that are not
    /// in the output and those in it that the transport has not taken. More end the connection. 64, because a peer measures
    /// its round trip with one PING at a time; whoever asks whether we live while it reads nothing would have to ask twice
    /// a second to get there before `write_timeout` does.
    pub answers_max: u32,
    /// Interim (1xx) responses of one stream. 16, because an endless row of them would never end a request. Servers in use
    /// send one or two.
    pub informational_max: u8,
    /// Server: whether the crumbs of a request's cookie are joined to one field, as HTTP/1.1 and most applications
    /// expect it (RFC 9113 §8.2.3). A proxy to HTTP/2 may want them as they came: crumbs compress better.
    pub join_cookies: bool,
    /// Client: whether a request's cookie is sent in crumbs, a field for each (RFC 9113 §8.2.3), so that those of 20 bytes
    /// and more which repeat take a byte; shorter ones never enter the table, lest they be guessed, and take more. Not beyond
    /// 64 cuts, nor beyond the peer's limit on header lists, nor beside other white space. Off: whoever makes a request has
    /// it arrive as it was made. A proxy that takes HTTP/1.1, or joins the crumbs itself, wants it.
    pub split_cookies: bool,
    /// Whether to take and to send what RFC 9113 §8 forbids although it changes neither the framing of a message nor
    /// where it goes: white space at the ends of a field's value, `te` with any value, and a `host` that is not the
    /// authority. For a proxy that must pass on what it gets; whoever sets it must route by the authority.
    pub forward_oddities: bool,
    /// Whether we accept extended CONNECT (RFC 8441 §3) as a server. Off: an application that knows nothing of tunnels would
    /// answer one as a request.
    pub enable_connect_protocol: bool,
    /// Time for the peer's preface, its first SETTINGS, and the acknowledgement of ours. 10 s are several retransmissions
    /// over the longest path. What comes in drops does not move it. An acknowledgement may stand behind what a slow path
    /// carries before it: while 1 KiB arrives in that time it is waited for as long again, up to six times.
    pub settings_timeout: Duration,
    /// Time from the first to the last frame of one header block. CONTINUATION cannot be interleaved, so a slow block
    /// stops the whole connection. 5 s carry 64 KiB at 100 kbit/s.
    pub header_block_timeout: Duration,
    /// Silence, while streams are open, after which we send a PING. Until anything arrives after that no new streams
    /// begin: those that wait are safe to send elsewhere should the peer be gone. `None` turns liveness checks off. 30 s find a peer that
    /// has vanished before most callers lose their patience, and cost 34 bytes each time.
    pub keep_alive_interval: Option<Duration>,
    /// As `keep_alive_interval`, if that is shorter, after two such PINGs that brought nothing but their answers, or three
    /// for whatever purpose. Servers of gRPC end a connection for more than three PINGs within five minutes in which they
    /// send neither HEADERS nor DATA. A request that goes out after two leads to the third, if `keep_alive_interval` passes in
    /// silence.
    pub keep_alive_quiet_interval: Duration,
    /// Time for the answer to that PING, or anything else, before the connection counts as dead: whoever speaks lives. 10 s
    /// outlast every round trip and the retransmission of a lost segment. A caller's PING has the same time, also where no
    /// stream is open. A drain waits for the answer to its PING likewise, three times as long of a peer that speaks, and
    /// then goes on without it.
    pub keep_alive_timeout: Duration,
    /// Client: whether a stream that we reset keeps its place under the peer's limit of concurrent streams until a PING
    /// behind its RST_STREAM is answered. On: servers that count what they still work on take a client that cancels
    /// faster than they can hear of it for an attack, and one that has vanished would get request after request. It
    /// costs a PING in each round trip in which streams are reset, and none before HEADERS or DATA have come since the
    /// last. A peer that sends anything else and does not answer within `keep_alive_timeout`, a second at least, gets the
    /// places back, and no more are kept until it does. Off without `keep_alive_interval`, which ends the connection of
    /// a silent one.
    pub keep_reset_slots: bool,
    /// Time in which the transport has to take 1 KiB of the output, or all of it, before the connection counts as dead. What
    /// it keeps in a buffer of its own is not taken: over TLS up to 64 KiB, which a path of 18 kbit/s carries in that time.
    /// 30 s outlasts a change of network. A peer that reads in crumbs is no better than one that does not read.
    pub write_timeout: Duration,
    /// Time in which a stream that the peer's windows hold back has to send 1 KiB, or all that it was given, before it is
    /// reset; it may last half as long again. `None` lets it wait for ever. Five minutes outlast a reader who pauses, and end one who holds
    /// responses in our memory by opening the window a byte at a time.
    pub stall_timeout: Option<Duration>,
    /// Server: time without a stream or a PING of the peer's after which the connection drains itself. `None` keeps it for ever. Five minutes,
    /// because a client that comes back after that pays one round trip, and an unused connection costs memory all the
    /// while. A client's connection belongs to whoever holds it, who knows when it is no longer needed.
    pub idle_timeout: Option<Duration>,
    /// Once the connection is over, time in which the transport has to take 1 KiB of what is left, or all of it, until
    /// it is dropped, written or not. 1 s, because nobody waits for it but the peer, who has lost the connection already.
    pub close_timeout: Duration,
    /// Burst of each bucket against abuse, in events that cost us work and bring the peer nothing. 1,000: honest peers come
    /// in bursts, as when a page with hundreds of requests is left.
    pub abuse_burst: u32,
    /// Refill of each such bucket per second. 33, as in other servers that withstood rapid resets: three times what
    /// people at a keyboard bring about.
    pub abuse_refill_per_second: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            concurrent_streams_max: 100,
            concurrent_streams_assumed: 100,
            open_queue_max: 1_024,
            stream_window_bytes: 256 * 1024,
            connection_window_bytes: 1024 * 1024,
            connection_window_bytes_max: 8 * 1024 * 1024,
            frame_size_max: 16_384,
            header_list_bytes_max: 64 * 1024,
            header_fields_max: 512,
            continuations_spare: 8,
            settings_entries_max: 32,
            settings_more: Vec::new(),
            header_bytes_total_max: 1024 * 1024,
            header_table_bytes: 4_096,
            send_buffer_bytes: 64 * 1024,
            events_max: 256,
            output_bytes_max: 64 * 1024,
            answers_max: 64,
            informational_max: 16,
            join_cookies: true,
            split_cookies: false,
            forward_oddities: false,
            enable_connect_protocol: false,
            settings_timeout: Duration::from_secs(10),
            header_block_timeout: Duration::from_secs(5),
            keep_alive_interval: Some(Duration::from_secs(30)),
            keep_alive_quiet_interval: Duration::from_secs(300),
            keep_alive_timeout: Duration::from_secs(10),
            keep_reset_slots: true,
            write_timeout: Duration::from_secs(30),
            stall_timeout: Some(Duration::from_secs(300)),
            idle_timeout: Some(Duration::from_secs(300)),
            close_timeout: Duration::from_secs(1),
            abuse_burst: 1_000,
            abuse_refill_per_second: 33,
        }
    }
}

impl Config {
    pub(crate) fn clamped(mut self) -> Self {
        self.stream_window_bytes = self.stream_window_bytes.min(WINDOW_MAX);
        self.connection_window_bytes = self
            .connection_window_bytes
            .clamp(WINDOW_INITIAL, WINDOW_MAX);
        self.connection_window_bytes_max = self
            .connection_window_bytes_max
            .clamp(self.connection_window_bytes, WINDOW_MAX);
        self.frame_size_max = self.frame_size_max.clamp(16_384, (1 << 24) - 1);
        // These have to be times that pass, of this one the half.
        self.stall_timeout = self
            .stall_timeout
            .map(|timeout| timeout.max(Duration::from_millis(1)));
        self.keep_alive_interval = self
            .keep_alive_interval
            .map(|interval| interval.max(Duration::from_millis(1)));
        self.open_queue_max = self.open_queue_max.max(1);
        self.send_buffer_bytes = self.send_buffer_bytes.max(1);
        self.abuse_burst = self.abuse_burst.max(1);
        self.settings_entries_max = self.settings_entries_max.max(16);
        self.events_max = self.events_max.max(8);
        self.output_bytes_max = self.output_bytes_max.max(1);
        self.answers_max = self.answers_max.max(1);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 9113 §6.5.2 and §6.9.1: what we announce is within what a peer may accept.
    #[test]
    fn what_is_out_of_range_is_brought_into_it() {
        let all = |number: u32| {
            let config = Config {
                stream_window_bytes: number,
                connection_window_bytes: number,
                connection_window_bytes_max: number,
                frame_size_max: number,
                ..Config::default()
            };
            let config = config.clamped();
            [
                config.stream_window_bytes,
                config.connection_window_bytes,
                config.connection_window_bytes_max,
                config.frame_size_max,
            ]
        };
        let most = (1 << 31) - 1;
        assert_eq!(all(u32::MAX), [most, most, most, 16_777_215]);
        assert_eq!(all(0), [0, 65_535, 65_535, 16_384]);
    }
}
