//! A message on its way into an engine: all of it at once, or as it arrives elsewhere.

use std::collections::VecDeque;

use bytes::Bytes;
use raddle_core::{Connection, SendError, StreamHandle, Then};

use crate::{oracle::Message, pair::trailers::trailers};

/// Whose credit is given back as the message goes on: a connection's number and its stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    pub(super) link: usize,
    pub(super) stream: StreamHandle,
}

#[derive(Debug)]
pub(super) struct Outgoing {
    parts: VecDeque<Bytes>,
    trailers: Option<Bytes>,
    /// Nothing more will come.
    ended: bool,
    pub(super) source: Option<Source>,
    /// Something of it was given away, so that it cannot be sent again.
    pub(super) begun: bool,
}

/// Where a message stands after it was driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sent {
    /// The engine has all of it, or wants no more.
    Whole,
    Gone,
    /// The engine will say when there is room.
    Blocked,
    /// There is no more of it yet.
    Starved,
}

impl Outgoing {
    pub(super) fn whole(message: Message) -> Self {
        Self {
            parts: VecDeque::from([message.body]),
            trailers: message.trailers,
            ended: true,
            source: None,
            begun: false,
        }
    }

    pub(super) fn from(source: Source) -> Self {
        Self {
            parts: VecDeque::new(),
            trailers: None,
            ended: false,
            source: Some(source),
            begun: false,
        }
    }

    pub(super) fn push(&mut self, data: Bytes) {
        self.parts.push_back(data);
    }

    pub(super) fn end(&mut self, trailers: Option<Bytes>) {
        self.trailers = trailers;
        self.ended = true;
    }

    /// Bytes that wait here.
    pub(super) fn held(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    /// Gives the engine as much as it takes; answers how many bytes that were.
    pub(super) fn drive(
        &mut self,
        conn: &mut Connection,
        handle: StreamHandle,
    ) -> Result<(Sent, usize), SendError> {
        let mut all = 0;
        loop {
            let mut part = self.parts.pop_front().unwrap_or_default();
            let last = self.ended && self.parts.is_empty() && self.trailers.is_none();
            let then = if last { Then::End } else { Then::More };
            if !part.is_empty() || last {
                match conn.send_data(handle, &mut part, then) {
                    Ok(taken) => all += taken,
                    Err(SendError::Gone) => return Ok((Sent::Gone, all + part.len())),
                    Err(error) => return Err(error),
                }
                self.begun |= all > 0;
                if !part.is_empty() {
                    self.parts.push_front(part);
                    return Ok((Sent::Blocked, all));
                }
                if last {
                    return Ok((Sent::Whole, all));
                }
            }
            if !self.parts.is_empty() {
                continue;
            }
            let Some(value) = self.trailers.as_ref().filter(|_| self.ended) else {
                return Ok((Sent::Starved, all));
            };
            return match conn.send_trailers(handle, trailers(value)) {
                Ok(()) => Ok((Sent::Whole, all)),
                Err(SendError::Gone) => Ok((Sent::Gone, all)),
                Err(error) => Err(error),
            };
        }
    }
}
