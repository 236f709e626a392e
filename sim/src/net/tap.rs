//! Follows the frames that pass our end of a connection, for the races that show on the wire alone.

use std::{
    collections::BTreeMap,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use raddle_core::Role;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    book::Book,
    frames::{ACK, END_STREAM, Frame, Frames},
    plan::millis,
    weather::SERVERS,
};
use crate::wire::kind;

/// Codes (RFC 9113 §7).
const NO_ERROR: u32 = 0;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
/// Cancels in a row, without a word from the server, that are many.
const CANCELS_MANY: u32 = 3;

/// What has passed on a stream.
#[derive(Debug, Default)]
struct Stream {
    sent_end: bool,
    received_end: bool,
    /// When we reset it.
    reset: Option<Duration>,
}

/// What has passed one end of a connection, which is ours.
#[derive(Debug)]
pub(super) struct Tap<T> {
    io: T,
    book: Book,
    role: Role,
    /// Whom a client talks to.
    host: &'static str,
    sent: Frames,
    received: Frames,
    streams: BTreeMap<u32, Stream>,
    /// The last stream of our GOAWAY.
    left_at: Option<u32>,
    /// The peer's GOAWAY has come.
    told_to_go: bool,
    /// Our cancels since the last frame of the peer's, and when that came.
    cancels: u32,
    heard: Duration,
    /// The last write has waited.
    waited: bool,
    /// Whether each way has ended: ours, and the peer's.
    shut: bool,
    ended: bool,
    /// It was to shut, and has not.
    shutting: bool,
    failed: bool,
}

impl<T> Tap<T> {
    pub(super) fn new(io: T, role: Role, host: &str, book: Book) -> Self {
        let host = SERVERS.into_iter().find(|name| *name == host);
        let host = host.unwrap_or(SERVERS[0]);
        book.has_a_course(role, host);
        Self {
            io,
            book,
            role,
            host,
            sent: Frames::of_client(role == Role::Client),
            received: Frames::of_client(role == Role::Server),
            streams: BTreeMap::new(),
            left_at: None,
            told_to_go: false,
            cancels: 0,
            heard: Duration::ZERO,
            waited: false,
            shut: false,
            ended: false,
            shutting: false,
            failed: false,
        }
    }

    fn writes(&mut self, bytes: &[u8]) {
        let now = self.book.now();
        self.book.keeps_time(self.role, now);
        if self.ended {
            self.book.mark("H09");
        }
        let mut sent = std::mem::take(&mut self.sent);
        sent.pass(bytes, |frame| self.sends(frame, now));
        self.sent = sent;
        if self.role == Role::Client {
            let half = self.sent.half();
            let half = half.map(|frame| (frame.stream, frame.kind == kind::DATA));
            self.book.half_written(half);
        }
    }

    fn sends(&mut self, frame: Frame, now: Duration) {
        match frame.kind {
            kind::DATA | kind::HEADERS => {
                let new = !self.streams.contains_key(&frame.stream);
                if new && self.role == Role::Client {
                    self.book.opens_here(frame.stream, now);
                }
                let stream = self.streams.entry(frame.stream).or_default();
                stream.sent_end |= frame.flags & END_STREAM != 0;
                if stream.sent_end && stream.received_end {
                    self.book.course().closes(frame.stream, now);
                }
            }
            kind::PING if frame.flags & ACK == 0 => self.book.course().pings(true),
            kind::GOAWAY => {
                self.book.course().goes(None, frame.number(4) != NO_ERROR);
                let first = self.left_at.replace(frame.number(0)).is_none();
                if first && !self.told_to_go && frame.number(4) == NO_ERROR {
                    self.book.lets_a_connection_go(self.host);
                    if self.role == Role::Client {
                        self.book.has_a_reason_to_let_go(now);
                    }
                }
            }
            kind::RST_STREAM => {
                self.book.course().resets(frame.stream, now);
                let stream = self.streams.entry(frame.stream).or_default();
                let again = stream.reset.replace(now).is_some();
                let both = !stream.sent_end && !stream.received_end;
                let client = self.role == Role::Client && frame.number(0) == CANCEL;
                if again {
                    self.book.twice_reset(frame.stream);
                }
                if client && both {
                    self.book.mark("B12");
                }
                if client {
                    self.book.is_reset(frame.stream);
                    self.cancels += 1;
                }
                let plan = &self.book.plan;
                let way = millis(2 * (plan.latency.1 + plan.tick));
                if client && self.cancels == CANCELS_MANY && now > self.heard + way {
                    self.book.mark("F10");
                }
            }
            _ => {}
        }
    }

    fn reads(&mut self, bytes: &[u8]) {
        let now = self.book.now();
        self.book.keeps_time(self.role, now);
        self.book.course().reads(bytes.len(), now);
        if self.shut {
            self.book.mark("H09");
        }
        let mut received = std::mem::take(&mut self.received);
        received.pass(bytes, |frame| self.receives(frame, now));
        self.received = received;
    }

    fn receives(&mut self, frame: Frame, now: Duration) {
        (self.cancels, self.heard) = (0, now);
        let above = self.left_at.is_some_and(|last| frame.stream > last);
        match frame.kind {
            kind::DATA | kind::HEADERS => {
                let known = self.streams.contains_key(&frame.stream);
                if above && self.role == Role::Server && (frame.kind == kind::DATA || !known) {
                    self.book.mark("C20");
                }
                if !known && !above && self.role == Role::Server {
                    self.book.course().opens(frame.stream, now);
                }
                let stream = self.streams.entry(frame.stream).or_default();
                if frame.flags & END_STREAM != 0 {
                    stream.received_end = true;
                    if stream.sent_end {
                        self.book.course().closes(frame.stream, now);
                    }
                    if self.role == Role::Client && stream.reset == Some(now) {
                        self.book.mark("F05");
                    }
                }
            }
            kind::RST_STREAM => {
                self.book.course().resets(frame.stream, now);
                if self.role == Role::Client && frame.number(0) == REFUSED_STREAM {
                    self.book.is_refused();
                }
                let stream = self.streams.entry(frame.stream).or_default();
                if self.role == Role::Client && stream.reset.is_some() {
                    self.book.mark("B21");
                }
            }
            kind::SETTINGS if frame.flags & ACK == 0 => self.book.hears_settings(),
            kind::PING if frame.flags & ACK != 0 => self.book.course().pings(false),
            kind::GOAWAY => {
                self.told_to_go = true;
                self.book.course().told = true;
                self.book.is_told_to_go();
                let last = (self.role == Role::Client).then(|| frame.number(0));
                self.book.course().goes(last, frame.number(4) != NO_ERROR);
                let half = self.sent.half().filter(|_| self.role == Role::Client);
                if half
                    .is_some_and(|frame| matches!(frame.kind, kind::HEADERS | kind::CONTINUATION))
                {
                    self.book.mark("G09");
                }
                if self.failed {
                    self.book.mark("G08");
                }
            }
            _ => {}
        }
    }

    /// A write ends in an error, or the reader finds one.
    fn fails(&mut self, writes: bool) {
        if writes && std::mem::take(&mut self.waited) {
            self.book.write_failed();
        }
        self.failed |= writes;
        let now = self.book.now();
        let mut course = self.book.course();
        course.failed = true;
        if writes {
            course.unwritten.get_or_insert(now);
        }
        drop(course);
        self.is_over();
    }

    /// The reader has found the peer's end.
    fn ends(&mut self) {
        let is_whole = self.received.is_whole();
        self.book.hears_the_end(self.role, is_whole);
        self.is_over();
    }

    fn is_over(&mut self) {
        let in_block = |frame: &Frame| matches!(frame.kind, kind::HEADERS | kind::CONTINUATION);
        if self.sent.half().filter(in_block).is_some() && self.role == Role::Client {
            self.book.mark("H02");
        }
        if self.received.half().filter(in_block).is_some() {
            self.book.mark("E11");
        }
    }
}

impl<T> Drop for Tap<T> {
    fn drop(&mut self) {
        let now = self.book.now();
        self.book.course().dropped = Some(now);
        if self.shutting && turmoil::in_simulation() {
            self.book.cannot_shut();
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Tap<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let read = ready!(Pin::new(&mut this.io).poll_read(cx, buf));
        match &read {
            Ok(()) if buf.filled().len() > before => this.reads(&buf.filled()[before..]),
            Ok(()) if buf.remaining() == 0 => {}
            Ok(()) => {
                this.ended = true;
                this.ends();
            }
            // So TLS calls an end without a goodbye.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => this.ends(),
            Err(_) => this.fails(false),
        }
        Poll::Ready(read)
    }
}

impl<T: AsyncWrite + Unpin> Tap<T> {
    fn written(&mut self, written: &Poll<io::Result<usize>>, bufs: &[io::IoSlice<'_>]) {
        let blocked = written.is_pending();
        self.book.is_blocked(blocked);
        self.book.is_stuck(blocked);
        match written {
            Poll::Pending => self.waited = true,
            Poll::Ready(Ok(0) | Err(_)) => self.fails(true),
            Poll::Ready(Ok(written)) => {
                self.waited = false;
                let mut left = *written;
                for buf in bufs {
                    let part = &buf[..buf.len().min(left)];
                    left -= part.len();
                    if !part.is_empty() {
                        self.writes(part);
                    }
                }
            }
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Tap<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(cx, buf);
        this.written(&written, &[io::IoSlice::new(buf)]);
        written
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(cx, bufs);
        this.written(&written, bufs);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.book.is_blocked(flushed.is_pending());
        if matches!(flushed, Poll::Ready(Err(_))) {
            self.book.course().failed = true;
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.io).poll_shutdown(cx);
        self.shutting = shut.is_pending();
        self.shut |= matches!(shut, Poll::Ready(Ok(())));
        let now = self.book.now();
        self.book.course().shuts(self.shut, now);
        shut
    }
}
