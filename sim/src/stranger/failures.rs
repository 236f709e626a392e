//! Streams that fail, and what is said of it.

use raddle_core::{Origin, Retry, Role, StreamError, StreamHandle, Violation};

use super::{World, app::Live};
use crate::{
    outcome::Fault,
    trace::{Said, note},
    view::Ended,
};

impl World<'_> {
    /// A stream of the application's fails.
    pub(super) fn failed(&mut self, stream: StreamHandle, error: StreamError) -> Result<(), Fault> {
        let live = self.ended(stream)?;
        if error.violation == Some(Violation::StreamStalled) {
            self.app.stalled.insert(stream);
        }
        if error.violation == Some(Violation::HeaderTotalExceeded) {
            self.app.crowded.extend(live.id);
        }
        note!(self.trace, "app: {:?} failed: {}", live.id, Said(&error));
        self.record_end(live.n, Ended::Failed, format_args!("failed: {error}"));
        self.judge_failure(&live, error)
    }

    fn judge_failure(&mut self, live: &Live, error: StreamError) -> Result<(), Fault> {
        let retry = error.retry;
        if error.violation == Some(Violation::StreamStalled)
            && self
                .bounds
                .times
                .stall
                .is_none_or(|stall| self.now < live.since.saturating_add(stall))
        {
            return Err(Fault::run("I-27: given up as held back before its time"));
        }
        let reset = live.id.is_some_and(|id| self.peer.said.contains_key(&id));
        let above = live
            .id
            .is_some_and(|id| self.peer.goaway.is_some_and(|last| id > last));
        let by_peer = reset && !above && error.origin == Origin::Remote;
        self.app.tally.resets += u64::from(by_peer);
        let answers = live.total.is_some() && live.left.is_none();
        self.app.tally.unanswered += u64::from(by_peer && self.role == Role::Server && !answers);
        match retry {
            Retry::Never => self.ends.never += 1,
            Retry::IfIdempotent => self.ends.if_idempotent += 1,
            Retry::Safe => self.ends.safe += 1,
        }
        if self.role == Role::Server || self.broken {
            return Ok(());
        }
        let said = live.id.and_then(|id| self.peer.said.get(&id));
        let code = error.code.to_u32();
        if error.origin == Origin::Remote && said.is_some_and(|said| *said != code) {
            return Err(Fault::run(format!(
                "I-13: reset by {said:?}, and told as {code}"
            )));
        }
        // RFC 9113 §8.7: whoever has answered, if only for the time being, has begun to work on it.
        let belied = live.interims > 0;
        if above
            && said.is_none()
            && error.origin == Origin::Remote
            && retry != Retry::Safe
            && !belied
            && !live.head
            && !live.reset
        {
            return Err(Fault::run("I-03: above GOAWAY, and not safe to send again"));
        }
        if live.whole && !live.reset && said == Some(&0) {
            return Err(Fault::run(
                "I-03: the response was whole, and only the upload was stopped",
            ));
        }
        if retry != Retry::Safe && said == Some(&7) && !belied && !live.reset && !live.whole {
            return Err(Fault::run("I-03: refused, and not safe to send again"));
        }
        let unprocessed = live
            .id
            .is_none_or(|id| said == Some(&7) || self.peer.goaway.is_some_and(|last| id > last));
        if retry == Retry::Safe && (belied || !unprocessed) {
            return Err(Fault::run("I-02: safe to send again, which nobody said"));
        }
        if retry != Retry::Safe && live.id.is_none() {
            return Err(Fault::run("I-03: never sent, and not safe to send again"));
        }
        Ok(())
    }
}
