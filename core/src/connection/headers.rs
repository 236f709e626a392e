//! Header blocks in: fragments through HPACK, whole lists to requests, responses and trailers.

use raddle_hpack::TableVersion;

use super::{Connection, priorities::asked_priority, receive::Fault, target::Target};
use crate::{
    event::{Event, Then},
    flow::Inbound,
    head::{self, Answered, BodyLength, Heard, Oddities},
    id::{ErrorCode, Role, StreamHandle, StreamId},
    limits::Cause,
    planted::Planted,
    settings::Local,
    stream::{RecvHalf, RecvState, SendHalf, Stream},
    time::{Timer, Timestamp},
    violation::Violation,
};

/// The header block that is being received.
#[derive(Debug)]
pub(super) struct Block {
    stream: StreamId,
    end_stream: bool,
}

impl Connection {
    pub(super) fn begin_block(&mut self, stream: StreamId, end_stream: bool) -> Result<(), Fault> {
        if self.role == Role::Client && !stream.is_client_initiated() {
            // RFC 9113 §5.1.1: a server opens streams by promise only, and promises are off.
            return Err(Fault::connection(Violation::IdleStreamFrame));
        }
        if self.role == Role::Server && !stream.is_client_initiated() {
            return Err(Fault::connection(Violation::StreamIdParity));
        }
        self.held.hear();
        self.block = Some(Block { stream, end_stream });
        Ok(())
    }

    pub(super) fn continue_block(
        &mut self,
        fragment: &[u8],
        end_headers: bool,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let late = |block: &Block| matches!(self.target(block.stream), Ok(Target::Ignore));
        if self.plants.has(Planted::LateBlockSkipped) && self.block.as_ref().is_some_and(late) {
            self.block.take_if(|_| end_headers);
            return Ok(());
        }
        let before = self.hpack_in.table_version();
        if end_headers && let Some(list) = self.known_list(fragment, before) {
            return self.end_block(list, false, now);
        }
        // RFC 9113 §4.3: a block that cannot be decoded is a connection error, also on a stream that is gone.
        let lost = |_| Fault::connection(Violation::HpackDecodeFailed);
        if self.decodes_too_much(fragment) {
            return Err(Fault::connection(Violation::HeaderBlockTooLarge));
        }
        self.stats.work_units += fragment.len() as u64;
        self.decode(fragment).map_err(lost)?;
        if !end_headers {
            return Ok(());
        }
        let verdict = self.hpack_in.finish().map_err(lost)?;
        let joins = self.config.join_cookies || self.plants.has(Planted::CrumbsJoined);
        let join = joins && self.role == Role::Server;
        let section = self.sink.finish(join);
        let over = matches!(verdict, raddle_hpack::Verdict::OverLimit(_));
        if let (false, Some(version), Some(block)) = (over, before, &self.block)
            && self.hpack_in.table_version() == before
        {
            self.known
                .note(fragment, block.end_stream, version, &section);
        }
        self.end_block(Heard::New(section), over, now)
    }

    /// The list of a whole block that is known, and would be decoded to the same again.
    #[inline]
    fn known_list(&mut self, block: &[u8], version: Option<TableVersion>) -> Option<Heard> {
        let end = self.block.as_ref()?.end_stream;
        let list = self.known.find(block, end, version?, self.plants)?;
        // It is the same work for whoever counts it.
        self.stats.work_units += block.len() as u64;
        self.sink.repeat(list.fields());
        Some(list)
    }

    /// The block that was under way is whole.
    fn end_block(&mut self, list: Heard, over: bool, now: Timestamp) -> Result<(), Fault> {
        // The next one, of which a part may come in the same input, has its own time.
        if !self.plants.has(Planted::BlocksShareTime) {
            self.timers.stop(Timer::HeaderBlock);
        }
        // The frame decoder lets CONTINUATION pass only behind HEADERS.
        let Some(Block { stream, end_stream }) = self.block.take() else {
            return Ok(());
        };
        let over = over
            && !(self.plants.has(Planted::CookiesUncounted)
                && list.fields().iter().any(|field| field.name == b"cookie"));
        let over = over
            || (self.plants.has(Planted::RefusedListSticks)
                && self.stats.defences.header_lists_refused > 0);
        match self.target(stream)? {
            Target::Ignore => {
                self.known.pass(list, end_stream);
                self.charge_late(now).map_err(Fault::connection)
            }
            Target::New if self.role == Role::Server => {
                self.on_request(stream, list, over, end_stream, now)
            }
            // RFC 9113 §5.1: a response to a request that was never made.
            Target::New => Err(Fault::connection(Violation::IdleStreamFrame)),
            Target::Live(handle) => self.on_fields(handle, stream, list, over, end_stream),
        }
    }

    fn decode(&mut self, fragment: &[u8]) -> Result<(), raddle_hpack::DecodeError> {
        if !self.plants.has(Planted::LargeBlockSkipped) {
            return self.hpack_in.decode(fragment, &mut self.sink);
        }
        let max = u64::from(self.config.header_list_bytes_max);
        for byte in fragment {
            if self.hpack_in.is_within_block() && self.hpack_in.decoded() > max {
                break;
            }
            self.hpack_in
                .decode(core::slice::from_ref(byte), &mut self.sink)?;
        }
        Ok(())
    }

    /// Whether a list that is over its limit may become, with this fragment, more than four times as long as decoded. A block
    /// is decoded to its end to keep HPACK in step, and Huffman makes eight octets of five at most.
    fn decodes_too_much(&self, fragment: &[u8]) -> bool {
        let max = u64::from(self.config.header_list_bytes_max);
        let decoded = self.hpack_in.decoded();
        self.hpack_in.is_within_block()
            && decoded > max
            && decoded + fragment.len() as u64 * 8 / 5 > max.saturating_mul(4)
    }

    fn on_request(
        &mut self,
        id: StreamId,
        list: Heard,
        over: bool,
        end: bool,
        now: Timestamp,
    ) -> Result<(), Fault> {
        self.last_peer_id = id;
        if self.our_goaway.is_some_and(|last| id > last) {
            // RFC 9113 §6.8: above the last stream of our GOAWAY; the peer will learn, and sends it elsewhere.
            self.streams
                .closed
                .push(id, crate::stream::Left::ResetLocally);
            return self.charge_late(now).map_err(Fault::connection);
        }
        self.stats.streams_opened += 1;
        let fault = |violation| Fault {
            violation,
            stream: id,
        };
        if over {
            return Err(fault(Violation::HeaderListTooLarge));
        }
        // RFC 9113 §5.1.2: beyond our limit. The peer may not have seen the limit yet, and may try again.
        if !self.has_room() {
            return Err(fault(Violation::StreamLimitExceeded));
        }
        if !self.keeps_header_list(list.fields()) {
            return Err(fault(Violation::HeaderTotalTooLarge));
        }
        let header_bytes = list.fields().bytes();
        let rules = head::Rules {
            oddities: Oddities::of(&self.config),
            extended_connect: self.config.enable_connect_protocol
                || self.plants.has(Planted::ConnectUnasked),
        };
        let head = self.known.request(list, end, &rules).map_err(fault)?;
        let body = BodyLength::of_request(&head);
        let mut recv = RecvHalf::new(self.new_credit());
        recv.start(body, end).map_err(fault)?;
        let send = SendHalf::new(self.config.send_buffer_bytes);
        let mut stream = Stream::new(send, recv, Answered::of(&head));
        if let Some(priority) = self.early_priority(id).or_else(|| asked_priority(&head)) {
            stream.priority = priority;
            stream.prioritized = true;
        }
        let free = header_bytes <= 2_048 && self.plants.has(Planted::SmallListsFree);
        let counted = if free { 0 } else { header_bytes };
        let handle = self.streams.insert_opened(stream, id, counted);
        // Also when it has ended before this input has: whoever asks for something is not idle.
        self.idle_since = None;
        // An honest client may reprioritise each of its requests, in the old way and in the new one, and try out frames
        // that nobody knows.
        self.buckets.refund(Cause::Priority, 2);
        self.buckets.refund(Cause::UnknownFrame, 1);
        self.events.push(Event::Request {
            stream: handle,
            head,
            then: Then::end_if(end),
        });
        Ok(())
    }

    /// A field section on a stream that is open: a response's head, or trailers.
    fn on_fields(
        &mut self,
        handle: StreamHandle,
        id: StreamId,
        list: Heard,
        over: bool,
        end: bool,
    ) -> Result<(), Fault> {
        let fault = |violation| Fault {
            violation,
            stream: id,
        };
        if over {
            return Err(fault(Violation::HeaderListTooLarge));
        }
        // Not as for a request: REFUSED_STREAM would say that nothing was done on a stream that is under way.
        if !self.keeps_header_list(list.fields()) {
            return Err(fault(Violation::HeaderTotalExceeded));
        }
        self.streams.add_header_bytes(handle, list.fields().bytes());
        let oddities = Oddities::of(&self.config);
        // `target` has just found it.
        let Some(stream) = self.streams.get_mut(handle) else {
            return Ok(());
        };
        if stream.recv.state == RecvState::Body {
            return self.on_trailers(handle, list, end).map_err(fault);
        }
        let head = self.known.response(list, end, oddities).map_err(fault)?;
        if head.is_informational() {
            // RFC 9113 §8.1: an interim response never ends the stream.
            if end && !self.plants.has(Planted::InterimEnds) {
                return Err(fault(Violation::InformationalEndsStream));
            }
            stream
                .recv
                .interim(self.config.informational_max)
                .map_err(fault)?;
            stream.counted &= !self.plants.has(Planted::InterimStaysCounted);
            self.events.push(Event::Interim {
                stream: handle,
                head,
            });
            return Ok(());
        }
        let answered = match self.plants.has(Planted::HeadHasContent) {
            true => Answered::Other,
            false => stream.answered,
        };
        let body = BodyLength::of_response(&head, answered);
        stream.tunnel = stream.answered.opens_tunnel(head.status());
        stream.recv.start(body, end).map_err(fault)?;
        if end {
            // Nothing else of a head moves a stream.
            self.streams.settle(handle);
        }
        self.events.push(Event::Response {
            stream: handle,
            head,
            then: Then::end_if(end),
        });
        Ok(())
    }

    /// A second field section of a message.
    fn on_trailers(
        &mut self,
        handle: StreamHandle,
        list: Heard,
        end: bool,
    ) -> Result<(), Violation> {
        // `target` has found it.
        let Some(stream) = self.streams.get_mut(handle) else {
            return Ok(());
        };
        // RFC 9113 §8.5: nothing but DATA may come on a tunnel.
        if stream.tunnel && !self.plants.has(Planted::TunnelTakesFields) {
            return Err(Violation::TunnelFieldSection);
        }
        if !end && self.plants.has(Planted::TrailersGoOn) {
            return Ok(());
        }
        // RFC 9113 §8.1: it is trailers, and ends the message.
        if !end {
            return Err(Violation::TrailersWithoutEndStream);
        }
        let fields = self.known.trailers(list, Oddities::of(&self.config))?;
        stream.recv.end()?;
        let discards = stream.recv.discards();
        self.streams.settle(handle);
        if !discards {
            self.events.push(Event::Trailers {
                stream: handle,
                fields,
            });
        }
        Ok(())
    }

    /// The receive window of a new stream.
    pub(super) fn new_credit(&self) -> Inbound {
        let early = self.plants.has(Planted::WindowEnforcedEarly);
        let window = match self.local.acked() || early {
            true => self.config.stream_window_bytes,
            false => Local::unacked_window(&self.config),
        };
        Inbound::new(window, window)
    }

    /// Owes a RST_STREAM for a stream that is not in the table.
    pub(super) fn refuse(&mut self, id: StreamId, code: ErrorCode) -> Result<(), Violation> {
        if self.output.refusals.len() >= super::transmit::REFUSALS_MAX {
            return Err(Violation::StreamErrorFlood);
        }
        self.output.refusals.push_back((id, code));
        self.streams
            .closed
            .push(id, crate::stream::Left::ResetLocally);
        Ok(())
    }
}
