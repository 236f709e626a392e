//! gRPC by tonic, over our client and our server: unary calls, streams in both directions at once, and calls that fail.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf, BufMut, Bytes};
use http::{Request, uri::PathAndQuery};
use raddle_io::{Client, Config, RecvBody};
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};
use tonic::{
    Code, Status, Streaming,
    body::Body,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::{StreamingService, UnaryService},
};
use tower_service::Service;

/// Messages are bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Plain;

impl Codec for Plain {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// Answers each message with itself, and refuses some.
#[derive(Clone, Copy)]
struct Echo;

impl UnaryService<Bytes> for Echo {
    type Response = Bytes;
    type Future = std::future::Ready<Result<tonic::Response<Bytes>, Status>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        std::future::ready(match &request.get_ref()[..] {
            b"fail" => Err(Status::not_found("no such thing")),
            _ => Ok(tonic::Response::new(request.into_inner())),
        })
    }
}

impl StreamingService<Bytes> for Echo {
    type Response = Bytes;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;
    type Future = std::future::Ready<Result<tonic::Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: tonic::Request<Streaming<Bytes>>) -> Self::Future {
        let answers = request.into_inner().map(|message| match message {
            Ok(message) if message == "fail" => Err(Status::aborted("in the middle")),
            message => message,
        });
        std::future::ready(Ok(tonic::Response::new(Box::pin(answers))))
    }
}

impl Service<Request<RecvBody>> for Echo {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RecvBody>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Plain);
            Ok(match request.uri().path() {
                "/test.Echo/Once" => grpc.unary(Echo, request).await,
                _ => grpc.streaming(Echo, request).await,
            })
        })
    }
}

/// tonic's client over ours, to a server of ours.
async fn connected() -> Grpc<Client> {
    let (near, far) = tokio::io::duplex(65_536);
    tokio::spawn(raddle_io::serve_connection(far, Echo, Config::default()));
    let (client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
    tokio::spawn(driver);
    Grpc::with_origin(client, "http://test".parse().unwrap())
}

async fn once(grpc: &mut Grpc<Client>, message: Bytes) -> Result<Bytes, Status> {
    grpc.ready().await.unwrap();
    let path = PathAndQuery::from_static("/test.Echo/Once");
    let answer = grpc
        .unary(tonic::Request::new(message), path, Plain)
        .await?;
    Ok(answer.into_inner())
}

#[tokio::test]
async fn unary_calls_are_answered_or_refused_with_their_status() {
    let mut grpc = connected().await;
    for len in [0, 5, 100_000, 1_000_000] {
        let message = Bytes::from(vec![7; len]);
        assert_eq!(once(&mut grpc, message.clone()).await.unwrap(), message);
    }
    let refused = once(&mut grpc, Bytes::from_static(b"fail"))
        .await
        .unwrap_err();
    assert_eq!(
        (refused.code(), refused.message()),
        (Code::NotFound, "no such thing")
    );
}

#[tokio::test]
async fn streams_go_both_ways_at_once_and_end_with_their_status() {
    for last in ["", "fail"] {
        let mut grpc = connected().await;
        grpc.ready().await.unwrap();
        let (send, messages) = mpsc::channel(1);
        let request = tonic::Request::new(ReceiverStream::new(messages));
        let path = PathAndQuery::from_static("/test.Echo/All");
        // The answer begins before there is a message.
        let answered = grpc.streaming(request, path, Plain).await.unwrap();
        let mut answers = answered.into_inner();
        for n in 0..100u8 {
            let message = Bytes::from(vec![n; 1_000]);
            send.send(message.clone()).await.unwrap();
            assert_eq!(answers.message().await.unwrap(), Some(message));
        }
        if last.is_empty() {
            drop(send);
            assert_eq!(answers.message().await.unwrap(), None);
        } else {
            send.send(Bytes::from(last)).await.unwrap();
            let status = answers.message().await.unwrap_err();
            assert_eq!(
                (status.code(), status.message()),
                (Code::Aborted, "in the middle")
            );
        }
    }
}

#[tokio::test]
async fn a_call_that_is_dropped_leaves_its_stream_to_others() {
    let mut grpc = connected().await;
    for _ in 0..300 {
        grpc.ready().await.unwrap();
        let (send, messages) = mpsc::channel::<Bytes>(1);
        let request = tonic::Request::new(ReceiverStream::new(messages));
        let path = PathAndQuery::from_static("/test.Echo/All");
        let answered = grpc.streaming(request, path, Plain).await.unwrap();
        drop(answered);
        send.closed().await;
    }
    assert_eq!(
        once(&mut grpc, Bytes::from_static(b"on")).await.unwrap(),
        "on"
    );
}
