//! What every side hears of its streams, and what is passed on from it.

use bytes::Bytes;
use raddle_core::{Event, ResponseHead, Role, StreamError, StreamHandle, Then, Violation};

use super::{
    Task, World,
    fields::mark,
    outgoing::Sent,
    plan::{MILLISECOND, Misbehaviour},
};
use crate::{
    oracle::Way,
    outcome::Fault,
    pair::trailers::trailers_value,
    trace::{Said, note},
};

impl World<'_> {
    pub(super) fn event(&mut self, at: usize, role: Role, event: Event) -> Result<(), Fault> {
        if self.links[at].seen(role).closed {
            return Err(Fault::run(format!(
                "I-29: {at} {role:?}: {event:?} after Closed"
            )));
        }
        match event {
            Event::Request { stream, head, then } => self.on_request(at, stream, &head, then),
            Event::Interim { stream, head } => {
                let id = self.attempt(at, role, stream, "Interim")?;
                self.marked(id, &head)?;
                self.marks.hit("interim");
                self.hint(id, &head)?;
                match self.beyond(id, role) {
                    Some((near, _)) if !self.attempts[near].answered => self.inform(near, head),
                    _ => Ok(()),
                }
            }
            Event::Response { stream, head, then } => self.on_response(at, stream, &head, then),
            Event::Data { stream, data, then } => self.on_data(at, role, stream, data, then),
            Event::Trailers { stream, fields } => {
                let id = self.attempt(at, role, stream, "Trailers")?;
                let value = trailers_value(id as u64, &fields)?;
                note!(self, "{} {:?}: {} trailers", at, role, id);
                self.marks.hit("trailers");
                self.mark_passed(id, at, role);
                self.oracle.trailers(id as u64, incoming(role), &value)?;
                self.whole(id, role, Some(value))
            }
            Event::Writable { stream } => {
                let id = self.attempt(at, role, stream, "Writable")?;
                self.write(id, role)
            }
            Event::StopSending { stream } => {
                let id = self.attempt(at, role, stream, "StopSending")?;
                self.marks.hit("stop sending");
                self.forget(id, role);
                match role {
                    Role::Client => self.upload_stopped(id),
                    Role::Server => Ok(()),
                }
            }
            Event::Finished { stream } => {
                let id = self.attempt(at, role, stream, "Finished")?;
                note!(self, "{} {:?}: {} finished", at, role, id);
                self.ended(at, role, stream, id);
                self.links[at].raw(role).forget_head(stream);
                self.finished(id, role)
            }
            Event::Failed { stream, error } => self.stream_failed(at, role, stream, error),
            Event::Closed { error } => {
                note!(self, "{} {:?}: closed, {:?}", at, role, Said(&error));
                self.side(at, role).closed = true;
                self.accused(role, None, error.and_then(|error| error.violation))
            }
            Event::Ready | Event::Openable | Event::Pong { .. } | Event::PeerDraining => Ok(()),
        }
    }

    fn stream_failed(
        &mut self,
        at: usize,
        role: Role,
        stream: StreamHandle,
        error: StreamError,
    ) -> Result<(), Fault> {
        let id = self.attempt(at, role, stream, "Failed")?;
        note!(self, "{} {:?}: {} failed: {}", at, role, id, Said(&error));
        self.accused(role, Some(id), error.violation)?;
        self.ended(at, role, stream, id);
        match role {
            Role::Client => {
                let traces = self.links[at].client.traces(stream);
                self.oracle.proves(id as u64, error, traces)?;
                self.failed(id, error.retry)
            }
            Role::Server => {
                self.forget(id, role);
                self.oracle.server_ended(id as u64, false)?;
                self.near_ended(id, false)
            }
        }
    }

    /// Nobody breaks a rule here.
    fn accused(
        &self,
        role: Role,
        id: Option<usize>,
        violation: Option<Violation>,
    ) -> Result<(), Fault> {
        match violation {
            None => Ok(()),
            Some(violation) => Err(Fault {
                request: id.map(|id| id as u64),
                what: format!("{role:?} accuses an honest peer: {violation}"),
                trace: String::new(),
            }),
        }
    }

    /// The attempt on `stream`, which must be one that has not ended.
    fn attempt(
        &self,
        at: usize,
        role: Role,
        stream: StreamHandle,
        what: &str,
    ) -> Result<usize, Fault> {
        let found = self.links[at].seen(role).streams.get(&stream);
        found.copied().ok_or_else(|| {
            let what =
                format!("I-01: {at} {role:?}: {what} for {stream:?}, which has ended or never was");
            Fault::run(what)
        })
    }

    /// I-31: an interim response carries the mark of its request.
    fn marked(&self, id: usize, head: &ResponseHead) -> Result<(), Fault> {
        let wanted = mark(self.attempts[id].n);
        let found = head.fields().find(|field| field.name == b"x-mark");
        match found {
            Some(field) if field.value == wanted => Ok(()),
            _ => Err(Fault::of(
                id as u64,
                format!("I-31: another's response: {head:?}"),
            )),
        }
    }

    /// I-31, L09: a response carries what its server has given it, and nothing else.
    fn owned(&self, id: usize, head: &ResponseHead) -> Result<(), Fault> {
        let own = &self.loads[self.attempts[id].n].down_fields;
        match own.are(head.fields()) {
            true => Ok(()),
            false => Err(Fault::of(
                id as u64,
                format!("I-31: another's response: {head:?}"),
            )),
        }
    }

    fn on_response(
        &mut self,
        at: usize,
        stream: StreamHandle,
        head: &ResponseHead,
        then: Then,
    ) -> Result<(), Fault> {
        let id = self.attempt(at, Role::Client, stream, "Response")?;
        note!(self, "{} Client: {} response, {:?}", at, id, then);
        self.hints_whole(id)?;
        self.oracle.head(id as u64)?;
        self.owned(id, head)?;
        if self.attempts[id].parent.is_some() {
            self.forward_response(id, head, then)?;
        }
        match then {
            Then::End => self.oracle.whole(id as u64, Way::Down),
            Then::More => Ok(()),
        }
    }

    fn on_data(
        &mut self,
        at: usize,
        role: Role,
        stream: StreamHandle,
        data: Bytes,
        then: Then,
    ) -> Result<(), Fault> {
        let (id, len) = (self.attempt(at, role, stream, "Data")?, data.len());
        note!(self, "{} {:?}: {} {} bytes, {:?}", at, role, id, len, then);
        self.oracle.data(id as u64, incoming(role), &data)?;
        if len == 0 && !then.is_end() {
            return Err(Fault::of(id as u64, "I-23: data of no bytes"));
        }
        self.side(at, role).took(stream, len);
        match self.beyond(id, role) {
            Some((other, sender)) => match self.outgoing(other, sender) {
                Some(outgoing) => {
                    outgoing.push(data);
                    if !then.is_end() {
                        self.write(other, sender)?;
                    }
                }
                None => self.side(at, role).release(stream, len),
            },
            None => self.consume(at, role, stream, id, len),
        }
        match then {
            Then::End => self.whole(id, role, None),
            Then::More => Ok(()),
        }
    }

    /// An application reads, at once, late, or not at all.
    fn consume(&mut self, at: usize, role: Role, stream: StreamHandle, id: usize, len: usize) {
        let wants = match self.plan.requests[self.attempts[id].n].misbehaves {
            Some(Misbehaviour::ReadsNothing) => role == Role::Server,
            Some(Misbehaviour::IsReadByNobody) => role == Role::Client,
            _ => true,
        };
        if !wants {
            self.marks.hit("a stream that nobody reads");
            // Only when it is over.
            let late = super::plan::PATIENCE + 1_000 * MILLISECOND;
            self.later(late, Task::Release(at, role, stream, len));
        } else if self.plan.slow_readers && self.tape.lane("readers").chance(1, 2) {
            let delay = self.tape.moment(100 * MILLISECOND);
            self.later(delay, Task::Release(at, role, stream, len));
        } else {
            self.side(at, role).release(stream, len);
        }
    }

    /// What `role` has received on an attempt is whole.
    fn whole(&mut self, id: usize, role: Role, trailers: Option<Bytes>) -> Result<(), Fault> {
        self.oracle.whole(id as u64, incoming(role))?;
        if let Some((other, sender)) = self.beyond(id, role) {
            if let Some(outgoing) = self.outgoing(other, sender) {
                outgoing.end(trailers);
            }
            return self.write(other, sender);
        }
        let request = &self.plan.requests[self.attempts[id].n];
        let reads = request.misbehaves != Some(Misbehaviour::IsReadByNobody);
        if role == Role::Server && request.waits && reads {
            self.later(request.delay, Task::Answer(id));
        }
        Ok(())
    }

    pub(super) fn outgoing(
        &mut self,
        id: usize,
        role: Role,
    ) -> Option<&mut super::outgoing::Outgoing> {
        let attempt = &mut self.attempts[id];
        match role {
            Role::Client => attempt.upload.as_mut(),
            Role::Server => attempt.download.as_mut(),
        }
    }

    /// Sends what the engine takes of the message of `role` on an attempt.
    pub(super) fn write(&mut self, id: usize, role: Role) -> Result<(), Fault> {
        let attempt = &mut self.attempts[id];
        let (handle, outgoing) = match role {
            Role::Client => (attempt.client, attempt.upload.as_mut()),
            Role::Server => (attempt.server, attempt.download.as_mut()),
        };
        let (Some(handle), Some(outgoing)) = (handle, outgoing) else {
            return Ok(());
        };
        let (source, link) = (outgoing.source, attempt.link);
        let side = self.links[link].raw(role);
        side.dirty = true;
        let (sent, taken) = outgoing
            .drive(&mut side.conn, handle)
            .map_err(|error| Fault::of(id as u64, format!("{role:?} cannot send: {error}")))?;
        side.tally.offered(handle, sent == Sent::Blocked);
        side.work.passes(taken);
        if let Some(source) = source {
            let reader = self.reader_of(source.link);
            self.side(source.link, reader).release(source.stream, taken);
        }
        note!(
            self,
            "{} {:?}: {} sends {}, {:?}",
            link,
            role,
            id,
            taken,
            sent
        );
        if matches!(sent, Sent::Whole | Sent::Gone) {
            self.forget(id, role);
            if role == Role::Server && sent == Sent::Whole {
                return self.answered_whole(id);
            }
        } else if sent == Sent::Blocked && source.is_some() {
            self.marks.hit("the proxy holds back");
        }
        Ok(())
    }

    /// Nothing more of the message of `role` is sent.
    pub(super) fn forget(&mut self, id: usize, role: Role) {
        let attempt = &mut self.attempts[id];
        let outgoing = match role {
            Role::Client => attempt.upload.take(),
            Role::Server => attempt.download.take(),
        };
        if let Some(outgoing) = outgoing {
            self.drop_upload(&outgoing);
        }
    }

    /// The stream of an attempt is over for one side.
    fn ended(&mut self, at: usize, role: Role, stream: StreamHandle, id: usize) {
        self.side(at, role).streams.remove(&stream);
        match role {
            Role::Client => self.attempts[id].client = None,
            Role::Server => self.attempts[id].server = None,
        }
    }

    fn finished(&mut self, id: usize, role: Role) -> Result<(), Fault> {
        self.forget(id, role);
        if role == Role::Server {
            return self.oracle.server_ended(id as u64, true);
        }
        self.oracle.complete(id as u64)?;
        self.mark_complete(id);
        if self.attempts[id].parent.is_some() {
            return Ok(());
        }
        let request = &mut self.requests[self.attempts[id].n];
        request.ended = self.now;
        match request.end.replace(Ok(())) {
            None => Ok(()),
            Some(_) => Err(Fault::of(id as u64, "I-01: its request has ended before")),
        }
    }
}

/// The way of the messages that `role` receives.
fn incoming(role: Role) -> Way {
    match role {
        Role::Client => Way::Down,
        Role::Server => Way::Up,
    }
}
