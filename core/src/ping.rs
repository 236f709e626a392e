//! Liveness: the PING frames that we sent, and the answers that we owe (RFC 9113 §6.7).

use alloc::collections::VecDeque;

use crate::{
    id::PingId,
    planted::{Planted, Plants},
    violation::Violation,
};

/// Our own PING frames in flight; more than one per purpose brings nothing.
const SENT_MAX: usize = 8;
/// PINGs that may follow on each other while the peer sends neither HEADERS nor DATA. Servers of gRPC take the first, and
/// two more within five minutes; another one ends the connection.
const UNHEARD_MAX: u8 = 3;

/// What a PING of ours was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The caller asked, and hears of the answer.
    Caller,
    /// To see whether the peer still lives.
    KeepAlive,
    /// To see what arrives within one round trip.
    Probe,
    /// To know that the peer has seen the first GOAWAY of a drain.
    Drain,
    /// To know that the peer has seen the RST_STREAM frames before it.
    Slots,
}

#[derive(Debug, Default)]
pub(crate) struct Pings {
    answers: VecDeque<[u8; 8]>,
    /// Not yet answered, oldest first; those from `unsent` on are not yet sent.
    ours: VecDeque<(PingId, Purpose)>,
    unsent: u8,
    /// Those of ours, whatever for, that the peer may have read since its last HEADERS or DATA.
    unheard: u8,
    last: u64,
    pub(crate) plants: Plants,
}

impl Pings {
    /// Answers that are owed.
    pub(crate) fn answers_due(&self) -> usize {
        self.answers.len()
    }

    /// Bytes of memory allocated.
    pub(crate) fn memory_footprint(&self) -> usize {
        self.answers.capacity() * size_of::<[u8; 8]>()
            + self.ours.capacity() * size_of::<(PingId, Purpose)>()
    }

    /// Queues a PING of ours; `None` when too many are in flight.
    pub(crate) fn request(&mut self, purpose: Purpose) -> Option<PingId> {
        if !self.has_room() {
            return None;
        }
        self.last += 1;
        let id = PingId(self.last);
        self.ours.push_back((id, purpose));
        self.unsent += 1;
        self.unheard = self.unheard.saturating_add(1);
        Some(id)
    }

    /// Whether one more PING of ours may be in flight.
    pub(crate) fn has_room(&self) -> bool {
        self.ours.len() < SENT_MAX
    }

    /// Forgets those that are out: nobody will answer them.
    pub(crate) fn forget_sent(&mut self) {
        let sent = self.ours.len() - usize::from(self.unsent);
        self.ours.drain(..sent);
    }

    /// Notes HEADERS or DATA of the peer's. It may have sent them before it has read what is in flight.
    pub(crate) fn heard(&mut self) {
        // There are eight at most.
        self.unheard = self.ours.len() as u8;
    }

    /// Whether a PING that could as well be left out, or come later, may go out now.
    pub(crate) fn is_welcome(&self) -> bool {
        self.unheard < UNHEARD_MAX
    }

    /// Whether a PING for this purpose is in flight.
    pub(crate) fn pending(&self, purpose: Purpose) -> bool {
        self.ours.iter().any(|&(_, other)| other == purpose)
    }

    /// Whether a PING or an answer waits to be sent.
    pub(crate) fn wants(&self) -> bool {
        self.unsent > 0 || !self.answers.is_empty()
    }

    /// Forgets all of them.
    pub(crate) fn forget(&mut self) {
        self.answers = VecDeque::new();
        self.ours = VecDeque::new();
        self.unsent = 0;
    }

    /// Takes the payload of the next PING to send.
    pub(crate) fn take_unsent(&mut self) -> Option<[u8; 8]> {
        let at = self.ours.len().checked_sub(usize::from(self.unsent))?;
        let (id, _) = self.ours.get(at)?;
        self.unsent -= 1;
        Some(id.0.to_be_bytes())
    }

    /// Takes the payload of the next answer to send.
    pub(crate) fn take_answer(&mut self) -> Option<[u8; 8]> {
        self.answers.pop_front()
    }

    /// Notes a PING of the peer's, to be answered, beside at most `max` others that are not cut.
    pub(crate) fn received(&mut self, payload: [u8; 8], max: usize) -> Result<(), Violation> {
        if self.answers.len() >= max && !self.plants.has(Planted::AnswersUnbounded) {
            return Err(Violation::PingFlood);
        }
        self.answers.push_back(payload);
        Ok(())
    }

    /// Matches an answer. One that fits no PING of ours is ignored: RFC 9113 §6.7 forbids nothing about it.
    pub(crate) fn answered(&mut self, payload: [u8; 8]) -> Option<(PingId, Purpose)> {
        let id = PingId(u64::from_be_bytes(payload));
        let sent = self.ours.len() - usize::from(self.unsent);
        let at = self
            .ours
            .iter()
            .take(sent)
            .position(|&(other, _)| other == id)?;
        self.ours.remove(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers that may wait.
    const MAX: usize = 64;

    fn payload(id: PingId) -> [u8; 8] {
        id.0.to_be_bytes()
    }

    #[test]
    fn each_ping_is_another_and_has_its_own_answer() {
        let mut pings = Pings::default();
        let first = pings.request(Purpose::Drain).unwrap();
        let second = pings.request(Purpose::Caller).unwrap();
        assert_ne!(first, second);
        assert!(pings.pending(Purpose::Drain) && !pings.pending(Purpose::Probe));
        assert_eq!(pings.answered(payload(first)), None, "it is not out yet");
        assert_eq!(pings.take_unsent(), Some(payload(first)));
        assert_eq!(pings.answered(payload(second)), None, "nor is this one");
        assert_eq!(
            pings.answered(payload(first)),
            Some((first, Purpose::Drain))
        );
        assert_eq!(pings.answered(payload(first)), None, "once");
        assert!(!pings.pending(Purpose::Drain) && pings.wants());
        assert_eq!(pings.take_unsent(), Some(payload(second)));
        assert_eq!(pings.take_unsent(), None);
        assert!(!pings.wants());
    }

    #[test]
    fn both_directions_are_bounded() {
        let mut pings = Pings::default();
        for _ in 0..SENT_MAX {
            assert!(pings.has_room() && pings.request(Purpose::Caller).is_some());
        }
        assert!(!pings.has_room() && pings.request(Purpose::Caller).is_none());
        for at in 0..MAX {
            assert_eq!(pings.answers_due(), at);
            assert_eq!(pings.received([at as u8; 8], MAX), Ok(()));
        }
        assert_eq!(pings.received([0; 8], MAX), Err(Violation::PingFlood));
        assert_eq!(pings.take_answer(), Some([0; 8]));
        assert_eq!(pings.take_answer(), Some([1; 8]), "in order");
        assert_eq!(pings.received([0; 8], MAX), Ok(()));
    }
}
