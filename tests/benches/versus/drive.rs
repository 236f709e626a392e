//! One end of a connection as the benchmark sees it, and the loop around two of them.

use crate::{
    wire::Wire,
    workload::{Seen, Texts, Workload},
};
use std::rc::Rc;

/// One end of a connection: an engine with the application that uses it, or a script.
pub(crate) trait End {
    /// Makes ready for so many more requests. What that costs is not measured.
    fn prepare(&mut self, _requests: usize) {}

    /// Reads all that waits, and acts on it.
    fn input(&mut self, wire: &mut Wire);

    /// Writes until there is nothing more to say or the wire is full.
    fn output(&mut self, wire: &mut Wire);

    /// What was read since the last call.
    fn seen(&mut self) -> Seen;

    /// Frees buffers that belong to the loop around the engine.
    fn let_go(&mut self) {}
}

/// The end that makes requests.
pub(crate) trait Asks: End {
    /// Wants so many more requests made, as many at a time as the workload has streams.
    fn ask(&mut self, requests: usize);

    /// Whether all of them have ended.
    fn is_done(&self) -> bool;
}

/// A client and a server with wires between them.
pub(crate) trait Pair {
    /// Makes ready for so many more requests. What that costs is not measured.
    fn prepare(&mut self, requests: usize);

    /// Makes so many requests.
    fn run(&mut self, requests: usize) -> Seen;

    /// Bytes that went up and down so far.
    fn carried(&self) -> (u64, u64);
}

/// Two ends in one thread. There is nothing to wait for: what one says is what the other reads.
#[derive(Debug)]
pub(crate) struct Ends<C, S> {
    pub(crate) client: C,
    pub(crate) server: S,
    up: Wire,
    down: Wire,
}

impl<C: Asks, S: End> Ends<C, S> {
    /// Two ends that `client` and `server` make of a workload.
    pub(crate) fn new(
        workload: &'static Workload,
        client: impl FnOnce(&'static Workload, Rc<Texts>) -> C,
        server: impl FnOnce(&'static Workload, Rc<Texts>) -> S,
    ) -> Self {
        let texts = Rc::new(Texts::new(workload));
        Self {
            client: client(workload, Rc::clone(&texts)),
            server: server(workload, texts),
            up: Wire::new(),
            down: Wire::new(),
        }
    }
}

impl<C: Asks, S: End> Pair for Ends<C, S> {
    fn prepare(&mut self, requests: usize) {
        self.client.prepare(requests);
        self.server.prepare(requests);
    }

    fn run(&mut self, requests: usize) -> Seen {
        self.client.ask(requests);
        while !self.client.is_done() {
            let before = self.carried();
            self.client.output(&mut self.up);
            self.server.input(&mut self.up);
            self.server.output(&mut self.down);
            self.client.input(&mut self.down);
            assert_ne!(self.carried(), before, "both ends wait for the other");
        }
        let mut seen = self.client.seen();
        seen.add(&self.server.seen());
        seen
    }

    fn carried(&self) -> (u64, u64) {
        (self.up.carried, self.down.carried)
    }
}
