//! Uploads that are held back by the peer's window: what ends them, and that nothing of them stays.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame};
use raddle_io::{Client, Config, ErrorCode, ResponseFuture, Violation};
use raddle_tests::{
    raw::RawPeer,
    wire::{self, kind},
};
use tokio::{io::DuplexStream, sync::oneshot, time::timeout};
use tower_service::Service;

const OK: &[(&str, &str)] = &[(":status", "200")];
/// In virtual time: far less than any deadline.
const SECOND: Duration = Duration::from_secs(1);

/// A body that goes on for ever, and tells when it is dropped.
struct Endless(#[allow(dead_code, reason = "dropped with it")] oneshot::Sender<()>);

impl Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[7; 16_384])))))
    }
}

/// An upload that has filled the peer's window and waits.
struct Held {
    client: Client,
    response: ResponseFuture,
    body: oneshot::Receiver<()>,
    peer: RawPeer<DuplexStream>,
}

impl Held {
    async fn back() -> Self {
        let (near, far) = tokio::io::duplex(1 << 20);
        let (mut client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
        tokio::spawn(driver);
        let mut peer = RawPeer::server(far, &[]).await;
        let (alive, body) = oneshot::channel();
        let request = Request::post("http://test/").body(Endless(alive)).unwrap();
        let response = client.call(request);
        let mut sent = 0;
        while sent < 65_535 {
            sent += peer.expect(kind::DATA).await.payload.len();
        }
        tokio::time::sleep(SECOND).await;
        Self {
            client,
            response,
            body,
            peer,
        }
    }

    /// The body is dropped at once, and the stream forgotten.
    async fn is_gone(body: oneshot::Receiver<()>, client: &Client) {
        let dropped = timeout(SECOND, body).await;
        assert!(dropped.expect("the upload ends").is_err());
        tokio::task::yield_now().await;
        assert_eq!(client.streams(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_of_the_peer_ends_an_upload_that_waits() {
    let mut held = Held::back().await;
    let code = ErrorCode::CANCEL.to_u32();
    held.peer.send(&wire::rst_stream(1, code)).await;
    let error = timeout(SECOND, held.response).await.expect("at once");
    assert_eq!(error.unwrap_err().reason(), Some(ErrorCode::CANCEL));
    Held::is_gone(held.body, &held.client).await;
}

#[tokio::test(start_paused = true)]
async fn a_reset_of_our_own_ends_an_upload_that_waits() {
    let mut held = Held::back().await;
    // An update of nothing is a fault of this stream alone (RFC 9113 §6.9).
    held.peer.send(&wire::window_update(1, 0)).await;
    let error = timeout(SECOND, held.response).await.expect("at once");
    let fault = error.unwrap_err().violation();
    assert_eq!(fault, Some(Violation::WindowUpdateZeroOnStream));
    Held::is_gone(held.body, &held.client).await;
}

#[tokio::test(start_paused = true)]
async fn a_whole_answer_and_a_reset_without_error_end_an_upload_that_waits() {
    let mut held = Held::back().await;
    held.peer.send(&wire::headers(1, OK, true)).await;
    let code = ErrorCode::NO_ERROR.to_u32();
    held.peer.send(&wire::rst_stream(1, code)).await;
    let response = timeout(SECOND, held.response).await.expect("at once");
    drop(response.expect("RFC 9113 §8.1: it is whole"));
    Held::is_gone(held.body, &held.client).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_reads_on_takes_the_upload_with_it() {
    let mut held = Held::back().await;
    held.peer.send(&wire::headers(1, OK, false)).await;
    let response = timeout(SECOND, held.response).await.expect("at once");
    drop(response.unwrap().into_body());
    let reset = held.peer.expect(kind::RST_STREAM).await;
    assert_eq!(reset.number(0), ErrorCode::CANCEL.to_u32());
    Held::is_gone(held.body, &held.client).await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_transport_ends_an_upload_that_waits() {
    let held = Held::back().await;
    drop(held.peer);
    let error = timeout(SECOND, held.response).await.expect("at once");
    assert!(error.is_err());
    Held::is_gone(held.body, &held.client).await;
}

#[tokio::test(start_paused = true)]
async fn a_window_that_opens_moves_an_upload_that_waits() {
    let mut held = Held::back().await;
    for stream in [1, 0] {
        held.peer.send(&wire::window_update(stream, 1_000)).await;
    }
    let more = timeout(SECOND, held.peer.expect(kind::DATA)).await;
    assert_eq!(more.expect("at once").payload.len(), 1_000);
    // The same by SETTINGS, which move the streams' windows and not the connection's.
    held.peer.send(&wire::settings(&[(4, 67_535)])).await;
    held.peer.send(&wire::window_update(0, 500)).await;
    let more = timeout(SECOND, held.peer.expect(kind::DATA)).await;
    assert_eq!(more.expect("at once").payload.len(), 500);
    drop(held.response);
    Held::is_gone(held.body, &held.client).await;
}
