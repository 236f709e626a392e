//! What happens when time passes and nothing else does. No deadline needs anything to be written or read to take
//! effect.

use core::time::Duration;

use bytes::Buf;

use super::{Connection, Lifecycle, receive::Fault};
use crate::{
    config::WINDOW_INITIAL,
    fuel::Fuel,
    id::Role,
    ping::Purpose,
    planted::Planted,
    stream::NextPart,
    time::{NEVER, Timer, Timestamp},
    transmit::Transmit,
    violation::Violation,
};

/// Bytes that the transport has to take for a deadline to move. One byte at a time would move it for ever.
const WRITTEN_MIN: u64 = 1_024;
/// Bytes that a stream has to send for it to count as getting on, for the same reason.
const MOVED_MIN: usize = 1_024;
/// Looks that find a stream held before it is reset, two to each `stall_timeout`: the first may come right after the
/// stream stopped, or up to half of that time later.
const LOOKS: u8 = 3;

/// How often `keep_alive_timeout` has to pass, after the first GOAWAY of a drain, until the second goes out although the
/// peer, which speaks, has not answered the PING between them.
const DRAIN_PATIENCE: u32 = 3;
/// Bytes that have to arrive for the deadline of an acknowledgement to move. Crumbs would move it for nothing.
const READ_MIN: u32 = 1_024;
/// How often `settings_timeout` has to pass until the acknowledgement of our SETTINGS is waited for no longer, whatever
/// arrives meanwhile: with 10 s, a minute, in which 5 KB/s carry 300 KB that stood in front of it.
const ACK_PATIENCE: u32 = 6;
/// PINGs in a row that may bring nothing but their answers before they become rare.
const QUIET_PINGS: u8 = 2;
/// How long a connection without streams keeps the memory that it needed for many: long enough that traffic with
/// pauses allocates nothing, short enough that idle connections are small.
const TIDY_AFTER: Duration = Duration::from_secs(5);

impl Connection {
    /// Tells that `now` has reached the deadline that `poll_timeout` named.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        // Some are set again, none for what has passed.
        let mut fuel = Fuel::of(64);
        while let Some(timer) = self.timers.expire(now) {
            fuel.burn();
            match timer {
                Timer::Handshake => self.fault_connection(Violation::HandshakeTimeout, now),
                Timer::SettingsAck => self.miss_settings_ack(now),
                Timer::HeaderBlock => self.fault_connection(Violation::HeaderBlockTimeout, now),
                Timer::KeepAlive => self.keep_alive(now),
                Timer::KeepAliveAck => self.miss_answer(now),
                Timer::Slots => self.look_at_slots(now),
                Timer::WriteStall if !self.is_over() => {
                    self.fault_connection(Violation::WriteTimeout, now);
                }
                Timer::Stall => self.look_at_senders(now),
                Timer::Idle => self.idle(now),
                Timer::Tidy => self.tidy(now),
                Timer::HardClose | Timer::WriteStall => self.forget_output(),
            }
        }
    }

    /// As [`handle_timeout`](Self::handle_timeout), for a caller who has at hand what the transport has not taken: where the
    /// connection ends now, requests whose heads it has not taken whole fail as safe to send again, and are taken back
    /// out of `out` with all that is behind them, so that nobody gets them. Who calls the other method has such requests
    /// fail as those that may have been processed, because they may still be written.
    pub fn handle_timeout_with(&mut self, out: &mut Transmit, now: Timestamp) {
        if self.is_over() || !out.holds_request() {
            return self.handle_timeout(now);
        }
        self.unsent_from = out.first_unsent();
        self.handle_timeout(now);
        if !self.is_over() {
            self.unsent_from = None;
        } else if out.take_back_requests() {
            // Nothing may follow the part of a frame.
            self.forget_output();
        }
    }

    /// Starts the timers that follow from whether streams are open.
    pub(super) fn arm_timers(&mut self, now: Timestamp) {
        if self.is_over() {
            return;
        }
        self.arm_slots(now);
        if !self.awaits_peer() {
            self.arm_idle(now);
            self.arm_tidy(now);
            return;
        }
        self.idle_since = None;
        if self.wants_keep_alive()
            && let Some(interval) = self.silence()
        {
            self.timers.set(Timer::KeepAlive, now.after(interval));
        }
    }

    /// Whether silence is to be waited for from now on.
    pub(super) fn wants_keep_alive(&self) -> bool {
        self.config.keep_alive_interval.is_some()
            && !self.timers.is_set(Timer::KeepAlive)
            && self.awaits_peer()
    }

    /// How long a silence leads to a PING; `None` when none does.
    fn silence(&self) -> Option<Duration> {
        if self.input_ended {
            return self.probe_interval();
        }
        let interval = self.config.keep_alive_interval?;
        Some(match self.is_quiet() {
            true => interval.max(self.config.keep_alive_quiet_interval),
            false => interval,
        })
    }

    /// Whether PINGs have become rare.
    fn is_quiet(&self) -> bool {
        self.quiet_pings >= QUIET_PINGS || !self.pings.is_welcome()
    }

    /// Notes that anything has come of the peer.
    pub(super) fn note_input(&mut self, now: Timestamp) {
        self.last_input = now;
        self.suspect = false;
        if self.plants.has(Planted::AnythingKeepsUnused) {
            self.idle_since = self.idle_since.map(|_| now);
        }
    }

    /// Notes a PING of the peer's: who asks whether we live means to stay.
    pub(super) fn note_ping(&mut self, now: Timestamp) {
        if self.plants.has(Planted::PingKeepsMemory) {
            self.timers.stop(Timer::Tidy);
        }
        self.idle_since = self.idle_since.map(|_| now);
    }

    /// Notes that the peer sends for one of its streams.
    pub(super) fn note_message(&mut self) {
        if self.is_quiet() {
            // It may be set for a silence that is longer than the one that counts now.
            self.timers.stop(Timer::KeepAlive);
        }
        self.quiet_pings = 0;
        self.pings.heard();
    }

    /// Notes that a request goes out: it wants an answer soon, whatever has rested here before. The next silence is of the
    /// usual length if one more PING is left of those that servers which count them take.
    pub(super) fn note_request(&mut self) {
        if self.quiet_pings >= QUIET_PINGS && self.pings.is_welcome() {
            self.timers.stop(Timer::KeepAlive);
            self.quiet_pings = QUIET_PINGS - 1;
        }
    }

    /// Our SETTINGS go out, and are to be acknowledged.
    pub(super) fn begin_settings_ack(&mut self, now: Timestamp) {
        let timeout = self.config.settings_timeout;
        self.ack_latest = now.after(timeout.saturating_mul(ACK_PATIENCE));
        self.read_unacked = 0;
        self.timers.set(Timer::SettingsAck, now.after(timeout));
    }

    /// Our SETTINGS have not been acknowledged in time. RFC 9113 §6.5.3 has the peer do so at once, but it cannot say it
    /// ahead of what it has cut before: all of that follows the settings from before. Where more of it still comes, on a
    /// path as slow as that, it is waited for.
    fn miss_settings_ack(&mut self, now: Timestamp) {
        let moves = self.read_unacked >= READ_MIN;
        if !moves || now >= self.ack_latest {
            return self.fault_connection(Violation::SettingsTimeout, now);
        }
        self.read_unacked = 0;
        let due = now.after(self.config.settings_timeout);
        self.timers
            .set(Timer::SettingsAck, due.min(self.ack_latest));
    }

    /// Sends a PING after a silence, or waits on when there was none.
    fn keep_alive(&mut self, now: Timestamp) {
        let Some(interval) = self.silence() else {
            return;
        };
        if self.input_ended {
            return self.probe_transport(now);
        }
        if now.since(self.last_input) < interval {
            if self.plants.has(Planted::KeepAliveStops) {
                self.timers
                    .set(Timer::KeepAlive, now.after(Duration::from_secs(1_000_000)));
                return;
            }
            self.timers
                .set(Timer::KeepAlive, self.last_input.after(interval));
            return;
        }
        if !self.awaits_peer() && !self.plants.has(Planted::UnusedAsked) {
            return;
        }
        if !self.pings.pending(Purpose::KeepAlive) {
            // Where too many are out already, the answer to any of them will do, and there is none to wait for.
            if self.pings.request(Purpose::KeepAlive).is_some() {
                self.ping_end = u64::MAX;
            }
            self.suspect = true;
            self.quiet_pings = self.quiet_pings.saturating_add(1);
        }
        if !self.timers.is_set(Timer::KeepAliveAck) {
            self.arm_ping(now);
        }
    }

    /// The answer to a PING is due from now on.
    pub(super) fn arm_ping(&mut self, now: Timestamp) {
        if self.input_ended {
            return;
        }
        let due = now.after(self.config.keep_alive_timeout);
        self.timers.set(Timer::KeepAliveAck, due);
    }

    /// The answer to a PING has not come in time. Whoever has sent anything at all meanwhile lives: the answer may stand
    /// behind much that a slow path carries, or be left out by a peer that knows no better.
    fn miss_answer(&mut self, now: Timestamp) {
        let timeout = self.config.keep_alive_timeout;
        let silent = self.last_input.after(timeout);
        if silent <= now {
            self.fault_connection(Violation::PingTimeout, now);
            return;
        }
        let mut due = silent;
        if let Some(asked) = self.awaited_drain() {
            let most = asked.after(timeout.saturating_mul(DRAIN_PATIENCE));
            if most <= now {
                self.drain_second_phase();
            } else {
                due = due.min(most);
            }
        }
        if self.awaits_answer() {
            self.timers.set(Timer::KeepAliveAck, due);
        }
    }

    /// When the PING of a drain went out whose answer is still waited for.
    fn awaited_drain(&self) -> Option<Timestamp> {
        let waits = self.our_goaway.is_none() && self.pings.pending(Purpose::Drain);
        (waits && self.drain_asked < NEVER).then_some(self.drain_asked)
    }

    /// Whether a PING is out whose answer has a deadline.
    pub(super) fn awaits_answer(&self) -> bool {
        let asked = [Purpose::KeepAlive, Purpose::Caller];
        asked.iter().any(|asked| self.pings.pending(*asked)) || self.awaited_drain().is_some()
    }

    /// Starts to look after streams that are held back, when there are some.
    pub(super) fn arm_stall(&mut self, now: Timestamp) {
        if self.wants_stall()
            && let Some(timeout) = self.config.stall_timeout
        {
            self.timers.set(Timer::Stall, now.after(timeout / 2));
        }
    }

    /// Whether streams that are held back are to be looked after from now on.
    pub(super) fn wants_stall(&self) -> bool {
        self.config.stall_timeout.is_some()
            && !self.timers.is_set(Timer::Stall)
            && self.streams.any_waits()
    }

    /// Resets the streams that a window has held back for too long.
    fn look_at_senders(&mut self, now: Timestamp) {
        let closed = self.window.available(WINDOW_INITIAL) == 0
            && !self.plants.has(Planted::ConnectionHoldsForEver);
        let drips = self.plants.has(Planted::DripsCount);
        let moved_min = if drips { 1 } else { MOVED_MIN };
        let base = self.streams.initial_window();
        for handle in self.streams.handles() {
            let Some(stream) = self.streams.get_mut(handle) else {
                continue;
            };
            let waits = stream.send.next_part() == NextPart::Data;
            let held = waits && (closed || stream.send.window.window(base) <= 0);
            if stream.send.look(held, moved_min) >= LOOKS {
                let stream = stream.id;
                let violation = Violation::StreamStalled;
                self.fault(Fault { violation, stream }, now);
            }
        }
        self.arm_stall(now);
    }

    fn arm_idle(&mut self, now: Timestamp) {
        let Some(timeout) = self
            .config
            .idle_timeout
            .filter(|_| self.role == Role::Server && self.lifecycle != Lifecycle::Handshake)
        else {
            return;
        };
        if self.idle_since.is_none() {
            self.idle_since = Some(now);
            // A timer that is set already goes off too early, and is then set anew. That is cheaper than to move it
            // with every request.
            if !self.timers.is_set(Timer::Idle) {
                self.timers.set(Timer::Idle, now.after(timeout));
            }
        }
    }

    /// Drains a server's connection that nobody uses.
    fn idle(&mut self, now: Timestamp) {
        let (Some(timeout), Some(since)) = (self.config.idle_timeout, self.idle_since) else {
            return;
        };
        if self.plants.has(Planted::IdleForgotten) && now.since(since) < timeout {
            return;
        }
        if now.since(since) < timeout {
            self.timers.set(Timer::Idle, since.after(timeout));
        } else {
            self.drain();
        }
    }

    fn arm_tidy(&mut self, now: Timestamp) {
        if self.streams.is_roomy() && !self.timers.is_set(Timer::Tidy) {
            self.timers.set(Timer::Tidy, now.after(TIDY_AFTER));
            self.opened_before_tidy = self.stats.streams_opened as u32;
        }
    }

    /// Gives back what many streams needed, once none has come for a while.
    fn tidy(&mut self, now: Timestamp) {
        if !self.streams.is_roomy() {
            return;
        }
        // Whatever else comes, a PING for one, is no stream.
        if self.stats.streams_opened as u32 != self.opened_before_tidy {
            self.arm_tidy(now);
            return;
        }
        self.streams.tidy();
        self.events.shrink();
        self.sink.shrink();
        self.hpack_in.shrink();
        self.known.forget();
        self.hpack_out.shrink();
    }

    /// Gives back what an application that still has the connection has no use for, once it has been told of the end:
    /// nothing is read any more, and nothing is written but what is in the output. What the peer's GOAWAY said stays.
    pub(super) fn forget_all(&mut self) {
        self.events.shrink();
        self.sink.give_up();
        self.hpack_in = Self::hpack_decoder(&self.config);
        self.known.forget();
        self.hpack_out = self.new_encoder();
        self.early.clear();
        self.pings.forget();
        self.forget_if_told();
    }

    /// Gives back the stream table of a connection whose end was told, once the last stream has left it.
    pub(super) fn forget_if_told(&mut self) {
        if self.is_over() && !self.closed_due && self.streams.live() == 0 {
            self.streams.tidy();
        }
    }

    fn written_min(&self) -> u64 {
        match self.plants.has(Planted::CrumbsCount) {
            true => 1,
            false => WRITTEN_MIN,
        }
    }

    /// Moves the deadline of what waits to be written when the transport has taken a good part of it.
    pub(super) fn note_written(&mut self, out: &Transmit, now: Timestamp) {
        // How long a connection that is over waits for what the transport keeps is its owner's affair.
        let kept = self.output.unflushed && !self.is_over();
        let whole = out.remaining() == 0 && !kept;
        if whole || out.taken().saturating_sub(self.written) >= self.written_min() {
            // The peer cannot answer what is still on its way to the transport.
            if self.written < self.ping_end && self.timers.is_set(Timer::KeepAliveAck) {
                self.arm_ping(now);
            }
            self.written = out.taken();
            if whole || !self.plants.has(Planted::SlowWriterEnded) {
                self.timers.stop(Timer::WriteStall);
            }
            if self.is_over() && !self.plants.has(Planted::CloseUnmoved) {
                self.timers.stop(Timer::HardClose);
            }
        }
    }

    /// Tells that the transport took no more of `out` for now. From here on it has to take 1 KiB, or all of it, within
    /// [`Config::write_timeout`](crate::Config::write_timeout); the next `poll_transmit` sees whether it did, and is to be
    /// called once all is written, also when nothing is to be appended.
    pub fn handle_transport_blocked(&mut self, out: &Transmit, now: Timestamp) {
        self.note_written(out, now);
        let waits = out.remaining() > 0 || self.output.unflushed;
        if waits && !self.is_over() && !self.timers.is_set(Timer::WriteStall) {
            self.timers
                .set(Timer::WriteStall, now.after(self.config.write_timeout));
        }
        if out.remaining() > 0 && self.lifecycle == Lifecycle::Closing {
            self.arm_close(now);
        }
    }

    /// Tells that the transport keeps some of what it has taken, as a TLS session does whose socket takes no more. The deadline
    /// of [`handle_transport_blocked`](Self::handle_transport_blocked) then runs even when `out` is empty, until
    /// [`handle_transport_flushed`](Self::handle_transport_flushed): a peer that reads nothing is not alive for a buffer
    /// between it and us. Such a buffer has its bound, so that taking 1 KiB more still counts.
    pub fn handle_transport_unflushed(&mut self, out: &Transmit, now: Timestamp) {
        self.output.unflushed = true;
        self.handle_transport_blocked(out, now);
    }

    /// Tells that the transport keeps nothing any more of what it has taken. Needed only after
    /// [`handle_transport_unflushed`](Self::handle_transport_unflushed).
    pub fn handle_transport_flushed(&mut self, out: &Transmit, now: Timestamp) {
        self.output.unflushed = false;
        self.note_written(out, now);
    }

    /// Starts the last deadline of all, if it does not run yet.
    pub(super) fn arm_close(&mut self, now: Timestamp) {
        let never = self.plants.has(Planted::CloseWaitsForOutput);
        if !never && !self.timers.is_set(Timer::HardClose) {
            self.timers
                .set(Timer::HardClose, now.after(self.config.close_timeout));
        }
    }
}
