//! Bytes in: the preface, then one match on each frame.

use bytes::{Buf, BytesMut};

use super::{Connection, EVENTS_SPARE, data::Payload, ring::COPY_MAX};
use crate::{
    error::{Origin, StreamError},
    event::Event,
    frame::{Flags, Frame, HEAD_LEN, Head, Kind, PREFACE},
    fuel::Fuel,
    id::{ErrorCode, Role, StreamId},
    limits::Cause,
    ping::Purpose,
    planted::Planted,
    stream::{RecvState, Stop},
    time::{Timer, Timestamp},
    violation::Violation,
};

/// Why [`Connection::handle_input`] stopped reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// What is left of the input, if anything, is the beginning of a frame.
    NeedMore {
        /// Bytes that have to follow before anything further can happen.
        at_least: usize,
    },
    /// Poll events first. What was not read is still in the input.
    EventsFull,
    /// The connection is over, or its input is; nothing is read any more.
    Closed,
}

impl Connection {
    /// Reads whole frames from the front of `input`. What stays in it belongs in front of the next bytes. It may be offered
    /// again before those have come: behind [`Input::EventsFull`] it is read on, and the beginning of a frame changes
    /// nothing, nor does it count as a sign of life twice.
    ///
    /// Never fails: a fault of the peer becomes an event, and an answer in the output (RFC 9113 §5.4).
    pub fn handle_input(&mut self, input: &mut BytesMut, now: Timestamp) -> Input {
        if self.input_ended {
            return Input::Closed;
        }
        // The beginning of a frame that is offered once more is no sign of life.
        let counts = self.plants.has(Planted::BeginningsCount) && !input.is_empty();
        if input.len() > self.unfinished as usize || counts {
            self.note_input(now);
        }
        let before = input.len();
        let verdict = self.read_frames(input, now);
        self.unfinished = match verdict {
            Input::NeedMore { .. } => u32::try_from(input.len()).unwrap_or(u32::MAX),
            Input::EventsFull | Input::Closed => 0,
        };
        // One for the call: input in crumbs is more work than the same in one piece.
        let read = (before - input.len()) as u64;
        self.stats.work_units += 1 + read;
        let read = u32::try_from(read).unwrap_or(u32::MAX);
        self.read_unacked = self.read_unacked.saturating_add(read);
        match self.decoder.open_block() {
            Some(_) if self.plants.has(Planted::HeaderBlockUntimed) => {}
            Some(_) if !self.timers.is_set(Timer::HeaderBlock) => {
                self.timers.set(
                    Timer::HeaderBlock,
                    now.after(self.config.header_block_timeout),
                );
            }
            Some(_) => {}
            None => self.timers.stop(Timer::HeaderBlock),
        }
        self.arm_timers(now);
        verdict
    }

    fn read_frames(&mut self, input: &mut BytesMut, now: Timestamp) -> Input {
        if self.is_over() {
            return Input::Closed;
        }
        if let Err(violation) = self.read_preface(input) {
            self.fault_connection(violation, now);
            return Input::Closed;
        }
        if let Err(violation) = self.charge_unanswerable(now) {
            self.fault_connection(violation, now);
            return Input::Closed;
        }
        if self.preface_left > 0 {
            return Input::NeedMore {
                at_least: usize::from(self.preface_left),
            };
        }
        // Each turn takes a byte at least.
        let mut fuel = Fuel::of(input.len() + 2);
        loop {
            fuel.burn();
            if self.is_over() {
                return Input::Closed;
            }
            if self.events.len() + EVENTS_SPARE > self.config.events_max
                && !self.plants.has(Planted::EventsUnbounded)
            {
                self.stats.defences.events_full += 1;
                return Input::EventsFull;
            }
            if let Some(head) = self.decoder.peek_common(input) {
                let payload = &input[HEAD_LEN..][..head.len as usize];
                self.stats.frames_received += 1;
                let handled = self.handle_payload(head, payload, now);
                self.decoder.pass(head, input);
                if let Err(fault) = handled {
                    self.frame_fault(fault, now);
                }
                continue;
            }
            let handled = match self.decoder.peek(input) {
                Ok(None) => {
                    return Input::NeedMore {
                        at_least: self.needed(input),
                    };
                }
                Ok(Some(head)) => self.take_frame(head, input, now),
                Err((violation, stream)) => Err(Fault { violation, stream }),
            };
            if let Err(fault) = handled {
                self.frame_fault(fault, now);
            }
        }
    }

    /// Bytes that have to follow `input` before anything further can happen.
    fn needed(&self, input: &BytesMut) -> usize {
        let needed = self.decoder.needed(input);
        match self.plants.has(Planted::NeededTwice) {
            true => needed + input.len(),
            false => needed,
        }
    }

    /// Takes what has come of the client's preface off the input.
    fn read_preface(&mut self, input: &mut BytesMut) -> Result<(), Violation> {
        let expected = &PREFACE[PREFACE.len() - usize::from(self.preface_left)..];
        let len = expected.len().min(input.len());
        // RFC 9113 §3.4: the first byte that differs decides, so that HTTP/1.1 text is answered before it ends.
        if input[..len] != expected[..len] {
            return Err(Violation::PrefaceMissing);
        }
        input.advance(len);
        // The preface has 24 bytes.
        self.preface_left -= len as u8;
        Ok(())
    }

    /// Takes the frame of `head` off the input, and acts on it.
    #[inline(never)]
    fn take_frame(
        &mut self,
        head: Head,
        input: &mut BytesMut,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let fault = |(violation, stream)| Fault { violation, stream };
        let in_place = match head.kind {
            Kind::Headers | Kind::Continuation => true,
            Kind::Data => head.len as usize <= COPY_MAX,
            _ => false,
        };
        if in_place {
            let payload = self.decoder.payload(head, input).map_err(fault)?;
            self.stats.frames_received += 1;
            let handled = self.handle_payload(head, payload, now);
            self.decoder.pass(head, input);
            return handled;
        }
        match self.decoder.take(head, input) {
            Ok(frame) => {
                self.stats.frames_received += 1;
                self.handle_frame(frame, now)
            }
            Err((Violation::SettingMaxFrameSizeInvalid, _))
                if self.plants.has(Planted::FrameSizeUnchecked) =>
            {
                self.decoder.forgive();
                Ok(())
            }
            Err(failed) => Err(fault(failed)),
        }
    }

    /// Acts on a frame whose payload is read where it lies: a part of a header block, or a little DATA.
    #[inline(always)]
    fn handle_payload(&mut self, head: Head, payload: &[u8], now: Timestamp) -> Result<(), Fault> {
        // RFC 9113 §3.4: the first frame of either side MUST be SETTINGS.
        if !self.remote.received {
            return Err(Fault::connection(Violation::FirstFrameNotSettings));
        }
        let end_stream = head.flags.contains(Flags::END_STREAM);
        let end_headers = head.flags.contains(Flags::END_HEADERS);
        match head.kind {
            Kind::Data => {
                self.note_message();
                let data = Payload::Lying(payload);
                self.on_data(head.stream, data, head.len, end_stream, now)
            }
            Kind::Headers => {
                self.note_message();
                self.begin_block(head.stream, end_stream)?;
                self.continue_block(payload, end_headers, now)
            }
            _ => self.continue_block(payload, end_headers, now),
        }
    }

    /// Acts on a frame that was taken off the input.
    fn handle_frame(&mut self, frame: Frame, now: Timestamp) -> Result<(), Fault> {
        // RFC 9113 §3.4: the first frame of either side MUST be SETTINGS.
        let any = self.plants.has(Planted::AnythingFirst);
        if !any && !self.remote.received && !matches!(frame, Frame::Settings(_)) {
            return Err(Fault::connection(Violation::FirstFrameNotSettings));
        }
        match frame {
            Frame::Data {
                stream,
                data,
                flow_len,
                end_stream,
            } => {
                self.note_message();
                self.on_data(stream, Payload::Taken(data), flow_len, end_stream, now)
            }
            #[cfg(test)]
            Frame::Headers { .. } | Frame::Continuation { .. } => {
                unreachable!("parts of header blocks are read where they lie")
            }
            Frame::RstStream { stream, code } => self.on_reset(stream, code, now),
            Frame::Settings(settings) => {
                self.on_settings(&settings, now).map_err(Fault::connection)
            }
            Frame::SettingsAck => self.on_settings_ack(now).map_err(Fault::connection),
            // RFC 9113 §8.4: we send ENABLE_PUSH=0 as a client, and a server never accepts a push.
            Frame::PushPromise { .. } if self.plants.has(Planted::PromiseIgnored) => Ok(()),
            Frame::PushPromise { .. } => Err(Fault::connection(Violation::PushPromiseReceived)),
            Frame::Ping { ack: true, payload } => {
                self.on_pong(payload, now).map_err(Fault::connection)
            }
            Frame::Ping {
                ack: false,
                payload,
            } => self.on_ping(payload, now).map_err(Fault::connection),
            Frame::GoAway { last, code, debug } => self
                .on_goaway(last, code, &debug, now)
                .map_err(Fault::connection),
            Frame::WindowUpdate { stream, increment } => {
                self.on_window_update(stream, increment, now)
            }
            Frame::PriorityUpdate { prioritized, value } => self
                .on_priority_update(prioritized, &value, now)
                .map_err(Fault::connection),
            // RFC 9113 §5.3.2: deprecated, and on a stream in any state.
            Frame::Priority { .. } => self
                .buckets
                .charge(Cause::Priority, now)
                .map_err(Fault::connection),
            Frame::Unknown { .. } => self
                .buckets
                .charge(Cause::UnknownFrame, now)
                .map_err(Fault::connection),
        }
    }

    fn on_reset(&mut self, id: StreamId, code: ErrorCode, now: Timestamp) -> Result<(), Fault> {
        if self.is_idle(id) {
            // RFC 9113 §6.4: RST_STREAM MUST NOT be sent for a stream in the idle state.
            return Err(Fault::connection(Violation::IdleStreamFrame));
        }
        let Some(handle) = self.streams.find(id) else {
            if self.plants.has(Planted::ResetAnswered) {
                return self
                    .refuse(id, ErrorCode::STREAM_CLOSED)
                    .map_err(Fault::connection);
            }
            // RFC 9113 §5.4.2: no RST_STREAM answers a late one.
            return self.charge_late(now).map_err(Fault::connection);
        };
        let role = self.role;
        self.forget_reset(handle);
        let Some(stream) = self
            .streams
            .get_mut(handle)
            .filter(|stream| !stream.is_closed())
        else {
            // Closed already, and kept for its owner. One frame is as late as another.
            return self.charge_late(now).map_err(Fault::connection);
        };
        self.stats.resets_received += 1;
        if self.plants.has(Planted::EndLostByReset) {
            self.events.forget_end(handle);
        }
        let answered = stream.send.is_over();
        if role == Role::Client
            && code == ErrorCode::NO_ERROR
            && !self.plants.has(Planted::ResponseDiscarded)
            && stream.recv.state == RecvState::Ended
        {
            // RFC 9113 §8.1: the response is whole, only the rest of the request is not wanted.
            stream.send.reset();
            stream.stop = Stop::TellCaller;
        } else {
            let retry = stream.retry(role, code == ErrorCode::REFUSED_STREAM, false);
            stream.fail(
                StreamError {
                    origin: Origin::Remote,
                    code,
                    violation: None,
                    retry,
                },
                false,
            );
        }
        self.streams.settle(handle);
        if role == Role::Server && !answered {
            self.buckets
                .charge(Cause::Reset, now)
                .map_err(Fault::connection)?;
        }
        Ok(())
    }

    fn on_ping(&mut self, payload: [u8; 8], now: Timestamp) -> Result<(), Violation> {
        if !self.plants.has(Planted::FloodsUncounted) {
            self.buckets.charge(Cause::Ping, now)?;
        }
        self.note_ping(now);
        self.pings
            .received(payload, self.config.answers_max as usize)
    }

    fn on_pong(&mut self, payload: [u8; 8], now: Timestamp) -> Result<(), Violation> {
        match self.pings.answered(payload) {
            Some((id, Purpose::Caller)) => self.events.push(Event::Pong { id }),
            Some((_, Purpose::Drain)) if self.plants.has(Planted::DrainUnfinished) => {}
            Some((_, Purpose::Drain)) => self.drain_second_phase(),
            Some((_, Purpose::Probe)) => {
                let grows = self.plants.has(Planted::UnreadWindowGrows);
                let held = if grows { 0 } else { self.credit.held() };
                self.probe.end(held, now);
                self.credit.resize(self.probe.window());
            }
            Some((_, Purpose::Slots)) => {
                self.held.answered(self.pings.is_welcome(), self.plants);
            }
            Some((_, Purpose::KeepAlive)) => {}
            None => return self.buckets.charge(Cause::Ping, now),
        }
        // The answer to one PING is none to those that are waited for.
        match self.awaits_answer() && !self.is_over() {
            true => self.arm_ping(now),
            false => self.timers.stop(Timer::KeepAliveAck),
        }
        Ok(())
    }
}

/// A violation and the stream on which it was committed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fault {
    pub(super) violation: Violation,
    pub(super) stream: StreamId,
}

impl Fault {
    pub(super) fn connection(violation: Violation) -> Self {
        Self {
            violation,
            stream: StreamId::ZERO,
        }
    }
}
