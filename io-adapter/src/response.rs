//! What a client's request is answered with.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Method, Response};
use raddle_core::{ErrorCode, StreamHandle};

use crate::{
    body::RecvBody,
    convert,
    error::{Error, Kind},
    guard::put,
    planted::{self, Planted},
    shared::Shared,
    state::Half,
};

/// The response to one request: its head, with the body still to come.
///
/// Cancel safe: polled again by the same task or another, it misses nothing. Dropped before it is ready, it resets the
/// stream with CANCEL, and with it goes the request's body; a request that is not on its way yet leaves no trace. After
/// its answer it has no other, and says [`Kind::Misuse`].
#[must_use = "dropping it cancels the request"]
#[derive(Debug)]
pub struct ResponseFuture {
    /// `None` once it has answered.
    stream: Option<Result<(Arc<Shared>, StreamHandle), Error>>,
    /// Whether it answers HEAD, so that no body comes whatever the head says of one.
    is_bare: bool,
}

impl ResponseFuture {
    /// The response on a stream that is open.
    pub(crate) fn new(shared: Arc<Shared>, handle: StreamHandle, method: &Method) -> Self {
        Self {
            stream: Some(Ok((shared, handle))),
            is_bare: method == Method::HEAD,
        }
    }

    /// The end of a request that was not taken.
    pub(crate) fn refused(error: Error) -> Self {
        Self {
            stream: Some(Err(error)),
            is_bare: false,
        }
    }

    /// The next interim (1xx) response, as soon as it arrives; `None` once the final one has, or the request has failed,
    /// which awaiting `self` then tells. What is taken here is not among the final response's [`Informational`].
    ///
    /// Cancel safe: none is lost.
    ///
    /// # Errors
    /// When the head has no form in the `http` crate's types.
    pub async fn informational(&mut self) -> Option<Result<Response<()>, Error>> {
        poll_fn(|cx| {
            let Some(Ok((shared, handle))) = &self.stream else {
                return Poll::Ready(None);
            };
            let mut state = shared.lock();
            let Some(slot) = state.visit(*handle) else {
                return Poll::Ready(None);
            };
            if !slot.interims.is_empty() {
                let head = slot.interims.remove(0);
                return Poll::Ready(Some(convert::response(&head)));
            }
            if slot.head.is_some() || slot.outcome.is_some() {
                return Poll::Ready(None);
            }
            let before = put(&mut slot.reader, cx);
            state.aside.extend(before);
            Poll::Pending
        })
        .await
    }
}

/// Interim (1xx) responses that came before a response. They are among its extensions, unless
/// [`ResponseFuture::informational`] has taken them.
#[derive(Clone, Debug)]
pub struct Informational(pub Vec<Response<()>>);

impl Future for ResponseFuture {
    type Output = Result<Response<RecvBody>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (shared, handle) = match &self.stream {
            Some(Ok((shared, handle))) => (shared, *handle),
            Some(Err(error)) => {
                let error = error.clone();
                self.stream = None;
                return Poll::Ready(Err(error));
            }
            None => {
                let text = "the response was taken already";
                return Poll::Ready(Err(Error::new(Kind::Misuse(text))));
            }
        };
        let mut state = shared.lock();
        let Some(slot) = state.visit(handle) else {
            return Poll::Ready(Err(Shared::closed_error(&state)));
        };
        if let Some(head) = slot.head.take() {
            let interims = std::mem::take(&mut slot.interims);
            // RFC 9110 §6.4.1: content-length tells there what the content of another response would have.
            let is_bare = self.is_bare || matches!(head.status(), 204 | 304);
            let expected = if is_bare || (slot.ended && slot.data.is_empty()) {
                Some(0)
            } else {
                head.content_length()
            };
            let is_whole = slot.is_read();
            if is_whole {
                state.leave(handle, Half::Reader);
                shared.settle(state);
                self.stream = None;
            } else {
                drop(state);
            }
            let mut response = convert::response(&head)?;
            let interims: Vec<_> = interims
                .iter()
                .filter_map(|head| convert::response(head).ok())
                .collect();
            if !interims.is_empty() {
                response.extensions_mut().insert(Informational(interims));
            }
            if is_whole {
                return Poll::Ready(Ok(response.map(|()| RecvBody::empty())));
            }
            // The stream is the body's from here on.
            let Some(Ok((shared, handle))) = self.stream.take() else {
                return Poll::Ready(Err(Error::new(Kind::Closed)));
            };
            return Poll::Ready(Ok(
                response.map(|()| RecvBody::new(shared, handle, expected))
            ));
        }
        if let Some(Err(outcome)) = slot.outcome {
            let error = slot.error.clone();
            return Poll::Ready(Err(state.failure(error, outcome)));
        }
        if slot.reader.is_none() || !planted::has(Planted::OldTaskKept) {
            let before = put(&mut slot.reader, cx);
            state.aside.extend(before);
        }
        Poll::Pending
    }
}

impl Drop for ResponseFuture {
    fn drop(&mut self) {
        let Some(Ok((shared, handle))) = self.stream.take() else {
            return;
        };
        shared.command(|state| {
            if !planted::has(Planted::CancelUnsent) {
                state.connection.reset(handle, ErrorCode::CANCEL);
            }
            state.leave(handle, Half::Reader);
        });
    }
}
