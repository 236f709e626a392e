//! Writes that fail with requests in them: which of those may be sent again.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use raddle_io::{Client, Config, Dialer, Retry, Target};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tower_service::Service;

#[path = "support/mod.rs"]
mod support;
use support::get;

/// What a write that fails has done before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// It sent so many bytes, and does not say so.
    AfterSending(usize),
    /// It takes so many bytes more, and then fails.
    #[cfg(feature = "tls")]
    Behind(usize),
    /// It takes nothing, and calls that no error.
    Zero,
    /// It takes nothing for now.
    Later,
}

/// A transport whose writes fail once they are told to.
struct Failing<T> {
    io: T,
    failure: Failures,
    vectored: bool,
}

impl<T: AsyncRead + Unpin> AsyncRead for Failing<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Failing<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let failure = *self.failure.lock().unwrap();
        match failure {
            None => Pin::new(&mut self.io).poll_write(cx, buf),
            Some(Failure::Zero) => Poll::Ready(Ok(0)),
            Some(Failure::Later) => Poll::Pending,
            Some(Failure::AfterSending(bytes)) => {
                let sent = &buf[..bytes.min(buf.len())];
                assert!(Pin::new(&mut self.io).poll_write(cx, sent).is_ready());
                Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()))
            }
            #[cfg(feature = "tls")]
            Some(Failure::Behind(0)) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            #[cfg(feature = "tls")]
            Some(Failure::Behind(left)) => {
                let part = &buf[..left.min(buf.len())];
                let written = std::task::ready!(Pin::new(&mut self.io).poll_write(cx, part))?;
                *self.failure.lock().unwrap() = Some(Failure::Behind(left - written));
                Poll::Ready(Ok(written))
            }
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
        self.poll_write(cx, &all)
    }

    fn is_write_vectored(&self) -> bool {
        self.vectored
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

fn post(bytes: usize) -> Request<Full<Bytes>> {
    let body = Full::new(Bytes::from(vec![7; bytes]));
    Request::post("http://test/").body(body).unwrap()
}

type Failures = Arc<Mutex<Option<Failure>>>;

async fn yields() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

/// The verdicts of three requests over a transport that fails so: one is on its way by then; one has a body, which is a
/// part of the output of its own; one comes when the transport has not taken that. And what its peer has got of them.
async fn over(failure: Failure, vectored: bool) -> ([Retry; 3], Vec<u8>) {
    let (near, mut far) = tokio::io::duplex(1 << 20);
    let fails = Failures::default();
    let io = Failing {
        io: near,
        failure: Arc::clone(&fails),
        vectored,
    };
    let (mut client, driver) = raddle_io::connect(io, Config::default()).await.unwrap();
    tokio::spawn(driver);
    far.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    let sent = client.call(get("/"));
    yields().await;
    let mut got = Vec::new();
    let _ = timeout(Duration::from_millis(1), far.read_to_end(&mut got)).await;
    got.clear();
    *fails.lock().unwrap() = Some(Failure::Later);
    let first = client.call(post(10_000));
    yields().await;
    let second = client.call(get("/"));
    yields().await;
    *fails.lock().unwrap() = Some(failure);
    // It makes the driver write once more.
    let third = client.call(get("/"));
    let mut verdicts = Vec::new();
    for response in [sent, first, second] {
        let ended = timeout(Duration::from_secs(60), response).await;
        let error = ended.expect("the connection fails").unwrap_err();
        verdicts.push(error.retry());
    }
    assert_eq!(third.await.unwrap_err().retry(), *verdicts.last().unwrap());
    far.read_to_end(&mut got).await.unwrap();
    (verdicts.try_into().unwrap(), got)
}

const CAREFUL: Retry = Retry::IfIdempotent;

#[tokio::test(start_paused = true)]
async fn h02_what_a_transport_was_given_it_may_have_sent() {
    for bytes in [0, 1, 60, 10_000] {
        let (verdicts, got) = over(Failure::AfterSending(bytes), true).await;
        assert!(bytes < 10_000 || got.len() == bytes, "{}", got.len());
        assert_eq!(verdicts, [CAREFUL; 3], "{bytes} bytes");
    }
}

// What is in no write that was tried, nobody can have got.
#[tokio::test(start_paused = true)]
async fn h02_what_a_transport_was_not_given_is_safe_to_send_again() {
    for bytes in [0, 1, 60] {
        let (verdicts, got) = over(Failure::AfterSending(bytes), false).await;
        assert_eq!(verdicts, [CAREFUL, CAREFUL, Retry::Safe], "{bytes} bytes");
        assert!(got.len() <= bytes, "the last request is not among {got:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn h02_what_a_transport_says_it_has_not_taken_is_safe_to_send_again() {
    for vectored in [false, true] {
        let (verdicts, got) = over(Failure::Zero, vectored).await;
        assert_eq!(verdicts, [CAREFUL, Retry::Safe, Retry::Safe]);
        assert_eq!(got, b"");
    }
}

/// The verdict of a lone request, written to a socket that the peer has reset since the last read.
async fn verdict_of_reset(mut client: Client, far: TcpStream) -> Retry {
    while client.stats().frames_received == 0 {
        tokio::task::yield_now().await;
    }
    // What is not read turns a close into a reset. Nothing of ours runs before it has arrived, and then the write does.
    far.readable().await.unwrap();
    drop(far);
    std::thread::sleep(Duration::from_millis(100));
    let lost = client.call(post(10_000));
    let ended = timeout(Duration::from_secs(60), lost).await;
    ended.expect("the connection fails").unwrap_err().retry()
}

/// Takes a connection and says SETTINGS on it.
async fn taken(listener: &TcpListener) -> TcpStream {
    let (mut far, _) = listener.accept().await.unwrap();
    far.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
    far
}

// A system that sends a part of what it is given says how much: an error of a socket means nothing.
#[tokio::test]
async fn h02_what_a_failed_write_of_a_socket_was_given_is_safe_to_send_again() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let target = Target::of(&format!("http://{address}/").parse().unwrap()).unwrap();

    let dialer = Dialer::new(Config::default());
    let (client, far) = tokio::join!(dialer.dial(&target), taken(&listener));
    assert_eq!(verdict_of_reset(client.unwrap(), far).await, Retry::Safe);

    let (near, far) = tokio::join!(TcpStream::connect(address), taken(&listener));
    let connected = raddle_io::connect(near.unwrap(), Config::default()).await;
    let (client, driver) = connected.unwrap();
    tokio::spawn(driver);
    assert_eq!(verdict_of_reset(client, far).await, Retry::Safe);

    // Who knows what else is in between.
    let (near, far) = tokio::join!(TcpStream::connect(address), taken(&listener));
    let near = Failing {
        io: near.unwrap(),
        failure: Arc::default(),
        vectored: true,
    };
    let (client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
    tokio::spawn(driver);
    assert_eq!(verdict_of_reset(client, far).await, CAREFUL);
}

#[cfg(feature = "tls")]
mod over_tls {
    use raddle_io::{
        Kind,
        tls::{self, Connector, Trust},
    };

    use super::*;

    // TLS takes what it is given into records, sends some, and tells of the failure alone: the server has the request.
    #[tokio::test(start_paused = true)]
    async fn h02_a_failed_write_of_tls_may_have_brought_a_request() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = made.signing_key.serialize_der().try_into().unwrap();
        let config = tls::server_config(vec![made.cert.der().clone()], key, false).unwrap();
        let (near, far) = tokio::io::duplex(1 << 20);
        let fails = Failures::default();
        let near = Failing {
            io: near,
            failure: Arc::clone(&fails),
            vectored: false,
        };
        let connector = Connector::new(Trust::Anyone);
        let (near, far) = tokio::join!(
            biased;
            connector.connect("localhost", near),
            tls::accept(config, far)
        );
        let (mut server, driver) = raddle_io::accept(far.unwrap().0, Config::default())
            .await
            .unwrap();
        let served = tokio::spawn(driver);
        let (mut client, driver) = raddle_io::connect(near.unwrap(), Config::default())
            .await
            .unwrap();
        tokio::spawn(driver);
        client.settled().await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
        *fails.lock().unwrap() = Some(Failure::Behind(20_000));
        let lost = client.call(post(60_000));
        let error = timeout(Duration::from_secs(60), lost)
            .await
            .unwrap()
            .unwrap_err();
        assert_eq!((error.kind(), error.retry()), (Kind::Io, CAREFUL));
        assert!(server.accept().await.is_some(), "it has got the head");
        drop(server);
        let _ = served.await;
    }
}
