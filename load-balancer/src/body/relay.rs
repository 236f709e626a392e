//! The response body on its way to the client.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};

use super::{AnyError, forwardable};

pin_project! {
    /// Hands a backend's body on frame by frame, ends it with an error when the backend is silent for too long while
    /// the client waits, and keeps `held` alive until the last frame or until the client goes away.
    #[derive(Debug)]
    pub struct Relay<B, H> {
        #[pin]
        inner: B,
        // Made when the body has to wait for the first time: most never do.
        #[pin]
        alarm: Option<Sleep>,
        waiting: bool,
        silence_max: Duration,
        held: Option<H>,
    }
}

impl<B, H> Relay<B, H> {
    /// `held` is dropped as soon as the body has ended.
    pub fn new(inner: B, silence_max: Duration, held: H) -> Self {
        Self {
            inner,
            alarm: None,
            waiting: false,
            silence_max,
            held: Some(held),
        }
    }
}

impl<B, H> Body for Relay<B, H>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = AnyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnyError>>> {
        let mut this = self.project();
        if let Poll::Ready(frame) = this.inner.poll_frame(cx) {
            *this.waiting = false;
            if !matches!(&frame, Some(Ok(frame)) if frame.is_data()) {
                *this.held = None;
            }
            return Poll::Ready(frame.map(|frame| frame.map(forwardable).map_err(AnyError::new)));
        }
        if !*this.waiting {
            *this.waiting = true;
            match this.alarm.as_mut().as_pin_mut() {
                Some(alarm) => alarm.reset(Instant::now() + *this.silence_max),
                None => this.alarm.set(Some(sleep(*this.silence_max))),
            }
        }
        // It was set above, at the latest.
        let Some(alarm) = this.alarm.as_pin_mut() else {
            return Poll::Pending;
        };
        if alarm.poll(cx).is_pending() {
            return Poll::Pending;
        }
        *this.held = None;
        Poll::Ready(Some(Err(AnyError::new(
            "the backend fell silent within its response",
        ))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
