//! The last responses of a connection that drains, on a transport that keeps a buffer of its own, as TLS does.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use raddle_io::{BoxError, Config, RecvBody};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tower_service::Service;

#[path = "support/mod.rs"]
mod support;
use support::get;

/// Takes every byte, and writes it when it is flushed.
struct Buffered {
    io: DuplexStream,
    buffer: Vec<u8>,
}

impl AsyncRead for Buffered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl AsyncWrite for Buffered {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.buffer.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while !this.buffer.is_empty() {
            let written = ready!(Pin::new(&mut this.io).poll_write(cx, &this.buffer))?;
            this.buffer.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Answers after a second with 60 KB.
#[derive(Clone)]
struct Late;

impl Service<Request<RecvBody>> for Late {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<RecvBody>) -> Self::Future {
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(Response::new(Full::new(Bytes::from(vec![7; 60_000]))))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_a_slow_path_to_take_the_last_response() {
    let (server, slow) = tokio::io::duplex(1_024);
    let (fast, client) = tokio::io::duplex(1 << 20);
    let (mut slow_read, mut slow_write) = tokio::io::split(slow);
    let (mut fast_read, mut fast_write) = tokio::io::split(fast);
    // 20 KB each second from the server to the client.
    tokio::spawn(async move {
        let mut buffer = [0; 1_024];
        while let Ok(len @ 1..) = slow_read.read(&mut buffer).await {
            tokio::time::sleep(Duration::from_millis(50)).await;
            fast_write.write_all(&buffer[..len]).await?;
        }
        fast_write.shutdown().await
    });
    tokio::spawn(async move { tokio::io::copy(&mut fast_read, &mut slow_write).await });
    let io = Buffered {
        io: server,
        buffer: Vec::new(),
    };
    let mut serving = raddle_io::serve_connection(io, Late, Config::default());
    let served = tokio::spawn(async move {
        tokio::select! {
            biased;
            end = &mut serving => return end,
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
        }
        Pin::new(&mut serving).graceful_shutdown();
        serving.await
    });
    let (mut client, driver) = raddle_io::connect(client, Config::default()).await.unwrap();
    tokio::spawn(driver);
    let response = client.call(get("/")).await.unwrap();
    let body = response.into_body().collect().await;
    assert_eq!(body.expect("it is whole").to_bytes().len(), 60_000);
    drop(client);
    served.await.unwrap().unwrap();
}
