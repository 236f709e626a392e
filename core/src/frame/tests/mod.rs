//! The frame rules, by section of RFC 9113.

mod blocks;
mod display;
mod parameters;
mod single;
mod vectors;

use alloc::vec::Vec;

use bytes::{BufMut, Bytes, BytesMut};

use super::*;
use crate::violation::{Scope, Violation};

const ROOMY: Limits = Limits {
    max_frame_size: MAX_FRAME_SIZE_MIN,
    header_list_bytes_max: 16 << 20,
    continuations_spare: 8,
    settings_entries_max: 32,
};

impl Decoder {
    /// The next whole frame, `None` when more input is needed.
    ///
    /// # Errors
    /// The fault and the stream it was committed on. After one of [`Scope::Stream`] the frame is dropped and decoding
    /// goes on; one of [`Scope::Connection`] is answered again by every later call.
    pub(super) fn next(
        &mut self,
        input: &mut BytesMut,
    ) -> Result<Option<Frame>, (Violation, StreamId)> {
        let Some(head) = self.peek(input)? else {
            return Ok(None);
        };
        let Head { stream, flags, .. } = head;
        let end_headers = flags.contains(Flags::END_HEADERS);
        let fragment = |payload: &[u8]| Bytes::copy_from_slice(payload);
        let frame = match head.kind {
            Kind::Headers => {
                let fragment = self.payload(head, input).map(fragment)?;
                let pad = usize::from(flags.contains(Flags::PADDED));
                let signal = || parse::read_priority(&input[self.payload_at() + pad..]);
                Frame::Headers {
                    stream,
                    fragment,
                    end_stream: flags.contains(Flags::END_STREAM),
                    end_headers,
                    priority: flags.contains(Flags::PRIORITY).then(signal),
                }
            }
            Kind::Continuation => Frame::Continuation {
                stream,
                fragment: self.payload(head, input).map(fragment)?,
                end_headers,
            },
            Kind::Data => {
                // Where it lies it is the same as taken.
                let lying = self.payload(head, input).map(fragment);
                let frame = self.take(head, input);
                let taken = frame.as_ref().map(|frame| match frame {
                    Frame::Data { data, .. } => data,
                    other => panic!("{other:?} is no DATA"),
                });
                assert_eq!(taken, lying.as_ref());
                return frame.map(Some);
            }
            _ => return self.take(head, input).map(Some),
        };
        self.pass(head, input);
        Ok(Some(frame))
    }
}

fn id(raw: u32) -> StreamId {
    StreamId::from_u32(raw)
}

/// A frame of any shape, right or wrong.
fn raw(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = raw_head(payload.len() as u32, kind, flags, stream).to_vec();
    out.extend_from_slice(payload);
    out
}

fn raw_head(len: u32, kind: u8, flags: u8, stream: u32) -> [u8; HEAD_LEN] {
    let mut out = [0; HEAD_LEN];
    out[..3].copy_from_slice(&len.to_be_bytes()[1..]);
    out[3] = kind;
    out[4] = flags;
    out[5..].copy_from_slice(&stream.to_be_bytes());
    out
}

/// Everything that `pieces`, arriving one after the other, decode to. Ends at a fault of the connection.
fn decode_pieces<'a>(
    limits: Limits,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<Result<Frame, (Violation, StreamId)>> {
    let mut decoder = Decoder::new(limits);
    let mut input = BytesMut::new();
    let mut outcomes = Vec::new();
    for piece in pieces {
        input.put_slice(piece);
        loop {
            match decoder.next(&mut input) {
                Ok(None) => break,
                Ok(Some(frame)) => outcomes.push(Ok(frame)),
                Err(fault) => {
                    outcomes.push(Err(fault));
                    if fault.0.scope() == Scope::Connection {
                        return outcomes;
                    }
                }
            }
        }
        assert!(decoder.needed(&input) > 0);
    }
    outcomes
}

fn decode(wire: &[u8]) -> Vec<Result<Frame, (Violation, StreamId)>> {
    decode_pieces(ROOMY, [wire])
}

fn fault(wire: &[u8]) -> Option<Violation> {
    decode(wire)
        .last()
        .and_then(|last| last.clone().err())
        .map(|(violation, _)| violation)
}

/// One frame of each kind and shape that a peer may send, a stream fault, and unknown kinds among them.
fn every_kind() -> Vec<u8> {
    let mut out = BytesMut::new();
    settings::encode(
        &mut out,
        &[
            Setting::MaxConcurrentStreams(100),
            Setting::EnablePush(false),
        ],
    );
    settings::encode_ack(&mut out);
    encode::header_block(&mut out, id(1), false, &[0x82; 300], 100);
    out.put_slice(&raw(
        0x1,
        0x2d,
        3,
        &[2, 0x80, 0, 0, 1, 15, b'a', b'b', b'c', 0, 0],
    ));
    out.put_slice(&raw(0x5, 0xc, 1, &[1, 0, 0, 0, 2, b'x', 0]));
    out.put_slice(&raw(0x0, 0x8, 1, &[3, b'd', 0, 0, 0]));
    out.put_slice(&raw(0x77, 0xff, 9, b"greased"));
    out.put_slice(&encode::data_head(id(1), 4, true));
    out.put_slice(b"body");
    out.put_slice(&raw(0x2, 0, 5, b"wrong length"));
    let weak = PriorityFields {
        exclusive: false,
        dependency: id(3),
        weight: 7,
    };
    encode::priority(&mut out, id(5), weak);
    encode::rst_stream(&mut out, id(5), ErrorCode::CANCEL);
    encode::ping(&mut out, false, *b"12345678");
    encode::ping(&mut out, true, *b"87654321");
    out.put_slice(&raw(0xaa, 0, 0, b""));
    encode::window_update(&mut out, id(0), 0x7fff_ffff);
    encode::goaway(&mut out, id(5), ErrorCode::NO_ERROR, b"bye");
    out.to_vec()
}
