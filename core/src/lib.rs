//! The raddle engine: HTTP/2 (RFC 9113) as a sans-IO state machine.
//!
//! Bytes, commands and time go in; events, bytes and the next deadline come out. What talks to sockets, clocks and
//! tasks is outside: `raddle-io` does it on tokio, and any other loop can. Without `std` there is nothing here that
//! could read a clock, take a lock or draw a random number, so that the same calls always give the same output.
//!
//! The canonical loop reads, acts on events, writes, and sleeps until the next input or deadline. Here the transport
//! is a vector, and the peer a second engine:
//!
//! ```
//! use bytes::{Buf, BytesMut};
//! use raddle_core::{
//!     Config, Connection, Event, RequestHead, ResponseHead, Role, Then, Timestamp, Transmit,
//! };
//!
//! let now = Timestamp(0); // Nanoseconds since a moment that the caller picks.
//! let mut client = Connection::new(Role::Client, Config::default(), now);
//! let mut server = Connection::new(Role::Server, Config::default(), now);
//! let (mut to_client, mut to_server) = (BytesMut::new(), BytesMut::new());
//! let mut out = Transmit::new();
//!
//! let head = RequestHead::new(b"GET", b"https", Some(b"example.org"), b"/").finish();
//! let request = client.open(head, Then::End).unwrap();
//! let mut status = None;
//!
//! while status.is_none() {
//!     // Inputs never fail: what is wrong with them comes out as an event.
//!     server.handle_input(&mut to_server, now);
//!     client.handle_input(&mut to_client, now);
//!     // Events first: commands that answer them go out with the next transmit.
//!     while let Some(event) = server.poll_event() {
//!         if let Event::Request { stream, .. } = event {
//!             server.respond(stream, ResponseHead::new(204).finish(), Then::End).unwrap();
//!         }
//!     }
//!     while let Some(event) = client.poll_event() {
//!         match event {
//!             Event::Response { stream, head, .. } if stream == request => {
//!                 status = Some(head.status());
//!             }
//!             // A body's credit goes back once it is consumed.
//!             Event::Data { stream, data, .. } => client.release(stream, data.len()),
//!             _ => {}
//!         }
//!     }
//!     // Then bytes, in order. A real transport takes them in vectored writes of `out.parts()`.
//!     client.poll_transmit(&mut out, now);
//!     to_server.extend_from_slice(&out.copy_to_bytes(out.remaining()));
//!     server.poll_transmit(&mut out, now);
//!     to_client.extend_from_slice(&out.copy_to_bytes(out.remaining()));
//!     // And the deadline, at which `handle_timeout` is due if no input comes before.
//!     assert!(client.poll_timeout().is_some());
//! }
//! assert_eq!(status, Some(204));
//! ```
//!
//! The modules stand in layers and import downward only: identifiers and time; violations, errors, configuration and
//! output; frames; heads, flow control, limits and settings; one stream; all streams; the connection.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod config;
mod connection;
#[cfg(test)]
mod drawn;
mod error;
mod event;
mod flow;
mod frame;
mod fuel;
mod head;
mod id;
mod limits;
mod ping;
mod planted;
mod priority;
mod rare;
mod settings;
mod stats;
mod stream;
mod streams;
mod time;
mod transmit;
mod violation;
mod wire;

pub use config::Config;
pub use connection::Gauges;
#[doc(hidden)]
pub use connection::{Audit, StreamAudit};
pub use connection::{Connection, Input, Lifecycle, MemoryFootprint, TransportEnd, Waiting};
pub use error::{ConnectionError, GoAway, OpenError, Origin, Retry, SendError, StreamError};
pub use event::{Event, Then};
pub use frame::{FrameDump, FrameLog, describe_frame};
pub use head::{
    Field, Fields, FieldsBuilder, FieldsIter, RequestHead, RequestHeadBuilder, ResponseHead,
    ResponseHeadBuilder,
};
pub use id::{ErrorCode, PingId, Role, StreamHandle, StreamId};
#[cfg(feature = "planted")]
pub use planted::Planted;
pub use priority::Priority;
pub use stats::{Defences, Stats};
pub use time::Timestamp;
pub use transmit::Transmit;
pub use violation::{Scope, Violation};
