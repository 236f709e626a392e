//! How a run ends, and what is said of one that does not.

use bytes::Buf;
use raddle_core::{Lifecycle, Role, TransportEnd};

use super::{
    World,
    end::{End, FEW},
};
use crate::{conservation::conserved, outcome::Fault, trace::note};

impl World<'_> {
    /// Closes the transport when the engine has no more use for it.
    pub(super) fn hang_up(&mut self, role: Role) {
        let end = self.end(role);
        if end.hung_up || end.conn.lifecycle() != Lifecycle::Closed || end.out.has_remaining() {
            return;
        }
        end.hung_up = true;
        note!(self, "{:?}: hangs up", role);
        let pipe = match role {
            Role::Client => &mut self.up,
            Role::Server => &mut self.down,
        };
        pipe.end(TransportEnd::Eof, self.now, self.tape);
    }

    /// Drains once every request has ended. Answers whether it did so now.
    pub(super) fn begin_end(&mut self) -> bool {
        if self.ending || self.unmade > 0 || self.oracle.is_open() {
            return false;
        }
        self.ending = true;
        let role = self.tape.lane("end").pick(&[Role::Client, Role::Server]);
        note!(self, "{:?}: drains at the end", role);
        self.touch(role).conn.drain();
        true
    }

    pub(super) fn is_over(&self) -> bool {
        let is_over = |end: &End| end.closed && end.hung_up;
        self.unmade == 0 && is_over(&self.client) && is_over(&self.server)
    }

    /// I-10 over both ends. Streams are many: they are looked at only when nothing is on its way, and not every time.
    pub(super) fn conserved(&mut self) -> Result<(), Fault> {
        let rest = self.up.next().is_none() && self.down.next().is_none();
        let through = |end: &End| end.turns.is_through() && !end.unread;
        let rest = rest && through(&self.client) && through(&self.server);
        let rest = rest && self.unseen >= 2 * self.client.streams.len().max(FEW);
        self.unseen = if rest { 0 } else { self.unseen + 1 };
        conserved(self.client.half(), self.server.half(), rest)
    }

    /// Everything has ended: nothing may be left over.
    pub(super) fn finish(&self) -> Result<(), Fault> {
        self.oracle.finish()?;
        if let Some(n) = self.oracle.unended_on_server().next() {
            return Err(Fault::of(n, "I-01: never ended on the server"));
        }
        let ends = [&self.client, &self.server];
        for (end, peer) in ends.into_iter().zip([&self.server, &self.client]) {
            if let Some(live) = end.streams.values().next() {
                return Err(Fault::of(
                    live.n,
                    "I-16: its stream outlived the connection",
                ));
            }
            end.blameless()?;
            end.knows_of(&peer.settings_more())?;
            end.conn.check();
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

impl End {
    /// Its peer, which is honest, did nothing that a defence counts.
    pub(super) fn blameless(&self) -> Result<(), Fault> {
        let defences = self.conn.stats().defences;
        if defences.empty_data + defences.unknown_frames + defences.settings == 0 {
            return Ok(());
        }
        let role = self.conn.role();
        Err(Fault::run(format!(
            "{role:?} counts abuse of an honest peer: {defences:?}"
        )))
    }

    /// What each of its streams waits for.
    pub(super) fn explain(&self) -> String {
        let lines = self.streams.iter().map(|(&handle, live)| {
            let n = live.n;
            let waiting = self.conn.explain(handle);
            let mine = live.sending.as_ref().map(|s| (s.at, s.body.len()));
            format!("#{n} waits for {waiting:?}, given (bytes, of) {mine:?}; ")
        });
        format!(
            "{:?} is {:?}: {}",
            self.conn.role(),
            self.conn.lifecycle(),
            lines.collect::<String>()
        )
    }
}
