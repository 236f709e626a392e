//! One end of the connection, and what its application knows of each stream.

use std::collections::{BTreeMap, BTreeSet};

use bytes::{Buf, Bytes, BytesMut};
use raddle_core::{
    Config, Connection, Event, Input, Priority, Role, SendError, StreamHandle, Then, Timestamp,
    Transmit, TransportEnd,
};

use super::{
    expecting::Expects,
    news::News,
    plan::Plan,
    trailers::trailers,
    turning::{Turning, Turns},
};
use crate::{
    conservation::Half,
    counted::{self, Tally},
    crumbs,
    oracle::Message,
    outcome::{Fault, Marks},
    resources::Rest,
    tape::Tape,
    wire::{Observer, Urgency},
    work::Work,
};

/// A small part of a body: engines copy such parts together.
const SMALL_MAX: usize = 300;
/// Streams of which a look at all costs no more than what else happens.
pub(crate) const FEW: usize = 4;

#[derive(Debug)]
pub(super) struct End {
    pub(super) conn: Connection,
    pub(super) config: Config,
    /// The most streams that it had at once.
    pub(super) peak: usize,
    pub(super) out: Transmit,
    /// Bytes that have arrived and are not read.
    pub(super) input: BytesMut,
    /// Bytes of it that the engine has been offered.
    offered: usize,
    /// Bytes have arrived since the engine was last asked, or it stopped for want of room for events.
    pub(super) unread: bool,
    /// Something has happened to it since it had nothing more to do.
    pub(super) dirty: bool,
    pub(super) streams: BTreeMap<StreamHandle, Live>,
    /// Bytes of each body that the application has and has not given back.
    /// `None` when it wants no more of it: what was handed out before comes, but costs nothing.
    taken: BTreeMap<StreamHandle, Option<usize>>,
    /// The sum of them.
    held: u64,
    /// Judges what it sends.
    observer: Observer,
    /// What the observer is still to know of streams.
    pub(super) news: News,
    /// The peer has ended the connection, or begun to, when requests waited for a slot.
    left_waiting: bool,
    /// A body moved when another stream held what it had been given.
    others_hold: bool,
    /// Times that it had nothing more to do and was not looked at.
    unseen: usize,
    /// What its application has heard and been refused.
    pub(super) tally: Tally,
    /// What its engine was asked for.
    pub(super) work: Work,
    /// The event `Closed` was told.
    pub(super) closed: bool,
    /// This end has closed the transport.
    pub(super) hung_up: bool,
    /// The loop around its engine.
    pub(super) turns: Turns,
    /// Streams whose heads the transport has not taken to their ends when it ended.
    pub(super) lost: BTreeSet<StreamHandle>,
}

/// What an application knows of one of its streams.
#[derive(Debug)]
pub(super) struct Live {
    /// The request's number.
    pub(super) n: u64,
    /// Its identifier, once its head is on the wire.
    pub(super) id: Option<u32>,
    /// What its body waits for.
    pub(super) expects: Expects,
    /// What is being sent.
    pub(super) sending: Option<Sending>,
    /// How a server is going to answer, until it does.
    pub(super) reply: Option<Reply>,
    /// A server stops the upload once its answer is given.
    pub(super) stops: bool,
    /// Bytes of its body that the engine has.
    pub(super) given: usize,
    /// Interim responses that were told.
    pub(super) interims: u64,
}

/// How a server answers.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) body: usize,
    pub(super) trailers: bool,
    pub(super) length: bool,
    pub(super) interims: u64,
    /// Whether it answers only when the request is whole.
    pub(super) waits: bool,
    /// How long it takes, in nanoseconds.
    pub(super) delay: u64,
    /// Whether it stops the upload once its answer is given.
    pub(super) stops: bool,
}

/// A message on its way into the engine.
#[derive(Debug)]
pub(super) struct Sending {
    pub(super) body: Bytes,
    pub(super) at: usize,
    pub(super) trailers: Option<Bytes>,
    /// The most bytes that are offered at once.
    part_max: usize,
    /// Some parts are small, whatever the others are.
    mixes: bool,
    pauses: bool,
}

/// Where a [`Sending`] stands after it was driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sent {
    /// The engine has all of it, or wants no more.
    Whole,
    Gone,
    /// The engine will say when there is room.
    Blocked,
    /// The application takes its time.
    Paused,
}

impl End {
    pub(super) fn new(role: Role, config: Config, turning: Turning) -> Self {
        #[allow(unused_mut)]
        let mut conn = Connection::new(role, config.clone(), Timestamp(0));
        #[cfg(feature = "planted")]
        crate::mutants::plant(&mut conn);
        Self {
            conn,
            config,
            peak: 0,
            out: Transmit::new(),
            input: BytesMut::with_capacity(1_024),
            offered: 0,
            unread: false,
            dirty: true,
            streams: BTreeMap::new(),
            taken: BTreeMap::new(),
            held: 0,
            observer: Observer::new(role == Role::Client),
            news: News::default(),
            left_waiting: false,
            others_hold: false,
            unseen: 0,
            tally: Tally::default(),
            work: Work::default(),
            closed: false,
            hung_up: false,
            turns: Turns::new(turning),
            lost: BTreeSet::new(),
        }
    }

    /// Lets the engine read, and the observer see what it has read.
    pub(super) fn handle_input(&mut self, now: Timestamp, crumbs: bool) -> Input {
        let before = self.input.len();
        let (waiting, lifecycle) = (self.conn.waiting(), self.conn.lifecycle());
        let verdict = crumbs::read(
            &mut self.conn,
            &mut self.input,
            &mut self.offered,
            now,
            crumbs,
        );
        self.tally.read(verdict);
        self.work.passes(before - self.input.len());
        self.left_waiting |= waiting > 0 && self.conn.lifecycle() > lifecycle;
        self.observer.read(before - self.input.len());
        verdict
    }

    /// A request of this list is with the engine.
    pub(super) fn opened(&mut self, stream: StreamHandle, list: Bytes) {
        self.tally.wakes.look(&self.conn);
        self.news.sent_list(stream, list);
    }

    /// Which of its requests went to the wire on the stream of this identifier.
    pub(super) fn number(&self, id: u32) -> Option<u64> {
        self.news.number(id)
    }

    /// The next event, if something has led to it.
    pub(super) fn poll_event(&mut self) -> Result<Option<Event>, Fault> {
        self.work.calls();
        self.tally.wakes.poll(&mut self.conn)
    }

    /// Bytes arrive.
    pub(super) fn arrive(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.observer.arrived(bytes);
        (self.unread, self.dirty) = (true, true);
    }

    /// Lets the observer see all of the output but the first `before` bytes.
    pub(super) fn observe(&mut self, before: usize) -> Result<(), Fault> {
        if self.out.remaining() == before {
            return Ok(());
        }
        self.news
            .tell(&self.conn, &mut self.streams, &mut self.observer);
        self.observer.begin_output();
        let mut old = before;
        for part in self.out.parts() {
            let skipped = old.min(part.len());
            old -= skipped;
            self.observer.sent(&part[skipped..], None)?;
        }
        self.observer.encoder_agrees(&self.conn)
    }

    /// The transport has taken what it takes of the output.
    pub(super) fn wrote(&mut self) {
        self.observer.left(self.out.remaining());
    }

    /// The transport has nothing more to read.
    pub(super) fn input_ends(&mut self, how: TransportEnd, now: u64) {
        self.observer.input_ends();
        self.conn.handle_transport_end(how, Timestamp(now));
    }

    /// The transport takes nothing any more.
    pub(super) fn write_fails(&mut self) {
        self.observer.write_fails();
    }

    /// Whether the head of a stream is encoded, and the transport has not taken all of it.
    pub(super) fn holds_head(&self, stream: StreamHandle) -> bool {
        let id = self.streams.get(&stream).and_then(|live| live.id);
        id.is_some_and(|id| self.observer.holds_block(id))
    }

    /// What has seen all that has passed it.
    pub(super) fn observer(&self) -> &Observer {
        &self.observer
    }

    /// From here on, HPACK's tables are compared after each block.
    pub(super) fn follow_tables(&mut self) {
        self.observer.follow_tables();
    }

    /// I-12: this end has read what `peer` has sent.
    pub(super) fn decoder_agrees(&mut self, peer: &Self) -> Result<(), Fault> {
        self.observer.decoder_agrees(&self.conn, &peer.observer)
    }

    /// The application says how urgent a stream is.
    pub(super) fn prioritize(&mut self, stream: StreamHandle, urgency: Urgency) {
        let priority = Priority {
            urgency: urgency.level,
            incremental: !urgency.whole,
        };
        self.conn.prioritize(stream, priority);
        match self.conn.stream_id(stream) {
            Some(id) => self.observer.urge(id.to_u32(), urgency, false),
            None => self.news.urged(stream, urgency),
        }
    }

    /// The head of a request has said how urgent its response is.
    pub(super) fn urged_by_head(&mut self, stream: StreamHandle, value: &[u8]) {
        if let Some(id) = self.conn.stream_id(stream) {
            self.observer.urge(id.to_u32(), Urgency::parse(value), true);
        }
    }

    /// The application has been given `bytes` of a body.
    pub(super) fn took(&mut self, stream: StreamHandle, bytes: usize) {
        self.tally.heard += bytes as u64;
        if let Some(taken) = self.taken.entry(stream).or_insert(Some(0)) {
            self.others_hold |= self.held > *taken as u64 && bytes > 0;
            *taken += bytes;
            self.held += bytes as u64;
        }
    }

    /// The application has consumed `bytes` of a body.
    pub(super) fn release(&mut self, stream: StreamHandle, bytes: usize) {
        if let Some(Some(taken)) = self.taken.get_mut(&stream) {
            let back = bytes.min(*taken);
            *taken -= back;
            self.held -= back as u64;
        }
        self.conn.release(stream, bytes);
    }

    /// The application wants no more of a body, and has no use for what it has of it.
    pub(super) fn discard(&mut self, stream: StreamHandle) {
        let taken = self.taken.insert(stream, None).flatten();
        self.held -= taken.unwrap_or_default() as u64;
        self.tally.discarded = true;
        self.conn.discard(stream);
    }

    /// What the observer has seen.
    pub(super) fn mark(&self, marks: &mut Marks) {
        self.observer.seen().count(marks);
        if self.left_waiting {
            marks.add_to("G01", 1);
            marks.add_to("G10", 1);
        }
        marks.add_to("C11", u64::from(self.others_hold));
        marks.add_to("frames", self.conn.stats().frames_received);
        marks.add_to("blocks compared", self.observer.blocks());
        marks.add_to("turns awaited", self.observer.crowded());
    }

    /// It, to be compared with its peer.
    pub(super) fn half(&self) -> Half<'_> {
        Half {
            conn: &self.conn,
            observer: &self.observer,
        }
    }

    /// What holds whenever it has nothing more to do. It walks all streams: where there are many, not every time.
    pub(super) fn look(&mut self) -> Result<(), Fault> {
        self.unseen += 1;
        if self.unseen <= self.streams.len() / FEW {
            return Ok(());
        }
        self.unseen = 0;
        self.conn.check();
        self.audit()?;
        if self.tally.is_due() {
            counted::judge(&self.conn, &self.observer, &self.tally)?;
            self.work.judge(&self.conn, &self.observer, self.peak)?;
        }
        let holds = |(handle, taken): &(&StreamHandle, &Option<usize>)| {
            taken.is_none_or(|taken| taken > 0) && !self.streams.contains_key(handle)
        };
        let rest = Rest {
            conn: &self.conn,
            config: &self.config,
            out: &self.out,
            input: &self.input,
            streams: self.streams.len() + self.taken.iter().filter(holds).count(),
            peak: self.peak,
        };
        rest.judge()
    }

    /// I-10: what the engine counts as handed out is what the application has.
    fn audit(&self) -> Result<(), Fault> {
        let audit = self.conn.audit();
        if audit.held != self.held {
            return Err(Fault::run(format!(
                "I-10: {:?} has {} bytes of credit out, its application has {}",
                self.conn.role(),
                audit.held,
                self.held
            )));
        }
        Ok(())
    }
}

impl Sending {
    pub(super) fn new(message: Message, plan: &Plan, tape: &mut Tape) -> Self {
        // A part for each byte, or a pause, would make a long body an endless one.
        let least = 1 + message.body.len() / 100;
        Self {
            body: message.body,
            at: 0,
            trailers: message.trailers,
            part_max: least + tape.lane("writers").piece(2 * plan.body_max),
            mixes: tape.lane("pieces").chance(1, 4),
            pauses: plan.features.slow_writers,
        }
    }

    /// Gives the engine as much as it takes.
    pub(super) fn drive(
        &mut self,
        conn: &mut Connection,
        handle: StreamHandle,
        tape: &mut Tape,
    ) -> Result<Sent, SendError> {
        loop {
            let small = self.mixes && tape.lane("pieces").chance(1, 2);
            let most = match small {
                true => 1 + tape.index(SMALL_MAX),
                false => self.part_max,
            };
            tape.lane("writers");
            let end = self.body.len().min(self.at + most);
            let mut part = self.body.slice(self.at..end);
            // The end may come with the last part or, sometimes, alone behind it.
            let last = end == self.body.len() && self.trailers.is_none();
            let alone = last && !part.is_empty() && tape.chance(1, 4);
            let then = if last && !alone {
                Then::End
            } else {
                Then::More
            };
            if !part.is_empty() || last {
                match conn.send_data(handle, &mut part, then) {
                    Ok(taken) => self.at += taken,
                    Err(SendError::Gone) => return Ok(Sent::Gone),
                    Err(error) => return Err(error),
                }
                if !part.is_empty() {
                    return Ok(Sent::Blocked);
                }
                if then.is_end() {
                    return Ok(Sent::Whole);
                }
            }
            if self.at == self.body.len()
                && let Some(value) = &self.trailers
            {
                return match conn.send_trailers(handle, trailers(value)) {
                    Ok(()) => Ok(Sent::Whole),
                    Err(SendError::Gone) => Ok(Sent::Gone),
                    Err(error) => Err(error),
                };
            }
            if self.pauses && tape.chance(1, 3) {
                return Ok(Sent::Paused);
            }
        }
    }
}
