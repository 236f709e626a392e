//! A server at the end of the way.

use raddle_core::{
    ErrorCode, RequestHead, ResponseHead, ResponseHeadBuilder, Role, SendError, Then,
};

use super::{
    Hop, Task, Topology, World,
    fields::mark,
    outgoing::Outgoing,
    plan::{Misbehaviour, PATIENCE},
};
use crate::{oracle::Way, outcome::Fault, trace::note};

impl World<'_> {
    /// Whether the server of this connection is the proxy.
    pub(super) fn is_proxied(&self, link: usize) -> bool {
        self.plan.topology == Topology::Proxy && self.links[link].hop == Hop::Near
    }

    pub(super) fn on_request(
        &mut self,
        at: usize,
        stream: raddle_core::StreamHandle,
        head: &RequestHead,
        then: Then,
    ) -> Result<(), Fault> {
        let path = head.path().and_then(|path| std::str::from_utf8(path).ok());
        let id = path.and_then(|path| path.strip_prefix('/')?.parse::<usize>().ok());
        let id = id
            .filter(|&id| {
                self.attempts
                    .get(id)
                    .is_some_and(|attempt| attempt.link == at)
            })
            .ok_or_else(|| Fault::run(format!("I-31: nobody made it on {at}: {head:?}")))?;
        let n = self.attempts[id].n;
        if !self.loads[n].up_fields.are(head.fields()) {
            return Err(Fault::of(
                id as u64,
                format!("I-31: another's head: {head:?}"),
            ));
        }
        note!(self, "{} Server: #{} request {}, {:?}", at, n, id, then);
        self.oracle.shown(id as u64)?;
        if self
            .side(at, Role::Server)
            .streams
            .insert(stream, id)
            .is_some()
        {
            return Err(Fault::of(
                id as u64,
                format!("I-18: {stream:?} is in use already"),
            ));
        }
        self.mark_mixed(at, id);
        self.attempts[id].server = Some(stream);
        if then.is_end() {
            self.oracle.whole(id as u64, Way::Up)?;
        }
        if self.is_proxied(at) {
            self.attempts[id].head = Some(head.clone());
            self.attempts[id].crosses_drain = self.links[at].drained;
            return self.forward_request(id, then);
        }
        self.execute(id)?;
        let request = &self.plan.requests[n];
        let (delay, waits) = (request.delay, request.waits);
        match request.misbehaves {
            Some(Misbehaviour::IsReset(code, after)) => {
                self.later(after, Task::Reset(id, code));
            }
            Some(Misbehaviour::IsReadByNobody) => {
                self.later(PATIENCE, Task::Reset(id, ErrorCode::INTERNAL_ERROR));
                return Ok(());
            }
            _ => {}
        }
        if then.is_end() || !waits {
            self.later(delay, Task::Answer(id));
        }
        Ok(())
    }

    /// I-06: what may not be done twice is not done twice, whoever sends it again.
    fn execute(&mut self, id: usize) -> Result<(), Fault> {
        let n = self.attempts[id].n;
        let request = &mut self.requests[n];
        request.executed += 1;
        if request.executed > 1 && !self.plan.requests[n].idempotent {
            let what = format!("I-06: #{n} is executed {} times", request.executed);
            return Err(Fault::of(id as u64, what));
        }
        self.attempts[id].executed = true;
        if let Some(parent) = self.attempts[id].parent {
            self.attempts[parent].executed = true;
        }
        Ok(())
    }

    pub(super) fn answer(&mut self, id: usize) -> Result<(), Fault> {
        let attempt = &mut self.attempts[id];
        let (n, link) = (attempt.n, attempt.link);
        let Some(stream) = attempt.server else {
            return Ok(());
        };
        if std::mem::replace(&mut attempt.answered, true) {
            return Ok(());
        }
        let message = self.message(n, Role::Server);
        for hint in 0..self.plan.requests[n].interims {
            let hint = ResponseHead::new(103)
                .field(b"x-mark", &mark(n))
                .field(b"x-hint", hint.to_string().as_bytes())
                .finish();
            self.inform(id, hint)?;
        }
        let empty = message.body.is_empty() && message.trailers.is_none();
        let then = if empty { Then::End } else { Then::More };
        note!(self, "{} Server: #{} answers {}", link, n, id);
        self.oracle.answered(id as u64, message.clone())?;
        let own = self.loads[n].down_fields.iter();
        let head = own.fold(ResponseHead::new(200), put).finish();
        match self
            .side(link, Role::Server)
            .conn
            .respond(stream, head, then)
        {
            Ok(()) => {}
            Err(SendError::Gone) => return Ok(()),
            Err(error) => return Err(Fault::of(id as u64, format!("cannot answer: {error}"))),
        }
        self.attempts[id].download = (!empty).then(|| Outgoing::whole(message));
        if empty {
            return self.answered_whole(id);
        }
        self.write(id, Role::Server)
    }

    /// All of the answer is with the engine: the server may want no more of the request.
    pub(super) fn answered_whole(&mut self, id: usize) -> Result<(), Fault> {
        let attempt = &self.attempts[id];
        let (n, link) = (attempt.n, attempt.link);
        let stops = match self.is_proxied(link) {
            // The proxy does what its server has done.
            true => attempt.stopped,
            false => self.plan.requests[n].stops,
        };
        let Some(stream) = attempt.server.filter(|_| stops) else {
            return Ok(());
        };
        note!(self, "{} Server: #{} {} stops the upload", link, n, id);
        self.oracle.unwanted(id as u64, Way::Up)?;
        let conn = &mut self.side(link, Role::Server).conn;
        conn.reset(stream, ErrorCode::NO_ERROR);
        Ok(())
    }

    pub(super) fn inform(&mut self, id: usize, head: ResponseHead) -> Result<(), Fault> {
        let (link, stream) = (self.attempts[id].link, self.attempts[id].server);
        let Some(stream) = stream else { return Ok(()) };
        match self.side(link, Role::Server).conn.inform(stream, head) {
            Ok(()) | Err(SendError::Gone) => Ok(()),
            Err(error) => Err(Fault::of(id as u64, format!("cannot inform: {error}"))),
        }
    }

    /// The server of an attempt gives it up.
    pub(super) fn reset(&mut self, id: usize, code: ErrorCode) -> Result<(), Fault> {
        let attempt = &mut self.attempts[id];
        let (n, link) = (attempt.n, attempt.link);
        let Some(stream) = attempt.server else {
            return Ok(());
        };
        // Once there was an answer, nobody can say that nothing was done.
        let code = match code {
            ErrorCode::REFUSED_STREAM if attempt.answered => ErrorCode::CANCEL,
            code => code,
        };
        attempt.answered = true;
        attempt.download = None;
        note!(
            self,
            "{} Server: #{} {} is reset with {}",
            link,
            n,
            id,
            code
        );
        self.marks.hit("reset by server");
        if code == ErrorCode::REFUSED_STREAM {
            self.oracle.declined(id as u64)?;
            if std::mem::take(&mut self.attempts[id].executed) {
                self.requests[n].executed -= 1;
                self.clear_executed(id);
            }
        }
        self.side(link, Role::Server).conn.reset(stream, code);
        Ok(())
    }

    /// A server at the end of the way has declined what the proxy sent it.
    fn clear_executed(&mut self, id: usize) {
        if let Some(parent) = self.attempts[id].parent {
            let mut others = self.attempts.iter();
            let any = others.any(|other| other.parent == Some(parent) && other.executed);
            self.attempts[parent].executed = any;
        }
    }
}

/// Adds a field to the head of a response.
pub(super) fn put(
    head: ResponseHeadBuilder,
    (name, value, never): (&[u8], &[u8], bool),
) -> ResponseHeadBuilder {
    match never {
        true => head.sensitive_field(name, value),
        false => head.field(name, value),
    }
}
