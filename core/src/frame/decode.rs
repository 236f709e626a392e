//! Frames off the wire.
//!
//! A head is judged alone, before its payload is waited for: a peer that declares 16 MiB and dribbles is answered after
//! the ninth byte. Payloads are slices of the input buffer. Frames of unknown kinds, and the payload behind a fault
//! that costs only its stream, are dropped as they arrive.
//!
//! A header block is one HEADERS (or PUSH_PROMISE) frame and the CONTINUATION frames behind it. The decoder remembers
//! which block is open and how much it has cost, and hands out its fragments one at a time: joining them would copy the
//! block, or copy it again with each frame.

use bytes::{Buf, BytesMut};

use super::parse::{parse_sliced, parse_small, unpad};
use super::settings::ENTRY_LEN;
use super::{Flags, Frame, HEAD_LEN, Head, Kind, MAX_FRAME_SIZE_MIN, PRIORITY_LEN};
use crate::id::StreamId;
use crate::violation::{Scope, Violation};

/// Empty CONTINUATION frames that a block may have, not counting one that ends it. They cost no byte of any limit in
/// bytes; honest senders cut empty ones only at the edges of their buffers.
const CONTINUATIONS_EMPTY_MAX: u32 = 4;

/// How many times the largest acceptable list a block may be as encoded. Encoding rarely makes a list larger, but a
/// list over the limit must be decoded to keep HPACK in step; past this factor it is cheaper to end the connection.
const BLOCK_FACTOR: u32 = 4;

/// The longest frame that is taken for a common one: no limit forbids it.
const COMMON_MAX: u32 = 1_024;

/// What a decoder allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Our SETTINGS_MAX_FRAME_SIZE in bytes.
    pub(crate) max_frame_size: u32,
    /// Our SETTINGS_MAX_HEADER_LIST_SIZE in bytes.
    pub(crate) header_list_bytes_max: u32,
    /// CONTINUATION frames that a block may have beyond those a list of the largest size needs.
    pub(crate) continuations_spare: u32,
    /// Entries of one SETTINGS frame.
    pub(crate) settings_entries_max: u32,
}

/// The header block that waits for CONTINUATION.
#[derive(Clone, Copy, Debug)]
struct Block {
    stream: StreamId,
    continuations: u32,
    empty: u32,
    /// Payload so far, padding included.
    bytes: u32,
}

/// Cuts frames off an input buffer. After a fault of the connection it answers that fault for ever.
#[derive(Debug)]
pub(crate) struct Decoder {
    limits: Limits,
    /// The head of a frame whose payload is still coming in. It has left the input, so that a large payload begins where
    /// the next read writes to, and not nine bytes behind: copies of whole pages are the faster for it.
    head: Option<Head>,
    block: Option<Block>,
    /// Bytes of a dropped payload that are still to come.
    skip: usize,
    failed: Option<(Violation, StreamId)>,
}

impl Decoder {
    /// Goes on behind the frame that it has refused, for a fault that is switched on.
    pub(crate) fn forgive(&mut self) {
        self.failed = None;
    }

    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            head: None,
            block: None,
            skip: 0,
            failed: None,
        }
    }

    /// The stream of the header block that is not finished yet, for the deadline on it.
    pub(crate) fn open_block(&self) -> Option<StreamId> {
        self.block.map(|block| block.stream)
    }

    /// Length of the payload that is coming in behind a head that has left the input.
    pub(crate) fn coming(&self) -> Option<usize> {
        self.head.map(|head| head.len as usize)
    }

    /// The next frame, if it is as most are: DATA, or HEADERS with a whole block, all there, short, and with neither
    /// padding nor priority. Such a frame breaks no rule of [`peek`](Self::peek), and may be read where it lies behind its
    /// head, to be [passed](Self::pass) then. `None` says nothing.
    #[inline]
    pub(crate) fn peek_common(&self, input: &[u8]) -> Option<Head> {
        let within = self.failed.is_some() || self.skip > 0 || self.head.is_some();
        if within || self.block.is_some() || input.len() < HEAD_LEN {
            return None;
        }
        let head = Head::read(input);
        let common = match head.kind {
            Kind::Data => !head.flags.contains(Flags::PADDED),
            Kind::Headers => {
                let told = Flags::END_HEADERS.with(Flags::PADDED).with(Flags::PRIORITY);
                head.flags.0 & told.0 == Flags::END_HEADERS.0
            }
            _ => false,
        };
        let whole = head.len <= COMMON_MAX && input.len() >= HEAD_LEN + head.len as usize;
        (common && whole && !head.stream.is_zero()).then_some(head)
    }

    /// The head of the next frame, when all of it is there, or its kind is unknown; `None` when more input is needed. The
    /// frame is still to be taken, by [`take`](Self::take) or by [`payload`](Self::payload).
    ///
    /// # Errors
    /// As those of [`take`](Self::take); a frame that breaks no more than its stream is dropped.
    #[inline]
    pub(crate) fn peek(
        &mut self,
        input: &mut BytesMut,
    ) -> Result<Option<Head>, (Violation, StreamId)> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        if self.skip > 0 {
            self.drop_skipped(input);
        }
        if self.skip > 0 {
            return Ok(None);
        }
        let (head, whole) = match self.head {
            Some(head) => (head, head.len as usize),
            None if input.len() < HEAD_LEN => return Ok(None),
            None => {
                let head = Head::read(input);
                if let Err(violation) = self.check_head(head) {
                    match violation.scope() {
                        Scope::Stream => self.start_skip(input, head),
                        Scope::Connection => self.failed = Some((violation, head.stream)),
                    }
                    return Err((violation, head.stream));
                }
                (head, HEAD_LEN + head.len as usize)
            }
        };
        if input.len() >= whole || matches!(head.kind, Kind::Unknown(_)) {
            return Ok(Some(head));
        }
        if self.head.is_none() {
            self.head = Some(head);
            input.advance(HEAD_LEN);
        }
        Ok(None)
    }

    /// Where the payload of the next frame begins in the input.
    #[inline]
    pub(super) fn payload_at(&self) -> usize {
        match self.head {
            Some(_) => 0,
            None => HEAD_LEN,
        }
    }

    /// Takes a frame off the input that was read by [`payload`](Self::payload).
    #[inline]
    pub(crate) fn pass(&mut self, head: Head, input: &mut BytesMut) {
        input.advance(self.payload_at() + head.len as usize);
        self.head = None;
    }

    /// Takes the frame of `head`, which [`peek`](Self::peek) has just shown, and which is no part of a header block: those
    /// are read by [`payload`](Self::payload).
    ///
    /// # Errors
    /// The fault and the stream it was committed on, which is one of the connection: every later call answers it again.
    pub(crate) fn take(
        &mut self,
        head: Head,
        input: &mut BytesMut,
    ) -> Result<Frame, (Violation, StreamId)> {
        if let Kind::Unknown(kind) = head.kind {
            // RFC 9113 §5.5: frames of unknown kinds MUST be ignored and discarded.
            self.start_skip(input, head);
            return Ok(Frame::Unknown {
                kind,
                stream: head.stream,
                len: head.len,
            });
        }
        self.track_block(head);
        input.advance(self.payload_at());
        self.head = None;
        let len = head.len as usize;
        // What copies out of the input takes no share of it: that would be two atomic operations for 4 or 8 bytes.
        if let Some(frame) = parse_small(head, &input[..len]) {
            input.advance(len);
            return Ok(frame);
        }
        let payload = input.split_to(len).freeze();
        parse_sliced(head, payload).map_err(|violation| self.fail(head, violation))
    }

    /// What is in the DATA, HEADERS or CONTINUATION frame of `head`, which [`peek`](Self::peek) has just shown: its
    /// payload without padding and priority. The frame stays where it is until [`pass`](Self::pass). For what is read at
    /// once: this takes no share of the input.
    ///
    /// # Errors
    /// As those of [`take`](Self::take).
    #[inline]
    pub(crate) fn payload<'a>(
        &mut self,
        head: Head,
        input: &'a BytesMut,
    ) -> Result<&'a [u8], (Violation, StreamId)> {
        self.track_block(head);
        let payload = &input[self.payload_at()..][..head.len as usize];
        let fixed = match head.kind {
            Kind::Headers if head.flags.contains(Flags::PRIORITY) => PRIORITY_LEN,
            _ => 0,
        };
        let padded = head.kind != Kind::Continuation && head.flags.contains(Flags::PADDED);
        if !padded && fixed == 0 {
            return Ok(payload);
        }
        unpad(padded, fixed, payload).map_err(|violation| self.fail(head, violation))
    }

    /// Notes a fault that only a payload shows.
    #[cold]
    fn fail(&mut self, head: Head, violation: Violation) -> (Violation, StreamId) {
        // Every such fault is one of the connection: nothing is left to skip.
        debug_assert_eq!(violation.scope(), Scope::Connection);
        self.failed = Some((violation, head.stream));
        (violation, head.stream)
    }

    /// How many more bytes [`Decoder::peek`] needs behind `input` before it can get further; at least one.
    pub(crate) fn needed(&self, input: &BytesMut) -> usize {
        let have = input.len();
        let want = if self.skip > 0 {
            self.skip
        } else if let Some(coming) = self.coming() {
            coming
        } else if have < HEAD_LEN {
            HEAD_LEN
        } else {
            HEAD_LEN + Head::read(input).len as usize
        };
        want.saturating_sub(have).max(1)
    }

    fn start_skip(&mut self, input: &mut BytesMut, head: Head) {
        input.advance(HEAD_LEN);
        self.skip = head.len as usize;
        self.drop_skipped(input);
    }

    fn drop_skipped(&mut self, input: &mut BytesMut) {
        let gone = self.skip.min(input.len());
        input.advance(gone);
        self.skip -= gone;
    }

    /// Everything that the 9 bytes alone can show to be wrong.
    fn check_head(&self, head: Head) -> Result<(), Violation> {
        // RFC 9113 §4.2: a frame above SETTINGS_MAX_FRAME_SIZE MUST be answered by FRAME_SIZE_ERROR.
        if head.len > self.limits.max_frame_size {
            return Err(Violation::FrameTooLarge);
        }
        self.check_block(head)?;
        check_stream(head)?;
        check_len(head, &self.limits)
    }

    /// Where the frame stands to the open header block, and what the block has cost.
    fn check_block(&self, head: Head) -> Result<(), Violation> {
        let opens = matches!(head.kind, Kind::Headers | Kind::PushPromise);
        let mut bytes = head.len;
        match (self.block, head.kind) {
            // RFC 9113 §6.10: CONTINUATION MUST follow HEADERS, PUSH_PROMISE or CONTINUATION without END_HEADERS.
            (None, Kind::Continuation) => return Err(Violation::ContinuationUnexpected),
            (None, _) if !opens => return Ok(()),
            (None, _) => {}
            (Some(block), Kind::Continuation) if block.stream == head.stream => {
                if block.continuations >= self.continuations_max() {
                    return Err(Violation::ContinuationFlood);
                }
                let last = head.flags.contains(Flags::END_HEADERS);
                if head.len == 0 && !last && block.empty >= CONTINUATIONS_EMPTY_MAX {
                    return Err(Violation::EmptyContinuationFlood);
                }
                bytes = bytes.saturating_add(block.bytes);
            }
            // RFC 9113 §4.3, §5.5 and §6.10: any other frame, of a known kind or not, and any other stream.
            (Some(_), _) => return Err(Violation::ContinuationExpected),
        }
        if bytes > self.block_bytes_max() {
            return Err(Violation::HeaderBlockTooLarge);
        }
        Ok(())
    }

    /// Opens, extends or ends the block by a frame that `check_block` let pass.
    fn track_block(&mut self, head: Head) {
        if !matches!(
            head.kind,
            Kind::Headers | Kind::PushPromise | Kind::Continuation
        ) {
            return;
        }
        if head.flags.contains(Flags::END_HEADERS) {
            self.block = None;
            return;
        }
        match &mut self.block {
            Some(block) => {
                block.continuations += 1;
                block.empty += u32::from(head.len == 0);
                block.bytes = block.bytes.saturating_add(head.len);
            }
            None => {
                self.block = Some(Block {
                    stream: head.stream,
                    continuations: 0,
                    empty: 0,
                    bytes: head.len,
                })
            }
        }
    }

    fn continuations_max(&self) -> u32 {
        let needed = self.limits.header_list_bytes_max / MAX_FRAME_SIZE_MIN;
        needed.saturating_add(self.limits.continuations_spare)
    }

    fn block_bytes_max(&self) -> u32 {
        // Never below one smallest frame: a peer that knows no better limit yet may fill that.
        self.limits
            .header_list_bytes_max
            .saturating_mul(BLOCK_FACTOR)
            .max(MAX_FRAME_SIZE_MIN)
    }
}

/// Which kinds belong to a stream, and which to the connection.
fn check_stream(head: Head) -> Result<(), Violation> {
    let zero = head.stream.is_zero();
    match head.kind {
        // RFC 9113 §6.1, §6.2, §6.3, §6.4 and §6.6: MUST be associated with a stream.
        Kind::Data if zero => Err(Violation::DataOnStreamZero),
        Kind::Headers if zero => Err(Violation::HeadersOnStreamZero),
        Kind::Priority if zero => Err(Violation::PriorityOnStreamZero),
        Kind::RstStream if zero => Err(Violation::RstStreamOnStreamZero),
        Kind::PushPromise if zero => Err(Violation::PushPromiseOnStreamZero),
        // RFC 9113 §6.5, §6.7 and §6.8: MUST be on stream zero.
        Kind::Settings if !zero => Err(Violation::SettingsOnStream),
        Kind::Ping if !zero => Err(Violation::PingOnStream),
        Kind::GoAway if !zero => Err(Violation::GoAwayOnStream),
        // RFC 9218 §7.1.
        Kind::PriorityUpdate if !zero => Err(Violation::PriorityUpdateOnStream),
        _ => Ok(()),
    }
}

/// The lengths that a kind and its flags allow.
fn check_len(head: Head, limits: &Limits) -> Result<(), Violation> {
    let len = head.len;
    let pad_len = u32::from(head.flags.contains(Flags::PADDED));
    let ok_or = |ok: bool, violation| if ok { Ok(()) } else { Err(violation) };
    match head.kind {
        // RFC 9113 §4.2: a frame too small for its mandatory fields MUST be answered by FRAME_SIZE_ERROR.
        Kind::Data => ok_or(len >= pad_len, Violation::DataFrameSize),
        Kind::Headers => {
            let has_priority = head.flags.contains(Flags::PRIORITY);
            let fixed = if has_priority { PRIORITY_LEN as u32 } else { 0 };
            ok_or(len >= pad_len + fixed, Violation::HeadersFrameSize)
        }
        Kind::PushPromise => ok_or(len >= pad_len + 4, Violation::PushPromiseFrameSize),
        Kind::GoAway => ok_or(len >= 8, Violation::GoAwayFrameSize),
        Kind::PriorityUpdate => ok_or(len >= 4, Violation::PriorityUpdateFrameSize),
        // RFC 9113 §6.3: a stream error.
        Kind::Priority => ok_or(len == PRIORITY_LEN as u32, Violation::PriorityFrameSize),
        // RFC 9113 §6.4, §6.7 and §6.9: connection errors.
        Kind::RstStream => ok_or(len == 4, Violation::RstStreamFrameSize),
        Kind::Ping => ok_or(len == 8, Violation::PingFrameSize),
        Kind::WindowUpdate => ok_or(len == 4, Violation::WindowUpdateFrameSize),
        // RFC 9113 §6.5: an acknowledgement MUST be empty, a length not a multiple of 6 is a connection error.
        Kind::Settings if head.flags.contains(Flags::ACK) => {
            ok_or(len == 0, Violation::SettingsAckWithPayload)
        }
        Kind::Settings => {
            ok_or(
                len.is_multiple_of(ENTRY_LEN as u32),
                Violation::SettingsFrameSize,
            )?;
            ok_or(
                len / ENTRY_LEN as u32 <= limits.settings_entries_max,
                Violation::SettingsTooMany,
            )
        }
        Kind::Continuation | Kind::Unknown(_) => Ok(()),
    }
}
