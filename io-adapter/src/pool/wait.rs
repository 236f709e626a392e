//! From a request to a connection that has room for it.

use std::{
    future::{pending, poll_fn},
    sync::Arc,
    time::Duration,
};

use super::{
    Inner,
    flight::Flight,
    origin::{Choice, Gone, Line, Wait},
    reap::Reaper,
};
use crate::{
    client::Client,
    dial::{Target, overdue},
    error::{Error, Kind},
};

impl Inner {
    /// A connection to `target` that keeps a place for one stream; for a request that is made for the first time when it
    /// `is_new`. It is waited for no longer than `wait_max`.
    ///
    /// Cancel safe: the place, and those in the lines, are given up.
    ///
    /// # Errors
    /// The dial's error, [`Kind::ConnectTimeout`] when it took longer than the request may wait, or
    /// [`Kind::PoolExhausted`]. Nothing was sent then.
    pub(super) async fn acquire(
        self: &Arc<Self>,
        target: &Target,
        is_new: bool,
        wait_max: Duration,
    ) -> Result<Client, Error> {
        let mut line = Line::new(is_new);
        let wait = match self.choose(target, &mut line)? {
            Choice::Use(client) => return Ok(client),
            Choice::Failing(error) => return Err(error),
            Choice::Wait(wait) => wait,
        };
        match tokio::time::timeout(wait_max, self.wait(target, &mut line, wait)).await {
            Ok(waited) => waited,
            // There was no connection to wait for, only a dial.
            Err(_) if line.is_empty() => Err(overdue(target, wait_max)),
            Err(_) => Err(Error::with_source(
                Kind::PoolExhausted,
                format!("no stream to {target} came free in {wait_max:?}"),
            )),
        }
    }

    async fn wait(
        self: &Arc<Self>,
        target: &Target,
        line: &mut Line,
        mut wait: Wait,
    ) -> Result<Client, Error> {
        loop {
            let alone = line.is_empty();
            let dialed = async {
                match &wait.dial {
                    Some(dial) => dial.ended().await,
                    None => pending().await,
                }
            };
            let again = async {
                match wait.again {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                free = poll_fn(|cx| line.poll_free(cx)) => if let Some(client) = free {
                    return Ok(client);
                },
                // Who stands in a line goes on waiting there: that the pool could not grow takes nothing from it.
                dialed = dialed => if alone {
                    dialed?;
                },
                () = again => {}
                () = &mut wait.moves => {}
            }
            wait = match self.choose(target, line)? {
                Choice::Use(client) => return Ok(client),
                Choice::Failing(error) => return Err(error),
                Choice::Wait(wait) => wait,
            };
        }
    }

    /// Decides what a request is to do, and starts a dial if that is wanted. All of it under one lock: between looking
    /// for a connection and dialing, another request could have done both.
    fn choose(self: &Arc<Self>, target: &Target, line: &mut Line) -> Result<Choice, Error> {
        let mut gone = Gone::default();
        let mut state = self.lock();
        state.last_token += 1;
        let token = state.last_token;
        let mut choice = state
            .touch(target, &self.config, &mut gone)
            .map(|origin| origin.choose(&self.config, token, line, &mut gone));
        drop(state);
        if let Ok(Choice::Wait(wait)) = &mut choice
            && let Some(done) = wait.begun.take()
        {
            Flight::start(self, target.clone(), token, done);
        }
        // After that: a connection that is let go writes its last words, and the transport is not ours. Were it to
        // panic, the dial would be remembered and never begin.
        drop(gone);
        choice
    }

    /// Takes in what the dial with this token has brought.
    pub(super) fn dialed(
        self: &Arc<Self>,
        target: &Target,
        token: u64,
        mut result: Result<Client, Error>,
    ) {
        if let Ok(client) = &mut result {
            client.suppose_scheme(target.scheme());
        }
        let mut state = self.lock();
        match &result {
            Ok(_) => state.stats.opened += 1,
            Err(_) => state.stats.dials_failed += 1,
        }
        if (state.left.get(target)).is_some_and(|&(own, _)| own == token) {
            state.left.remove(target);
        }
        let opened = result.is_ok();
        // What nobody has a place for ends here, behind the lock.
        let refused = match state.origins.get_mut(target) {
            Some(origin) => origin.dialed(token, result, &self.config, self.spread_seed),
            None => result.ok(),
        };
        let begins = opened && refused.is_none() && !std::mem::replace(&mut state.reaps, true);
        drop(state);
        if begins {
            Reaper::start(self);
        }
    }
}
