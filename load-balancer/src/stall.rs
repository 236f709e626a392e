//! An end for clients that take nothing of what is written to them.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// Bytes that a peer has to take for its deadline to move: one byte at a time would move it for ever. The rule and the
/// number are those of the engine for HTTP/2.
const TAKEN_MIN: usize = 1_024;

/// A transport whose writes fail once the peer has taken neither 1 KiB of them, nor all of what there was, for too long.
#[derive(Debug)]
pub struct Stall<T> {
    io: T,
    stall_max: Duration,
    /// Made when a write has to wait for the first time: most never do.
    alarm: Option<Pin<Box<Sleep>>>,
    /// What was taken since a write had to wait; `None` while none has to.
    taken: Option<usize>,
}

impl<T> Stall<T> {
    /// Gives the peer of `io` so long at a time.
    pub fn new(io: T, stall_max: Duration) -> Self {
        Self {
            io,
            stall_max,
            alarm: None,
            taken: None,
        }
    }

    /// Ready with an error once the deadline is over of what has to wait now.
    fn poll_overdue<R>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<R>> {
        let stall_max = self.stall_max;
        let alarm = match &mut self.alarm {
            Some(alarm) => alarm,
            None => self.alarm.insert(Box::pin(sleep(stall_max))),
        };
        if self.taken.is_none() {
            self.taken = Some(0);
            alarm.as_mut().reset(Instant::now() + stall_max);
        }
        ready!(alarm.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client takes nothing of what is sent",
        )))
    }

    /// Takes account of what has come of a write of `offered` bytes.
    fn judge(
        &mut self,
        cx: &mut Context<'_>,
        offered: usize,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let Poll::Ready(result) = written else {
            return self.poll_overdue(cx);
        };
        let len = *result.as_ref().unwrap_or(&0);
        let taken = self.taken.map(|taken| taken.saturating_add(len));
        self.taken = taken.filter(|&taken| taken < TAKEN_MIN && len < offered);
        Poll::Ready(result)
    }

    /// The same for a flush and a shutdown, which are done when all is taken.
    fn judge_end(
        &mut self,
        cx: &mut Context<'_>,
        ended: Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        if ended.is_pending() {
            return self.poll_overdue(cx);
        }
        self.taken = None;
        ended
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Stall<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Stall<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, buf);
        self.judge(cx, buf.len(), written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let offered = slices.iter().map(|slice| slice.len()).sum();
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.judge(cx, offered, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        self.judge_end(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.io).poll_shutdown(cx);
        self.judge_end(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const SECOND: Duration = Duration::from_secs(1);
    /// What the pipe holds.
    const ROOM: usize = 4_096;

    /// The error of a write that is given up, and when that was.
    async fn given_up(io: &mut Stall<tokio::io::DuplexStream>) -> (io::ErrorKind, Duration) {
        let start = Instant::now();
        let result = io.write_all(&[0; 64 * ROOM]).await;
        (result.unwrap_err().kind(), start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_has_its_time_and_no_more() {
        let (near, far) = tokio::io::duplex(ROOM);
        let mut io = Stall::new(near, MINUTE);
        let (kind, after) = given_up(&mut io).await;
        assert_eq!(kind, io::ErrorKind::TimedOut);
        assert!((MINUTE..MINUTE + SECOND).contains(&after), "{after:?}");
        drop(far);
    }

    /// Takes so many bytes every ten seconds.
    async fn dribble(mut far: tokio::io::DuplexStream, bytes: usize) {
        loop {
            tokio::time::sleep(10 * SECOND).await;
            if far.read_exact(&mut vec![0; bytes]).await.is_err() {
                return;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_kilobyte_moves_the_deadline_and_a_byte_does_not() {
        // In six times ten seconds: more than a kilobyte, and less.
        let (near, far) = tokio::io::duplex(ROOM);
        let patient = tokio::spawn(dribble(far, 300));
        let mut io = Stall::new(near, MINUTE);
        let start = Instant::now();
        io.write_all(&[0; 4 * ROOM]).await.unwrap();
        assert!(start.elapsed() > 5 * MINUTE, "{:?}", start.elapsed());
        let (near, far) = tokio::io::duplex(ROOM);
        let dribbling = tokio::spawn(dribble(far, 100));
        let (kind, after) = given_up(&mut Stall::new(near, MINUTE)).await;
        assert_eq!(kind, io::ErrorKind::TimedOut);
        assert!((MINUTE..MINUTE + SECOND).contains(&after), "{after:?}");
        drop(io);
        patient.await.unwrap();
        dribbling.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_taken_everything_may_rest() {
        let (near, mut far) = tokio::io::duplex(ROOM);
        let mut io = Stall::new(near, MINUTE);
        for _ in 0..3 {
            // It has to wait, for a few bytes only.
            let write = io.write_all(&[0; ROOM + 10]);
            let read = async {
                tokio::time::sleep(50 * SECOND).await;
                far.read_exact(&mut [0; ROOM + 10]).await
            };
            let (written, read) = tokio::join!(write, read);
            written.unwrap();
            read.unwrap();
            tokio::time::sleep(10 * MINUTE).await;
        }
    }
}
