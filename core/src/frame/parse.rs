//! What is in the payload of a frame whose head has been judged.

use bytes::{Buf, Bytes};

use super::{Flags, Frame, Head, Kind, PriorityFields, SettingsFrame};
use crate::id::{ErrorCode, StreamId};
use crate::violation::Violation;
use crate::wire;

/// Reads the kinds that keep nothing of their payload. `check_head` has let the head pass: sizes are given.
pub(super) fn parse_small(head: Head, payload: &[u8]) -> Option<Frame> {
    let Head { stream, flags, .. } = head;
    let ack = flags.contains(Flags::ACK);
    Some(match head.kind {
        // A stream that depends on itself passes: RFC 9113 §5.3.1 deprecates the tree that it would have broken.
        Kind::Priority => Frame::Priority {
            stream,
            priority: read_priority(payload),
        },
        Kind::RstStream => Frame::RstStream {
            stream,
            code: ErrorCode::from_u32(wire::u32(payload)),
        },
        Kind::Settings if ack => Frame::SettingsAck,
        Kind::Ping => {
            let mut opaque = [0; 8];
            opaque.copy_from_slice(payload);
            Frame::Ping {
                ack,
                payload: opaque,
            }
        }
        // RFC 9113 §6.9: the reserved bit is ignored.
        Kind::WindowUpdate => Frame::WindowUpdate {
            stream,
            increment: wire::u32(payload) & StreamId::MAX.to_u32(),
        },
        _ => return None,
    })
}

/// Reads the kinds that keep a slice of their payload. `check_head` has let the head pass: fixed sizes are given.
pub(super) fn parse_sliced(head: Head, mut payload: Bytes) -> Result<Frame, Violation> {
    let Head { stream, flags, .. } = head;
    let end_stream = flags.contains(Flags::END_STREAM);
    let end_headers = flags.contains(Flags::END_HEADERS);
    Ok(match head.kind {
        Kind::Data => {
            strip_padding(flags, 0, &mut payload)?;
            Frame::Data {
                stream,
                data: payload,
                flow_len: head.len,
                end_stream,
            }
        }
        Kind::PushPromise => {
            strip_padding(flags, 4, &mut payload)?;
            let promised = StreamId::from_u32(payload.get_u32());
            // RFC 9113 §6.6: the promised identifier MUST be a valid choice for the server's next stream.
            if !promised.is_server_initiated() {
                return Err(Violation::PromisedStreamInvalid);
            }
            Frame::PushPromise {
                stream,
                promised,
                fragment: payload,
                end_headers,
            }
        }
        Kind::GoAway => Frame::GoAway {
            last: StreamId::from_u32(payload.get_u32()),
            code: ErrorCode::from_u32(payload.get_u32()),
            debug: payload,
        },
        Kind::PriorityUpdate => Frame::PriorityUpdate {
            prioritized: StreamId::from_u32(payload.get_u32()),
            value: payload,
        },
        Kind::Settings => Frame::Settings(SettingsFrame::parse(payload)?),
        kind => unreachable!("{kind:?} is skipped, or read by parse_small, or where it lies"),
    })
}

/// What is behind the pad length and `fixed` bytes of fields, without the padding.
pub(super) fn unpad(padded: bool, fixed: usize, payload: &[u8]) -> Result<&[u8], Violation> {
    let (pad, rest) = match payload {
        [pad, rest @ ..] if padded => (usize::from(*pad), rest),
        _ => (0, payload),
    };
    // RFC 9113 §6.1 and §6.2: padding that exceeds what is left MUST be answered by PROTOCOL_ERROR.
    let end = rest.len().checked_sub(pad);
    end.and_then(|end| rest.get(fixed..end))
        .ok_or(Violation::PaddingTooLong)
}

/// Removes the pad length and the padding. What is left keeps `fixed` bytes of fields in front.
fn strip_padding(flags: Flags, fixed: usize, payload: &mut Bytes) -> Result<(), Violation> {
    if !flags.contains(Flags::PADDED) {
        return Ok(());
    }
    let pad = usize::from(payload.get_u8());
    // RFC 9113 §6.1, §6.2 and §6.6: padding that exceeds what is left MUST be answered by PROTOCOL_ERROR.
    if pad + fixed > payload.len() {
        return Err(Violation::PaddingTooLong);
    }
    // A byte of padding need not be zero: verifying that is a MAY, and costs a pass over them.
    payload.truncate(payload.len() - pad);
    Ok(())
}

/// Reads a priority signal. The caller has checked that its bytes are there.
pub(super) fn read_priority(payload: &[u8]) -> PriorityFields {
    let word = wire::u32(payload);
    PriorityFields {
        exclusive: word >> 31 == 1,
        dependency: StreamId::from_u32(word),
        weight: payload[4],
    }
}
