//! How often the engine asks by PING, how many streams it says may be opened, and what the lists of all take.

use raddle_core::{Lifecycle, Role, StreamHandle, Violation, Waiting};

use super::{World, app::Live};
use crate::outcome::Fault;

const SECOND: u64 = 1_000_000_000;
/// PINGs behind a head or a body of the peer's that nobody has asked for: for the path, for places, and for a drain.
const ASKED_MAX: u64 = 3;
/// Those for liveness behind it: some, and then one in each quiet interval.
const QUIET_MAX: u64 = 3;
/// Bytes of lists that a stream may bring whatever others have.
const LIST_SHARE: usize = 2 * 2_048;
/// Those of a run at whose pace nobody wonders, and each second.
const EVER_MAX: u64 = 12;
const PER_SECOND: u64 = 3;

impl World<'_> {
    /// I-19: a PING goes out. Servers in use end connections that ask too often while they have nothing to say.
    pub(super) fn judge_pings(&mut self) -> Result<(), Fault> {
        self.peer.asked += 1;
        let sent = self.observer.counts().pings_sent;
        let unasked = sent.saturating_sub(self.app.asked);
        let since = u64::from(self.peer.asked).saturating_sub(self.app.asked - self.peer.app_asked);
        let quiet = self.now - self.peer.heard_at;
        let before = std::mem::replace(&mut self.peer.unasked, unasked);
        let alive = match self.bounds.keeps_alive {
            true => QUIET_MAX + quiet / self.bounds.times.quiet,
            false => 0,
        };
        let resets = self.observer.counts().resets_sent;
        let ever = EVER_MAX + PER_SECOND * (self.now / SECOND) + resets;
        if since > ASKED_MAX + alive || unasked > ever {
            return Err(Fault::run(format!(
                "I-19: {since} PINGs in {} ms in which the peer had nothing to say, {unasked} in all",
                quiet / 1_000_000
            )));
        }
        // What has ended in this moment was there when the PING was due.
        let ends = self.app.ended_at == Some(self.now);
        let used = !self.app.streams.is_empty() || ends || quiet == 0 || unasked <= before;
        if self.role == Role::Server && !used && self.conn.lifecycle() == Lifecycle::Open {
            return Err(Fault::run("I-19: a PING where nothing is waited for"));
        }
        Ok(())
    }

    /// I-18: as many streams may be opened as the peer's limit leaves. Once each PING is answered, no place is kept.
    pub(super) fn judge_openable(&self) -> Result<(), Fault> {
        if self.conn.waiting() > self.bounds.queue {
            return Err(Fault::run(format!(
                "I-17: {} requests wait, where {} may",
                self.conn.waiting(),
                self.bounds.queue
            )));
        }
        if self.conn.wants_deadline() {
            return Err(Fault::run("I-22: a deadline is still to begin"));
        }
        let open = self.conn.lifecycle() == Lifecycle::Open && self.peer.first == 1;
        if self.role == Role::Server || !open || !self.input.is_empty() {
            return Ok(());
        }
        let limit = self.observer.streams_max().unwrap_or(u32::MAX) as usize;
        let taken = self.observer.open_streams() as usize + self.conn.waiting();
        // A request has to wait for its number, if not for a place.
        let line = self.bounds.queue - self.conn.waiting();
        let may = limit.saturating_sub(taken).min(line);
        let says = self.conn.openable();
        let answered = self.peer.answers == self.observer.counts().pings_sent;
        if says > may || (answered && says < may) {
            return Err(Fault::run(format!(
                "I-18: {says} streams may be opened, with {taken} of {limit} taken; all answered: {answered}"
            )));
        }
        Ok(())
    }

    /// I-15: the lists that streams have brought are within what all may have, beside the small ones of each.
    pub(super) fn judge_held_lists(&self) -> Result<(), Fault> {
        let gauges = self.conn.gauges();
        let told: usize = self.app.streams.values().map(|live| live.list_bytes).sum();
        if gauges.header_bytes < told {
            return Err(Fault::run(format!(
                "I-18: {} bytes of header lists are counted, where {told} were told",
                gauges.header_bytes
            )));
        }
        let may = self.bounds.lists + LIST_SHARE * (gauges.streams + 1);
        match gauges.header_bytes > may {
            true => Err(Fault::run(format!(
                "I-15: {} bytes of header lists, where {may} would do",
                gauges.header_bytes
            ))),
            false => Ok(()),
        }
    }

    /// I-18: what has ended the connection is counted by its name, once; and each stream that was given up as held back.
    pub(super) fn judge_end(&self) -> Result<(), Fault> {
        use Violation as V;
        let Some(violation) = self.conn.error().and_then(|error| error.violation) else {
            return Ok(());
        };
        let flood = matches!(
            violation,
            V::PingFlood
                | V::SettingsFlood
                | V::ResetFlood
                | V::StreamErrorFlood
                | V::EmptyDataFlood
                | V::WindowUpdateFlood
                | V::PriorityFlood
                | V::UnknownFrameFlood
                | V::GoAwayFlood
        );
        let late = matches!(
            violation,
            V::HandshakeTimeout
                | V::SettingsTimeout
                | V::HeaderBlockTimeout
                | V::PingTimeout
                | V::WriteTimeout
        );
        let counted = self.conn.stats().defences;
        let wanted = (
            u64::from(flood),
            u64::from(late) + self.app.stalled.len() as u64,
        );
        if (counted.floods, counted.timeouts) != wanted {
            return Err(Fault::run(format!(
                "I-18: ended by {violation:?}, and counts {} floods and {} deadlines, where there were {wanted:?}",
                counted.floods, counted.timeouts
            )));
        }
        Ok(())
    }

    /// What a stream waits for that has nothing to send now: for who is to read, or for the peer to go on.
    pub(super) fn waits_to_read(&self, handle: StreamHandle, live: &Live) -> Option<Waiting> {
        let id = live.id.filter(|_| self.input.is_empty())?;
        let asked = self.peer.streams.get(&id);
        let whole = asked.is_some_and(|stream| stream.end && !stream.over);
        if whole && self.role == Role::Server && live.total.is_none() {
            return Some(Waiting::Writer);
        }
        let window = self.peer.stream_window_to_come(id)?;
        let crowded = self.peer.window_to_come() <= 0 && self.app.held() > 0;
        let holds = self.app.taken.get(&handle).is_some_and(|&bytes| bytes > 0);
        Some(match holds {
            true if window <= 0 || crowded => Waiting::Reader,
            false if crowded => Waiting::OtherReaders,
            _ => Waiting::Peer,
        })
    }
}
