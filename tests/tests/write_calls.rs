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
use http::Request;
use http_body_util::{BodyExt, Empty};
use raddle_io::{Client, Config};
use raddle_tests::{counted::Counted, patience::within, scripted};
use tokio::{
    net::TcpStream,
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
