//! Clients that end their half of the transport: some read on, and some have gone.

use std::{
    convert::Infallible,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use raddle_io::{Config, Kind, RecvBody};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::mpsc,
    time::{sleep, timeout},
};

/// The preface, SETTINGS, and two requests: a GET that is whole, and the head of a POST.
const ASKED: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\
    \x00\x00\x00\x04\x00\x00\x00\x00\x00\
    \x00\x00\x08\x01\x05\x00\x00\x00\x01\x82\x86\x84\x41\x03abc\
    \x00\x00\x08\x01\x04\x00\x00\x00\x03\x83\x86\x84\x41\x03abc";

/// The kinds and streams of the frames.
fn frames(mut bytes: &[u8]) -> Vec<(u8, u8)> {
    let mut frames = Vec::new();
    while let [0, high, low, kind, _, _, _, _, stream, rest @ ..] = bytes {
        frames.push((*kind, *stream));
        bytes = &rest[usize::from(u16::from_be_bytes([*high, *low]))..];
    }
    frames
}

/// Tells when it ends, whether it has answered or was dropped.
struct Told(mpsc::UnboundedSender<&'static str>, &'static str);

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.0.send(self.1);
    }
}

/// Serves `io`, each request after `wait`; answers what the connection ended with and what became of its requests.
async fn serve<T>(io: T, wait: Duration) -> (Result<(), raddle_io::Error>, Vec<&'static str>)
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let (ended, mut endings) = mpsc::unbounded_channel();
    let service = Function(move |_: Request<RecvBody>| {
        let mut told = Told(ended.clone(), "given up");
        async move {
            sleep(wait).await;
            told.1 = "answered";
            drop(told);
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"hello"))))
        }
    });
    let serve = raddle_io::serve_connection(io, service, Config::default());
    let end = timeout(Duration::from_secs(600), serve).await;
    let mut all = Vec::new();
    while let Ok(ending) = timeout(Duration::from_secs(600), endings.recv()).await {
        match ending {
            Some(ending) => all.push(ending),
            None => break,
        }
    }
    all.sort_unstable();
    (end.expect("the connection ends"), all)
}

/// A service out of a function.
#[derive(Clone)]
struct Function<F>(F);

impl<F, O> tower_service::Service<Request<RecvBody>> for Function<F>
where
    F: FnMut(Request<RecvBody>) -> O,
    O: Future<Output = Result<Response<Full<Bytes>>, Infallible>>,
{
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = O;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RecvBody>) -> O {
        (self.0)(request)
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_ended_its_half_reads_the_answer() {
    let (mut near, far) = tokio::io::duplex(65_536);
    near.write_all(ASKED).await.unwrap();
    near.shutdown().await.unwrap();
    let served = tokio::spawn(serve(far, Duration::from_secs(60)));
    let mut bytes = Vec::new();
    let read = timeout(Duration::from_secs(600), near.read_to_end(&mut bytes));
    read.await.expect("it ends").unwrap();
    let (end, endings) = served.await.unwrap();
    end.unwrap();
    assert!(endings.contains(&"answered"), "{endings:?}");
    let frames = frames(&bytes);
    let of = |kind, stream| frames.contains(&(kind, stream));
    assert!(of(1, 1) && of(0, 1), "the answer: {frames:?}");
    assert!(of(3, 3), "the request that is not whole: {frames:?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_has_gone_is_found_out_long_before_the_answer() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut near = tokio::net::TcpStream::connect(address).await.unwrap();
    let (far, _) = listener.accept().await.unwrap();
    near.write_all(ASKED).await.unwrap();
    // What the server says at once is read, so that the end is no reset.
    let served = tokio::spawn(serve(far, Duration::from_secs(1_000_000)));
    let mut greeting = [0; 1];
    near.read_exact(&mut greeting).await.unwrap();
    let mut rest = vec![0; 65_536];
    let _ = timeout(Duration::from_millis(100), near.read(&mut rest)).await;
    drop(near);
    let (end, endings) = served.await.unwrap();
    assert_eq!(end.unwrap_err().kind(), Kind::Io);
    assert!(
        endings.iter().all(|ending| *ending == "given up"),
        "{endings:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn answers_that_cannot_be_written_are_an_error() {
    // Less than the server's greeting.
    let (mut near, far) = tokio::io::duplex(16);
    let served = tokio::spawn(serve(far, Duration::ZERO));
    near.write_all(&ASKED[..ASKED.len() - 17]).await.unwrap();
    near.shutdown().await.unwrap();
    // The answer has ended for the engine, behind what the transport does not take.
    sleep(Duration::from_millis(500)).await;
    drop(near);
    let (end, endings) = served.await.unwrap();
    assert_eq!(end.unwrap_err().kind(), Kind::Io);
    assert_eq!(endings, ["answered"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_on_its_way_when_the_half_ends_arrives_whole() {
    // It has ended for the engine, behind what the transport does not take yet.
    let (mut near, far) = tokio::io::duplex(64);
    let served = tokio::spawn(serve(far, Duration::ZERO));
    near.write_all(&ASKED[..ASKED.len() - 17]).await.unwrap();
    sleep(Duration::from_millis(500)).await;
    near.shutdown().await.unwrap();
    sleep(Duration::from_millis(500)).await;
    let mut bytes = Vec::new();
    let read = timeout(Duration::from_secs(600), near.read_to_end(&mut bytes));
    read.await.expect("it ends").unwrap();
    let (end, endings) = served.await.unwrap();
    end.unwrap();
    assert_eq!(endings, ["answered"]);
    assert_eq!(frames(&bytes).last(), Some(&(0, 1)), "the answer's end");
}
