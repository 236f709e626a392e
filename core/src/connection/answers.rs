//! Answers that are in the output and that the transport has not taken.
//!
//! A peer that asks and reads nothing back is answered into the output as long as there is room, and a frame of 17 bytes
//! leaves room for thousands. What was asked counts until the transport has the answer, so that the bound is one of
//! answers wherever they wait.

use alloc::collections::VecDeque;

use super::Connection;
use crate::{planted::Planted, transmit::Transmit, violation::Violation};

/// Where answers end in the output, counted as the bytes that the transport takes.
#[derive(Debug, Default)]
pub(super) struct Unread {
    pings: VecDeque<u64>,
    settings: VecDeque<u64>,
}

impl Unread {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.pings.len() + self.settings.len()
    }

    /// Notes that the answer to a PING ends where the output does.
    pub(super) fn note_ping(&mut self, out: &Transmit) {
        self.pings.push_back(end(out));
    }

    /// Notes that an acknowledgement of SETTINGS ends where the output does.
    pub(super) fn note_settings(&mut self, out: &Transmit) {
        self.settings.push_back(end(out));
    }

    /// Bytes of memory allocated.
    pub(super) fn memory_footprint(&self) -> usize {
        (self.pings.capacity() + self.settings.capacity()) * size_of::<u64>()
    }

    /// Forgets those that the transport has taken whole.
    fn forget_taken(&mut self, out: &Transmit) {
        for ends in [&mut self.pings, &mut self.settings] {
            while ends.front().is_some_and(|&end| end <= out.taken()) {
                ends.pop_front();
            }
        }
    }
}

fn end(out: &Transmit) -> u64 {
    out.taken() + out.remaining_bytes()
}

impl Connection {
    /// Judges what a peer has asked for and not read the answers of. Only here is it known what the transport has taken; a
    /// judgement when the PING arrives would be about what it had taken some time ago.
    pub(super) fn judge_unread(&mut self, out: &Transmit) -> Result<(), Violation> {
        self.unread.forget_taken(out);
        let max = match self.plants.has(Planted::AnswersUnbounded) {
            true => usize::MAX,
            false => self.config.answers_max,
        };
        if self.unread.pings.len() + self.pings.answers_due() > max {
            return Err(Violation::PingFlood);
        }
        if self.unread.settings.len() + self.remote.acks_due() as usize > max {
            return Err(Violation::SettingsFlood);
        }
        Ok(())
    }
}
