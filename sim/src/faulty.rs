//! A byte stream that does all that a socket may do and seldom does.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::tape::Tape;

/// The most bytes that one read brings.
const SCRATCH_BYTES: usize = 16 * 1_024;

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
}

/// Ends streams from outside: once it has blown, whatever is read or written fails.
///
/// A host that dies says nothing any more. Its tasks, which are dropped then, would; and in an order that depends on how
/// many tasks there were in the process before.
#[derive(Clone, Debug, Default)]
pub struct Fuse(Arc<AtomicBool>);

impl Fuse {
    /// Ends every stream that has a clone of it.
    pub fn blow(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn has_blown(&self) -> bool {
        self.0.load(Ordering::Relaxed)
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
    /// Bytes moved so far.
    moved: u64,
    /// Where what is read goes first.
    scratch: Box<[u8]>,
}

impl<T> FaultStream<T> {
    /// Puts `inner` behind faults.
    pub fn new(inner: T, style: Style, tape: Tape, fuse: Fuse) -> Self {
        Self {
            inner,
            style,
            tape,
            fuse,
            moved: 0,
            scratch: vec![0; SCRATCH_BYTES].into(),
        }
    }

    /// What every read and write meets first. `Ok` is the most bytes that it may move.
    fn meet(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // What is dropped with the simulation itself has no network any more.
        let fails = self.style.fails_after.is_some_and(|max| self.moved >= max);
        if fails || self.fuse.has_blown() || !turmoil::in_simulation() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if self.tape.chance(self.style.pending_percent, 100) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(1 + self.tape.piece(self.style.piece_max - 1)))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for FaultStream<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let max = std::task::ready!(this.meet(cx))?;
        // Memory of its own, because most reads find nothing, and would clear all of the reader's for that.
        let len = max.min(buf.remaining()).min(this.scratch.len());
        let mut part = ReadBuf::new(&mut this.scratch[..len]);
        std::task::ready!(Pin::new(&mut this.inner).poll_read(cx, &mut part))?;
        buf.put_slice(part.filled());
        this.moved += part.filled().len() as u64;
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for FaultStream<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let max = std::task::ready!(this.meet(cx))?;
        let part = &buf[..max.min(buf.len())];
        let written = std::task::ready!(Pin::new(&mut this.inner).poll_write(cx, part))?;
        this.moved += written as u64;
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let max = std::task::ready!(this.meet(cx))?;
        // Gathered here, because what is below may not do it: so a short write ends inside any of the buffers.
        let mut part = Vec::with_capacity(max.min(bufs.iter().map(|buf| buf.len()).sum()));
        for buf in bufs {
            part.extend_from_slice(&buf[..buf.len().min(max - part.len())]);
        }
        let written = std::task::ready!(Pin::new(&mut this.inner).poll_write(cx, &part))?;
        this.moved += written as u64;
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.style.vectored
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        std::task::ready!(this.meet(cx))?;
        Pin::new(&mut this.inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        std::task::ready!(this.meet(cx))?;
        Pin::new(&mut this.inner).poll_shutdown(cx)
    }
}
