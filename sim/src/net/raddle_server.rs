//! Our server: it answers as the plan says.

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use raddle_core::{ErrorCode, Role};
use raddle_io::{BoxError, RecvBody, Responder};
use tokio::time::sleep;
use tower_service::Service;

use super::{
    bodies::{self, Echo, Parts},
    book::Book,
    handles::Handed,
    plan::millis,
    request::{Answer, Wanted},
    socket::Socket,
};
use crate::oracle::Way;

type Answered = Response<UnsyncBoxBody<Bytes, BoxError>>;

pub(super) async fn run(io: Socket, book: Book) {
    let end = if book.plan.accepts {
        accept(io, &book).await
    } else {
        serve(io, &book).await
    };
    if let Err(error) = &end {
        book.accused("our server", error.violation());
    }
    book.has_its_end(Role::Server, &end);
    book.note(format_args!("our server's connection ends: {end:?}"));
}

/// When the server drains; never, mostly.
async fn drain_time(book: &Book) {
    match book.plan.drain {
        Some((Role::Server, after)) if book.one_more_drains() => sleep(millis(after)).await,
        _ => std::future::pending().await,
    }
    book.note(format_args!("the server drains"));
    book.mark("drain by server");
}

async fn serve(io: Socket, book: &Book) -> Result<(), raddle_io::Error> {
    let service = Handler { book: book.clone() };
    let mut serve = raddle_io::serve_connection(io, service, book.plan.server.clone());
    tokio::select! {
        biased;
        end = &mut serve => return end,
        () = drain_time(book) => Pin::new(&mut serve).graceful_shutdown(),
    }
    serve.await
}

async fn accept(io: Socket, book: &Book) -> Result<(), raddle_io::Error> {
    let (mut server, driver) = raddle_io::accept(io, book.plan.server.clone()).await?;
    let mut driver: Pin<Box<dyn Future<Output = Result<(), raddle_io::Error>> + Send>> =
        match book.plan.driver_apart {
            true => Box::pin(apart(driver)),
            false => Box::pin(driver),
        };
    let mut drain = pin!(drain_time(book));
    let mut drained = false;
    loop {
        tokio::select! {
            biased;
            end = &mut driver => return end,
            () = &mut drain, if !drained => {
                drained = true;
                server.drain();
            }
            Some((request, responder)) = server.accept() => {
                tokio::spawn(respond(request, responder, book.clone()));
            }
        }
    }
}

/// Drives a connection in a task of its own, that ends with who waits for it.
async fn apart<T>(driver: raddle_io::Driver<T>) -> Result<(), raddle_io::Error>
where
    raddle_io::Driver<T>: Future<Output = Result<(), raddle_io::Error>> + Send + 'static,
{
    match Handed::spawn(driver).await {
        Ok(end) => end,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

async fn respond(request: Request<RecvBody>, mut responder: Responder, book: Book) {
    let plan = book.request(request.uri().path());
    let older = (plan.as_ref()).is_some_and(|plan| plan.misdirected == Some(Wanted::Http1));
    for _ in 0..plan.map_or(0, |plan| plan.interims) {
        let hint = Response::builder().status(103).body(());
        // The client may have gone.
        let _ = responder.inform(hint.expect("the head is plain"));
    }
    match answer(request, &book).await {
        Ok(response) => drop(responder.respond(response).await),
        Err(_) if older => responder.reset(ErrorCode::HTTP_1_1_REQUIRED),
        Err(_) => responder.reset(ErrorCode::INTERNAL_ERROR),
    }
}

async fn answer(request: Request<RecvBody>, book: &Book) -> Result<Answered, BoxError> {
    let plan = book
        .request(request.uri().path())
        .ok_or("there is no plan for this")?;
    let n = plan.n;
    let _busy = book.busy();
    book.shown(n);
    let mut body = request.into_body();
    sleep(millis(plan.delay)).await;
    if matches!(plan.answer, Answer::Sized(..)) {
        read(n, &mut body, book).await?;
    }
    if plan.answer == Answer::Never {
        book.mark("no answer");
        return std::future::pending().await;
    }
    let Some(message) = plan.down() else {
        book.mark("reset by server");
        return Err("it was to fail".into());
    };
    book.tell(n, "is answered", |oracle| {
        oracle.answered(n, message.clone())
    });
    let body = match plan.answer {
        Answer::Echo => Echo {
            body,
            n,
            book: book.clone(),
            done: false,
        }
        .boxed_unsync(),
        _ => Parts::new(message, Way::Down, &plan).boxed_unsync(),
    };
    let head = Response::builder().status(plan.status()).header("x-n", n);
    Ok(head.body(body).expect("the head is plain"))
}

async fn read(n: u64, body: &mut RecvBody, book: &Book) -> Result<(), BoxError> {
    while let Some(frame) = bodies::next(body, n, book).await {
        match frame {
            Ok(frame) => book.frame(n, Way::Up, &frame),
            Err(error) => {
                book.upload_failed(n, &error);
                return Err(error.into());
            }
        }
    }
    book.whole(n, Way::Up);
    Ok(())
}

#[derive(Clone)]
struct Handler {
    book: Book,
}

impl Service<Request<RecvBody>> for Handler {
    type Response = Answered;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Answered, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RecvBody>) -> Self::Future {
        let book = self.book.clone();
        Box::pin(async move { answer(request, &book).await })
    }
}
