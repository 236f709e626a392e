//! What the caller may do. No clock: a command takes effect with the next `poll_transmit`.

use alloc::boxed::Box;

use bytes::Bytes;

use super::{Connection, Lifecycle, priorities::merged_priority};
use crate::{
    config::WINDOW_MAX,
    error::{ConnectionError, GoAway, OpenError, Origin, SendError, StreamError},
    event::Then,
    head::{self, Answered, BodyLength, Fields, Oddities, RequestHead, ResponseHead},
    id::{ErrorCode, PingId, Role, StreamHandle},
    ping::Purpose,
    planted::Planted,
    stream::{OutHead, RecvHalf, SendHalf, SendState, Stop, Stream},
    violation::Violation,
};

/// Interim responses of one stream that may wait for their frames.
const INTERIMS_MAX: usize = 16;
/// Bytes of debug data that our GOAWAY carries at most, and that are kept of the peer's: enough for a sentence, and it fits
/// any frame size.
pub(super) const DEBUG_MAX: usize = 1_024;

impl Connection {
    /// Opens a stream for a request (RFC 9113 §8.1). The request waits for its turn under the peer's limit of
    /// concurrent streams; until then it has no identifier and leaves no trace on the wire. The connection drains once
    /// the last of its 2^30 identifiers is used.
    ///
    /// # Errors
    /// The request comes back with the reason. It was not sent, so it may go to another connection.
    pub fn open(
        &mut self,
        head: RequestHead,
        then: Then,
    ) -> Result<StreamHandle, (OpenError, RequestHead)> {
        let head = head.for_sending(Oddities::of(&self.config));
        let length = match self.check_open(&head) {
            Ok(length) => length,
            Err(error) => {
                let full = error == OpenError::QueueFull;
                self.stats.defences.open_queue_full += u64::from(full);
                // `Openable` tells when there is room again.
                self.starved |= full;
                return Err((error, head));
            }
        };
        if then.is_end()
            && let Err(violation) = length.end()
        {
            return Err((OpenError::Malformed(violation), head));
        }
        let answered = Answered::of(&head);
        let recv = RecvHalf::new(self.new_credit());
        let mut send = SendHalf::new(self.config.send_buffer_bytes);
        send.lend(self.streams.spares());
        send.start(OutHead::Request(head), then.is_end());
        send.length = length;
        let handle = self
            .streams
            .insert_waiting(Stream::new(send, recv, answered));
        // `Openable` is due when that changes, also for a caller who polls no event in between.
        self.starved |= self.openable() == 0;
        Ok(handle)
    }

    fn check_open(&self, head: &RequestHead) -> Result<BodyLength, OpenError> {
        if self.role == Role::Server {
            return Err(OpenError::NotClient);
        }
        if self.next_id.is_none() {
            return Err(OpenError::IdsExhausted);
        }
        if !self.takes_requests() {
            return Err(OpenError::Closing);
        }
        if self.streams.waiting() >= self.config.open_queue_max {
            return Err(OpenError::QueueFull);
        }
        // RFC 9113 §6.5.2: advisory, but a peer that says so would refuse it.
        if head.list_size() > self.remote.header_list_size as usize {
            return Err(OpenError::HeaderListTooLarge);
        }
        let rules = head::Rules {
            oddities: Oddities::of(&self.config),
            extended_connect: true,
        };
        head::check_request(head, &rules).map_err(OpenError::Malformed)?;
        // RFC 8441 §4: an extended CONNECT MUST wait for the peer to allow it.
        if head.protocol().is_some() && !self.remote.connect_protocol {
            return Err(OpenError::ConnectProtocolDisabled);
        }
        Ok(BodyLength::of_request(head))
    }

    /// Server: sends an interim (1xx) response; the final one is still owed.
    ///
    /// # Errors
    /// [`SendError::OutOfOrder`] after the final response, for a final status, or with too many interim responses
    /// waiting already; [`SendError::Malformed`] and [`SendError::HeaderListTooLarge`] as for `respond`.
    pub fn inform(&mut self, stream: StreamHandle, head: ResponseHead) -> Result<(), SendError> {
        let head = head.for_sending(Oddities::of(&self.config));
        self.check_response(stream, &head)?;
        let found = self.streams.get_to_give(stream).ok_or(SendError::Gone)?;
        let endless = self.plants.has(Planted::InterimsUnbounded);
        let full = !endless && found.send.interims_waiting() >= INTERIMS_MAX;
        if !head.is_informational() || full {
            return Err(SendError::OutOfOrder);
        }
        found.send.push_interim(head);
        found.recv.inform();
        self.streams.settle(stream);
        Ok(())
    }

    /// Server: sends the final response's head. Its `priority` field, if it has one, counts for its body, too: what it
    /// names replaces what the client asked for (RFC 9218 §8).
    ///
    /// # Errors
    /// [`SendError::Gone`] when the stream has ended; [`SendError::OutOfOrder`] when it is answered already, or the
    /// status is interim; [`SendError::Malformed`] when the head breaks a rule of RFC 9113 §8;
    /// [`SendError::HeaderListTooLarge`] when the peer takes no head of this size. Nothing is sent then.
    pub fn respond(
        &mut self,
        stream: StreamHandle,
        head: ResponseHead,
        then: Then,
    ) -> Result<(), SendError> {
        let head = head.for_sending(Oddities::of(&self.config));
        self.check_response(stream, &head)
            .map_err(|error| self.note_unanswerable(error))?;
        let found = self.streams.get_to_give(stream).ok_or(SendError::Gone)?;
        if head.is_informational() {
            return Err(SendError::OutOfOrder);
        }
        let length = BodyLength::of_response(&head, found.answered);
        if then.is_end() {
            length.end().map_err(SendError::Malformed)?;
        }
        found.send.length = length;
        found.tunnel = found.answered.opens_tunnel(head.status());
        // RFC 9218 §8: what made the answer knows best how it is to be sent.
        if head.has_priority()
            && let Some(priority) = merged_priority(found.priority, head.as_fields())
        {
            found.priority = priority;
            found.prioritized = true;
        }
        found.send.start(OutHead::Response(head), then.is_end());
        self.streams.settle(stream);
        Ok(())
    }

    fn check_response(&self, stream: StreamHandle, head: &ResponseHead) -> Result<(), SendError> {
        let found = self.streams.get(stream).ok_or(SendError::Gone)?;
        match found.send.state {
            // Only a server's half begins so: a request is given as its stream is made.
            SendState::Idle => {}
            SendState::Reset => return Err(SendError::Gone),
            _ => return Err(SendError::OutOfOrder),
        }
        if head.list_size() > self.remote.header_list_size as usize {
            return Err(SendError::HeaderListTooLarge);
        }
        head::check_response(head, found.answered).map_err(SendError::Malformed)
    }

    /// Takes body bytes off the front of `data`, as many as the stream's buffer has room for, and answers how many.
    /// When some are left, [`Event::Writable`](crate::Event::Writable) tells when there is room again. `then` counts
    /// only when everything was taken.
    ///
    /// # Errors
    /// [`SendError::Gone`] when the stream has ended; [`SendError::OutOfOrder`] before the head or after the end;
    /// [`SendError::Malformed`] when the body does not add up to the head's content-length. Nothing is taken then.
    pub fn send_data(
        &mut self,
        stream: StreamHandle,
        data: &mut Bytes,
        then: Then,
    ) -> Result<usize, SendError> {
        let found = self.sending(stream)?;
        let offered = data.len();
        let mut length = found.send.length;
        length.received(offered).map_err(SendError::Malformed)?;
        if then.is_end() {
            length.end().map_err(SendError::Malformed)?;
        }
        let behind = found.send.is_behind_head();
        let taken = found.send.give_data(data);
        let early = !found.is_bound();
        // A part of what was just checked is within the length too.
        let _ = found.send.length.received(taken);
        if then.is_end() && taken == offered {
            found.send.give_end();
        }
        // What waits behind a head moves a stream once that is out.
        let moves = !behind || taken < offered;
        self.stats.defences.send_buffers_full += u64::from(taken < offered);
        if moves {
            self.streams.settle(stream);
            self.fail_blocked();
        }
        if early && self.plants.has(Planted::WaitingTakesWindow) {
            self.window.spend(taken.min(self.send_window()));
        }
        Ok(taken)
    }

    /// Ends the message with trailers, after the body bytes that wait.
    ///
    /// # Errors
    /// [`SendError::Gone`] when the stream has ended; [`SendError::OutOfOrder`] before the head or after the end;
    /// [`SendError::Malformed`] for fields that trailers must not have, a body short of its content-length, and on a tunnel
    /// or what a CONNECT request may still make one.
    pub fn send_trailers(&mut self, stream: StreamHandle, fields: Fields) -> Result<(), SendError> {
        let limit = self.remote.header_list_size as usize;
        let oddities = Oddities::of(&self.config);
        let client = self.role == Role::Client;
        let found = self.sending(stream)?;
        // RFC 9113 §8.5: a tunnel carries DATA only. What a client has asked to be one may be one before they are sent.
        if found.tunnel || (client && found.answered == Answered::Connect) {
            return Err(SendError::Malformed(Violation::TunnelFieldSection));
        }
        if fields.list_size() > limit {
            let error = SendError::HeaderListTooLarge;
            // What a client makes too large nobody has asked it for.
            return Err(match self.role {
                Role::Server => self.note_unanswerable(error),
                Role::Client => error,
            });
        }
        head::check_trailers(&fields, oddities).map_err(SendError::Malformed)?;
        found.send.length.end().map_err(SendError::Malformed)?;
        let behind = found.send.is_behind_head();
        found.send.give_trailers(fields);
        if !behind {
            self.streams.settle(stream);
        }
        Ok(())
    }

    fn sending(&mut self, stream: StreamHandle) -> Result<&mut Stream, SendError> {
        let found = self.streams.get_to_give(stream).ok_or(SendError::Gone)?;
        match found.send.state {
            SendState::Reset => Err(SendError::Gone),
            _ if found.send.takes_parts() => Ok(found),
            _ => Err(SendError::OutOfOrder),
        }
    }

    /// Gives back the credit of `bytes` that were handed out and are consumed now. More than is out counts as all.
    /// Allowed, and owed, also after the end of the stream.
    pub fn release(&mut self, stream: StreamHandle, bytes: usize) {
        let target = self.probe.stream_window();
        let Some(found) = self.streams.get_mut(stream) else {
            return;
        };
        let follows = !found.recv.window_is_set() && self.local.acked();
        let due = found.update_due();
        if bytes > 0 && follows && found.recv.credit.target() != target {
            // A stream that is read follows the connection's window; one that is not keeps what it has.
            found.recv.credit.resize(target);
        }
        let back = found.recv.credit.release(bytes as u64);
        self.credit.release(back);
        // Credit moves a stream only when an update becomes due, and when all that is left of it is credit.
        if due != found.update_due() || found.told {
            self.streams.settle(stream);
            self.forget_if_told();
        }
    }

    /// Sets the receive window of one stream, in bytes up to 2^31-1, from now on: a reader with little room announces no
    /// more than that, and one with much does not wait for the path to be measured. A smaller window is reached as credit
    /// comes back, for what was announced cannot be taken back (RFC 9113 §6.9); 0 stops the peer in the end. The window of
    /// the connection stays as it is, and holds for all streams together. Without effect on a stream that is gone, and
    /// before the peer has acknowledged our SETTINGS; answers whether it had one.
    pub fn set_receive_window(&mut self, stream: StreamHandle, bytes: u32) -> bool {
        let acked = self.local.acked();
        let Some(found) = self.streams.get_mut(stream).filter(|_| acked) else {
            return false;
        };
        if !self.plants.has(Planted::SetWindowFollows) {
            found.recv.set_window();
        }
        found.recv.credit.resize(bytes.min(WINDOW_MAX));
        self.streams.settle(stream);
        true
    }

    /// Wants no more of the peer's body: all credit that is out comes back, and what still arrives is dropped and
    /// credited as it comes. [`Event::Data`](crate::Event::Data) that waits to be polled is delivered all the same. The
    /// stream itself goes on; to end it, `reset` it.
    pub fn discard(&mut self, stream: StreamHandle) {
        if let Some(found) = self.streams.get_mut(stream) {
            found.recv.discard();
        }
        if self.plants.has(Planted::DiscardUncredited) {
            return;
        }
        self.release(stream, usize::MAX);
    }

    /// Ends a stream early. Before it got an identifier nothing goes over the wire; after it, RST_STREAM does. The
    /// stream ends as `Failed`.
    ///
    /// One case is no failure: a server whose response is given whole, and who resets with
    /// [`ErrorCode::NO_ERROR`], sends the response to its end and only then stops the upload (RFC 9113 §8.1); the
    /// stream ends as `Finished`.
    ///
    /// [`ErrorCode::REFUSED_STREAM`] promises that nothing of the request was processed, and clients send it again
    /// whatever it does. Whether that is so only the server's application knows; once it has answered with
    /// [`inform`](Self::inform) or [`respond`](Self::respond), [`ErrorCode::INTERNAL_ERROR`] goes out in its place
    /// (RFC 9113 §8.7).
    pub fn reset(&mut self, stream: StreamHandle, code: ErrorCode) {
        let role = self.role;
        let Some(found) = self
            .streams
            .get_mut(stream)
            .filter(|found| !found.is_closed())
        else {
            return;
        };
        let bound = found.is_bound();
        if role == Role::Server && code == ErrorCode::NO_ERROR && found.send.is_given() {
            found.stop = Stop::AfterAnswer;
            found.stop_upload_if_sent();
        } else {
            // RFC 9113 §8.7: REFUSED_STREAM says that nothing was processed, which an answer that was given belies.
            let belied = code == ErrorCode::REFUSED_STREAM
                && role == Role::Server
                && (found.send.state != SendState::Idle || found.recv.is_informed());
            let code = if belied {
                ErrorCode::INTERNAL_ERROR
            } else {
                code
            };
            if self.plants.has(Planted::ResetBeforeHeaders)
                && !found.is_bound()
                && let Some(next) = self.next_id
            {
                self.output.refusals.push_back((next, code));
            }
            if self.plants.has(Planted::ResetLosesWindow) {
                let room = self.window.available(crate::config::WINDOW_INITIAL);
                self.window.spend(found.send.buffered().min(room));
            }
            let retry = found.retry(role, false, true);
            found.fail(
                StreamError {
                    origin: Origin::Local,
                    code,
                    violation: None,
                    retry,
                },
                true,
            );
        }
        self.streams.settle(stream);
        if bound {
            self.hold_slot();
            self.expect_late_frames();
        }
    }

    /// Server: keeps the place of a request under [`Config::concurrent_streams_max`](crate::Config::concurrent_streams_max)
    /// until [`free_place`](Self::free_place), also when the stream ends before. By the letter of RFC 9113 §5.1.2 a reset
    /// makes room for another request at once, and a client that opens and resets streams hands an application more of them
    /// than it works off. Who begins to work on a request that it will not give up with its stream keeps its place;
    /// requests beyond the limit are then refused as safe to send again. Who makes requests wait for room instead, as
    /// `raddle-io` does, has no need of it.
    ///
    /// To be called before the event behind the request's is polled. Without effect on a stream that is gone, on a client,
    /// and when the connection is over, which frees every place; answers whether it had one.
    pub fn keep_place(&mut self, stream: StreamHandle) -> bool {
        let keeps = self.role == Role::Server && !self.is_over();
        let Some(found) = self.streams.get_mut(stream).filter(|_| keeps) else {
            return false;
        };
        found.kept.get_or_insert(false);
        self.streams.settle(stream);
        true
    }

    /// Server: the application works on a request no longer, so that its place is another's, once the stream has ended.
    /// Without effect where [`keep_place`](Self::keep_place) had none.
    pub fn free_place(&mut self, stream: StreamHandle) {
        self.streams.free_place(stream);
        self.forget_if_told();
    }

    /// Sends a PING; [`Event::Pong`](crate::Event::Pong) with the same id is the answer. `None` when several are in
    /// flight already, or the connection is over. From when it is cut the connection counts as dead when nothing at all
    /// arrives within [`Config::keep_alive_timeout`](crate::Config::keep_alive_timeout), whether streams are open or not.
    pub fn ping(&mut self) -> Option<PingId> {
        if self.is_over() {
            return None;
        }
        self.pings.request(Purpose::Caller)
    }

    /// Ends the connection gracefully: streams in progress go on, no new ones begin, and
    /// [`Event::Closed`](crate::Event::Closed) without an error follows the last of them.
    ///
    /// A server announces it with GOAWAY in two phases, so that no request that is on its way is lost
    /// (RFC 9113 §6.8). On a client, requests that wait for an identifier end as `Failed` with `Retry::Safe`.
    pub fn drain(&mut self) {
        if self.is_over() || core::mem::replace(&mut self.drains, true) {
            return;
        }
        self.lifecycle = Lifecycle::Draining;
        self.begin_drain();
    }

    /// Ends the connection at once, with a GOAWAY that carries `code` and `debug` (cut to 1,024 bytes). Every stream
    /// fails; whether its request may be sent again is decided for each.
    pub fn close(&mut self, code: ErrorCode, debug: Bytes) {
        if self.is_over() {
            return;
        }
        let error = ConnectionError {
            origin: Origin::Local,
            code,
            violation: None,
        };
        self.fail_connection((code != ErrorCode::NO_ERROR).then_some(error), error, debug);
    }

    /// Owes the peer a GOAWAY in place of one that is not out yet.
    pub(super) fn owe_goaway(&mut self, code: ErrorCode, debug: Bytes) {
        // RFC 9113 §8.7: not below any stream that the application has seen; those above our last one it never sees.
        let last = self
            .our_goaway
            .map_or(self.last_peer_id, |last| last.min(self.last_peer_id));
        self.our_goaway = Some(last);
        let debug = debug.slice(..debug.len().min(DEBUG_MAX));
        self.output.goaway = Some(Box::new(GoAway { last, code, debug }));
    }

    /// The debug data of a GOAWAY that answers a violation.
    pub(super) fn debug_of(violation: Violation) -> Bytes {
        Bytes::from(alloc::format!("{violation} ({})", violation.section()))
    }
}
