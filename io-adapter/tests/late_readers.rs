//! Answers that are taken after their stream has ended, when the engine has given its place to the next one.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use raddle_io::{BoxError, Client, RecvBody};
use tower_service::Service;

#[path = "support/mod.rs"]
mod support;
use support::{Answer, client_of, echo, get};

/// A body of one part, and then a frame or an error when it is asked for the next.
fn part_and(last: Result<Frame<Bytes>, BoxError>) -> Answer {
    let part = Ok(Frame::data(Bytes::from_static(b"part")));
    let frames = VecDeque::from([part, last]);
    Response::new(StreamBody::new(Frames(frames)).boxed_unsync())
}

/// A stream of what is there.
struct Frames(VecDeque<Result<Frame<Bytes>, BoxError>>);

impl futures_core::Stream for Frames {
    type Item = Result<Frame<Bytes>, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.pop_front())
    }
}

fn answer(request: Request<RecvBody>) -> Answer {
    match request.uri().path() {
        "/empty" => {
            let body = Empty::new().map_err(|never: Infallible| match never {});
            let mut response = Response::new(body.boxed_unsync());
            *response.status_mut() = StatusCode::NO_CONTENT;
            response
        }
        "/trailers" => part_and(Ok(Frame::trailers(
            [(http::header::ETAG, "end".parse().unwrap())]
                .into_iter()
                .collect(),
        ))),
        "/cut" => part_and(Err("the disk is gone".into())),
        _ => echo(request),
    }
}

/// Lets the other tasks run until every stream has ended, and then three more begin and end in their places.
async fn others_take_the_place(client: &mut Client, idle: usize) {
    while client.openable() < idle {
        tokio::task::yield_now().await;
    }
    for _ in 0..3 {
        let response = client.call(get("/other")).await.unwrap();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "GET /other");
    }
}

/// A connection whose SETTINGS have been exchanged, and how many streams it allows.
async fn warm() -> (Client, usize) {
    let mut client = client_of(answer);
    let response = client.call(get("/other")).await.unwrap();
    response.into_body().collect().await.unwrap();
    client.ping().await.unwrap();
    let idle = client.openable();
    (client, idle)
}

#[tokio::test]
async fn a_head_waits_for_a_late_caller() {
    let (mut client, idle) = warm().await;
    let late = Service::<Request<Full<Bytes>>>::call(&mut client, get("/empty"));
    others_take_the_place(&mut client, idle).await;
    assert_eq!(late.await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(client.streams(), 0);
}

#[tokio::test]
async fn trailers_wait_for_a_late_reader() {
    let (mut client, idle) = warm().await;
    let mut late = client.call(get("/trailers")).await.unwrap().into_body();
    let part = late.frame().await.unwrap().unwrap();
    assert_eq!(part.into_data().unwrap(), "part");
    others_take_the_place(&mut client, idle).await;
    let trailers = late.frame().await.unwrap().unwrap();
    assert_eq!(trailers.into_trailers().unwrap()["etag"], "end");
    drop(late);
    assert_eq!(client.streams(), 0);
}

#[tokio::test]
async fn a_body_that_was_cut_never_looks_whole_to_a_late_reader() {
    let (mut client, idle) = warm().await;
    let mut late = client.call(get("/cut")).await.unwrap().into_body();
    let part = late.frame().await.unwrap().unwrap();
    assert_eq!(part.into_data().unwrap(), "part");
    others_take_the_place(&mut client, idle).await;
    assert!(late.frame().await.unwrap().is_err());
    drop(late);
    assert_eq!(client.streams(), 0);
}

#[tokio::test]
async fn an_answer_that_was_read_whole_holds_no_stream() {
    let (mut client, idle) = warm().await;
    for (path, parts) in [("/empty", 0), ("/other", 1), ("/trailers", 2)] {
        let late = Service::<Request<Full<Bytes>>>::call(&mut client, get(path));
        others_take_the_place(&mut client, idle).await;
        let mut body = late.await.unwrap().into_body();
        for part in 0..parts {
            assert_eq!(
                client.streams(),
                1,
                "{path}: part {part} is still to be read"
            );
            assert!(body.frame().await.unwrap().is_ok(), "{path}: part {part}");
        }
        assert_eq!(client.streams(), 0, "{path}, while the body is held");
        assert!(body.is_end_stream(), "{path}");
        assert_eq!(body.size_hint().exact(), Some(0), "{path}");
        assert!(body.frame().await.is_none(), "{path}");
    }
}
