//! How a connection ends: by a fault, by its transport, by a deadline, or by draining.

use alloc::boxed::Box;

use bytes::Bytes;

use super::{Connection, commands::DEBUG_MAX, receive::Fault};
use crate::{
    error::{ConnectionError, GoAway, Origin, StreamError},
    event::Event,
    id::{ErrorCode, Role, StreamId},
    limits::Cause,
    ping::Purpose,
    planted::Planted,
    stream::Stream,
    streams::Queue,
    time::{Timer, Timestamp},
    transmit::Transmit,
    violation::{Scope, Violation},
};

/// How far a connection has come. It only moves forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lifecycle {
    /// The peer's first SETTINGS have not arrived.
    Handshake,
    /// In use.
    Open,
    /// One side has said GOAWAY: streams in progress go on, new ones do not begin.
    Draining,
    /// Over, but output may still have to be written. Nothing is read any more.
    Closing,
    /// Over, and everything is written or will never be: drop the transport.
    Closed,
}

/// How a transport ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransportEnd {
    /// The peer closed its half cleanly. What we write it may still read.
    Eof,
    /// Reading or writing failed.
    Failed,
}

impl Connection {
    /// Tells that what is left in `out` will never be written, ahead of
    /// [`handle_transport_end`](Self::handle_transport_end). A peer that has not got the last byte of a request's head
    /// cannot have acted on it: such requests fail as safe to send again.
    ///
    /// Bytes that were offered to a transport whose write then failed may be on their way all the same, unless the
    /// transport promises otherwise.
    pub fn handle_output_lost(&mut self, out: &Transmit) {
        self.unsent_from = out.first_unsent();
    }

    /// Tells that the transport is gone in the direction of reading, or altogether. Streams that were not whole fail,
    /// each with a verdict, and the connection is over.
    ///
    /// Except on a server by [`TransportEnd::Eof`] with requests that have arrived whole: a client that has ended its half
    /// may read on. The connection drains, until these are answered or writing fails, which is to be told by
    /// [`TransportEnd::Failed`]. An answer that a window holds back fails, as nobody is left who could open it. While
    /// [`Config::keep_alive_interval`](crate::Config::keep_alive_interval) is set, a PING goes out every second: a
    /// transport whose peer has gone altogether fails by it. Where all of them are answered, what is in the output is to be
    /// written, and the `poll_transmit` that finds it empty closes the connection, or else
    /// [`Config::close_timeout`](crate::Config::close_timeout) does.
    pub fn handle_transport_end(&mut self, end: TransportEnd, now: Timestamp) {
        // A client that has ended its half may read on: an answer that has ended for us can be in the output still.
        let reads = end == TransportEnd::Eof && self.role == Role::Server;
        if self.is_over() {
            if !reads {
                self.forget_output();
            }
            return;
        }
        if reads && (self.input_ended || self.end_input(now)) {
            return;
        }
        let idle = !self.streams.any_open() && self.decoder.open_block().is_none();
        // What the peer gave as its reason tells more than that it has gone, also to the streams.
        let error = self.error.unwrap_or(ConnectionError {
            origin: Origin::Transport,
            code: ErrorCode::INTERNAL_ERROR,
            violation: None,
        });
        let clean = end == TransportEnd::Eof && idle && self.remote.received;
        let told = self.error.or((!clean).then_some(error));
        self.fail_connection(told, error, Bytes::new());
        match reads && self.output.preface_sent {
            true => {
                self.output.goaway = None;
                self.output.refusals.clear();
                self.arm_close(now);
            }
            false => self.forget_output(),
        }
    }

    /// Nothing is written any more.
    pub(super) fn forget_output(&mut self) {
        self.output.goaway = None;
        self.output.refusals.clear();
        self.lifecycle = Lifecycle::Closed;
    }

    /// Whether the connection has ended, told or not.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.lifecycle, Lifecycle::Closing | Lifecycle::Closed)
    }

    /// Answers a fault in a frame.
    #[cold]
    pub(super) fn frame_fault(&mut self, fault: Fault, now: Timestamp) {
        // RFC 9113 §3.4: whatever is wrong with it, a frame that comes before SETTINGS is no faulty stream.
        let early = !self.remote.received && fault.violation.scope() == Scope::Stream;
        let fault = match early {
            true => Fault::connection(Violation::FirstFrameNotSettings),
            false => fault,
        };
        self.fault(fault, now);
    }

    /// The one place where a fault of the peer becomes an answer (RFC 9113 §5.4).
    pub(super) fn fault(&mut self, fault: Fault, now: Timestamp) {
        let Fault { violation, stream } = fault;
        if violation.scope() == Scope::Connection {
            self.fault_connection(violation, now);
        } else if let Err(flood) = self.fault_stream(violation, stream, now) {
            self.fault_connection(flood, now);
        }
    }

    pub(super) fn fault_connection(&mut self, violation: Violation, now: Timestamp) {
        if self.is_over() {
            return;
        }
        self.count_defence(violation);
        let code = violation.error_code();
        let origin = match violation {
            Violation::PingTimeout | Violation::WriteTimeout => Origin::Transport,
            _ => Origin::Local,
        };
        let error = ConnectionError {
            origin,
            code,
            violation: Some(violation),
        };
        self.fail_connection(Some(error), error, Self::debug_of(violation));
        self.arm_close(now);
    }

    /// RFC 9113 §5.4.2. Fails when the peer commits such faults too fast.
    fn fault_stream(
        &mut self,
        violation: Violation,
        id: StreamId,
        now: Timestamp,
    ) -> Result<(), Violation> {
        // RFC 9113 §5.1: RST_STREAM cannot answer for a stream that is idle, which PRIORITY alone may be about.
        if self.is_idle(id) {
            return self.buckets.charge(Cause::Priority, now);
        }
        self.stats.streams_faulted += 1;
        self.count_defence(violation);
        if !self.plants.has(Planted::FaultsFree) {
            self.buckets.charge(Cause::StreamError, now)?;
        }
        let code = violation.error_code();
        let role = self.role;
        let Some(handle) = self.streams.find(id) else {
            return self.refuse(id, code);
        };
        if let Some(stream) = self.streams.get_mut(handle) {
            let resets = stream.outcome.is_none();
            if resets {
                let retry = stream.retry(role, false, false);
                stream.fail(
                    StreamError {
                        origin: Origin::Local,
                        code,
                        violation: Some(violation),
                        retry,
                    },
                    true,
                );
            }
            self.streams.settle(handle);
            if resets {
                self.hold_slot();
            }
        }
        Ok(())
    }

    /// Ends everything (RFC 9113 §5.4.1): `told` is what `Closed` says, `error` what the streams hear.
    pub(super) fn fail_connection(
        &mut self,
        told: Option<ConnectionError>,
        error: ConnectionError,
        debug: Bytes,
    ) {
        self.lifecycle = Lifecycle::Closing;
        self.error = told;
        self.closed_due = true;
        self.timers.stop_all();
        // RFC 9113 §8.7: the peer may send again what nobody has looked at, which the last stream of GOAWAY does not tell of
        // streams in front of it.
        let keeps = !self.plants.has(Planted::RefusalsForgotten);
        self.output
            .refusals
            .retain(|(_, code)| keeps && *code == ErrorCode::REFUSED_STREAM);
        self.streams.free_places();
        for handle in self.streams.handles() {
            let role = self.role;
            let Some(stream) = self.streams.get_mut(handle) else {
                continue;
            };
            let retry = stream.retry(
                role,
                (self.peer_goaway.as_ref()).is_some_and(|said| stream.id > said.last)
                    || self.unsent_from.is_some_and(|first| stream.id >= first)
                    || self.plants.has(Planted::SentCountsAsSafe),
                false,
            );
            let ConnectionError {
                origin,
                code,
                violation,
            } = error;
            stream.fail(
                StreamError {
                    origin,
                    code,
                    violation,
                    retry,
                },
                false,
            );
            let refused = stream.reset_due.take() == Some(ErrorCode::REFUSED_STREAM);
            if refused && keeps && self.output.refusals.len() < super::transmit::REFUSALS_MAX {
                let refusal = (stream.id, ErrorCode::REFUSED_STREAM);
                self.output.refusals.push_back(refusal);
            }
            self.streams.settle(handle);
        }
        self.owe_goaway(error.code, debug);
    }

    pub(super) fn on_goaway(
        &mut self,
        last: StreamId,
        code: ErrorCode,
        debug: &[u8],
        now: Timestamp,
    ) -> Result<(), Violation> {
        self.buckets.charge(Cause::GoAway, now)?;
        // RFC 9113 §6.8: the last stream MUST NOT rise from one GOAWAY to the next, because what was above it may have been
        // sent elsewhere by now. One that rises takes nothing back, and what is under way goes on.
        let before = self.peer_goaway.as_deref().map(|before| before.last);
        let first = before.is_none();
        let least = before.map_or(last, |before| last.min(before));
        // One that says no less than another before it takes nothing back, and costs no look at each stream.
        let lowers = before.is_none_or(|before| last < before);
        let last = if self.plants.has(Planted::GoAwayRaised) {
            last
        } else {
            least
        };
        self.keep_goaway(last, code, debug);
        if self.lifecycle < Lifecycle::Draining && !self.plants.has(Planted::OpensAfterGoAway) {
            self.lifecycle = Lifecycle::Draining;
        }
        let (all, waits) = (
            self.plants.has(Planted::GoAwayLastIgnored),
            self.plants.has(Planted::WaitingOutlivesGoAway),
        );
        let ignored = !first && self.plants.has(Planted::LowerGoAwayIgnored);
        let looks = lowers && !ignored;
        if (self.role == Role::Client && looks) || self.plants.has(Planted::GoAwayEndsPeers) {
            for handle in self.streams.handles() {
                let above = |stream: &&mut Stream| match stream.is_bound() {
                    true => stream.id > last || all,
                    false => !waits,
                };
                let Some(stream) = self.streams.get_mut(handle).filter(above) else {
                    continue;
                };
                let retry = stream.retry(self.role, true, false);
                stream.fail(
                    StreamError {
                        origin: Origin::Remote,
                        code,
                        violation: None,
                        retry,
                    },
                    false,
                );
                self.streams.settle(handle);
            }
        }
        let told = code != ErrorCode::NO_ERROR && !self.plants.has(Planted::ReasonLost);
        if told && self.error.is_none() {
            self.error = Some(ConnectionError {
                origin: Origin::Remote,
                code,
                violation: None,
            });
        }
        if first {
            self.events.push(Event::PeerDraining);
        }
        Ok(())
    }

    /// Keeps what a GOAWAY says; its reason only if none before it has named a fault, which is why the connection ends.
    fn keep_goaway(&mut self, last: StreamId, code: ErrorCode, debug: &[u8]) {
        match &mut self.peer_goaway {
            Some(said) if said.code != ErrorCode::NO_ERROR => said.last = last,
            said => {
                // A copy: a slice would keep the whole buffer that it was read into.
                let debug = Bytes::copy_from_slice(&debug[..debug.len().min(DEBUG_MAX)]);
                *said = Some(Box::new(GoAway { last, code, debug }));
            }
        }
    }

    /// The first step of a drain that this side wants.
    pub(super) fn begin_drain(&mut self) {
        match self.role {
            Role::Client => {
                for handle in self.streams.handles() {
                    let Some(stream) = self
                        .streams
                        .get_mut(handle)
                        .filter(|stream| !stream.is_bound())
                    else {
                        continue;
                    };
                    let retry = stream.retry(Role::Client, false, false);
                    let code = ErrorCode::REFUSED_STREAM;
                    stream.fail(
                        StreamError {
                            origin: Origin::Local,
                            code,
                            violation: None,
                            retry,
                        },
                        false,
                    );
                    self.streams.settle(handle);
                }
                self.owe_goaway(ErrorCode::NO_ERROR, Bytes::new());
            }
            // RFC 9113 §6.8: first a GOAWAY that excludes no stream; the second follows when the peer has seen it.
            Role::Server => {
                self.output.goaway = Some(Box::new(GoAway {
                    last: StreamId::MAX,
                    code: ErrorCode::NO_ERROR,
                    debug: Bytes::new(),
                }));
                let at_once = self.plants.has(Planted::DrainAtOnce);
                if at_once || self.pings.request(Purpose::Drain).is_none() {
                    self.drain_second_phase();
                }
            }
        }
    }

    /// Names the last stream that will be processed.
    pub(super) fn drain_second_phase(&mut self) {
        if !self.is_over() && self.our_goaway.is_none() {
            self.owe_goaway(ErrorCode::NO_ERROR, Bytes::new());
            self.expect_crossing_requests();
        }
    }

    /// Ends a drain whose last stream is done.
    pub(super) fn finish_drain(&mut self) {
        if self.lifecycle != Lifecycle::Draining
            || self.streams.any_open()
            || self.output.goaway.is_some()
        {
            return;
        }
        // A server waits for its second GOAWAY, before which requests may still be on their way.
        let named = self.our_goaway.is_some();
        let client_left = self.peer_goaway.is_some() && self.role == Role::Client;
        if !named && !client_left {
            return;
        }
        // RST_STREAM frames that are owed go first.
        if self.streams.front(Queue::Control).is_some() {
            return;
        }
        self.lifecycle = Lifecycle::Closing;
        self.closed_due = true;
        self.streams.free_places();
        // What was cut before may be stuck, and nobody need poll again while nothing more is to be cut.
        self.timers.stop_others(Timer::WriteStall);
        if !named {
            self.owe_goaway(ErrorCode::NO_ERROR, Bytes::new());
        }
    }
}
