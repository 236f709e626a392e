//! What the tests share.
#![allow(dead_code, reason = "each test uses its part")]

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use raddle_io::{BoxError, Client, Config, RecvBody};
use tower_service::Service;

pub(crate) type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;

/// A service out of a function.
#[derive(Clone)]
pub(crate) struct Echo<F>(pub(crate) F);

impl<F> Service<Request<RecvBody>> for Echo<F>
where
    F: Fn(Request<RecvBody>) -> Answer,
{
    type Response = Answer;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Answer, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RecvBody>) -> Self::Future {
        std::future::ready(Ok((self.0)(request)))
    }
}

/// A body that never goes on.
pub(crate) struct Stuck;

impl Body for Stuck {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Pending
    }
}

/// Answers a GET with its method and path, and anything else with its own body and trailers.
pub(crate) fn echo(request: Request<RecvBody>) -> Answer {
    if request.method() == Method::GET {
        let text = format!("{} {}", request.method(), request.uri().path());
        return Response::new(
            Full::new(Bytes::from(text))
                .map_err(|never| match never {})
                .boxed_unsync(),
        );
    }
    Response::new(
        WithTrailers {
            body: request.into_body(),
            done: false,
        }
        .boxed_unsync(),
    )
}

struct WithTrailers {
    body: RecvBody,
    done: bool,
}

impl Body for WithTrailers {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.done {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(frame)) => Poll::Ready(Some(frame.map_err(Into::into))),
            Poll::Ready(None) => {
                self.done = true;
                let trailers = HeaderMap::from_iter([(
                    "x-end".parse().unwrap(),
                    HeaderValue::from_static("yes"),
                )]);
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
        }
    }
}

pub(crate) fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(format!("http://test{path}"))
        .body(Full::default())
        .unwrap()
}

/// A client whose connection is served by `answer`, both ends running in tasks.
pub(crate) fn client_of<F>(answer: F) -> Client
where
    F: Fn(Request<RecvBody>) -> Answer + Clone + Send + Unpin + 'static,
{
    let (near, far) = tokio::io::duplex(65_536);
    tokio::spawn(raddle_io::serve_connection(
        far,
        Echo(answer),
        Config::default(),
    ));
    let (client, driver) = now(raddle_io::connect(near, Config::default())).unwrap();
    tokio::spawn(driver);
    client
}

/// The result of a future that is ready at once.
pub(crate) fn now<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(std::task::Waker::noop()))
    {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it was to be ready at once"),
    }
}
