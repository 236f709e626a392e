//! The lock on a connection's state, and what must not be dropped or told under it.
//!
//! A waker belongs to whoever polls. The last one of a task may take the task's future with it, and that may hold
//! requests and bodies of this very connection, whose drop takes the lock. So a waker that another one replaces, or
//! whose place goes, is put aside and dropped when the lock is free. After that, what has happened is told to whoever
//! watches: a subscriber may take the lock as well.

use std::{
    ops::{Deref, DerefMut},
    task::{Context, Waker},
};

use crate::{state::State, sync::MutexGuard};

/// The state, locked.
pub(crate) struct Locked<'a> {
    state: Option<MutexGuard<'a, State>>,
    tells: bool,
}

impl<'a> Locked<'a> {
    pub(crate) fn new(guard: MutexGuard<'a, State>) -> Self {
        Self {
            state: Some(guard),
            tells: true,
        }
    }

    /// For who has something to do for others before a subscriber is told of what has happened: it is told by whoever tells
    /// next.
    pub(crate) fn quietly(mut self) -> Self {
        self.tells = false;
        self
    }
}

impl Deref for Locked<'_> {
    type Target = State;

    fn deref(&self) -> &State {
        self.state
            .as_ref()
            .expect("it is there until it is dropped")
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut State {
        self.state
            .as_mut()
            .expect("it is there until it is dropped")
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let Some(mut state) = self.state.take() else {
            return;
        };
        let aside = std::mem::take(&mut state.aside);
        let left = std::mem::take(&mut state.permits.left);
        let watcher = self.tells.then(|| state.watcher.due()).flatten();
        drop(state);
        drop((aside, left));
        if let Some(watcher) = watcher {
            watcher.tell();
        }
    }
}

/// Puts the waker of who polls into its place. Answers the one that was there, for [`State::aside`].
#[must_use = "it may not be dropped under the lock"]
pub(crate) fn put(place: &mut Option<Waker>, cx: &Context<'_>) -> Option<Waker> {
    match place {
        Some(waker) if waker.will_wake(cx.waker()) => None,
        _ => place.replace(cx.waker().clone()),
    }
}
