//! A transport that prints the frames which pass through it.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Instant,
};

use raddle_io::core::FrameLog;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Passes everything on and describes it on stderr, in the form of `nghttp -v`.
pub(crate) struct Watched<T> {
    io: T,
    sent: FrameLog,
    received: FrameLog,
    start: Instant,
    /// Held while a frame is printed, so that the lines of two connections do not mix.
    lines: Arc<Mutex<()>>,
}

impl<T> Watched<T> {
    pub(crate) fn new(io: T, lines: Arc<Mutex<()>>) -> Self {
        Self {
            io,
            sent: FrameLog::new(),
            received: FrameLog::new(),
            start: Instant::now(),
            lines,
        }
    }
}

fn print(log: &mut FrameLog, bytes: &[u8], verb: &str, start: Instant, lines: &Mutex<()>) {
    let _held = lines.lock();
    log.feed(bytes, |frame| {
        let text = frame.to_string().replace('\n', "\n         ");
        eprintln!("[{:7.3}] {verb} {text}", start.elapsed().as_secs_f64());
    });
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
        print(
            &mut this.received,
            &buf.filled()[before..],
            "recv",
            this.start,
            &this.lines,
        );
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
            print(
                &mut this.sent,
                &bytes[..written],
                "send",
                this.start,
                &this.lines,
            );
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
