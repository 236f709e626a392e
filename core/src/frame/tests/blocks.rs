//! Header blocks across frames.

use alloc::vec;
use alloc::vec::Vec;

use bytes::{BufMut, BytesMut};

use super::super::*;
use super::{ROOMY, decode, decode_pieces, fault, id, raw};
use crate::violation::Violation;

// RFC 9113 §4.3 and §6.10: nothing comes between the frames of a header block.
#[test]
fn header_blocks_are_contiguous() {
    let open = raw(0x1, 0, 1, b"a");
    let with = |next: &[u8]| fault(&[&open[..], next].concat());
    for kind in (0..=0xff_u8).filter(|&kind| kind != 0x9) {
        for stream in [0, 1, 3] {
            let want = Some(Violation::ContinuationExpected);
            assert_eq!(with(&raw(kind, 0, stream, &[])), want, "{kind} on {stream}");
        }
    }
    assert_eq!(
        with(&raw(0x9, 4, 3, b"b")),
        Some(Violation::ContinuationExpected)
    );
    assert_eq!(with(&raw(0x9, 4, 1, b"b")), None);
    let promise = raw(0x5, 0, 1, &[0, 0, 0, 2]);
    assert_eq!(fault(&[&promise[..], &raw(0x9, 4, 1, b"b")].concat()), None);
    // After the end of a block, and with none at all.
    let late = [&open[..], &raw(0x9, 4, 1, b"b"), &raw(0x9, 4, 1, b"c")].concat();
    assert_eq!(fault(&late), Some(Violation::ContinuationUnexpected));
    assert_eq!(
        fault(&raw(0x9, 4, 1, b"c")),
        Some(Violation::ContinuationUnexpected)
    );
}

#[test]
fn open_block_is_known_while_it_lasts() {
    let mut decoder = Decoder::new(ROOMY);
    let mut input = BytesMut::from(&raw(0x1, 0, 7, b"a")[..]);
    assert_eq!(decoder.open_block(), None);
    assert!(decoder.next(&mut input).is_ok());
    assert_eq!(decoder.open_block(), Some(id(7)));
    input.put_slice(&raw(0x9, 4, 7, b"a"));
    assert!(decoder.next(&mut input).is_ok());
    assert_eq!(decoder.open_block(), None);
}

// RFC 9113 §10.5.1: the caps on a block, each just kept and just passed.
#[test]
fn continuation_caps() {
    let limits = Limits {
        max_frame_size: MAX_FRAME_SIZE_MIN,
        header_list_bytes_max: 16 << 10,
        ..ROOMY
    };
    let block = |count: usize, payload: &[u8]| {
        let mut wire = raw(0x1, 0, 1, b"");
        for n in 1..=count {
            wire.extend(raw(0x9, if n == count { 4 } else { 0 }, 1, payload));
        }
        decode_pieces(limits, [&wire[..]])
            .pop()
            .and_then(Result::err)
            .map(|fault| fault.0)
    };
    // 16 KiB of list fit one frame, and eight more are spared.
    assert_eq!(block(9, b"x"), None);
    assert_eq!(block(10, b"x"), Some(Violation::ContinuationFlood));
    assert_eq!(
        block(5, b""),
        None,
        "four empty ones, and the empty one that ends"
    );
    assert_eq!(block(6, b""), Some(Violation::EmptyContinuationFlood));
    let full = vec![0; 16 << 10];
    assert_eq!(block(4, &full), None);
    assert_eq!(block(5, &full), Some(Violation::HeaderBlockTooLarge));
}

// RFC 9113 §10.5.1: so are blocks of one frame, but no frame of another kind, whatever it is that lists may take.
#[test]
fn a_single_frame_is_a_block_too_large() {
    let limits = Limits {
        max_frame_size: 1 << 20,
        header_list_bytes_max: 1_000,
        ..ROOMY
    };
    let fault = |kind, len| {
        let wire = raw(kind, 0x4, 1, &vec![0; len]);
        let outcome = decode_pieces(limits, [&wire[..]]).pop().expect("a frame");
        outcome.err().map(|fault| fault.0)
    };
    assert_eq!(fault(0x1, 16_384), None);
    assert_eq!(fault(0x1, 16_385), Some(Violation::HeaderBlockTooLarge));
    assert_eq!(fault(0x5, 16_385), Some(Violation::HeaderBlockTooLarge));
    assert_eq!(fault(0x0, 16_385), None);
    assert_eq!(fault(0xbe, 16_385), None);
}

// RFC 9113 §10.5.1: the frames of a large block are handed out where they lie; joining them would cost the square.
#[test]
fn a_megabyte_in_small_continuations_is_not_copied() {
    const BLOCK: usize = 1 << 20;
    let mut input = BytesMut::new();
    encode::header_block(&mut input, id(1), true, &vec![0x82; BLOCK], 1024);
    let lies_in = input.as_ptr_range();
    let mut decoder = Decoder::new(ROOMY);
    let mut total = 0;
    let mut frames = 0;
    while let Ok(Some(head)) = decoder.peek(&mut input) {
        let fragment = decoder.payload(head, &input).expect("a good frame");
        let here = fragment.as_ptr_range();
        assert!(lies_in.start <= here.start && here.end <= lies_in.end);
        total += fragment.len();
        frames += 1;
        decoder.pass(head, &mut input);
    }
    assert_eq!((total, frames), (BLOCK, 1024));
    assert!(input.is_empty() && decoder.open_block().is_none());
}

// RFC 9113 §6.6: only even identifiers can be promised.
#[test]
fn promises_name_streams_of_the_server() {
    for (promised, good) in [
        (0, false),
        (1, false),
        (2, true),
        (0x7fff_ffff, false),
        (0x8000_0000, false),
    ] {
        let outcome = fault(&raw(0x5, 4, 1, &u32::to_be_bytes(promised)));
        assert_eq!(
            outcome,
            (!good).then_some(Violation::PromisedStreamInvalid),
            "{promised:#x}"
        );
    }
}

// RFC 9113 §4.3: a block is cut into frames no larger than the peer takes, and only the last one ends it.
#[test]
fn blocks_are_cut_to_the_frame_size() {
    for len in [0, 1, 99, 100, 101, 200, 201, 1000] {
        let block: Vec<u8> = (0..len).map(|n| n as u8).collect();
        for end_stream in [false, true] {
            let mut wire = BytesMut::new();
            encode::header_block(&mut wire, id(9), end_stream, &block, 100);
            let mut joined = Vec::new();
            let mut ended = false;
            for (n, outcome) in decode(&wire).into_iter().enumerate() {
                let (fragment, end_headers) = match outcome {
                    Ok(Frame::Headers {
                        fragment,
                        end_stream: end,
                        end_headers,
                        priority: None,
                        ..
                    }) => {
                        assert_eq!((n, end), (0, end_stream));
                        (fragment, end_headers)
                    }
                    Ok(Frame::Continuation {
                        fragment,
                        end_headers,
                        ..
                    }) => (fragment, end_headers),
                    other => panic!("{other:?}"),
                };
                assert!(!ended && fragment.len() <= 100);
                ended = end_headers;
                joined.extend_from_slice(&fragment);
            }
            assert!(ended);
            assert_eq!(joined, block);
        }
    }
}
