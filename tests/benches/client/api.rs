//! Both clients behind one trait.

use std::{
    future::{Future, poll_fn},
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use raddle_io::{Client, Config};
use raddle_tests::counted::Counted;
use tokio::net::TcpStream;
use tower_service::Service;

/// A client on one connection.
pub(crate) trait Api: Clone + Send + 'static {
    /// Makes a request, reads the answer to its end, and tells how many bytes its body had.
    fn fetch(&mut self, request: Request<Empty<Bytes>>) -> impl Future<Output = usize> + Send;

    /// How often somebody waited for the connection's lock, and for how long, where that is known.
    fn waits(&self) -> (u64, Duration) {
        (0, Duration::ZERO)
    }
}

async fn read<B>(response: Response<B>) -> usize
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Debug,
{
    assert_eq!(response.status(), 200);
    for field in response.headers() {
        std::hint::black_box(field);
    }
    let mut body = response.into_body();
    let mut len = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.expect("the answer is whole");
        len += frame.data_ref().map_or(0, Bytes::len);
    }
    len
}

impl Api for Client {
    async fn fetch(&mut self, request: Request<Empty<Bytes>>) -> usize {
        poll_fn(|cx| Service::<Request<Empty<Bytes>>>::poll_ready(self, cx))
            .await
            .expect("room for a stream");
        let response = self.call(request).await.expect("an answer");
        read(response).await
    }

    fn waits(&self) -> (u64, Duration) {
        self.usage().lock_waits()
    }
}

impl Api for http2::SendRequest<Empty<Bytes>> {
    async fn fetch(&mut self, request: Request<Empty<Bytes>>) -> usize {
        self.ready().await.expect("room for a stream");
        let response = self.send_request(request).await.expect("an answer");
        read(response).await
    }
}

async fn dial(address: SocketAddr) -> (Counted<TcpStream>, Arc<AtomicU64>) {
    let socket = TcpStream::connect(address).await.expect("the server");
    socket.set_nodelay(true).expect("an option of TCP");
    Counted::new(socket)
}

/// raddle's client, and the count of its writes.
pub(crate) async fn raddle(address: SocketAddr) -> (Client, Arc<AtomicU64>) {
    let (io, writes) = dial(address).await;
    let (client, driver) = raddle_io::connect(io, Config::default())
        .await
        .expect("a connection");
    tokio::spawn(driver);
    (client, writes)
}

/// hyper's, likewise.
pub(crate) async fn hyper(
    address: SocketAddr,
) -> (http2::SendRequest<Empty<Bytes>>, Arc<AtomicU64>) {
    let (io, writes) = dial(address).await;
    let (client, connection) = http2::Builder::new(TokioExecutor::new())
        .handshake(TokioIo::new(io))
        .await
        .expect("a connection");
    tokio::spawn(connection);
    (client, writes)
}
