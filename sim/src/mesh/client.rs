//! Who sends requests: the client, and for it the proxy; and on which connection.

use raddle_core::{ErrorCode, OpenError, RequestHead, RequestHeadBuilder, Retry, Role, Then};

use super::{
    Attempt, Hop, Task, Topology, World,
    link::Link,
    outgoing::{Outgoing, Source},
    plan::{MILLISECOND, Misbehaviour, PATIENCE},
};
use crate::{outcome::Fault, trace::note};

impl World<'_> {
    /// Sends request `n`, for the first time or again.
    pub(super) fn send(&mut self, n: usize) -> Result<(), Fault> {
        if self.requests[n].gave_up {
            self.requests[n].end = Some(Err(Retry::Never));
            return Ok(());
        }
        if self.requests[n].sent == 0 {
            let planned = self.plan.requests[n].misbehaves;
            self.requests[n].touched |= planned.is_some();
            match planned {
                Some(Misbehaviour::GivesUp(delay)) => self.later(delay, Task::GiveUp(n)),
                Some(Misbehaviour::ReadsNothing) => self.later(PATIENCE, Task::GiveUp(n)),
                _ => {}
            }
        }
        self.requests[n].sent += 1;
        let message = self.message(n, Role::Client);
        let empty = message.body.is_empty() && message.trailers.is_none();
        let then = if empty { Then::End } else { Then::More };
        let upload = (!empty).then(|| Outgoing::whole(message));
        self.begin(n, None, then, upload)
    }

    /// Puts a request on a connection: the client's own, or for the attempt `parent` of the near hop.
    pub(super) fn begin(
        &mut self,
        n: usize,
        parent: Option<usize>,
        then: Then,
        upload: Option<Outgoing>,
    ) -> Result<(), Fault> {
        let hop = if parent.is_some() {
            Hop::Far
        } else {
            Hop::Near
        };
        self.mark_drains(hop);
        let (id, link) = (self.attempts.len(), self.pick(hop, n));
        self.attempts.push(Attempt {
            n,
            link,
            client: None,
            server: None,
            upload,
            download: None,
            answered: false,
            parent,
            child: None,
            children: 0,
            executed: false,
            uncertain: false,
            dialing: None,
            head: None,
            hints: 0,
            stopped: false,
            crosses_drain: false,
        });
        match parent {
            None => self.requests[n].latest = Some(id),
            Some(parent) => {
                self.attempts[parent].child = Some(id);
                self.attempts[parent].children += 1;
            }
        }
        let message = self.message(n, Role::Client);
        self.oracle.register(id as u64, message)?;
        if self.links[link].dialing {
            note!(self, "{} Client: #{} waits for it as {}", link, n, id);
            self.attempts[id].dialing = Some(then);
            return Ok(());
        }
        self.open(id, then)
    }

    /// A connection is there: the request is put on it.
    pub(super) fn open(&mut self, id: usize, then: Then) -> Result<(), Fault> {
        let (n, link) = (self.attempts[id].n, self.attempts[id].link);
        note!(self, "{} Client: #{} is sent as {}", link, n, id);
        let head = self.request_head(id, then);
        match self.side(link, Role::Client).conn.open(head, then) {
            Ok(handle) => {
                self.attempts[id].client = Some(handle);
                let side = self.side(link, Role::Client);
                side.tally.wakes.look(&side.conn);
                side.streams.insert(handle, id);
                self.write(id, Role::Client)
            }
            Err((OpenError::Closing, _)) => {
                self.marks.hit("opened while closing");
                self.failed(id, Retry::Safe)
            }
            Err((error, _)) => Err(Fault::of(id as u64, format!("was not taken: {error}"))),
        }
    }

    /// The head of a request: the client's own, or what the proxy has got of its client.
    fn request_head(&self, id: usize, then: Then) -> RequestHead {
        let attempt = &self.attempts[id];
        let n = attempt.n;
        let method: &[u8] = match (self.plan.requests[n].idempotent, then) {
            (true, Then::End) => b"GET",
            (true, Then::More) => b"PUT",
            (false, _) => b"POST",
        };
        let path = format!("/{id}");
        let head = RequestHead::new(method, b"https", Some(b"simulated"), path.as_bytes());
        let near = attempt.parent.map(|near| &self.attempts[near].head);
        let put = |head: RequestHeadBuilder, (name, value, never): (&[u8], &[u8], bool)| match never
        {
            true => head.sensitive_field(name, value),
            false => head.field(name, value),
        };
        let head = match near {
            None => self.loads[n].up_fields.iter().fold(head, put),
            Some(got) => {
                let fields = got.iter().flat_map(RequestHead::fields);
                let fields = fields.map(|field| (field.name, field.value, field.sensitive));
                fields.fold(head, put)
            }
        };
        head.finish()
    }

    /// A connection of `hop`, of which new ones are made while there are fewer than there may be.
    fn pick(&mut self, hop: Hop, n: usize) -> usize {
        // Who abuses is a client of its own.
        let abuses = hop == Hop::Near && self.plan.requests[n].abuses;
        let fits = |link: &Link| link.hop == hop && link.abuses == abuses;
        let usable = |(at, link): (usize, &Link)| (fits(link) && link.is_usable()).then_some(at);
        let usable: Vec<_> = self.links.iter().enumerate().filter_map(usable).collect();
        let max = self.plan.connections[usize::from(hop == Hop::Far)];
        self.tape.lane("picker");
        if usable.is_empty() || (usable.len() < max && self.tape.chance(1, 2)) {
            let ends_here = hop == Hop::Far || self.plan.topology == Topology::Pool;
            let servers = if ends_here { self.plan.servers } else { 1 };
            let target = self.tape.index(servers);
            let mut link = Link::new(&self.plan, hop, target, self.now);
            link.abuses = abuses;
            self.links.push(link);
            let at = self.links.len() - 1;
            self.dial(at, hop);
            note!(self, "{}: a connection to server {}", at, target);
            if self.links[..at]
                .iter()
                .any(|link| link.hop == hop && !link.is_usable())
            {
                self.marks.hit("a connection is replaced");
            }
            return at;
        }
        // Some pickers know late that a connection is of no more use.
        if self.tape.chance(1, 10) {
            let any = (0..self.links.len()).filter(|&at| fits(&self.links[at]));
            let any: Vec<_> = any.collect();
            return any[self.tape.index(any.len())];
        }
        if self.plan.picks_any {
            return usable[self.tape.index(usable.len())];
        }
        let streams = |at: &usize| self.links[*at].client.streams.len();
        usable
            .iter()
            .copied()
            .min_by_key(streams)
            .unwrap_or_default()
    }

    pub(super) fn give_up(&mut self, n: usize) -> Result<(), Fault> {
        if self.requests[n].end.is_some() {
            return Ok(());
        }
        note!(self, "Client: #{} is given up", n);
        self.marks.hit("reset by client");
        self.requests[n].gave_up = true;
        let latest = self.requests[n].latest;
        match latest {
            Some(id) => self.cancel(id),
            None => Ok(()),
        }
    }

    /// Resets an attempt from its client's side, if it has not ended.
    pub(super) fn cancel(&mut self, id: usize) -> Result<(), Fault> {
        let (link, handle) = (self.attempts[id].link, self.attempts[id].client);
        if let Some(handle) = handle {
            self.oracle.gave_up(id as u64)?;
            let conn = &mut self.side(link, Role::Client).conn;
            conn.reset(handle, ErrorCode::CANCEL);
        }
        Ok(())
    }

    /// An attempt has failed: it may be made again.
    pub(super) fn failed(&mut self, id: usize, verdict: Retry) -> Result<(), Fault> {
        self.oracle.failed(id as u64, verdict)?;
        let n = self.attempts[id].n;
        if verdict == Retry::Safe && self.attempts[id].executed {
            // I-02, over all the hops.
            return Err(Fault::of(
                id as u64,
                "I-02: safe to send again, but a server has acted on it",
            ));
        }
        let hop = self.links[self.attempts[id].link].hop;
        if verdict == Retry::Safe && self.plan.refuses(hop) {
            self.requests[n].touched = true;
        }
        // What was never sent on it may be sent elsewhere, as often as its budget says.
        if verdict == Retry::Safe && self.links[self.attempts[id].link].drained {
            self.requests[n].touched = true;
        }
        if self.attempts[id].parent.is_some() {
            return self.far_failed(id, verdict);
        }
        let request = &self.requests[n];
        if request.end.is_some() {
            return Err(Fault::of(id as u64, "I-01: its request has ended before"));
        }
        if self.may_repeat(n, verdict) && request.sent < self.plan.budget && !request.gave_up {
            self.marks.hit("sent again on another connection");
            let delay = self.tape.lane("picker").below(50) * MILLISECOND;
            self.later(delay, Task::Send(n));
        } else {
            self.requests[n].end = Some(Err(verdict));
            self.requests[n].ended = self.now;
        }
        Ok(())
    }

    /// I-06: what nobody acted on, and what may be done twice.
    pub(super) fn may_repeat(&self, n: usize, verdict: Retry) -> bool {
        match verdict {
            Retry::Safe => true,
            Retry::IfIdempotent => self.plan.requests[n].idempotent,
            Retry::Never => false,
        }
    }

    /// Where the bytes of an attempt's body come from, seen from the other hop.
    pub(super) fn source(&self, id: usize, role: Role) -> Option<Source> {
        let attempt = &self.attempts[id];
        let stream = match role {
            Role::Client => attempt.client,
            Role::Server => attempt.server,
        };
        stream.map(|stream| Source {
            link: attempt.link,
            stream,
        })
    }
}
