//! What the tests and benchmarks of several packages share.

pub mod patience;
pub mod peers;
pub mod samples;
