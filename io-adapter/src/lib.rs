//! HTTP/2 client and server on tokio.
//!
//! The protocol lives in [`raddle_core`], which knows neither sockets nor clocks. This crate gives it both: a
//! [`Driver`] that reads, a write lock under which whoever has something to send may send it, and handles that look
//! like the rest of the ecosystem. [`Client`] is a [`tower_service::Service`] of [`http::Request`]; [`RecvBody`] is an
//! [`http_body::Body`]; [`serve_connection`] takes any such service.
//!
//! Both ends of one connection, over a pipe in memory where there would be a socket:
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use raddle_io::{Config, Error};
//! use tower_service::Service;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let (near, far) = tokio::io::duplex(65_536);
//!
//! let (mut server, driver) = raddle_io::accept(far, Config::default()).await?;
//! // A connection does nothing until its driver is polled.
//! tokio::spawn(driver);
//! tokio::spawn(async move {
//!     while let Some((request, responder)) = server.accept().await {
//!         let text = format!("hello from {}", request.uri().path());
//!         responder.respond_full(Response::new(Bytes::from(text)));
//!     }
//! });
//!
//! let (mut client, driver) = raddle_io::connect(near, Config::default()).await?;
//! tokio::spawn(driver);
//! let request = Request::get("http://example.com/here").body(Full::<Bytes>::default());
//! let response = client.call(request.expect("the request is complete")).await?;
//! assert_eq!(response.status(), 200);
//! let body = response.into_body().collect().await?.to_bytes();
//! assert_eq!(body, "hello from /here");
//! # Ok(())
//! # }
//! ```
//!
//! A [`Pool`] dials by itself, any number of origins. Its errors, as all others here, say whether a request may be sent
//! again:
//!
//! ```no_run
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use raddle_io::{Config, Dialer, Pool, PoolConfig, Retry};
//! use tower_service::Service;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let mut pool = Pool::new(Dialer::new(Config::default()), PoolConfig::default());
//! let request = Request::get("https://example.com/").body(Full::<Bytes>::default());
//! match pool.call(request.expect("the request is complete")).await {
//!     Ok(response) => println!("{}", response.status()),
//!     Err(error) if error.retry() == Retry::Safe => println!("nothing was done, try again: {error}"),
//!     Err(error) => println!("{error}"),
//! }
//! # }
//! ```
//!
//! Every future here is cancel safe or says what its drop does: it may stand in a `select!`, and what it had begun is given
//! up as this table says. Locks are never held across an await.
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
//! be scraped, those of each defence among them; `docs/metrics.md` has a collector for the crate `prometheus-client`.
//! With the feature `tracing` every connection is a span `http2_connection`
//! and every request a span `http2_request` with its method, path and status, at the level of debugging; an event at the
//! end of each says how it ended, and whether the request may be sent again.
//! They are told when the connection's lock is free, in their order, by whichever thread comes first: a subscriber may call
//! back into the connection that it hears of, and one that is slow holds up that thread alone. What it is too slow for is not
//! kept: once thousands of notes of a connection wait, its next requests have no span, and an event says how many they were.
#![forbid(unsafe_code)]

mod addresses;
mod body;
mod client;
mod convert;
mod dial;
mod driver;
mod error;
mod guard;
mod interim;
mod permits;
mod ping;
#[cfg(feature = "planted")]
#[doc(hidden)]
pub mod planted;
#[cfg(not(feature = "planted"))]
mod planted;
mod pool;
mod response;
mod serve;
mod server;
mod settled;
mod shared;
mod slots;
mod state;
mod sync;
#[cfg(test)]
mod tests;
#[cfg(feature = "tls")]
pub mod tls;
mod transport;
mod turn;
mod upload;
mod usage;
mod watch;

pub use body::RecvBody;
pub use client::{Client, connect};
pub use convert::Protocol;
pub use dial::{Dialer, Target, Transport};
pub use driver::Driver;
pub use error::{BoxError, Error, Kind};
pub use interim::{Informer, OnInformational};
pub use pool::{Connect, Dialing, Pool, PoolConfig, PoolStats, PoolTarget, PoolWait, ResendBudget};
pub use raddle_core as core;
pub use raddle_core::{Config, ErrorCode, GoAway, Origin, Retry, Stats, Violation};
pub use response::{Informational, ResponseFuture};
pub use serve::{Serve, serve_connection};
pub use server::{Responder, Server, accept};
#[doc(hidden)]
pub use usage::Usage;
