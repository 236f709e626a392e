//! The server's application.

use raddle_core::{ErrorCode, RequestHead, ResponseHead, Role, SendError, StreamHandle, Then};

use super::{
    Task, World,
    client::ALIKE,
    end::{Live, Reply, Sending},
    expecting::Expects,
};
use crate::{oracle::Way, outcome::Fault, trace::note, wire::lines};

/// The longest time that an answer or a reset takes, in nanoseconds.
const DELAY_MAX: u64 = 500_000_000;

/// Interim responses that a client takes, and that may wait at a server, beside the one that it may have asked for.
const INTERIMS_MAX: u64 = 15;

/// The interim response behind so many others: its status, and a field that tells it from them.
pub(super) fn interim(before: u64) -> (u16, String) {
    let status = [103, 102, 104][(before % 3) as usize];
    (status, format!("</style-{before}>"))
}

impl World<'_> {
    pub(super) fn on_request(
        &mut self,
        stream: StreamHandle,
        head: &RequestHead,
        then: Then,
    ) -> Result<(), Fault> {
        let n = self
            .asked_by(stream, head)
            .ok_or_else(|| Fault::run(format!("I-31: a request that nobody made: {head:?}")))?;
        note!(self, "Server: #{} request, {:?}", n, then);
        self.oracle.shown(n)?;
        self.head_arrives(n, Role::Server, head.all())?;
        let mut reply = self.draw_reply();
        self.meet(n, stream, head, &mut reply)?;
        let waits = reply.waits;
        let delay = reply.delay;
        let live = Live {
            n,
            id: None,
            expects: Expects::Nothing,
            sending: None,
            reply: Some(reply),
            stops: false,
            given: 0,
            interims: 0,
        };
        if self.server.streams.insert(stream, live).is_some() {
            return Err(Fault::of(n, format!("I-18: {stream:?} is in use already")));
        }
        let asks = head.fields().find(|field| field.name == b"priority");
        if let Some(field) = asks {
            self.server.urged_by_head(stream, field.value);
        }
        self.draw_reset(stream);
        if then.is_end() {
            self.whole(Role::Server, stream, n)
        } else {
            if !waits {
                self.later(delay, Task::Answer(stream));
            }
            Ok(())
        }
    }

    /// The number of a request: its head says it, or the stream that the client has made it on.
    fn asked_by(&self, stream: StreamHandle, head: &RequestHead) -> Option<u64> {
        let path = std::str::from_utf8(head.path()?).ok()?;
        if path == ALIKE && self.plan.features.alike {
            let id = self.server.conn.stream_id(stream)?;
            return self.client.number(id.to_u32());
        }
        path.strip_prefix('/')?.parse().ok()
    }

    fn draw_reply(&mut self) -> Reply {
        let features = self.plan.features;
        self.tape.lane("replies");
        let slow = features.slow_server && self.tape.chance(1, 2);
        Reply {
            body: self.tape.size(self.plan.body_max),
            trailers: features.trailers && self.tape.chance(1, 3),
            length: self.tape.chance(1, 3),
            interims: match features.interims {
                // As many as anybody takes.
                true if self.tape.lane("interims").chance(1, 16) => INTERIMS_MAX,
                true => self.tape.lane("replies").below(6),
                false => 0,
            },
            waits: self.tape.lane("replies").chance(1, 2),
            delay: if slow { self.tape.moment(DELAY_MAX) } else { 0 },
            stops: features.server_resets && self.tape.chance(1, 2),
        }
    }

    /// Sometimes the server gives up at some moment, wherever its stream is then.
    fn draw_reset(&mut self, stream: StreamHandle) {
        if self.plan.features.server_resets && self.tape.lane("resets").chance(1, 5) {
            let code = self.tape.pick(&[
                ErrorCode::INTERNAL_ERROR,
                ErrorCode::REFUSED_STREAM,
                ErrorCode::CANCEL,
            ]);
            let delay = self.tape.moment(DELAY_MAX);
            self.later(delay, Task::Reset(stream, code));
        }
    }

    /// Answers a request that was only waited for to be whole.
    pub(super) fn answer_if_waiting(&mut self, role: Role, stream: StreamHandle) {
        let reply = match self.end(role).streams.get(&stream) {
            Some(Live {
                reply: Some(reply), ..
            }) => reply,
            _ => return,
        };
        // One that does not wait is on the agenda already, unless the request was whole with its head.
        let delay = reply.delay;
        self.later(delay, Task::Answer(stream));
    }

    pub(super) fn answer(&mut self, stream: StreamHandle) -> Result<(), Fault> {
        let Some(live) = self.server.streams.get_mut(&stream) else {
            return Ok(());
        };
        let n = live.n;
        let Some(reply) = live.reply.take() else {
            return Ok(());
        };
        let stops = reply.stops;
        self.inform(stream, n, reply.interims)?;
        let message = self.message(2 * n + 1, reply.body, reply.trailers);
        let empty = message.body.is_empty() && message.trailers.is_none();
        let number = n.to_string();
        let mut head = ResponseHead::new(200);
        if !self.plan.features.alike {
            head = head.field(b"x-n", number.as_bytes());
        }
        if reply.length {
            let length = reply.body.to_string();
            head = head.field(b"content-length", length.as_bytes());
        }
        for extra in self.extras(Way::Down) {
            head = head.field(extra.name, &extra.value);
        }
        let head = head.finish();
        let list = self.head_sent(n, Way::Down, head.all());
        let then = if empty { Then::End } else { Then::More };
        note!(self, "Server: #{} answers, {} bytes", n, reply.body);
        self.oracle.answered(n, message.clone())?;
        match self.server.conn.respond(stream, head, then) {
            Ok(()) => {}
            Err(SendError::Gone) => return Ok(()),
            Err(error) => return Err(Fault::of(n, format!("cannot answer: {error}"))),
        }
        self.server.news.sent_list(stream, list);
        let sending = Sending::new(message, &self.plan, self.tape);
        if let Some(live) = self.server.streams.get_mut(&stream) {
            live.sending = (!empty).then_some(sending);
            live.stops = stops;
        }
        if empty {
            return self.answered_whole(stream);
        }
        self.write(Role::Server, stream)
    }

    fn inform(&mut self, stream: StreamHandle, n: u64, interims: u64) -> Result<(), Fault> {
        for before in 0..interims {
            let (status, link) = interim(before);
            let hint = ResponseHead::new(status).field(b"link", link.as_bytes());
            let hint = hint.finish();
            let list = lines([
                (&b":status"[..], status.to_string().as_bytes(), false),
                (b"link", link.as_bytes(), false),
            ]);
            let list = list.into();
            match self.server.conn.inform(stream, hint) {
                Ok(()) => self.server.news.sent_list(stream, list),
                Err(SendError::Gone) => {}
                Err(error) => return Err(Fault::of(n, format!("cannot inform: {error}"))),
            }
        }
        Ok(())
    }

    /// The whole answer is with the engine: the rest of the upload may be of no more use.
    pub(super) fn answered_whole(&mut self, stream: StreamHandle) -> Result<(), Fault> {
        let Some(live) = self.server.streams.get(&stream).filter(|live| live.stops) else {
            return Ok(());
        };
        let n = live.n;
        note!(self, "Server: #{} stops the upload", n);
        self.oracle.unwanted(n, Way::Up)?;
        self.server.conn.reset(stream, ErrorCode::NO_ERROR);
        Ok(())
    }

    pub(super) fn reset(&mut self, stream: StreamHandle, code: ErrorCode) -> Result<(), Fault> {
        let Some(live) = self.server.streams.get(&stream) else {
            return Ok(());
        };
        let n = live.n;
        // Once there was an answer, nobody can say that nothing was done.
        let code = match (&live.reply, code) {
            (None, ErrorCode::REFUSED_STREAM) => ErrorCode::CANCEL,
            _ => code,
        };
        note!(self, "Server: #{} is reset with {}", n, code);
        self.marks.hit("reset by server");
        if code == ErrorCode::REFUSED_STREAM {
            self.oracle.declined(n)?;
        }
        self.server.conn.reset(stream, code);
        // It will not be answered, also if the engine has not told the end yet.
        if let Some(live) = self.server.streams.get_mut(&stream) {
            live.reply = None;
        }
        Ok(())
    }
}
