//! What an answer says of itself, or the error in its place.

use raddle_core::{ErrorCode, Origin, Retry};

use super::{
    book::Book,
    request::{Answer, Fate, Wanted},
};
use crate::outcome::Fault;

impl Book {
    /// The answer to request `n` has this status.
    pub(super) fn is_directed(&self, n: u64, status: u16) {
        let request = &self.plan.requests[n as usize];
        if status != request.status() {
            self.fault(Fault::of(n, format!("I-04: another status: {status}")));
        }
        if request.misdirected.is_some() {
            self.mark("P14");
        }
    }

    /// Request `n` of ours fails with `error`, by what the server has said or not.
    pub(super) fn has_a_code(&self, n: u64, error: &raddle_io::Error) {
        let wanted = self.plan.requests[n as usize].misdirected == Some(Wanted::Http1);
        match error.reason() {
            Some(ErrorCode::HTTP_1_1_REQUIRED) if wanted => self.mark("P14"),
            Some(ErrorCode::HTTP_1_1_REQUIRED) => {
                self.fault(Fault::of(n, "I-14: HTTP/1.1 is wanted, and nobody said so"));
            }
            // Services of ours have no code of their own.
            Some(ErrorCode::INTERNAL_ERROR)
                if wanted && error.origin() == Some(Origin::Remote) && self.plan.accepts =>
            {
                self.fault(Fault::of(n, "I-14: the code of a reset is another"));
            }
            _ => {}
        }
    }

    /// I-03: a server of ours has said that request `n` is over, or that its connection is. Its application has been shown
    /// the request, or will be, unless that makes it safe to send again.
    pub(super) fn is_ended_by_server(&self, n: u64) {
        let told = self.open().oracle.ended_by_server(n);
        if let Err(fault) = told {
            self.fault(fault);
        }
    }

    /// GOAWAY came between a request's place and its use. Nothing was sent of it.
    pub(super) fn is_too_late<T>(&self, n: u64, answer: &Result<T, raddle_io::Error>) {
        self.mark("P04");
        if !matches!(answer, Err(error) if error.retry() == Retry::Safe) {
            self.fault(Fault::of(n, "I-03: made behind GOAWAY, and not safe"));
        }
    }

    /// The client is told by a reset that the server's application has failed, and not that it wants no more.
    pub(super) fn has_the_code_of_a_failed_answer(&self, n: u64, error: &raddle_io::Error) {
        let request = &self.plan.requests[n as usize];
        let kept = request.give_up.is_none() && request.drops.is_none();
        let fails = request.answer == Answer::Fail && request.misdirected.is_none();
        let by_server = error.origin() == Some(Origin::Remote) && error.goaway().is_none();
        let well = self.plan.cut.is_none() && self.plan.drain.is_none();
        let code = error.reason();
        let codes = [ErrorCode::INTERNAL_ERROR, ErrorCode::REFUSED_STREAM];
        let other = code.is_none_or(|code| !codes.contains(&code));
        if well && fails && kept && by_server && request.up_fate == Fate::Ends && other {
            let what = format!("I-14: the code for an answer that has failed is {code:?}");
            self.fault(Fault::of(n, what));
        }
    }

    /// The server is told by a reset that the body of request `n` has failed.
    pub(super) fn has_the_code_of_a_failed_body(&self, n: u64, error: &raddle_io::Error) {
        let request = &self.plan.requests[n as usize];
        let kept = request.give_up.is_none() && request.drops.is_none();
        let failed = matches!(request.up_fate, Fate::Fails(_)) && request.answer.reads();
        let by_client = error.origin() == Some(Origin::Remote);
        let ours = !self.plan.h2_client && self.plan.cut.is_none() && self.plan.drain.is_none();
        let code = error.reason();
        if ours && failed && kept && by_client && code != Some(ErrorCode::INTERNAL_ERROR) {
            let what = format!("I-14: the code for a body that has failed is {code:?}");
            self.fault(Fault::of(n, what));
        }
    }
}
