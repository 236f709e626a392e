//! How a run ends, what is said of one that does not, and whether those whom nothing touched noticed anything.

use bytes::Buf;
use raddle_core::{Lifecycle, Role, TransportEnd};

use super::{Request, World};
use crate::{outcome::Fault, trace::note};

/// I-30: requests that nothing touched end as they do in a run without troubles.
/// And, where that is said, not so much later: nobody `waits` for those who abuse what is shared (L06).
pub(super) fn compare(
    troubled: &[Request],
    calm: &[Request],
    waits: Option<u64>,
) -> Result<(), Fault> {
    for (n, (one, other)) in troubled.iter().zip(calm).enumerate() {
        if !one.touched && one.end != other.end {
            return Err(Fault::of(
                n as u64,
                format!(
                    "I-30: ends by {:?}, without the others' troubles by {:?}",
                    one.end, other.end
                ),
            ));
        }
        if !one.touched && waits.is_some_and(|waits| one.ended > other.ended + waits) {
            let what = format!(
                "I-30: ends at {}ns, without the abuse of another client at {}ns",
                one.ended, other.ended
            );
            return Err(Fault::of(n as u64, what));
        }
    }
    Ok(())
}

impl World<'_> {
    /// Closes the transport when the engine has no more use for it.
    pub(super) fn hang_up(&mut self, at: usize, role: Role) {
        let side = self.links[at].raw(role);
        let over = side.conn.lifecycle() == Lifecycle::Closed && !side.out.has_remaining();
        if over && !std::mem::replace(&mut side.hung_up, true) {
            note!(self, "{} {:?}: hangs up", at, role);
            let pipe = self.links[at].outgoing(role);
            pipe.end(TransportEnd::Eof, self.now, self.tape);
        }
    }

    /// Lets every connection come to its end once every request has. Answers whether it did so now.
    pub(super) fn begin_end(&mut self) -> bool {
        let open = |request: &Request| request.end.is_none();
        if self.oracle.is_open() || self.requests.iter().any(open) {
            return false;
        }
        let mut any = false;
        // What the client has given up may reach the proxy, and have it open one more.
        for at in 0..self.links.len() {
            if std::mem::replace(&mut self.links[at].ending, true) {
                continue;
            }
            any = true;
            let role = self.tape.lane("end").pick(&[Role::Client, Role::Server]);
            if self.links[at].seen(role).conn.lifecycle() < Lifecycle::Closing {
                note!(self, "{} {:?}: drains at the end", at, role);
                self.side(at, role).conn.drain();
            }
        }
        any
    }

    pub(super) fn is_over(&self) -> bool {
        let over = self.links.iter().all(|link| link.ending && link.is_over());
        over && self.requests.iter().all(|request| request.end.is_some())
    }

    /// Everything has ended: nothing may be left over.
    pub(super) fn finish(&mut self) -> Result<(), Fault> {
        self.oracle.finish()?;
        if let Some(id) = self.oracle.unended_on_server().next() {
            return Err(Fault::of(id, "I-01: never ended on the server"));
        }
        for (at, link) in self.links.iter().enumerate() {
            for side in [&link.client, &link.server] {
                let role = side.conn.role();
                if let Some(id) = side.streams.values().next() {
                    let what = format!("I-16: {at} {role:?}: its stream outlived the connection");
                    return Err(Fault::of(*id as u64, what));
                }
                side.blameless()?;
                side.conn.check();
                if side.conn.poll_timeout().is_some() {
                    let what = format!("I-16: {at} {role:?}: a deadline outlived its connection");
                    return Err(Fault::run(what));
                }
            }
        }
        self.judge_drained()?;
        for attempt in &self.attempts {
            if self.links[attempt.link].troubled {
                self.requests[attempt.n].touched = true;
            }
        }
        for (n, request) in self.requests.iter().enumerate() {
            if request.sent > self.plan.budget {
                return Err(Fault::of(
                    n as u64,
                    format!("I-06: sent {} times", request.sent),
                ));
            }
            if !request.touched && request.end != Some(Ok(())) {
                let what = format!(
                    "I-30: #{n} ends by {:?}, and nothing touched it",
                    request.end
                );
                return Err(Fault::run(what));
            }
        }
        Ok(())
    }

    /// Counts the frames that were read, at every end.
    pub(super) fn count_frames(&mut self) {
        for link in &self.links {
            for side in [&link.client, &link.server] {
                let frames = side.conn.stats().frames_received;
                self.marks.add_to("frames", frames);
            }
        }
    }

    /// A run that goes nowhere, with what everybody waits for.
    pub(super) fn stuck(&self, what: &str) -> Fault {
        let mut text = format!("{what} at {}ns.", self.now);
        for (n, request) in self.requests.iter().enumerate() {
            if request.end.is_none() {
                text += &format!("\n#{n} has not ended, {request:?}");
            }
        }
        for (at, link) in self
            .links
            .iter()
            .enumerate()
            .filter(|(_, link)| !link.is_over())
        {
            for side in [&link.client, &link.server] {
                text += &format!("\n{at} to server {}, {}", link.target, side.explain());
            }
        }
        Fault::run(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(at: u64, touched: bool) -> Request {
        Request {
            end: Some(Ok(())),
            ended: at,
            touched,
            ..Request::default()
        }
    }

    #[test]
    fn who_waits_for_the_abuse_of_another_is_found() {
        let calm = [ended(5, false)];
        assert!(compare(&[ended(15, false)], &calm, Some(10)).is_ok());
        let late = compare(&[ended(16, false)], &calm, Some(10));
        assert!(late.is_err_and(|fault| fault.what.starts_with("I-30")));
        assert!(
            compare(&[ended(16, true)], &calm, Some(10)).is_ok(),
            "it was touched"
        );
        assert!(
            compare(&[ended(16, false)], &calm, None).is_ok(),
            "nothing is said of it"
        );
    }
}
