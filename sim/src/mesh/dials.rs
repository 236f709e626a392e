//! Connections that take their time until they are there, and who waits for them.

use raddle_core::Retry;

use super::{Hop, Task, Topology, World, plan::MILLISECOND};
use crate::{outcome::Fault, trace::note};

impl World<'_> {
    /// A connection of the proxy's is dialed.
    pub(super) fn dial(&mut self, at: usize, hop: Hop) {
        let long = self.plan.dials;
        if hop == Hop::Near || self.plan.topology == Topology::Pool || long == 0 {
            return;
        }
        let delay = self.tape.lane("dials").below(long + 1) * MILLISECOND;
        let link = &mut self.links[at];
        link.dialing = true;
        for pipe in [&mut link.up, &mut link.down] {
            pipe.stall(self.now + delay);
        }
        self.later(delay, Task::Dialed(at));
    }

    /// A connection is there: who waits for it goes on. One for which nobody waits any more serves whoever comes next.
    pub(super) fn dialed(&mut self, at: usize) -> Result<(), Fault> {
        note!(self, "{}: is there", at);
        let waits = |id: &usize| {
            let attempt = &self.attempts[*id];
            attempt.link == at && attempt.dialing.is_some()
        };
        let waiting: Vec<_> = (0..self.attempts.len()).filter(waits).collect();
        let link = &mut self.links[at];
        link.dialing = false;
        link.parked = link.left && waiting.is_empty();
        for id in waiting {
            if let Some(then) = self.attempts[id].dialing.take() {
                self.open(id, then)?;
            }
        }
        Ok(())
    }

    /// The client of an attempt has gone while its connection is dialed. The dial goes on.
    pub(super) fn leave_dial(&mut self, far: usize) -> Result<(), Fault> {
        let link = self.attempts[far].link;
        note!(self, "{} Client: nobody waits for {} any more", link, far);
        self.links[link].left = true;
        self.forget(far, raddle_core::Role::Client);
        self.oracle.gave_up(far as u64)?;
        self.oracle.failed(far as u64, Retry::Safe)
    }
}
