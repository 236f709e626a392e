//! What is left when all is over: nothing, on either side.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use raddle_core::Role;
use raddle_io::Usage;
use tokio::time::sleep;

use super::{
    book::Book,
    plan::{Cut, millis},
};
use crate::outcome::Fault;

/// How often somebody looks, in milliseconds.
const LOOK_EVERY: u64 = 100;
/// For how long what is left of a run in which all could be told may take to go, in milliseconds.
const TOLD_MAX: u64 = 30_000;
/// The same where one side cannot know that the other has gone: a server ends by its idle time then, which is five minutes.
const UNTOLD_MAX: u64 = 330_000;

/// What an application or a connection has in use, counted.
#[derive(Debug, Default)]
pub(super) struct InUse {
    /// Connections of servers.
    connections: Arc<AtomicU32>,
    /// Requests that a server's application works on.
    answers: Arc<AtomicU32>,
    /// Bodies that were given to be sent.
    bodies: Arc<AtomicU32>,
}

/// One of them, for as long as it lives.
#[derive(Debug)]
pub(super) struct Counted(Arc<AtomicU32>);

impl Counted {
    fn new(of: &Arc<AtomicU32>) -> Self {
        of.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(of))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl InUse {
    fn counts(&self) -> [u32; 3] {
        [&self.connections, &self.answers, &self.bodies].map(|of| of.load(Ordering::Relaxed))
    }
}

impl Book {
    pub(super) fn one_connection(&self) -> Counted {
        Counted::new(&self.in_use.connections)
    }

    pub(super) fn one_answer(&self) -> Counted {
        Counted::new(&self.in_use.answers)
    }

    pub(super) fn one_body(&self) -> Counted {
        Counted::new(&self.in_use.bodies)
    }

    /// Small sockets of the simulation lose the news of an end.
    pub(super) fn loses_ends(&self) -> bool {
        self.plan.socket_messages < 1_024
    }

    /// For how long what is left may take to go.
    fn patience(&self) -> u64 {
        match self.plan.cut {
            // What was to say goodbye may be lost.
            Some(Cut::Partition(..) | Cut::SocketWedges(..) | Cut::WritesWait(..)) => UNTOLD_MAX,
            _ if self.loses_ends() => UNTOLD_MAX,
            _ => TOLD_MAX,
        }
    }

    /// I-16: the client is done. Sooner or later no server has a connection, an application works on nothing, and nobody
    /// keeps a body that was to be sent.
    pub(super) async fn nothing_is_in_use(&self) {
        self.client_is_done();
        let from = self.now();
        while self.in_use.counts() != [0; 3] {
            if self.now() > from + millis(self.patience()) {
                let [connections, answers, bodies] = self.in_use.counts();
                return self.fault(Fault::run(format!(
                    "I-16: behind the end there are {connections} connections of servers, {answers} requests that are \
                     worked on, {bodies} bodies to be sent"
                )));
            }
            sleep(millis(LOOK_EVERY)).await;
        }
    }

    /// I-16: nothing is in progress any more. Sooner or later this end of the connection holds nothing.
    pub(super) async fn no_stream_is_held(&self, role: Role, usage: &Usage) {
        let from = self.now();
        while self.now() < from + millis(TOLD_MAX) {
            usage.check();
            if is_unused(usage) {
                return;
            }
            sleep(millis(LOOK_EVERY)).await;
        }
        self.fault(Fault::run(format!(
            "I-16: in the end the {role:?} holds {} streams, {} places, {} PINGs, and {} wait for a place",
            usage.streams(),
            usage.places(),
            usage.pings(),
            usage.waiting()
        )));
    }
}

fn is_unused(usage: &Usage) -> bool {
    let kept = [usage.streams(), usage.places(), usage.waiting()];
    (kept, usage.pings()) == ([0; 3], 0)
}
