//! RFC 9113 from the peer's side, section by section: frames that somebody sends, and what an endpoint makes of them.
//! Each file is one section, and holds the scenarios known to have broken other implementations beside the plain rules.
//! `core/REQUIREMENTS.md` says which rule is tested where.

mod rfc7541_hpack;
mod rfc8441_extended_connect;
mod rfc9218_priorities;
mod s10_limits;
mod s3_4_preface;
mod s4_1_frame_format;
mod s4_2_frame_size;
mod s4_3_compression;
mod s5_1_1_identifiers;
mod s5_1_2_concurrency;
mod s5_1_states;
mod s5_2_flow_control;
mod s5_3_priority;
mod s5_4_errors;
mod s5_5_extensions;
mod s6_10_continuation;
mod s6_1_data;
mod s6_2_headers;
mod s6_3_priority;
mod s6_4_rst_stream;
mod s6_5_settings;
mod s6_6_push_promise;
mod s6_7_ping;
mod s6_8_goaway;
mod s6_9_window_update;
mod s7_error_codes;
mod s8_1_1_malformed;
mod s8_1_message;
mod s8_2_fields;
mod s8_3_pseudo_fields;
mod s8_4_push;
mod s8_5_connect;
mod s8_6_upgrade;
mod s8_7_reliability;

use bytes::Bytes;
use raddle_core::{
    Config, ErrorCode, Event, Fields, Input, Lifecycle, OpenError, Origin, RequestHead,
    ResponseHead, Retry, Role, SendError, StreamHandle, Then, TransportEnd, Violation,
};
use raddle_tests::{
    engine::{End, Pair, get, post},
    hand::{Hand, OK, data_lengths},
    wire::{self, Frame, GET, POST, flag, kind},
};

const ROLES: [Role; 2] = [Role::Client, Role::Server];
const WINDOW_MAX: u32 = (1 << 31) - 1;
/// The length of the windows before anybody says otherwise.
const WINDOW: usize = 65_535;

/// An engine past the handshake on which stream 1 is open both ways, with its final heads exchanged.
fn open(role: Role) -> (Hand, StreamHandle) {
    let mut hand = Hand::of(role);
    let stream = match role {
        Role::Client => {
            let stream = hand.open(Then::More);
            hand.says(wire::headers(1, OK, false));
            stream
        }
        Role::Server => {
            let stream = hand.request(1, Then::More);
            hand.respond(stream, Then::More);
            hand.frames();
            stream
        }
    };
    hand.events();
    (hand, stream)
}

/// What the connection makes of these bytes, behind the handshake and with stream 1 open.
fn ends(role: Role, bytes: impl AsRef<[u8]>, violation: Violation) {
    let (mut hand, stream) = open(role);
    hand.says(bytes);
    hand.ends_with(violation);
    assert_eq!(hand.failure(stream).violation, Some(violation));
}

/// A GET with more fields.
fn with(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    [GET, more].concat()
}

/// Bytes of body that arrived.
fn body_bytes(events: &[Event]) -> usize {
    let lengths = events.iter().map(|event| match event {
        Event::Data { data, .. } => data.len(),
        _ => 0,
    });
    lengths.sum()
}

/// Whether an event of this kind is among those.
macro_rules! heard {
    ($events:expr, $pattern:pat) => {
        $events.iter().any(|event| matches!(event, $pattern))
    };
}
use heard;
