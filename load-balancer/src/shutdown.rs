//! Telling everybody that the end has begun, and knowing when everybody has gone.

use tokio::sync::{mpsc, watch};

/// The end that says when.
#[derive(Debug)]
pub struct Shutdown {
    begun: watch::Sender<bool>,
    alive: mpsc::Sender<()>,
    gone: mpsc::Receiver<()>,
}

/// What each task holds while it works.
#[derive(Clone, Debug)]
pub struct Guard {
    begun: watch::Receiver<bool>,
    _alive: mpsc::Sender<()>,
}

impl Default for Shutdown {
    fn default() -> Self {
        let (begun, _) = watch::channel(false);
        // Nothing is ever sent: the channel closes when the last guard is dropped.
        let (alive, gone) = mpsc::channel(1);
        Self { begun, alive, gone }
    }
}

impl Shutdown {
    /// A guard for one more task.
    #[must_use]
    pub fn guard(&self) -> Guard {
        Guard {
            begun: self.begun.subscribe(),
            _alive: self.alive.clone(),
        }
    }

    /// Begins the end, and waits until every guard is dropped.
    pub async fn finish(self) {
        let Self {
            begun,
            alive,
            mut gone,
        } = self;
        begun.send_replace(true);
        drop(alive);
        let _ = gone.recv().await;
    }
}

impl Guard {
    /// Ready when the end has begun. Cancel safe.
    pub async fn begun(&mut self) {
        // The sender is dropped at the end, too.
        let _ = self.begun.wait_for(|begun| *begun).await;
    }
}
