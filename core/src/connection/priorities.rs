//! Priorities of RFC 9218: what a client asks for, by the `priority` field or by PRIORITY_UPDATE, and what the server's
//! own answer says of it. Of several signals the newest counts.

use alloc::vec::Vec;

use super::Connection;
use crate::{
    head::{Fields, RequestHead},
    id::{Role, StreamHandle, StreamId},
    limits::Cause,
    planted::Planted,
    priority::Priority,
    time::Timestamp,
    violation::Violation,
};

/// Priorities of streams that are not open yet. A client may send the update ahead of the request that it is for, and
/// rarely of more than a few; the oldest goes first.
const EARLY_MAX: usize = 32;

/// What the `priority` field of a request asks for (RFC 9218 §5); `None` when there is none or it cannot be read.
pub(super) fn asked_priority(head: &RequestHead) -> Option<Priority> {
    let fields = head.has_priority().then(|| head.as_fields());
    fields.and_then(|fields| merged_priority(Priority::default(), fields))
}

/// What becomes of a priority by the `priority` field of a message; `None` when there is none or it cannot be read.
pub(super) fn merged_priority(priority: Priority, fields: &Fields) -> Option<Priority> {
    let mut fields = fields.iter();
    let mut values = fields.by_ref().filter(|field| field.name == b"priority");
    let first = values.next()?.value;
    let Some(second) = values.next() else {
        return priority.merge(first);
    };
    // RFC 9651 §4.2: several lines are one, with commas between them.
    let lines = [first, second.value].into_iter();
    let lines: Vec<_> = lines.chain(values.map(|field| field.value)).collect();
    priority.merge(&lines.join(&b", "[..]))
}

impl Connection {
    /// Changes how urgently the stream's body is sent (RFC 9218). A client also tells a server that has said that it
    /// goes by such priorities (SETTINGS_NO_RFC7540_PRIORITIES), by a PRIORITY_UPDATE frame; before the server's SETTINGS
    /// have come, once they have.
    pub fn prioritize(&mut self, stream: StreamHandle, priority: Priority) {
        // RFC 9218 §2.1.1: to a server that has not said so, the frame would mean nothing.
        let asked = self.remote.no_rfc7540_priorities == Some(true)
            || self.plants.has(Planted::UrgencyUnasked);
        let tells = self.role == Role::Client && asked;
        if let Some(found) = self.streams.get_mut(stream) {
            found.priority_due |= tells && (found.priority != priority || !found.prioritized);
            found.priority = priority;
            found.prioritized = true;
            self.streams.settle(stream);
        }
    }

    /// The server has said that it goes by priorities: it is told of those that were set before.
    pub(super) fn tell_priorities(&mut self) {
        if self.role == Role::Server || self.remote.no_rfc7540_priorities != Some(true) {
            return;
        }
        for handle in self.streams.handles() {
            if let Some(stream) = self.streams.get_mut(handle) {
                stream.priority_due |= stream.prioritized && !stream.is_closed();
            }
            self.streams.settle(handle);
        }
    }

    pub(super) fn on_priority_update(
        &mut self,
        id: StreamId,
        value: &[u8],
        now: Timestamp,
    ) -> Result<(), Violation> {
        // RFC 9218 §7.1: only clients send it, and only about streams that clients open.
        if self.role == Role::Client {
            return Err(Violation::PriorityUpdateFromServer);
        }
        if !id.is_client_initiated() {
            return Err(Violation::PriorityUpdateStreamInvalid);
        }
        self.buckets.charge(Cause::Priority, now)?;
        self.stats.work_units += self.early.len() as u64;
        let Some(priority) = Priority::parse(value) else {
            return Ok(());
        };
        if self.is_idle(id) {
            if !self.plants.has(Planted::OldPriorityStays) {
                self.early.retain(|&(early, _)| early != id);
            }
            if self.early.len() >= EARLY_MAX {
                self.early.pop_front();
            }
            self.early.push_back((id, priority));
        } else if let Some(handle) = self.streams.find(id) {
            self.prioritize(handle, priority);
        }
        Ok(())
    }

    /// Takes the priority that was sent ahead of stream `id`. It counts more than the field (RFC 9218 §7).
    pub(super) fn early_priority(&mut self, id: StreamId) -> Option<Priority> {
        // Those of lower identifiers are for streams that can never open any more.
        self.early.retain(|&(early, _)| early >= id);
        let found = self.early.take_if(|&(early, _)| early == id);
        found.map(|(_, priority)| priority)
    }
}

#[cfg(test)]
impl Connection {
    /// The priority of a stream.
    pub(super) fn priority(&self, stream: StreamHandle) -> Option<Priority> {
        self.streams.get(stream).map(|stream| stream.priority)
    }

    /// How many priorities wait for their streams.
    pub(super) fn early_len(&self) -> usize {
        self.early.len()
    }
}
