//! The raddle engine: HTTP/2 (RFC 9113) as a sans-IO state machine.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate alloc;

mod id;
mod violation;

pub use id::{ErrorCode, PingId, Role, StreamHandle, StreamId};
pub use violation::{Scope, Violation};
