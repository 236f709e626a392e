//! The two locks of a connection, and the rule of who writes when.
//!
//! The *state* lock guards the engine. The *write* lock guards the transport's writing half and the bytes that are on
//! their way to it; a half-written frame stays inside it, so that a flusher that goes away loses nothing. The order is
//! write lock, then state lock; nobody waits for the write lock: who finds it taken says so and leaves the work to its
//! holder, who looks again after letting go.
//!
//! Who flushes: a lone sender does so itself, at once. When other streams are open, a sender leaves it to the driver,
//! which lets the tasks that it has woken run first and then writes for all of them at once.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
};

use bytes::Buf;
use raddle_core::{Connection, Timestamp, Transmit, TransportEnd};
use tokio::{io::AsyncWrite, time::Instant};

use crate::{
    error::{Error, Kind},
    state::State,
};

/// Slices of one vectored write. What the kernel takes at once is more; beyond this a longer list saves nothing.
const SLICES_MAX: usize = 64;

/// What every handle of a connection shares.
pub(crate) struct Shared {
    state: Mutex<State>,
    writer: Mutex<Writer>,
    /// Somebody found the write lock taken since its holder last looked.
    missed: AtomicBool,
    start: Instant,
}

struct Writer {
    io: Box<dyn AsyncWrite + Send + Unpin>,
    out: Transmit,
    /// Bytes were written that the transport may keep in a buffer of its own.
    unflushed: bool,
    failed: bool,
}

impl Shared {
    pub(crate) fn new(
        connection: Connection,
        io: Box<dyn AsyncWrite + Send + Unpin>,
        start: Instant,
    ) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State::new(connection)),
            writer: Mutex::new(Writer {
                io,
                out: Transmit::new(),
                unflushed: false,
                failed: false,
            }),
            missed: AtomicBool::new(false),
            start,
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

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock is a bug of ours that has been reported; the others need not hang for it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a command under the state lock, wakes whom it concerns, and sees to it that its frames get written.
    pub(crate) fn command<R>(&self, command: impl FnOnce(&mut State) -> R) -> R {
        let mut wakes = Vec::new();
        let mut state = self.lock();
        let result = command(&mut state);
        state.process(&mut wakes);
        let flush = self.plan_flush(&mut state, &mut wakes);
        drop(state);
        wake_all(wakes);
        if flush {
            self.flush();
        }
        result
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
        if state.live <= 1 && state.outstanding == 0 {
            return true;
        }
        state.flush_due = true;
        wakes.extend(state.driver.clone());
        false
    }

    /// Writes what the engine has, until the transport takes no more. Whoever is blocked there is the driver: its waker
    /// is the one that the transport keeps.
    pub(crate) fn flush(&self) {
        while let Some(mut writer) = self.try_writer() {
            let blocked = self.flush_with(&mut writer);
            drop(writer);
            // Also when blocked: whom the transport has woken meanwhile was turned away and is asleep again.
            let missed = self.missed.swap(false, Ordering::SeqCst);
            if !missed && (blocked || !self.lock().connection.wants_transmit()) {
                return;
            }
        }
    }

    /// The write lock, if it is free. If it is not, its holder will look again.
    fn try_writer(&self) -> Option<MutexGuard<'_, Writer>> {
        let attempt = || match self.writer.try_lock() {
            Ok(writer) => Some(writer),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        attempt().or_else(|| {
            self.missed.store(true, Ordering::SeqCst);
            // The holder may have looked just before that, and gone.
            attempt()
        })
    }

    /// Answers whether the transport took no more, or never will.
    fn flush_with(&self, writer: &mut Writer) -> bool {
        loop {
            if writer.failed {
                return true;
            }
            let mut wakes = Vec::new();
            let mut state = self.lock();
            state.flush_due = false;
            let now = self.now();
            state.connection.poll_transmit(&mut writer.out, now);
            state.process(&mut wakes);
            let driver = state.driver.clone();
            drop(state);
            wake_all(wakes);
            if writer.out.is_empty() && !writer.unflushed {
                self.set_alarm(None);
                return false;
            }
            // Without a driver there is nobody who would go on; `Driver` flushes when it starts.
            let Some(driver) = driver else { return true };
            match writer.write(&mut Context::from_waker(&driver)) {
                Poll::Pending => {
                    self.set_alarm(Some(&writer.out));
                    return true;
                }
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    writer.failed = true;
                    self.fail_writing(error);
                    return true;
                }
            }
        }
    }

    /// Wakes the driver when it sleeps past a deadline that writing has set. `blocked` is what the transport did not
    /// take.
    fn set_alarm(&self, blocked: Option<&Transmit>) {
        let mut state = self.lock();
        if let Some(out) = blocked {
            let now = self.now();
            state.connection.handle_transport_blocked(out, now);
        }
        let due = state.connection.poll_timeout();
        if due.is_none_or(|due| state.alarm.is_some_and(|alarm| alarm <= due)) {
            return;
        }
        state.alarm = due;
        let driver = state.driver.clone();
        drop(state);
        wake_all(driver.into_iter().collect());
    }

    /// Leaves it to the driver to end the connection: what has arrived and is not read yet may hold answers that are
    /// whole, or a GOAWAY that says which requests were not processed.
    fn fail_writing(&self, error: io::Error) {
        let mut state = self.lock();
        let Some(driver) = state.driver.clone() else {
            drop(state);
            return self.end(TransportEnd::Failed, Some(error));
        };
        state.broken.get_or_insert(error);
        drop(state);
        driver.wake();
    }

    /// Tells everyone that the transport is gone.
    pub(crate) fn end(&self, end: TransportEnd, error: Option<io::Error>) {
        let mut wakes = Vec::new();
        let mut state = self.lock();
        if let Some(error) = error.or_else(|| state.broken.take()) {
            state.closed.get_or_insert(Error::io(error));
        }
        let now = self.now();
        state.connection.handle_transport_end(end, now);
        state.process(&mut wakes);
        drop(state);
        wake_all(wakes);
    }

    /// Whether the transport has taken every byte, though it may keep some in a buffer of its own.
    pub(crate) fn is_taken(&self) -> bool {
        self.with_writer(|writer| writer.out.is_empty()) && !self.lock().connection.wants_transmit()
    }

    /// Whether everything that the engine had is with the transport.
    pub(crate) fn is_flushed(&self) -> bool {
        self.with_writer(|writer| writer.failed || (writer.out.is_empty() && !writer.unflushed))
            && !self.lock().connection.wants_transmit()
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
    fn with_writer<R>(&self, mut run: impl FnMut(&mut Writer) -> R) -> R {
        loop {
            let result = run(&mut self.writer.lock().unwrap_or_else(PoisonError::into_inner));
            if !self.missed.swap(false, Ordering::SeqCst) {
                return result;
            }
            self.flush();
        }
    }

    /// The error for a request that was not taken because the connection is over: safe to send elsewhere, whatever
    /// became of those that were.
    pub(crate) fn refusal(state: &State) -> Error {
        match &state.closed {
            Some(error) if error.kind() != Kind::Closed => {
                Error::with_source(Kind::Closed, error.clone())
            }
            _ => Error::new(Kind::Closed),
        }
    }

    /// The error that answers for a connection that is over.
    pub(crate) fn closed_error(state: &State) -> Error {
        state
            .closed
            .clone()
            .unwrap_or_else(|| Error::new(Kind::Closed))
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
            let io = Pin::new(&mut self.io);
            let written = match io.is_write_vectored() {
                true => io.poll_write_vectored(cx, &slices[..count]),
                false => io.poll_write(cx, self.out.chunk()),
            };
            match written {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => {
                    self.out.advance(written);
                    self.unflushed = true;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
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

#[cfg(test)]
mod tests {
    use std::sync::{OnceLock, Weak};

    use raddle_core::{Config, Role};

    use super::*;

    /// A transport that takes nothing at first and is ready again before its caller has let the write lock go: the
    /// driver, woken for it, finds the lock taken.
    #[derive(Clone, Default)]
    struct Trap {
        shared: Arc<OnceLock<Weak<Shared>>>,
        refused: Arc<AtomicBool>,
        written: Arc<Mutex<Vec<u8>>>,
    }

    impl AsyncWrite for Trap {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            if !self.refused.swap(true, Ordering::SeqCst) {
                self.shared.get().unwrap().upgrade().unwrap().flush();
                return Poll::Pending;
            }
            self.written.lock().unwrap().extend_from_slice(bytes);
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn who_finds_the_write_lock_taken_is_not_forgotten() {
        let trap = Trap::default();
        let connection = Connection::new(Role::Client, Config::default(), Timestamp(0));
        let shared = Shared::new(connection, Box::new(trap.clone()), Instant::now());
        trap.shared.set(Arc::downgrade(&shared)).unwrap();
        shared.lock().driver = Some(Waker::noop().clone());
        shared.flush();
        assert!(trap.refused.load(Ordering::SeqCst));
        assert!(
            trap.written.lock().unwrap().starts_with(b"PRI * HTTP/2.0"),
            "nobody else will come and write it"
        );
    }

    #[test]
    fn who_finds_the_write_lock_taken_by_a_look_is_not_forgotten() {
        let trap = Trap::default();
        trap.refused.store(true, Ordering::SeqCst);
        let connection = Connection::new(Role::Client, Config::default(), Timestamp(0));
        let shared = Shared::new(connection, Box::new(trap.clone()), Instant::now());
        shared.lock().driver = Some(Waker::noop().clone());
        // The driver looks whether everything is written, and in just that moment somebody wants to write.
        let mut looks = 0;
        shared.with_writer(|_| {
            looks += 1;
            if looks == 1 {
                shared.flush();
            }
        });
        assert_eq!(
            looks, 2,
            "what was seen before the write is not true any more"
        );
        assert!(
            trap.written.lock().unwrap().starts_with(b"PRI * HTTP/2.0"),
            "nobody else will come and write it"
        );
    }
}
