//! The raddle engine: HTTP/2 (RFC 9113) as a sans-IO state machine.
#![no_std]
#![forbid(unsafe_code)]

mod id;

pub use id::{ErrorCode, PingId, Role, StreamHandle, StreamId};
