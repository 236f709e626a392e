//! The raddle engine: HTTP/2 (RFC 9113) as a sans-IO state machine.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod frame;
mod head;
mod id;
mod violation;
mod wire;

pub use frame::{FrameDump, FrameLog, describe_frame};
pub use head::{
    Field, Fields, FieldsBuilder, FieldsIter, RequestHead, RequestHeadBuilder, ResponseHead,
    ResponseHeadBuilder,
};
pub use id::{ErrorCode, PingId, Role, StreamHandle, StreamId};
pub use violation::{Scope, Violation};
