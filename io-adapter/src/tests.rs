//! Tests with locks of the system. They stand apart from what they test because loom's models take its source in.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use raddle_core::{Config, Connection, Role, Timestamp};
use tokio::{
    io::{AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    task::yield_now,
    time::Instant,
};

use crate::{
    dial::{Dialer, Target},
    shared::Shared,
};

/// A transport that takes nothing at first and is ready again before its caller has let the write lock go: the
/// driver, woken for it, finds the lock taken.
#[derive(Clone, Default)]
struct Trap {
    shared: Arc<OnceLock<Weak<Shared>>>,
    refused: Arc<AtomicBool>,
    written: Arc<Mutex<Vec<u8>>>,
}

impl AsyncWrite for Trap {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.refused.swap(true, Ordering::SeqCst) {
            self.shared.get().unwrap().upgrade().unwrap().flush();
            return Poll::Pending;
        }
        self.written.lock().unwrap().extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn who_finds_the_write_lock_taken_is_not_forgotten() {
    let trap = Trap::default();
    let connection = Connection::new(Role::Client, Config::default(), Timestamp(0));
    let shared = Shared::new(connection, Box::new(trap.clone()), false, Instant::now());
    trap.shared.set(Arc::downgrade(&shared)).unwrap();
    shared.lock().driver = Some(Waker::noop().clone());
    shared.flush();
    assert!(trap.refused.load(Ordering::SeqCst));
    assert!(
        trap.written.lock().unwrap().starts_with(b"PRI * HTTP/2.0"),
        "nobody else will come and write it"
    );
}

#[test]
fn who_finds_the_write_lock_taken_by_a_look_is_not_forgotten() {
    let trap = Trap::default();
    trap.refused.store(true, Ordering::SeqCst);
    let connection = Connection::new(Role::Client, Config::default(), Timestamp(0));
    let shared = Shared::new(connection, Box::new(trap.clone()), false, Instant::now());
    shared.lock().driver = Some(Waker::noop().clone());
    // The driver looks whether everything is written, and in just that moment somebody wants to write.
    let mut looks = 0;
    shared.with_writer(|_| {
        looks += 1;
        if looks == 1 {
            shared.flush();
        }
    });
    assert_eq!(
        looks, 2,
        "what was seen before the write is not true any more"
    );
    assert!(
        trap.written.lock().unwrap().starts_with(b"PRI * HTTP/2.0"),
        "nobody else will come and write it"
    );
}

#[tokio::test]
async fn who_is_asked_for_calm_keeps_the_next_connection_alive_less_often() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let target = Target::of(&format!("http://{address}").parse().unwrap()).unwrap();
    let dialer = Dialer::new(Config::default());
    let second = Duration::from_secs(1);
    for (code, times) in [(11, 2), (0, 2), (2, 2), (11, 4)] {
        let client = dialer.dial(&target).await.unwrap();
        let (mut peer, _) = listener.accept().await.unwrap();
        // SETTINGS, and GOAWAY with this code.
        peer.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
        let goaway = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, code];
        peer.write_all(&goaway).await.unwrap();
        peer.shutdown().await.unwrap();
        while peer.read_u8().await.is_ok() {}
        drop(client);
        let ended = async {
            while dialer.config_for(&target).keep_alive_interval != Some(30 * second * times) {
                yield_now().await;
            }
        };
        let ended = tokio::time::timeout(10 * second, ended).await;
        assert!(ended.is_ok(), "after {code}");
    }
    let config = dialer.clone().config_for(&target);
    assert_eq!(config.keep_alive_quiet_interval, 4 * 300 * second);
    let other = Target::of(&http::Uri::from_static("http://other/")).unwrap();
    let config = dialer.config_for(&other);
    assert_eq!(config.keep_alive_interval, Some(30 * second));
}
