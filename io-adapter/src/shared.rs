//! The two locks of a connection, and the rule of who writes when.
//!
//! The *state* lock guards the engine. The *write* lock guards the transport's writing half and the bytes that are on
//! their way to it; a half-written frame stays inside it, so that a flusher that goes away loses nothing. The order is
//! write lock, then state lock; nobody who has something to write waits for the write lock: who finds it taken says so and
//! leaves the work to its holder, who looks again after letting go. The driver does wait for it where it looks whether all is
//! written, and where the connection ends: no longer than calls take that do not block.
//!
//! Who flushes: a lone sender does so itself, at once. When other streams are open, a sender leaves it to the driver,
//! which lets the tasks that it has woken run first and then writes for all of them at once.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{Arc, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Buf;
use raddle_core::{Connection, Lifecycle, Timestamp, Transmit, TransportEnd};
use tokio::{io::AsyncWrite, time::Instant};

use crate::{
    error::{Error, Kind},
    guard::Locked,
    planted::{self, Planted},
    state::State,
    sync::{Mutex, Waits, lock},
    turn::Turn,
    watch::Watcher,
};

/// Slices of one vectored write. What the kernel takes at once is more; beyond this a longer list saves nothing.
const SLICES_MAX: usize = 64;

/// What every handle of a connection shares.
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Who found the state locked.
    pub(crate) waits: Waits,
    writer: Turn<Writer>,
    start: Instant,
    pub(crate) watcher: Watcher,
}

pub(crate) struct Writer {
    io: Box<dyn AsyncWrite + Send + Unpin>,
    out: Transmit,
    /// A part of a message waited when a write was last tried.
    offered: bool,
    /// Bytes were written that the transport may keep in a buffer of its own.
    unflushed: bool,
    /// The engine was told that it does.
    kept: bool,
    failed: bool,
    /// The transport is a socket: the system says of a write that fails that it has taken nothing.
    is_socket: bool,
}

impl Shared {
    pub(crate) fn new(
        connection: Connection,
        io: Box<dyn AsyncWrite + Send + Unpin>,
        is_socket: bool,
        start: Instant,
    ) -> Arc<Self> {
        let watcher = Watcher::new(connection.role());
        Arc::new(Self {
            state: Mutex::new(State::new(connection, watcher.clone())),
            waits: Waits::default(),
            writer: Turn::new(Writer {
                io,
                out: Transmit::new(),
                offered: false,
                unflushed: false,
                kept: false,
                failed: false,
                is_socket,
            }),
            start,
            watcher,
        })
    }

    /// The engine's time.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// The moment on the runtime's clock that the engine calls `at`.
    pub(crate) fn instant(&self, at: Timestamp) -> Instant {
        self.start + std::time::Duration::from_nanos(at.0)
    }

    pub(crate) fn lock(&self) -> Locked<'_> {
        // A panic under the lock is a bug of ours that has been reported; the others need not hang for it.
        Locked::new(lock(&self.state, &self.waits).unwrap_or_else(PoisonError::into_inner))
    }

    /// The lock for who holds another one, be it the write lock or that of a pool, for which everybody would wait while a
    /// subscriber is told of what has happened.
    pub(crate) fn lock_quietly(&self) -> Locked<'_> {
        self.lock().quietly()
    }

    /// Tells what has happened meanwhile, for who has let go of the lock quietly.
    pub(crate) fn tell(&self) {
        if let Some(watcher) = self.watcher.due() {
            watcher.tell();
        }
    }

    /// Runs a command under the state lock, wakes whom it concerns, and sees to it that its frames get written.
    pub(crate) fn command<R>(&self, command: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        let result = command(&mut state);
        self.settle(state);
        result
    }

    /// What follows a command.
    pub(crate) fn settle(&self, mut state: Locked<'_>) {
        let mut wakes = Vec::new();
        state.process(&mut wakes);
        let flush = self.plan_flush(&mut state, &mut wakes);
        // Others take the driver for woken from here on: that does not wait for a subscriber.
        drop(state.quietly());
        wake_all(wakes);
        if flush {
            self.flush();
        }
        self.tell();
    }

    /// Runs a command whose frames are written with those of the next one.
    pub(crate) fn command_unflushed<R>(&self, command: impl FnOnce(&mut State) -> R) -> R {
        command(&mut self.lock())
    }

    /// Whether the caller is to flush; otherwise the driver will, if there is anything to write.
    fn plan_flush(&self, state: &mut State, wakes: &mut Vec<Waker>) -> bool {
        if !state.connection.wants_transmit() && !state.connection.wants_deadline() {
            return false;
        }
        state.commands += 1;
        if state.flush_due {
            return false;
        }
        if !state.gathers() && state.outstanding == 0 {
            return true;
        }
        state.flush_due = true;
        if !planted::has(Planted::DriverNotTold) {
            wakes.extend(state.driver.clone());
        }
        false
    }

    /// Writes what the engine has, until the transport takes no more. Whoever is blocked there is the driver: its waker
    /// is the one that the transport keeps. A failure is left to the driver, too, in [`State::broken`].
    pub(crate) fn flush(&self) {
        self.writer.work(|writer| self.flush_with(writer));
        self.tell();
    }

    fn wants_transmit(&self) -> bool {
        self.lock().connection.wants_transmit()
    }

    fn flush_with(&self, writer: &mut Writer) {
        loop {
            if writer.failed {
                return;
            }
            let mut wakes = Vec::new();
            let mut state = self.lock_quietly();
            state.flush_due = false;
            let now = self.now();
            state.connection.poll_transmit(&mut writer.out, now);
            state.process(&mut wakes);
            if writer.out.is_empty() && !writer.unflushed {
                // What was told just now may have made the engine say more.
                let wants = state.connection.wants_transmit();
                if !wants {
                    state.keep_alarm(&mut wakes);
                }
                drop(state);
                wake_all(wakes);
                if wants {
                    continue;
                }
                return;
            }
            let driver = state.driver.clone();
            drop(state);
            wake_all(wakes);
            // Without a driver there is nobody who would go on; `Driver` flushes when it starts.
            let Some(driver) = driver else { return };
            let forgets = planted::has(Planted::BlockedOutputForgotten);
            let waker = if forgets { Waker::noop() } else { &driver };
            match writer.write(&mut Context::from_waker(waker)) {
                Poll::Pending => {
                    self.note_blocked(writer);
                    return;
                }
                Poll::Ready(Ok(())) => self.note_flushed(writer),
                Poll::Ready(Err(error)) => {
                    writer.failed = true;
                    self.fail_writing(writer, error);
                    return;
                }
            }
        }
    }

    /// Tells the engine what the transport did not take, or that it keeps what it took.
    fn note_blocked(&self, writer: &mut Writer) {
        if planted::has(Planted::BlockedUnheard) {
            return;
        }
        let mut wakes = Vec::new();
        let mut state = self.lock_quietly();
        let now = self.now();
        if writer.out.is_empty() {
            writer.kept = true;
            state
                .connection
                .handle_transport_unflushed(&writer.out, now);
        } else {
            state.connection.handle_transport_blocked(&writer.out, now);
        }
        state.keep_alarm(&mut wakes);
        drop(state);
        wake_all(wakes);
    }

    /// Tells the engine that the transport does not keep it any more.
    fn note_flushed(&self, writer: &mut Writer) {
        if std::mem::take(&mut writer.kept) {
            let (mut state, now) = (self.lock_quietly(), self.now());
            state.connection.handle_transport_flushed(&writer.out, now);
        }
    }

    /// Leaves it to the driver to end the connection: what has arrived and is not read yet may hold answers that are
    /// whole, or a GOAWAY that says which requests were not processed.
    fn fail_writing(&self, writer: &mut Writer, error: io::Error) {
        let mut state = self.lock_quietly();
        let Some(driver) = state.driver.clone() else {
            drop(state);
            return self.end_with(writer, TransportEnd::Failed, Some(error));
        };
        state.broken.get_or_insert(error);
        drop(state);
        driver.wake();
    }

    /// Tells the engine that its deadline has passed. Under the write lock: requests that the transport was never given are
    /// taken back when that ends the connection.
    pub(crate) fn handle_timeout(&self) {
        self.with_writer(|writer| {
            let mut wakes = Vec::new();
            let mut state = self.lock_quietly();
            let now = self.now();
            match planted::has(Planted::LostOutputCounts) {
                true => state.connection.handle_timeout(now),
                false => state.connection.handle_timeout_with(&mut writer.out, now),
            }
            state.process(&mut wakes);
            drop(state);
            wake_all(wakes);
        });
    }

    /// Tells everyone that the transport is gone. What it was never given nobody has got, so that requests whose heads end
    /// in that were seen by nobody.
    pub(crate) fn end(&self, end: TransportEnd, mut error: Option<io::Error>) {
        // Under the write lock: nobody writes another request in between.
        self.with_writer(|writer| self.end_with(writer, end, error.take()));
    }

    fn end_with(&self, writer: &mut Writer, end: TransportEnd, error: Option<io::Error>) {
        let mut wakes = Vec::new();
        let mut state = self.lock_quietly();
        if writer.out.holds_request() && !planted::has(Planted::LostOutputCounts) {
            let out = std::mem::take(&mut writer.out);
            state.connection.handle_output_lost(&out);
        }
        let now = self.now();
        state.connection.handle_transport_end(end, now);
        // A server goes on without input while it owes answers.
        let over = state.connection.lifecycle() >= Lifecycle::Closing;
        if over && let Some(error) = error.or_else(|| state.broken.take()) {
            let error = Error::io(error).after(state.connection.peer_goaway());
            if writer.failed && writer.offered {
                state.cut = Some(error.clone());
            }
            state.closed.get_or_insert(error);
        }
        state.process(&mut wakes);
        drop(state);
        wake_all(wakes);
    }

    /// Whether the transport has taken every byte, though it may keep some in a buffer of its own.
    pub(crate) fn is_taken(&self) -> bool {
        self.is_done(|writer| writer.out.is_empty())
    }

    /// Whether everything that the engine had is with the transport.
    pub(crate) fn is_flushed(&self) -> bool {
        self.is_done(|writer| writer.failed || (writer.out.is_empty() && !writer.unflushed))
    }

    fn is_done(&self, done: impl FnMut(&mut Writer) -> bool) -> bool {
        self.writer
            .is_done(|| self.wants_transmit(), done, || self.flush())
    }

    /// Closes the writing half.
    pub(crate) fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.with_writer(|writer| match writer.failed {
            true => Poll::Ready(()),
            // The connection is over either way; a transport that cannot say goodbye changes nothing.
            false => Pin::new(&mut writer.io).poll_shutdown(cx).map(|_| ()),
        })
    }

    /// Lets go of the writing half, so that the transport closes although handles still share this.
    pub(crate) fn close(&self) {
        self.with_writer(|writer| {
            writer.io = Box::new(tokio::io::sink());
            writer.out = Transmit::new();
            writer.failed = true;
        });
    }

    /// Runs something under the write lock, and again when meanwhile somebody has left bytes to its holder.
    pub(crate) fn with_writer<R>(&self, run: impl FnMut(&mut Writer) -> R) -> R {
        let result = self.writer.look(run, || self.flush());
        self.tell();
        result
    }

    /// The error for a request that was not taken because the connection is over: safe to send elsewhere, whatever
    /// became of those that were.
    pub(crate) fn refusal(state: &State) -> Error {
        match &state.closed {
            Some(error) if error.kind() != Kind::Closed => {
                Error::with_source(Kind::Closed, error.clone())
            }
            _ => state.told(Kind::Closed),
        }
    }

    /// The error that answers for a connection that is over.
    pub(crate) fn closed_error(state: &State) -> Error {
        state
            .closed
            .clone()
            .unwrap_or_else(|| state.told(Kind::Closed))
    }
}

impl Writer {
    /// Writes everything that waits, in as few calls as it takes.
    fn write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.out.is_empty() {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let mut count = 0;
            for (slice, part) in slices.iter_mut().zip(self.out.parts()) {
                *slice = IoSlice::new(part);
                count += 1;
            }
            self.offered = self.out.holds_message();
            let is_vectored = self.io.is_write_vectored();
            let given = &slices[..if is_vectored { count } else { 1 }];
            let io = Pin::new(&mut self.io);
            let written = match is_vectored {
                true => io.poll_write_vectored(cx, given),
                false => io.poll_write(cx, &given[0]),
            };
            match written {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) if planted::has(Planted::ZeroWriteSpins) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => {
                    self.out.advance(written);
                    self.unflushed = true;
                }
                Poll::Ready(Err(error)) => {
                    // TLS, for one, may have sent a part of what it was given, which it does not tell.
                    if !self.is_socket {
                        let bytes = given.iter().map(|part| part.len()).sum();
                        self.out.advance(bytes);
                    }
                    return Poll::Ready(Err(error));
                }
            }
        }
        // A transport with a buffer of its own, TLS for one, must not keep the end of it back.
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.unflushed = flushed.is_pending();
        flushed
    }
}

pub(crate) fn wake_all(wakes: Vec<Waker>) {
    for waker in wakes {
        waker.wake();
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}
