use raddle_io::{Dialing, Pool, Target};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::*;
use crate::{backends::Backends, echo::EchoService, shutdown::Shutdown};

/// A proxy with one echo backend, over pipes.
fn proxy(limits: &Limits) -> Arc<Proxy> {
    let connect = |_: Target| -> Dialing {
        Box::pin(async {
            let (near, far) = tokio::io::duplex(65_536);
            let echo = EchoService::new("echo");
            tokio::spawn(serve_connection(far, echo, Config::default()));
            let (client, driver) = raddle_io::connect(near, Config::default()).await?;
            tokio::spawn(driver);
            Ok(client)
        })
    };
    let target = Target::of(&"http://echo".parse().unwrap()).unwrap();
    let backends = Backends::new(vec![target], limits);
    let pool = Pool::new(connect, limits.pool_config());
    Arc::new(Proxy::new(backends, pool, limits.clone()))
}

/// TLS for a server, and for a client that speaks HTTP/1.1 to it.
fn tls_pair() -> (Arc<ServerConfig>, TlsConnector) {
    let made = rcgen::generate_simple_self_signed(["test".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = tls::server_config(vec![certificate], key, true).unwrap();
    (server, TlsConnector::from(Arc::new(client)))
}

/// A client of HTTP/1.1 that has sent `request`, and the task that serves it.
async fn client(
    limits: &Limits,
    guard: Guard,
    request: &str,
) -> (TlsStream<DuplexStream>, tokio::task::JoinHandle<()>) {
    let (server, connector) = tls_pair();
    let address = std::net::IpAddr::from([127, 0, 0, 1]);
    let from = Client {
        address,
        encrypted: true,
    };
    let connection = Connection {
        tls: server,
        limits: limits.clone(),
        service: ProxyService::new(proxy(limits), from),
        guard,
    };
    let (near, far) = tokio::io::duplex(65_536);
    let served = tokio::spawn(connection.serve(far));
    let name = ServerName::try_from("test").unwrap();
    let mut client = connector.connect(name, near).await.unwrap();
    client.write_all(request.as_bytes()).await.unwrap();
    client.flush().await.unwrap();
    (client, served)
}

const MUCH: &str = "GET /bytes/10000000 HTTP/1.1\r\nhost: test\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_hung_up_on() {
    let (limits, shutdown) = (Limits::default(), Shutdown::default());
    let (client, served) = client(&limits, shutdown.guard(), MUCH).await;
    let start = Instant::now();
    let ended = timeout(2 * limits.client_stall, served).await;
    ended.expect("an end").unwrap();
    assert!(start.elapsed() >= limits.client_stall);
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_it_slowly_gets_all_of_it() {
    let (limits, shutdown) = (Limits::default(), Shutdown::default());
    let (mut client, served) = client(&limits, shutdown.guard(), MUCH).await;
    let start = Instant::now();
    let (mut read, mut piece) = (0, vec![0; 100_000]);
    while read < 10_000_000 {
        sleep(limits.client_stall / 2).await;
        read += client.read(&mut piece).await.unwrap();
    }
    assert!(start.elapsed() > 10 * limits.client_stall);
    drop(client);
    served.await.unwrap();
}

/// What accept() says, one after the other, and then nothing.
struct Script {
    says: std::sync::Mutex<std::collections::VecDeque<io::Result<DuplexStream>>>,
    asked: Arc<std::sync::atomic::AtomicUsize>,
}

impl Listen for Script {
    type Io = DuplexStream;

    async fn next(&self) -> io::Result<(DuplexStream, SocketAddr)> {
        self.asked
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let next = self.says.lock().unwrap().pop_front();
        match next {
            Some(accepted) => Ok((accepted?, SocketAddr::from(([127, 0, 0, 1], 1)))),
            None => std::future::pending().await,
        }
    }
}

/// Asks for something over TLS; answers the beginning of what comes back.
async fn ask(connector: &TlsConnector, io: DuplexStream) -> Vec<u8> {
    let name = ServerName::try_from("test").unwrap();
    let mut client = connector.connect(name, io).await.unwrap();
    client
        .write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n")
        .await
        .unwrap();
    client.flush().await.unwrap();
    let mut answer = vec![0; 15];
    client.read_exact(&mut answer).await.unwrap();
    answer
}

#[tokio::test(start_paused = true)]
async fn v51_accept_pauses_after_each_error_and_goes_on() {
    const TIMES: usize = 250;
    let (limits, shutdown) = (Limits::default(), Shutdown::default());
    let (server, connector) = tls_pair();
    // EMFILE, ENFILE, ENOBUFS and ENOMEM by their numbers on Linux; a client that had gone before it was accepted; and what a
    // listener is not supposed to say at all.
    let errors = || {
        let numbers = [24, 23, 105, 12].map(io::Error::from_raw_os_error);
        let kinds = [
            io::ErrorKind::ConnectionAborted,
            io::ErrorKind::ConnectionReset,
            io::ErrorKind::PermissionDenied,
            io::ErrorKind::Other,
        ];
        numbers.into_iter().chain(kinds.map(io::Error::from))
    };
    let mut says = std::collections::VecDeque::new();
    let mut clients = Vec::new();
    for _ in 0..3 {
        let many = std::iter::repeat_with(errors).flatten().take(TIMES);
        says.extend(many.map(Err));
        let (near, far) = tokio::io::duplex(65_536);
        clients.push(near);
        says.push_back(Ok(far));
    }
    let asked = Arc::default();
    let script = Script {
        says: says.into(),
        asked: Arc::clone(&asked),
    };
    let (proxy, guard) = (proxy(&limits), shutdown.guard());
    let start = Instant::now();
    let running = tokio::spawn(async move {
        accept_all(script, &server, &proxy, &limits, guard).await;
    });
    let [first, mut second, third] = clients.try_into().unwrap();
    assert_eq!(ask(&connector, first).await, b"HTTP/1.1 200 OK");
    // One pause for each error, and no turn in between: nothing else takes time here.
    let pauses = |rounds: u32| TIMES as u32 * rounds * ACCEPT_PAUSE;
    assert_eq!(start.elapsed(), pauses(1));
    // One that fails its handshake is hung up on, and that is all.
    second.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let _ = second.read_to_end(&mut rest).await;
    assert!(rest.len() <= 64, "an alert at most");
    assert_eq!(start.elapsed(), pauses(2));
    assert_eq!(ask(&connector, third).await, b"HTTP/1.1 200 OK");
    assert_eq!(start.elapsed(), pauses(3));
    let asked = asked.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(asked, 3 * (TIMES + 1) + 1, "once for each, and once more");
    assert!(shutdown.finish(Duration::from_secs(5)).await);
    running.await.unwrap();
}
