use alloc::vec::Vec;

use super::*;

fn drain(mut out: Transmit, step: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while out.has_remaining() {
        let take = step.min(out.chunk().len());
        bytes.extend_from_slice(&out.chunk()[..take]);
        out.advance(take);
    }
    bytes
}

fn sample() -> (Transmit, Vec<u8>) {
    let mut out = Transmit::new();
    let large = Bytes::from(alloc::vec![7; INLINE_MAX + 1]);
    out.put_inline(b"head");
    out.put_payload(Bytes::from_static(b"small"));
    out.put_payload(large.clone());
    out.put_payload(large.clone());
    out.write_inline(|inline| inline.put_slice(b"tail"));
    (
        out,
        [b"headsmall", &large[..], &large[..], b"tail"].concat(),
    )
}

#[test]
fn bytes_come_out_in_order_whatever_the_steps() {
    for step in [1, 2, 3, 9, 10, 1_000, 5_000] {
        let (out, expected) = sample();
        assert_eq!((out.remaining(), out.pieces()), (expected.len(), 5));
        assert_eq!(drain(out, step), expected, "in steps of {step}");
    }
}

#[test]
fn nothing_is_no_part_of_the_output() {
    let mut out = Transmit::new();
    assert_eq!(out.write_inline(|_| ()), 0);
    assert_eq!((out.remaining(), out.chunk()), (0, &[][..]));
    assert_eq!(out.parts().count(), 0);
}

#[test]
fn parts_show_the_same_bytes_after_any_advance() {
    let expected = sample().1;
    for skip in 0..expected.len() {
        let (mut out, _) = sample();
        out.advance(skip);
        let parts: Vec<&[u8]> = out.parts().collect();
        assert!(parts.iter().all(|part| !part.is_empty()));
        assert_eq!(parts.concat(), &expected[skip..]);
    }
}

#[test]
fn a_request_waits_until_the_last_byte_of_its_head_is_taken() {
    let mut out = Transmit::new();
    out.put_inline(b"preface");
    out.advance(3);
    let streams = [1, 3].map(StreamId::from_u32);
    for stream in streams {
        let before = out.remaining();
        out.put_inline(b"head");
        out.note_request(stream, before);
    }
    out.put_inline(b"body");
    for taken in 0..=16 {
        let first = [8, 12].iter().position(|&end| taken < end);
        assert_eq!(out.first_unsent(), first.map(|at| streams[at]), "{taken}");
        assert_eq!(out.holds_request(), taken < 12);
        if taken < 16 {
            out.advance(1);
        }
    }
}

#[test]
fn requests_are_taken_back_with_all_that_is_behind_them() {
    let made = || {
        let mut out = Transmit::new();
        let large = |byte| Bytes::from(alloc::vec![byte; INLINE_MAX + 1]);
        out.put_inline(b"front");
        out.put_payload(large(1));
        for stream in [1, 3].map(StreamId::from_u32) {
            let before = out.remaining();
            out.put_inline(b"head");
            out.note_request(stream, before);
            out.put_payload(large(2));
        }
        out
    };
    let heads = [5 + INLINE_MAX + 1, 5 + 2 * (INLINE_MAX + 1) + 4];
    let whole = drain(made(), 1_000);
    for taken in (0..whole.len()).filter(|taken| taken % 97 == 0 || taken % 1_025 < 20) {
        let mut out = made();
        out.advance(taken);
        // The first that ends behind it.
        let start = heads.into_iter().find(|start| taken < start + 4);
        let cut = out.take_back_requests();
        assert_eq!(cut, start.is_some_and(|start| taken > start), "{taken}");
        assert!(!out.holds_request());
        let kept = start.map_or(whole.len(), |start| start.max(taken));
        assert_eq!(out.remaining(), kept - taken);
        out.put_inline(b"goodbye");
        let expected = [&whole[taken..kept], b"goodbye"].concat();
        assert_eq!(drain(out, 1_000), expected, "{taken}");
    }
}

#[test]
fn a_burst_of_requests_leaves_little_behind() {
    let mut out = Transmit::new();
    for burst in [10, 100 * REQUESTS_KEPT] {
        for n in 1..=burst as u32 {
            let before = out.remaining();
            out.put_inline(b"h");
            out.note_request(StreamId::from_u32(2 * n + 1), before);
        }
        out.advance(burst - 1);
        let last = StreamId::from_u32(2 * burst as u32 + 1);
        assert_eq!(out.first_unsent(), Some(last));
        out.advance(1);
        assert!(!out.holds_request());
        let kept = out.requests.capacity();
        assert!(
            kept <= REQUESTS_KEPT && (kept > 0) == (burst == 10),
            "{kept}"
        );
    }
}
