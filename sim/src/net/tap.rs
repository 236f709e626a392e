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

use super::{book::Book, plan::millis, weather::SERVERS};

/// What a client says before its first frame (RFC 9113 §3.4).
const PREFACE_BYTES: usize = 24;
/// The head of a frame (RFC 9113 §4.1).
const HEAD_BYTES: usize = 9;
/// Types of frames (RFC 9113 §6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
/// A flag of DATA and HEADERS.
const END_STREAM: u8 = 1;
/// Codes (RFC 9113 §7).
const NO_ERROR: u32 = 0;
const CANCEL: u32 = 8;
/// Cancels in a row, without a word from the server, that are many.
const CANCELS_MANY: u32 = 3;

/// Finds the frames in bytes as they come.
#[derive(Debug, Default)]
struct Frames {
    preface: usize,
    head: [u8; HEAD_BYTES],
    /// Bytes of the head that are there, and bytes that its payload lacks.
    known: usize,
    left: usize,
    /// The first bytes of the payload, and how many of them have come.
    first: [u8; 8],
    payload: usize,
}

/// The head of a frame, and how its payload begins.
#[derive(Clone, Copy, Debug)]
struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    first: [u8; 8],
}

impl Frame {
    /// A number of the payload.
    fn number(&self, at: usize) -> u32 {
        self.first[at..]
            .iter()
            .take(4)
            .fold(0, |number, &byte| number << 8 | u32::from(byte))
    }
}

impl Frames {
    /// Takes bytes in, and tells of each frame that ends with them.
    fn pass(&mut self, mut bytes: &[u8], mut whole: impl FnMut(Frame)) {
        let preface = self.preface.min(bytes.len());
        self.preface -= preface;
        bytes = &bytes[preface..];
        while !bytes.is_empty() {
            if self.known < HEAD_BYTES {
                let len = (HEAD_BYTES - self.known).min(bytes.len());
                self.head[self.known..self.known + len].copy_from_slice(&bytes[..len]);
                self.known += len;
                bytes = &bytes[len..];
                if self.known < HEAD_BYTES {
                    return;
                }
                let [high, mid, low, ..] = self.head;
                self.left = u32::from_be_bytes([0, high, mid, low]) as usize;
                self.payload = 0;
            } else {
                let len = self.left.min(bytes.len());
                for &byte in bytes[..len]
                    .iter()
                    .take(8_usize.saturating_sub(self.payload))
                {
                    self.first[self.payload] = byte;
                    self.payload += 1;
                }
                self.left -= len;
                bytes = &bytes[len..];
            }
            if self.left == 0 {
                whole(self.frame());
                self.known = 0;
            }
        }
    }

    fn frame(&self) -> Frame {
        let [_, _, _, kind, flags, stream @ ..] = self.head;
        Frame {
            kind,
            flags,
            stream: u32::from_be_bytes(stream),
            first: self.first,
        }
    }

    /// The frame that has begun and is not whole, once it is known what it is.
    fn half(&self) -> Option<Frame> {
        (self.known == HEAD_BYTES).then(|| self.frame())
    }
}

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
        let preface = |client: bool| Frames {
            preface: if client { PREFACE_BYTES } else { 0 },
            ..Frames::default()
        };
        Self {
            io,
            book,
            role,
            host: SERVERS
                .into_iter()
                .find(|name| *name == host)
                .unwrap_or(SERVERS[0]),
            sent: preface(role == Role::Client),
            received: preface(role == Role::Server),
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
        if self.ended {
            self.book.mark("H09");
        }
        let mut sent = std::mem::take(&mut self.sent);
        sent.pass(bytes, |frame| self.sends(frame));
        self.sent = sent;
        if self.role == Role::Client {
            let half = self.sent.half();
            let half = half.map(|frame| (frame.stream, frame.kind == DATA));
            self.book.half_written(half);
        }
    }

    fn sends(&mut self, frame: Frame) {
        let now = self.book.now();
        match frame.kind {
            DATA | HEADERS if frame.flags & END_STREAM != 0 => {
                self.streams.entry(frame.stream).or_default().sent_end = true;
            }
            HEADERS => drop(self.streams.entry(frame.stream).or_default()),
            GOAWAY => {
                let first = self.left_at.replace(frame.number(0)).is_none();
                if first && !self.told_to_go && frame.number(4) == NO_ERROR {
                    self.book.lets_a_connection_go(self.host);
                }
            }
            RST_STREAM => {
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
        if self.shut {
            self.book.mark("H09");
        }
        let mut received = std::mem::take(&mut self.received);
        received.pass(bytes, |frame| self.receives(frame));
        self.received = received;
    }

    fn receives(&mut self, frame: Frame) {
        let now = self.book.now();
        (self.cancels, self.heard) = (0, now);
        let above = self.left_at.is_some_and(|last| frame.stream > last);
        match frame.kind {
            DATA | HEADERS => {
                let known = self.streams.contains_key(&frame.stream);
                if above && self.role == Role::Server && (frame.kind == DATA || !known) {
                    self.book.mark("C20");
                }
                let stream = self.streams.entry(frame.stream).or_default();
                if frame.flags & END_STREAM != 0 {
                    stream.received_end = true;
                    if self.role == Role::Client && stream.reset == Some(now) {
                        self.book.mark("F05");
                    }
                }
            }
            RST_STREAM => {
                let stream = self.streams.entry(frame.stream).or_default();
                if self.role == Role::Client && stream.reset.is_some() {
                    self.book.mark("B21");
                }
            }
            GOAWAY => {
                self.told_to_go = true;
                self.book.is_told_to_go();
                let half = self.sent.half().filter(|_| self.role == Role::Client);
                if half.is_some_and(|frame| matches!(frame.kind, HEADERS | CONTINUATION)) {
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
        self.is_over();
    }

    fn is_over(&mut self) {
        let in_block = |frame: &Frame| matches!(frame.kind, HEADERS | CONTINUATION);
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
            Ok(()) => {
                this.ended = true;
                this.is_over();
            }
            Err(_) => this.fails(false),
        }
        Poll::Ready(read)
    }
}

impl<T: AsyncWrite + Unpin> Tap<T> {
    fn written(&mut self, written: &Poll<io::Result<usize>>, bufs: &[io::IoSlice<'_>]) {
        match written {
            Poll::Pending => self.waited = true,
            Poll::Ready(Err(_)) => self.fails(true),
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
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.io).poll_shutdown(cx);
        self.shutting = shut.is_pending();
        self.shut |= matches!(shut, Poll::Ready(Ok(())));
        shut
    }
}
