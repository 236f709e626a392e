//! Connections over TLS: what it keeps in buffers of its own, which no window and no limit of the engine sees; how it
//! begins and how it ends.
#![cfg(feature = "tls")]

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use raddle_io::{
    Client, Config, Kind, Retry, Violation,
    tls::{self, Connector, TlsStream, Trust},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf},
    task::JoinHandle,
};
use tower_service::Service;

/// The most that TLS may keep.
const KEPT_MAX: u64 = 64 * 1024;
/// What the pipe below TLS takes.
const PIPE: usize = 4 * 1024;

/// Bytes that have passed, each way.
#[derive(Default)]
struct Passed {
    read: AtomicU64,
    written: AtomicU64,
    /// Calls that read or write, whatever came of them.
    polls: AtomicU64,
    /// How far `read` was ever ahead of that of the other counter, see [`Tap::above`].
    ahead_max: AtomicU64,
}

/// Counts what passes.
struct Tap<T> {
    io: T,
    passed: Arc<Passed>,
    below: Option<Arc<Passed>>,
}

impl<T> Tap<T> {
    fn new(io: T) -> Self {
        Self {
            io,
            passed: Arc::default(),
            below: None,
        }
    }

    /// A tap above TLS, which compares with the one below.
    fn above(io: T, below: &Arc<Passed>) -> Self {
        Self {
            io,
            passed: Arc::default(),
            below: Some(Arc::clone(below)),
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Tap<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.passed.polls.fetch_add(1, Ordering::Relaxed);
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(cx, buf);
        let read = (buf.filled().len() - before) as u64;
        let read = self.passed.read.fetch_add(read, Ordering::Relaxed) + read;
        if let Some(below) = &self.below {
            let ahead = below.read.load(Ordering::Relaxed).saturating_sub(read);
            self.passed.ahead_max.fetch_max(ahead, Ordering::Relaxed);
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Tap<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.passed.polls.fetch_add(1, Ordering::Relaxed);
        let polled = Pin::new(&mut self.io).poll_write(cx, bytes);
        if let Poll::Ready(Ok(written)) = polled {
            let written = written as u64;
            self.passed.written.fetch_add(written, Ordering::Relaxed);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// A client whose connection is TLS, with what has passed below and above it since the handshake; and the other end.
struct Fixture {
    client: Client,
    below: Arc<Passed>,
    above: Arc<Passed>,
    far: TlsStream<DuplexStream>,
    driver: JoinHandle<Result<(), raddle_io::Error>>,
}

fn server_config() -> Arc<rustls::ServerConfig> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = made.signing_key.serialize_der().try_into().unwrap();
    tls::server_config(vec![made.cert.der().clone()], key, false).unwrap()
}

async fn connected() -> Fixture {
    let config = server_config();
    let (near, far) = tokio::io::duplex(PIPE);
    let near = Tap::new(near);
    let below = Arc::clone(&near.passed);
    let connector = Connector::new(Trust::Anyone);
    let (near, far) = tokio::join!(
        biased;
        connector.connect("localhost", near),
        tls::accept(config, far)
    );
    let (near, (mut far, h2)) = (near.unwrap(), far.unwrap());
    assert!(h2);
    for counter in [&below.read, &below.written, &below.polls] {
        counter.store(0, Ordering::Relaxed);
    }
    let near = Tap::above(near, &below);
    let above = Arc::clone(&near.passed);
    let (client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
    let driver = tokio::spawn(driver);
    // SETTINGS with INITIAL_WINDOW_SIZE 2^31-1, and as much for the connection.
    let wide = [
        0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff, 0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7f,
        0xff, 0, 0,
    ];
    far.write_all(&wide).await.unwrap();
    far.flush().await.unwrap();
    let mut begin = [0; 24];
    far.read_exact(&mut begin).await.unwrap();
    Fixture {
        client,
        below,
        above,
        far,
        driver,
    }
}

#[tokio::test(start_paused = true)]
async fn v52_what_a_peer_does_not_read_is_kept_by_the_stream_and_not_by_tls() {
    let mut fixture = connected().await;
    let body = Full::new(Bytes::from(vec![7; 8 << 20]));
    let upload = fixture
        .client
        .call(Request::post("https://localhost/").body(body).unwrap());
    // Longer than any write takes; shorter than the deadline for writing.
    tokio::time::sleep(Duration::from_secs(20)).await;
    let above = fixture.above.written.load(Ordering::Relaxed);
    let below = fixture.below.written.load(Ordering::Relaxed);
    assert!(below >= PIPE as u64, "the pipe is full: {below}");
    let kept = above.saturating_sub(below);
    assert!(kept <= KEPT_MAX, "TLS keeps {kept} bytes");
    // Who waits does not ask again and again.
    let polls = fixture.below.polls.load(Ordering::Relaxed);
    assert!(polls <= 64, "{polls} calls for {below} bytes");
    // And the connection does not wait for ever.
    let ended = tokio::time::timeout(Duration::from_secs(60), upload).await;
    assert!(ended.expect("the deadline for writing").is_err());
    drop(fixture.far);
}

#[tokio::test(start_paused = true)]
async fn v52_a_peer_that_reads_nothing_is_not_alive_for_what_tls_keeps() {
    for reads in [false, true] {
        let mut fixture = connected().await;
        let begun = tokio::time::Instant::now();
        // It acknowledges our SETTINGS.
        let ack = [0, 0, 0, 4, 1, 0, 0, 0, 0];
        fixture.far.write_all(&ack).await.unwrap();
        // Less than TLS keeps, and more than the pipe below it takes.
        let body = Full::new(Bytes::from(vec![7; 20 << 10]));
        let request = Request::post("https://localhost/").body(body).unwrap();
        let mut upload = tokio::spawn(fixture.client.call(request));
        // It talks all the time, and is woken for it, though it does not read.
        let mut ended = None;
        while ended.is_none() && begun.elapsed() < Duration::from_secs(35) {
            let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            let _ = fixture.far.write_all(&ping).await;
            let _ = fixture.far.flush().await;
            if reads && begun.elapsed() >= Duration::from_secs(25) {
                let _ = fixture.far.read(&mut [0; 16_384]).await;
            }
            let second = Duration::from_secs(1);
            ended = tokio::time::timeout(second, &mut upload).await.ok();
        }
        let above = fixture.above.written.load(Ordering::Relaxed);
        assert!(above > 20 << 10, "TLS took it all: {above}");
        let Some(ended) = ended else {
            assert!(reads, "the deadline for writing");
            continue;
        };
        let error = ended.unwrap().unwrap_err();
        assert!(!reads, "{error}");
        assert_eq!(error.violation(), Some(Violation::WriteTimeout), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(32));
    }
}

#[tokio::test(start_paused = true)]
async fn v52_what_arrives_is_not_gathered_by_tls() {
    let mut fixture = connected().await;
    let answer = fixture.client.call(get());
    let far = &mut fixture.far;
    // Status 200, and as much of a body as the client's window takes, which nobody reads.
    far.write_all(&[0, 0, 1, 1, 4, 0, 0, 0, 1, 0x88])
        .await
        .unwrap();
    let window = Config::default().stream_window_bytes as usize;
    for _ in 0..window / 16_384 {
        far.write_all(&[0, 0x40, 0, 0, 0, 0, 0, 0, 1])
            .await
            .unwrap();
        far.write_all(&[7; 16_384]).await.unwrap();
    }
    far.flush().await.unwrap();
    let body = answer.await.unwrap().into_body();
    let read = || fixture.above.read.load(Ordering::Relaxed);
    while read() < window as u64 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let kept = fixture.above.ahead_max.load(Ordering::Relaxed);
    assert!(kept <= KEPT_MAX, "TLS kept {kept} bytes");
    // The pipe gives up to 4 KiB at a time.
    let polls = fixture.below.polls.load(Ordering::Relaxed);
    assert!(polls <= window as u64 / 512, "{polls} calls");
    drop(body);
}

#[tokio::test(start_paused = true)]
async fn v52_records_of_one_byte_cost_a_few_calls_each() {
    let mut fixture = connected().await;
    let before = fixture.below.polls.load(Ordering::Relaxed);
    let read = fixture.below.read.load(Ordering::Relaxed);
    // PING after PING, each byte in a record of its own, which is flushed by itself.
    let ping = [0, 0, 8, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for byte in std::iter::repeat_n(ping, 20).flatten() {
        fixture.far.write_all(&[byte]).await.unwrap();
        fixture.far.flush().await.unwrap();
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    let read = fixture.below.read.load(Ordering::Relaxed) - read;
    let polls = fixture.below.polls.load(Ordering::Relaxed) - before;
    assert!(read >= 340 * 23, "{read} bytes of records");
    assert!(polls <= 4 * 340, "{polls} calls for {read} bytes");
    assert_eq!(fixture.client.stats().defences.pings, 20);
    assert_eq!(fixture.client.stats().frames_received, 22);
    drop(fixture.driver);
}

fn get() -> Request<Full<Bytes>> {
    Request::get("https://localhost/")
        .body(Full::default())
        .unwrap()
}

// RFC 9113 §3.2: what is not agreed on by ALPN is not HTTP/2.
#[tokio::test]
async fn h07_without_h2_in_alpn_nothing_is_said() {
    for offered in [vec![b"http/1.1".to_vec()], Vec::new()] {
        let mut config = (*server_config()).clone();
        config.alpn_protocols = offered;
        let (near, far) = tokio::io::duplex(PIPE);
        let connector = Connector::new(Trust::Anyone);
        let (dialed, accepted) = tokio::join!(
            biased;
            connector.connect("localhost", near),
            tls::accept(Arc::new(config), far)
        );
        let error = dialed.map(drop).unwrap_err();
        assert_eq!((error.kind(), error.retry()), (Kind::Tls, Retry::Safe));
        if let Ok((mut far, h2)) = accepted {
            assert!(!h2);
            let mut said = Vec::new();
            let _ = far.read_to_end(&mut said).await;
            assert_eq!(said, b"", "no preface");
        }
    }
}

// RFC 9113 §9.2: an end without close_notify may be an attacker's. What was whole is whole; the rest is not.
#[tokio::test(start_paused = true)]
async fn h03_an_end_without_a_goodbye_cuts_what_is_open_and_nothing_else() {
    let mut fixture = connected().await;
    let (whole, open) = (fixture.client.call(get()), fixture.client.call(get()));
    // Both are on their way.
    tokio::time::sleep(Duration::from_millis(1)).await;
    let answers = [
        0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88, 0, 0, 1, 1, 4, 0, 0, 0, 3, 0x88,
    ];
    fixture.far.write_all(&answers).await.unwrap();
    fixture.far.flush().await.unwrap();
    let mut open = open.await.unwrap().into_body();
    // Without a word of TLS's own.
    drop(fixture.far);
    let error = open.frame().await.unwrap().unwrap_err();
    assert_eq!(error.retry(), Retry::Never, "its answer had begun");
    let whole = whole.await.unwrap().into_body();
    assert!(whole.collect().await.unwrap().to_bytes().is_empty());
    assert!(fixture.driver.await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn h03_an_end_without_a_goodbye_is_no_error_when_nothing_is_open() {
    let mut fixture = connected().await;
    // Its SETTINGS have arrived.
    tokio::time::sleep(Duration::from_millis(1)).await;
    drop(fixture.far);
    fixture.driver.await.unwrap().unwrap();
    let error = fixture.client.call(get()).await.unwrap_err();
    assert_eq!((error.kind(), error.retry()), (Kind::Closed, Retry::Safe));
}
