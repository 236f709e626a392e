//! What meets at the proxy, and what must not come of it.

use raddle_core::{Lifecycle, ResponseHead, Role};

use super::{Hop, World};
use crate::{outcome::Fault, trace::note};

impl World<'_> {
    /// Whether a server has said that the connection drains, and is not through with it.
    fn drains(&self, at: usize) -> bool {
        let link = &self.links[at];
        link.hop == Hop::Far
            && link.client.conn.lifecycle() == Lifecycle::Draining
            && !link.client.streams.is_empty()
    }

    /// L08: a request is to go on when the connection to a server drains.
    pub(super) fn mark_drains(&mut self, hop: Hop) {
        if hop == Hop::Far && (0..self.links.len()).any(|at| self.drains(at)) {
            self.marks.hit("L08");
        }
    }

    /// L09: a server has requests of two clients on one connection, each with fields of its own.
    pub(super) fn mark_mixed(&mut self, at: usize, id: usize) {
        let client = |id: usize| {
            self.attempts[id]
                .parent
                .map(|near| self.attempts[near].link)
        };
        let own = |id: usize| self.plan.requests[self.attempts[id].n].fields > 0;
        let mut others = self.links[at].server.streams.values();
        let mixed = others.any(|&other| client(other) != client(id) && own(other));
        if self.links[at].hop == Hop::Far && own(id) && mixed {
            self.marks.hit("L09");
        }
    }

    /// What an attempt has met that goes well.
    pub(super) fn mark_complete(&mut self, id: usize) {
        let attempt = &self.attempts[id];
        let link = &self.links[attempt.link];
        if link.parked {
            self.marks.hit("L03");
        }
        if attempt.crosses_drain {
            self.marks.hit("L10");
        }
        let tenant = |id: usize| self.plan.requests[self.attempts[id].n].abuses;
        let mut others = link.client.streams.values();
        if link.hop == Hop::Far && !tenant(id) && others.any(|&other| tenant(other)) {
            self.marks.hit("L06");
        }
    }

    /// The proxy drains: it takes what comes until its clients have heard of it, and finishes that.
    pub(super) fn drain_proxy(&mut self) {
        note!(self, "the proxy drains");
        for at in 0..self.links.len() {
            if self.is_proxied(at) && self.links[at].server.conn.lifecycle() < Lifecycle::Draining {
                self.links[at].drained = true;
                self.side(at, Role::Server).conn.drain();
            }
        }
    }

    /// L10: of what a client has sent by the time that it hears of a drain, nothing is left out.
    pub(super) fn judge_drained(&self) -> Result<(), Fault> {
        for (at, link) in self.links.iter().enumerate() {
            let out = link.client.left_out();
            if let Some((highest, last)) = out.filter(|_| link.drained && !link.troubled) {
                return Err(Fault::run(format!(
                    "I-13: {at} drains, and leaves out what was on its way: stream {highest}, above {last}"
                )));
            }
        }
        Ok(())
    }
}

impl World<'_> {
    /// I-31, L04: interim responses come in the order in which the server has sent them, each time that it does.
    pub(super) fn hint(&mut self, id: usize, head: &ResponseHead) -> Result<(), Fault> {
        let hint = head.fields().find(|field| field.name == b"x-hint");
        let hint = hint.and_then(|field| std::str::from_utf8(field.value).ok()?.parse().ok());
        let hints = &mut self.attempts[id].hints;
        // What the proxy sends again is answered again.
        let expected = hint == Some(*hints) || hint == Some(0);
        if !expected || head.fields().count() != 2 {
            let what = format!("I-31: interim response {hints} is {head:?}");
            return Err(Fault::of(id as u64, what));
        }
        *hints = hint.unwrap_or_default() + 1;
        Ok(())
    }

    /// The final response is there, and so were all the others.
    pub(super) fn hints_whole(&self, id: usize) -> Result<(), Fault> {
        let attempt = &self.attempts[id];
        let wanted = self.plan.requests[attempt.n].interims;
        if attempt.hints == wanted {
            return Ok(());
        }
        let what = format!("I-31: {} interim responses of {wanted}", attempt.hints);
        Err(Fault::of(id as u64, what))
    }

    /// L04: trailers have passed the proxy, and interim responses before them.
    pub(super) fn mark_passed(&mut self, id: usize, at: usize, role: Role) {
        if role == Role::Client && self.is_proxied(at) && self.attempts[id].hints > 0 {
            self.marks.hit("L04");
        }
    }
}
