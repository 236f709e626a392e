//! A load balancer with an HTTPS front (HTTP/1.1 and HTTP/2) over few HTTP/2 connections to its backends.
//!
//! The binaries are thin: `load_balancer` and `test_backend_echo` read their flags and start what this library offers,
//! so that the tests run the same code in one process.
//!
//! A request's way through the house:
//!
//! ```text
//! front     accept, TLS, ALPN ── h2 ──► HTTP/2 server ─┐
//!                              └ http/1.1 ► hyper ─────┴─► one service: Proxy
//! proxy     check and rewrite the fields, choose a backend, send, and decide what may be sent again
//! backends  who is healthy, who has the least to do
//! pool      the HTTP/2 connections to each backend, from raddle-io
//! ```
//!
//! Bodies are never gathered: each frame is handed on when the other side asks for the next one, so a slow reader on
//! one end holds the writer on the other.

pub mod backends;
pub mod body;
pub mod echo;
pub mod fields;
pub mod front;
pub mod limits;
pub mod notice;
pub mod proxy;
pub mod refusal;
pub mod shutdown;
pub mod stall;
pub mod start;
