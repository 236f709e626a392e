//! What one end has read and sent, in numbers, to be held against what it counts itself (I-18).

use super::{Observer, Passing, kind};

const PRIORITY: u8 = 2;
const PUSH_PROMISE: u8 = 5;
const PADDED: u8 = 8;
/// Codes that name a fault of the peer's in a stream, and that no application here gives: PROTOCOL_ERROR,
/// FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR, ENHANCE_YOUR_CALM.
const FAULTS: [u32; 5] = [1, 3, 5, 6, 11];

/// Frames and bytes of one end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Frames that were read.
    pub(crate) frames: u64,
    pub(crate) pings: u64,
    pub(crate) pongs: u64,
    pub(crate) settings: u64,
    pub(crate) settings_acks: u64,
    pub(crate) updates: u64,
    /// PRIORITY and PRIORITY_UPDATE.
    pub(crate) priorities: u64,
    pub(crate) goaways: u64,
    pub(crate) unknown: u64,
    /// DATA without a byte that ends nothing.
    pub(crate) empty: u64,
    /// Bytes of DATA without their padding.
    pub(crate) data: u64,
    /// Streams that the peer has opened.
    pub(crate) opened: u64,
    /// RST_STREAM on streams that were open, as far as has been seen.
    pub(crate) resets: u64,
    /// RST_STREAM, those among them that name a fault, PING and streams of its own.
    pub(crate) resets_sent: u64,
    pub(crate) faults_sent: u64,
    pub(crate) pings_sent: u64,
    pub(crate) opened_sent: u64,
}

impl Observer {
    /// What it has counted.
    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// A frame is read.
    pub(super) fn count_taken(&mut self, frame: &Passing<'_>) {
        let opens = frame.kind == kind::HEADERS && !self.client && frame.stream > self.opened_last;
        if opens {
            self.opened_last = frame.stream;
            self.opening = true;
        }
        // A stream is open once its header block is whole.
        let blocks = matches!(frame.kind, kind::HEADERS | kind::CONTINUATION);
        if blocks && frame.ends_headers() && std::mem::take(&mut self.opening) {
            self.counts.opened += 1;
        }
        let found = self.streams.get(frame.stream);
        let open = found.is_some_and(|stream| !stream.is_closed());
        let counts = &mut self.counts;
        counts.frames += 1;
        let counter = match (frame.kind, frame.is_ack()) {
            (kind::PING, false) => &mut counts.pings,
            (kind::PING, true) => &mut counts.pongs,
            (kind::SETTINGS, false) => &mut counts.settings,
            (kind::SETTINGS, true) => &mut counts.settings_acks,
            (kind::WINDOW_UPDATE, _) => &mut counts.updates,
            (PRIORITY | kind::PRIORITY_UPDATE, _) => &mut counts.priorities,
            (kind::GOAWAY, _) => &mut counts.goaways,
            (kind::RST_STREAM, _) if open => &mut counts.resets,
            (kind::DATA, _) => {
                let bytes = without_padding(frame);
                counts.data += bytes;
                counts.empty += u64::from(bytes == 0 && !frame.ends_stream());
                return;
            }
            (kind::HEADERS | kind::CONTINUATION | kind::RST_STREAM | PUSH_PROMISE, _) => return,
            _ => &mut counts.unknown,
        };
        *counter += 1;
    }

    /// A frame is sent.
    pub(super) fn count_sent(&mut self, frame: &Passing<'_>) {
        match frame.kind {
            kind::RST_STREAM => {
                self.counts.resets_sent += 1;
                self.counts.faults_sent += u64::from(FAULTS.contains(&frame.word(0)));
            }
            kind::PING if !frame.is_ack() => self.counts.pings_sent += 1,
            _ => {}
        }
    }
}

fn without_padding(frame: &Passing<'_>) -> u64 {
    let all = frame.payload.len() as u64;
    match frame.payload.first() {
        Some(&padding) if frame.flags & PADDED != 0 => all.saturating_sub(1 + u64::from(padding)),
        _ => all,
    }
}
