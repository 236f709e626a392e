//! What a connection's lock guards: the engine, and what the handles know of its streams.

use std::{collections::VecDeque, task::Waker};

use raddle_core::{
    Connection, ConnectionError, ErrorCode, Event, Lifecycle, Origin, RequestHead, Role,
    StreamError, StreamHandle, Timestamp,
};

use tokio::time::Instant;

use crate::{
    body::push_piece,
    error::{Error, Kind},
    permits::Permits,
    planted::{self, Planted},
    settled::Unsettled,
    slots::{Slot, Slots},
    watch::{StreamSpan, Watcher},
};

/// Everything behind the lock. Held for work of constant size, never across a system call, a wake or an await.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) connection: Connection,
    pub(crate) watcher: Watcher,
    slots: Slots,
    pub(crate) live: usize,
    /// When the last stream in use ended.
    pub(crate) idle_since: Option<Instant>,
    pub(crate) permits: Permits,
    /// Requests that nobody has accepted yet. The engine's limit of concurrent streams bounds them, because those that
    /// are reset leave at once.
    pub(crate) incoming: VecDeque<(StreamHandle, RequestHead)>,
    pub(crate) acceptor: Option<Waker>,
    /// Requests that the application may work on at once. Those that their clients have given up count until the
    /// application has let go of them: nobody makes it work on more by resetting what it works on.
    pub(crate) working_max: usize,
    /// Nobody will accept any more.
    pub(crate) refuses: bool,
    /// Handles that can open streams.
    pub(crate) clients: usize,
    /// The driver's waker: to write for others, and to read on.
    pub(crate) driver: Option<Waker>,
    /// Why nothing can be written any more, while the driver has not read what had arrived by then.
    pub(crate) broken: Option<std::io::Error>,
    /// Why what streams had to say could not be written, although they had ended for the engine.
    pub(crate) cut: Option<Error>,
    /// Why nothing goes on any more.
    pub(crate) closed: Option<Error>,
    /// Tasks that the driver has woken and that have not come back yet.
    pub(crate) outstanding: usize,
    /// The driver is to flush when it runs next.
    pub(crate) flush_due: bool,
    /// The deadline for which the driver sleeps; one that has passed while it is awake.
    pub(crate) alarm: Option<Timestamp>,
    /// Counts commands, for the driver to see whether more are coming.
    pub(crate) commands: u64,
    /// The peer has sent its SETTINGS.
    pub(crate) ready: bool,
    pub(crate) unsettled: Unsettled,
    pub(crate) pongs: Vec<(raddle_core::PingId, Option<Waker>, bool)>,
    /// Wakers to be dropped when the lock is free, see [`guard`](crate::guard).
    pub(crate) aside: Vec<Waker>,
}

/// The two users that a stream has on our side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Half {
    /// Whoever takes the peer's message.
    Reader,
    /// Whoever gives our message.
    Writer,
}

impl State {
    pub(crate) fn new(connection: Connection, watcher: Watcher) -> Self {
        Self {
            connection,
            watcher,
            slots: Slots::default(),
            live: 0,
            idle_since: None,
            permits: Permits::default(),
            incoming: VecDeque::new(),
            acceptor: None,
            working_max: usize::MAX,
            refuses: false,
            clients: 0,
            driver: None,
            broken: None,
            cut: None,
            closed: None,
            outstanding: 0,
            flush_due: false,
            alarm: None,
            commands: 0,
            ready: false,
            unsettled: Unsettled::default(),
            pongs: Vec::new(),
            aside: Vec::new(),
        }
    }

    /// Asserts what holds between any two calls.
    pub(crate) fn check(&self) {
        self.connection.check();
        assert_eq!(
            self.slots.len(),
            self.live,
            "slots are those of streams in use"
        );
    }

    /// Makes room for what will be known of a stream.
    pub(crate) fn track(&mut self, handle: StreamHandle, span: StreamSpan) {
        self.live += 1;
        self.slots.insert(Slot {
            span,
            ..Slot::new(handle)
        });
    }

    pub(crate) fn slot(&mut self, handle: StreamHandle) -> Option<&mut Slot> {
        self.slots.get_mut(handle)
    }

    /// The slot of a stream whose user is running: it has come back from its wake.
    pub(crate) fn visit(&mut self, handle: StreamHandle) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(handle)?;
        if std::mem::take(&mut slot.woken) {
            self.outstanding = self.outstanding.saturating_sub(1);
        }
        Some(slot)
    }

    /// Gives one user of a stream up. The last one takes the slot with it, once the stream has ended.
    pub(crate) fn leave(&mut self, handle: StreamHandle, half: Half) {
        let Some(slot) = self.visit(handle) else {
            return;
        };
        match half {
            Half::Reader => {
                slot.reader_gone = true;
                slot.data = VecDeque::new();
                let waker = slot.reader.take();
                self.aside.extend(waker);
                self.connection.discard(handle);
            }
            Half::Writer => {
                slot.writer_gone = true;
                let waker = slot.writer.take();
                self.aside.extend(waker);
            }
        }
        self.stop_upload(handle);
        self.forget_if_done(handle);
    }

    /// Server: stops an upload that nobody reads, once the answer is given (RFC 9113 §8.1). The engine sends the
    /// answer first.
    pub(crate) fn stop_upload(&mut self, handle: StreamHandle) {
        if self.connection.role() == Role::Client || planted::has(Planted::UnreadUploadGoesOn) {
            return;
        }
        if let Some(slot) = self.slot(handle)
            && slot.reader_gone
            && slot.given
            && !slot.ended
            && slot.outcome.is_none()
        {
            self.connection.reset(handle, ErrorCode::NO_ERROR);
        }
    }

    /// Why a stream that has failed did so.
    pub(crate) fn failure(&self, slot_error: Option<Error>, outcome: StreamError) -> Error {
        match (slot_error, &self.closed) {
            (Some(error), _) => error,
            // What happened to the transport tells more than what the stream was told, but not whether the request
            // may be sent again: only where both verdicts are the same.
            (None, Some(closed))
                if closed.kind() == Kind::Io
                    && (closed.retry() == outcome.retry
                        || planted::has(Planted::VerdictOfTransport)) =>
            {
                closed.clone()
            }
            _ => self.told(Kind::Stream(outcome)),
        }
    }

    /// An error, with what the peer has said in a GOAWAY.
    pub(crate) fn told(&self, kind: Kind) -> Error {
        Error::new(kind).after(self.connection.peer_goaway())
    }

    fn forget_if_done(&mut self, handle: StreamHandle) {
        let done = self
            .slot(handle)
            .is_some_and(|slot| slot.reader_gone && slot.writer_gone && slot.outcome.is_some());
        if done {
            self.slots.remove(handle);
            self.live -= 1;
            if self.live == 0 {
                self.idle_since = Some(Instant::now());
            }
        }
    }

    /// Takes every event of the engine. Wakers go to `wakes`, to be woken when the lock is free.
    pub(crate) fn process(&mut self, wakes: &mut Vec<Waker>) {
        while let Some(event) = self.connection.poll_event() {
            self.take(event, wakes);
        }
        self.drain_if_left();
        if self.may_accept() && !planted::has(Planted::RoomUnheard) {
            wakes.extend(self.acceptor.take());
        }
        if self.connection.lifecycle() >= Lifecycle::Draining {
            // No permit will be given any more, and those who wait for one may go elsewhere at once: the streams in
            // progress may take long.
            wakes.extend(self.permits.all());
        } else {
            wakes.extend(self.permits.due(self.connection.openable()));
        }
    }

    /// Server: whether a request waits, and the application has room for it.
    pub(crate) fn may_accept(&self) -> bool {
        let room = self.live - self.incoming.len() < self.working_max;
        !self.incoming.is_empty() && (room || planted::has(Planted::SlotFreedByReset))
    }

    /// Client: ends the connection once nobody can make requests and those that were made are on their way. A drain
    /// would fail the ones that are not.
    fn drain_if_left(&mut self) {
        if self.connection.role() == Role::Client
            && self.clients == 0
            && self.connection.waiting() == 0
        {
            self.connection.drain();
        }
    }

    /// Whether the frames of several streams are to be gathered into one write. A lone stream writes for itself.
    pub(crate) fn gathers(&self) -> bool {
        self.live > 1
    }

    /// Wakes the driver when it sleeps past a deadline that writing has set.
    pub(crate) fn keep_alarm(&mut self, wakes: &mut Vec<Waker>) {
        let due = self
            .connection
            .poll_timeout()
            .filter(|_| !planted::has(Planted::EarlierAlarmMissed));
        if due.is_some_and(|due| self.alarm.is_none_or(|alarm| due < alarm)) {
            self.alarm = due;
            wakes.extend(self.driver.clone());
        }
    }

    fn take(&mut self, event: Event, wakes: &mut Vec<Waker>) {
        match event {
            Event::Ready => {
                self.watcher.ready();
                self.ready = true;
                wakes.extend(self.unsettled.all());
            }
            Event::Request { stream, head, then } => {
                self.take_request(stream, head, then.is_end(), wakes)
            }
            Event::Interim { stream, head } => {
                self.tell_reader(stream, wakes, |slot| slot.interims.push(head))
            }
            Event::Response { stream, head, then } => self.tell_reader(stream, wakes, |slot| {
                slot.span.answered(head.status());
                slot.head = Some(head);
                slot.ended |= then.is_end();
            }),
            Event::Data { stream, data, then } => self.tell_reader(stream, wakes, |slot| {
                push_piece(&mut slot.data, data);
                slot.ended |= then.is_end();
            }),
            Event::Trailers { stream, fields } => self.tell_reader(stream, wakes, |slot| {
                slot.trailers = Some(fields);
                slot.ended = true;
            }),
            Event::Writable { .. } if planted::has(Planted::WritableUnheard) => {}
            Event::Writable { stream } => self.tell_writer(stream, wakes, |_| ()),
            Event::StopSending { stream } => {
                self.tell_writer(stream, wakes, |slot| slot.stopped = true)
            }
            Event::Finished { stream } => self.take_outcome(stream, Ok(()), wakes),
            Event::Failed { stream, error } => self.take_outcome(stream, Err(error), wakes),
            Event::Pong { id } => {
                if let Some((_, waker, done)) =
                    self.pongs.iter_mut().find(|(other, ..)| *other == id)
                {
                    *done = true;
                    wakes.extend(waker.take());
                }
            }
            Event::Openable => {}
            Event::PeerDraining => self.watcher.peer_drains(),
            Event::Closed { error } => {
                self.watcher.closed(error.as_ref());
                self.take_closed(error, wakes);
            }
        }
    }

    fn take_request(
        &mut self,
        stream: StreamHandle,
        head: RequestHead,
        ended: bool,
        wakes: &mut Vec<Waker>,
    ) {
        if self.refuses {
            self.connection.discard(stream);
            self.connection.reset(stream, ErrorCode::REFUSED_STREAM);
            return;
        }
        let span = self.watcher.received(&head);
        self.track(stream, span);
        if let Some(slot) = self.slot(stream) {
            slot.ended = ended;
        }
        self.incoming.push_back((stream, head));
        wakes.extend(self.acceptor.take());
    }

    fn tell_reader(
        &mut self,
        stream: StreamHandle,
        wakes: &mut Vec<Waker>,
        change: impl FnOnce(&mut Slot),
    ) {
        let Some(slot) = self.slots.get_mut(stream).filter(|slot| !slot.reader_gone) else {
            return;
        };
        let unwatched = planted::has(Planted::TrailersUnwatched) && slot.trailers.is_none();
        change(slot);
        if unwatched && slot.trailers.is_some() {
            return;
        }
        if let Some(waker) = slot.reader.take() {
            self.outstanding += usize::from(!std::mem::replace(&mut slot.woken, true));
            wakes.push(waker);
        }
    }

    fn tell_writer(
        &mut self,
        stream: StreamHandle,
        wakes: &mut Vec<Waker>,
        change: impl FnOnce(&mut Slot),
    ) {
        let Some(slot) = self.slot(stream) else {
            return;
        };
        change(slot);
        if planted::has(Planted::StopUnheard) && (slot.stopped || slot.outcome.is_some()) {
            return;
        }
        wakes.extend(slot.writer.take());
    }

    fn take_outcome(
        &mut self,
        stream: StreamHandle,
        outcome: Result<(), StreamError>,
        wakes: &mut Vec<Waker>,
    ) {
        let failed = outcome.is_err();
        let given_up = matches!(&outcome, Err(error) if error.origin != Origin::Transport);
        self.tell_writer(stream, wakes, |slot| {
            slot.span.ended(&outcome);
            slot.outcome = Some(outcome);
        });
        // A reader that has its message whole has nothing to hear of the end.
        if failed
            && !planted::has(Planted::FailureUnheard)
            && let Some(slot) = self.slot(stream)
        {
            wakes.extend(slot.reader.take());
        }
        if given_up {
            self.forget_unaccepted(stream);
        }
        self.forget_if_done(stream);
    }

    /// Drops a request that was reset, by its client or for a fault in it, before anybody accepted it. Who opens and resets streams would
    /// otherwise fill the line behind a server that is slow to accept, past the limit of concurrent streams.
    fn forget_unaccepted(&mut self, stream: StreamHandle) {
        let at = self
            .incoming
            .iter()
            .position(|(waiting, _)| *waiting == stream);
        if at.and_then(|at| self.incoming.remove(at)).is_some() {
            self.leave(stream, Half::Reader);
            self.leave(stream, Half::Writer);
        }
    }

    fn take_closed(&mut self, error: Option<ConnectionError>, wakes: &mut Vec<Waker>) {
        let told = self.told(error.map_or(Kind::Closed, Kind::Connection));
        self.closed.get_or_insert(told);
        wakes.extend(self.acceptor.take());
        wakes.extend(self.unsettled.all());
        wakes.extend(
            self.pongs
                .iter_mut()
                .filter_map(|(_, waker, _)| waker.take()),
        );
        wakes.extend(self.driver.clone());
    }
}
