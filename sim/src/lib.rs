//! Deterministic simulation of raddle.
//!
//! Every run is made of choices that come from one [`Tape`](tape::Tape): the workload, the sizes of reads and writes,
//! latencies and faults. The same tape gives the same run, to the last event, and a run that fails is told by the seed
//! of its tape. What happens goes into a [`Trace`](trace::Trace), a chain of hashes by which two runs are compared,
//! and past an [`Oracle`](oracle::Oracle), which knows what was sent and so what may be received.
//!
//! [`pair`] runs two engines against each other without a runtime. It is fast, and sees every event. [`net`] runs whole
//! clients and servers, ours and those of the `h2` crate, over a simulated network. [`view`]
//! records runs and shows them.
#![forbid(unsafe_code)]

mod agenda;
pub mod campaign;
pub mod case;
mod conservation;
mod counted;
mod crumbs;
mod endless;
#[cfg(feature = "network")]
pub mod faulty;
pub mod fuzzed;
pub mod hashes;
mod mesh;
#[cfg(feature = "planted")]
pub mod mutants;
#[cfg(feature = "network")]
pub mod net;
mod options;
pub mod oracle;
pub mod outcome;
pub mod pair;
pub mod races;
mod resources;
pub mod runner;
pub mod shrink;
mod stranger;
pub mod tape;
pub mod trace;
pub mod view;
mod wakes;
pub mod watch;
mod wire;
mod work;
