//! Behind the end of a connection: whatever is still done with its engine changes nothing.

use bytes::Bytes;
use raddle_core::{
    ErrorCode, Input, Lifecycle, OpenError, RequestHead, Role, SendError, StreamHandle, Then,
    Timestamp, Transmit, TransportEnd, Waiting,
};

use super::World;
use crate::{
    outcome::Fault,
    wire::{Frame, kind},
};

/// Nanoseconds after which no deadline is left.
const LATER: u64 = 100_000 * 1_000_000_000;

impl World<'_> {
    /// I-29: the transport ends, if it has not, and the application goes on as if nothing had happened, or as somebody who
    /// has not heard of it.
    pub(super) fn go_on_behind_the_end(&mut self) -> Result<(), Fault> {
        if !self.tape.lane("behind").chance(1, 4) {
            return Ok(());
        }
        let open: Vec<_> = self.app.streams.keys().copied().collect();
        let clean = self.would_end_well()?;
        let end = self.tape.pick(&[TransportEnd::Eof, TransportEnd::Failed]);
        self.conn.handle_transport_end(end, Timestamp(self.now));
        if end == TransportEnd::Eof && self.goes_on() {
            // What was asked in full is answered as long as it can be written.
            self.conn
                .handle_transport_end(TransportEnd::Failed, Timestamp(self.now));
        }
        if self.tape.chance(1, 2) {
            self.judge_behind(open.first().copied(), false)?;
        }
        self.app.tally.discarded = true;
        self.broken = true;
        self.hear()?;
        if let Some(handle) = self.app.streams.keys().next() {
            return Err(Fault::run(format!(
                "I-01: {handle:?} has not ended with its connection"
            )));
        }
        if self.told.closed.is_none() {
            return Err(Fault::run(
                "I-01: nobody is told that the connection is over",
            ));
        }
        let well = clean.map(|clean| clean && end == TransportEnd::Eof);
        if well.is_some_and(|well| {
            self.told.closed != Some(None) && well || self.told.closed == Some(None) && !well
        }) {
            return Err(Fault::run(format!(
                "I-29: ends well: {well:?}, by {end:?}, and is told as {:?}",
                self.told.closed
            )));
        }
        self.judge_behind(open.first().copied(), true)
    }

    /// Whether a server has something to answer to a client that has ended its half of the transport.
    fn goes_on(&self) -> bool {
        self.role == Role::Server && self.conn.lifecycle() < Lifecycle::Closing
    }

    /// Whether an end of the transport would be a good one now: nothing is in progress. Sometimes a header block is, and
    /// nothing else. `None` where something else has ended the connection, or is about to.
    fn would_end_well(&mut self) -> Result<Option<bool>, Fault> {
        if self.broken || self.conn.lifecycle() >= Lifecycle::Closing || self.peer.reason != 0 {
            return Ok(None);
        }
        let mut idle = self.app.streams.is_empty() && self.input.is_empty();
        if self.role == Role::Server && self.peer.next <= 0x7fff_ffff && self.tape.chance(1, 2) {
            self.deliver(&Frame::new(kind::HEADERS, 0, self.peer.next, &[]));
            self.turn()?;
            idle = false;
        }
        let over = self.conn.lifecycle() >= Lifecycle::Closing;
        Ok((!over).then_some(idle))
    }

    /// All that can be done with an engine, and what has to come of it when it is over. Once all is `heard`, nothing is told.
    fn judge_behind(&mut self, stream: Option<StreamHandle>, heard: bool) -> Result<(), Fault> {
        let before = self.conn.stats();
        let wrong = |what: &str, got: &dyn std::fmt::Debug| {
            Err(Fault::run(format!("I-29: behind the end, {what}: {got:?}")))
        };
        let head = RequestHead::new(b"GET", b"https", Some(b"a"), b"/").finish();
        let opened = self.conn.open(head, Then::End).map_err(|(error, _)| error);
        let may = match self.role {
            Role::Server => matches!(opened, Err(OpenError::NotClient)),
            Role::Client => matches!(opened, Err(OpenError::Closing | OpenError::IdsExhausted)),
        };
        if !may {
            return wrong("a request is taken", &opened);
        }
        if let Some(handle) = stream {
            self.conn.reset(handle, ErrorCode::CANCEL);
            let sent = self
                .conn
                .send_data(handle, &mut Bytes::from_static(b"x"), Then::End);
            let refused = matches!(sent, Err(SendError::Gone | SendError::OutOfOrder));
            let answers = (
                refused,
                self.conn.writable(handle),
                self.conn.explain(handle),
            );
            if answers != (true, 0, Waiting::Nothing) {
                return wrong("a stream goes on", &answers);
            }
        }
        self.conn.drain();
        self.conn
            .close(ErrorCode::INTERNAL_ERROR, Bytes::from_static(b"again"));
        self.conn
            .handle_transport_end(TransportEnd::Failed, Timestamp(self.now));
        let mut bytes = Vec::new();
        Frame::new(kind::PING, 0, 0, b"anybody?").write(&mut bytes);
        let mut input = bytes::BytesMut::from(&bytes[..]);
        let read = self.conn.handle_input(&mut input, Timestamp(self.now));
        self.conn.handle_timeout(Timestamp(self.now + LATER));
        let mut out = Transmit::new();
        let cut = self
            .conn
            .poll_transmit(&mut out, Timestamp(self.now + LATER));
        let told = heard.then(|| self.conn.poll_event()).flatten();
        let got = (read, cut, told, self.conn.ping(), self.conn.openable());
        if got != (Input::Closed, 0, None, None, 0) {
            return wrong("something happens", &got);
        }
        let rest = (
            self.conn.lifecycle(),
            self.conn.poll_timeout(),
            self.conn.wants_transmit(),
            self.conn.wants_deadline(),
        );
        if rest != (Lifecycle::Closed, None, false, false) {
            return wrong("something is left", &rest);
        }
        let mut after = self.conn.stats();
        after.work_units = before.work_units;
        match after == before {
            true => Ok(()),
            false => wrong("something is counted", &(before, after)),
        }
    }
}
