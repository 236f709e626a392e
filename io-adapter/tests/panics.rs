//! What goes on after a panic in code that is not ours.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use raddle_io::{Client, Config, Connect, Dialing, Error, Pool, PoolConfig, Target};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    time::timeout,
};
use tower_service::Service;

#[path = "support/mod.rs"]
mod support;
use support::{Echo, echo, get};

/// A transport whose writing panics once it is `armed`.
struct Trap {
    io: DuplexStream,
    armed: Arc<AtomicBool>,
}

impl AsyncRead for Trap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Trap {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        assert!(!self.armed.load(Ordering::Relaxed), "planted: a write");
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// Each dial opens a connection to a server of its own.
struct Trapped(Arc<AtomicBool>);

impl Connect for Trapped {
    fn connect(&self, target: Target) -> Dialing {
        // The trap is for the first target alone.
        let armed = match target.host() {
            "first" => Arc::clone(&self.0),
            _ => Arc::default(),
        };
        Box::pin(connect(armed))
    }
}

async fn connect(armed: Arc<AtomicBool>) -> Result<Client, Error> {
    let (io, far) = tokio::io::duplex(65_536);
    tokio::spawn(raddle_io::serve_connection(
        far,
        Echo(echo),
        Config::default(),
    ));
    let (client, driver) = raddle_io::connect(Trap { io, armed }, Config::default()).await?;
    tokio::spawn(driver);
    Ok(client)
}

#[tokio::test(start_paused = true)]
async fn a_transport_that_panics_when_it_is_let_go_takes_no_other_origin_with_it() {
    let armed = Arc::new(AtomicBool::new(false));
    let config = PoolConfig {
        origins_max: 1,
        ..PoolConfig::default()
    };
    let pool = Pool::new(Trapped(Arc::clone(&armed)), config);
    let ask = async |host: &str| {
        let mut request = get("/");
        *request.uri_mut() = format!("http://{host}/").parse().unwrap();
        let mut pool = pool.clone();
        tokio::spawn(async move { pool.call(request).await.map(drop) }).await
    };
    ask("first").await.unwrap().unwrap();
    armed.store(true, Ordering::Relaxed);
    // The first origin gives way, and says GOAWAY into the trap.
    assert!(ask("second").await.unwrap_err().is_panic());
    let answer = timeout(Duration::from_secs(1), ask("second")).await;
    answer.expect("in time").unwrap().unwrap();
}
