//! Interim (1xx) responses: each arrives once, in its order, and before the final one.

use http::Response;

use super::book::Book;
use crate::{outcome::Fault, trace::note};

/// The field that says which one of a request's it is.
const NUMBER: &str = "x-interim";

/// Interim response `number` to request `n`.
pub(super) fn make(n: u64, number: u64) -> Response<()> {
    let head = Response::builder().status(103).header("x-n", n);
    let head = head.header(NUMBER, number).body(());
    head.expect("the head is plain")
}

impl Book {
    /// An interim response to request `n` arrives.
    pub(super) fn interim(&self, n: u64, head: &Response<()>) {
        let text = |name| {
            head.headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        let number = |name| text(name).and_then(|text| text.parse::<u64>().ok());
        let mut pages = self.open();
        let told = pages.interims.entry(n).or_default();
        let next = *told;
        *told += 1;
        let late = pages.oracle.has_head(n);
        drop(pages);
        note!(self, "#{} has interim response {}", n, next);
        let own = number("x-n") == Some(n) && head.status() == 103;
        if !own || number(NUMBER) != Some(next) {
            let what = format!("I-04: another interim response than {next}: {head:?}");
            self.fault(Fault::of(n, what));
        }
        if late {
            self.fault(Fault::of(
                n,
                "I-04: an interim response behind the final one",
            ));
        }
    }

    /// The response of request `n` comes, and with it the interim responses that nobody has taken.
    pub(super) fn interims(&self, n: u64, untaken: &[Response<()>]) {
        for head in untaken {
            self.interim(n, head);
        }
        let came = self.open().interims.get(&n).copied().unwrap_or(0);
        if came > 0 {
            self.mark("interim");
        }
        // Services are given the means where that was asked for; servers of the h2 crate send none here.
        let sends = (self.plan.accepts || self.plan.informs) && !self.plan.h2_server;
        let sent = match sends {
            true => self.plan.requests[n as usize].interims,
            false => 0,
        };
        if came != sent {
            let what = format!("I-04: {came} interim responses came of {sent}");
            self.fault(Fault::of(n, what));
        }
    }
}
