//! What the tests and benchmarks of several packages share.

pub mod counted;
pub mod counting;
pub mod engine;
pub mod hand;
pub mod patience;
pub mod peers;
pub mod raw;
pub mod samples;
pub mod scripted;
pub mod wire;

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
