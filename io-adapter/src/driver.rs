//! The task of a connection: it reads, keeps time, and writes for those who left it to it.

use std::{
    future::Future,
    io,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{BufMut, BytesMut};
use raddle_core::{Input, Lifecycle, Timestamp, TransportEnd};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadHalf},
    time::Sleep,
};

use crate::{
    error::Error,
    guard::put,
    planted::{self, Planted},
    shared::{Shared, wake_all},
};

/// Free space in the buffer before a read. One TLS record, one frame of the smallest maximum size, and their heads.
const READ_BYTES: usize = 16 * 1024 + 512;
/// A frame that lacks this much or more, and no more than the most, is worth a read of just its rest and the next head:
/// the payload behind it then begins at the front of the buffer, and is not moved there when the buffer is full.
const WHOLE_BYTES_MIN: usize = 4 * 1024;
const WHOLE_BYTES_MAX: usize = READ_BYTES - HEAD_BYTES;
/// The head of a frame (RFC 9113 §4.1).
const HEAD_BYTES: usize = 9;
/// Reads that bring something before what there is to say is written, and other tasks get their turn: whoever has an
/// answer does not wait until a burst of the peer's has been read.
const READS_MAX: usize = 16;
/// Frames likewise, however small. They are counted after each read, which brings up to 1,900 more of the smallest: frames
/// cost what is done for them and not their bytes, so that 16 reads of small ones take as long as a hundred of large ones. Honest peers
/// rarely say as much in one burst, and for those that do it is one write more for a thousand frames.
const FRAMES_MAX: u64 = 1_024;
/// Reads of what had arrived when writing failed: a mebibyte, for a peer that goes on sending nevertheless.
const LAST_READS_MAX: usize = 64;
/// Turns that the driver gives to the tasks that it has woken before it writes. They are counted, so that it rarely
/// takes more than two; the bound is for tasks that have other things to do.
const YIELDS_MAX: u32 = 16;
/// After our last byte, how long we read on for the peer's. Closing with unread input makes many systems destroy what
/// the peer has not read yet.
const LINGER: Duration = Duration::from_secs(1);
/// How long a transport may take to write what it keeps in a buffer of its own, when the connection ends well: these are
/// the last responses. A TLS session keeps up to 64 KiB, which a path of 100 kbit/s carries in six seconds.
const LAST_FLUSH: Duration = Duration::from_secs(10);
/// Bytes that are read and dropped in that time.
const LINGER_BYTES_MAX: usize = 1024 * 1024;

/// Drives one connection; a future that is to be spawned, and that ends with the connection.
///
/// Its result is `Ok` after a graceful end, and else the error that ended the connection: [`Kind::Io`](crate::Kind::Io) for the
/// transport, [`Kind::Connection`](crate::Kind::Connection) for a fault of either side. Some seconds may pass between
/// the end of the last stream and that of the driver, in which a slow transport gets the last bytes and the peer's are read.
///
/// Cancel safe in that it may be polled by reference. Dropping it closes the transport, and every stream fails with a verdict
/// on whether its request may be sent again.
///
/// # Panics
/// When polled outside of a tokio runtime whose time is enabled.
#[must_use = "a connection does nothing until its driver is polled"]
#[derive(Debug)]
pub struct Driver<T> {
    shared: Arc<Shared>,
    io: ReadHalf<T>,
    buffer: BytesMut,
    /// Bytes that the frame at the front of the buffer still needs.
    missing: usize,
    timer: Option<(Timestamp, Pin<Box<Sleep>>)>,
    reading: Reading,
    /// Reads since output was last written.
    reads: usize,
    /// Frames that had been received when output was last written, and that have been by now.
    frames_before: u64,
    frames: u64,
    yields: u32,
    /// The state's count of commands when the driver last looked.
    commands: u64,
    /// Once the transport has taken everything, how long what is left of closing may take.
    goodbye: Option<(Duration, Pin<Box<Sleep>>)>,
}

/// What becomes of the bytes that arrive.
#[derive(Debug)]
enum Reading {
    /// They go to the engine.
    On,
    /// They are dropped, so many so far.
    Lingering(usize),
    /// None will come, or nobody cares.
    Off,
}

/// What a read has brought.
enum Read {
    /// Nothing, for now or for ever.
    Nothing,
    Some,
    /// Something that has woken tasks.
    Woke,
}

impl<T: AsyncRead + AsyncWrite> Driver<T> {
    pub(crate) fn new(shared: Arc<Shared>, io: ReadHalf<T>) -> Self {
        Self {
            shared,
            io,
            buffer: BytesMut::new(),
            missing: 0,
            timer: None,
            reading: Reading::On,
            reads: 0,
            frames_before: 0,
            frames: 0,
            yields: 0,
            commands: 0,
            goodbye: None,
        }
    }

    /// Reads what there is, a bounded number of times. Answers whether there may be more.
    fn read(&mut self, cx: &mut Context<'_>) -> bool {
        while !self.has_read_enough() {
            match self.read_once(cx) {
                Read::Nothing => return false,
                Read::Some => {}
                // What has woken tasks goes on when they have had their turn.
                Read::Woke => return true,
            }
        }
        true
    }

    /// Whether what there is to say comes before anything more is read.
    fn has_read_enough(&self) -> bool {
        self.reads >= READS_MAX || self.frames - self.frames_before >= FRAMES_MAX
    }

    fn read_once(&mut self, cx: &mut Context<'_>) -> Read {
        if !matches!(self.reading, Reading::On) {
            return Read::Nothing;
        }
        if planted::has(Planted::ReaderWaitsForWriter) && !self.shared.is_taken() {
            return Read::Nothing;
        }
        let room = match self.missing {
            WHOLE_BYTES_MIN..=WHOLE_BYTES_MAX => self.missing + HEAD_BYTES,
            _ => READ_BYTES,
        };
        self.buffer.reserve(room);
        let mut into = (&mut self.buffer).limit(room);
        match pin!(self.io.read_buf(&mut into)).poll(cx) {
            Poll::Pending => return Read::Nothing,
            Poll::Ready(Ok(0)) => {
                self.reading = Reading::Off;
                self.shared.end(TransportEnd::Eof, None);
            }
            Poll::Ready(Ok(_)) => {
                self.reads += 1;
                return self.input();
            }
            Poll::Ready(Err(error)) => {
                self.reading = Reading::Off;
                // So TLS calls an end without close_notify. Frames say themselves whether they are whole, and most peers
                // end an idle connection like that: it is an error for those only who still wait for something.
                let end = match error.kind() {
                    io::ErrorKind::UnexpectedEof if !planted::has(Planted::TlsEndFails) => {
                        TransportEnd::Eof
                    }
                    _ => TransportEnd::Failed,
                };
                self.shared.end(end, Some(error));
            }
        }
        Read::Nothing
    }

    /// Once nothing can be written any more: reads what had arrived by then, and ends the connection.
    fn end_if_broken(&mut self, cx: &mut Context<'_>) {
        if self.shared.lock().broken.is_none() {
            return;
        }
        for _ in 0..LAST_READS_MAX {
            if planted::has(Planted::BrokenWriteCutsInput)
                || matches!(self.read_once(cx), Read::Nothing)
            {
                break;
            }
        }
        if self.shared.lock().broken.is_some() {
            self.shared.end(TransportEnd::Failed, None);
        }
        self.reading = Reading::Off;
    }

    fn input(&mut self) -> Read {
        let mut wakes = Vec::new();
        let mut state = self.shared.lock();
        let now = self.shared.now();
        loop {
            let input = state.connection.handle_input(&mut self.buffer, now);
            state.process(&mut wakes);
            match input {
                Input::EventsFull if planted::has(Planted::FullRingStops) => break,
                Input::EventsFull => {}
                Input::NeedMore { at_least } => {
                    self.missing = at_least;
                    break;
                }
                Input::Closed => {
                    self.buffer.clear();
                    break;
                }
            }
        }
        self.frames = state.connection.stats().frames_received;
        let woke = state.gathers() && state.outstanding > 0;
        drop(state.quietly());
        wake_all(wakes);
        self.shared.tell();
        if woke { Read::Woke } else { Read::Some }
    }

    /// Keeps the engine's deadline, and tells it when it has passed. Answers whether it has, so that there may be
    /// something to write. `sleeps` says that nothing follows in this turn.
    fn keep_time(&mut self, cx: &mut Context<'_>, sleeps: bool) -> bool {
        let mut passed = false;
        loop {
            let mut state = self.shared.lock();
            let due = state.connection.poll_timeout();
            state.alarm = match (&self.timer, due) {
                // Nobody need wake a driver that looks once more before it sleeps.
                _ if !sleeps => Some(Timestamp(0)),
                (Some((set, _)), Some(due)) => Some(due.min(*set)),
                (_, due) => due,
            };
            drop(state);
            let Some(due) = due else {
                self.timer = None;
                return passed;
            };
            match &mut self.timer {
                // A timer that is set for earlier goes off for nothing once, which is cheaper than setting it anew
                // for every deadline that moves.
                Some((set, sleep)) if *set <= due || planted::has(Planted::TimerNeverEarlier) => {
                    if sleep.as_mut().poll(cx).is_pending() {
                        return passed;
                    }
                    self.timer = None;
                }
                Some((set, sleep)) => {
                    *set = due;
                    sleep.as_mut().reset(self.shared.instant(due));
                    continue;
                }
                None => {
                    let sleep = Box::pin(tokio::time::sleep_until(self.shared.instant(due)));
                    self.timer = Some((due, sleep));
                    continue;
                }
            }
            self.shared.handle_timeout();
            passed = true;
        }
    }

    /// Whether to let other tasks run before writing: those that were woken and have not come back, and those that
    /// are still giving commands.
    fn yields(&mut self, cx: &mut Context<'_>) -> bool {
        let read_enough = self.has_read_enough();
        let mut state = self.shared.lock();
        // Before anything is looked at for the last time: who changes it after that wakes this task.
        let before = put(&mut state.driver, cx);
        state.aside.extend(before);
        let coming = state.outstanding > 0 || (state.flush_due && state.commands != self.commands);
        self.commands = state.commands;
        if coming && state.gathers() && self.yields < YIELDS_MAX && !read_enough {
            self.yields += 1;
            return true;
        }
        state.outstanding = 0;
        self.yields = 0;
        false
    }

    /// The way out, once the engine has nothing more to say. While bytes are left to write the engine keeps the
    /// deadline; what comes after them has one here.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let flushed = self.shared.is_flushed() || planted::has(Planted::LastBytesDropped);
        if !flushed && !self.shared.is_taken() {
            let given_up = self.shared.lock().connection.lifecycle() == Lifecycle::Closed
                && !planted::has(Planted::CloseWaitsForOutput);
            return if given_up {
                Poll::Ready(())
            } else {
                Poll::Pending
            };
        }
        // What a transport like TLS has taken into a buffer of its own gets longer than what comes behind it.
        let well = self.shared.lock().connection.error().is_none();
        let wait = if well && !flushed { LAST_FLUSH } else { LINGER };
        if self.goodbye.as_ref().is_none_or(|(set, _)| *set != wait) {
            self.goodbye = Some((wait, Box::pin(tokio::time::sleep(wait))));
        }
        if let Some((_, goodbye)) = &mut self.goodbye
            && goodbye.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(());
        }
        if !flushed {
            return Poll::Pending;
        }
        if !planted::has(Planted::EndsUnshut) && self.shared.poll_shutdown(cx).is_pending() {
            return Poll::Pending;
        }
        if matches!(self.reading, Reading::On) && !planted::has(Planted::EndNotReadOn) {
            self.reading = Reading::Lingering(0);
        }
        let Reading::Lingering(dropped) = &mut self.reading else {
            return Poll::Ready(());
        };
        loop {
            self.buffer.clear();
            self.buffer.reserve(READ_BYTES);
            match pin!(self.io.read_buf(&mut self.buffer)).poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(1..)) if *dropped < LINGER_BYTES_MAX => {
                    *dropped += self.buffer.len()
                }
                Poll::Ready(_) => return Poll::Ready(()),
            }
        }
    }
}

impl<T: AsyncRead + AsyncWrite> Future for Driver<T> {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        // Between two turns of which the first has yielded the driver does not sleep, and those that it waits for want the
        // lock: it takes it once in such a turn.
        if this.yields == 0 {
            this.keep_time(cx, false);
        }
        let more = this.read(cx);
        if this.yields(cx) {
            // A wake from inside a poll goes behind every task that is ready to run.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        this.reads = 0;
        this.frames_before = this.frames;
        this.shared.flush();
        // Whoever met with the failure may hold the write lock still.
        this.end_if_broken(cx);
        // What the flush has changed may have moved the deadline, even to now; what the engine says then is for the
        // next turn.
        let passed = this.keep_time(cx, true);
        if more || passed {
            cx.waker().wake_by_ref();
        }
        let lifecycle = this.shared.lock().connection.lifecycle();
        if lifecycle < Lifecycle::Closing {
            return Poll::Pending;
        }
        if this.poll_close(cx).is_pending() {
            return Poll::Pending;
        }
        let state = this.shared.lock();
        Poll::Ready(match (state.connection.error(), &state.closed) {
            (None, _) => state.cut.clone().map_or(Ok(()), Err),
            (Some(_), Some(error)) => Err(error.clone()),
            (Some(error), None) => Err(state.told(crate::Kind::Connection(error))),
        })
    }
}

impl<T> Drop for Driver<T> {
    fn drop(&mut self) {
        // A waker may drop whatever its task holds, which is not for under the lock.
        let waker = self.shared.lock().driver.take();
        drop(waker);
        self.shared.end(TransportEnd::Failed, None);
        if !planted::has(Planted::TransportKept) {
            self.shared.close();
        }
    }
}
