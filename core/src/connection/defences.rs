//! What is counted of the defences against abuse, and the bounds that need the whole connection to judge.

use super::Connection;
use crate::{
    error::SendError, head::Fields, limits::Cause, planted::Planted, stats::Defences,
    time::Timestamp, violation::Violation,
};

/// Bytes of one header list that are taken whatever the other streams have brought, so that large lists of some never
/// keep out a usual one. It adds a fifth to the total when every stream uses it.
const HEADER_SHARE: usize = 2_048;
/// Frames that an honest peer may have sent on a stream before it hears that we have reset it.
const LATE_FRAMES: u32 = 4;
/// Such frames that are awaited at most: those of as many streams as a client may give up at once. Who saves them up, by
/// requests that an application gives up without the peer's doing, gets that many frames read for nothing.
const LATE_FRAMES_MAX: u32 = 1 << 16;

impl Connection {
    /// Counts a violation under the defence that it ran into, if it ran into one.
    pub(super) fn count_defence(&mut self, violation: Violation) {
        if let Some(counter) = counter(&mut self.stats.defences, violation) {
            *counter += 1;
        }
    }

    /// Whether the connection keeps one more header list besides what its streams have brought.
    pub(super) fn keeps_header_list(&self, fields: &Fields) -> bool {
        let bytes = fields.bytes();
        let max = self.config.header_bytes_total_max;
        bytes <= HEADER_SHARE || self.streams.header_bytes().saturating_add(bytes) <= max
    }

    /// Whether the table has room for one more stream of the peer's. Those that are open count, and so do those that
    /// have ended and are still in use: by a caller who has not read their bodies, or for a RST_STREAM that waits. Those
    /// whose places the application keeps count like those that are open.
    pub(super) fn has_room(&self) -> bool {
        let more = usize::from(self.plants.has(Planted::LimitByOne));
        let max = self.config.concurrent_streams_max as usize + more;
        self.streams.counted() + self.streams.past() < max
            && self.streams.live() < max.saturating_mul(2)
    }

    /// Notes that the peer's limit on header lists forbids an answer to what it asked for.
    pub(super) fn note_unanswerable(&mut self, error: SendError) -> SendError {
        if error == SendError::HeaderListTooLarge {
            self.unanswerable = self.unanswerable.saturating_add(1);
        }
        error
    }

    /// Explains what a peer may still send on a stream that we have just reset: a head, trailers, and resets that
    /// cross ours.
    pub(super) fn expect_late_frames(&mut self) {
        self.late_frames = LATE_FRAMES_MAX.min(self.late_frames + LATE_FRAMES);
    }

    /// Explains the requests that cross our last GOAWAY, as many as there may be at once.
    pub(super) fn expect_crossing_requests(&mut self) {
        let frames = LATE_FRAMES.saturating_mul(self.config.concurrent_streams_max);
        self.late_frames = LATE_FRAMES_MAX.min(self.late_frames.saturating_add(frames));
    }

    /// Takes account of a frame on a stream that is gone: it is no fault, but it brings nothing either. Those that our own
    /// resets and our GOAWAY explain are free.
    pub(super) fn charge_late(&mut self, now: Timestamp) -> Result<(), Violation> {
        if self.late_frames > 0 && !self.plants.has(Planted::LateFramesCharged) {
            self.late_frames -= 1;
            return Ok(());
        }
        self.buckets.charge(Cause::Reset, now)
    }

    /// Charges what could not be answered since the last input. Who asks for what it then refuses to hear makes the
    /// application work for nothing.
    pub(super) fn charge_unanswerable(&mut self, now: Timestamp) -> Result<(), Violation> {
        while self.unanswerable > 0 {
            self.unanswerable -= 1;
            self.buckets.charge(Cause::StreamError, now)?;
        }
        Ok(())
    }
}

fn counter(defences: &mut Defences, violation: Violation) -> Option<&mut u64> {
    use Violation as V;
    Some(match violation {
        V::PingFlood
        | V::SettingsFlood
        | V::ResetFlood
        | V::StreamErrorFlood
        | V::EmptyDataFlood
        | V::WindowUpdateFlood
        | V::PriorityFlood
        | V::UnknownFrameFlood
        | V::GoAwayFlood => &mut defences.floods,
        V::HeaderListTooLarge => &mut defences.header_lists_refused,
        V::HeaderTotalTooLarge | V::HeaderTotalExceeded => &mut defences.header_totals_refused,
        V::ContinuationFlood | V::EmptyContinuationFlood | V::HeaderBlockTooLarge => {
            &mut defences.header_blocks_refused
        }
        V::StreamLimitExceeded => &mut defences.streams_refused,
        V::SettingsTooMany => &mut defences.settings_refused,
        V::FrameTooLarge => &mut defences.frames_refused,
        V::TooManyInformational => &mut defences.informational_refused,
        V::StreamWindowExceeded | V::ConnectionWindowExceeded => &mut defences.windows_overrun,
        V::HandshakeTimeout
        | V::SettingsTimeout
        | V::HeaderBlockTimeout
        | V::PingTimeout
        | V::WriteTimeout
        | V::StreamStalled => &mut defences.timeouts,
        _ => return None,
    })
}
