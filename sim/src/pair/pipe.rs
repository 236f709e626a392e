//! One direction of a transport: bytes in order, each with the moment of its arrival.

use std::collections::VecDeque;

use bytes::Buf;
use raddle_core::{Transmit, TransportEnd};

use crate::{crumbs, tape::Tape};

/// How a transport behaves in one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// The most bytes that one write takes.
    pub(crate) piece_max: usize,
    /// Shortest and longest way, in nanoseconds.
    pub(crate) latency: (u64, u64),
    /// Bytes that are on their way at most.
    pub(crate) capacity: usize,
    /// Whether a read takes all that has arrived, or one piece at a time.
    pub(crate) gathers: bool,
}

/// Bytes that have arrived and are still kept.
const DONE_MAX: usize = 65_536;

/// What arrives.
#[derive(Debug)]
pub(crate) enum Piece<'p> {
    Bytes(&'p [u8]),
    End(TransportEnd),
}

/// What is on its way: so many bytes, or the end.
#[derive(Clone, Copy, Debug)]
enum Step {
    Bytes(usize),
    End(TransportEnd),
}

#[derive(Debug)]
pub(crate) struct Pipe {
    /// The lane of the tape that it draws from.
    lane: &'static str,
    style: Style,
    pieces: VecDeque<(u64, Step)>,
    /// The bytes, of which those before `at` have arrived.
    store: Vec<u8>,
    at: usize,
    /// Bytes on their way.
    held: usize,
    full: bool,
    /// When the latest piece arrives; nothing overtakes it.
    last: u64,
    /// Bytes until the transport breaks.
    pub(crate) cut_after: Option<usize>,
    /// The end is on its way: what is written further goes nowhere.
    ended: bool,
}

impl Pipe {
    pub(crate) fn new(lane: &'static str, style: Style, cut_after: Option<usize>) -> Self {
        Self {
            lane,
            style,
            pieces: VecDeque::with_capacity(16),
            store: Vec::with_capacity(1_024),
            at: 0,
            held: 0,
            full: false,
            last: 0,
            cut_after,
            ended: false,
        }
    }

    /// Takes what fits off the front of `out`; answers whether the transport broke over it.
    pub(crate) fn write(&mut self, out: &mut Transmit, now: u64, tape: &mut Tape) -> bool {
        let mut left = out.remaining();
        if left == 0 {
            return false;
        }
        if self.ended {
            out.advance(left);
            return false;
        }
        if self.at == self.store.len() || self.at > DONE_MAX {
            self.store.drain(..self.at);
            self.at = 0;
        }
        tape.lane(self.lane);
        let (low, high) = self.style.latency;
        while left > 0 {
            if self.cut_after == Some(0) {
                self.cut_after = None;
                return true;
            }
            let room = self.style.capacity.saturating_sub(self.held);
            // As a socket does: once full, writable again when half of it has drained.
            self.full = room == 0 || (self.full && room < self.style.capacity / 2);
            if self.full {
                return false;
            }
            let wish = 1 + tape.piece(self.style.piece_max - 1);
            let mut len = wish.min(room).min(left);
            if let Some(after) = &mut self.cut_after {
                len = len.min(*after);
                *after -= len;
            }
            (self.held, left) = (self.held + len, left - len);
            crumbs::take(out, len, tape.reads_in_crumbs(), |part| {
                self.store.extend_from_slice(part);
            });
            self.last = self.last.max(now + tape.between(low, high));
            self.pieces.push_back((self.last, Step::Bytes(len)));
        }
        false
    }

    /// Ends this direction behind what is on its way.
    pub(crate) fn end(&mut self, end: TransportEnd, now: u64, tape: &mut Tape) {
        if !std::mem::replace(&mut self.ended, true) {
            let (low, high) = self.style.latency;
            self.last = self.last.max(now + tape.lane(self.lane).between(low, high));
            self.pieces.push_back((self.last, Step::End(end)));
        }
    }

    /// Loses a part of what is on its way, the latest first.
    pub(crate) fn lose(&mut self, tape: &mut Tape) {
        let keep = tape.lane(self.lane).index(self.pieces.len() + 1);
        self.pieces.truncate(keep);
        self.held = self.pieces.iter().map(|(_, piece)| piece.len()).sum();
        self.store.truncate(self.at + self.held);
        // An end that is lost has to be told anew.
        self.ended &= matches!(self.pieces.back(), Some((_, Step::End(_))));
    }

    /// Holds back everything, what is on its way and what follows, until the moment `until`.
    pub(crate) fn stall(&mut self, until: u64) {
        self.last = self.last.max(until);
        for (arrives, _) in &mut self.pieces {
            *arrives = until.max(*arrives);
        }
    }

    /// When the next piece arrives.
    pub(crate) fn next(&self) -> Option<u64> {
        self.pieces.front().map(|(arrives, _)| *arrives)
    }

    /// The piece that has arrived by `now`.
    pub(crate) fn read(&mut self, now: u64) -> Option<Piece<'_>> {
        let (_, piece) = self.pieces.pop_front_if(|(arrives, _)| *arrives <= now)?;
        let len = piece.len();
        self.held -= len;
        self.at += len;
        Some(match piece {
            Step::Bytes(len) => Piece::Bytes(&self.store[self.at - len..self.at]),
            Step::End(how) => Piece::End(how),
        })
    }

    /// Puts back the end, which was read last.
    pub(crate) fn unread(&mut self, end: TransportEnd, now: u64) {
        self.pieces.push_front((now, Step::End(end)));
    }
}

impl Step {
    fn len(self) -> usize {
        match self {
            Self::Bytes(len) => len,
            Self::End(_) => 0,
        }
    }
}
