//! Attacks that need threads or TLS: on the lock around the encoder, and on what lies between a socket and the engine.

use std::{net::SocketAddr, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use http::{Request, StatusCode};
use http_body_util::Empty;
use raddle_core::{Connection, Event, ResponseHead, Role, Then, Timestamp, Transmit};
use raddle_io::{Config, tls};
use raddle_lb::{
    limits::Limits,
    start::{Options, Running, start},
};
use raddle_tests::{
    patience::within,
    raw::RawPeer,
    wire::{self, flag, kind},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    net::TcpStream,
};
use tower_service::Service;

const PATIENCE: Duration = Duration::from_secs(20);

/// A server made of an engine and a loop, which changes its SETTINGS under the client's feet: the size of the
/// client's table goes to nothing and back all the while. Answers the number of requests that it has read.
async fn fickle_server(mut io: DuplexStream) -> usize {
    let mut engine = Connection::new(Role::Server, Config::default(), Timestamp(0));
    let (mut raw, mut inbox, mut out) = (Vec::new(), BytesMut::new(), Transmit::new());
    let (mut acks, mut requests, mut turns) = (0, 0, 0u32);
    loop {
        engine.poll_transmit(&mut out, Timestamp(0));
        let mut bytes = out.copy_to_bytes(out.remaining()).to_vec();
        if turns > 0 && turns <= 900 {
            bytes.extend(wire::settings(&[(1, 4_096 * (turns % 2))]));
        }
        turns += 1;
        if io.write_all(&bytes).await.is_err() {
            return requests;
        }
        if !matches!(io.read_buf(&mut raw).await, Ok(1..)) {
            return requests;
        }
        // The engine did not send those SETTINGS, and must not see what answers them.
        let (frames, rest) = wire::frames(&raw);
        inbox.extend_from_slice(
            raw.strip_prefix(wire::PREFACE)
                .map_or(b"", |_| wire::PREFACE),
        );
        for frame in frames {
            let ack = frame.kind == kind::SETTINGS && frame.flags == flag::ACK;
            acks += u32::from(ack);
            if !ack || acks == 1 {
                let bytes = wire::frame(frame.kind, frame.flags, frame.stream, &frame.payload);
                inbox.extend_from_slice(&bytes);
            }
        }
        raw.drain(..raw.len() - rest);
        engine.handle_input(&mut inbox, Timestamp(0));
        while let Some(event) = engine.poll_event() {
            match event {
                Event::Request { stream, head, .. } => {
                    // What HPACK gave is what was asked for.
                    assert_eq!(head.as_fields().find(b"x-key"), head.path());
                    let answer = ResponseHead::new(200).finish();
                    engine.respond(stream, answer, Then::End).unwrap();
                    requests += 1;
                }
                Event::Closed { error } => assert_eq!(error, None, "HPACK is in step"),
                _ => {}
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn v44_settings_while_others_encode() {
    let (near, far) = tokio::io::duplex(65_536);
    let serving = tokio::spawn(fickle_server(far));
    let (client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
    tokio::spawn(driver);
    let askers = (0..8).map(|asker| {
        let mut client = client.clone();
        tokio::spawn(async move {
            for n in 0..100 {
                let path = format!("/{asker}/{n}");
                let request = Request::get(format!("http://test{path}"))
                    .header("x-key", &path)
                    .body(Empty::<Bytes>::new())
                    .unwrap();
                let response = client.call(request).await.unwrap();
                assert_eq!(response.status(), StatusCode::OK);
            }
        })
    });
    for asker in askers.collect::<Vec<_>>() {
        within(PATIENCE, "all requests", asker).await.unwrap();
    }
    drop(client);
    let requests = within(PATIENCE, "the end", serving).await.unwrap();
    assert_eq!(requests, 800);
}

async fn balancer() -> Running {
    let options = Options {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        backends: Vec::new(),
        certificate: None,
        insecure_backends: false,
        limits: Limits::default(),
    };
    start(options).await.unwrap()
}

/// A TLS client that plays HTTP/2 by hand.
async fn encrypted(running: &Running) -> RawPeer<tls::TlsStream<TcpStream>> {
    let io = TcpStream::connect(running.address).await.unwrap();
    let connector = tls::Connector::new(tls::Trust::Anyone);
    let io = connector.connect("localhost", io).await.unwrap();
    RawPeer::client(io, &[]).await
}

#[tokio::test]
async fn v52_an_end_in_the_middle_of_a_handshake() {
    let running = balancer().await;
    for said in [
        // close_notify, a fatal alert, the head of a hello, application data, and a record that is too long.
        &[21, 3, 3, 0, 2, 1, 0][..],
        &[21, 3, 3, 0, 2, 2, 40],
        &[22, 3, 1, 0, 4, 1, 0, 0, 0],
        &[23, 3, 3, 0, 5, 1, 2, 3, 4, 5],
        &[22, 3, 1, 0xff, 0xff],
    ] {
        let mut io = TcpStream::connect(running.address).await.unwrap();
        io.write_all(said).await.unwrap();
        io.shutdown().await.unwrap();
        // The other end hangs up by itself, and does not turn in a circle until some deadline.
        let mut rest = Vec::new();
        let _ = within(
            PATIENCE / 4,
            format!("{said:02x?}"),
            io.read_to_end(&mut rest),
        )
        .await;
        assert!(rest.len() <= 64, "an alert at most");
    }
    // Nobody else noticed.
    let mut peer = encrypted(&running).await;
    peer.send(&wire::ping([1; 8], false)).await;
    within(PATIENCE, "an answer", peer.expect(kind::PING)).await;
    drop(peer);
    within(PATIENCE, "the end", running.finish()).await;
}

#[tokio::test]
async fn v52_records_faster_than_they_are_processed() {
    let running = balancer().await;
    let mut peer = encrypted(&running).await;
    // In records of one frame each, until the bucket is empty.
    for n in 0..1_001u64 {
        peer.send(&wire::ping(n.to_be_bytes(), false)).await;
    }
    let frames = within(PATIENCE, "the end", peer.rest()).await;
    let goaway = frames.last().expect("a last word");
    assert!(goaway.is(kind::GOAWAY, 0), "{goaway:?}");
    assert_eq!(
        goaway.number(4),
        raddle_io::ErrorCode::ENHANCE_YOUR_CALM.to_u32()
    );
    within(PATIENCE, "the end", running.finish()).await;
}
