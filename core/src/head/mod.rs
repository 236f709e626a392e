//! Heads and trailers: field lists, and the rules of HTTP for what is in them (RFC 9113 §8).
//!
//! A head is judged once, where it is made: by `parse_request` and its like when it came from the peer, and by the
//! builders when it came from the application. The sending side asks for that verdict with `check_request` and its
//! like, so that nothing leaves that a peer must punish.

mod blocks;
mod builder;
mod chars;
mod content_length;
mod fields;
mod known;
mod request;
mod response;
mod rules;
mod sink;
mod target;

#[cfg(test)]
mod tests;

pub(crate) use blocks::BlockEncoder;
pub use builder::FieldsBuilder;
pub(crate) use content_length::{Answered, BodyLength};
pub use fields::{Field, Fields, FieldsIter};
pub(crate) use known::{Heard, KnownBlocks};

pub use request::{RequestHead, RequestHeadBuilder};
pub(crate) use request::{Rules, check_request, parse_request};
pub use response::{ResponseHead, ResponseHeadBuilder};
pub(crate) use response::{check_response, parse_response};
#[cfg(test)]
use rules::Section;
pub(crate) use rules::{Oddities, check_trailers, parse_trailers};
pub(crate) use sink::{BlockSink, crumbs, may_crumble};
