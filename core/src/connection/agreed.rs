//! What both ends tell each other in SETTINGS (RFC 9113 §6.5).

use super::{Connection, Lifecycle};
use crate::{
    event::Event,
    frame::{Setting, SettingsFrame},
    limits::Cause,
    planted::Planted,
    settings::Local,
    time::{Timer, Timestamp},
    violation::Violation,
};

impl Connection {
    pub(super) fn on_settings(
        &mut self,
        settings: &SettingsFrame,
        now: Timestamp,
    ) -> Result<(), Violation> {
        let first = !self.remote.received;
        if !first && !self.plants.has(Planted::FloodsUncounted) {
            self.buckets.charge(Cause::Settings, now)?;
        }
        let before = self.remote.concurrent_streams;
        self.remote
            .apply(settings, !self.role, self.config.answers_max as usize)?;
        if self.plants.has(Planted::LowerStreamLimitIgnored)
            && before.is_none_or(|before| Some(before) > self.remote.concurrent_streams)
        {
            self.remote.concurrent_streams = before;
        }
        self.follow_table_sizes(settings);
        if self.plants.has(Planted::BaseMovesConnection) {
            let base = self.streams.initial_window();
            let raised = self.remote.initial_window.saturating_sub(base);
            let _ = self.window.grow(raised, crate::config::WINDOW_INITIAL);
        }
        // RFC 9113 §6.5.3 and §6.9.2: entries count in order, and each of them that lets a window leave 31 bits is a
        // connection error, whatever follows it.
        for setting in settings.iter() {
            if let Setting::InitialWindowSize(bytes) = setting
                && !self.streams.move_base(bytes)
            {
                return Err(Violation::InitialWindowOverflow);
            }
        }
        if first {
            self.timers.stop(Timer::Handshake);
            if self.lifecycle == Lifecycle::Handshake {
                self.lifecycle = Lifecycle::Open;
            }
            self.tell_priorities();
            self.events.push(Event::Ready);
        }
        Ok(())
    }

    /// An encoder at its beginning, whose table is no larger than ours, whatever the peer takes.
    pub(super) fn new_encoder(&self) -> crate::head::BlockEncoder {
        crate::head::BlockEncoder::new(match self.plants.has(Planted::SentTableUnbounded) {
            true => u32::MAX,
            false => self.config.header_table_bytes,
        })
    }

    /// Tells the encoder of every table size in the frame: the smallest one has to be signalled also when a larger one
    /// follows it (RFC 7541 §4.2).
    fn follow_table_sizes(&mut self, settings: &SettingsFrame) {
        for setting in settings.iter() {
            let Setting::HeaderTableSize(bytes) = setting else {
                continue;
            };
            let last = self.remote.header_table_size;
            let untold = self.plants.has(Planted::SmallestTableUntold) && bytes < last;
            let ignored = self.plants.has(Planted::SmallerTableIgnored) && bytes < 4_096;
            if !untold && !ignored {
                self.hpack_out.set_peer_table_size(bytes);
            }
        }
    }

    pub(super) fn on_settings_ack(&mut self, now: Timestamp) -> Result<(), Violation> {
        if !self.local.acknowledged() {
            // RFC 9113 §6.5.3 forbids nothing about it, and it changes nothing: our SETTINGS go out once.
            return self.buckets.charge(Cause::Settings, now);
        }
        if !self.plants.has(Planted::AckDeadlineStays) {
            self.timers.stop(Timer::SettingsAck);
        }
        // RFC 9113 §6.5.3: from here on the peer follows what we announced.
        if !self.plants.has(Planted::TableLimitForgotten) {
            self.hpack_in
                .set_table_size_max(self.config.header_table_bytes);
        }
        let target = self.config.stream_window_bytes;
        if target != Local::unacked_window(&self.config) {
            for handle in self.streams.handles() {
                if let Some(stream) = self.streams.get_mut(handle) {
                    stream.recv.credit.retarget(target);
                }
                self.streams.settle(handle);
            }
        }
        Ok(())
    }
}
