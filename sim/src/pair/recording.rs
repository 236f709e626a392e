//! Fills a recording, when one is asked for. Without one, each of these is a look at an `Option`.

use std::fmt;

use raddle_core::{Role, TransportEnd};

use super::{World, end::End};
use crate::{
    oracle::Way,
    trace::Trace,
    view::{FaultKind, Passage},
};

pub(super) fn arrival(trace: &mut Trace, now: u64, role: Role, bytes: &[u8]) {
    if let Some(recorder) = &mut trace.recorder {
        recorder.bytes(now, role, Passage::Received, bytes);
    }
}

impl World<'_> {
    pub(super) fn record_note(&mut self, text: fmt::Arguments<'_>) {
        if let Some(recorder) = &mut self.trace.recorder {
            recorder.note(self.now, &text.to_string());
        }
    }

    /// What `role` has cut into frames just now: all of its output but the first `before` bytes.
    pub(super) fn record_cut_frames(&mut self, role: Role, before: usize) {
        let Some(recorder) = &mut self.trace.recorder else {
            return;
        };
        let out = match role {
            Role::Client => &self.client.out,
            Role::Server => &self.server.out,
        };
        let mut old = before;
        for part in out.parts() {
            let skipped = old.min(part.len());
            old -= skipped;
            recorder.bytes(self.now, role, Passage::Sent, &part[skipped..]);
        }
    }

    pub(super) fn record_stall(&mut self, way: Way, until: u64) {
        if let Some(recorder) = &mut self.trace.recorder {
            let text = "nothing arrives";
            recorder.fault(self.now, until, FaultKind::Stall, Some(way), text);
        }
    }

    pub(super) fn record_break(&mut self) {
        if let Some(recorder) = &mut self.trace.recorder {
            let text = "the transport breaks";
            recorder.fault(self.now, self.now, FaultKind::Cut, None, text);
        }
    }

    pub(super) fn record_transport_end(&mut self, role: Role, how: TransportEnd) {
        if let Some(recorder) = &mut self.trace.recorder
            && how == TransportEnd::Failed
        {
            let way = match role {
                Role::Client => Way::Down,
                Role::Server => Way::Up,
            };
            let text = format!("{role:?} hears that the transport failed");
            recorder.fault(self.now, self.now, FaultKind::Reset, Some(way), &text);
        }
    }

    /// What the requests of `role` wait for now. Walks all of them.
    pub(super) fn record_waits(&mut self, role: Role) {
        let Some(recorder) = &mut self.trace.recorder else {
            return;
        };
        let end: &End = match role {
            Role::Client => &self.client,
            Role::Server => &self.server,
        };
        for (&handle, live) in &end.streams {
            let stream = end.conn.stream_id(handle).map(|id| id.to_u32());
            let waiting = end.conn.explain(handle);
            recorder.waits(self.now, role, live.n, stream, waiting);
        }
        let alive = |n| end.streams.values().any(|live| live.n == n);
        recorder.ended_but(self.now, role, alive);
    }
}
