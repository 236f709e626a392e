//! What passes between two ends, judged from outside.
//!
//! Nothing here is shared with the engine: frames are cut, settings are read and header blocks decoded once more, from the text of the
//! RFCs.

mod account;
mod by_id;
mod counts;
mod fairness;
mod form;
mod frame;
mod hpack;
mod judged;
mod marks;
mod messages;
mod observer;
mod questions;
mod rounds;
pub(crate) mod rules;
mod tables;
mod told;
mod written;

pub(crate) use account::Account;
pub(crate) use fairness::Urgency;
pub(crate) use frame::{Frame, Frames, Passing, kind};
pub(crate) use hpack::{Line, Writer, are_lines, lines};
pub(crate) use marks::Seen;
pub(crate) use observer::Observer;
