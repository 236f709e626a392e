//! Requests whose bodies wait until the server asks for them (RFC 9110 §10.1.1).

use bytes::Bytes;
use raddle_core::{ErrorCode, RequestHead, ResponseHead, Role, SendError, StreamHandle, Then};

use super::{Task, World, end::Reply};
use crate::{outcome::Fault, trace::note, wire::lines};

/// What a head says whose body waits.
pub(super) const EXPECT: (&[u8], &[u8]) = (b"expect", b"100-continue");

/// The body of a request that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expects {
    /// It goes as it comes; or it was asked for.
    Nothing,
    /// It waits.
    Continue,
    /// The final answer was there first, and the head has said how long the body is: with less of it the stream can only
    /// be reset, once the answer is whole.
    ResetBehindAnswer,
}

impl World<'_> {
    /// The body of a request waits, but not for ever: the server need not know what that means.
    pub(super) fn wait_for_continue(&mut self, n: u64, handle: StreamHandle) {
        let Some(patience) = self.plan.requests[n as usize].expects else {
            return;
        };
        if let Some(live) = self.client.streams.get_mut(&handle)
            && live.sending.is_some()
        {
            live.expects = Expects::Continue;
            self.later(patience, Task::Continue(handle));
        }
    }

    /// The body of a request need not wait any more.
    pub(super) fn go_on(&mut self, stream: StreamHandle) -> Result<(), Fault> {
        match self.client.streams.get_mut(&stream) {
            Some(live) if live.expects == Expects::Continue => live.expects = Expects::Nothing,
            _ => return Ok(()),
        }
        self.write(Role::Client, stream)
    }

    /// A server is shown a request: where that expects 100, it gets it, or its answer at once.
    pub(super) fn meet(
        &mut self,
        n: u64,
        stream: StreamHandle,
        head: &RequestHead,
        reply: &mut Reply,
    ) -> Result<(), Fault> {
        let expects = |field: raddle_core::Field<'_>| (field.name, field.value) == EXPECT;
        if !head.fields().any(expects) {
            return Ok(());
        }
        if self.tape.lane("expects").chance(1, 2) {
            reply.waits = false;
            return Ok(());
        }
        let list = lines([(&b":status"[..], &b"100"[..], false)]).into();
        match self
            .server
            .conn
            .inform(stream, ResponseHead::new(100).finish())
        {
            Ok(()) => self.server.news.sent_list(stream, list),
            Err(SendError::Gone) => {}
            Err(error) => return Err(Fault::of(n, format!("cannot inform: {error}"))),
        }
        Ok(())
    }

    /// S12: the final answer is there before the body was asked for. Nothing of it is sent any more.
    pub(super) fn answered_unasked(&mut self, n: u64, stream: StreamHandle) -> Result<(), Fault> {
        let Some(live) = self.client.streams.get_mut(&stream) else {
            return Ok(());
        };
        if live.expects != Expects::Continue {
            return Ok(());
        }
        live.sending = None;
        let resets = self.plan.requests[n as usize].length;
        live.expects = match resets {
            true => Expects::ResetBehindAnswer,
            false => Expects::Nothing,
        };
        self.marks.hit("S12");
        self.oracle.withheld(n)?;
        note!(self, "Client: #{} keeps its body", n);
        if resets {
            return Ok(());
        }
        match self
            .client
            .conn
            .send_data(stream, &mut Bytes::new(), Then::End)
        {
            Ok(_) | Err(SendError::Gone) => Ok(()),
            Err(error) => Err(Fault::of(n, format!("cannot end: {error}"))),
        }
    }

    /// The answer is whole, or nobody wants more of it: a request whose body is not sent has no other end than this.
    pub(super) fn end_without_body(&mut self, n: u64, stream: StreamHandle) {
        let live = self.client.streams.get(&stream);
        if live.is_some_and(|live| live.expects == Expects::ResetBehindAnswer) {
            note!(self, "Client: #{} is reset behind its answer", n);
            self.client.conn.reset(stream, ErrorCode::CANCEL);
        }
    }
}
