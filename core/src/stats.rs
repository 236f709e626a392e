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
}
