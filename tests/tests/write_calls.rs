//! How often the client writes. A call to the system costs as much as several requests, so that this decides what a
//! request costs; and unlike time it can be counted.

use std::{
    future::poll_fn,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, uri::Scheme};
use http_body_util::{BodyExt, Empty, Full};
use raddle_core::Role;
use raddle_io::{Client, Config};
use raddle_tests::{counted::Counted, patience::within, scripted};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
};
use tower_service::Service;

/// Far more than it takes.
const LIMIT: Duration = Duration::from_secs(60);

async fn fetch(client: &mut Client, address: SocketAddr) {
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = format!("http://{address}/").parse().unwrap();
    poll_fn(|cx| Service::<Request<Empty<Bytes>>>::poll_ready(client, cx))
        .await
        .unwrap();
    let response = client.call(request).await.unwrap();
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes(), scripted::BODY);
}

/// The writes of one connection that makes `requests` requests, `streams` at a time, after its first answer.
async fn writes(streams: usize, requests: usize) -> u64 {
    let address = scripted::spawn().unwrap();
    let socket = TcpStream::connect(address).await.unwrap();
    let (io, writes) = Counted::new(socket);
    let (mut client, driver) = raddle_io::connect(io, Config::default()).await.unwrap();
    tokio::spawn(driver);
    fetch(&mut client, address).await;
    // The acknowledgement of the server's SETTINGS may follow the first answer, but not a PING.
    client.ping().await.unwrap();
    let before = writes.load(Ordering::Relaxed);
    let left = Arc::new(AtomicUsize::new(requests));
    let streams: Vec<_> = (0..streams)
        .map(|_| {
            let (mut client, left) = (client.clone(), Arc::clone(&left));
            tokio::spawn(async move {
                let claim = |left: usize| left.checked_sub(1);
                while left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim)
                    .is_ok()
                {
                    fetch(&mut client, address).await;
                }
            })
        })
        .collect();
    for stream in streams {
        stream.await.unwrap();
    }
    writes.load(Ordering::Relaxed) - before
}

fn assert_few(runtime: &Runtime) {
    const REQUESTS: usize = 5_000;
    let writes = runtime.block_on(within(LIMIT, "100 streams", writes(100, REQUESTS)));
    assert!(
        writes * 20 <= REQUESTS as u64,
        "{writes} writes for {REQUESTS} requests on 100 streams"
    );
}

fn assert_one_each(runtime: &Runtime) {
    const REQUESTS: usize = 1_000;
    let writes = runtime.block_on(within(LIMIT, "a lone stream", writes(1, REQUESTS)));
    assert_eq!(writes, REQUESTS as u64, "one write for each request");
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn multi_thread(workers: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers).enable_all();
    builder.build().unwrap()
}

#[test]
fn a_hundred_streams_share_their_writes_on_one_thread() {
    assert_few(&current_thread());
}

#[test]
fn a_hundred_streams_share_their_writes_on_one_worker() {
    assert_few(&multi_thread(1));
}

#[test]
fn a_hundred_streams_share_their_writes_on_two_workers() {
    assert_few(&multi_thread(2));
}

#[test]
fn a_lone_stream_writes_once_for_each_request_on_one_thread() {
    assert_one_each(&current_thread());
}

#[test]
fn a_lone_stream_writes_once_for_each_request_on_one_worker() {
    assert_one_each(&multi_thread(1));
}

#[test]
fn a_lone_stream_writes_once_for_each_request_on_two_workers() {
    assert_one_each(&multi_thread(2));
}

/// The writes of one side of a connection on which `requests` requests with bodies are made one after the other, and
/// answered with as much: those of the client, or of the server.
async fn writes_with_bodies(of: Role, requests: usize) -> u64 {
    const BYTES: usize = 10_000;
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (near, near_writes) = Counted::new(near.unwrap());
    let (far, far_writes) = Counted::new(far.unwrap().0);
    let (client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
    let mut client = client.scheme(Scheme::HTTP);
    tokio::spawn(driver);
    let (mut server, driver) = raddle_io::accept(far, Config::default()).await.unwrap();
    tokio::spawn(driver);
    tokio::spawn(async move {
        while let Some((request, responder)) = server.accept().await {
            let body = request.into_body().collect().await.unwrap().to_bytes();
            responder.respond_full(Response::new(body));
        }
    });
    let writes = match of {
        Role::Client => near_writes,
        Role::Server => far_writes,
    };
    let body = Bytes::from_static(&[7; BYTES]);
    let mut before = 0;
    for n in 0..=requests {
        let request = Request::post(format!("http://{address}/"));
        let request = request.body(Full::new(body.clone())).unwrap();
        let answer = client.call(request).await.unwrap();
        let answered = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(answered.len(), BYTES);
        if n == 0 {
            client.ping().await.unwrap();
            before = writes.load(Ordering::Relaxed);
        }
    }
    writes.load(Ordering::Relaxed) - before
}

// Two writes for a head and its body wait 40 ms for each other where Nagle's rule and late acknowledgements meet.
#[test]
fn a_head_and_its_body_are_one_write_of_either_side() {
    const REQUESTS: usize = 200;
    for side in [Role::Client, Role::Server] {
        let work = writes_with_bodies(side, REQUESTS);
        let writes = current_thread().block_on(within(LIMIT, "bodies", work));
        // Windows are renewed now and then, by either.
        let most = REQUESTS as u64 + REQUESTS as u64 / 10;
        assert!(
            (REQUESTS as u64..=most).contains(&writes),
            "{side:?}: {writes}"
        );
    }
}
