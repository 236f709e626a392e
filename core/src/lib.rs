//! The raddle engine: HTTP/2 (RFC 9113) as a sans-IO state machine.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod config;
mod connection;
mod error;
mod event;
mod flow;
mod frame;
mod head;
mod id;
mod limits;
mod ping;
mod settings;
mod stats;
mod stream;
mod streams;
mod time;
mod transmit;
mod violation;
mod wire;

pub use config::Config;
pub use connection::{Connection, Input, Lifecycle, TransportEnd, Waiting};
pub use error::{ConnectionError, OpenError, Origin, Retry, SendError, StreamError};
pub use event::{Event, Then};
pub use frame::{FrameDump, FrameLog, describe_frame};
pub use head::{
    Field, Fields, FieldsBuilder, FieldsIter, RequestHead, RequestHeadBuilder, ResponseHead,
    ResponseHeadBuilder,
};
pub use id::{ErrorCode, PingId, Role, StreamHandle, StreamId};
pub use stats::Stats;
pub use stream::Priority;
pub use time::Timestamp;
pub use transmit::Transmit;
pub use violation::{Scope, Violation};
