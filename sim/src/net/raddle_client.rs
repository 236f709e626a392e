//! Our client: it makes the requests of the plan.

use std::{
    error::Error as _,
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

use http_body::Body;
use raddle_core::{Origin, Retry, Role};
use raddle_io::{Client, Error, Kind, RecvBody};
use tokio::{
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};
use tower_service::Service;

use super::{
    bodies::{self, Parts},
    book::Book,
    handles::{self, Caller, Handed, place},
    plan::{Cut, millis},
    request::{Half, Request},
    socket::Socket,
};
use crate::{oracle::Way, outcome::Fault};

/// How long the driver may take to end once nobody needs it, in milliseconds.
const END_MAX: u64 = 60_000;
/// How long a place is kept without a look, in milliseconds.
const KEPT: u64 = 100;

pub(super) async fn run(io: Socket, book: Book) {
    let (client, driver) = match raddle_io::connect(io, book.plan.client.clone()).await {
        Ok(connected) => connected,
        Err(error) => return book.fault(Fault::run(format!("connect: {error}"))),
    };
    let watched = book.clone();
    let mut driver = tokio::spawn(async move {
        let end = driver.await;
        let impatient = end.as_ref().is_err_and(is_impatient);
        if let Err(error) = &end {
            watched.accused("our client", error.violation());
            watched.connection_failed(error);
        }
        watched.has_its_end(Role::Client, &end);
        watched.note(format_args!("our client's driver ends: {end:?}"));
        impatient
    });
    if let Some(Cut::ClientDrops(after)) = book.plan.cut {
        let (driver, book) = (driver.abort_handle(), book.clone());
        tokio::spawn(async move {
            tokio::time::sleep(millis(after)).await;
            book.note(format_args!("the client's driver is dropped"));
            book.mark("cut");
            driver.abort();
        });
    }
    if let Some((Role::Client, after)) = book.plan.drain {
        // It keeps the connection open until then, also when all requests have ended before.
        let (client, book) = (client.clone(), book.clone());
        tokio::spawn(async move {
            tokio::time::sleep(millis(after)).await;
            book.note(format_args!("the client drains"));
            book.mark("drain by client");
            book.course().is_to_go(book.now());
            client.drain();
        });
    }
    let mut workers = JoinSet::new();
    for worker in 0..book.plan.workers {
        workers.spawn(work(client.clone(), worker, book.clone()));
    }
    let keeper = (book.plan.keeper).then(|| Handed::spawn(keep(client.clone(), book.clone())));
    if book.plan.storm {
        tokio::spawn(handles::storm(client.clone(), book.clone()));
    }
    let asker = (book.plan.asks && !book.plan.leaves)
        .then(|| Handed::spawn(handles::asks(client.clone(), book.clone())));
    let client = (!book.plan.leaves).then_some(client);
    while workers.join_next().await.is_some() {}
    drop(keeper);
    if let Some(asker) = asker {
        // Each of its questions has an end.
        let _ = asker.await;
    }
    if let Some(client) = client {
        book.no_stream_is_held(Role::Client, &client.usage()).await;
    }
    match timeout(millis(END_MAX), &mut driver).await {
        // It may have been dropped.
        Ok(ended) => book.has_sent_what_failed(ended.unwrap_or(false)),
        Err(_) => book.fault(Fault::run("I-21: our client's driver does not end")),
    }
}

/// Keeps a place for a stream, which nobody else may take.
async fn keep(mut client: Client, book: Book) {
    // The server's first frame says how many there are.
    while client.stats().frames_received == 0 && !client.is_closed() {
        tokio::time::sleep(millis(KEPT)).await;
    }
    let kept = poll_fn(|cx| Service::<http::Request<Parts>>::poll_ready(&mut client, cx));
    if kept.await.is_err() {
        return;
    }
    book.mark("keeper");
    while client.openable() > 0 {
        tokio::time::sleep(millis(KEPT)).await;
    }
    if !client.is_closed() {
        book.fault(Fault::run(
            "I-18: a place that is kept was given to somebody else",
        ));
    }
}

/// Whether a deadline of ours is the reason, or whatever else our side finds.
fn is_impatient(error: &Error) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref());
    error.violation().is_some() || source.is_some_and(is_impatient)
}

/// Makes every request whose turn is with this worker.
async fn work(client: Client, worker: usize, book: Book) {
    let mine = |request: &&Request| request.n as usize % book.plan.workers == worker;
    let mut requests = book.plan.requests.iter().filter(mine).peekable();
    let mut client = Some(client);
    while let Some(request) = requests.next() {
        tokio::time::sleep(millis(request.pause)).await;
        // Who leaves lets go of the last handle with the last request.
        let last = book.plan.leaves && requests.peek().is_none();
        let handle = if last { client.take() } else { client.clone() };
        let Some(handle) = handle else { return };
        let n = request.n;
        book.tell(n, "is made", |oracle| oracle.register(n, request.up()));
        in_time(request, exchange(handle, request, last, &book), &book).await;
    }
}

/// Makes a request, and gives it up when its time is over.
pub(super) async fn in_time(request: &Request, exchange: impl Future<Output = ()>, book: &Book) {
    let Some(after) = request.give_up else {
        return exchange.await;
    };
    let mut limit = Instant::now() + millis(after);
    if book.plan.on_time {
        let ends = book.now().as_millis() as u64 + after;
        limit += millis(ends.next_multiple_of(book.plan.tick) - ends);
    }
    let mut exchange = Box::pin(exchange);
    if timeout_at(limit, exchange.as_mut()).await.is_err() {
        book.is_about_to_give_up();
        drop(exchange);
        book.give_up(request.n);
    }
}

/// Takes the interim responses to request `n` as they come.
async fn watch(n: u64, response: &mut raddle_io::ResponseFuture, book: &Book) {
    while let Some(interim) = response.informational().await {
        match interim {
            Ok(head) => book.interim(n, &head),
            Err(error) => book.fault(Fault::of(n, format!("I-04: no interim response: {error}"))),
        }
    }
}

/// Lets the task that made a request ask for its answer once, and another one from there on.
async fn handed_over(
    mut response: raddle_io::ResponseFuture,
    book: &Book,
) -> Result<http::Response<RecvBody>, Error> {
    let asked = poll_fn(|cx| Poll::Ready(Pin::new(&mut response).poll(cx))).await;
    match asked {
        Poll::Ready(result) => result,
        Poll::Pending => match Handed::spawn(response).await {
            Ok(result) => {
                book.mark("J01");
                result
            }
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        },
    }
}

async fn exchange(mut client: Client, request: &Request, last: bool, book: &Book) {
    let n = request.n;
    if request.polite && request.handed_over {
        // It asks for a place, and does not use it.
        let mut other = client.clone();
        if n % 2 == 1 {
            // Alone in a task, which nothing else wakes.
            let _ = Handed::spawn(handles::leave_when_called(other, book.clone())).await;
        } else if let Err(error) = place(&mut other, book).await {
            return failed(n, &error, book);
        }
    }
    if request.polite
        && let Err(error) = place(&mut client, book).await
    {
        return failed(n, &error, book);
    }
    let told = book.was_told_to_go();
    if request.dawdle > 0 {
        tokio::time::sleep(millis(request.dawdle)).await;
    }
    let late = !told && book.was_told_to_go();
    let mut body = Parts::new(request.up(), Way::Up, request).counted(book);
    let gate = request.waits.then(|| body.gate());
    // Who has the last handle shares it with nobody.
    let caller = (request.calls_back && !last).then(|| Caller::new(&client, book));
    if let Some(caller) = &caller {
        body = body.calling(caller.clone());
    }
    let head = http::Request::builder()
        .method(if body.is_empty() { "GET" } else { "POST" })
        .uri(format!("http://server/{n}"));
    let head = match request.length(Way::Up) {
        Some(length) => head.header("content-length", length),
        None => head,
    };
    let whole = head.body(body).expect("the head is plain");
    let mut response = client.call(whole);
    drop(client);
    if last {
        book.lets_go();
    }
    if request.watches {
        watch(n, &mut response, book).await;
    }
    let answer = match (request.handed_over, caller) {
        (true, _) => handed_over(response, book).await,
        (false, Some(caller)) => caller.waits(response).await,
        (false, None) => response.await,
    };
    drop(gate);
    if late {
        book.is_too_late(n, &answer);
    }
    match answer {
        Ok(response) => read(n, response, book).await,
        Err(error) => failed(n, &error, book),
    }
}

pub(super) async fn read(n: u64, response: http::Response<RecvBody>, book: &Book) {
    let (head, mut body) = response.into_parts();
    let interims = head.extensions.get::<raddle_io::Informational>();
    book.interims(n, interims.map_or(&[], |interims| &interims.0));
    book.head(n, &head);
    let drops = book.plan.requests[n as usize].drops;
    if drops == Some(Half::Body) && !body.is_end_stream() {
        drop(body);
        book.mark("J03");
        return book.give_up(n);
    }
    // It lives on for as long as the body does, or not.
    let head = (drops != Some(Half::Head)).then_some(head);
    while let Some(frame) = bodies::next(&mut body, n, book).await {
        match frame {
            Ok(frame) => book.frame(n, Way::Down, &frame),
            Err(error) => return failed(n, &error, book),
        }
    }
    if head.is_none() {
        book.mark("J03");
    }
    book.complete(n);
}

pub(super) fn failed(n: u64, error: &Error, book: &Book) {
    book.accused("our client", error.violation());
    book.has_a_code(n, error);
    book.has_the_code_of_a_failed_answer(n, error);
    if error.kind() == Kind::Body {
        book.mark("J04");
        book.tell(n, "has no whole body", |oracle| oracle.gave_up(n));
    }
    if error.retry() == Retry::Safe {
        book.mark("safe from our client");
        let refused = matches!(error.kind(), Kind::Stream(error) if error.origin == Origin::Remote);
        let plan = &book.plan;
        if !refused && !plan.pooled && plan.cut.is_none() && plan.drain.is_none() {
            book.fault(Fault::of(n, format!("I-03: not even tried: {error}")));
        }
        if !refused && !plan.pooled && book.course().is_up() && !is_impatient(error) {
            let what = format!("I-03: not even tried while all was well: {error}");
            book.fault(Fault::of(n, what));
        }
    }
    let ours = !book.plan.h2_server;
    if ours && error.origin() == Some(Origin::Remote) {
        book.is_ended_by_server(n);
    }
    book.failed(n, error.retry(), &error.to_string());
}
