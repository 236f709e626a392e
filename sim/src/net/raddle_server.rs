//! Our server: it answers as the plan says.

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use raddle_core::{ErrorCode, Role};
use raddle_io::{BoxError, Informer, RecvBody, Responder};
use tokio::time::{Sleep, sleep};
use tower_service::Service;

use super::{
    bodies::{self, Echo, Parts},
    book::Book,
    handles::Handed,
    interims,
    plan::millis,
    request::{Answer, Wanted},
    socket::Socket,
};
use crate::{oracle::Way, outcome::Fault};

/// Milliseconds until a service is ready.
const HELD_BACK: u64 = 12;

type Answered = Response<UnsyncBoxBody<Bytes, BoxError>>;

pub(super) async fn run(io: Socket, book: Book) {
    let _counted = book.one_connection();
    let end = if book.plan.accepts {
        accept(io, &book).await
    } else {
        serve(io, &book).await
    };
    book.note(format_args!("our server's connection ends: {end:?}"));
}

/// The driver of a server's connection has ended.
fn ends(end: &Result<(), raddle_io::Error>, book: &Book) {
    if let Err(error) = end {
        book.accused("our server", error.violation());
    }
    book.has_its_end(Role::Server, end);
}

/// When the server drains; never, mostly.
async fn drain_time(book: &Book) {
    match book.plan.drain {
        Some((Role::Server, after)) if book.one_more_drains() => sleep(millis(after)).await,
        _ => std::future::pending().await,
    }
    book.note(format_args!("the server drains"));
    book.mark("drain by server");
    book.course().is_to_go(book.now());
}

async fn serve(io: Socket, book: &Book) -> Result<(), raddle_io::Error> {
    let service = Handler::new(book.clone());
    let mut serve = raddle_io::serve_connection(io, service, book.plan.server.clone());
    if book.plan.informs {
        serve = serve.informs();
    }
    book.course().usage = Some(serve.usage());
    let early = tokio::select! {
        biased;
        end = &mut serve => Some(end),
        () = drain_time(book) => {
            Pin::new(&mut serve).graceful_shutdown();
            None
        }
    };
    let end = match early {
        Some(end) => end,
        None => (&mut serve).await,
    };
    ends(&end, book);
    book.no_stream_is_held(Role::Server, &serve.usage()).await;
    end
}

async fn accept(io: Socket, book: &Book) -> Result<(), raddle_io::Error> {
    let (server, driver) = raddle_io::accept(io, book.plan.server.clone()).await?;
    let usage = server.usage();
    book.course().usage = Some(usage.clone());
    let mut server = Some(server);
    let mut driver: Pin<Box<dyn Future<Output = Result<(), raddle_io::Error>> + Send>> =
        match book.plan.driver_apart {
            true => Box::pin(apart(driver)),
            false => Box::pin(driver),
        };
    let mut drain = pin!(drain_time(book));
    let mut drained = false;
    let end = loop {
        let accepted = async {
            match &mut server {
                Some(server) => server.accept().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            end = &mut driver => break end,
            () = &mut drain, if !drained => {
                drained = true;
                match book.plan.lets_go {
                    true => drop(server.take()),
                    false => server.iter().for_each(raddle_io::Server::drain),
                }
            }
            Some((request, responder)) = accepted => {
                tokio::spawn(respond(request, responder, book.clone()));
            }
        }
    };
    ends(&end, book);
    drop(server);
    book.no_stream_is_held(Role::Server, &usage).await;
    end
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
    let full = (plan.as_ref()).is_some_and(|plan| plan.full);
    let drops = (plan.as_ref()).is_some_and(|plan| plan.polite);
    for number in 0..plan.as_ref().map_or(0, |plan| plan.interims) {
        // The client may have gone.
        let _ = responder.inform(interims::make(
            plan.as_ref().map_or(0, |plan| plan.n),
            number,
        ));
    }
    match answer(request, &book).await {
        Ok(response) if full => give_whole(response, responder).await,
        Ok(response) => drop(responder.respond(response).await),
        Err(_) if older => responder.reset(ErrorCode::HTTP_1_1_REQUIRED),
        // Who lets go of it has failed as much as who says so.
        Err(_) if drops => drop(responder),
        Err(_) => responder.reset(ErrorCode::INTERNAL_ERROR),
    }
}

/// Answers in one piece, where that is all there is.
async fn give_whole(response: Answered, responder: Responder) {
    let (head, body) = response.into_parts();
    match body.collect().await {
        Ok(whole) if whole.trailers().is_none() => {
            responder.respond_full(Response::from_parts(head, whole.to_bytes()));
        }
        Ok(whole) => drop(responder.respond(Response::from_parts(head, whole)).await),
        Err(_) => responder.reset(ErrorCode::INTERNAL_ERROR),
    }
}

async fn answer(request: Request<RecvBody>, book: &Book) -> Result<Answered, BoxError> {
    let plan = book
        .request(request.uri().path())
        .ok_or("there is no plan for this")?;
    let n = plan.n;
    let _busy = book.busy();
    let _counted = book.one_answer();
    book.holds_no_more();
    book.shown(n);
    book.comes_in_turn(n);
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
        _ => Parts::new(message, Way::Down, &plan)
            .counted(book)
            .boxed_unsync(),
    };
    let head = Response::builder().status(plan.status()).header("x-n", n);
    let head = match plan.length(Way::Down) {
        Some(length) => head.header("content-length", length),
        None => head,
    };
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

struct Handler {
    book: Book,
    /// It may be called.
    ready: bool,
    /// What it waits for until then.
    rest: Option<Pin<Box<Sleep>>>,
}

impl Handler {
    fn new(book: Book) -> Self {
        Self {
            book,
            ready: false,
            rest: None,
        }
    }
}

impl Clone for Handler {
    /// The clone has to be asked whether it is ready, too.
    fn clone(&self) -> Self {
        Self::new(self.book.clone())
    }
}

/// Says something before the answer, where there are the means to.
fn inform(request: &Request<RecvBody>, book: &Book) {
    let plan = book.request(request.uri().path());
    if let (Some(plan), Some(informer)) = (plan, request.extensions().get::<Informer>()) {
        for number in 0..plan.interims {
            // The client may have gone.
            let _ = informer.inform(interims::make(plan.n, number));
        }
    }
}

impl Service<Request<RecvBody>> for Handler {
    type Response = Answered;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Answered, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if self.book.plan.holds_back && !self.ready {
            let rest = || Box::pin(sleep(millis(HELD_BACK)));
            ready!(self.rest.get_or_insert_with(rest).as_mut().poll(cx));
        }
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RecvBody>) -> Self::Future {
        let book = self.book.clone();
        if !std::mem::take(&mut self.ready) {
            book.fault(Fault::run("a service is called that is not ready"));
        }
        inform(&request, &book);
        Box::pin(async move { answer(request, &book).await })
    }
}
