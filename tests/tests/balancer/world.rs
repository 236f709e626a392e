//! The proxy of the load balancer, with pipes in place of sockets.

use std::{
    net::{IpAddr, Ipv4Addr},
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
use http_body_util::BodyExt;
use raddle_io::{
    BoxError, Client, Config, Connect, Dialing, Error, Pool, RecvBody, ResponseFuture, Serve,
    Target, serve_connection,
};
use raddle_lb::{backends::Backends, fields, front::ProxyService, limits::Limits, proxy::Proxy};
use raddle_tests::{
    patience::within,
    raw::RawPeer,
    wire::{Frame as RawFrame, kind},
};
use tokio::{
    io::DuplexStream,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};
use tower_service::Service;

pub(crate) const OK: &[(&str, &str)] = &[(":status", "200")];
/// In virtual time: longer than anything takes that is not stuck.
pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// Hands the far end of each connection to the test.
struct Handing {
    far: UnboundedSender<DuplexStream>,
    takes: Duration,
    dials: Arc<AtomicUsize>,
    config: Config,
}

impl Connect for Handing {
    fn connect(&self, _: Target) -> Dialing {
        let (far, takes, config) = (self.far.clone(), self.takes, self.config.clone());
        self.dials.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            tokio::time::sleep(takes).await;
            let (near, end) = tokio::io::duplex(65_536);
            let (client, driver) = raddle_io::connect(near, config).await?;
            tokio::spawn(driver);
            let handed = far.send(end);
            handed.map_err(|_| Error::connect("the test is over"))?;
            Ok(client)
        })
    }
}

/// A proxy, and the connections that it opens.
pub(crate) struct World {
    proxy: Arc<Proxy>,
    dialed: UnboundedReceiver<DuplexStream>,
    dials: Arc<AtomicUsize>,
    limits: Limits,
}

impl World {
    /// A proxy of so many backends, each as a connection of the pool away.
    pub(crate) fn new(backends: usize, limits: Limits) -> Self {
        Self::slow(backends, limits, Duration::ZERO)
    }

    /// The same, with dials that take a while.
    pub(crate) fn slow(backends: usize, limits: Limits, takes: Duration) -> Self {
        let (far, dialed) = unbounded_channel();
        let dials = Arc::new(AtomicUsize::new(0));
        let connector = Handing {
            far,
            takes,
            dials: Arc::clone(&dials),
            config: limits.backend_config(),
        };
        let target = |n| Target::of(&format!("http://backend{n}").parse().unwrap()).unwrap();
        let backends = Backends::new((0..backends).map(target).collect(), &limits);
        let proxy = Proxy::new(
            backends,
            Pool::new(connector, limits.pool_config()),
            limits.clone(),
        );
        Self {
            proxy: Arc::new(proxy),
            dialed,
            dials,
            limits,
        }
    }

    /// A client of its own connection.
    pub(crate) async fn client(&self) -> Client {
        let (near, far) = tokio::io::duplex(65_536);
        tokio::spawn(self.serving(far));
        let (client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
        tokio::spawn(driver);
        client
    }

    /// The connection of a client, as `raddle_lb::front` serves it.
    pub(crate) fn serving(&self, io: DuplexStream) -> Serve<DuplexStream, ProxyService> {
        let client = fields::Client {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            encrypted: true,
        };
        let service = ProxyService::new(Arc::clone(&self.proxy), client);
        let config = Config {
            concurrent_streams_max: self.limits.http2_streams_max,
            ..Config::default()
        };
        serve_connection(io, service, config).informs()
    }

    /// Hands every connection to a backend to `serve` from now on.
    pub(crate) fn serve(&mut self, serve: impl Fn(DuplexStream) + Send + 'static) {
        let (_, none) = unbounded_channel();
        let mut dialed = std::mem::replace(&mut self.dialed, none);
        tokio::spawn(async move {
            while let Some(io) = dialed.recv().await {
                serve(io);
            }
        });
    }

    /// The next connection to a backend, which is played by hand.
    pub(crate) async fn backend(&mut self) -> RawPeer<DuplexStream> {
        let dialed = within(MINUTE, "a dial", self.dialed.recv()).await;
        RawPeer::server(dialed.expect("the proxy lives"), &[]).await
    }

    pub(crate) fn dials(&self) -> usize {
        self.dials.load(Ordering::Relaxed)
    }
}

/// What a test sends, part by part; it ends when the sender is dropped.
pub(crate) struct Parts(UnboundedReceiver<Frame<Bytes>>);

impl Parts {
    pub(crate) fn channel() -> (UnboundedSender<Frame<Bytes>>, Self) {
        let (send, parts) = unbounded_channel();
        (send, Self(parts))
    }
}

impl Body for Parts {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0.poll_recv(cx).map(|part| part.map(Ok))
    }
}

pub(crate) fn data(part: &'static [u8]) -> Frame<Bytes> {
    Frame::data(Bytes::from_static(part))
}

/// A GET, on its way.
pub(crate) fn get(client: &mut Client) -> ResponseFuture {
    let request = Request::get("http://test/").body(RecvBody::empty());
    client.call(request.unwrap())
}

/// A POST on its way, and where its body comes from.
pub(crate) fn post(client: &mut Client) -> (ResponseFuture, UnboundedSender<Frame<Bytes>>) {
    let (sent, parts) = Parts::channel();
    let request = Request::post("http://test/").body(parts).unwrap();
    (client.call(request), sent)
}

pub(crate) async fn head(response: ResponseFuture) -> Result<Response<RecvBody>, Error> {
    within(MINUTE, "a response", response).await
}

/// The whole body, and its trailers.
pub(crate) async fn whole(body: RecvBody) -> Result<(Bytes, Option<HeaderMap>), Error> {
    let collected = within(MINUTE, "a body", body.collect()).await?;
    let trailers = collected.trailers().cloned();
    Ok((collected.to_bytes(), trailers))
}

/// The next frame of this kind at a backend.
pub(crate) async fn expect(peer: &mut RawPeer<DuplexStream>, kind: u8) -> RawFrame {
    within(
        MINUTE,
        format_args!("a frame of kind {kind}"),
        peer.expect(kind),
    )
    .await
}

/// The next request at a backend.
pub(crate) async fn request(peer: &mut RawPeer<DuplexStream>) -> u32 {
    expect(peer, kind::HEADERS).await.stream
}

/// Lets everything happen that needs no time.
pub(crate) async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}
