//! The receive half: how far the peer's message has come, and the credit that its body takes.

use crate::{flow::Inbound, head::BodyLength, violation::Violation};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecvState {
    /// No final head has arrived.
    Head,
    /// The body, or the trailers after it.
    Body,
    /// END_STREAM has arrived.
    Ended,
    /// Nobody listens any more.
    Reset,
}

/// The final head has been handed to the caller.
const HEAD_DELIVERED: u8 = 1;
/// The caller has set the window.
const WINDOW_SET: u8 = 2;
/// The caller has sent an interim response to what was received.
const INFORMED: u8 = 4;
/// The caller wants no more: credit goes back as data arrives.
const DISCARDS: u8 = 8;

#[derive(Debug)]
pub(crate) struct RecvHalf {
    pub(crate) state: RecvState,
    pub(crate) credit: Inbound,
    pub(crate) body: BodyLength,
    /// [`HEAD_DELIVERED`], [`WINDOW_SET`], [`INFORMED`] and [`DISCARDS`]: there is one byte for all.
    marks: u8,
    informational: u8,
    /// Bytes of the header lists that the peer has sent for it.
    pub(crate) header_bytes: u32,
}

impl RecvHalf {
    pub(crate) fn new(credit: Inbound) -> Self {
        Self {
            state: RecvState::Head,
            credit,
            body: BodyLength::unknown(),
            marks: 0,
            informational: 0,
            header_bytes: 0,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, RecvState::Ended | RecvState::Reset)
    }

    /// Whether the final head has been handed to the caller. It stays so after a reset.
    pub(crate) fn head_delivered(&self) -> bool {
        self.marks & HEAD_DELIVERED != 0
    }

    /// Whether the caller has set the window, which follows the path no more then.
    pub(crate) fn window_is_set(&self) -> bool {
        self.marks & WINDOW_SET != 0
    }

    /// Notes that the caller sets the window.
    pub(crate) fn set_window(&mut self) {
        self.marks |= WINDOW_SET;
    }

    /// Whether the caller has sent an interim response.
    pub(crate) fn is_informed(&self) -> bool {
        self.marks & INFORMED != 0
    }

    /// Notes that the caller sends an interim response.
    pub(crate) fn inform(&mut self) {
        self.marks |= INFORMED;
    }

    /// Whether the caller wants no more of the body.
    pub(crate) fn discards(&self) -> bool {
        self.marks & DISCARDS != 0
    }

    /// The caller wants no more: credit goes back as data arrives.
    pub(crate) fn discard(&mut self) {
        self.marks |= DISCARDS;
    }

    /// Whether the peer has sent an interim response.
    pub(crate) fn had_interim(&self) -> bool {
        self.informational > 0
    }

    /// Counts one more interim response.
    pub(crate) fn interim(&mut self, max: u8) -> Result<(), Violation> {
        if self.informational >= max {
            return Err(Violation::TooManyInformational);
        }
        self.informational += 1;
        Ok(())
    }

    /// The final head has arrived, and `body` may follow it.
    pub(crate) fn start(&mut self, body: BodyLength, end: bool) -> Result<(), Violation> {
        self.body = body;
        self.state = RecvState::Body;
        if end {
            self.end()?;
        }
        self.marks |= HEAD_DELIVERED;
        Ok(())
    }

    /// END_STREAM has arrived.
    pub(crate) fn end(&mut self) -> Result<(), Violation> {
        self.body.end()?;
        self.state = RecvState::Ended;
        Ok(())
    }

    pub(crate) fn reset(&mut self) {
        if self.state != RecvState::Ended {
            self.state = RecvState::Reset;
        }
    }

    /// Whether the peer should hear of more window: only while it may still send.
    pub(crate) fn update_due(&self) -> bool {
        !self.is_over() && self.credit.update_due()
    }
}
