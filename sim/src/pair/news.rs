//! What an application has done to its streams and the observer is to know, as soon as they are on the wire.

use std::collections::BTreeMap;

use bytes::Bytes;
use raddle_core::{Connection, StreamHandle};

use super::end::Live;
use crate::wire::{Observer, Urgency};

/// What is still to be told of the streams of one end.
#[derive(Debug, Default)]
pub(super) struct News {
    fresh: Rows,
    /// Of streams that had no identifier when there was news last.
    waiting: Rows,
    /// Streams that had one by then.
    opened: u64,
    /// The requests of the streams that have had one.
    numbers: BTreeMap<u32, u64>,
}

#[derive(Debug, Default)]
struct Rows {
    /// Streams that have been given more of a body.
    gave: Vec<StreamHandle>,
    /// How urgent streams are.
    urged: Vec<(StreamHandle, Urgency)>,
    /// Heads and trailers.
    lists: Vec<(StreamHandle, Bytes)>,
}

impl News {
    /// The application has given more of a body.
    pub(super) fn gave(&mut self, stream: StreamHandle) {
        if self.fresh.gave.last() != Some(&stream) {
            self.fresh.gave.push(stream);
        }
    }

    /// The application has said how urgent a stream is that has no identifier yet.
    pub(super) fn urged(&mut self, stream: StreamHandle, urgency: Urgency) {
        self.fresh.urged.push((stream, urgency));
    }

    /// The application has sent a head or trailers, of these lines.
    pub(super) fn sent_list(&mut self, stream: StreamHandle, lines: Bytes) {
        self.fresh.lists.push((stream, lines));
    }

    /// Which request went to the wire on the stream of this identifier.
    pub(super) fn number(&self, id: u32) -> Option<u64> {
        self.numbers.get(&id).copied()
    }

    /// Tells what there is of streams that are on the wire by now.
    pub(super) fn tell(
        &mut self,
        conn: &Connection,
        streams: &mut BTreeMap<StreamHandle, Live>,
        observer: &mut Observer,
    ) {
        if self.fresh.is_empty() && self.waiting.is_empty() {
            return;
        }
        let opened = conn.stats().streams_opened;
        if opened != std::mem::replace(&mut self.opened, opened) {
            self.waiting
                .tell(conn, streams, observer, &mut self.numbers);
        }
        self.fresh.tell(conn, streams, observer, &mut self.numbers);
        self.waiting.append(&mut self.fresh);
    }
}

impl Rows {
    fn is_empty(&self) -> bool {
        self.gave.is_empty() && self.urged.is_empty() && self.lists.is_empty()
    }

    fn append(&mut self, other: &mut Self) {
        self.gave.append(&mut other.gave);
        self.urged.append(&mut other.urged);
        self.lists.append(&mut other.lists);
    }

    /// Keeps what is of streams without an identifier, unless they have ended.
    fn tell(
        &mut self,
        conn: &Connection,
        streams: &mut BTreeMap<StreamHandle, Live>,
        observer: &mut Observer,
        numbers: &mut BTreeMap<u32, u64>,
    ) {
        self.gave.retain(|&handle| {
            let Some(live) = streams.get(&handle) else {
                return false;
            };
            match conn.stream_id(handle) {
                Some(id) => observer.gave(id.to_u32(), live.given),
                None => return true,
            }
            false
        });
        self.urged
            .retain(|&(handle, urgency)| match conn.stream_id(handle) {
                Some(id) => {
                    observer.urge(id.to_u32(), urgency, false);
                    false
                }
                None => streams.contains_key(&handle),
            });
        self.lists
            .retain_mut(|(handle, lines)| match conn.stream_id(*handle) {
                Some(id) => {
                    observer.expect(id.to_u32(), std::mem::take(lines));
                    observer.seat(id.to_u32(), handle.index());
                    if let Some(live) = streams.get_mut(handle) {
                        live.id = Some(id.to_u32());
                        numbers.insert(id.to_u32(), live.n);
                    }
                    false
                }
                None => streams.contains_key(handle),
            });
    }
}
