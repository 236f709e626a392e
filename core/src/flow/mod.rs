//! Flow control (RFC 9113 §5.2 and §6.9): what the peer may send us, and what we may send the peer.

mod inbound;
mod outbound;
mod probe;

pub(crate) use inbound::Inbound;
pub(crate) use outbound::Outbound;
pub(crate) use probe::Probe;
