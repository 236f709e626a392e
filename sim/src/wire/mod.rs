//! What passes between two ends, judged from outside.
//!
//! Nothing here is shared with the engine: frames are cut and settings are read once more, from the text of RFC 9113.

mod fairness;
mod frame;
mod observer;

pub(crate) use fairness::Urgency;
pub(crate) use frame::{Frame, Frames, kind};
pub(crate) use observer::Observer;
