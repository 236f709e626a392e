//! Frames out, in a fixed order, each cut from the state it belongs to at the moment when there is room for it.

use bytes::{Buf, BufMut, BytesMut};

use super::{Connection, Lifecycle};
use crate::{
    config::WINDOW_INITIAL,
    error::GoAway,
    frame::{self, encode},
    fuel::Fuel,
    head,
    id::{Role, StreamId},
    ping::Purpose,
    planted::Planted,
    settings::Local,
    stream::OutHead,
    streams::Queue,
    time::{Timer, Timestamp},
    transmit::Transmit,
};

/// DATA payload of one frame. The smallest frame size a peer may have, so that turns are alike for all peers, and
/// nothing urgent waits behind a frame of megabytes.
const FRAME_BYTES: usize = 16_384;
/// RST_STREAM frames that may wait for streams which are not in the table. An honest peer whose requests cross our
/// limit on the wire is told of each; a peer that reads nothing back is not worth more memory.
pub(super) const REFUSALS_MAX: usize = 1_024;

impl Connection {
    /// Appends frames to `out` until about [`Config::output_bytes_max`](crate::Config::output_bytes_max) wait in it or
    /// nothing is left to send; answers how many bytes it appended. What is in `out` must go to the transport in order;
    /// nothing in it can be taken back. When the transport takes no more, say so by
    /// [`handle_transport_blocked`](Self::handle_transport_blocked), and poll again once it has taken something.
    pub fn poll_transmit(&mut self, out: &mut Transmit, now: Timestamp) -> usize {
        let before = out.remaining();
        let pieces = out.pieces();
        self.note_written(out, now);
        if !self.is_over()
            && let Err(flood) = self.judge_unread(out)
        {
            self.fault_connection(flood, now);
        }
        if self.is_over() {
            self.transmit_last(out, now);
            return out.remaining() - before;
        }
        self.transmit_start(out, now);
        // Answers that a peer does not read stay what they are in the state: numbers and small rings.
        let max = self.config.output_bytes_max;
        if out.remaining() < max {
            self.transmit_connection(out, now);
        } else {
            self.stats.defences.output_full += 1;
        }
        let endless = self.plants.has(Planted::OutputUnbounded);
        // A frame has nine bytes at least, and a stream that has none to send leaves its queue.
        let turns = (max / 9).saturating_add(4 * self.streams.live() + 64);
        let mut fuel = Fuel::of(if endless { usize::MAX } else { turns });
        while out.remaining() < max && self.transmit_control(out) {
            fuel.burn();
        }
        self.transmit_slots_ping(out, now);
        while out.remaining() < max && self.transmit_open(out) {
            fuel.burn();
        }
        while (endless || out.remaining() < max) && self.transmit_data(out) {
            fuel.burn();
        }
        if self.input_ended {
            self.fail_blocked();
            while out.remaining() < max && self.transmit_control(out) {
                fuel.burn();
            }
        }
        self.arm_timers(now);
        self.arm_stall(now);
        self.stats.work_units += out.pieces() - pieces;
        out.remaining() - before
    }

    /// What is left to say when the connection is over.
    fn transmit_last(&mut self, out: &mut Transmit, now: Timestamp) {
        if self.lifecycle != Lifecycle::Closing {
            return;
        }
        // RFC 9113 §3.4: also a connection that fails at once begins with the preface and SETTINGS.
        if !self.output.preface_sent {
            self.transmit_preface(out);
        }
        self.transmit_refusals(out);
        self.output.refusals.clear();
        if let Some(goaway) = self.output.goaway.take() {
            let GoAway { last, code, debug } = *goaway;
            out.write_inline(|inline| encode::goaway(inline, last, code, &debug));
        }
        if out.remaining() == 0 {
            self.timers.stop(Timer::HardClose);
            self.lifecycle = Lifecycle::Closed;
        } else {
            self.arm_close(now);
        }
    }

    fn transmit_preface(&mut self, out: &mut Transmit) {
        self.output.preface_sent = true;
        if self.role == Role::Client {
            out.put_inline(frame::PREFACE);
        }
        if self.local.take_unsent() {
            let settings: alloc::vec::Vec<_> = Local::announce(&self.config, self.role).collect();
            out.write_inline(|inline| frame::settings::encode(inline, &settings));
        }
    }

    fn transmit_start(&mut self, out: &mut Transmit, now: Timestamp) {
        if !self.output.preface_sent {
            self.transmit_preface(out);
            if !self.input_ended {
                self.begin_settings_ack(now);
            }
            if self.plants.has(Planted::TableEnforcedEarly) {
                self.hpack_in
                    .set_table_size_max(self.config.header_table_bytes);
            }
        }
    }

    /// Frames of the connection itself. Each is bounded where it is owed.
    fn transmit_connection(&mut self, out: &mut Transmit, now: Timestamp) {
        while self.remote.take_ack() {
            out.write_inline(frame::settings::encode_ack);
            out.note_settings_ack();
        }
        while let Some(payload) = self.pings.take_answer() {
            out.write_inline(|inline| encode::ping(inline, true, payload));
            out.note_pong();
        }
        if let Some(goaway) = self.output.goaway.take() {
            let GoAway { last, code, debug } = *goaway;
            out.write_inline(|inline| encode::goaway(inline, last, code, &debug));
        }
        // Behind GOAWAY: the answer to a drain's PING proves that the GOAWAY has been read.
        self.transmit_pings(out, now);
        self.transmit_refusals(out);
        if self.credit.update_due() {
            let increment = self.credit.take_update();
            out.write_inline(|inline| encode::window_update(inline, StreamId::ZERO, increment));
        }
    }

    fn transmit_refusals(&mut self, out: &mut Transmit) {
        while let Some((stream, code)) = self.output.refusals.pop_front() {
            self.stats.resets_sent += 1;
            out.write_inline(|inline| encode::rst_stream(inline, stream, code));
        }
    }

    /// PING frames of ours.
    pub(super) fn transmit_pings(&mut self, out: &mut Transmit, now: Timestamp) {
        while let Some(payload) = self.pings.take_unsent() {
            out.write_inline(|inline| encode::ping(inline, false, payload));
            self.ping_end = out.taken() + out.remaining() as u64;
            // Neither a drain nor a caller waits for ever for a peer that has gone silent.
            let drains = self.pings.pending(Purpose::Drain);
            if drains {
                self.drain_asked = self.drain_asked.min(now);
            }
            let waits = drains || self.pings.pending(Purpose::Caller);
            if waits && !self.timers.is_set(Timer::KeepAliveAck) {
                self.arm_ping(now);
            }
        }
    }

    /// One stream's frames that need no window.
    fn transmit_control(&mut self, out: &mut Transmit) -> bool {
        let Some(handle) = self.streams.front(Queue::Control) else {
            return false;
        };
        let Some(stream) = self.streams.get_mut(handle) else {
            return false;
        };
        let (id, plants) = (stream.id, self.plants);
        if self.plants.has(Planted::ResetWaitsForWindow)
            && stream.reset_due.is_some()
            && self.window.available(WINDOW_INITIAL) == 0
        {
            return false;
        }
        if let Some(code) = stream.reset_due.take() {
            self.stats.resets_sent += 1;
            out.write_inline(|inline| encode::rst_stream(inline, id, code));
            out.note_message();
        } else {
            if stream.update_due() {
                let increment = stream.recv.credit.take_update();
                out.write_inline(|inline| encode::window_update(inline, id, increment));
            }
            while let Some((head, end)) = stream.send.take_head() {
                let (hpack, max) = (&mut self.hpack_out, self.remote.frame_size);
                let fields = match &head {
                    OutHead::Request(head) => head.as_fields(),
                    OutHead::Response(head) => head.as_fields(),
                };
                put_block(out, id, end, max, |inline| {
                    hpack.write(fields, end, plants, inline);
                });
            }
            // Behind the head, which opens the stream.
            if core::mem::take(&mut stream.priority_due) {
                let value = alloc::format!("{}", stream.priority);
                out.write_inline(|inline| encode::priority_update(inline, id, value.as_bytes()));
            }
            if let Some(fields) = stream.send.take_trailers() {
                let (hpack, max) = (&mut self.hpack_out, self.remote.frame_size);
                put_block(out, id, true, max, |inline| {
                    hpack.write(&fields, true, plants, inline);
                });
            }
            if stream.send.take_bare_end() {
                out.put_inline(&encode::data_head(id, 0, true));
                out.note_message();
            }
            stream.stop_upload_if_sent();
        }
        self.streams.settle(handle);
        true
    }

    /// Binds the next waiting request to the wire.
    fn transmit_open(&mut self, out: &mut Transmit) -> bool {
        let Some(handle) = self.streams.front(Queue::Open) else {
            return false;
        };
        // RFC 9113 §5.1.2: the peer's limit. Counted here, where the stream comes to be.
        let suspect = self.suspect && !self.plants.has(Planted::SuspectOpens);
        if self.slots_taken() >= self.concurrent_streams() || suspect {
            return false;
        }
        let Some(id) = self.next_id else {
            return false;
        };
        let wraps = self.plants.has(Planted::IdsWrap);
        self.next_id = id.next().or(wraps.then_some(StreamId::from_u32(1)));
        self.stats.streams_opened += 1;
        self.streams.bind(handle, id);
        if self.plants.has(Planted::WaitingTakesWindow) {
            let buffered = self.streams.get(handle).map_or(0, |s| s.send.buffered());
            let _ = self.window.grow(buffered as u32, WINDOW_INITIAL);
        }
        if let Some(stream) = self.streams.get_mut(handle)
            && let Some((OutHead::Request(head), end)) = stream.send.take_head()
        {
            let (hpack, max) = (&mut self.hpack_out, self.remote.frame_size);
            let (plants, before) = (self.plants, out.remaining());
            let list_max = self.remote.header_list_size as usize;
            let crumble = self.config.split_cookies && head::may_crumble(&head, list_max);
            put_block(out, id, end, max, |inline| match crumble {
                true => hpack.write_each(head.all().flat_map(head::crumbs), plants, inline),
                false => hpack.write(head.as_fields(), end, plants, inline),
            });
            out.note_request(id, before);
        }
        self.note_request();
        self.streams.settle(handle);
        if self.next_id.is_none() {
            // RFC 9113 §5.1.1: that was the last identifier, and whoever wants another stream needs another connection.
            self.drain();
        }
        true
    }

    /// Bytes of DATA that the connection's window lets pass.
    pub(super) fn send_window(&self) -> usize {
        let kept = usize::from(self.plants.has(Planted::LastByteHoarded));
        self.window.available(WINDOW_INITIAL).saturating_sub(kept)
    }

    /// One DATA frame of the stream whose turn it is.
    fn transmit_data(&mut self, out: &mut Transmit) -> bool {
        let window = self.send_window();
        if window == 0 {
            // RFC 9113 §6.9.1: the connection's window is used up, for all streams alike.
            return false;
        }
        let Some(handle) = self.streams.next_sender() else {
            return false;
        };
        let base = self.streams.initial_window();
        let frame_max = FRAME_BYTES.min(self.remote.frame_size as usize);
        let Some(stream) = self.streams.get_mut(handle) else {
            return false;
        };
        let turn = stream.send.turn(stream.turn_bytes());
        let room = window.min(frame_max).min(turn);
        let len = stream.send.data_available(base).min(room);
        let id = stream.id;
        let end = stream.send.ends_after(len);
        out.put_inline(&encode::data_head(id, len, end));
        let ended = stream.send.take_data(len, |piece| out.put_payload(piece));
        debug_assert_eq!(ended, end);
        out.note_message();
        // At once: they need no window, and the stream need not be looked for again.
        if let Some(fields) = stream.send.take_trailers() {
            let (hpack, max) = (&mut self.hpack_out, self.remote.frame_size);
            let plants = self.plants;
            put_block(out, id, true, max, |inline| {
                hpack.write(&fields, true, plants, inline);
            });
        }
        let turn_over = stream.send.spend_turn(len, base);
        if self.plants.has(Planted::WritableLost) && stream.send.data_available(base) == 0 {
            stream.send.take_writable();
        }
        stream.stop_upload_if_sent();
        let keeps_turn = stream.is_no_use_in_parts();
        self.window.spend(len);
        self.stats.data_bytes_sent += len as u64;
        self.expect_updates(len);
        self.streams.settle(handle);
        if self.plants.has(Planted::NoTurns) {
            return true;
        }
        if turn_over {
            self.streams.rotate(handle);
        } else if len == window && !keeps_turn {
            // However small the peer's grants are, everybody gets on: they go from stream to stream, and turns only see
            // to it that a large one among them is made up for.
            self.streams.step_back(handle);
        }
        true
    }
}

/// Lets `write` append a header block behind its frame head, and cuts it when it is longer than a frame may be.
fn put_block(
    out: &mut Transmit,
    stream: StreamId,
    end_stream: bool,
    frame_max: u32,
    write: impl FnOnce(&mut BytesMut),
) {
    out.write_inline(|inline| {
        let start = inline.len();
        inline.put_bytes(0, frame::HEAD_LEN);
        write(inline);
        let body = start + frame::HEAD_LEN;
        let len = inline.len() - body;
        if len <= frame_max as usize {
            let flags = frame::Flags::END_HEADERS.with_if(frame::Flags::END_STREAM, end_stream);
            inline[start..body].copy_from_slice(&encode::head(
                frame::Kind::Headers,
                flags,
                stream,
                len,
            ));
            return;
        }
        let block = BytesMut::from(&inline[body..]);
        inline.truncate(start);
        encode::header_block(inline, stream, end_stream, &block, frame_max);
    });
    out.note_message();
}
