//! What passes both hops, and who stands in whose way.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use raddle_io::{
    BoxError, Client, Config, ErrorCode, Informational, RecvBody, ResponseFuture, serve_connection,
};
use raddle_lb::limits::Limits;
use raddle_tests::{
    patience::within,
    wire::{self, kind},
};
use tokio::{task::JoinSet, time::Instant};
use tower_service::Service;

use super::world::{MINUTE, OK, Parts, World, data, expect, head, post, request, settle, whole};

const PIECE: usize = 16_384;

/// A body of so many bytes, which counts those that were asked for.
struct Counted {
    left: usize,
    asked: Arc<AtomicUsize>,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let len = self.left.min(PIECE);
        self.left -= len;
        self.asked.fetch_add(len, Ordering::Relaxed);
        let part = Bytes::from(vec![7; len]);
        Poll::Ready((len > 0).then(|| Ok(Frame::data(part))))
    }
}

/// A backend: `/N` is a body of N bytes. `asked` counts those of the longest ones.
#[derive(Clone)]
struct Lengths {
    asked: Arc<AtomicUsize>,
}

const LONGEST: usize = 1 << 30;

impl Service<Request<RecvBody>> for Lengths {
    type Response = Response<Counted>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Counted>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RecvBody>) -> Self::Future {
        let left = request.uri().path()[1..].parse().unwrap();
        let asked = match left {
            LONGEST => Arc::clone(&self.asked),
            _ => Arc::default(),
        };
        std::future::ready(Ok(Response::new(Counted { left, asked })))
    }
}

/// Backends that count what is asked of their longest bodies.
fn lengths(world: &mut World) -> Arc<AtomicUsize> {
    let counted: Arc<AtomicUsize> = Arc::default();
    let asked = Arc::clone(&counted);
    world.serve(move |io| {
        let asked = Arc::clone(&asked);
        tokio::spawn(serve_connection(io, Lengths { asked }, Config::default()));
    });
    counted
}

fn length(client: &mut Client, len: usize) -> ResponseFuture {
    let request = Request::get(format!("http://test/{len}")).body(RecvBody::empty());
    client.call(request.unwrap())
}

/// What a download of so many bytes comes to, and how long it takes.
async fn download(client: &mut Client, len: usize) -> (usize, Duration) {
    let start = Instant::now();
    let answer = head(length(client, len)).await.unwrap();
    let (body, _) = whole(answer.into_body()).await.unwrap();
    (body.len(), start.elapsed())
}

#[tokio::test(start_paused = true)]
async fn l05_an_unread_answer_stops_at_its_own_stream_of_the_backend() {
    let mut world = World::new(1, Limits::default());
    let asked = lengths(&mut world);
    let mut client = world.client().await;
    let slow = head(length(&mut client, LONGEST)).await.unwrap();
    settle().await;
    let at = asked.load(Ordering::Relaxed);
    // What a stream of each hop may hold at most, when its window has grown, and what its sender keeps.
    let hop = |config: Config| {
        let growth = config.connection_window_bytes_max / config.connection_window_bytes;
        (config.stream_window_bytes * growth) as usize + config.send_buffer_bytes + PIECE
    };
    let most = hop(Config::default()) + hop(Limits::default().backend_config());
    assert!((1..most).contains(&at), "{at} bytes lie on the way");
    for _ in 0..4 {
        assert_eq!(
            download(&mut client, 2 << 20).await,
            (2 << 20, Duration::ZERO)
        );
    }
    assert_eq!(asked.load(Ordering::Relaxed), at, "it stands still");
    assert_eq!(world.dials(), 1, "all on one connection");
    drop(slow);
}

// HAProxy 2.6 reads no WINDOW_UPDATE behind DATA that it has granted and has no room for. Once both of its sides are full, each
// waits for the update that lies unread on the other, for good.
#[tokio::test(start_paused = true)]
async fn l05_what_stands_full_both_ways_goes_on_when_both_ends_read() {
    const LEN: usize = 16 << 20;
    let mut world = World::new(1, Limits::default());
    let (up, down): (Arc<AtomicUsize>, Arc<AtomicUsize>) = Default::default();
    let (send, mut uploads) = tokio::sync::mpsc::unbounded_channel();
    let asked = Arc::clone(&down);
    world.serve(move |io| {
        let (send, asked) = (send.clone(), Arc::clone(&asked));
        tokio::spawn(async move {
            let (mut server, driver) = raddle_io::accept(io, Config::default()).await.unwrap();
            tokio::spawn(driver);
            while let Some((request, responder)) = server.accept().await {
                send.send(request.into_body()).unwrap();
                let asked = Arc::clone(&asked);
                tokio::spawn(responder.respond(Response::new(Counted { left: LEN, asked })));
            }
        });
    });
    let mut client = world.client().await;
    let asked = Arc::clone(&up);
    let request = Request::post("http://test/").body(Counted { left: LEN, asked });
    let answer = head(client.call(request.unwrap())).await.unwrap();
    let upload = within(MINUTE, "the upload", uploads.recv()).await.unwrap();
    settle().await;
    let full = || (up.load(Ordering::Relaxed), down.load(Ordering::Relaxed));
    let stands = full();
    assert!(stands.0 > 0 && stands.0 < LEN && stands.1 > 0 && stands.1 < LEN);
    settle().await;
    assert_eq!(full(), stands, "nobody reads, and nothing moves");
    let (upload, answer) = tokio::join!(whole(upload), whole(answer.into_body()));
    assert_eq!(
        (upload.unwrap().0.len(), answer.unwrap().0.len()),
        (LEN, LEN)
    );
}

/// What a client of its own sees while another one, when it is there, does not read what it asks for.
async fn beside(hogs: usize) -> Vec<(usize, Duration)> {
    let mut world = World::new(1, Limits::default());
    let asked = lengths(&mut world);
    let (mut hog, mut client) = (world.client().await, world.client().await);
    let mut held = JoinSet::new();
    for _ in 0..hogs {
        held.spawn(head(length(&mut hog, LONGEST)));
    }
    settle().await;
    assert!(
        asked.load(Ordering::Relaxed) >= hogs * 64 * 1024,
        "they have begun"
    );
    let mut seen = Vec::new();
    for len in [1, 1_000, 100_000, 2 << 20] {
        seen.push(download(&mut client, len).await);
    }
    held.shutdown().await;
    seen
}

#[tokio::test(start_paused = true)]
async fn l06_a_client_that_does_not_read_is_in_nobodys_way() {
    let alone = beside(0).await;
    // As many as fill a quarter each of a window of the usual size, and as many as a client may have.
    for hogs in [4, 250] {
        assert_eq!(beside(hogs).await, alone, "beside {hogs}");
    }
}

#[tokio::test(start_paused = true)]
async fn l06_a_client_that_only_resets_is_in_nobodys_way() {
    let mut world = World::new(1, Limits::default());
    let asked = lengths(&mut world);
    let (mut abuser, mut client) = (world.client().await, world.client().await);
    let mut ended = 0;
    for _ in 0..60 {
        let given_up: Vec<_> = (0..50).map(|_| length(&mut abuser, LONGEST)).collect();
        settle().await;
        drop(given_up);
        assert_eq!(download(&mut client, 1_000).await, (1_000, Duration::ZERO));
        if abuser.is_closed() {
            abuser = world.client().await;
            ended += 1;
        }
    }
    assert!(ended > 1, "the abuser's own connections end: {ended}");
    assert!(asked.load(Ordering::Relaxed) > 0, "the backend saw them");
}

#[tokio::test(start_paused = true)]
async fn l04_trailers_and_what_follows_them_keep_their_order() {
    let mut world = World::new(1, Limits::default());
    let mut client = world.client().await;
    let (answer, sent) = post(&mut client);
    let mut backend = world.backend().await;
    let stream = request(&mut backend).await;
    sent.send(data(b"never whole")).unwrap();
    expect(&mut backend, kind::DATA).await;
    // The answer is whole before the upload is, and says that no more of that is wanted.
    backend.send(&wire::headers(stream, OK, false)).await;
    backend.send(&wire::data(stream, b"an answer", false)).await;
    backend
        .send(&wire::headers(stream, &[("x-end", "9")], true))
        .await;
    backend.send(&wire::rst_stream(stream, 0)).await;
    let body = head(answer).await.unwrap().into_body();
    let (body, trailers) = whole(body).await.expect("RFC 9113 §8.1: it is whole");
    assert_eq!(body, "an answer");
    assert_eq!(trailers.unwrap()["x-end"], "9");
    // The other way: trailers of a request behind its body.
    let (answer, sent) = post(&mut client);
    let stream = request(&mut backend).await;
    sent.send(data(b"a body")).unwrap();
    let fields = HeaderMap::from_iter([(
        http::HeaderName::from_static("x-end"),
        http::HeaderValue::from_static("6"),
    )]);
    sent.send(Frame::trailers(fields)).unwrap();
    let part = expect(&mut backend, kind::DATA).await;
    assert_eq!((part.payload.as_slice(), part.flags), (&b"a body"[..], 0));
    let end = expect(&mut backend, kind::HEADERS).await;
    assert_eq!((end.stream, end.flags & 1), (stream, 1));
    backend.send(&wire::headers(stream, OK, true)).await;
    assert_eq!(head(answer).await.unwrap().status(), 200);
}

// RFC 9110 §15.2: a proxy passes interim responses on; those who wait for one wait for nothing else.
#[tokio::test(start_paused = true)]
async fn l04_interim_answers_pass_as_they_come_and_in_their_order() {
    let mut world = World::new(1, Limits::default());
    let mut client = world.client().await;
    let (mut answer, sent) = post(&mut client);
    let mut backend = world.backend().await;
    let stream = request(&mut backend).await;
    for (status, name) in [("103", "link"), ("103", "x-second"), ("100", "x-last")] {
        let fields = [(":status", status), (name, "1")];
        backend.send(&wire::headers(stream, &fields, false)).await;
        let interim = within(MINUTE, "an interim answer", answer.informational());
        let interim = interim.await.expect("before the answer").unwrap();
        assert_eq!(interim.status().as_str(), status);
        assert!(interim.headers().contains_key(name), "{interim:?}");
    }
    // The client waited for the last one.
    sent.send(data(b"continued")).unwrap();
    drop(sent);
    assert_eq!(expect(&mut backend, kind::DATA).await.payload, b"continued");
    backend.send(&wire::headers(stream, OK, false)).await;
    backend.send(&wire::data(stream, b"done", false)).await;
    backend
        .send(&wire::headers(stream, &[("x-end", "4")], true))
        .await;
    let answer = head(answer).await.unwrap();
    assert!(
        answer.extensions().get::<Informational>().is_none(),
        "none twice"
    );
    let (body, trailers) = whole(answer.into_body()).await.unwrap();
    assert_eq!(
        (&body[..], &trailers.unwrap()["x-end"]),
        (&b"done"[..], &"4".parse().unwrap())
    );
}

/// A backend that says of each request what it has seen of it, and sends its body back. Every third one it refuses.
#[derive(Clone)]
struct Mirror {
    seen: Arc<AtomicUsize>,
}

/// The body of a request, with a word in front that the backend has from its fields.
struct Mirrored {
    word: Option<Bytes>,
    body: RecvBody,
}

impl Body for Mirrored {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.word.take() {
            Some(word) => Poll::Ready(Some(Ok(Frame::data(word)))),
            None => Pin::new(&mut self.body).poll_frame(cx).map_err(Into::into),
        }
    }
}

/// Serves a connection, and refuses some of its requests.
async fn mirrors(io: tokio::io::DuplexStream, mirror: Mirror) {
    let (mut server, driver) = raddle_io::accept(io, Config::default()).await.unwrap();
    tokio::spawn(driver);
    while let Some((request, responder)) = server.accept().await {
        let at = mirror.seen.fetch_add(1, Ordering::Relaxed);
        if at % 3 == 2 {
            responder.reset(ErrorCode::REFUSED_STREAM);
            continue;
        }
        tokio::spawn(async move {
            // Answers overtake each other.
            tokio::time::sleep(Duration::from_millis(at as u64 * 7 % 11)).await;
            let mark = request.headers()["x-mark"].clone();
            let body = Mirrored {
                word: Some(Bytes::copy_from_slice(mark.as_bytes())),
                body: request.into_body(),
            };
            let answer = Response::builder().header("x-mark", mark).body(body);
            let _ = responder.respond(answer.unwrap()).await;
        });
    }
}

// I-31: whatever overtakes, is refused and is sent again, no byte of one request gets into another's answer.
#[tokio::test(start_paused = true)]
async fn l09_nothing_of_one_request_gets_into_another() {
    const CLIENTS: usize = 6;
    const EACH: usize = 40;
    let mut world = World::new(3, Limits::default());
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(world.client().await);
    }
    let seen = Arc::new(AtomicUsize::new(0));
    let backends = Mirror {
        seen: Arc::clone(&seen),
    };
    world.serve(move |io| drop(tokio::spawn(mirrors(io, backends.clone()))));
    let mut exchanges = JoinSet::new();
    for n in 0..CLIENTS * EACH {
        let mut client = clients[n % CLIENTS].clone();
        exchanges.spawn(async move {
            tokio::time::sleep(Duration::from_millis((n / CLIENTS) as u64)).await;
            let mark = format!("mark-{n}-{}", "x".repeat(n % 50));
            let (sent, parts) = Parts::channel();
            let request = Request::post("http://test/").header("x-mark", &mark);
            let answer = client.call(request.body(parts).unwrap());
            for _ in 0..n % 5 {
                sent.send(Frame::data(Bytes::from(mark.clone()))).unwrap();
                settle().await;
            }
            drop(sent);
            let answer = head(answer).await.unwrap();
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.headers()["x-mark"], mark);
            let (body, _) = whole(answer.into_body()).await.unwrap();
            assert_eq!(body, mark.repeat(1 + n % 5));
        });
    }
    while let Some(done) = exchanges.join_next().await {
        done.unwrap();
    }
    assert!(
        seen.load(Ordering::Relaxed) > CLIENTS * EACH + EACH,
        "some were sent again"
    );
}
