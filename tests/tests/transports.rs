//! Transports that take a byte at a time, nothing, or no goodbye.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::Empty;
use raddle_io::{Client, Config, ErrorCode, Kind, Retry};
use raddle_tests::wire::{self, kind};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    task::JoinHandle,
    time::timeout,
};
use tower_service::Service;

/// In virtual time: longer than any end takes.
const MINUTE: Duration = Duration::from_secs(60);

/// What a transport does when it is written to, or closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    All,
    Nothing,
    /// An answer of 0, which tells nothing, and comes again when one asks again.
    Zero,
    Error,
}

#[derive(Debug)]
struct Script {
    takes: Takes,
    closes: bool,
    writer: Option<Waker>,
    reader: Option<Waker>,
    calls: usize,
}

/// A transport that is silent, and does what its script says.
#[derive(Clone, Debug)]
struct Scripted(Arc<Mutex<Script>>);

impl Scripted {
    fn new(takes: Takes) -> Self {
        Self(Arc::new(Mutex::new(Script {
            takes,
            closes: true,
            writer: None,
            reader: None,
            calls: 0,
        })))
    }

    /// Changes what it does, and wakes who waited to write.
    fn turn(&self, takes: Takes) {
        let mut script = self.0.lock().unwrap();
        script.takes = takes;
        let writer = script.writer.take();
        drop(script);
        writer.into_iter().for_each(Waker::wake);
    }

    fn calls(&self) -> usize {
        self.0.lock().unwrap().calls
    }
}

impl AsyncRead for Scripted {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.lock().unwrap().reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut script = self.0.lock().unwrap();
        script.calls += 1;
        match script.takes {
            Takes::All => Poll::Ready(Ok(bytes.len())),
            Takes::Zero => Poll::Ready(Ok(0)),
            Takes::Error => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            Takes::Nothing => {
                script.writer = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0.lock().unwrap().closes {
            true => Poll::Ready(Ok(())),
            false => Poll::Pending,
        }
    }
}

async fn connected(io: &Scripted) -> (Client, JoinHandle<Result<(), raddle_io::Error>>) {
    let (client, driver) = raddle_io::connect(io.clone(), Config::default())
        .await
        .unwrap();
    let driver = tokio::spawn(driver);
    tokio::task::yield_now().await;
    (client, driver)
}

fn get() -> Request<Empty<Bytes>> {
    Request::get("http://test/").body(Empty::new()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn h05_a_write_of_nothing_is_an_error_and_no_circle() {
    let io = Scripted::new(Takes::Zero);
    let (mut client, driver) = connected(&io).await;
    let ended = timeout(MINUTE, driver).await.expect("an end").unwrap();
    assert_eq!(ended.unwrap_err().kind(), Kind::Io);
    assert_eq!(io.calls(), 1, "nobody asks again");
    assert_eq!(client.call(get()).await.unwrap_err().retry(), Retry::Safe);
}

#[tokio::test(start_paused = true)]
async fn h10_a_transport_that_waits_and_then_fails_is_told_to_everyone_once() {
    let io = Scripted::new(Takes::All);
    let (mut client, driver) = connected(&io).await;
    let sent = client.call(get());
    io.turn(Takes::Nothing);
    let cut: Vec<_> = (0..3).map(|_| client.call(get())).collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    io.turn(Takes::Error);
    let error = timeout(MINUTE, sent).await.expect("an end").unwrap_err();
    assert_eq!(
        (error.kind(), error.retry()),
        (Kind::Io, Retry::IfIdempotent)
    );
    for cut in cut {
        let error = timeout(MINUTE, cut).await.expect("an end").unwrap_err();
        // The transport was given them in the write that failed, and does not say how much of it has left.
        assert_eq!(
            (error.kind(), error.retry()),
            (Kind::Io, Retry::IfIdempotent)
        );
    }
    // One that comes now was never given to anybody.
    let late = client.call(get()).await.unwrap_err();
    assert_eq!((late.kind(), late.retry()), (Kind::Closed, Retry::Safe));
    let ended = timeout(MINUTE, driver).await.expect("an end").unwrap();
    assert_eq!(ended.unwrap_err().kind(), Kind::Io);
    assert_eq!(client.streams(), 0);
}

#[tokio::test(start_paused = true)]
async fn h11_a_transport_that_does_not_close_is_left() {
    let io = Scripted::new(Takes::All);
    io.0.lock().unwrap().closes = false;
    let (client, driver) = connected(&io).await;
    drop(client);
    let ended = timeout(MINUTE, driver).await.expect("an end").unwrap();
    ended.expect("what was to be said has been");
}

#[tokio::test(start_paused = true)]
async fn j02_a_request_that_is_dropped_inside_its_frame_leaves_the_frames_whole() {
    // The preface and SETTINGS take 70 bytes or so; the cuts go through all of HEADERS and beyond.
    for cut in 60..140 {
        let (near, mut far) = tokio::io::duplex(1);
        let (mut client, driver) = raddle_io::connect(near, Config::default()).await.unwrap();
        tokio::spawn(driver);
        let mut dropped = Some(client.call(get()));
        let mut heard = Vec::new();
        while heard.len() < cut {
            let byte = timeout(MINUTE, far.read_u8()).await;
            let Ok(byte) = byte else { break };
            heard.push(byte.unwrap());
        }
        drop(dropped.take());
        // Behind everything that was said before.
        let kept = client.call(get());
        drop(client);
        far.write_all(&wire::settings(&[])).await.unwrap();
        let is_end = |heard: &[u8]| {
            let (frames, rest) = wire::frames(heard);
            rest == 0 && frames.iter().any(|frame| frame.kind == kind::GOAWAY)
        };
        while !is_end(&heard) {
            let byte = timeout(MINUTE, far.read_u8()).await;
            heard.push(byte.expect("more").unwrap());
        }
        let (frames, _) = wire::frames(&heard);
        let resets: Vec<_> = frames
            .iter()
            .filter(|frame| frame.kind == kind::RST_STREAM)
            .map(|frame| (frame.stream, frame.number(0)))
            .collect();
        let heads = frames.iter().filter(|frame| frame.kind == kind::HEADERS);
        let heads: Vec<_> = heads.map(|frame| frame.stream).collect();
        match heads[..] {
            // It was gone before it was cut.
            [1] => assert_eq!(resets, []),
            [1, 3] => assert_eq!(resets, [(1, ErrorCode::CANCEL.to_u32())]),
            _ => panic!("{cut}: {frames:?}"),
        }
        drop(kept);
    }
}
