//! The proxy: server of the near hop, client of the far one.

use raddle_core::{ErrorCode, ResponseHead, Retry, Role, SendError, Then};

use super::{World, origin::put, outgoing::Outgoing};
use crate::outcome::Fault;

impl World<'_> {
    /// A request of the near hop goes to the far one.
    pub(super) fn forward_request(&mut self, near: usize, then: Then) -> Result<(), Fault> {
        let source = self.source(near, Role::Server);
        let upload = match then {
            Then::End => None,
            Then::More => source.map(Outgoing::from),
        };
        let n = self.attempts[near].n;
        self.begin(n, Some(near), then, upload)
    }

    /// The head of the answer comes from the far hop.
    pub(super) fn forward_response(
        &mut self,
        far: usize,
        head: &ResponseHead,
        then: Then,
    ) -> Result<(), Fault> {
        let Some(near) = self.attempts[far].parent else {
            return Ok(());
        };
        let (n, link) = (self.attempts[near].n, self.attempts[near].link);
        let Some(stream) = self.attempts[near].server else {
            return Ok(());
        };
        if std::mem::replace(&mut self.attempts[near].answered, true) {
            return Ok(());
        }
        let message = self.message(n, Role::Server);
        self.oracle.answered(near as u64, message)?;
        let fields = head.fields();
        let fields = fields.map(|field| (field.name, field.value, field.sensitive));
        let head = fields.fold(ResponseHead::new(200), put).finish();
        let download = self.source(far, Role::Client).map(Outgoing::from);
        match self
            .side(link, Role::Server)
            .conn
            .respond(stream, head, then)
        {
            Ok(()) if !then.is_end() => self.attempts[near].download = download,
            Ok(()) => return self.answered_whole(near),
            Err(SendError::Gone) => {}
            Err(error) => return Err(Fault::of(near as u64, format!("cannot answer: {error}"))),
        }
        Ok(())
    }

    /// The attempt of the other hop, to which goes what `role` of attempt `id` has received, when that is the proxy.
    pub(super) fn beyond(&self, id: usize, role: Role) -> Option<(usize, Role)> {
        match role {
            Role::Server if self.is_proxied(self.attempts[id].link) => {
                self.attempts[id].child.map(|child| (child, Role::Client))
            }
            Role::Client => self.attempts[id].parent.map(|near| (near, Role::Server)),
            Role::Server => None,
        }
    }

    /// An attempt of the far hop has failed: it is made again, or the near one fails like it.
    pub(super) fn far_failed(&mut self, far: usize, verdict: Retry) -> Result<(), Fault> {
        let upload = self.attempts[far].upload.take();
        let Some(near) = self.attempts[far].parent else {
            return Ok(());
        };
        let n = self.attempts[near].n;
        if self.attempts[near].server.is_none() || self.attempts[near].child != Some(far) {
            return Ok(());
        }
        self.attempts[near].uncertain |= verdict != Retry::Safe;
        let fresh = upload.as_ref().is_none_or(|upload| !upload.begun);
        let had_body = self.has_upload(n);
        let again = self.may_repeat(n, verdict)
            && self.attempts[near].children < self.plan.budget
            // Bytes that are on their way or gone cannot be sent once more.
            && (upload.is_some() || !had_body)
            && fresh;
        if again && !self.attempts[near].answered {
            self.marks.hit("the proxy sends again");
            let then = if upload.is_some() {
                Then::More
            } else {
                Then::End
            };
            return self.begin(n, Some(near), then, upload);
        }
        if self.attempts[near].answered {
            self.marks.hit("L07");
        }
        if let Some(upload) = upload {
            self.drop_upload(&upload);
        }
        let code = match verdict {
            // Of several attempts the least certain counts.
            Retry::Safe if !self.attempts[near].executed && !self.attempts[near].uncertain => {
                ErrorCode::REFUSED_STREAM
            }
            _ => ErrorCode::INTERNAL_ERROR,
        };
        self.reset(near, code)
    }

    /// The server of an attempt has stopped the upload behind its answer: so does the proxy, once its own is whole.
    pub(super) fn upload_stopped(&mut self, far: usize) -> Result<(), Fault> {
        let Some(near) = self.attempts[far].parent else {
            return Ok(());
        };
        self.attempts[near].stopped = true;
        let whole = self.attempts[near].answered && self.attempts[near].download.is_none();
        match whole {
            true => self.answered_whole(near),
            false => Ok(()),
        }
    }

    fn has_upload(&self, n: usize) -> bool {
        let request = &self.plan.requests[n];
        request.body > 0 || request.trailers
    }

    /// What nobody will send any more costs its sender no window.
    pub(super) fn drop_upload(&mut self, upload: &Outgoing) {
        if let Some(source) = upload.source {
            let held = upload.held();
            let role = self.reader_of(source.link);
            self.side(source.link, role).release(source.stream, held);
        }
    }

    /// The side of a connection at which the proxy reads.
    pub(super) fn reader_of(&self, link: usize) -> Role {
        match self.is_proxied(link) {
            true => Role::Server,
            false => Role::Client,
        }
    }

    /// The near attempt is over for the proxy: nobody waits for the far one.
    pub(super) fn near_ended(&mut self, near: usize, well: bool) -> Result<(), Fault> {
        let Some(far) = self.attempts[near].child.filter(|_| !well) else {
            return Ok(());
        };
        if self.attempts[far].dialing.take().is_some() {
            return self.leave_dial(far);
        }
        if self.attempts[far].client.is_none() {
            return Ok(());
        }
        self.marks.hit("a reset is forwarded");
        self.cancel(far)
    }
}
