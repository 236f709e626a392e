//! Fills a recording, when one is asked for. The peer has no transport between it and the engine: what one sends, the
//! other receives at the same moment.

use std::fmt;

use super::World;
use crate::view::{Ended, FaultKind, Passage};

impl World<'_> {
    /// The peer has sent these.
    pub(super) fn record_arrival(&mut self, bytes: &[u8]) {
        if let Some(recorder) = &mut self.trace.recorder {
            recorder.bytes(self.now, !self.role, Passage::Sent, bytes);
            recorder.bytes(self.now, self.role, Passage::Received, bytes);
        }
    }

    /// The engine has cut something into frames: all of its output but the first `before` bytes.
    pub(super) fn record_cut_frames(&mut self, before: usize) {
        let Some(recorder) = &mut self.trace.recorder else {
            return;
        };
        let mut old = before;
        for part in self.out.parts() {
            let skipped = old.min(part.len());
            old -= skipped;
            recorder.bytes(self.now, self.role, Passage::Sent, &part[skipped..]);
        }
    }

    /// The peer gets the first `len` bytes of the output.
    pub(super) fn record_taken(&mut self, len: usize) {
        let Some(recorder) = &mut self.trace.recorder else {
            return;
        };
        let mut left = len;
        for part in self.out.parts() {
            let taken = left.min(part.len());
            left -= taken;
            recorder.bytes(self.now, !self.role, Passage::Received, &part[..taken]);
        }
    }

    /// The transport takes nothing, or next to nothing, until `until`.
    pub(super) fn record_dead_transport(&mut self, until: u64, text: &str) {
        if let Some(recorder) = &mut self.trace.recorder {
            recorder.fault(self.now, until, FaultKind::Stall, None, text);
        }
    }

    /// The application or the peer does something.
    pub(super) fn record_note(&mut self, text: fmt::Arguments<'_>) {
        if let Some(recorder) = &mut self.trace.recorder {
            let text = text.to_string();
            let (side, act) = match text.strip_prefix("app: ") {
                Some(act) => (Some(self.role), act),
                None => (None, &text[..]),
            };
            recorder.app(self.now, side, None, None, act);
        }
    }

    pub(super) fn record_end(&mut self, request: u64, how: Ended, text: fmt::Arguments<'_>) {
        if let Some(recorder) = &mut self.trace.recorder {
            let (side, text) = (Some(self.role), text.to_string());
            recorder.app(self.now, side, Some(request), Some(how), &text);
        }
    }

    /// What the streams wait for now. Walks all of them.
    pub(super) fn record_waits(&mut self) {
        let Some(recorder) = &mut self.trace.recorder else {
            return;
        };
        for (&handle, live) in &self.app.streams {
            let stream = self.conn.stream_id(handle).map(|id| id.to_u32());
            let waiting = self.conn.explain(handle);
            recorder.waits(self.now, self.role, live.n, stream, waiting);
        }
        let alive = |n| self.app.streams.values().any(|live| live.n == n);
        recorder.ended_but(self.now, self.role, alive);
    }
}
