//! Telling everybody that the end has begun, knowing when everybody has gone, and cutting those who have not in time.

use std::{future::Future, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    /// It has not begun.
    None,
    /// What is in progress goes on, and nothing else begins.
    Begun,
    /// Nothing goes on.
    Over,
}

/// The end that says when. Dropped, it is over for everybody who holds a guard.
#[derive(Debug)]
pub struct Shutdown {
    end: watch::Sender<End>,
    alive: mpsc::Sender<()>,
    gone: mpsc::Receiver<()>,
}

/// What each task holds while it works.
#[derive(Clone, Debug)]
pub struct Guard {
    end: watch::Receiver<End>,
    _alive: mpsc::Sender<()>,
}

/// Makes guards for tasks to come. It is no guard itself: nobody waits for it.
#[derive(Clone, Debug)]
pub struct Guards {
    end: watch::Receiver<End>,
    alive: mpsc::WeakSender<()>,
}

impl Default for Shutdown {
    fn default() -> Self {
        let (end, _) = watch::channel(End::None);
        // Nothing is ever sent: the channel closes when the last guard is dropped.
        let (alive, gone) = mpsc::channel(1);
        Self { end, alive, gone }
    }
}

impl Shutdown {
    /// A guard for one more task.
    #[must_use]
    pub fn guard(&self) -> Guard {
        Guard {
            end: self.end.subscribe(),
            _alive: self.alive.clone(),
        }
    }

    /// What makes guards later.
    #[must_use]
    pub fn guards(&self) -> Guards {
        Guards {
            end: self.end.subscribe(),
            alive: self.alive.downgrade(),
        }
    }

    /// Begins the end, and waits until every guard is dropped. After `limit` those who still work are cut, and it waits for
    /// them to be gone: each is a task that ends when it is polled next. Answers whether that was not needed.
    ///
    /// Cancel safe in the sense that nobody outlives it: dropped, it cuts them at once.
    pub async fn finish(self, limit: Duration) -> bool {
        let Self {
            end,
            alive,
            mut gone,
        } = self;
        end.send_replace(End::Begun);
        drop(alive);
        let in_time = timeout(limit, gone.recv()).await.is_ok();
        if !in_time {
            end.send_replace(End::Over);
            let _ = gone.recv().await;
        }
        in_time
    }
}

impl Guards {
    /// A guard for one more task; `None` once everybody has gone.
    #[must_use]
    pub fn guard(&self) -> Option<Guard> {
        let end = self.end.clone();
        let alive = self.alive.upgrade()?;
        Some(Guard { end, _alive: alive })
    }
}

impl Guard {
    /// Ready when the end has begun. Cancel safe.
    pub async fn begun(&mut self) {
        self.wait_for(End::Begun).await;
    }

    /// Does some work, and lets go of it half done when the end is over. `None` then.
    pub async fn until_over<F: Future>(mut self, work: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            () = self.wait_for(End::Over) => None,
            done = work => Some(done),
        }
    }

    async fn wait_for(&mut self, stage: End) {
        // Without a sender it is over.
        let _ = self.end.wait_for(|end| *end >= stage).await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn who_is_done_in_time_is_not_cut() {
        let shutdown = Shutdown::default();
        let mut guard = shutdown.guard();
        let slow = tokio::spawn(shutdown.guard().until_over(async move {
            guard.begun().await;
            tokio::time::sleep(LIMIT / 2).await;
        }));
        assert!(shutdown.finish(LIMIT).await);
        assert_eq!(slow.await.unwrap(), Some(()));
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_limit_and_after_its_drop_nothing_goes_on() {
        let begun = tokio::time::Instant::now();
        let shutdown = Shutdown::default();
        let stuck = tokio::spawn(shutdown.guard().until_over(pending::<()>()));
        assert!(!shutdown.finish(LIMIT).await);
        assert_eq!(begun.elapsed(), LIMIT);
        assert_eq!(stuck.await.unwrap(), None);

        let shutdown = Shutdown::default();
        let stuck = tokio::spawn(shutdown.guard().until_over(pending::<()>()));
        drop(shutdown);
        assert_eq!(stuck.await.unwrap(), None);
    }
}
