//! Waiting with an end: a test that hangs has to say what hung.

use std::{fmt, future::Future, time::Duration};

/// Waits for `future`, at most for `limit`.
///
/// # Panics
/// When the time is over, with `what` in the message. The future is dropped then, and with it what it holds.
pub async fn within<F: Future>(limit: Duration, what: impl fmt::Display, future: F) -> F::Output {
    match tokio::time::timeout(limit, future).await {
        Ok(output) => output,
        Err(_) => panic!("{what}: not done after {limit:?}"),
    }
}
