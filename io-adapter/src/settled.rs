//! Waiting for the peer's SETTINGS, which say what it takes.

use std::{
    future::poll_fn,
    task::{Context, Poll, Waker},
};

use crate::{error::Error, shared::Shared};

/// Those who wait for the peer's SETTINGS, by a number that each has.
#[derive(Debug, Default)]
pub(crate) struct Unsettled {
    wakers: Vec<(u64, Waker)>,
    last: u64,
}

impl Unsettled {
    /// Puts who polls into the line. Answers the waker that was there, for [`State::aside`](crate::state::State).
    fn wait(&mut self, place: &mut Option<u64>, cx: &Context<'_>) -> Option<Waker> {
        let known = place.and_then(|own| self.wakers.iter_mut().find(|(other, _)| *other == own));
        if let Some((_, waker)) = known {
            return Some(std::mem::replace(waker, cx.waker().clone()));
        }
        self.last += 1;
        *place = Some(self.last);
        self.wakers.push((self.last, cx.waker().clone()));
        None
    }

    fn leave(&mut self, place: u64) -> Option<Waker> {
        let at = self.wakers.iter().position(|&(other, _)| other == place)?;
        Some(self.wakers.swap_remove(at).1)
    }

    /// Everybody, because there is nothing to wait for any more.
    pub(crate) fn all(&mut self) -> impl Iterator<Item = Waker> {
        std::mem::take(&mut self.wakers)
            .into_iter()
            .map(|(_, waker)| waker)
    }
}

/// Waits for the peer's SETTINGS. Cancel safe.
///
/// # Errors
/// [`Kind::Closed`](crate::Kind::Closed) when the connection ends first.
pub(crate) async fn settled(shared: &Shared) -> Result<(), Error> {
    let mut waiting = Waiting {
        shared,
        place: None,
    };
    poll_fn(|cx| {
        let mut state = shared.lock();
        if state.ready {
            return Poll::Ready(Ok(()));
        }
        if state.closed.is_some() {
            return Poll::Ready(Err(Shared::refusal(&state)));
        }
        let before = state.unsettled.wait(&mut waiting.place, cx);
        state.aside.extend(before);
        Poll::Pending
    })
    .await
}

/// A place in the line, which is left when this is dropped.
struct Waiting<'a> {
    shared: &'a Shared,
    place: Option<u64>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let mut state = self.shared.lock();
            let waker = state.unsettled.leave(place);
            state.aside.extend(waker);
        }
    }
}
