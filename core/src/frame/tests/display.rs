//! Frames for people to read.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bytes::BytesMut;

use super::super::display::*;
use super::super::{HEAD_LEN, PREFACE, StreamId, encode};
use super::{every_kind, raw};

/// What a log says to `wire` when it passes in pieces of `size` bytes.
fn log(wire: &[u8], size: usize) -> String {
    let mut log = FrameLog::new();
    let mut lines: Vec<String> = Vec::new();
    for piece in wire.chunks(size) {
        log.feed(piece, |frame| lines.push(frame.to_string()));
    }
    lines.join("\n")
}

const EVERY_KIND: &str = "\
SETTINGS frame <length=12, flags=0x00, stream_id=0>
  (niv=2)
  [SETTINGS_MAX_CONCURRENT_STREAMS(0x03):100]
  [SETTINGS_ENABLE_PUSH(0x02):0]
SETTINGS frame <length=0, flags=0x01, stream_id=0>
  ; ACK
  (niv=0)
HEADERS frame <length=100, flags=0x00, stream_id=1>
  (padlen=0, block=100)
CONTINUATION frame <length=100, flags=0x00, stream_id=1>
  (block=100)
CONTINUATION frame <length=100, flags=0x04, stream_id=1>
  ; END_HEADERS
  (block=100)
HEADERS frame <length=11, flags=0x2d, stream_id=3>
  ; END_STREAM | END_HEADERS | PADDED | PRIORITY
  (padlen=2, dep_stream_id=1, weight=16, exclusive=1, block=3)
PUSH_PROMISE frame <length=7, flags=0x0c, stream_id=1>
  ; END_HEADERS | PADDED
  (padlen=1, promised_stream_id=2, block=1)
DATA frame <length=5, flags=0x08, stream_id=1>
  ; PADDED
  (padlen=3, data=1)
unknown(0x77) frame <length=7, flags=0xff, stream_id=9>
DATA frame <length=4, flags=0x01, stream_id=1>
  ; END_STREAM
  (padlen=0, data=4)
PRIORITY frame <length=12, flags=0x00, stream_id=5>
  (dep_stream_id=2003988334, weight=104, exclusive=0)
PRIORITY frame <length=5, flags=0x00, stream_id=5>
  (dep_stream_id=3, weight=8, exclusive=0)
RST_STREAM frame <length=4, flags=0x00, stream_id=5>
  (error_code=CANCEL(0x08))
PING frame <length=8, flags=0x00, stream_id=0>
  (opaque_data=3132333435363738)
PING frame <length=8, flags=0x01, stream_id=0>
  ; ACK
  (opaque_data=3837363534333231)
unknown(0xaa) frame <length=0, flags=0x00, stream_id=0>
WINDOW_UPDATE frame <length=4, flags=0x00, stream_id=0>
  (window_size_increment=2147483647)
GOAWAY frame <length=11, flags=0x00, stream_id=0>
  (last_stream_id=5, error_code=NO_ERROR(0x00), opaque_data(3)=[bye])";

#[test]
fn every_kind_is_described_however_it_arrives() {
    let wire = every_kind();
    let client = [&PREFACE[..], &wire].concat();
    for size in 1..=client.len() {
        assert_eq!(log(&wire, size), EVERY_KIND, "in pieces of {size}");
        assert_eq!(
            log(&client, size),
            EVERY_KIND,
            "behind a preface, in pieces of {size}"
        );
    }
}

#[test]
fn large_frames_are_described_from_their_beginning() {
    let entries: Vec<u8> = (0..50).flat_map(|n| [0, 1, 0, 0, 0, n]).collect();
    let text = log(&raw(0x4, 0, 0, &entries), 7);
    assert!(
        text.contains("(niv=50)") && text.ends_with("[and 10 more]"),
        "{text}"
    );

    let wire = [
        &raw(0x7, 0, 0, &[b'x'; 1000])[..],
        &raw(0x0, 0, 3, &[0; 16_384]),
        &raw(0x6, 0, 0, &[0; 8]),
    ];
    let text = log(&wire.concat(), 1000);
    assert!(
        text.contains("opaque_data(992)=[xxx") && text.contains("xxx...])"),
        "{text}"
    );
    assert!(
        text.contains("data=16384") && text.ends_with("(opaque_data=0000000000000000)"),
        "{text}"
    );
}

#[test]
fn malformed_frames_are_shown_as_far_as_they_go() {
    for kind in 0..=0xb {
        for flags in [0, 0x8, 0x28] {
            for len in 0..12 {
                let wire = raw(kind, flags, 1, &[0xff; 12][..len]);
                let (head, payload) = wire.split_first_chunk::<HEAD_LEN>().expect("a head");
                let text = describe_frame(head, payload).to_string();
                assert!(
                    text.contains(&alloc::format!(" frame <length={len}, ")),
                    "{text}"
                );
            }
        }
    }
    let text = describe_frame(&[0, 0, 2, 3, 0, 0, 0, 0, 1], &[0, 0]).to_string();
    assert!(text.ends_with("\n  (cut short)"), "{text}");
    let text = describe_frame(&[0, 0, 2, 0, 8, 0, 0, 0, 1], &[2, 0]).to_string();
    assert!(text.contains("PADDED"), "{text}");
}

// RFC 9113 §6.5.2, RFC 8441 §3 and RFC 9218 §2.1
#[test]
fn settings_have_their_names() {
    let entries: Vec<u8> = (1..=10).flat_map(|id| [0, id, 0, 0, 0, id]).collect();
    let text = log(&raw(0x4, 0, 0, &entries), 64);
    let lines: Vec<&str> = text.lines().skip(2).collect();
    let names = [
        "SETTINGS_HEADER_TABLE_SIZE(0x01):1",
        "SETTINGS_ENABLE_PUSH(0x02):2",
        "SETTINGS_MAX_CONCURRENT_STREAMS(0x03):3",
        "SETTINGS_INITIAL_WINDOW_SIZE(0x04):4",
        "SETTINGS_MAX_FRAME_SIZE(0x05):5",
        "SETTINGS_MAX_HEADER_LIST_SIZE(0x06):6",
        "UNKNOWN(0x07):7",
        "SETTINGS_ENABLE_CONNECT_PROTOCOL(0x08):8",
        "SETTINGS_NO_RFC7540_PRIORITIES(0x09):9",
        "UNKNOWN(0x0a):10",
    ];
    assert_eq!(lines, names.map(|name| alloc::format!("  [{name}]")));
}

#[test]
fn debug_data_that_was_not_kept_is_left_out() {
    for (len, dots) in [(232, false), (233, true)] {
        let text = log(&raw(0x7, 0, 0, &[b'x'; 8 + 232 + 1][..8 + len]), 1000);
        assert!(
            text.contains(&alloc::format!("opaque_data({len})=[xxx")),
            "{text}"
        );
        assert_eq!(text.ends_with("x...])"), dots, "{text}");
    }
}

// RFC 9113 §6.9: the reserved bit is none of the increment. RFC 9218 §7.1: the value is text.
#[test]
fn updates_of_windows_and_of_priorities_are_described() {
    let text = log(&raw(0x8, 0, 3, &[0x80, 0, 0, 9]), 64);
    assert!(text.ends_with("\n  (window_size_increment=9)"), "{text}");
    let mut wire = BytesMut::new();
    encode::priority_update(&mut wire, StreamId::from_u32(5), b"u=1, i");
    let text = log(&wire, 64);
    assert_eq!(
        text,
        "PRIORITY_UPDATE frame <length=10, flags=0x00, stream_id=0>\n  \
         (prioritized_stream_id=5, priority_field_value=[u=1, i])"
    );
}

#[test]
fn what_only_begins_like_a_preface_is_a_frame() {
    let mut wire = [b'x'; 300];
    wire[..9].copy_from_slice(&PREFACE[..9]);
    for size in [1, 9, 24, 300] {
        let text = log(&wire, size);
        assert_eq!(
            text, "unknown(0x20) frame <length=5263945, flags=0x2a, stream_id=541611092>",
            "in pieces of {size}"
        );
    }
}
