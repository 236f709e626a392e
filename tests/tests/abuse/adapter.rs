//! Attacks on what stands between the engine and the world: the adapter's queues, TLS, the loop that accepts.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use raddle_io::{Client, Config, ErrorCode, Responder, Server};
use raddle_tests::{
    raw::RawPeer,
    wire::{self, GET, POST, kind},
};
use tokio::io::DuplexStream;
use tower_service::Service;

use crate::{
    blocks::{PLAIN, literal, message},
    costs::Costs,
};

const KIB: i64 = 1_024;

/// Our server under `config`, connected to a client that the test plays.
async fn server(config: Config) -> (Server, RawPeer<DuplexStream>) {
    let (near, far) = tokio::io::duplex(1 << 20);
    let (server, driver) = raddle_io::accept(near, config).await.unwrap();
    tokio::spawn(driver);
    (server, RawPeer::client(far, &[]).await)
}

/// Our client, connected to a server that the test plays.
async fn client(config: Config) -> (Client, RawPeer<DuplexStream>) {
    let (near, far) = tokio::io::duplex(1 << 20);
    let (client, driver) = raddle_io::connect(near, config).await.unwrap();
    tokio::spawn(driver);
    (client, RawPeer::server(far, &[]).await)
}

/// A request, if there is one now.
fn accept_now(server: &mut Server) -> Option<(Request<raddle_io::RecvBody>, Responder)> {
    let mut accept = pin!(server.accept());
    let polled = accept
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    match polled {
        Poll::Ready(accepted) => accepted,
        Poll::Pending => None,
    }
}

/// Waits until the other end has read everything before.
async fn settle(peer: &mut RawPeer<DuplexStream>) {
    peer.send(&wire::ping([1; 8], false)).await;
    while !peer.expect(kind::PING).await.payload.starts_with(&[1; 8]) {}
}

/// Opens 200 requests, each of which ends by `broken` while its handler goes on.
async fn handlers_go_on(broken: fn(u32) -> Vec<u8>) {
    let config = Config {
        concurrent_streams_max: 10,
        ..Config::default()
    };
    let (mut server, mut peer) = server(config).await;
    // Handlers that do not look whether anybody still waits for them.
    let mut handlers = Vec::new();
    let mut costs = Costs::begin(server.stats(), peer.written());
    // Two PINGs to each: fewer than a flood of them.
    for n in 0..200u32 {
        let stream = 2 * n + 1;
        peer.send(&wire::headers(stream, GET, true)).await;
        settle(&mut peer).await;
        handlers.extend(accept_now(&mut server));
        peer.send(&broken(stream)).await;
        settle(&mut peer).await;
        assert!(handlers.len() <= 10, "APP after {n} resets");
        costs.look();
    }
    assert_eq!(handlers.len(), 10);
    assert!(accept_now(&mut server).is_none());
    // Our end, ten handlers, the peer and the pipe.
    costs.assert(server.stats(), peer.written(), 64 * KIB);
    // One that ends makes room for one, and whoever waits to accept hears of it.
    peer.send(&wire::headers(2_001, GET, true)).await;
    settle(&mut peer).await;
    let accepting = tokio::spawn(async move { server.accept().await.is_some() });
    tokio::task::yield_now().await;
    assert!(!accepting.is_finished());
    handlers.pop();
    assert!(accepting.await.unwrap());
}

#[tokio::test]
async fn v09_requests_whose_handlers_go_on_after_a_reset() {
    handlers_go_on(|stream| wire::rst_stream(stream, ErrorCode::CANCEL.to_u32())).await;
}

#[tokio::test]
async fn v11_requests_whose_handlers_go_on_after_a_reset_of_ours() {
    handlers_go_on(|stream| wire::window_update(stream, 0)).await;
    handlers_go_on(|stream| wire::data(stream, b"behind the end", false)).await;
}

#[tokio::test]
async fn v09_requests_that_nobody_accepts() {
    let (mut server, mut peer) = server(Config::default()).await;
    let mut costs = Costs::begin(server.stats(), peer.written());
    for n in 0..900u32 {
        let stream = 2 * n + 1;
        let pair = [
            wire::headers(stream, GET, true),
            wire::rst_stream(stream, 8),
        ];
        peer.send(&pair.concat()).await;
        costs.look();
    }
    peer.send(&wire::headers(5_001, GET, true)).await;
    settle(&mut peer).await;
    assert_eq!(server.stats().resets_received, 900);
    // Those that were reset have left the line.
    let (_, responder) = accept_now(&mut server).expect("the last one");
    responder.respond_full(Response::new(Bytes::new()));
    assert!(accept_now(&mut server).is_none());
    // 900 pairs are in the pipe at once.
    costs.assert(server.stats(), peer.written(), 256 * KIB);
    // Those that stay: as many as may be open wait to be accepted, and no more; the others are refused.
    let mut costs = Costs::begin(server.stats(), peer.written());
    for n in 3_000..3_300u32 {
        peer.send(&wire::headers(2 * n + 1, GET, true)).await;
        settle(&mut peer).await;
        costs.look();
    }
    let mut accepted = Vec::new();
    while let Some(request) = accept_now(&mut server) {
        accepted.push(request);
    }
    assert_eq!(accepted.len(), 100, "APP, and the line before it");
    assert_eq!(server.stats().defences.streams_refused, 200);
    costs.assert(server.stats(), peer.written(), 192 * KIB);
}

#[tokio::test]
async fn v08_bodies_in_bytes_cost_a_slow_reader_bytes() {
    let (mut server, mut peer) = server(Config::default()).await;
    peer.send(&wire::headers(1, POST, false)).await;
    settle(&mut peer).await;
    let (request, _responder) = accept_now(&mut server).expect("a request");
    let mut costs = Costs::begin(server.stats(), peer.written());
    for _ in 0..200 {
        for _ in 0..100 {
            peer.send(&wire::data(1, b"x", false)).await;
        }
        settle(&mut peer).await;
        costs.look();
    }
    peer.send(&wire::data(1, b"y", true)).await;
    settle(&mut peer).await;
    // 20 KB in memory that doubles, and the pipe.
    costs.assert(server.stats(), peer.written(), 96 * KIB);
    let mut body = request.into_body();
    let (mut bytes, mut pieces) = (0, 0);
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap();
        bytes += data.len();
        pieces += 1;
    }
    assert_eq!(bytes, 20_001);
    assert!(pieces <= 8, "{pieces} pieces of memory for 20,001 frames");
}

#[tokio::test]
async fn v53_more_names_than_a_map_takes() {
    let config = Config {
        header_fields_max: 100_000,
        header_list_bytes_max: 4 << 20,
        header_bytes_total_max: 16 << 20,
        ..Config::default()
    };
    let of = |names: usize| -> Vec<u8> {
        let names = (0..names).map(|n| format!("x-{n}"));
        names
            .flat_map(|name| literal(PLAIN, name.as_bytes(), b""))
            .collect()
    };
    let fields = of(30_000);
    // By default, 512 of them are too many for one stream.
    let (mut ours, mut peer) = server(Config::default()).await;
    let few = [wire::block(GET), of(600)].concat();
    let costs = Costs::begin(ours.stats(), peer.written());
    peer.send(&message(1, &few, true)).await;
    assert_eq!(
        peer.expect(kind::RST_STREAM).await.number(0),
        ErrorCode::ENHANCE_YOUR_CALM.to_u32()
    );
    assert!(accept_now(&mut ours).is_none());
    assert_eq!(ours.stats().defences.header_lists_refused, 1);
    costs.assert(ours.stats(), peer.written(), 64 * KIB);
    // It has cost its stream, and the connection lives.
    settle(&mut peer).await;
    // Without the limit it is the map that says no, and the request is answered for the application.
    let (mut ours, mut peer) = server(config.clone()).await;
    let costs = Costs::begin(ours.stats(), peer.written());
    peer.send(&message(
        1,
        &[wire::block(GET), fields.clone()].concat(),
        true,
    ))
    .await;
    settle(&mut peer).await;
    assert!(accept_now(&mut ours).is_none());
    let answer = peer.expect(kind::HEADERS).await;
    assert_eq!(answer.payload[0], 0x8c, ":status 400");
    settle(&mut peer).await;
    // A list of 1.3 MB by its size, while it grew, and what is in the pipe.
    costs.assert(ours.stats(), peer.written(), 4_096 * KIB);
    // A client hears an error, and goes on.
    let (mut ours, mut peer) = client(config).await;
    let request = Request::get("http://test/")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let asking = tokio::spawn(async move { ours.call(request).await.is_err() });
    peer.expect(kind::HEADERS).await;
    peer.send(&message(1, &[vec![0x88], fields].concat(), true))
        .await;
    assert!(asking.await.unwrap());
}
