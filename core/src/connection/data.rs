//! DATA in, and the windows of both directions.

use bytes::Bytes;

use super::{Connection, receive::Fault, target::Target};
use crate::{
    config::WINDOW_INITIAL,
    id::StreamId,
    limits::Cause,
    ping::Purpose,
    planted::Planted,
    stream::{RecvState, Stream},
    time::Timestamp,
    violation::Violation,
};

/// Bytes of ours that explain one WINDOW_UPDATE for the stream and one for the connection. Some clients send them for
/// each read of their application, and those are rarely shorter.
const BYTES_PER_UPDATES: u32 = 1_024;

/// The payload of a DATA frame, without padding.
pub(super) enum Payload<'a> {
    /// Where it lies in the input, to be copied.
    Lying(&'a [u8]),
    /// Taken off the input as a share of it.
    Taken(Bytes),
}

impl Payload<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Lying(data) => data.len(),
            Self::Taken(data) => data.len(),
        }
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Connection {
    pub(super) fn on_data(
        &mut self,
        id: StreamId,
        data: Payload<'_>,
        flow_len: u32,
        end: bool,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let wraps = self.plants.has(Planted::PaddingWraps) && flow_len as usize == data.len() + 256;
        let flow_len = if wraps { flow_len - 256 } else { flow_len };
        self.held.hear();
        // RFC 9113 §6.9: every DATA frame counts against the connection, whatever becomes of its stream.
        if !self.credit.receive(flow_len) {
            return Err(Fault::connection(Violation::ConnectionWindowExceeded));
        }
        let taken = self.take_data(id, data, flow_len, end, now);
        if taken.is_err() && !self.plants.has(Planted::FaultyDataUncredited) {
            self.credit.release(u64::from(flow_len));
        }
        taken
    }

    /// The stream's part of a DATA frame. After an error the frame's credit is still with the connection's ledger.
    fn take_data(
        &mut self,
        id: StreamId,
        data: Payload<'_>,
        flow_len: u32,
        end: bool,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let handle = match self.target(id)? {
            Target::Live(handle) => handle,
            // RFC 9113 §5.1: DATA on a stream that was never opened.
            Target::New => return Err(Fault::connection(Violation::IdleStreamFrame)),
            Target::Ignore if self.loses_dropped(id) => return Ok(()),
            Target::Ignore => return self.drop_data(data.is_empty(), flow_len, now),
        };
        if data.is_empty() && self.charges_empty(end) {
            self.buckets
                .charge(Cause::EmptyData, now)
                .map_err(Fault::connection)?;
        }
        let len = data.len();
        let fault = |violation| Fault {
            violation,
            stream: id,
        };
        // `target` has just found it.
        let Some(stream) = self.streams.get_mut(handle) else {
            return Ok(());
        };
        if stream.recv.state == RecvState::Head && !self.plants.has(Planted::DataBeforeHead) {
            return Err(fault(Violation::DataBeforeHeaders));
        }
        let due = stream.update_due();
        let strict = self.plants.has(Planted::EmptyDataNeedsWindow);
        if (strict && stream.recv.credit.window() < 0) || !stream.recv.credit.receive(flow_len) {
            return Err(fault(Violation::StreamWindowExceeded));
        }
        let mut checked = stream.recv.body.received(len);
        if checked.is_ok() && end {
            checked = stream.recv.end();
        }
        if self.plants.has(Planted::LengthUnchecked) && checked.is_err() {
            stream.recv.state = RecvState::Ended;
            checked = Ok(());
        }
        if let Err(violation) = checked {
            stream.recv.credit.release(u64::from(flow_len));
            return Err(fault(violation));
        }
        let drawn = stream.recv.credit.is_drawn(4);
        // RFC 9113 §6.1: padding counts. It is nobody's to consume; neither is what nobody wants.
        let kept = if stream.recv.discards() { 0 } else { len };
        let lost = self.plants.has(Planted::PaddingUncredited);
        let back = (if lost { len } else { flow_len as usize } - kept) as u64;
        if back > 0 {
            stream.recv.credit.release(back);
            self.credit.release(back);
        }
        if !stream.recv.discards() || self.plants.has(Planted::DiscardHandedOut) {
            let copied = self.events.push_data(handle, stream, data, end);
            self.stats.work_units += copied as u64;
        }
        // Bytes that the caller has to consume move a stream only when an update becomes due.
        if end || due != stream.update_due() {
            self.streams.settle(handle);
        }
        self.count_data(len, flow_len);
        self.measure_path(flow_len, drawn, now);
        Ok(())
    }

    fn count_data(&mut self, len: usize, flow_len: u32) {
        let padded = self.plants.has(Planted::PaddingCounted);
        let counted = if padded { flow_len as usize } else { len };
        self.stats.data_bytes_received += counted as u64;
        if len > 0 {
            // Some flush without a byte behind each that they have; together that is no more than two frames for one.
            self.buckets.refund(Cause::EmptyData, 1);
        }
    }

    /// Whether DATA without a byte is charged for.
    fn charges_empty(&self, end: bool) -> bool {
        (!end || self.plants.has(Planted::EmptyEndIsAbuse))
            && !self.plants.has(Planted::EmptyDataHandedOut)
    }

    /// Whether a planted fault loses the credit of DATA that is dropped.
    fn loses_dropped(&self, id: StreamId) -> bool {
        let refused = self.our_goaway.is_some_and(|last| id > last);
        self.plants.has(Planted::DroppedDataUncredited)
            || (refused && self.plants.has(Planted::RefusedDataUncredited))
    }

    /// Drops DATA that was under way when its stream ended.
    fn drop_data(&mut self, empty: bool, flow_len: u32, now: Timestamp) -> Result<(), Fault> {
        if empty {
            // It costs no window, so that nothing else bounds it.
            self.charge_late(now).map_err(Fault::connection)?;
        }
        self.stats.data_bytes_dropped += u64::from(flow_len);
        self.credit.release(u64::from(flow_len));
        Ok(())
    }

    /// Counts a DATA frame towards the size of the receive windows. `drawn` says that its stream is more than a short
    /// message, which is worth a PING.
    fn measure_path(&mut self, flow_len: u32, drawn: bool, now: Timestamp) {
        let bulk = drawn || self.credit.is_drawn(2);
        if self.probe.received(flow_len, bulk, now) && self.pings.request(Purpose::Probe).is_some()
        {
            self.probe.begin();
        }
    }

    pub(super) fn on_window_update(
        &mut self,
        id: StreamId,
        increment: u32,
        now: Timestamp,
    ) -> Result<(), Fault> {
        self.buckets
            .charge(Cause::WindowUpdate, now)
            .map_err(Fault::connection)?;
        if id.is_zero() {
            if increment == 0 {
                return Err(Fault::connection(Violation::WindowUpdateZeroOnConnection));
            }
            if !self.window.grow(increment, WINDOW_INITIAL) {
                return Err(Fault::connection(Violation::ConnectionWindowOverflow));
            }
            if self.plants.has(Planted::UpdatesWalkStreams) {
                let all = self.streams.handles();
                all.into_iter()
                    .for_each(|handle| self.streams.settle(handle));
            }
            return Ok(());
        }
        if self.is_idle(id) {
            return Err(Fault::connection(Violation::IdleStreamFrame));
        }
        // RFC 9113 §6.9: it may come after the end of the stream, and is then ignored.
        let Some(handle) = self.streams.find(id) else {
            return Ok(());
        };
        let closed = |stream: &Stream| stream.is_closed();
        if self.streams.get(handle).is_none_or(closed) {
            return Ok(());
        }
        // RFC 9113 §6.9: an increment of 0 is a stream error.
        if increment == 0 {
            return Err(Fault {
                violation: Violation::WindowUpdateZeroOnStream,
                stream: id,
            });
        }
        let idle = |stream: &Stream| stream.send.buffered() == 0;
        if self.plants.has(Planted::IdleWindowUpdateLost)
            && self.streams.get(handle).is_some_and(idle)
        {
            return Ok(());
        }
        if !self.streams.grow_window(handle, increment) {
            return Err(Fault {
                violation: Violation::StreamWindowOverflow,
                stream: id,
            });
        }
        Ok(())
    }

    /// Notes that so many bytes of DATA went out in one frame, which explains updates and a PING to come.
    pub(super) fn expect_updates(&mut self, len: usize) {
        // A frame is at most 2^24 bytes long. A short one is worth a pair of updates, too.
        let pairs = 1 + u32::try_from(len).unwrap_or(u32::MAX) / BYTES_PER_UPDATES;
        if !self.plants.has(Planted::UpdatesUnexplained) {
            self.buckets.refund(Cause::WindowUpdate, 2 * pairs);
        }
        // And a PING, by which who receives it measures the path, as gRPC's do for ever.
        self.buckets.refund(Cause::Ping, 1);
    }
}
