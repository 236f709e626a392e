//! The application of the engine.

use std::collections::BTreeMap;

use bytes::Bytes;
use raddle_core::{
    Connection, ErrorCode, Event, RequestHead, ResponseHead, Retry, Role, StreamHandle, Then,
};

use super::{TURNS_MAX, World};
use crate::{
    outcome::Fault,
    trace::{Said, note},
    view::Ended,
};

/// The longest body, in bytes.
pub(super) const BODY_MAX: usize = 70_000;
/// What all bodies begin with. What is in them is judged elsewhere.
static BODY: [u8; BODY_MAX] = [7; BODY_MAX];

#[derive(Debug, Default)]
pub(super) struct App {
    pub(super) streams: BTreeMap<StreamHandle, Live>,
    /// The most bytes of a body.
    pub(super) body_max: usize,
    /// Bytes that were handed out and not given back.
    pub(super) taken: BTreeMap<StreamHandle, usize>,
    /// Streams that there have been.
    pub(super) tracked: u64,
}

#[derive(Debug)]
pub(super) struct Live {
    /// How many streams went before it.
    pub(super) n: u64,
    id: Option<u32>,
    /// Bytes that are still to be given to the engine; `None` when the end was given.
    left: Option<usize>,
    /// Bytes of the body that it sends, once there is one.
    total: Option<usize>,
    whole: bool,
    reset: bool,
    /// Bytes of its body that the observer knows to be with the engine.
    told: usize,
}

impl App {
    pub(super) fn held(&self) -> u64 {
        self.taken.values().sum::<usize>() as u64
    }

    /// Whether the application has reset this stream, or it has ended.
    pub(super) fn is_reset(&self, id: u32) -> bool {
        let live = self.streams.values().find(|live| live.id == Some(id));
        live.is_none_or(|live| live.reset)
    }

    pub(super) fn release_all(&mut self, conn: &mut Connection) {
        for (stream, bytes) in std::mem::take(&mut self.taken) {
            conn.release(stream, bytes);
        }
    }
}

impl World<'_> {
    /// The application does something.
    pub(super) fn act(&mut self) -> Result<(), Fault> {
        let choice = self.tape.lane("app").below(8);
        let handles: Vec<_> = self.app.streams.keys().copied().collect();
        let some = (!handles.is_empty()).then(|| handles[self.tape.index(handles.len())]);
        match (choice, some) {
            (0..=3, _) if self.role == Role::Client => {
                let body = self.tape.size(self.app.body_max);
                let head = RequestHead::new(b"POST", b"https", Some(b"a"), b"/").finish();
                if let Ok(handle) = self.conn.open(head, Then::More) {
                    note!(self, "app: opens, {} bytes", body);
                    self.track(handle, Some(body));
                }
            }
            (0..=3, Some(handle)) => {
                let body = self.tape.size(self.app.body_max);
                if self
                    .conn
                    .respond(handle, ResponseHead::new(200).finish(), Then::More)
                    .is_ok()
                {
                    note!(self, "app: answers, {} bytes", body);
                    if let Some(live) = self.app.streams.get_mut(&handle) {
                        (live.left, live.total) = (Some(body), Some(body));
                    }
                }
            }
            (4, Some(handle)) => {
                let id = self.conn.stream_id(handle);
                note!(self, "app: resets {:?}", id);
                self.conn.reset(handle, ErrorCode::CANCEL);
                if let Some(live) = self.app.streams.get_mut(&handle) {
                    live.reset = true;
                }
            }
            (5, _) => self.app.release_all(&mut self.conn),
            (6, _) if self.tape.chance(1, 8) => {
                note!(self, "app: drains");
                self.conn.drain();
            }
            _ => {}
        }
        self.fill()
    }

    fn track(&mut self, handle: StreamHandle, left: Option<usize>) {
        let live = Live {
            n: self.app.tracked,
            id: None,
            left,
            total: left,
            whole: false,
            reset: false,
            told: 0,
        };
        self.app.tracked += 1;
        self.app.streams.insert(handle, live);
    }

    /// I-22: what the windows let pass has been sent, and so has an end behind which nothing is left.
    pub(super) fn judge_progress(&self) -> Result<(), Fault> {
        for live in self.app.streams.values().filter(|live| !live.reset) {
            let (Some(id), Some(total)) = (live.id, live.total) else {
                continue;
            };
            if let Some((sent, room)) = self.observer.unfinished(id)
                && (if sent < total {
                    room > 0
                } else {
                    live.left.is_none()
                })
            {
                return Err(Fault::run(format!(
                    "I-22: stream {id} has sent {sent} of {total} bytes, may send {room}, and does not"
                )));
            }
        }
        Ok(())
    }

    /// Notes which stream is whose, and tells the observer what has been given to each.
    pub(super) fn note_ids(&mut self) {
        for (&handle, live) in &mut self.app.streams {
            let id = self.conn.stream_id(handle).map(|id| id.to_u32());
            live.id = id.or(live.id);
            let given = live.total.unwrap_or_default() - live.left.unwrap_or_default();
            if let Some(id) = live.id
                && given != std::mem::replace(&mut live.told, given)
            {
                self.observer.gave(id, given);
            }
        }
        self.observer.begin_output();
    }

    /// Gives the engine what it takes of every body; in the end every request is answered.
    pub(super) fn fill(&mut self) -> Result<(), Fault> {
        for (&handle, live) in &mut self.app.streams {
            let Some(left) = live.left else { continue };
            let mut data = Bytes::from_static(&BODY[..left]);
            // Some ends come alone, behind the last byte.
            let alone = left > 0 && left == live.total.unwrap_or_default() && left % 2 == 1;
            let then = if alone { Then::More } else { Then::End };
            match self.conn.send_data(handle, &mut data, then) {
                Ok(_) if data.is_empty() => live.left = alone.then_some(0),
                Ok(_) => live.left = Some(data.len()),
                Err(_) => live.left = None,
            }
        }
        Ok(())
    }

    /// Answers what is not answered, once the run is to end.
    pub(super) fn answer_all(&mut self) -> bool {
        let mut any = false;
        for &handle in self.app.streams.keys() {
            let head = ResponseHead::new(204).finish();
            any |= self.role == Role::Server && self.conn.respond(handle, head, Then::End).is_ok();
        }
        any
    }

    /// Takes all events that there are; answers whether there were any.
    pub(super) fn hear(&mut self) -> Result<bool, Fault> {
        for heard in 0..TURNS_MAX {
            let Some(event) = self.conn.poll_event() else {
                return Ok(heard > 0);
            };
            self.event(event)?;
        }
        Err(Fault::run("I-23: events without end"))
    }

    fn event(&mut self, event: Event) -> Result<(), Fault> {
        match event {
            Event::Request { stream, .. } => self.track(stream, None),
            Event::Data { stream, data, then } => {
                if data.is_empty() && !then.is_end() {
                    return Err(Fault::run("I-23: data of no bytes"));
                }
                if self.tape.lane("app").chance(1, 2) {
                    self.conn.release(stream, data.len());
                } else {
                    *self.app.taken.entry(stream).or_default() += data.len();
                }
                self.mark_whole(stream, then);
            }
            Event::Response { stream, then, .. } => self.mark_whole(stream, then),
            Event::Writable { stream } if self.conn.writable(stream) == 0 => {
                return Err(Fault::run("I-23: writable without room"));
            }
            Event::StopSending { stream } => {
                if let Some(live) = self.app.streams.get_mut(&stream) {
                    live.left = None;
                }
            }
            Event::Finished { stream } => {
                let live = self.ended(stream)?;
                if self.role == Role::Client && !live.whole {
                    return Err(Fault::run("I-04: finished without a whole response"));
                }
                self.record_end(live.n, Ended::Finished, format_args!("finished"));
                self.ends.completed += 1;
            }
            Event::Failed { stream, error } => {
                let live = self.ended(stream)?;
                note!(self.trace, "app: {:?} failed: {}", live.id, Said(&error));
                self.record_end(live.n, Ended::Failed, format_args!("failed: {error}"));
                self.judge_failure(&live, error.retry)?;
            }
            _ => {}
        }
        self.fill()
    }

    fn mark_whole(&mut self, stream: StreamHandle, then: Then) {
        if let Some(live) = self.app.streams.get_mut(&stream) {
            live.whole |= then.is_end();
        }
    }

    fn ended(&mut self, stream: StreamHandle) -> Result<Live, Fault> {
        let live = self.app.streams.remove(&stream);
        live.ok_or_else(|| Fault::run("I-01: a stream ends that is not open"))
    }

    fn judge_failure(&mut self, live: &Live, retry: Retry) -> Result<(), Fault> {
        match retry {
            Retry::Never => self.ends.never += 1,
            Retry::IfIdempotent => self.ends.if_idempotent += 1,
            Retry::Safe => self.ends.safe += 1,
        }
        if self.role == Role::Server || self.broken {
            return Ok(());
        }
        let said = live.id.and_then(|id| self.peer.said.get(&id));
        if live.whole && !live.reset && said == Some(&0) {
            return Err(Fault::run(
                "I-03: the response was whole, and only the upload was stopped",
            ));
        }
        if retry != Retry::Safe && said == Some(&7) && !live.reset && !live.whole {
            return Err(Fault::run("I-03: refused, and not safe to send again"));
        }
        let unprocessed = live
            .id
            .is_none_or(|id| said == Some(&7) || self.peer.goaway.is_some_and(|last| id > last));
        if retry == Retry::Safe && !unprocessed {
            return Err(Fault::run("I-02: safe to send again, which nobody said"));
        }
        if retry != Retry::Safe && live.id.is_none() {
            return Err(Fault::run("I-03: never sent, and not safe to send again"));
        }
        Ok(())
    }
}
