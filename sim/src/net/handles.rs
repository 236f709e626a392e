//! What a client does with its handles of a connection beside requests.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use raddle_io::{Client, Error};
use tokio::task::yield_now;
use tower_service::Service;

use super::{bodies::Parts, book::Book, course::LATE_MAX, plan::millis};
use crate::outcome::Fault;

/// How often, with how many handles each time, and with how many milliseconds between, handles come and go at once.
const STORMS: u64 = 8;
const HANDLES: usize = 20;
const LULL: u64 = 7;
/// How often, with how many milliseconds between, it is asked whether the peer lives, and for how long an answer is waited
/// for.
const ASKS: u64 = 6;
const ASKS_AFTER: u64 = 150;
const ANSWER_MAX: u64 = 30_000;

/// Asks whether there is a place for one stream.
fn poll_place(client: &mut Client, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
    Service::<http::Request<Parts>>::poll_ready(client, cx)
}

/// A place in the line of those who ask for a place, which is left when this is dropped.
struct InLine<'a>(&'a Book, u64);

impl<'a> InLine<'a> {
    fn new(book: &'a Book) -> Self {
        let line = &mut book.open().line;
        let own = line.last().map_or(0, |last| last + 1);
        line.push(own);
        Self(book, own)
    }

    /// I-24: who is given a place takes it from nobody who came before.
    fn is_given(&self, client: &Client) {
        let is_ahead = |other: &&u64| **other < self.1;
        let ahead = self.0.open().line.iter().filter(is_ahead).count();
        let short = client.openable() < client.usage().places() + ahead;
        if short && !client.is_closed() {
            let what = format!("I-24: a place is given past {ahead} who came before");
            self.0.fault(Fault::run(what));
        }
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.open().line.retain(|&other| other != self.1);
    }
}

/// Asks for a place for one stream.
pub(super) async fn place(client: &mut Client, book: &Book) -> Result<(), Error> {
    let line = InLine::new(book);
    let mut asked = false;
    poll_fn(|cx| {
        let place = poll_place(client, cx);
        if matches!(place, Poll::Ready(Ok(()))) {
            line.is_given(client);
        }
        let waits = place.is_pending() && !client.is_closed();
        if waits && !std::mem::replace(&mut asked, true) && client.openable() == 1 {
            // It is there, and somebody else's.
            book.mark("P05");
        }
        place
    })
    .await
}

/// Stands in line for a place, and leaves when its turn has come.
pub(super) async fn leave_when_called(mut client: Client, book: Book) {
    let mut asked = false;
    let called = poll_fn(|cx| match std::mem::replace(&mut asked, true) {
        true => Poll::Ready(true),
        false => poll_place(&mut client, cx).map(|_| false),
    });
    if called.await && client.openable() > 0 && !client.is_closed() {
        book.mark("P15");
    }
}

/// Handles come and go by the dozen: some at once, some with a place or in line for one, some in other tasks. The
/// connection may end neither by that nor later than without.
pub(super) async fn storm(client: Client, book: Book) {
    for _ in 0..STORMS {
        let mut handles: Vec<_> = (0..HANDLES).map(|_| client.clone()).collect();
        for (n, mut handle) in handles.split_off(HANDLES / 2).into_iter().enumerate() {
            tokio::spawn(async move {
                if n % 2 == 0 {
                    let _ = poll_fn(|cx| Poll::Ready(poll_place(&mut handle, cx))).await;
                }
                for _ in 0..n {
                    yield_now().await;
                }
            });
        }
        while !handles.is_empty() {
            handles.swap_remove(handles.len() / 2);
        }
        book.handles_went();
        tokio::time::sleep(millis(LULL)).await;
    }
}

/// Asks again and again whether the peer lives. It answers, or the connection ends. Whose question is lost without a trace
/// has no answer.
pub(super) async fn asks(client: Client, book: Book) {
    for _ in 0..ASKS {
        tokio::time::sleep(millis(ASKS_AFTER)).await;
        let from = book.now();
        let answer = tokio::time::timeout(millis(2 * ANSWER_MAX), client.ping()).await;
        let now = book.now();
        let late = now > from + millis(ANSWER_MAX) && !book.disturbed();
        let gone = book.course().dropped;
        if late || gone.is_some_and(|at| now > at.max(from) + millis(LATE_MAX)) {
            return book.fault(Fault::run("I-22: nobody hears what becomes of a PING"));
        }
        match answer {
            Ok(Ok(())) => book.mark("asked"),
            Ok(Err(error)) if !client.is_closed() => {
                book.fault(Fault::run(format!(
                    "I-14: a PING fails for no reason: {error}"
                )));
            }
            _ => return,
        }
    }
}

/// A task that ends with who waits for it.
pub(super) struct Handed<T>(tokio::task::JoinHandle<T>);

impl<T: Send + 'static> Handed<T> {
    pub(super) fn spawn(task: impl Future<Output = T> + Send + 'static) -> Self {
        Self(tokio::spawn(task))
    }
}

impl<T> Future for Handed<T> {
    type Output = Result<T, tokio::task::JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T> Drop for Handed<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Calls a connection from where the connection calls its user.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    client: Client,
    book: Book,
}

impl Caller {
    pub(super) fn new(client: &Client, book: &Book) -> Self {
        Self {
            client: client.clone(),
            book: book.clone(),
        }
    }

    /// Asks, takes a handle and lets go of it.
    pub(super) fn call(&self) {
        let client = self.client.clone();
        let _ = (client.openable(), client.streams(), client.is_closed());
        drop(client);
        self.book.calls_back();
    }

    /// Waits for `future` with a waker that calls the connection when it is called, and has a handle of it.
    pub(super) async fn waits<F: Future>(self, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|cx| {
            let calling = Arc::new(Calling {
                caller: self.clone(),
                waker: cx.waker().clone(),
            });
            let waker = Waker::from(calling);
            future.as_mut().poll(&mut Context::from_waker(&waker))
        })
        .await
    }
}

/// What is behind such a waker.
struct Calling {
    caller: Caller,
    waker: Waker,
}

impl Wake for Calling {
    fn wake(self: Arc<Self>) {
        self.caller.call();
        self.waker.wake_by_ref();
    }
}
