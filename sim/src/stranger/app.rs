//! The application of the engine.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use raddle_core::{
    Connection, Event, Field, Fields, PingId, ResponseHead, Role, StreamHandle, Then,
};

use super::{TURNS_MAX, World, acts::Kind, surface::Window};
use crate::{counted::Tally, outcome::Fault, view::Ended, wire::Urgency};

/// The longest body, in bytes.
pub(super) const BODY_MAX: usize = 70_000;
/// PINGs that may wait for their answers.
pub(super) const PINGS_MAX: usize = 8;
/// What all bodies begin with. What is in them is judged elsewhere.
static BODY: [u8; BODY_MAX] = [7; BODY_MAX];

#[derive(Debug, Default)]
pub(super) struct App {
    /// PINGs that are not answered yet.
    pub(super) pings: BTreeSet<PingId>,
    pub(super) pongs: u64,
    /// Streams that were given up as held back.
    pub(super) stalled: BTreeSet<StreamHandle>,
    /// Streams of which a list was too much beside those of others.
    pub(super) crowded: BTreeSet<u32>,
    /// The most streams that it had at once.
    pub(super) peak: usize,
    /// When a stream of its has ended last.
    pub(super) ended_at: Option<u64>,
    /// PINGs that it has asked for.
    pub(super) asked: u64,
    /// Those when all of them were out last.
    pub(super) asked_before: u64,
    /// The codes that it has reset streams with.
    pub(super) codes: BTreeMap<u32, u32>,
    pub(super) drained: bool,
    /// Streams whose bodies it does not want.
    pub(super) discards: BTreeSet<StreamHandle>,
    /// The newest request that has got its number.
    pub(super) bound: Option<u64>,
    pub(super) streams: BTreeMap<StreamHandle, Live>,
    /// The most bytes of a body.
    pub(super) body_max: usize,
    /// Bytes that were handed out and not given back.
    pub(super) taken: BTreeMap<StreamHandle, usize>,
    /// Streams that there have been.
    pub(super) tracked: u64,
    /// The windows that it has set.
    pub(super) windows: BTreeMap<StreamHandle, Window>,
    /// A stream that has ended, and of which nothing is left.
    pub(super) gone: Option<StreamHandle>,
    /// What it has ended the connection with.
    pub(super) closed: Option<(u32, usize)>,
    pub(super) tally: Tally,
    /// The size of a list that the engine has not taken for it, and what its peer took then.
    pub(super) too_large: Option<(usize, usize)>,
    /// Times that it has offered something on a stream in this turn.
    pub(super) touched: u64,
}

#[derive(Debug)]
pub(super) struct Live {
    pub(super) kind: Kind,
    /// How many streams went before it.
    pub(super) n: u64,
    pub(super) id: Option<u32>,
    /// Bytes that are still to be given to the engine; `None` when the end was given.
    pub(super) left: Option<usize>,
    /// Bytes of the body that it sends, once there is one.
    pub(super) total: Option<usize>,
    pub(super) whole: bool,
    pub(super) reset: bool,
    /// Bytes of its body that the observer knows to be with the engine.
    pub(super) told: usize,
    /// The application has given an interim response.
    pub(super) informed: bool,
    /// The head of the response has been told.
    pub(super) head: bool,
    /// Trailers follow the body.
    pub(super) trailers: bool,
    /// How urgent the application has said that it is.
    pub(super) urgency: Option<Urgency>,
    /// Bytes of the peer's body that have been told.
    pub(super) heard: usize,
    /// Interim responses that have been told.
    pub(super) interims: u32,
    /// Bytes of names and values in all lists that have been told.
    pub(super) list_bytes: usize,
    /// When it was opened.
    pub(super) since: u64,
}

impl Live {
    pub(super) fn reset(&self) -> bool {
        self.reset
    }

    /// Bytes of its body that the engine has been given.
    pub(super) fn given(&self) -> usize {
        self.total.unwrap_or_default() - self.left.unwrap_or_default()
    }
}

impl App {
    /// Whether the engine surely has room for a PING of its own.
    pub(super) fn can_ask(&self) -> bool {
        self.pings.len() < PINGS_MAX / 2
    }

    /// Whether it wants nothing of the body on this stream.
    pub(super) fn discards(&self, id: u32) -> bool {
        let mut streams = self.streams.iter();
        let found = streams.find(|(_, live)| live.id == Some(id));
        found.is_some_and(|(handle, _)| self.discards.contains(handle))
    }

    /// What the request of this stream is, if it is open.
    pub(super) fn kind(&self, id: u32) -> Option<Kind> {
        let live = self.streams.values().find(|live| live.id == Some(id));
        live.map(|live| live.kind)
    }

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
    pub(super) fn track(&mut self, handle: StreamHandle, left: Option<usize>, kind: Kind) {
        self.app.tally.wakes.look(&self.conn);
        let live = Live {
            kind,
            n: self.app.tracked,
            id: None,
            left,
            total: left,
            whole: false,
            reset: false,
            told: 0,
            head: false,
            trailers: false,
            urgency: None,
            heard: 0,
            informed: false,
            interims: 0,
            list_bytes: 0,
            since: self.now,
        };
        self.app.tracked += 1;
        self.app.streams.insert(handle, live);
        self.app.peak = self.app.peak.max(self.app.streams.len());
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
    pub(super) fn note_ids(&mut self) -> Result<(), Fault> {
        let mut bound = Vec::new();
        for (&handle, live) in &mut self.app.streams {
            let id = self.conn.stream_id(handle).map(|id| id.to_u32());
            if let (Some(id), None) = (id, live.id) {
                bound.push((id, live.n));
                if let Some(urgency) = live.urgency {
                    self.observer.urge(id, urgency, false);
                }
            }
            live.id = id.or(live.id);
            let given = live.given();
            if let Some(id) = live.id
                && given != std::mem::replace(&mut live.told, given)
            {
                self.observer.gave(id, given);
            }
        }
        self.observer.begin_output();
        // I-24: requests get their numbers in the order in which they were made.
        bound.sort_unstable();
        for (_, n) in bound {
            if self.app.bound.is_some_and(|before| before > n) {
                return Err(Fault::run("I-24: a newer request went first"));
            }
            self.app.bound = Some(n);
        }
        Ok(())
    }

    /// What is still owed to the application behind a calm end.
    pub(super) fn judge_answers(&self) -> Result<(), Fault> {
        match self.app.pings.len() {
            0 => Ok(()),
            owed => Err(Fault::run(format!(
                "I-14: {owed} answers to PING are not told"
            ))),
        }
    }

    /// Gives the engine what it takes of every body; in the end every request is answered.
    pub(super) fn fill(&mut self) -> Result<(), Fault> {
        for (&handle, live) in &mut self.app.streams {
            let Some(left) = live.left else { continue };
            self.app.touched += 1;
            if left == 0 && live.trailers {
                let trailers = [(&b"x-end"[..], &b"0"[..])].into_iter().collect();
                if self.conn.send_trailers(handle, trailers).is_ok() {
                    live.left = None;
                    continue;
                }
            }
            let mut data = Bytes::from_static(&BODY[..left]);
            // Some ends come alone, behind the last byte.
            let alone = left > 0 && left == live.total.unwrap_or_default() && left % 2 == 1;
            let alone = alone || (live.trailers && left > 0);
            let then = if alone { Then::More } else { Then::End };
            match self.conn.send_data(handle, &mut data, then) {
                Ok(_) if data.is_empty() => live.left = alone.then_some(0),
                Ok(_) => {
                    self.app.tally.offered(handle, true);
                    live.left = Some(data.len());
                }
                Err(_) => live.left = None,
            }
        }
        Ok(())
    }

    /// Answers what is not answered, once the run is to end.
    pub(super) fn answer_all(&mut self) -> bool {
        let mut any = false;
        for (&handle, live) in &mut self.app.streams {
            let head = ResponseHead::new(204).finish();
            if self.role == Role::Server && self.conn.respond(handle, head, Then::End).is_ok() {
                live.total = Some(0);
                any = true;
            }
        }
        any
    }

    /// Takes all events that there are; answers whether there were any.
    pub(super) fn hear(&mut self) -> Result<bool, Fault> {
        for heard in 0..TURNS_MAX {
            let Some(event) = self.app.tally.wakes.poll(&mut self.conn)? else {
                return Ok(heard > 0);
            };
            self.event(event)?;
        }
        Err(Fault::run("I-23: events without end"))
    }

    fn event(&mut self, event: Event) -> Result<(), Fault> {
        match event {
            Event::Request { stream, head, .. } => {
                self.hear_list(stream, head.all())?;
                let id = self.conn.stream_id(stream).map(|id| id.to_u32());
                if id.is_some_and(|id| self.observer.has_left_behind(id)) {
                    return Err(Fault::run("I-08: a request above GOAWAY is told"));
                }
                if let Some(id) = id {
                    self.hear_urgency(stream, id, &head);
                }
                self.track(stream, None, Kind::of(head.method()));
                self.count_list(stream, head.all());
            }
            Event::Interim { stream, head } => self.hear_interim(stream, &head)?,
            Event::Trailers { stream, fields } => {
                self.hear_trailers(stream, &fields)?;
            }
            Event::Data { stream, data, then } => {
                if data.is_empty() && !then.is_end() {
                    return Err(Fault::run("I-23: data of no bytes"));
                }
                if self.app.discards.contains(&stream) {
                    return Err(Fault::run("I-04: hands out what nobody wants"));
                }
                self.hear_data(stream, &data)?;
                if self.tape.lane("app").chance(1, 2) {
                    self.conn.release(stream, data.len());
                } else {
                    *self.app.taken.entry(stream).or_default() += data.len();
                }
                self.mark_whole(stream, then);
            }
            Event::Response { stream, head, then } => {
                self.hear_list(stream, head.all())?;
                self.count_list(stream, head.all());
                if let Some(live) = self.app.streams.get_mut(&stream) {
                    live.head = true;
                }
                self.mark_whole(stream, then);
            }
            Event::Writable { stream } if self.conn.writable(stream) == 0 => {
                return Err(Fault::run("I-23: writable without room"));
            }
            Event::Writable { stream } if !self.app.streams.contains_key(&stream) => {
                return Err(Fault::run("I-01: writable behind the end"));
            }
            Event::StopSending { stream } => {
                if let Some(live) = self.app.streams.get_mut(&stream) {
                    live.left = None;
                }
            }
            Event::Finished { stream } => {
                let live = self.ended(stream)?;
                let wanted = !self.app.discards.contains(&stream);
                if self.role == Role::Client && !live.whole && wanted {
                    return Err(Fault::run("I-04: finished without a whole response"));
                }
                self.record_end(live.n, Ended::Finished, format_args!("finished"));
                self.ends.completed += 1;
            }
            Event::Failed { stream, error } => self.failed(stream, error)?,
            other => self.connection_event(&other)?,
        }
        self.fill()
    }

    fn connection_event(&mut self, event: &Event) -> Result<(), Fault> {
        match *event {
            Event::Ready => self.told.ready += 1,
            Event::PeerDraining => self.told.draining += 1,
            Event::Openable => self.told.openable = true,
            Event::Closed { error } => {
                self.told.closed = Some(error.map(|error| error.code.to_u32()));
            }
            Event::Pong { id } => {
                self.app.pongs += 1;
                if !self.app.pings.remove(&id) || self.app.pongs > self.peer.answers {
                    return Err(Fault::run("I-14: an answer to what nobody asked"));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn hear_interim(&mut self, stream: StreamHandle, head: &ResponseHead) -> Result<(), Fault> {
        if let Some(live) = self.app.streams.get_mut(&stream) {
            live.interims += 1;
        }
        self.count_list(stream, head.all());
        self.hear_list(stream, head.all())
    }

    fn hear_trailers(&mut self, stream: StreamHandle, fields: &Fields) -> Result<(), Fault> {
        if self.app.discards.contains(&stream) {
            return Err(Fault::run("I-04: trailers of a body that nobody wants"));
        }
        self.count_list(stream, fields.iter());
        self.hear_list(stream, fields.iter())?;
        self.mark_whole(stream, Then::End);
        Ok(())
    }

    fn count_list<'f>(&mut self, stream: StreamHandle, fields: impl Iterator<Item = Field<'f>>) {
        let bytes: usize = fields
            .map(|field| field.name.len() + field.value.len())
            .sum();
        if let Some(live) = self.app.streams.get_mut(&stream) {
            live.list_bytes += bytes;
        }
    }

    fn mark_whole(&mut self, stream: StreamHandle, then: Then) {
        if let Some(live) = self.app.streams.get_mut(&stream) {
            live.whole |= then.is_end();
        }
    }

    pub(super) fn ended(&mut self, stream: StreamHandle) -> Result<Live, Fault> {
        let live = self.app.streams.remove(&stream);
        self.app.windows.remove(&stream);
        self.app.ended_at = Some(self.now);
        if !self.app.taken.contains_key(&stream) {
            self.app.gone = Some(stream);
        }
        live.ok_or_else(|| Fault::run("I-01: a stream ends that is not open"))
    }
}
