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

use crate::costs::{Costs, assert_work};

const PATIENCE: Duration = Duration::from_secs(20);

/// A server made of an engine and a loop, which changes its SETTINGS under the client's feet: the size of the
/// client's table goes to nothing and back all the while. Answers the number of requests that it has read, and of bytes that it
/// has written.
async fn fickle_server(mut io: DuplexStream) -> (usize, u64) {
    let mut engine = Connection::new(Role::Server, Config::default(), Timestamp(0));
    let (mut raw, mut inbox, mut out) = (Vec::new(), BytesMut::new(), Transmit::new());
    let (mut acks, mut requests, mut turns, mut wire) = (0, 0, 0u32, 0);
    loop {
        engine.poll_transmit(&mut out, Timestamp(0));
        let mut bytes = out.copy_to_bytes(out.remaining()).to_vec();
        if turns > 0 && turns <= 900 {
            bytes.extend(wire::settings(&[(1, 4_096 * (turns % 2))]));
        }
        turns += 1;
        wire += bytes.len() as u64;
        if io.write_all(&bytes).await.is_err() {
            return (requests, wire);
        }
        if !matches!(io.read_buf(&mut raw).await, Ok(1..)) {
            return (requests, wire);
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
    let stats = client.stats();
    // Nothing that it does is a fault: the connection lives, and ends as we end it.
    drop(client);
    let (requests, wire) = within(PATIENCE, "the end", serving).await.unwrap();
    assert_eq!(requests, 800);
    let settings = stats.defences.settings;
    assert!((1..=900).contains(&settings), "{settings}");
    assert_eq!(stats.streams_opened, 800);
    // What a client does for requests of its own is work, too: some 100 units for each.
    assert_work(stats.work_units, wire + 800 * 20);
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

/// What honest clients do that looks like V51 and V52: handshakes at the same time, and small records one after the other.
#[tokio::test]
async fn our_own_clients_are_balanced_over_tls() {
    let running = balancer().await;
    let asking = (0..8).map(|_| {
        let uri = format!("https://{}/", running.address);
        tokio::spawn(async move {
            let dialer = raddle_io::Dialer::new(Config::default())
                .tls(tls::Connector::new(tls::Trust::Anyone));
            let mut pool = raddle_io::Pool::new(dialer, raddle_io::PoolConfig::default());
            for _ in 0..50 {
                let request = Request::get(&uri).body(Empty::<Bytes>::new()).unwrap();
                let response = pool.call(request).await.unwrap();
                assert_eq!(response.status(), StatusCode::OK);
            }
            assert_eq!(pool.stats().opened, 1, "and none was ended");
        })
    });
    for asking in asking.collect::<Vec<_>>() {
        within(PATIENCE, "fifty answers", asking).await.unwrap();
    }
    within(PATIENCE, "the end", running.finish()).await;
}

/// A certificate and key for `localhost`, as a server takes them.
fn certified() -> std::sync::Arc<rustls::ServerConfig> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = made.signing_key.serialize_der().try_into().unwrap();
    tls::server_config(vec![made.cert.der().clone()], key, false).unwrap()
}

// In virtual time, in which no token comes back.
#[tokio::test(start_paused = true)]
async fn v52_records_meet_the_bounds_of_what_is_in_them() {
    let (near, far) = tokio::io::duplex(4_096);
    let connector = tls::Connector::new(tls::Trust::Anyone);
    let (near, far) = tokio::join!(
        biased;
        tls::accept(certified(), near),
        connector.connect("localhost", far)
    );
    let (server, driver) = raddle_io::accept(near.unwrap().0, Config::default())
        .await
        .unwrap();
    let driver = tokio::spawn(driver);
    let mut peer = RawPeer::client(far.unwrap(), &[]).await;
    let mut costs = Costs::begin(server.stats(), peer.written());
    // In records of one frame each, until the bucket is empty. The answers are read.
    for n in 0..1_000u64 {
        peer.send(&wire::ping(n.to_be_bytes(), false)).await;
        assert_eq!(peer.expect(kind::PING).await.payload, n.to_be_bytes());
        costs.look();
    }
    peer.send(&wire::ping([0; 8], false)).await;
    let frames = within(PATIENCE, "the end", peer.rest()).await;
    let goaway = frames.last().expect("a last word");
    assert!(goaway.is(kind::GOAWAY, 0), "{goaway:?}");
    assert!(within(PATIENCE, "the end", driver).await.unwrap().is_err());
    assert_eq!(server.stats().defences.pings, 1_001);
    assert_eq!(server.stats().defences.floods, 1);
    costs.assert(server.stats(), peer.written(), 64 * 1_024);
}

#[tokio::test]
async fn v52_records_faster_than_they_are_processed() {
    let running = balancer().await;
    let mut peer = encrypted(&running).await;
    // In records of one frame each, until it is too much: that of a bucket, or of answers that nobody reads. It has hung up
    // by then, maybe before all is written.
    for n in 0..1_001u64 {
        if !peer.try_send(&wire::ping(n.to_be_bytes(), false)).await {
            break;
        }
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

/// The `content-length` fields of a header block, and the status or the method.
fn lengths(decoder: &mut raddle_hpack::Decoder, block: &[u8]) -> Vec<Vec<u8>> {
    struct Lengths(Vec<Vec<u8>>);
    impl raddle_hpack::Sink for Lengths {
        fn field(&mut self, name: &[u8], value: &[u8], _: bool) {
            if name == b"content-length" {
                self.0.push(value.to_vec());
            }
        }
    }
    let mut lengths = Lengths(Vec::new());
    decoder.decode(block, &mut lengths).unwrap();
    let _ = decoder.finish().unwrap();
    lengths.0
}

/// A message of five bytes goes through the load balancer both ways, with its length said once, twice, or not at all. What
/// comes out says it once, or not at all.
#[tokio::test]
async fn v48_the_balancer_says_a_length_once() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let backend = format!("http://{}", listener.local_addr().unwrap());
    let options = Options {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        backends: vec![raddle_io::Target::of(&backend.parse().unwrap()).unwrap()],
        certificate: None,
        insecure_backends: false,
        limits: Limits::default(),
    };
    let running = start(options).await.unwrap();
    let mut client = encrypted(&running).await;
    let said = [&[][..], &["5"], &["5", "5"], &["5, 5"], &["5,5", "5"]];
    let mut upstream: Option<RawPeer<TcpStream>> = None;
    let decoder = || raddle_hpack::Decoder::new(raddle_hpack::DecoderConfig::default());
    let (mut from_client, mut from_backend) = (decoder(), decoder());
    for (n, said) in said.into_iter().enumerate() {
        let stream = 2 * n as u32 + 1;
        let length = said.iter().map(|value| ("content-length", *value));
        let request: Vec<_> = wire::POST.iter().copied().chain(length.clone()).collect();
        client.send(&wire::headers(stream, &request, false)).await;
        client.send(&wire::data(stream, b"12345", true)).await;
        if upstream.is_none() {
            let (io, _) = within(PATIENCE, "a dial", listener.accept()).await.unwrap();
            upstream = Some(RawPeer::server(io, &[]).await);
        }
        let peer = upstream.as_mut().unwrap();
        let head = within(PATIENCE, "a request", peer.expect(kind::HEADERS)).await;
        let once = if said.is_empty() { 0 } else { 1 };
        assert_eq!(
            lengths(&mut from_client, &head.payload),
            vec![b"5".to_vec(); once],
            "to the backend, of {said:?}"
        );
        let response: Vec<_> = [(":status", "200")].into_iter().chain(length).collect();
        peer.send(&wire::headers(head.stream, &response, false))
            .await;
        peer.send(&wire::data(head.stream, b"12345", true)).await;
        let head = within(PATIENCE, "a response", client.expect(kind::HEADERS)).await;
        assert_eq!(head.stream, stream);
        assert_eq!(
            lengths(&mut from_backend, &head.payload),
            vec![b"5".to_vec(); once],
            "to the client, of {said:?}"
        );
    }
    drop((client, upstream));
    within(PATIENCE, "the end", running.finish()).await;
}
