//! The `h2` crate as the peer of either side. It shares no code with us, and so no misreading of the rules.

use std::future::poll_fn;

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, client, server};
use http::{Request, Response};
use raddle_core::{Config, Retry};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    bodies::Parts,
    book::Book,
    plan::{Cut, millis},
    request::{self, Answer},
    socket::Socket,
};
use crate::{oracle::Way, outcome::Fault};

/// The `h2` client does not notice a peer that is silent: after this time, in milliseconds, we do.
const SILENCE_MAX: u64 = 120_000;

/// Sends what is left of a message, as fast as the peer takes it.
async fn send(
    stream: &mut SendStream<Bytes>,
    mut parts: Parts,
    slow: bool,
) -> Result<(), h2::Error> {
    loop {
        let mut part = match parts.next() {
            None => return stream.send_data(Bytes::new(), true),
            Some(Err(trailers)) => return stream.send_trailers(trailers),
            Some(Ok(part)) => part,
        };
        while !part.is_empty() {
            stream.reserve_capacity(part.len());
            let Some(capacity) = poll_fn(|cx| stream.poll_capacity(cx)).await else {
                return Ok(());
            };
            let now = part.split_to(capacity?.min(part.len()));
            let last = part.is_empty() && parts.is_empty();
            stream.send_data(now, last)?;
            if last {
                return Ok(());
            }
        }
        if slow {
            sleep(millis(2)).await;
        }
    }
}

/// Reads a message to its end.
async fn receive(body: &mut RecvStream, n: u64, way: Way, book: &Book) -> Result<(), h2::Error> {
    while let Some(data) = body.data().await {
        let data = data?;
        book.data(n, way, &data);
        body.flow_control().release_capacity(data.len())?;
    }
    if let Some(fields) = body.trailers().await? {
        book.trailers(n, way, &fields);
    }
    Ok(())
}

pub(super) async fn run_client(io: Socket, book: Book) {
    let Config {
        stream_window_bytes,
        connection_window_bytes,
        ..
    } = book.plan.client;
    let made = client::Builder::new()
        .initial_window_size(stream_window_bytes)
        .initial_connection_window_size(connection_window_bytes)
        .handshake(io)
        .await;
    let (requests, connection) = match made {
        Ok(made) => made,
        Err(error) => {
            // A socket that fails may do so at once; then nothing was sent.
            book.note(format_args!("the h2 client's handshake fails: {error}"));
            if book.plan.cut.is_none() {
                book.fault(Fault::run(format!("handshake: {error}")));
            }
            return;
        }
    };
    let watched = book.clone();
    let mut driver = tokio::spawn(async move {
        let end = connection.await;
        watched.note(format_args!("the h2 client's connection ends: {end:?}"));
        accuses(&watched, &end);
    });
    if let Some(Cut::ClientDrops(after)) = book.plan.cut {
        let (driver, book) = (driver.abort_handle(), book.clone());
        tokio::spawn(async move {
            sleep(millis(after)).await;
            book.note(format_args!("the client's connection is dropped"));
            book.mark("cut");
            driver.abort();
        });
    }
    let mut workers = JoinSet::new();
    for worker in 0..book.plan.workers {
        workers.spawn(work(requests.clone(), worker, book.clone()));
    }
    drop(requests);
    while workers.join_next().await.is_some() {}
    if timeout(millis(SILENCE_MAX), &mut driver).await.is_err() && book.plan.cut.is_none() {
        book.fault(Fault::run("I-21: our server does not let the h2 client go"));
    }
}

/// The `h2` crate ends a connection with an error of its own when we break a rule.
fn accuses(book: &Book, end: &Result<(), h2::Error>) {
    if let Err(error) = end
        && error.is_library()
        && error
            .reason()
            .is_some_and(|reason| reason != Reason::NO_ERROR)
    {
        book.fault(Fault::run(format!("the h2 crate accuses us: {error}")));
    }
}

async fn work(requests: client::SendRequest<Bytes>, worker: usize, book: Book) {
    let mine = |request: &&request::Request| request.n as usize % book.plan.workers == worker;
    for request in book.plan.requests.iter().filter(mine) {
        sleep(millis(request.pause)).await;
        let n = request.n;
        book.tell(n, "is made", |oracle| oracle.register(n, request.up()));
        let after = request.give_up.unwrap_or(SILENCE_MAX);
        let exchange = exchange(requests.clone(), request, &book);
        match timeout(millis(after), exchange).await {
            Ok(()) => {}
            Err(_) if request.give_up.is_some() || book.plan.cut.is_some() => book.give_up(n),
            Err(_) => book.fault(Fault::of(n, "I-21: the h2 client waits for ever")),
        }
    }
}

async fn exchange(requests: client::SendRequest<Bytes>, request: &request::Request, book: &Book) {
    let n = request.n;
    // What is not ready was not sent.
    let mut requests = match requests.ready().await {
        Ok(requests) => requests,
        Err(error) => return book.failed(n, Retry::Safe, &error.to_string()),
    };
    let parts = Parts::new(request.up(), Way::Up, request);
    let (empty, slow) = (parts.is_empty(), request.slow);
    let head = Request::builder()
        .method(if empty { "GET" } else { "POST" })
        .uri(format!("http://server/{n}"))
        .body(())
        .expect("the head is plain");
    let (response, mut stream) = match requests.send_request(head, empty) {
        Ok(sent) => sent,
        Err(error) => return book.failed(n, Retry::Safe, &error.to_string()),
    };
    drop(requests);
    // In one task, so that both end when the request is given up: the h2 crate takes a response that nobody reads off
    // the connection's window for as long as its request is still being sent.
    let upload = async {
        if !empty {
            // What goes wrong with it is told by the response.
            let _ = send(&mut stream, parts, slow).await;
        }
        std::future::pending::<()>().await;
    };
    // The answer is the end, also of an upload that is not whole by then.
    tokio::select! {
        biased;
        () = answered(response, n, book) => {}
        () = upload => {}
    }
}

async fn answered(response: client::ResponseFuture, n: u64, book: &Book) {
    let (head, mut body) = match response.await {
        Ok(response) => response.into_parts(),
        Err(error) => return book.failed(n, verdict(&error), &error.to_string()),
    };
    book.head(n, &head);
    match receive(&mut body, n, Way::Down, book).await {
        Ok(()) => book.complete(n),
        Err(error) => book.failed(n, Retry::Never, &error.to_string()),
    }
}

/// What the `h2` crate tells of a request whose response did not come.
fn verdict(error: &h2::Error) -> Retry {
    if error.is_remote() && error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM) {
        Retry::Safe
    } else {
        Retry::IfIdempotent
    }
}

pub(super) async fn run_server(io: Socket, book: Book) {
    let Config {
        stream_window_bytes,
        connection_window_bytes,
        concurrent_streams_max,
        ..
    } = book.plan.server;
    let made = server::Builder::new()
        .initial_window_size(stream_window_bytes)
        .initial_connection_window_size(connection_window_bytes)
        .max_concurrent_streams(concurrent_streams_max)
        .handshake(io)
        .await;
    let mut connection = match made {
        Ok(connection) => connection,
        Err(error) => return book.note(format_args!("the h2 server's handshake fails: {error}")),
    };
    let drains = match book.plan.drain {
        Some((raddle_core::Role::Server, after)) => after,
        _ => u64::MAX / 2,
    };
    let mut drain = std::pin::pin!(sleep(millis(drains)));
    let mut drained = false;
    let end = loop {
        tokio::select! {
            biased;
            accepted = connection.accept() => match accepted {
                Some(Ok((request, respond))) => {
                    tokio::spawn(handle(request, respond, book.clone()));
                }
                Some(Err(error)) => break Err(error),
                None => break Ok(()),
            },
            () = &mut drain, if !drained => {
                drained = true;
                book.note(format_args!("the server drains"));
                book.mark("drain by server");
                connection.graceful_shutdown();
            }
        }
    };
    book.note(format_args!("the h2 server's connection ends: {end:?}"));
    accuses(&book, &end);
}

async fn handle(
    request: Request<RecvStream>,
    mut respond: server::SendResponse<Bytes>,
    book: Book,
) {
    let Some(plan) = book.request(request.uri().path()) else {
        return;
    };
    let n = plan.n;
    book.shown(n);
    let mut body = request.into_body();
    sleep(millis(plan.delay)).await;
    // The body goes back only when it is whole: an echo in parts is our own server's matter.
    if !matches!(
        plan.answer,
        Answer::Unread(_) | Answer::Fail | Answer::Never
    ) {
        match receive(&mut body, n, Way::Up, &book).await {
            Ok(()) => book.whole(n, Way::Up),
            Err(error) => return book.note(format_args!("#{n} upload failed: {error}")),
        }
    }
    let Some(message) = plan.down() else {
        book.mark("reset by server");
        return respond.send_reset(match plan.misdirected {
            Some(_) => Reason::HTTP_1_1_REQUIRED,
            None => Reason::INTERNAL_ERROR,
        });
    };
    book.tell(n, "is answered", |oracle| {
        oracle.answered(n, message.clone())
    });
    let parts = Parts::new(message, Way::Down, &plan);
    let head = Response::builder().status(plan.status()).header("x-n", n);
    let head = match plan.length(Way::Down) {
        Some(length) => head.header("content-length", length),
        None => head,
    };
    let head = head.body(());
    let sent = respond.send_response(head.expect("the head is plain"), parts.is_empty());
    // The client may have gone.
    if let Ok(mut stream) = sent
        && !parts.is_empty()
    {
        let _ = send(&mut stream, parts, plan.slow).await;
    }
}
