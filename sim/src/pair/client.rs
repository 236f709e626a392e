//! The client's application.

use raddle_core::{
    ErrorCode, OpenError, RequestHead, ResponseHead, Retry, Role, StreamHandle, Then, Waiting,
};

use super::{
    Task, World,
    end::{Live, Sending},
    expecting::{EXPECT, Expects},
    lists::Extra,
    plan::Request,
    server::interim,
};
use crate::{
    oracle::Way,
    outcome::Fault,
    trace::{Said, note},
};

/// The path of requests that nothing tells from each other.
pub(super) const ALIKE: &str = "/alike";

impl World<'_> {
    pub(super) fn open(&mut self, n: u64) -> Result<(), Fault> {
        self.unmade -= 1;
        let request = self.plan.requests[n as usize].clone();
        let message = self.message(2 * n, request.body, request.trailers);
        let empty = message.body.is_empty() && message.trailers.is_none();
        self.oracle.register(n, message.clone())?;
        let head = self.head(n, &request, empty);
        let list = self.request_sent(n, &head);
        // An empty body may also end with a frame of its own.
        self.tape.lane("client");
        let then = if empty && self.tape.chance(3, 4) {
            Then::End
        } else {
            Then::More
        };
        note!(self, "Client: #{} opens, {} bytes", n, request.body);
        let handle = match self.client.conn.open(head, then) {
            Ok(handle) => handle,
            Err((error, _)) => return self.not_taken(n, error),
        };
        self.client.opened(handle, list);
        let sending = Sending::new(message, &self.plan, self.tape);
        let live = Live {
            n,
            id: None,
            expects: Expects::Nothing,
            sending: (!then.is_end()).then_some(sending),
            reply: None,
            stops: false,
            given: 0,
            interims: 0,
        };
        if self.client.streams.insert(handle, live).is_some() {
            return Err(Fault::of(n, format!("I-18: {handle:?} is in use already")));
        }
        if let Some(urgency) = request.urgency {
            self.client.prioritize(handle, urgency);
        }
        if let Some((delay, role, urgency)) = request.urged {
            self.later(delay, Task::Urge(role, n, urgency));
        }
        if let Some(delay) = request.give_up {
            self.later(delay, Task::GiveUp(n, handle));
        }
        self.wait_for_continue(n, handle);
        self.write(Role::Client, handle)?;
        self.mark_waiting(handle);
        Ok(())
    }

    /// The head of a request, whose body may be empty.
    fn head(&mut self, n: u64, request: &Request, empty: bool) -> RequestHead {
        let method: &[u8] = if empty { b"GET" } else { b"POST" };
        let path = match self.plan.features.alike {
            true => ALIKE.to_owned(),
            false => format!("/{n}"),
        };
        let mut head = RequestHead::new(method, b"https", Some(b"simulated"), path.as_bytes());
        if request.length && !empty {
            let length = request.body.to_string();
            head = head.field(b"content-length", length.as_bytes());
        }
        if request.expects.is_some() && !empty {
            head = head.field(EXPECT.0, EXPECT.1);
        }
        if let Some(urgency) = request.urgency {
            head = head.field(b"priority", urgency.to_string().as_bytes());
        }
        let mut extras = self.extras(Way::Up);
        extras.extend(request.long_head.then(Extra::long));
        for extra in &extras {
            head = extra.put(head);
        }
        if let Some(cookie) = self.cookie() {
            head = head.field(b"cookie", cookie.as_bytes());
        }
        head.finish()
    }

    /// Whoever gave credit to a request that waits for a slot would take it from those that are open.
    fn mark_waiting(&mut self, handle: StreamHandle) {
        let body = self
            .client
            .streams
            .get(&handle)
            .is_some_and(|live| live.given > 0);
        if body && self.client.conn.explain(handle) == Waiting::Slot {
            self.marks.hit("C12");
        }
    }

    /// A request that was not taken may go to another connection, so it ends as safe to send again.
    fn not_taken(&mut self, n: u64, error: OpenError) -> Result<(), Fault> {
        note!(self, "Client: #{} is not taken: {}", n, Said(&error));
        match error {
            OpenError::QueueFull => {
                self.marks.hit("queue full");
                self.client.tally.unqueued += 1;
            }
            OpenError::Closing => self.marks.hit("opened while closing"),
            error => return Err(Fault::of(n, format!("was not taken: {error}"))),
        }
        self.oracle.failed(n, Retry::Safe)
    }

    pub(super) fn give_up(&mut self, n: u64, handle: StreamHandle) -> Result<(), Fault> {
        if !self.client.streams.contains_key(&handle) {
            return Ok(());
        }
        note!(self, "Client: #{} is given up", n);
        self.marks.hit("reset by client");
        if self.client.conn.stream_id(handle).is_none() {
            self.marks.hit("B09");
        }
        if self.client.holds_head(handle) {
            self.marks.hit("E03");
        }
        self.oracle.gave_up(n)?;
        self.client.conn.reset(handle, ErrorCode::CANCEL);
        Ok(())
    }

    pub(super) fn on_interim(
        &mut self,
        stream: StreamHandle,
        head: &ResponseHead,
    ) -> Result<(), Fault> {
        let n = self.number(Role::Client, stream, "Interim")?;
        note!(self, "Client: #{} interim {}", n, head.status());
        self.marks.hit("interim");
        if head.status() == 100 && self.plan.requests[n as usize].expects.is_some() {
            return self.go_on(stream);
        }
        let live = self.client.streams.get_mut(&stream);
        let before = live.map_or(0, |live| {
            live.interims += 1;
            live.interims - 1
        });
        let (status, link) = interim(before);
        let told = head.fields().find(|field| field.name == b"link");
        if head.status() != status || told.is_none_or(|field| field.value != link.as_bytes()) {
            return Err(Fault::of(
                n,
                format!("I-31: {head:?} for an interim response of {status}, {link}"),
            ));
        }
        Ok(())
    }

    pub(super) fn on_response(
        &mut self,
        stream: StreamHandle,
        head: &ResponseHead,
        then: Then,
    ) -> Result<(), Fault> {
        let n = self.number(Role::Client, stream, "Response")?;
        note!(self, "Client: #{} response, {:?}", n, then);
        self.oracle.head(n)?;
        let number = head.fields().find(|field| field.name == b"x-n");
        let own = number.is_some_and(|field| field.value == n.to_string().as_bytes());
        if !own && !self.plan.features.alike {
            return Err(Fault::of(
                n,
                format!("I-31: got another's response: {head:?}"),
            ));
        }
        self.head_arrives(n, Role::Client, head.all())?;
        self.answered_unasked(n, stream)?;
        if then.is_end() {
            return self.whole(Role::Client, stream, n);
        }
        Ok(())
    }
}
