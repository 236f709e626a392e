//! Answers that are in the output and that the transport has not taken.
//!
//! A peer that asks and reads nothing back is answered into the output as long as there is room, and a frame of 17 bytes
//! leaves room for thousands. What was asked counts until the transport has the answer, so that the bound is one of
//! answers wherever they wait.

use super::Connection;
use crate::{planted::Planted, transmit::Transmit, violation::Violation};

impl Connection {
    /// Judges what a peer has asked for and not read the answers of. Only here is it known what the transport has taken; a
    /// judgement when the PING arrives would be about what it had taken some time ago.
    pub(super) fn judge_unread(&self, out: &Transmit) -> Result<(), Violation> {
        let max = match self.plants.has(Planted::AnswersUnbounded) {
            true => usize::MAX,
            false => self.config.answers_max as usize,
        };
        if out.unread.pings.len() + self.pings.answers_due() > max {
            return Err(Violation::PingFlood);
        }
        if out.unread.settings.len() + self.remote.acks_due() as usize > max {
            return Err(Violation::SettingsFlood);
        }
        Ok(())
    }
}
