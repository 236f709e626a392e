//! One stream, as two half-machines that share little.
//!
//! The *send half* sees our commands and what is cut into frames:
//!
//! ```text
//! Idle --open/respond--> Open --last frame cut (END_STREAM)--> Ended
//!   \______________________\----reset, fault, connection lost--> Reset
//! ```
//!
//! A server's half is `Idle` until it answers; interim heads may pass before. While `Open`, parts wait in order: head,
//! body bytes, trailers. Nothing has a frame or an identifier before it is cut.
//!
//! The *receive half* sees the peer's frames:
//!
//! ```text
//! Head --final head--> Body --END_STREAM--> Ended
//!   \____________________\----reset either way, fault, connection lost--> Reset
//! ```
//!
//! A head may carry END_STREAM and go to `Ended` at once; interim heads stay in `Head`. The halves couple in three
//! places: a reset ends both; the stream is *complete* when both are `Ended`; and a server that has sent its whole
//! answer may stop the upload with RST_STREAM(NO_ERROR), which is no failure (RFC 9113 §8.1).
//!
//! Once both halves are over the stream is closed, and all that may still go out for it is the RST_STREAM that closed it
//! (RFC 9113 §5.1). It leaves the table when its outcome was told, its RST_STREAM was cut, every byte of credit that its
//! body took was given back, and its application does not keep its place.

mod parts;
mod recv;
mod send;

pub(crate) use parts::{OutHead, Spares};
pub(crate) use recv::{RecvHalf, RecvState};
pub(crate) use send::{NextPart, SendHalf, SendState};

use core::ops::{BitAnd, BitXor};

use crate::{
    error::{Origin, Retry, StreamError},
    event::Event,
    head::Answered,
    id::{ErrorCode, Role, StreamHandle, StreamId},
    planted::{Planted, Plants},
    priority::Priority,
};

/// DATA payload of one turn of the scheduler: one frame of the smallest maximum size.
const TURN_BYTES: u32 = 16_384;

/// Whether an upload of which an answer needs no more is to be stopped (RFC 9113 §8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Not,
    /// Client: the caller is to hear `StopSending`.
    TellCaller,
    /// Server: once our answer is out.
    AfterAnswer,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Finished,
    Failed(StreamError),
}

/// How a stream left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// We reset it: the peer may not know yet, so that anything may still come.
    ResetLocally,
    /// The peer reset it: nothing may come.
    ResetRemotely,
    /// The peer has ended its half, and ours goes on: nothing may come.
    HalfEnded,
    /// Both sides ended it: nothing may come.
    Ended,
}

/// Which lists of the stream table a stream belongs to, as computed from its state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interests(u8);

impl Interests {
    pub(crate) const NONE: Self = Self(0);
    /// Waits for a stream identifier.
    pub(crate) const OPEN: Self = Self(1);
    /// Has a frame that no window holds back: head, trailers, RST_STREAM, WINDOW_UPDATE.
    pub(crate) const CONTROL: Self = Self(1 << 1);
    /// Has something to tell the caller.
    pub(crate) const NOTIFY: Self = Self(1 << 2);
    /// Has DATA that its own window lets pass.
    pub(crate) const DATA: Self = Self(1 << 3);
    /// Has DATA that its own window holds back.
    pub(crate) const PARKED: Self = Self(1 << 4);

    pub(crate) fn contains(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// These with `other` in place of `one`.
    pub(crate) fn merged(self, one: Self, other: Self) -> Self {
        match self.contains(one) {
            true => Self(self.0 & !one.0 | other.0),
            false => self,
        }
    }

    fn add_if(&mut self, other: Self, condition: bool) {
        self.0 |= if condition { other.0 } else { 0 };
    }
}

impl BitAnd for Interests {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitXor for Interests {
    type Output = Self;

    /// What is in one of the two.
    fn bitxor(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }
}

#[derive(Debug)]
pub(crate) struct Stream {
    /// Zero until the stream is bound to the wire.
    pub(crate) id: StreamId,
    pub(crate) send: SendHalf,
    pub(crate) recv: RecvHalf,
    /// What the response answers, which decides about its content.
    pub(crate) answered: Answered,
    /// Whether CONNECT has made a tunnel of it, which carries DATA and nothing else.
    pub(crate) tunnel: bool,
    pub(crate) priority: Priority,
    /// Whether somebody has set the priority.
    pub(crate) prioritized: bool,
    /// Set once, by whatever ends the stream first.
    pub(crate) outcome: Option<Outcome>,
    /// Whether the outcome has been told.
    pub(crate) told: bool,
    /// Whether the stream counts against a limit of concurrent streams.
    pub(crate) counted: bool,
    /// Its place is kept until the application frees it; and whether that is past its end by now.
    pub(crate) kept: Option<bool>,
    /// A PRIORITY_UPDATE is still to be cut.
    pub(crate) priority_due: bool,
    /// Code of the RST_STREAM that is still to be cut.
    pub(crate) reset_due: Option<ErrorCode>,
    pub(crate) stop: Stop,
    /// The number of the last event with a part of its body, if that waits.
    pub(crate) last_data: u16,
    pub(crate) plants: Plants,
}

impl Stream {
    pub(crate) fn new(send: SendHalf, recv: RecvHalf, answered: Answered) -> Self {
        Self {
            id: StreamId::ZERO,
            send,
            recv,
            answered,
            tunnel: false,
            priority: Priority::default(),
            prioritized: false,
            priority_due: false,
            outcome: None,
            told: false,
            counted: false,
            kept: None,
            reset_due: None,
            stop: Stop::Not,
            last_data: 0,
            plants: Plants::default(),
        }
    }

    /// Whether the stream has an identifier, and so is known to the peer or will be.
    pub(crate) fn is_bound(&self) -> bool {
        !self.id.is_zero()
    }

    /// Whether both halves are over, one way or the other.
    pub(crate) fn is_closed(&self) -> bool {
        self.send.is_over() && self.recv.is_over()
    }

    /// Ends both halves because of `error`, unless the stream has ended already. `reset` owes the peer a RST_STREAM.
    pub(crate) fn fail(&mut self, error: StreamError, reset: bool) {
        if self.outcome.is_some() {
            return;
        }
        self.outcome = Some(Outcome::Failed(error));
        self.end_halves();
        let code = match self.plants.has(Planted::ResetCodeLost) {
            true => ErrorCode::CANCEL,
            false => error.code,
        };
        self.reset_due = (reset && self.is_bound()).then_some(code);
        self.stop = Stop::Not;
    }

    /// How the stream left the wire; `None` while it has not.
    pub(crate) fn left(&self) -> Option<Left> {
        if !self.is_closed() {
            return None;
        }
        Some(match self.outcome {
            Some(Outcome::Failed(error)) if error.origin == Origin::Remote => Left::ResetRemotely,
            Some(Outcome::Failed(_)) => Left::ResetLocally,
            _ if self.recv.state == RecvState::Reset => Left::ResetLocally,
            _ if self.send.state == SendState::Reset => Left::ResetRemotely,
            _ => Left::Ended,
        })
    }

    /// Drops what is queued and ends what has not ended.
    pub(crate) fn end_halves(&mut self) {
        self.send.reset();
        self.recv.reset();
    }

    /// May the request be sent again? The one place that decides it (RFC 9113 §6.8 and §8.7).
    ///
    /// `untouched` says that the peer declared not to have processed the stream, or never got its head whole; `cancelled`
    /// that we gave it up.
    pub(crate) fn retry(&self, role: Role, untouched: bool, cancelled: bool) -> Retry {
        if role == Role::Server {
            return Retry::Never;
        }
        if !self.is_bound() {
            return Retry::Safe;
        }
        if self.recv.head_delivered() || cancelled {
            return Retry::Never;
        }
        // RFC 9113 §8.7: an interim response belies whoever says that nothing was processed.
        if untouched && !self.recv.had_interim() {
            Retry::Safe
        } else {
            Retry::IfIdempotent
        }
    }

    /// Stops the upload, if that was asked for and the answer is out. The peer learns that it is not needed
    /// (RFC 9113 §8.1).
    pub(crate) fn stop_upload_if_sent(&mut self) {
        if self.stop == Stop::AfterAnswer
            && self.send.state == SendState::Ended
            && !self.recv.is_over()
        {
            self.recv.reset();
            self.reset_due = Some(ErrorCode::NO_ERROR);
        }
    }

    /// Bytes of DATA in one turn among streams of the same urgency.
    ///
    /// RFC 9218 §10 recommends that a message which is of no use in parts is sent without others in between. Served to
    /// its end it could keep its equals waiting for ever, so that it gets longer turns instead; and only when somebody
    /// has said so, since most peers say nothing and mean nothing by it.
    pub(crate) fn turn_bytes(&self) -> u32 {
        match self.is_no_use_in_parts() && !self.plants.has(Planted::WholeTurnsShort) {
            true => 4 * TURN_BYTES,
            false => TURN_BYTES,
        }
    }

    /// Whether somebody has said that the message is of no use in parts (RFC 9218 §4.2).
    pub(crate) fn is_no_use_in_parts(&self) -> bool {
        self.prioritized && !self.priority.incremental
    }

    /// The lists this stream belongs to. `base` is the peer's initial window.
    #[inline]
    pub(crate) fn interests(&self, base: u32) -> Interests {
        let mut interests = Interests::NONE;
        interests.add_if(Interests::NOTIFY, self.has_notice());
        let next = self.send.next_part();
        if !self.is_bound() {
            interests.add_if(Interests::OPEN, next == NextPart::Head);
            return interests;
        }
        let part_ready = match next {
            NextPart::Head | NextPart::Trailers => true,
            NextPart::BareEnd => !self.end_waits(base),
            NextPart::Data if self.send.window.window(base) > 0 => {
                interests.add_if(Interests::DATA, true);
                false
            }
            NextPart::Data => {
                interests.add_if(Interests::PARKED, true);
                false
            }
            NextPart::Nothing => false,
        };
        interests.add_if(
            Interests::CONTROL,
            part_ready
                || self.reset_due.is_some()
                || (self.priority_due && !self.is_closed())
                || self.update_due(),
        );
        interests
    }

    /// Whether the table may forget the stream.
    pub(crate) fn is_spent(&self) -> bool {
        self.told && self.kept.is_none() && self.reset_due.is_none() && self.recv.credit.held() == 0
    }

    fn has_notice(&self) -> bool {
        self.writable_due()
            || self.stop == Stop::TellCaller
            || (self.outcome.is_some() && !self.told)
    }

    fn writable_due(&self) -> bool {
        let early = self.plants.has(Planted::WritableWithoutRoom) && self.send.is_blocked();
        self.send.writable_due() || early
    }

    /// Whether the peer should hear of more window.
    pub(crate) fn update_due(&self) -> bool {
        let never = self.plants.has(Planted::TinyWindowNeverUpdated);
        self.recv.update_due() && !(never && self.recv.credit.unsent_is_half())
    }

    /// Whether a planted fault keeps the bare end of the body back.
    fn end_waits(&self, base: u32) -> bool {
        self.plants.has(Planted::EndWaitsForWindow) && self.send.window.available(base) == 0
    }

    /// Takes the next thing to tell the caller, the outcome last.
    pub(crate) fn take_notice(&mut self, stream: StreamHandle) -> Option<Event> {
        if self.stop == Stop::TellCaller {
            self.stop = Stop::Not;
            return Some(Event::StopSending { stream });
        }
        let early = self.plants.has(Planted::WritableWithoutRoom) && self.send.take_blocked();
        if self.outcome.is_none() && (self.send.take_writable() || early) {
            return Some(Event::Writable { stream });
        }
        let outcome = self.outcome.filter(|_| !self.told)?;
        self.told = true;
        Some(match outcome {
            Outcome::Finished => Event::Finished { stream },
            Outcome::Failed(error) => Event::Failed { stream, error },
        })
    }
}
