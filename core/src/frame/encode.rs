//! Frames onto the wire: heads, small frames, and header blocks cut to the peer's frame size.

use core::ops::Range;

use bytes::BytesMut;

use super::{Flags, HEAD_LEN, Kind, MAX_FRAME_SIZE_MAX};
use crate::id::{ErrorCode, StreamId};

/// The 9 bytes in front of a payload of `len` bytes.
pub(crate) fn head(kind: Kind, flags: Flags, stream: StreamId, len: usize) -> [u8; HEAD_LEN] {
    debug_assert!(
        len <= MAX_FRAME_SIZE_MAX as usize,
        "the caller cuts payloads to the peer's frame size"
    );
    let [_, l0, l1, l2] = (len as u32).to_be_bytes();
    let [s0, s1, s2, s3] = stream.to_u32().to_be_bytes();
    [l0, l1, l2, kind.to_u8(), flags.0, s0, s1, s2, s3]
}

/// The head of a DATA frame without padding.
pub(crate) fn data_head(stream: StreamId, len: usize, end_stream: bool) -> [u8; HEAD_LEN] {
    head(
        Kind::Data,
        Flags::NONE.with_if(Flags::END_STREAM, end_stream),
        stream,
        len,
    )
}

/// Appends PRIORITY, which only tests send: RFC 9113 §5.3.2 deprecates it.
#[cfg(test)]
pub(crate) fn priority(out: &mut BytesMut, stream: StreamId, fields: super::PriorityFields) {
    out.extend_from_slice(&head(Kind::Priority, Flags::NONE, stream, 5));
    let exclusive = u32::from(fields.exclusive) << 31;
    out.extend_from_slice(&(fields.dependency.to_u32() | exclusive).to_be_bytes());
    out.extend_from_slice(&[fields.weight]);
}

/// Appends RST_STREAM.
pub(crate) fn rst_stream(out: &mut BytesMut, stream: StreamId, code: ErrorCode) {
    out.extend_from_slice(&head(Kind::RstStream, Flags::NONE, stream, 4));
    out.extend_from_slice(&code.to_u32().to_be_bytes());
}

/// Appends PING or its acknowledgement.
pub(crate) fn ping(out: &mut BytesMut, ack: bool, payload: [u8; 8]) {
    out.extend_from_slice(&head(
        Kind::Ping,
        Flags::NONE.with_if(Flags::ACK, ack),
        StreamId::ZERO,
        8,
    ));
    out.extend_from_slice(&payload);
}

/// Appends GOAWAY. `debug` must fit the peer's frame size, together with 8 bytes.
pub(crate) fn goaway(out: &mut BytesMut, last: StreamId, code: ErrorCode, debug: &[u8]) {
    out.extend_from_slice(&head(
        Kind::GoAway,
        Flags::NONE,
        StreamId::ZERO,
        8 + debug.len(),
    ));
    out.extend_from_slice(&last.to_u32().to_be_bytes());
    out.extend_from_slice(&code.to_u32().to_be_bytes());
    out.extend_from_slice(debug);
}

/// Appends PRIORITY_UPDATE (RFC 9218 §7.1).
pub(crate) fn priority_update(out: &mut BytesMut, prioritized: StreamId, value: &[u8]) {
    out.extend_from_slice(&head(
        Kind::PriorityUpdate,
        Flags::NONE,
        StreamId::ZERO,
        4 + value.len(),
    ));
    out.extend_from_slice(&prioritized.to_u32().to_be_bytes());
    out.extend_from_slice(value);
}

/// Appends WINDOW_UPDATE; stream zero means the connection.
pub(crate) fn window_update(out: &mut BytesMut, stream: StreamId, increment: u32) {
    // RFC 9113 §6.9: the increment is 1 to 2^31-1.
    debug_assert!((1..=StreamId::MAX.to_u32()).contains(&increment));
    out.extend_from_slice(&head(Kind::WindowUpdate, Flags::NONE, stream, 4));
    out.extend_from_slice(&increment.to_be_bytes());
}

/// Cuts a header block of `len` bytes into one HEADERS frame and as many CONTINUATION frames as `max_frame_size` asks
/// for: each head with the part of the block that follows it. An empty block is one empty HEADERS frame.
pub(crate) fn block_frames(
    stream: StreamId,
    end_stream: bool,
    len: usize,
    max_frame_size: u32,
) -> impl Iterator<Item = ([u8; HEAD_LEN], Range<usize>)> {
    // A frame size of zero would never come to the end; settings are validated, so this is a belt to the braces.
    let step = (max_frame_size as usize).max(1);
    let count = len.div_ceil(step).max(1);
    (0..count).map(move |n| {
        let part = n * step..((n + 1) * step).min(len);
        let flags = Flags::NONE.with_if(Flags::END_HEADERS, n + 1 == count);
        let head = if n == 0 {
            head(
                Kind::Headers,
                flags.with_if(Flags::END_STREAM, end_stream),
                stream,
                part.len(),
            )
        } else {
            head(Kind::Continuation, flags, stream, part.len())
        };
        (head, part)
    })
}

/// Appends a whole header block, cut by [`block_frames`].
pub(crate) fn header_block(
    out: &mut BytesMut,
    stream: StreamId,
    end_stream: bool,
    block: &[u8],
    max_frame_size: u32,
) {
    for (head, part) in block_frames(stream, end_stream, block.len(), max_frame_size) {
        out.extend_from_slice(&head);
        out.extend_from_slice(&block[part]);
    }
}
