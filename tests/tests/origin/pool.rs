//! What only a pool of connections can get wrong.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use raddle_io::{Config, Connect, Dialing, Pool, PoolConfig, Retry, Target};
use raddle_tests::{
    patience::within,
    raw::RawPeer,
    wire::{self, kind},
};
use tokio::{io::DuplexStream, sync::mpsc};
use tower_service::Service;

use super::OK;

const LIMIT: Duration = Duration::from_secs(30);

/// Hands the far end of each connection to the test.
struct Handing(mpsc::UnboundedSender<DuplexStream>, Arc<Mutex<usize>>);

impl Connect for Handing {
    fn connect(&self, _: Target) -> Dialing {
        let (near, far) = tokio::io::duplex(65_536);
        *self.1.lock().unwrap() += 1;
        let handed = self.0.send(far);
        Box::pin(async move {
            handed.expect("the test takes connections");
            // A dial takes a while, in which others ask for the same.
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            let (client, driver) = raddle_io::connect(near, Config::default()).await?;
            tokio::spawn(driver);
            Ok(client)
        })
    }
}

fn pool() -> (
    Pool,
    mpsc::UnboundedReceiver<DuplexStream>,
    Arc<Mutex<usize>>,
) {
    let (send, receive) = mpsc::unbounded_channel();
    let dials = Arc::new(Mutex::new(0));
    let config = PoolConfig {
        connections_max: 1,
        resends_max: 0,
        ..PoolConfig::default()
    };
    (
        Pool::new(Handing(send, Arc::clone(&dials)), config),
        receive,
        dials,
    )
}

fn get() -> Request<Empty<Bytes>> {
    Request::get("http://test/").body(Empty::new()).unwrap()
}

// The reader was detached and kept a pointer into a pool slot that was reused: it wrote into another connection's
// streams.
#[tokio::test]
async fn origin_12_nothing_of_an_old_connection_reaches_its_successor() {
    let (mut pool, mut connections, _) = pool();
    let first = tokio::spawn(pool.call(get()));
    let mut old = RawPeer::server(connections.recv().await.unwrap(), &[]).await;
    assert_eq!(old.expect(kind::HEADERS).await.stream, 1);
    old.send(&wire::headers(1, OK, false)).await;
    old.send(&wire::data(1, b"old", false)).await;
    let mut old_body = first.await.unwrap().unwrap().into_body();
    old_body.frame().await.unwrap().unwrap();
    let unanswered = tokio::spawn(pool.call(get()));
    old.expect(kind::HEADERS).await;
    drop(old);
    assert_eq!(
        unanswered.await.unwrap().unwrap_err().retry(),
        Retry::IfIdempotent
    );
    // The successor takes the same place, and its first stream the same identifier and the same slot.
    let second = tokio::spawn(pool.call(get()));
    let mut new = RawPeer::server(connections.recv().await.unwrap(), &[]).await;
    assert_eq!(new.expect(kind::HEADERS).await.stream, 1);
    new.send(&wire::headers(1, OK, false)).await;
    let new_body = second.await.unwrap().unwrap().into_body();
    new.send(&wire::data(1, b"new", false)).await;
    assert!(
        old_body.frame().await.unwrap().is_err(),
        "not a byte of the new one"
    );
    drop(old_body);
    new.send(&wire::data(1, b"er", true)).await;
    let whole = within(LIMIT, "the new body", new_body.collect())
        .await
        .unwrap();
    assert_eq!(whole.to_bytes(), "newer");
    drop(pool);
    let frames = new.rest().await;
    assert!(
        !frames.iter().any(|frame| frame.kind == kind::RST_STREAM),
        "{frames:?}"
    );
}

// "Start the reader if none is active" was check-then-act: two readers read one socket.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn origin_13_many_first_requests_share_one_dial_and_one_reader() {
    let (pool, mut connections, dials) = pool();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let mut pool = pool.clone();
        tasks.spawn(async move { pool.call(get()).await.unwrap().status() });
    }
    let mut peer = RawPeer::server(connections.recv().await.unwrap(), &[]).await;
    let answering = async {
        for _ in 0..100 {
            let head = peer.expect(kind::HEADERS).await;
            peer.send(&wire::headers(head.stream, OK, true)).await;
        }
    };
    within(LIMIT, "100 requests", answering).await;
    let answers = within(LIMIT, "their answers", tasks.join_all()).await;
    assert!(answers.iter().all(|status| *status == 200));
    assert_eq!(*dials.lock().unwrap(), 1);
    assert_eq!(pool.stats().opened, 1);
}
