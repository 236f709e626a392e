//! PINGs that the application asks for.

use std::{future::poll_fn, task::Poll};

use raddle_core::{Lifecycle, PingId};

use crate::{
    error::{Error, Kind},
    guard::put,
    shared::Shared,
};

/// Sends a PING and waits for its answer. Cancel safe: the answer to one that nobody waits for is dropped.
///
/// # Errors
/// When the connection ends first; [`Kind::Misuse`] when several PINGs are in flight already.
pub(crate) async fn ping(shared: &Shared) -> Result<(), Error> {
    let id = shared.command(|state| {
        if let Some(id) = state.connection.ping() {
            state.pongs.push((id, None, false));
            return Ok(id);
        }
        Err(match state.connection.lifecycle() {
            Lifecycle::Closing | Lifecycle::Closed => Shared::refusal(state),
            _ => Error::new(Kind::Misuse("several PINGs wait for an answer already")),
        })
    })?;
    let _guard = ForgetPong { shared, id };
    poll_fn(|cx| {
        let mut state = shared.lock();
        if state.closed.is_some() {
            return Poll::Ready(Err(Shared::closed_error(&state)));
        }
        match state.pongs.iter_mut().find(|(other, ..)| *other == id) {
            Some((_, waker, false)) => {
                let before = put(waker, cx);
                state.aside.extend(before);
                Poll::Pending
            }
            _ => Poll::Ready(Ok(())),
        }
    })
    .await
}

/// Drops what is known of a PING.
struct ForgetPong<'a> {
    shared: &'a Shared,
    id: PingId,
}

impl Drop for ForgetPong<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        let at = state.pongs.iter().position(|(other, ..)| *other == self.id);
        let waker = at.and_then(|at| state.pongs.remove(at).1);
        state.aside.extend(waker);
    }
}
