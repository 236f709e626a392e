//! Frames as text: whatever the bytes are and wherever they are cut, the same frames are described, and what is kept of
//! them is bounded.
//!
//! The first byte of the input chooses the cuts: `fuzz/smoke frame_decode 60` runs it for a minute.

use raddle_core::{FrameLog, describe_frame};

/// Runs one input.
///
/// # Panics
/// When a cut changes what is described.
pub fn run(data: &[u8]) {
    let Some((&cut, data)) = data.split_first() else {
        return;
    };
    let mut whole = Vec::new();
    FrameLog::new().feed(data, |frame| whole.push(frame.to_string()));
    let mut pieces = Vec::new();
    let mut log = FrameLog::new();
    for piece in data.chunks(usize::from(cut).max(1)) {
        log.feed(piece, |frame| pieces.push(frame.to_string()));
    }
    assert_eq!(whole, pieces, "cut at {cut}");
    if let Some((head, payload)) = data.split_first_chunk::<9>() {
        let text = describe_frame(head, payload).to_string();
        assert!(text.is_ascii() && text.contains("frame <length="));
    }
}
