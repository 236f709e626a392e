//! What both applications do alike: they read, write and hear how streams end.

use raddle_core::{Event, Role, StreamError, StreamHandle, Then, Violation};

use super::{Task, World, end::Sent, expecting::Expects, trailers::trailers_value};
use crate::{
    oracle::Way,
    outcome::Fault,
    trace::{Said, note},
    wire::{Urgency, lines},
};

/// The longest pause of a reader or a writer, in nanoseconds.
pub(super) const PAUSE_MAX: u64 = 300_000_000;
/// Bytes of data whose credit may be given back in two parts, at least.
const SPLIT_MIN: usize = 256;

impl World<'_> {
    pub(super) fn event(&mut self, role: Role, event: Event) -> Result<(), Fault> {
        if self.end(role).closed {
            return Err(Fault::run(format!(
                "I-29: {role:?}: {event:?} after Closed"
            )));
        }
        match event {
            Event::Request { stream, head, then } => self.on_request(stream, &head, then),
            Event::Interim { stream, head } => self.on_interim(stream, &head),
            Event::Response { stream, head, then } => self.on_response(stream, &head, then),
            Event::Data { stream, data, then } => self.on_data(role, stream, &data, then),
            Event::Trailers { stream, fields } => {
                let n = self.number(role, stream, "Trailers")?;
                note!(self, "{:?}: #{} trailers", role, n);
                self.marks.hit("trailers");
                if role == Role::Server && self.plan.requests[n as usize].length {
                    self.marks.hit("S10");
                }
                let value = trailers_value(n, &fields)?;
                self.oracle.trailers(n, incoming(role), &value)?;
                self.whole(role, stream, n)
            }
            Event::Writable { stream } => {
                let n = self.number(role, stream, "Writable")?;
                note!(self, "{:?}: #{} writable", role, n);
                if self.end(role).conn.writable(stream) == 0 {
                    return Err(Fault::of(
                        n,
                        format!("I-23: {role:?}: writable without room"),
                    ));
                }
                self.write(role, stream)
            }
            Event::StopSending { stream } => {
                let n = self.number(role, stream, "StopSending")?;
                note!(self, "{:?}: #{} stop sending", role, n);
                self.marks.hit("stop sending");
                self.forget_sending(role, stream);
                Ok(())
            }
            Event::Finished { stream } => {
                let n = self.number(role, stream, "Finished")?;
                self.end(role).streams.remove(&stream);
                note!(self, "{:?}: #{} finished", role, n);
                match role {
                    Role::Client => self.oracle.complete(n),
                    Role::Server => self.oracle.server_ended(n, true),
                }
            }
            Event::Failed { stream, error } => self.failed(role, stream, error),
            Event::Closed { error } => {
                note!(self, "{:?}: closed, {:?}", role, Said(&error));
                self.end(role).closed = true;
                self.accused(role, None, error.and_then(|error| error.violation))
            }
            Event::Ready | Event::Openable | Event::Pong { .. } | Event::PeerDraining => {
                note!(self, "{:?}: {:?}", role, Said(&event));
                self.mark_drain(role, &event)
            }
        }
    }

    fn failed(
        &mut self,
        role: Role,
        stream: StreamHandle,
        error: StreamError,
    ) -> Result<(), Fault> {
        let n = self.number(role, stream, "Failed")?;
        note!(self, "{:?}: #{} failed: {}", role, n, Said(&error));
        self.accused(role, Some(n), error.violation)?;
        let live = self.end(role).streams.remove(&stream);
        if role == Role::Client {
            let traces = self.client.traces(stream, live.and_then(|live| live.id));
            self.oracle.proves(n, error, traces)?;
        }
        match role {
            Role::Client => self.oracle.failed(n, error.retry),
            Role::Server => self.oracle.server_ended(n, false),
        }
    }

    /// GOAWAY comes when a request is encoded and not written.
    fn mark_drain(&mut self, role: Role, event: &Event) -> Result<(), Fault> {
        let encoded = role == Role::Client && self.client.out.holds_request();
        if encoded && matches!(event, Event::PeerDraining) {
            self.marks.hit("G02");
        }
        Ok(())
    }

    /// Both peers keep to the rules. One that is slow may run out of time, in runs that ask for it.
    fn accused(
        &self,
        role: Role,
        request: Option<u64>,
        violation: Option<Violation>,
    ) -> Result<(), Fault> {
        let late = matches!(
            violation,
            Some(
                Violation::HandshakeTimeout
                    | Violation::SettingsTimeout
                    | Violation::HeaderBlockTimeout
                    | Violation::PingTimeout
            )
        );
        match violation {
            Some(violation) if !(late && self.plan.impatient) => Err(Fault {
                request,
                what: format!("{role:?} accuses an honest peer: {violation}"),
                trace: String::new(),
            }),
            _ => Ok(()),
        }
    }

    /// The number of the request on `stream`, which must be one that has not ended.
    pub(super) fn number(
        &mut self,
        role: Role,
        stream: StreamHandle,
        what: &str,
    ) -> Result<u64, Fault> {
        match self.end(role).streams.get(&stream) {
            Some(live) => Ok(live.n),
            None => Err(Fault::run(format!(
                "I-01: {role:?}: {what} for {stream:?}, which has ended or never was"
            ))),
        }
    }

    fn on_data(
        &mut self,
        role: Role,
        stream: StreamHandle,
        data: &[u8],
        then: Then,
    ) -> Result<(), Fault> {
        let n = self.number(role, stream, "Data")?;
        let way = incoming(role);
        note!(self, "{:?}: #{} {} bytes, {:?}", role, n, data.len(), then);
        self.oracle.data(n, way, data)?;
        if data.is_empty() && !then.is_end() {
            return Err(Fault::of(n, format!("I-23: {role:?}: data of no bytes")));
        }
        self.end(role).took(stream, data.len());
        self.set_window(role, stream);
        self.tape.lane("readers");
        if self.plan.features.discards && self.tape.chance(1, 16) {
            note!(self, "{:?}: #{} discards the rest", role, n);
            self.discard(role, stream, n)?;
        } else if self.plan.features.slow_readers && self.tape.chance(1, 2) {
            let delay = self.tape.moment(PAUSE_MAX);
            // Not always all at once. But crumbs are not split: an engine whose window is empty passes each one on, and
            // they never grow together again, so that a long body in crumbs of one byte would be no end of a run.
            let some = match data.len() {
                0..SPLIT_MIN => 0,
                len => self.tape.index(len + 1),
            };
            self.later(delay, Task::Release(role, stream, some));
            self.later(delay, Task::Release(role, stream, data.len() - some));
        } else {
            self.end(role).release(stream, data.len());
        }
        if then.is_end() {
            return self.whole(role, stream, n);
        }
        Ok(())
    }

    /// Sometimes a reader sets a window of its own: not so small that a body takes for ever.
    fn set_window(&mut self, role: Role, stream: StreamHandle) {
        if !self.plan.features.windows || !self.tape.lane("windows").chance(1, 4) {
            return;
        }
        let most = self.plan.body_max as u32;
        let window = self
            .tape
            .pick(&[most / 60 + 1, most / 4 + 1, 70_000, 1 << 20]);
        let has = self.end(role).conn.set_receive_window(stream, window);
        note!(self, "{:?}: a window of {}: {}", role, window, has);
    }

    fn discard(&mut self, role: Role, stream: StreamHandle, n: u64) -> Result<(), Fault> {
        self.marks.hit("discard");
        self.oracle.unwanted(n, incoming(role))?;
        self.end(role).discard(stream);
        if role == Role::Client {
            self.end_without_body(n, stream);
        }
        self.answer_if_waiting(role, stream);
        Ok(())
    }

    /// The peer's message on `stream` is whole.
    pub(super) fn whole(&mut self, role: Role, stream: StreamHandle, n: u64) -> Result<(), Fault> {
        self.oracle.whole(n, incoming(role))?;
        if role == Role::Client {
            self.end_without_body(n, stream);
        }
        self.answer_if_waiting(role, stream);
        Ok(())
    }

    /// Sends what the engine takes of a message.
    pub(super) fn write(&mut self, role: Role, stream: StreamHandle) -> Result<(), Fault> {
        let end = match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        };
        let Some(live) = end.streams.get_mut(&stream) else {
            return Ok(());
        };
        let n = live.n;
        if live.expects == Expects::Continue {
            return Ok(());
        }
        let Some(sending) = &mut live.sending else {
            return Ok(());
        };
        let sent = sending
            .drive(&mut end.conn, stream, self.tape)
            .map_err(|error| Fault::of(n, format!("{role:?} cannot send: {error}")))?;
        end.work.passes(sending.at - live.given);
        live.given = sending.at;
        end.tally.offered(stream, sent == Sent::Blocked);
        if let (Sent::Whole, Some(value)) = (sent, &sending.trailers) {
            let list = lines([(&b"x-end"[..], &value[..], false)]);
            end.news.sent_list(stream, list.into());
        }
        end.news.gave(stream);
        note!(self, "{:?}: #{} sends, {:?}", role, n, sent);
        match sent {
            Sent::Blocked => {}
            Sent::Paused => {
                let delay = self.tape.lane("writers").moment(PAUSE_MAX);
                self.later(delay, Task::Write(role, stream));
            }
            Sent::Whole | Sent::Gone => {
                self.forget_sending(role, stream);
                if role == Role::Server && sent == Sent::Whole {
                    self.answered_whole(stream)?;
                }
            }
        }
        Ok(())
    }

    /// One end finds another urgency for what it sends; a client tells the server of it.
    pub(super) fn urge(&mut self, role: Role, n: u64, urgency: Urgency) {
        let found = self.end(role).streams.iter().find(|(_, live)| live.n == n);
        if let Some((&stream, _)) = found {
            note!(self, "{:?}: #{} is now {}", role, n, urgency);
            self.end(role).prioritize(stream, urgency);
        }
    }

    fn forget_sending(&mut self, role: Role, stream: StreamHandle) {
        if let Some(live) = self.end(role).streams.get_mut(&stream) {
            live.sending = None;
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
