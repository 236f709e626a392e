//! The request body, lent to one attempt after another.
//!
//! The proxy keeps a `Replay`; each attempt gets a `RequestBody` that reads through it. What was handed over is kept
//! until the response head arrives, as far as it fits; the next attempt then starts with what was kept and goes on
//! with what the client still sends. Only the newest attempt may read: an older one, which a connection may still
//! hold, gets an error, so that no byte is sent to two places.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::{AnyBody, AnyError, forwardable};

/// What one kept frame costs beside its bytes, so that a body of one-byte frames is bounded too.
const FRAME_COST: usize = 64;

/// The proxy's end of a request body.
#[derive(Debug)]
pub struct Replay {
    /// `None` for a request without a body, which can always be sent again and costs nothing here.
    shared: Option<Arc<Mutex<Shared>>>,
    started: Instant,
}

/// One attempt's end of a request body.
#[derive(Debug)]
pub struct RequestBody {
    shared: Option<Arc<Mutex<Shared>>>,
    attempt: u32,
    /// The end was reported: there is nothing to replay any more.
    done: bool,
}

/// Who has been silent, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// The backend was given all that there is, and owes an answer.
    Backend(Instant),
    /// The backend waits for the client's next piece.
    Client(Instant),
    /// The client's body failed: nobody is left to be answered.
    ClientGone,
}

#[derive(Debug)]
struct Shared {
    source: AnyBody,
    attempt: u32,
    kept: Vec<Bytes>,
    /// How many of `kept` the newest attempt has read.
    read: usize,
    trailers: Option<HeaderMap>,
    ended: bool,
    /// What `kept` may still grow by; `None` once something was handed over and not kept.
    room: Option<usize>,
    silence: Silence,
}

impl Replay {
    /// Keeps at most about `kept_bytes_max` of the body for a further attempt.
    pub fn new(body: AnyBody, kept_bytes_max: usize) -> Self {
        let started = Instant::now();
        if body.is_end_stream() {
            return Self {
                shared: None,
                started,
            };
        }
        let shared = Shared {
            source: body,
            attempt: 0,
            kept: Vec::new(),
            read: 0,
            trailers: None,
            ended: false,
            room: Some(kept_bytes_max),
            silence: Silence::Backend(started),
        };
        Self {
            shared: Some(Arc::new(Mutex::new(shared))),
            started,
        }
    }

    /// The body for the next attempt, from its first byte. `None` if that byte is gone.
    pub fn attempt(&mut self) -> Option<RequestBody> {
        let now = Instant::now();
        self.started = now;
        let Some(shared) = &self.shared else {
            return Some(RequestBody {
                shared: None,
                attempt: 0,
                done: true,
            });
        };
        let mut state = lock(shared);
        state.room?;
        state.attempt += 1;
        state.read = 0;
        if state.silence != Silence::ClientGone {
            state.silence = Silence::Backend(now);
        }
        let attempt = state.attempt;
        drop(state);
        Some(RequestBody {
            shared: Some(Arc::clone(shared)),
            attempt,
            done: false,
        })
    }

    /// There will be no further attempt: nothing has to be kept.
    pub fn settle(self) {
        let Some(shared) = self.shared else { return };
        let mut state = lock(&shared);
        state.room = None;
        state.forget_read();
    }

    /// Who is to blame if nothing moves.
    pub fn silence(&self) -> Silence {
        match &self.shared {
            None => Silence::Backend(self.started),
            Some(shared) => lock(shared).silence,
        }
    }
}

impl Shared {
    /// Frees what was kept once nobody will read it: no further attempt, and the newest one is through with it.
    fn forget_read(&mut self) {
        if self.room.is_none() && self.read == self.kept.len() {
            self.kept = Vec::new();
            self.read = 0;
        }
    }

    /// The next frame for the newest attempt.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnyError>>> {
        if let Some(bytes) = self.kept.get(self.read) {
            let frame = Frame::data(bytes.clone());
            self.read += 1;
            self.forget_read();
            return Poll::Ready(Some(Ok(frame)));
        }
        if self.ended {
            return Poll::Ready(
                self.trailers
                    .clone()
                    .map(|trailers| Ok(Frame::trailers(trailers))),
            );
        }
        let polled = Pin::new(&mut self.source).poll_frame(cx);
        let now = Instant::now();
        match polled {
            Poll::Pending => {
                // The silence began with the first poll that found nothing, not with the last.
                if !matches!(self.silence, Silence::Client(_)) {
                    self.silence = Silence::Client(now);
                }
                Poll::Pending
            }
            Poll::Ready(None) => {
                self.silence = Silence::Backend(now);
                self.ended = true;
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                self.silence = Silence::ClientGone;
                self.room = None;
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(Some(Ok(frame))) => {
                self.silence = Silence::Backend(now);
                let frame = forwardable(frame);
                self.keep(&frame);
                Poll::Ready(Some(Ok(frame)))
            }
        }
    }

    fn keep(&mut self, frame: &Frame<Bytes>) {
        if let Some(trailers) = frame.trailers_ref() {
            self.ended = true;
            self.trailers = self.room.is_some().then(|| trailers.clone());
        }
        let Some(bytes) = frame.data_ref() else {
            return;
        };
        let left = self
            .room
            .and_then(|room| room.checked_sub(bytes.len() + FRAME_COST));
        if left.is_some() {
            self.kept.push(bytes.clone());
            self.read += 1;
        }
        self.room = left;
        self.forget_read();
    }

    fn is_end_stream(&self) -> bool {
        let unread = self.read < self.kept.len();
        !unread
            && if self.ended {
                self.trailers.is_none()
            } else {
                self.source.is_end_stream()
            }
    }

    fn size_hint(&self) -> SizeHint {
        let kept: u64 = self.kept[self.read..]
            .iter()
            .map(|bytes| bytes.len() as u64)
            .sum();
        let source = self.source.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(source.lower().saturating_add(kept));
        if let Some(upper) = source.upper().and_then(|upper| upper.checked_add(kept)) {
            hint.set_upper(upper);
        }
        hint
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = AnyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnyError>>> {
        let this = self.get_mut();
        let Some(shared) = this.shared.as_ref().filter(|_| !this.done) else {
            return Poll::Ready(None);
        };
        let mut state = lock(shared);
        if state.attempt != this.attempt {
            this.done = true;
            return Poll::Ready(Some(Err(AnyError::new(
                "the request is being sent elsewhere",
            ))));
        }
        let polled = state.poll(cx);
        this.done = match &polled {
            Poll::Ready(Some(Ok(frame))) => frame.is_trailers(),
            Poll::Ready(_) => true,
            Poll::Pending => false,
        };
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.done
            || self
                .shared
                .as_ref()
                .is_none_or(|shared| lock(shared).is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.shared {
            Some(shared) if !self.done => lock(shared).size_hint(),
            _ => SizeHint::with_exact(0),
        }
    }
}

/// No code between lock and unlock panics unless a body does; then its state is still the one of before that poll.
fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use http_body_util::{BodyExt, Full};

    use super::*;

    fn frames(parts: &[&'static str]) -> AnyBody {
        AnyBody::stream(Parts(Vec::from(parts).into_iter()))
    }

    struct Parts(std::vec::IntoIter<&'static str>);

    impl Body for Parts {
        type Data = Bytes;
        type Error = AnyError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, AnyError>>> {
            Poll::Ready(
                self.0
                    .next()
                    .map(|part| Ok(Frame::data(Bytes::from_static(part.as_bytes())))),
            )
        }
    }

    fn next(body: &mut RequestBody) -> Option<Result<Bytes, AnyError>> {
        let mut cx = Context::from_waker(Waker::noop());
        match Pin::new(body).poll_frame(&mut cx) {
            // These bodies have no trailers.
            Poll::Ready(frame) => frame.map(|f| f.map(|f| f.into_data().expect("data"))),
            Poll::Pending => panic!("these bodies are always ready"),
        }
    }

    #[tokio::test]
    async fn a_second_attempt_gets_the_whole_body() {
        let mut replay = Replay::new(frames(&["one ", "two ", "three"]), 1024);
        let mut first = replay.attempt().expect("nothing was read yet");
        assert_eq!(next(&mut first).unwrap().unwrap(), "one ");
        assert_eq!(next(&mut first).unwrap().unwrap(), "two ");
        let second = replay.attempt().expect("everything was kept");
        assert!(
            next(&mut first).unwrap().is_err(),
            "the older attempt may not read on"
        );
        assert_eq!(second.collect().await.unwrap().to_bytes(), "one two three");
        let third = replay.attempt().expect("everything was kept");
        assert_eq!(third.collect().await.unwrap().to_bytes(), "one two three");
    }

    #[tokio::test]
    async fn a_body_that_was_not_kept_is_sent_once() {
        let mut replay = Replay::new(frames(&["0123456789", "0123456789"]), 10 + FRAME_COST);
        let mut first = replay.attempt().expect("nothing was read yet");
        next(&mut first).unwrap().unwrap();
        assert!(replay.attempt().is_some(), "the first piece fits");
        let mut second = replay.attempt().expect("the first piece fits");
        next(&mut second).unwrap().unwrap();
        next(&mut second).unwrap().unwrap();
        assert!(replay.attempt().is_none(), "the second piece does not");
        assert!(next(&mut second).is_none());
    }

    #[tokio::test]
    async fn settling_keeps_what_is_still_owed() {
        let mut replay = Replay::new(frames(&["a", "b", "c"]), 1024);
        let mut first = replay.attempt().unwrap();
        next(&mut first).unwrap().unwrap();
        next(&mut first).unwrap().unwrap();
        let second = replay.attempt().unwrap();
        replay.settle();
        assert_eq!(second.collect().await.unwrap().to_bytes(), "abc");
    }

    #[tokio::test]
    async fn an_empty_body_ends_at_once() {
        let mut replay = Replay::new(AnyBody::stream(Full::new(Bytes::new())), 0);
        for _ in 0..3 {
            let body = replay.attempt().expect("nothing can be lost");
            assert!(body.is_end_stream());
            assert_eq!(body.size_hint().exact(), Some(0));
        }
    }

    #[tokio::test]
    async fn the_one_who_is_silent_is_named() {
        let mut replay = Replay::new(AnyBody::stream(Never), 1024);
        let mut body = replay.attempt().unwrap();
        assert!(matches!(replay.silence(), Silence::Backend(_)));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut body).poll_frame(&mut cx).is_pending());
        assert!(matches!(replay.silence(), Silence::Client(_)));
    }

    struct Never;

    impl Body for Never {
        type Data = Bytes;
        type Error = AnyError;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, AnyError>>> {
            Poll::Pending
        }
    }
}
