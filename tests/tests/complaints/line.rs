//! The line for a stream.

use std::{
    future::poll_fn,
    task::{Context, Poll, Waker},
};

use http::{Request, Response};
use http_body_util::Empty;
use raddle_core::OpenError;
use raddle_io::{Client, Error, Kind};
use raddle_tests::raw::RawPeer;
use tokio::{task::yield_now, time::timeout};
use tower_service::Service;

use crate::*;

/// In virtual time, longer than anything takes that is not stuck.
const MINUTE: Duration = Duration::from_secs(60);

fn ask(path: &str) -> Request<Empty<Bytes>> {
    let uri = format!("http://test{path}");
    Request::get(uri).body(Empty::new()).unwrap()
}

// Callers who found no stream went into a queue without bound or order, and took their place with them when they left.
#[tokio::test(start_paused = true)]
async fn a_thousand_callers_get_ten_streams_in_the_order_in_which_they_asked() {
    let (near, far) = tokio::io::duplex(1 << 20);
    let line_of_1200 = Config {
        open_queue_max: 1_200,
        ..Config::default()
    };
    let (client, driver) = raddle_io::connect(near, line_of_1200).await.unwrap();
    tokio::spawn(driver);
    let ten = Config {
        concurrent_streams_max: 10,
        ..Config::default()
    };
    let (mut server, driver) = raddle_io::accept(far, ten).await.unwrap();
    tokio::spawn(driver);
    client.ping().await.unwrap();
    let mut callers = Vec::new();
    for n in 0..1_000 {
        let mut client = client.clone();
        callers.push(tokio::spawn(async move {
            let ready = poll_fn(|cx| Service::<Request<Empty<Bytes>>>::poll_ready(&mut client, cx));
            // Some do not wait for long.
            let patience = if n % 7 == 6 {
                MINUTE / 60
            } else {
                100 * MINUTE
            };
            if timeout(patience, ready).await.is_err() {
                return None;
            }
            let response = client.call(ask(&format!("/{n}"))).await.unwrap();
            Some(response.status())
        }));
        yield_now().await;
    }
    assert_eq!(
        (client.openable(), client.streams()),
        (0, 10),
        "nobody waits inside"
    );
    assert_eq!(client.usage().waiting(), 990);
    // Ten had their streams before anybody lost patience.
    let patient: Vec<usize> = (0..1_000).filter(|n| n % 7 != 6 || *n < 10).collect();
    let mut came = Vec::new();
    let mut held = VecDeque::new();
    while came.len() < patient.len() {
        // Two seconds for each ten: who is impatient gets none but the first.
        while held.len() < 10 && came.len() < patient.len() {
            let accepted = timeout(MINUTE, server.accept()).await;
            let (request, responder) = accepted.expect("the next in line").unwrap();
            came.push(request.uri().path()[1..].parse::<usize>().unwrap());
            held.push_back(responder);
        }
        assert!(client.streams() <= 10);
        tokio::time::sleep(Duration::from_secs(2)).await;
        for responder in held.drain(..) {
            responder.respond_full(Response::new(Bytes::new()));
        }
    }
    assert!(came == patient, "{came:?}");
    for responder in held {
        responder.respond_full(Response::new(Bytes::new()));
    }
    let mut left = 0;
    for caller in callers {
        left += usize::from(caller.await.unwrap().is_none());
    }
    assert_eq!(left, 1_000 - came.len());
    assert_eq!(client.usage().waiting(), 0, "nobody is left in the line");
}

fn poll_ready(client: &mut Client) -> Poll<Result<(), Error>> {
    let mut cx = Context::from_waker(Waker::noop());
    Service::<Request<Empty<Bytes>>>::poll_ready(client, &mut cx)
}

// The line itself had no end: each caller more was one more that waited, without a word.
#[tokio::test(start_paused = true)]
async fn the_line_for_a_stream_has_an_end_and_a_deadline() {
    let (near, far) = tokio::io::duplex(1 << 16);
    let line_of_50 = Config {
        open_queue_max: 50,
        ..Config::default()
    };
    let (client, driver) = raddle_io::connect(near, line_of_50).await.unwrap();
    tokio::spawn(driver);
    let mut peer = RawPeer::server(far, &[(3, 1)]).await;
    client.settled().await.unwrap();
    let mut first = client.clone();
    assert!(poll_ready(&mut first).is_ready());
    let mut line: Vec<_> = (0..50).map(|_| client.clone()).collect();
    for caller in &mut line {
        assert!(poll_ready(caller).is_pending());
    }
    // The next is told at once, and why; whoever stands in the line keeps a place, however often it asks.
    let mut late = client.clone().wait_max(MINUTE);
    let Poll::Ready(Err(error)) = poll_ready(&mut late) else {
        panic!("it waits");
    };
    assert_eq!(error.kind(), Kind::Open(OpenError::QueueFull));
    assert_eq!(error.retry(), Retry::Safe);
    assert!(
        line.iter_mut()
            .all(|caller| poll_ready(caller).is_pending())
    );
    assert_eq!(client.usage().waiting(), 50);
    // Who goes makes room, and who has a deadline is let go at it.
    line.pop();
    let begun = tokio::time::Instant::now();
    let ready = poll_fn(|cx| Service::<Request<Empty<Bytes>>>::poll_ready(&mut late, cx));
    let error = timeout(2 * MINUTE, ready)
        .await
        .expect("an end")
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (Kind::StreamTimeout, Retry::Safe)
    );
    assert_eq!(begun.elapsed().as_secs(), 60);
    assert_eq!(client.usage().waiting(), 49, "its place is free");
    // It may ask again, and be served: it is the last of the line.
    assert!(poll_ready(&mut late).is_pending());
    drop((line, first.call(ask("/")), first));
    assert_eq!(peer.expect(kind::HEADERS).await.stream, 1);
    peer.expect(kind::RST_STREAM).await;
    let ping = peer.expect(kind::PING).await;
    peer.send(&wire::pongs(&[ping])).await;
    let ready = poll_fn(|cx| Service::<Request<Empty<Bytes>>>::poll_ready(&mut late, cx));
    timeout(MINUTE / 2, ready).await.expect("a place").unwrap();
}

// Who stood in the line and calls all the same waits elsewhere from then on. Its place was asked for by nobody any more, and
// whoever stood behind it waited for as long as its handle lived.
#[tokio::test(start_paused = true)]
async fn who_calls_without_a_place_stands_in_nobodys_way() {
    let (near, far) = tokio::io::duplex(1 << 16);
    let (client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
    tokio::spawn(driver);
    let mut peer = RawPeer::server(far, &[(3, 1)]).await;
    client.settled().await.unwrap();
    let [mut first, mut hasty, mut patient] = std::array::from_fn(|_| client.clone());
    assert!(poll_ready(&mut first).is_ready());
    let begun = first.call(ask("/"));
    assert!(poll_ready(&mut hasty).is_pending());
    assert!(poll_ready(&mut patient).is_pending());
    let waits = hasty.call(ask("/"));
    assert_eq!(client.usage().waiting(), 1);
    for (stream, answer) in [(1, begun), (3, waits)] {
        assert_eq!(peer.expect(kind::HEADERS).await.stream, stream);
        let ok = wire::headers(stream, &[(":status", "200")], true);
        peer.send(&ok).await;
        timeout(MINUTE, answer).await.expect("an answer").unwrap();
    }
    let ready = poll_fn(|cx| Service::<Request<Empty<Bytes>>>::poll_ready(&mut patient, cx));
    timeout(MINUTE, ready).await.expect("a place").unwrap();
    drop(hasty);
}
