//! Counters of one connection.

/// What has happened on a connection, as totals since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Frames received, unknown kinds included.
    pub frames_received: u64,
    /// Streams that got an identifier, opened by either side.
    pub streams_opened: u64,
    /// Streams of the peer's that were refused or ended because of a fault in them.
    pub streams_faulted: u64,
    /// RST_STREAM frames received for a stream that was open.
    pub resets_received: u64,
    /// RST_STREAM frames sent.
    pub resets_sent: u64,
    /// Bytes of DATA payload received, padding excluded.
    pub data_bytes_received: u64,
    /// Bytes of DATA payload sent.
    pub data_bytes_sent: u64,
    /// Bytes of DATA that arrived when nobody wanted them any more.
    pub data_bytes_dropped: u64,
    /// Work done, in units that do not depend on the machine: bytes read, copied and decoded, header fields produced,
    /// streams looked at, frames made. The same calls always cost the same.
    pub work_units: u64,
    /// What the defences against abuse saw.
    pub defences: Defences,
}

/// How often each defence was touched. An event that is charged to a bucket is no fault in itself; one that is refused
/// was over a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Defences {
    /// Charged: PING frames, and answers to PINGs that we never sent.
    pub pings: u64,
    /// Charged: SETTINGS frames behind the first.
    pub settings: u64,
    /// Charged: streams that the peer reset before they were answered, and frames behind the end of a stream.
    pub resets: u64,
    /// Charged: streams that we had to refuse or reset for a fault, and answers that the peer's limits forbid.
    pub stream_errors: u64,
    /// Charged: DATA frames without a byte that end nothing.
    pub empty_data: u64,
    /// Charged: WINDOW_UPDATE frames.
    pub window_updates: u64,
    /// Charged: PRIORITY frames.
    pub priorities: u64,
    /// Charged: frames of unknown kinds.
    pub unknown_frames: u64,
    /// Charged: GOAWAY frames.
    pub goaways: u64,
    /// Connections ended because a bucket was empty, or more answers were owed than may wait: 0 or 1.
    pub floods: u64,
    /// Header lists refused for their size or their number of fields.
    pub header_lists_refused: u64,
    /// Header lists refused because those of all streams together were too large.
    pub header_totals_refused: u64,
    /// Header blocks refused before they were decoded, for their bytes or their CONTINUATION frames.
    pub header_blocks_refused: u64,
    /// Streams refused because too many were open, or too many ended ones still in use.
    pub streams_refused: u64,
    /// SETTINGS frames refused for their number of entries.
    pub settings_refused: u64,
    /// Frames refused for their length.
    pub frames_refused: u64,
    /// Streams ended for too many interim responses.
    pub informational_refused: u64,
    /// DATA refused because it was beyond a window.
    pub windows_overrun: u64,
    /// Deadlines that ended the connection, or a stream that the peer held back.
    pub timeouts: u64,
    /// Times that reading paused because events were not polled.
    pub events_full: u64,
    /// Times that nothing more was cut into frames because the transport had not taken what was.
    pub output_full: u64,
    /// Times that a stream's buffer did not take all that it was offered.
    pub send_buffers_full: u64,
    /// Requests that found no place in the line for a stream.
    pub open_queue_full: u64,
}
