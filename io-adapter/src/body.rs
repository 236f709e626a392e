//! The peer's body, as it arrives.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use raddle_core::{ErrorCode, Role, StreamHandle};

use crate::{
    convert,
    error::Error,
    guard::put,
    planted::{self, Planted},
    shared::Shared,
    state::Half,
};

/// Pieces up to this long are joined with the one before them. A peer that cuts a body into bytes costs a reader who
/// is slow bytes, and not a place in a queue for each.
const JOINED_MAX: usize = 256;
/// How long pieces become by that, in bytes.
const JOINED_BYTES: usize = 4_096;

/// Puts a piece of a body behind the others.
pub(crate) fn push_piece(pieces: &mut VecDeque<Bytes>, data: Bytes) {
    if data.is_empty() {
        return;
    }
    match pieces.back_mut() {
        Some(last) if data.len() <= JOINED_MAX && last.len() + data.len() <= JOINED_BYTES => {
            // Its memory is its own from the first join on, and has room for the next ones.
            let mut joined = std::mem::take(last).try_into_mut().unwrap_or_else(|last| {
                let mut joined = BytesMut::with_capacity(JOINED_BYTES);
                joined.extend_from_slice(&last);
                joined
            });
            joined.extend_from_slice(&data);
            *last = joined.freeze();
        }
        _ => pieces.push_back(data),
    }
}

/// The body of a response on a client, of a request on a server. Trailers come out of it as its last frame.
///
/// What is taken out gives its credit back to the peer, so that a reader who stops stops the sender as well, and
/// nobody else. Dropped before its end, it resets a client's stream with CANCEL, and on a server it lets the rest of
/// the upload pass unread.
///
/// A body that does not come to its end ends with an [`Error`] and nothing behind it: half of one never looks whole.
/// [`Kind::Stream`](crate::Kind::Stream) says who ended it, [`Kind::Io`](crate::Kind::Io) that the transport did. A message
/// that does not keep its content-length is such a failure as well, so that [`Body::size_hint`] is exact where it is known.
///
/// Cancel safe: a part that was not handed out comes with the next poll, by whichever task.
#[derive(Debug)]
pub struct RecvBody {
    /// `None` for a body that was empty from the start.
    stream: Option<(Arc<Shared>, StreamHandle)>,
    /// Bytes that content-length still promises.
    expected: Option<u64>,
    done: bool,
}

impl RecvBody {
    pub(crate) fn new(shared: Arc<Shared>, handle: StreamHandle, expected: Option<u64>) -> Self {
        Self {
            stream: Some((shared, handle)),
            expected,
            done: false,
        }
    }

    /// A body without a byte.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            stream: None,
            expected: Some(0),
            done: true,
        }
    }

    /// Nothing more comes, and the stream was given up under the lock under which its last part was taken: a message that is
    /// read whole asks for it no more, neither to see its end nor when it is dropped.
    fn end(&mut self) {
        self.stream = None;
        self.done = true;
    }

    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some((shared, handle)) = &self.stream else {
            return Poll::Ready(None);
        };
        let handle = *handle;
        let mut state = shared.lock();
        let Some(slot) = state.visit(handle) else {
            return Poll::Ready(None);
        };
        if let Some(data) = slot.data.pop_front() {
            let is_last = slot.is_read();
            state.connection.release(handle, data.len());
            if is_last {
                state.leave(handle, Half::Reader);
            }
            shared.settle(state);
            if is_last {
                self.end();
            }
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        if slot.ended {
            let fields = slot.trailers.take();
            state.leave(handle, Half::Reader);
            shared.settle(state);
            self.end();
            return Poll::Ready(
                fields.map(|fields| convert::header_map(&fields).map(Frame::trailers)),
            );
        }
        match slot.outcome {
            Some(Err(outcome)) => {
                let error = slot.error.clone();
                Poll::Ready(Some(Err(state.failure(error, outcome))))
            }
            // The engine tells of the end of the message before that of the stream.
            Some(Ok(())) => Poll::Ready(None),
            None => {
                if slot.reader.is_none() || !planted::has(Planted::OldTaskKept) {
                    let before = put(&mut slot.reader, cx);
                    state.aside.extend(before);
                }
                Poll::Pending
            }
        }
    }
}

impl Body for RecvBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.done {
            return Poll::Ready(None);
        }
        let part = self.poll_part(cx);
        match &part {
            Poll::Ready(Some(Ok(frame))) => {
                if let (Some(expected), Some(data)) = (&mut self.expected, frame.data_ref()) {
                    *expected = expected.saturating_sub(data.len() as u64);
                }
            }
            Poll::Ready(None | Some(Err(_))) => self.done = true,
            Poll::Pending => {}
        }
        part
    }

    fn is_end_stream(&self) -> bool {
        let Some((shared, handle)) = self.stream.as_ref().filter(|_| !self.done) else {
            return true;
        };
        let mut state = shared.lock();
        state.slot(*handle).is_none_or(|slot| slot.is_read())
    }

    fn size_hint(&self) -> SizeHint {
        self.expected.filter(|_| !self.done).map_or_else(
            || {
                if self.done {
                    SizeHint::with_exact(0)
                } else {
                    SizeHint::default()
                }
            },
            SizeHint::with_exact,
        )
    }
}

impl Drop for RecvBody {
    fn drop(&mut self) {
        let Some((shared, handle)) = self.stream.take() else {
            return;
        };
        shared.command(|state| {
            let cut = state
                .slot(handle)
                .is_some_and(|slot| !slot.ended && slot.outcome.is_none());
            if cut && state.connection.role() == Role::Client {
                state.connection.reset(handle, ErrorCode::CANCEL);
            }
            state.leave(handle, Half::Reader);
        });
    }
}
