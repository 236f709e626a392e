//! Our body, on its way out.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::{Buf, Bytes};
use http_body::Body;
use raddle_core::{ErrorCode, Fields, SendError, StreamHandle, Then};

use crate::{
    convert,
    error::{BoxError, Error, Kind},
    guard::put,
    planted::{self, Planted},
    shared::Shared,
    state::{Half, State},
    sync::spawn,
};

/// Sends a body part by part, as fast as the peer takes it. Ends with the body, or when nobody wants it any more.
///
/// Dropped before its end it resets the stream: half a body never looks whole.
pub(crate) struct Upload<B> {
    shared: Arc<Shared>,
    handle: StreamHandle,
    body: Pin<Box<B>>,
    /// Taken from the body and not yet by the engine.
    part: Bytes,
    /// The body has nothing more than `part`.
    last: bool,
    trailers: Option<Fields>,
    /// What the peer learns when this is dropped early.
    given_up: ErrorCode,
    /// The stream was given up.
    done: bool,
}

impl<B> Upload<B>
where
    B: Body + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Into<BoxError>,
{
    pub(crate) fn new(
        shared: Arc<Shared>,
        handle: StreamHandle,
        body: B,
        given_up: ErrorCode,
    ) -> Self {
        Self {
            shared,
            handle,
            body: Box::pin(body),
            part: Bytes::new(),
            last: false,
            trailers: None,
            given_up,
            done: false,
        }
    }

    /// Takes the next part from the body.
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if !self.part.is_empty() || self.last {
            return Poll::Ready(Ok(()));
        }
        match self.body.as_mut().poll_frame(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(None) => self.last = true,
            Poll::Ready(Some(Err(error))) => {
                return Poll::Ready(Err(Error::with_source(Kind::Body, error)));
            }
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(mut data) => self.part = data.copy_to_bytes(data.remaining()),
                Err(frame) => {
                    if let Ok(map) = frame.into_trailers() {
                        self.trailers = Some(convert::trailers(&map));
                        self.last = true;
                    }
                }
            },
        }
        self.last |= self.body.is_end_stream() && self.trailers.is_none();
        Poll::Ready(Ok(()))
    }

    /// Hands over what was taken. `Ready(true)` when the message is given whole, or nobody wants the rest: the stream is given
    /// up under the same lock then.
    fn give(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Error>> {
        let Self {
            shared,
            handle,
            part,
            last,
            trailers,
            ..
        } = self;
        shared.command(|state| {
            let given = Self::give_to(state, *handle, part, *last, trailers, cx);
            if matches!(given, Poll::Ready(Ok(true))) {
                state.leave(*handle, Half::Writer);
            }
            given
        })
    }

    fn give_to(
        state: &mut State,
        handle: StreamHandle,
        part: &mut Bytes,
        last: bool,
        trailers: &mut Option<Fields>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<bool, Error>> {
        let Some(slot) = state.visit(handle) else {
            return Poll::Ready(Ok(true));
        };
        if slot.stopped || slot.outcome.is_some() {
            return Poll::Ready(Ok(true));
        }
        let then = if last && trailers.is_none() {
            Then::End
        } else {
            Then::More
        };
        if !part.is_empty() || then.is_end() {
            match state.connection.send_data(handle, part, then) {
                Ok(_) => {}
                Err(SendError::Gone) => return Poll::Ready(Ok(true)),
                Err(error) => return Poll::Ready(Err(Error::new(Kind::Send(error)))),
            }
        }
        if !part.is_empty() {
            let before = state
                .slot(handle)
                .and_then(|slot| put(&mut slot.writer, cx));
            state.aside.extend(before);
            return Poll::Pending;
        }
        if let Some(fields) = trailers.take() {
            match state.connection.send_trailers(handle, fields) {
                Ok(()) | Err(SendError::Gone) => {}
                Err(error) => return Poll::Ready(Err(Error::new(Kind::Send(error)))),
            }
        }
        if last && let Some(slot) = state.slot(handle) {
            slot.given = true;
        }
        Poll::Ready(Ok(last))
    }

    /// Keeps an error for whoever waits for the peer's message, and what the peer is to learn of it.
    fn note(&mut self, error: &Error) {
        self.given_up = ErrorCode::INTERNAL_ERROR;
        // What has ended the stream before that is the reason; the body may have failed for it.
        if let Some(slot) = self.shared.lock().slot(self.handle)
            && slot.outcome.is_none()
        {
            slot.error = Some(error.clone());
        }
    }

    /// Whether the stream has ended, or the peer wants no more; then it is given up. Watched while the body itself has nothing
    /// to give.
    fn poll_unwanted(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.shared.lock();
        match state.visit(self.handle) {
            Some(slot) if !slot.stopped && slot.outcome.is_none() => {
                let before = put(&mut slot.writer, cx);
                state.aside.extend(before);
                Poll::Pending
            }
            _ => {
                state.leave(self.handle, Half::Writer);
                self.shared.settle(state);
                Poll::Ready(())
            }
        }
    }
}

impl<B> Future for Upload<B>
where
    B: Body + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Into<BoxError>,
{
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        loop {
            match this.poll_part(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    this.note(&error);
                    return Poll::Ready(Err(error));
                }
                Poll::Pending => {
                    if this.poll_unwanted(cx).is_ready() {
                        this.done = true;
                        return Poll::Ready(Ok(()));
                    }
                    return Poll::Pending;
                }
            }
            match this.give(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(false)) => {}
                Poll::Ready(Ok(true)) => {
                    this.done = true;
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Err(error)) => {
                    this.note(&error);
                    return Poll::Ready(Err(error));
                }
            }
        }
    }
}

/// Runs an upload that ends at once here, and any other in a task.
pub(crate) fn run_or_spawn<B>(mut upload: Upload<B>, shared: &Shared)
where
    B: Body + Send + 'static,
    B::Data: Buf + Send,
    B::Error: Into<BoxError>,
{
    let polled = Pin::new(&mut upload).poll(&mut Context::from_waker(Waker::noop()));
    // An error is with the stream now, whose reader tells it.
    if polled.is_pending() {
        if !planted::has(Planted::HeadWaitsForBody) {
            shared.command(|_| ());
        }
        spawn(upload);
    }
}

impl<B> Drop for Upload<B> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        let (handle, code) = (self.handle, self.given_up);
        self.shared.command(|state| {
            if planted::has(Planted::FailedBodyEnds) && code == ErrorCode::INTERNAL_ERROR {
                let _ = state
                    .connection
                    .send_data(handle, &mut Bytes::new(), Then::End);
            } else {
                state.connection.reset(handle, code);
            }
            state.leave(handle, Half::Writer);
        });
    }
}
