//! A transport that prints the frames which pass through it.

#![expect(clippy::disallowed_methods, reason = "it tells when things happened")]

use std::{
    io::{self, Write},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Instant,
};

use raddle_io::core::FrameLog;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use fields::FieldLog;

#[path = "fields.rs"]
mod fields;

/// Passes everything on and describes it on stderr, in the form of `nghttp -v`.
pub(crate) struct Watched<T> {
    io: T,
    sent: Direction,
    received: Direction,
    start: Instant,
    /// Held while a frame is printed, so that the lines of two connections do not mix.
    lines: Arc<Mutex<()>>,
}

impl<T> Watched<T> {
    pub(crate) fn new(io: T, lines: Arc<Mutex<()>>) -> Self {
        Self {
            io,
            sent: Direction::new("send"),
            received: Direction::new("recv"),
            start: Instant::now(),
            lines,
        }
    }
}

/// What passes one way.
struct Direction {
    verb: &'static str,
    fields: FieldLog,
    frames: FrameLog,
}

impl Direction {
    fn new(verb: &'static str) -> Self {
        Self {
            verb,
            fields: FieldLog::new(),
            frames: FrameLog::new(),
        }
    }

    /// Prints the fields in `bytes`, and then the frames, which is the order of nghttp.
    fn print(&mut self, bytes: &[u8], start: Instant, lines: &Mutex<()>) {
        let _held = lines.lock();
        let (verb, at) = (self.verb, start.elapsed().as_secs_f64());
        self.fields.feed(bytes, &mut |field| {
            // Whoever closed our errors wants no more of them.
            let _ = writeln!(io::stderr(), "[{at:7.3}] {verb} {field}");
        });
        self.frames.feed(bytes, |frame| {
            let text = frame.to_string().replace('\n', "\n         ");
            let _ = writeln!(io::stderr(), "[{at:7.3}] {verb} {text}");
        });
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.io).poll_read(cx, buf);
        let bytes = &buf.filled()[before..];
        this.received.print(bytes, this.start, &this.lines);
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let polled = Pin::new(&mut this.io).poll_write(cx, bytes);
        if let Poll::Ready(Ok(written)) = polled {
            this.sent.print(&bytes[..written], this.start, &this.lines);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
