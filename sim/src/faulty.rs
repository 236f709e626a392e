//! A byte stream that does all that a socket may do and seldom does.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use crate::{endless, tape::Tape};

/// The most bytes that one read brings.
const SCRATCH_BYTES: usize = 16 * 1_024;

/// The most bytes that are kept to be read when writes fail.
const LATE_BYTES_MAX: usize = 64 * 1_024;

/// How a stream misbehaves, within what sockets may do.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// The most bytes that one read or write moves.
    pub piece_max: usize,
    /// In how many of 100 cases a read or write is pending for no reason, and wakes its task at once.
    pub pending_percent: u64,
    /// Whether writes of several buffers at once are taken as such.
    pub vectored: bool,
    /// Bytes, in both ways together, after which reads and writes fail.
    pub fails_after: Option<u64>,
    /// Bytes after which nothing is read or written any more, and nobody is told.
    pub wedges_after: Option<u64>,
    /// Bytes after which writes take nothing, and say so.
    pub takes_nothing_after: Option<u64>,
    /// Bytes after which writes fail, while what had arrived can still be read.
    pub writes_fail_after: Option<u64>,
    /// Bytes after which writes wait for ever, while reads go on.
    pub stands_still_after: Option<u64>,
    /// Milliseconds that a write waits, at the most, when the one before was cut short.
    pub rests_max: Option<u64>,
    /// Whether it never says that it is shut down.
    pub stays_open: bool,
}

/// Writes of no byte in a row after which whoever makes them spins.
const ZEROES_MAX: u32 = 1_000;

/// How often writes of one stream wait for some time, and the most bytes of the write before that.
const RESTS_MAX: u32 = 40;
const SHORT_BYTES: usize = 40;

/// Reads and writes of one stream after which a run has no end. Long runs have tens of thousands.
const MEETINGS_MAX: u64 = 5_000_000;

/// Stalls one stream from outside, and lets it go on.
#[derive(Clone, Debug, Default)]
pub struct Clog(Arc<Clogged>);

#[derive(Debug, Default)]
struct Clogged {
    stalled: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl Clog {
    /// From now on nothing passes, or everything does again.
    pub fn set(&self, stalled: bool) {
        self.0.stalled.store(stalled, Ordering::Relaxed);
        let waiting = std::mem::take(&mut *self.waiting());
        waiting.into_iter().for_each(Waker::wake);
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waker>> {
        let waiting = self.0.waiting.lock();
        waiting.unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing passes. All of a run is on one thread.
    fn holds(&self, cx: &Context<'_>) -> bool {
        let stalled = self.0.stalled.load(Ordering::Relaxed);
        if stalled {
            let mut waiting = self.waiting();
            // One for each direction will do, and one more costs nothing.
            if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                waiting.push(cx.waker().clone());
            }
        }
        stalled
    }
}

/// Ends streams from outside: once it has blown, whatever is read or written fails.
///
/// A host that dies says nothing any more. Its tasks, which are dropped then, would; and in an order that depends on how
/// many tasks there were in the process before.
#[derive(Clone, Debug, Default)]
pub struct Fuse {
    blown: Arc<AtomicBool>,
    taken_nothing: Arc<AtomicBool>,
    spun: Arc<AtomicBool>,
    unread: Arc<AtomicBool>,
    back: Arc<AtomicBool>,
    moved: Arc<AtomicU64>,
}

impl Fuse {
    /// Ends every stream that has a clone of it.
    pub fn blow(&self) {
        self.blown.store(true, Ordering::Relaxed);
    }

    /// Whether a write was answered with 0.
    #[must_use]
    pub fn has_taken_nothing(&self) -> bool {
        self.taken_nothing.load(Ordering::Relaxed)
    }

    /// Whether somebody wrote again and again to a stream that takes nothing.
    #[must_use]
    pub fn has_spun(&self) -> bool {
        self.spun.load(Ordering::Relaxed)
    }

    /// Whether somebody left what had arrived when a write failed.
    #[must_use]
    pub fn is_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    /// Whether a task that was woken while it was in a read or a write, before it slept, has come back.
    #[must_use]
    pub fn has_come_back(&self) -> bool {
        self.back.load(Ordering::Relaxed)
    }

    /// Bytes that its streams have moved.
    #[must_use]
    pub fn moved(&self) -> u64 {
        self.moved.load(Ordering::Relaxed)
    }

    fn has_blown(&self) -> bool {
        self.blown.load(Ordering::Relaxed)
    }
}

/// A stream around another one, with short reads, short writes and wake-ups for nothing; all of them drawn from a tape
/// of its own.
#[derive(Debug)]
pub struct FaultStream<T> {
    inner: T,
    style: Style,
    tape: Tape,
    fuse: Fuse,
    clog: Clog,
    /// Writes in a row that took nothing.
    zeroes: u32,
    /// Its task was woken before it slept.
    woken: bool,
    /// Reads, writes and flushes that were asked for.
    meetings: u64,
    /// Bytes moved so far.
    moved: u64,
    /// The most bytes that the next read or write moves, once that is drawn.
    piece: Option<usize>,
    /// Where what is read goes first.
    scratch: Box<[u8]>,
    /// Where what is written at once from several buffers is put together.
    gathered: Vec<u8>,
    /// What had arrived when a write failed; it is read without more faults.
    late: Option<BytesMut>,
    /// What the next write waits for, and how often one has waited so.
    rest: Option<Pin<Box<Sleep>>>,
    rests: u32,
}

impl<T> FaultStream<T> {
    /// Puts `inner` behind faults.
    pub fn new(inner: T, style: Style, mut tape: Tape, fuse: Fuse) -> Self {
        // One that is cheap to draw from: there is more to draw here than anywhere else.
        tape.lane("socket");
        Self {
            inner,
            style,
            tape,
            fuse,
            clog: Clog::default(),
            zeroes: 0,
            woken: false,
            meetings: 0,
            moved: 0,
            piece: None,
            scratch: vec![0; SCRATCH_BYTES].into(),
            gathered: Vec::new(),
            late: None,
            rest: None,
            rests: 0,
        }
    }

    /// The same, to be stalled by `clog`.
    #[must_use]
    pub fn clogged(mut self, clog: Clog) -> Self {
        self.clog = clog;
        self
    }

    /// Whether a write takes nothing; too many of these are somebody's fault.
    fn takes_nothing(&mut self) -> bool {
        let zero = self
            .style
            .takes_nothing_after
            .is_some_and(|max| self.moved >= max);
        if zero {
            self.fuse.taken_nothing.store(true, Ordering::Relaxed);
            self.zeroes += 1;
        }
        if self.zeroes > ZEROES_MAX {
            self.fuse.spun.store(true, Ordering::Relaxed);
            self.fuse.blow();
        }
        zero
    }

    /// What every read and write meets first. `Ok` is the most bytes that it may move.
    fn meet(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.meetings += 1;
        if self.meetings > MEETINGS_MAX {
            endless::stop("reads and writes");
        }
        // What is dropped with the simulation itself has no network any more.
        let fails = self.style.fails_after.is_some_and(|max| self.moved >= max);
        if fails || self.fuse.has_blown() || !turmoil::in_simulation() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        // Nobody wakes who is caught in this.
        let wedged = self.style.wedges_after.is_some_and(|max| self.moved >= max);
        if wedged || self.clog.holds(cx) {
            return Poll::Pending;
        }
        if std::mem::take(&mut self.woken) {
            self.fuse.back.store(true, Ordering::Relaxed);
        }
        let percent = self.style.pending_percent;
        if percent > 0 && self.tape.chance(percent, 100) {
            cx.waker().wake_by_ref();
            self.woken = true;
            return Poll::Pending;
        }
        // Who finds nothing to move leaves it to the next one.
        let piece = || 1 + self.tape.piece(self.style.piece_max - 1);
        Poll::Ready(Ok(*self.piece.get_or_insert_with(piece)))
    }

    /// Whether nobody ever takes what is written.
    fn stands_still(&self) -> bool {
        let after = self.style.stands_still_after;
        after.is_some_and(|max| self.moved >= max)
    }

    /// Lets a write wait, or cuts it short so that the next one does. `Ready` is the most bytes of `max` that it may move.
    fn rests(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<usize> {
        if self.stands_still() {
            return Poll::Pending;
        }
        let Some(rests_max) = self.style.rests_max.filter(|_| self.rests < RESTS_MAX) else {
            return Poll::Ready(max);
        };
        if let Some(rest) = &mut self.rest {
            std::task::ready!(rest.as_mut().poll(cx));
            self.rest = None;
        } else if self.tape.chance(1, 3) {
            self.rests += 1;
            let long = Duration::from_millis(1 + self.tape.below(rests_max));
            self.rest = Some(Box::pin(sleep(long)));
            return Poll::Ready(max.min(1 + self.tape.index(SHORT_BYTES)));
        }
        Poll::Ready(max)
    }

    /// Takes note of bytes that were moved.
    fn moves(&mut self, bytes: usize) {
        self.moved += bytes as u64;
        self.fuse.moved.fetch_add(bytes as u64, Ordering::Relaxed);
        self.piece = None;
    }
}

impl<T: AsyncRead + Unpin> FaultStream<T> {
    /// Fails when writes are to fail from here on. What has arrived by then stays to be read.
    fn fail_write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.late.is_none() {
            if self
                .style
                .writes_fail_after
                .is_none_or(|max| self.moved < max)
            {
                return Ok(());
            }
            let late = self.late.insert(BytesMut::new());
            while late.len() < LATE_BYTES_MAX {
                let mut part = ReadBuf::new(&mut self.scratch);
                match Pin::new(&mut self.inner).poll_read(cx, &mut part) {
                    Poll::Ready(Ok(())) if !part.filled().is_empty() => {
                        late.extend_from_slice(part.filled());
                    }
                    _ => break,
                }
            }
        }
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

impl<T> Drop for FaultStream<T> {
    fn drop(&mut self) {
        let unread = self.late.as_ref().is_some_and(|late| !late.is_empty());
        if unread && turmoil::in_simulation() && !self.fuse.has_blown() {
            self.fuse.unread.store(true, Ordering::Relaxed);
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for FaultStream<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(late) = this.late.as_mut().filter(|late| !late.is_empty()) {
            let len = late.len().min(buf.remaining());
            buf.put_slice(&late.split_to(len));
            return Poll::Ready(Ok(()));
        }
        let max = std::task::ready!(this.meet(cx))?;
        // Memory of its own, because most reads find nothing, and would clear all of the reader's for that.
        let len = max.min(buf.remaining()).min(this.scratch.len());
        let mut part = ReadBuf::new(&mut this.scratch[..len]);
        std::task::ready!(Pin::new(&mut this.inner).poll_read(cx, &mut part))?;
        buf.put_slice(part.filled());
        let read = part.filled().len();
        this.moves(read);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for FaultStream<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let max = std::task::ready!(this.meet(cx))?;
        this.fail_write(cx)?;
        if this.takes_nothing() {
            return Poll::Ready(Ok(0));
        }
        let max = std::task::ready!(this.rests(cx, max));
        let part = &buf[..max.min(buf.len())];
        let written = std::task::ready!(Pin::new(&mut this.inner).poll_write(cx, part))?;
        this.moves(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let max = std::task::ready!(this.meet(cx))?;
        this.fail_write(cx)?;
        if this.takes_nothing() {
            return Poll::Ready(Ok(0));
        }
        let max = std::task::ready!(this.rests(cx, max));
        // Gathered here, because what is below may not do it: so a short write ends inside any of the buffers.
        this.gathered.clear();
        for buf in bufs {
            let left = max - this.gathered.len();
            this.gathered.extend_from_slice(&buf[..buf.len().min(left)]);
        }
        let written = Pin::new(&mut this.inner).poll_write(cx, &this.gathered);
        let written = std::task::ready!(written)?;
        this.moves(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.style.vectored
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        std::task::ready!(this.meet(cx))?;
        this.fail_write(cx)?;
        Pin::new(&mut this.inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        std::task::ready!(this.meet(cx))?;
        if this.style.stays_open {
            return Poll::Pending;
        }
        Pin::new(&mut this.inner).poll_shutdown(cx)
    }
}
