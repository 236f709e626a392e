//! A server whose client has ended its half of the transport, and may still read: what it asked for in full is answered.

use core::time::Duration;

use super::{Connection, Lifecycle};
use crate::{
    config::WINDOW_INITIAL,
    error::{Origin, StreamError},
    id::{ErrorCode, Role},
    ping::Purpose,
    stream::{NextPart, RecvState, Stop, Stream},
    time::{Timer, Timestamp},
};

/// How often something is written to a client that can say nothing any more. One that has gone altogether looks the same
/// until its system refuses what is sent to it: the GOAWAY first, and what comes after that fails.
const PROBE: Duration = Duration::from_secs(1);

impl Connection {
    /// Server: goes on without input when a request is left that arrived whole; answers whether there is one. The others
    /// fail, and the connection drains.
    pub(super) fn end_input(&mut self, now: Timestamp) -> bool {
        if self.role == Role::Client {
            return false;
        }
        let handles = self.streams.handles();
        let goes_on = |handle| self.streams.get(handle).is_some_and(is_whole);
        if !handles.iter().copied().any(goes_on) {
            return false;
        }
        self.input_ended = true;
        for handle in handles {
            if let Some(stream) = self.streams.get_mut(handle)
                && !is_whole(stream)
            {
                fail(stream);
                self.streams.settle(handle);
            }
        }
        // Nothing that is waited for can come.
        for timer in [Timer::SettingsAck, Timer::HeaderBlock, Timer::KeepAlive] {
            self.timers.stop(timer);
        }
        self.timers.stop(Timer::KeepAliveAck);
        self.drains = true;
        self.lifecycle = Lifecycle::Draining;
        if self.our_goaway.is_none() {
            // RFC 9113 §6.8: one GOAWAY is enough, for no request is on its way.
            self.owe_goaway(ErrorCode::NO_ERROR, bytes::Bytes::new());
        }
        self.fail_blocked();
        self.arm_timers(now);
        true
    }

    /// Fails what waits for a window: nobody will open it any more.
    pub(super) fn fail_blocked(&mut self) {
        if !self.input_ended || !self.streams.any_waits() {
            return;
        }
        let closed = self.window.available(WINDOW_INITIAL) == 0;
        let base = self.streams.initial_window();
        for handle in self.streams.handles() {
            if let Some(stream) = self.streams.get_mut(handle)
                && stream.send.next_part() == NextPart::Data
                && (closed || stream.send.window.window(base) <= 0)
            {
                fail(stream);
                self.streams.settle(handle);
            }
        }
    }

    /// How long nothing is written to a client that can say nothing any more; `None` where nobody wants to know.
    pub(super) fn probe_interval(&self) -> Option<Duration> {
        let wanted = self.config.keep_alive_interval.filter(|_| self.input_ended);
        wanted.map(|interval| interval.min(PROBE))
    }

    /// Writes a PING that nobody can answer: a transport whose peer has gone fails with it.
    pub(super) fn probe_transport(&mut self, now: Timestamp) {
        self.pings.forget_sent();
        let _ = self.pings.request(Purpose::KeepAlive);
        self.arm_timers(now);
    }
}

/// Whether the rest of a stream is ours to send. Of an upload that we have stopped nothing more is wanted.
fn is_whole(stream: &Stream) -> bool {
    let whole = stream.recv.state == RecvState::Ended || stream.stop == Stop::AfterAnswer;
    whole && !stream.is_closed()
}

fn fail(stream: &mut Stream) {
    let error = StreamError {
        origin: Origin::Transport,
        code: ErrorCode::INTERNAL_ERROR,
        violation: None,
        retry: stream.retry(Role::Server, false, false),
    };
    stream.fail(error, true);
}
