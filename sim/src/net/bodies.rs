//! Bodies that our side sends.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use raddle_io::{BoxError, RecvBody};
use tokio::{sync::oneshot, time::Sleep};

use super::{
    book::Book,
    handles::Caller,
    leftovers::Counted,
    plan::millis,
    request::{Fate, Request},
};
use crate::{
    oracle::{Message, Way},
    outcome::Fault,
};

/// A message in parts, sometimes with pauses between them.
#[derive(Debug)]
pub(super) struct Parts {
    body: Bytes,
    trailers: Option<Bytes>,
    part_max: usize,
    slow: bool,
    pause: Option<Pin<Box<Sleep>>>,
    fate: Fate,
    /// Somebody has asked for something.
    touched: Arc<AtomicBool>,
    /// Calls the connection whenever it is asked for something.
    caller: Option<Caller>,
    /// What it waits for before it gives anything.
    gate: Option<oneshot::Receiver<()>>,
    counted: Option<Counted>,
}

impl Parts {
    /// The body of this way. Only where it is polled as a body does its fate come true.
    pub(super) fn new(message: Message, way: Way, request: &Request) -> Self {
        Self {
            body: message.body,
            trailers: message.trailers,
            part_max: request.part_max,
            slow: request.slow,
            pause: None,
            fate: match way {
                Way::Up => request.up_fate,
                Way::Down => request.down_fate,
            },
            touched: Arc::default(),
            caller: None,
            gate: None,
            counted: None,
        }
    }

    /// The same, which is one of those that are in use.
    pub(super) fn counted(mut self, book: &Book) -> Self {
        self.counted = Some(book.one_body());
        self
    }

    /// Lets it have nothing to give before what is answered is gone.
    pub(super) fn gate(&mut self) -> oneshot::Sender<()> {
        let (opens, gate) = oneshot::channel();
        self.gate = Some(gate);
        opens
    }

    /// Whether somebody has asked for something, by then.
    pub(super) fn touched(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.touched)
    }

    /// The same, which calls its connection.
    pub(super) fn calling(mut self, caller: Caller) -> Self {
        self.caller = Some(caller);
        self
    }

    /// The next part, `Err` for the trailers; `None` behind the last one.
    pub(super) fn next(&mut self) -> Option<Result<Bytes, HeaderMap>> {
        if self.body.is_empty() {
            return self.trailers.take().map(|value| Err(trailers(&value)));
        }
        let len = self.part_max.min(self.body.len());
        Some(Ok(self.body.split_to(len)))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.body.is_empty() && self.trailers.is_none()
    }
}

/// Trailers of the one field that messages here have.
fn trailers(value: &[u8]) -> HeaderMap {
    let value = HeaderValue::from_bytes(value).expect("a number and letters");
    HeaderMap::from_iter([(http::HeaderName::from_static("x-end"), value)])
}

impl Body for Parts {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.touched.store(true, Ordering::Relaxed);
        if let Some(caller) = &self.caller {
            caller.call();
        }
        if let Some(gate) = &mut self.gate {
            let _ = ready!(Pin::new(gate).poll(cx));
            self.gate = None;
        }
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let next = match self.fate {
            Fate::Stays if self.body.is_empty() => return Poll::Pending,
            Fate::Fails(0) => return Poll::Ready(Some(Err("it was to fail".into()))),
            Fate::Fails(left) => {
                let len = self.part_max.min(left).min(self.body.len());
                self.fate = Fate::Fails(left - len);
                Some(Ok(self.body.split_to(len)))
            }
            _ => self.next(),
        };
        if self.slow && next.is_some() {
            self.pause = Some(Box::pin(tokio::time::sleep(millis(2))));
        }
        Poll::Ready(next.map(|next| Ok(next.map_or_else(Frame::trailers, Frame::data))))
    }

    fn is_end_stream(&self) -> bool {
        self.fate == Fate::Ends && self.is_empty()
    }
}

/// The request's own body on its way back, part by part.
#[derive(Debug)]
pub(super) struct Echo {
    pub(super) body: RecvBody,
    pub(super) n: u64,
    pub(super) book: Book,
    pub(super) done: bool,
}

impl Body for Echo {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.done {
            return Poll::Ready(None);
        }
        let promise = Promise::of(&self.body);
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        promise.judge(self.n, frame.as_ref(), &self.book);
        self.done = !matches!(frame, Some(Ok(_)));
        match &frame {
            Some(Ok(frame)) => self.book.frame(self.n, Way::Up, frame),
            Some(Err(error)) => self.book.upload_failed(self.n, error),
            None => self.book.whole(self.n, Way::Up),
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }
}

/// What a body says of itself before it is asked for its next part.
#[derive(Debug)]
pub(super) struct Promise {
    ends: bool,
    least: u64,
    most: Option<u64>,
}

impl Promise {
    pub(super) fn of(body: &RecvBody) -> Self {
        let hint = body.size_hint();
        Self {
            ends: body.is_end_stream(),
            least: hint.lower(),
            most: hint.upper(),
        }
    }

    /// Compares it with what came.
    pub(super) fn judge<E>(&self, n: u64, frame: Option<&Result<Frame<Bytes>, E>>, book: &Book) {
        let bytes = match frame {
            Some(Ok(frame)) => frame.data_ref().map(|data| data.len() as u64),
            Some(Err(_)) => return,
            None => None,
        };
        let more = self.most.is_some_and(|most| bytes > Some(most));
        let fewer = frame.is_none() && self.least > 0;
        if more || fewer || (self.ends && frame.is_some()) {
            let what = format!("I-04: a body that says {self:?} of itself gives {bytes:?} bytes");
            book.fault(Fault::of(n, what));
        }
    }
}

/// The next part of a body that arrives.
pub(super) async fn next(
    body: &mut RecvBody,
    n: u64,
    book: &Book,
) -> Option<Result<Frame<Bytes>, raddle_io::Error>> {
    let promise = Promise::of(body);
    let frame = body.frame().await;
    promise.judge(n, frame.as_ref(), book);
    frame
}

impl Book {
    /// Part of a message arrives.
    pub(super) fn frame(&self, n: u64, way: Way, frame: &Frame<Bytes>) {
        if let Some(data) = frame.data_ref() {
            self.data(n, way, data);
        }
        if let Some(fields) = frame.trailers_ref() {
            self.trailers(n, way, fields);
        }
    }

    /// The server does not get the rest of a request.
    pub(super) fn upload_failed(&self, n: u64, error: &raddle_io::Error) {
        self.note(format_args!("#{n} upload failed: {error}"));
        self.has_the_code_of_a_failed_body(n, error);
        self.accused("our server", error.violation());
    }
}
