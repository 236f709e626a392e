//! Every public family of attacks on HTTP/2, replayed against the engine, with bounds on what each costs: memory, work,
//! output, table entries, requests at the application, and the time until it is over. `docs/abuse.md` is the list.
//!
//! Nothing here measures time or draws random numbers: a run that fails once fails always.

mod adapter;
mod blocks;
mod compression;
mod costs;
mod counters;
mod endings;
mod floods;
mod footprint;
mod headers;
mod ignored;
mod judged;
mod lists;
mod messages;
mod outside;
mod peaks;
mod resets;
mod rows;
mod twins;
mod victim;
mod windows;

use raddle_tests::counting::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;
