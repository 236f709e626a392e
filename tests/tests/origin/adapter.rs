//! What only sockets and tasks can get wrong.

use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use raddle_io::{Client, Config, Kind, tls};
use raddle_lb::start::server_tls;
use raddle_tests::{
    patience::within,
    raw::RawPeer,
    samples::pattern,
    wire::{self, flag, kind},
};
use tokio::{io::DuplexStream, sync::mpsc};
use tower_service::Service;

use super::OK;

const LIMIT: Duration = Duration::from_secs(30);

fn get(path: &str) -> Request<Empty<Bytes>> {
    let uri = format!("http://test{path}");
    Request::get(uri).body(Empty::new()).unwrap()
}

async fn connect<T>(io: T) -> Client
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let (client, driver) = raddle_io::connect(io, Config::default()).await.unwrap();
    tokio::spawn(driver);
    client
}

/// Our client, connected to a server that the test plays.
async fn played() -> (Client, RawPeer<DuplexStream>) {
    let (near, far) = tokio::io::duplex(65_536);
    let client = connect(near).await;
    (client, RawPeer::server(far, &[]).await)
}

/// Our client and our server, whose requests the test answers.
async fn served() -> (Client, raddle_io::Server) {
    let (near, far) = tokio::io::duplex(65_536);
    let client = connect(near).await;
    let (server, driver) = raddle_io::accept(far, Config::default()).await.unwrap();
    tokio::spawn(driver);
    (client, server)
}

/// A body whose parts come over a channel.
fn channel_body() -> (
    mpsc::Sender<io::Result<Bytes>>,
    impl http_body::Body<Data = Bytes, Error = io::Error> + Send + 'static,
) {
    let (send, mut receive) = mpsc::channel(1);
    let parts = Parts(move |cx: &mut std::task::Context<'_>| {
        let part = receive.poll_recv(cx);
        part.map(|part: Option<io::Result<Bytes>>| part.map(|part| part.map(Frame::data)))
    });
    (send, StreamBody::new(parts))
}

struct Parts<F>(F);

impl<T, F> futures_core::Stream for Parts<F>
where
    F: FnMut(&mut std::task::Context<'_>) -> std::task::Poll<Option<T>> + Unpin,
{
    type Item = T;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<T>> {
        (self.0)(cx)
    }
}

// Two senders took the same slot, and one got the other's answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn origin_01_every_sender_gets_its_own_answer_on_two_workers() {
    let (client, mut server) = served().await;
    tokio::spawn(async move {
        while let Some((request, responder)) = server.accept().await {
            let path = request.uri().path().to_owned();
            tokio::spawn(responder.respond(Response::new(Full::new(Bytes::from(path)))));
        }
    });
    let mut tasks = tokio::task::JoinSet::new();
    for sender in 0..20 {
        let mut client = client.clone();
        tasks.spawn(async move {
            for n in 0..100 {
                let path = format!("/{sender}/{n}");
                let response = client.call(get(&path)).await.unwrap();
                assert_eq!(
                    response.into_body().collect().await.unwrap().to_bytes(),
                    path
                );
            }
        });
    }
    within(LIMIT, "2,000 requests", tasks.join_all()).await;
}

// A timeout forgot the stream without RST_STREAM: the backend worked on, and the slot count leaked.
#[tokio::test(start_paused = true)]
async fn origin_08_a_timeout_stops_the_backend_and_frees_the_slot() {
    let (mut client, mut server) = served().await;
    let working = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&working);
    tokio::spawn(async move {
        while let Some((request, responder)) = server.accept().await {
            if request.uri().path() == "/quick" {
                responder.respond_full(Response::new(Bytes::new()));
                continue;
            }
            flag.store(true, Ordering::SeqCst);
            let (parts, body) = channel_body();
            let flag = Arc::clone(&flag);
            tokio::spawn(async move {
                // Ready only when nobody wants the rest of the answer any more.
                let _ = responder.respond(Response::new(body)).await;
                flag.store(false, Ordering::SeqCst);
                drop(parts);
            });
        }
    });
    for _ in 0..300 {
        let response = client.call(get("/slow")).await.unwrap();
        assert!(working.load(Ordering::SeqCst));
        let body = tokio::time::timeout(Duration::from_secs(1), response.into_body().collect());
        assert!(body.await.is_err(), "it times out");
        // Behind the reset on the wire.
        let response = client.call(get("/quick")).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(client.streams(), 0, "the one held has ended with its head");
        while working.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(client.stats().resets_sent, 300);
}

// A lost connection looked like the end of a body.
#[tokio::test]
async fn origin_10_a_truncated_body_is_an_error_to_its_reader() {
    let (mut client, mut peer) = played().await;
    let response = client.call(get("/"));
    peer.expect(kind::HEADERS).await;
    peer.send(&wire::headers(1, OK, false)).await;
    peer.send(&wire::data(1, b"half of i", false)).await;
    drop(peer);
    let mut body = response.await.unwrap().into_body();
    let part = body.frame().await.unwrap().unwrap();
    assert_eq!(
        part.into_data().unwrap(),
        "half of i",
        "what came is not lost"
    );
    assert!(body.frame().await.unwrap().is_err());
    assert!(body.frame().await.is_none());
}

// Failure to append to a body was swallowed.
#[tokio::test]
async fn origin_11_a_body_that_fails_on_its_way_is_told_to_its_reader() {
    let (mut client, mut server) = served().await;
    let (parts, body) = channel_body();
    let response = client.call(Request::post("http://test/").body(body).unwrap());
    parts.send(Ok(Bytes::from_static(b"one"))).await.unwrap();
    let (request, _responder) = server.accept().await.unwrap();
    let mut upload = request.into_body();
    let part = upload.frame().await.unwrap().unwrap();
    assert_eq!(part.into_data().unwrap(), "one");
    let failed = io::Error::other("no such block");
    parts.send(Err(failed)).await.unwrap();
    assert!(
        upload.frame().await.unwrap().is_err(),
        "the server does not take it for whole"
    );
    assert_eq!(response.await.unwrap_err().kind(), Kind::Body);
}

// Waiting on the descriptor while TLS had already buffered plaintext: the last frames of a burst arrived only with the
// next packet.
#[tokio::test]
async fn origin_14_a_burst_in_one_packet_is_read_to_its_end() {
    let (near, far) = tokio::io::duplex(1 << 20);
    let accepting = tokio::spawn(async move {
        let (io, h2) = tls::accept(server_tls(None, false).unwrap(), far)
            .await
            .unwrap();
        assert!(h2);
        RawPeer::server(io, &[]).await
    });
    let connector = tls::Connector::new(tls::Trust::Anyone);
    let mut client = connect(connector.connect("localhost", near).await.unwrap()).await;
    let responses: Vec<_> = (0..40).map(|_| client.call(get("/"))).collect();
    let mut peer = accepting.await.unwrap();
    let mut burst = Vec::new();
    for n in 0..40 {
        // Larger together than any buffer on the way, and in no step with it.
        burst.extend(wire::headers(2 * n + 1, OK, false));
        burst.extend(wire::data(2 * n + 1, &pattern(1_500), true));
    }
    peer.send(&burst).await;
    // And now silence.
    for response in responses {
        let body = async { response.await.unwrap().into_body().collect().await.unwrap() };
        let body = within(LIMIT, "the end of the burst", body).await;
        assert_eq!(body.to_bytes(), pattern(1_500));
    }
}

// A read error left only the inner loop: parsing went on in the middle of a frame.
#[tokio::test]
async fn origin_15_a_fault_ends_the_connection_for_everyone() {
    let (mut client, mut peer) = played().await;
    let response = client.call(get("/"));
    peer.expect(kind::HEADERS).await;
    // The payload of a frame that is too large is a response that nobody must see.
    let mut bytes = wire::frame(kind::DATA, 0, 1, &[0; 20_000]);
    bytes.truncate(9);
    bytes.extend(wire::headers(1, OK, true));
    peer.send(&bytes).await;
    let error = response.await.unwrap_err();
    assert_eq!(error.violation(), Some(raddle_io::Violation::FrameTooLarge));
    assert_eq!(
        peer.expect(kind::GOAWAY).await.number(4),
        6,
        "FRAME_SIZE_ERROR"
    );
    assert!(
        peer.rest().await.is_empty(),
        "nothing behind GOAWAY, and the transport ends"
    );
}

// Bodies were buffered whole without bound.
#[tokio::test]
async fn origin_16_a_download_that_nobody_reads_is_held_back_at_its_sender() {
    let (mut client, mut server) = served().await;
    let response = client.call(get("/"));
    let (_, responder) = server.accept().await.unwrap();
    let answer = responder.respond(Response::new(Full::new(pattern(8_000_000))));
    let answering = tokio::spawn(answer);
    let body = response.await.unwrap().into_body();
    // A round trip behind another: whatever may come has come.
    for _ in 0..50 {
        client.ping().await.unwrap();
    }
    let window = u64::from(Config::default().stream_window_bytes);
    let held = client.stats().data_bytes_received;
    assert!(held <= window, "{held} bytes are held");
    assert!(!answering.is_finished());
    let whole = within(LIMIT, "the download", body.collect()).await.unwrap();
    assert_eq!(whole.to_bytes(), pattern(8_000_000));
    answering.await.unwrap().unwrap();
}

// Two descriptors per stream: a thousand streams exhausted the process's limit.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn origin_17_streams_cost_no_descriptors() {
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let (mut client, mut peer) = {
        let (near, far) = tokio::io::duplex(65_536);
        let config = Config {
            concurrent_streams_assumed: 1_000,
            ..Config::default()
        };
        let (client, driver) = raddle_io::connect(near, config).await.unwrap();
        tokio::spawn(driver);
        (client, RawPeer::server(far, &[(3, 1_000)]).await)
    };
    let before = descriptors();
    let open: Vec<_> = (0..1_000).map(|_| client.call(get("/"))).collect();
    for _ in 0..1_000 {
        peer.expect(kind::HEADERS).await;
    }
    assert_eq!(client.streams(), 1_000);
    // Other tests of this process open some of their own.
    let grown = descriptors().saturating_sub(before);
    assert!(grown < 100, "{grown} more descriptors for 1,000 streams");
    drop(open);
}

// The stream was handed over when the response was whole although its upload was still under way.
#[tokio::test]
async fn origin_18_an_upload_goes_on_behind_an_early_answer() {
    let (mut client, mut server) = served().await;
    let (parts, body) = channel_body();
    let response = client.call(Request::post("http://test/").body(body).unwrap());
    let (request, responder) = server.accept().await.unwrap();
    let mut upload = request.into_body();
    responder.respond_full(Response::new(Bytes::from_static(b"thanks, go on")));
    let answer = response.await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(answer.to_bytes(), "thanks, go on");
    let mut received = Vec::new();
    for n in 0..20u8 {
        parts.send(Ok(Bytes::from(vec![n; 1_000]))).await.unwrap();
        // Requests beside it get streams of their own.
        let beside = client.call(get("/beside"));
        let (request, responder) = server.accept().await.unwrap();
        assert_eq!(request.uri().path(), "/beside");
        responder.respond_full(Response::new(Bytes::new()));
        assert_eq!(beside.await.unwrap().status(), 200);
        let part = upload.frame().await.unwrap().unwrap();
        received.extend(part.into_data().unwrap());
    }
    drop(parts);
    assert!(upload.frame().await.is_none());
    let wanted: Vec<u8> = (0..20u8).flat_map(|n| vec![n; 1_000]).collect();
    assert_eq!(received, wanted);
}

// A stream's error was read once and lost when a second waiter looked.
#[tokio::test]
async fn origin_19_every_waiter_hears_of_the_end() {
    let (mut client, mut peer) = played().await;
    let (parts, body) = channel_body();
    let upload = client.call(Request::post("http://test/").body(body).unwrap());
    let download = client.call(get("/"));
    let other = client.clone();
    let ping = tokio::spawn(async move { other.ping().await });
    peer.expect(kind::PING).await;
    peer.send(&wire::headers(3, OK, false)).await;
    let mut body = download.await.unwrap().into_body();
    peer.send(&wire::frame(kind::PING, 0, 9, &[0; 8])).await;
    let fault = Some(raddle_io::Violation::PingOnStream);
    assert_eq!(upload.await.unwrap_err().violation(), fault);
    assert_eq!(body.frame().await.unwrap().unwrap_err().violation(), fault);
    assert_eq!(ping.await.unwrap().unwrap_err().violation(), fault);
    // The upload's task has ended, and its body with it.
    within(LIMIT, "the upload's end", parts.closed()).await;
    for _ in 0..3 {
        let refused = client.call(get("/")).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Closed);
    }
}

// The stream id counter and the order on the wire came from different critical sections.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn origin_20_ids_rise_on_the_wire_on_two_workers() {
    let (client, mut peer) = played().await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let mut client = client.clone();
        tasks.spawn(async move {
            for _ in 0..50 {
                let _ = client.call(get("/")).await.unwrap();
            }
        });
    }
    let mut seen = BTreeSet::new();
    let answering = async {
        while seen.len() < 1_000 {
            let head = peer.expect(kind::HEADERS).await;
            let rises = seen.last().is_none_or(|last| *last < head.stream);
            assert!(
                rises && head.flags & flag::END_STREAM != 0,
                "{}",
                head.stream
            );
            seen.insert(head.stream);
            peer.send(&wire::headers(head.stream, OK, true)).await;
        }
    };
    within(LIMIT, "1,000 requests", answering).await;
    within(LIMIT, "their answers", tasks.join_all()).await;
}
