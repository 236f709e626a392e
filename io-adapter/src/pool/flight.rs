//! A dial: it belongs to the pool, and tells everybody who waits for it how it ended.

use std::sync::{Arc, PoisonError, Weak};

use tokio::sync::Notify;

use super::Inner;
use crate::{
    client::Client,
    dial::{Target, overdue},
    error::Error,
    sync::{Mutex, MutexGuard, spawn},
};

/// Where those who wait for a dial hear of its end.
#[derive(Clone)]
pub(super) struct Dial(Arc<End>);

/// Where a dial tells its end.
pub(super) struct Done(Arc<End>);

/// How a dial ended, once it has, for everybody. They are woken in the order in which they came.
#[derive(Default)]
struct End {
    told: Mutex<Option<Result<(), Error>>>,
    telling: Notify,
}

/// Both ends of what a dial will tell.
pub(super) fn dial() -> (Done, Dial) {
    let end = Arc::new(End::default());
    (Done(Arc::clone(&end)), Dial(end))
}

impl End {
    fn told(&self) -> MutexGuard<'_, Option<Result<(), Error>>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dial {
    /// How the dial ended.
    pub(super) async fn ended(&self) -> Result<(), Error> {
        loop {
            // Made before the look: what is told after that wakes it.
            let telling = self.0.telling.notified();
            if let Some(ended) = &*self.0.told() {
                return ended.clone();
            }
            telling.await;
        }
    }
}

impl Done {
    fn tell(self, ended: Result<(), Error>) {
        *self.0.told() = Some(ended);
        self.0.telling.notify_waiters();
    }
}

/// A dial in progress. However it ends, by a panic or with its runtime, those who wait hear of it, and the next one may
/// begin.
pub(super) struct Flight {
    inner: Weak<Inner>,
    target: Target,
    token: u64,
    /// `None` once the end was told.
    done: Option<Done>,
}

impl Flight {
    /// Dials in a task of its own, which no request can take with it.
    pub(super) fn start(inner: &Arc<Inner>, target: Target, token: u64, done: Done) {
        let mut flight = Self {
            inner: Arc::downgrade(inner),
            target,
            token,
            done: Some(done),
        };
        spawn(async move {
            let Some(inner) = flight.inner.upgrade() else {
                return;
            };
            let dialing = inner.connector.connect(flight.target.clone());
            let dial_max = inner.config.dial_max;
            // The pool may go while it dials.
            drop(inner);
            // What was half opened is dropped before anybody dials again.
            let result = tokio::time::timeout(dial_max, dialing).await;
            flight.land(result.unwrap_or_else(|_| Err(overdue(&flight.target, dial_max))));
        });
    }

    fn land(&mut self, result: Result<Client, Error>) {
        let Some(done) = self.done.take() else {
            return;
        };
        let told = match &result {
            Ok(_) => Ok(()),
            Err(error) => Err(error.clone()),
        };
        if let Some(inner) = self.inner.upgrade() {
            inner.dialed(&self.target, self.token, result);
        }
        done.tell(told);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.land(Err(Error::connect("the dial was given up halfway")));
    }
}
