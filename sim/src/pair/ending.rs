//! How a run ends, and what is said of one that does not.

use super::World;
use crate::{conservation::conserved, outcome::Fault};

impl World<'_> {
    /// I-10 over both ends. Streams are many: they are looked at only when nothing is on its way, which is often enough.
    pub(super) fn conserved(&self) -> Result<(), Fault> {
        let rest = self.up.next().is_none() && self.down.next().is_none();
        conserved(self.client.half(), self.server.half(), rest)
    }

    /// Everything has ended: nothing may be left over.
    pub(super) fn finish(&self) -> Result<(), Fault> {
        self.oracle.finish()?;
        if let Some(n) = self.oracle.unended_on_server().next() {
            return Err(Fault::of(n, "I-01: never ended on the server"));
        }
        for end in [&self.client, &self.server] {
            if let Some(live) = end.streams.values().next() {
                return Err(Fault::of(
                    live.n,
                    "I-16: its stream outlived the connection",
                ));
            }
            end.blameless()?;
            if end.conn.poll_timeout().is_some() {
                return Err(Fault::run("I-16: a deadline outlived its connection"));
            }
        }
        Ok(())
    }

    /// A run that goes nowhere, with what everybody waits for.
    pub(super) fn stuck(&self, what: &str) -> Fault {
        let first = self.oracle.unended().next();
        let mut fault = Fault::run(format!(
            "{what} at {}ns.\n{}\n{}",
            self.now,
            self.client.explain(),
            self.server.explain()
        ));
        fault.request = first;
        fault
    }
}
