//! Flow control (RFC 9113 §5.2 and §6.9): what the peer may send us, and what we may send the peer.

mod inbound;
mod outbound;

pub(crate) use inbound::Inbound;
pub(crate) use outbound::Outbound;

/// The largest window that either side may ever see (RFC 9113 §6.9.1).
pub(crate) const WINDOW_MAX: i64 = (1 << 31) - 1;
/// The window of the connection at its start, and the initial value of SETTINGS_INITIAL_WINDOW_SIZE.
pub(crate) const WINDOW_INITIAL: u32 = 65_535;
