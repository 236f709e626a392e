//! Fills a recording of the first connection, when one is asked for. What happens elsewhere stands beside it as text.

use std::fmt;

use raddle_core::{Role, TransportEnd};

use super::World;
use crate::{
    oracle::Way,
    trace::Trace,
    view::{FaultKind, Passage},
};

/// The connection that is recorded.
const FIRST: usize = 0;

/// Bytes have arrived on a connection.
pub(super) fn arrival(trace: &mut Trace, at: usize, now: u64, role: Role, bytes: &[u8]) {
    if let Some(recorder) = &mut trace.recorder
        && at == FIRST
    {
        recorder.bytes(now, role, Passage::Received, bytes);
    }
}

/// A connection has heard of its transport's end.
pub(super) fn end(trace: &mut Trace, at: usize, now: u64, role: Role, how: TransportEnd) {
    if let Some(recorder) = &mut trace.recorder
        && at == FIRST
        && how == TransportEnd::Failed
    {
        let way = match role {
            Role::Client => Way::Down,
            Role::Server => Way::Up,
        };
        let text = format!("{role:?} hears that the transport failed");
        recorder.fault(now, now, FaultKind::Reset, Some(way), &text);
    }
}

impl World<'_> {
    pub(super) fn record_note(&mut self, text: fmt::Arguments<'_>) {
        if let Some(recorder) = &mut self.trace.recorder {
            let text = text.to_string();
            recorder.note(self.now, text.strip_prefix("0 ").unwrap_or(&text));
        }
    }

    /// What `role` has cut into frames just now: all of its output but the first `before` bytes.
    pub(super) fn record_cut_frames(&mut self, at: usize, role: Role, before: usize) {
        let Some(recorder) = self.trace.recorder.as_mut().filter(|_| at == FIRST) else {
            return;
        };
        let mut old = before;
        for part in self.links[at].seen(role).out.parts() {
            let skipped = old.min(part.len());
            old -= skipped;
            recorder.bytes(self.now, role, Passage::Sent, &part[skipped..]);
        }
    }

    /// Nothing arrives for a while, or, when `until` is now, never again.
    pub(super) fn record_trouble(&mut self, at: usize, way: Option<Way>, until: u64) {
        let Some(recorder) = self.trace.recorder.as_mut().filter(|_| at == FIRST) else {
            return;
        };
        let (kind, text) = match until > self.now {
            true => (FaultKind::Stall, "nothing arrives"),
            false => (FaultKind::Cut, "the transport breaks"),
        };
        recorder.fault(self.now, until, kind, way, text);
    }

    /// What the requests of `role` wait for now. Walks all of them.
    pub(super) fn record_waits(&mut self, at: usize, role: Role) {
        let Some(recorder) = self.trace.recorder.as_mut().filter(|_| at == FIRST) else {
            return;
        };
        let (side, attempts) = (self.links[at].seen(role), &self.attempts);
        for (&handle, &id) in &side.streams {
            let stream = side.conn.stream_id(handle).map(|id| id.to_u32());
            let waiting = side.conn.explain(handle);
            recorder.waits(self.now, role, attempts[id].n as u64, stream, waiting);
        }
        let alive = |n| side.streams.values().any(|&id| attempts[id].n as u64 == n);
        recorder.ended_but(self.now, role, alive);
    }
}
