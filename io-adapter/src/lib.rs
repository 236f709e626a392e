//! HTTP/2 client and server on tokio.
//!
//! The protocol lives in [`raddle_core`], which knows neither sockets nor clocks. This crate gives it both: a
//! [`Driver`] that reads, a write lock under which whoever has something to send may send it, and handles that look
//! like the rest of the ecosystem. [`Client`] is a [`tower_service::Service`] of [`http::Request`]; [`RecvBody`] is an
//! [`http_body::Body`]; [`serve_connection`] takes any such service.
//!
//! What is dropped is undone, by one command to the engine and without waiting:
//!
//! | dropped | what the peer sees |
//! |---|---|
//! | [`ResponseFuture`], or a client's [`RecvBody`] before its end | RST_STREAM(CANCEL) |
//! | a request or response body that fails or is given up | RST_STREAM, never a silent END_STREAM |
//! | [`Responder`] without an answer | RST_STREAM(INTERNAL_ERROR) |
//! | [`Server`] with requests that nobody accepted | RST_STREAM(REFUSED_STREAM): safe to send again |
//! | the last [`Client`] | a graceful end, after the streams in progress |
//! | [`Driver`] | the transport closes; every stream here fails with a verdict |
//!
//! What happens can be watched: [`Client::stats`], [`Server::stats`], [`Serve::stats`] and [`Pool::stats`] are counters to
//! be scraped, those of each defence among them. With the feature `tracing` every connection is a span `http2_connection`
//! and every request a span `http2_request` with its method, path and status, at the level of debugging; an event at the
//! end of each says how it ended, and whether the request may be sent again.
#![forbid(unsafe_code)]

mod body;
mod client;
mod convert;
mod dial;
mod driver;
mod error;
mod guard;
mod permits;
mod ping;
#[cfg(feature = "planted")]
#[doc(hidden)]
pub mod planted;
#[cfg(not(feature = "planted"))]
mod planted;
mod pool;
mod serve;
mod server;
mod shared;
mod slots;
mod state;
mod sync;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
pub mod tls;
mod turn;
mod upload;
mod watch;

pub use body::RecvBody;
pub use client::{Client, Informational, ResponseFuture, connect};
pub use convert::Protocol;
pub use dial::{Dialer, Target, Transport};
pub use driver::Driver;
pub use error::{BoxError, Error, Kind};
pub use pool::{Connect, Dialing, Pool, PoolConfig, PoolStats, PoolTarget};
pub use raddle_core as core;
pub use raddle_core::{Config, ErrorCode, Origin, Retry, Stats, Violation};
pub use serve::{Serve, serve_connection};
pub use server::{Responder, Server, accept};
