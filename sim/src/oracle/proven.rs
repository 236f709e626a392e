//! I-03: what the wire proves of a request that has failed for its client, and what the verdict has to be then.
//!
//! Where nothing of this holds, the transport has taken the whole head, the server has said nothing of it, and nobody at
//! the client can know: that is all that may count as perhaps processed although the server has never seen it.

use raddle_core::{Origin, Retry, StreamError};

use super::{End, Oracle, Record};
use crate::outcome::Fault;

/// What was seen of a request on the connection that it was made on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traces {
    /// Its stream, once its head was encoded.
    pub(crate) id: Option<u32>,
    /// The last stream that the server has said it looks at, where it has.
    pub(crate) last: Option<u32>,
    /// The transport has ended, or was given up, before it took the whole head.
    pub(crate) unwritten: bool,
    /// The server has reset it with REFUSED_STREAM.
    pub(crate) refused: bool,
}

impl Oracle {
    /// Request `n` fails by `error`, and has left these traces. To be asked ahead of [`failed`](Self::failed).
    ///
    /// # Errors
    /// When it is not safe to send again by its verdict, and was never looked at for all who can read.
    pub(crate) fn proves(
        &mut self,
        n: u64,
        error: StreamError,
        traces: Traces,
    ) -> Result<(), Fault> {
        if error.origin == Origin::Remote {
            self.ended_by_server(n)?;
        }
        let record = self.record(n)?;
        if error.retry == Retry::Safe || record.gave_up {
            return Ok(());
        }
        let above = |id| traces.last.is_some_and(|last| id > last);
        let proof = match traces.id {
            None => "it was never sent".to_owned(),
            Some(_) if traces.unwritten => "its head was never written".to_owned(),
            Some(id) if above(id) => format!("stream {id} is above GOAWAY"),
            Some(id) if traces.refused && !record.head => {
                format!("stream {id} was refused")
            }
            Some(_) => return Ok(()),
        };
        Err(Fault::of(
            n,
            format!("I-03: {proof}, and it is not safe to send again"),
        ))
    }

    /// It is the server that has ended request `n`, by what it has said of it or of the connection: it knows whether its
    /// application was shown the request.
    ///
    /// # Errors
    /// When there is no such request.
    pub(crate) fn ended_by_server(&mut self, n: u64) -> Result<(), Fault> {
        self.record(n)?.by_server = true;
        Ok(())
    }

    /// Requests that may have been processed by their verdicts, although nobody has shown them to the server's application.
    pub(crate) fn unseen(&self) -> u64 {
        self.requests.values().filter(|one| one.is_unseen()).count() as u64
    }

    /// Everybody has been told of everything.
    pub(super) fn judge_unseen(&self) -> Result<(), Fault> {
        let mut unseen = self.requests.iter().filter(|(_, one)| one.is_unseen());
        match unseen.find(|(_, one)| one.by_server) {
            None => Ok(()),
            Some((&n, _)) => Err(Fault::of(
                n,
                "I-03: perhaps processed by the verdict, and the server has ended it unseen",
            )),
        }
    }
}

impl Record {
    fn is_unseen(&self) -> bool {
        self.end == Some(End::Failed(Retry::IfIdempotent)) && !self.shown
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use raddle_core::ErrorCode;

    use super::*;
    use crate::oracle::Message;

    fn error(origin: Origin, retry: Retry) -> StreamError {
        StreamError {
            origin,
            code: ErrorCode::INTERNAL_ERROR,
            violation: None,
            retry,
        }
    }

    fn registered() -> Oracle {
        let mut oracle = Oracle::default();
        let message = Message {
            body: Bytes::new(),
            trailers: None,
        };
        oracle.register(1, message).expect("it is the first");
        oracle
    }

    #[test]
    fn what_the_wire_proves_has_to_be_safe() {
        let seen = Traces {
            id: Some(5),
            last: Some(7),
            ..Traces::default()
        };
        let proves =
            |traces, retry| registered().proves(1, error(Origin::Transport, retry), traces);
        proves(seen, Retry::IfIdempotent).expect("nobody can know");
        for (traces, part) in [
            (Traces { id: None, ..seen }, "never sent"),
            (
                Traces {
                    unwritten: true,
                    ..seen
                },
                "never written",
            ),
            (
                Traces {
                    last: Some(3),
                    ..seen
                },
                "above GOAWAY",
            ),
            (
                Traces {
                    refused: true,
                    ..seen
                },
                "refused",
            ),
        ] {
            proves(traces, Retry::Safe).expect("the verdict is right");
            let fault = proves(traces, Retry::IfIdempotent).expect_err("it is too harsh");
            assert!(fault.what.starts_with("I-03: ") && fault.what.contains(part));
        }
    }

    #[test]
    fn what_the_server_has_ended_unseen_has_to_be_safe() {
        let ends = |origin, shown: bool| {
            let mut oracle = registered();
            let traces = Traces {
                id: Some(1),
                ..Traces::default()
            };
            let harsh = Retry::IfIdempotent;
            oracle.proves(1, error(origin, harsh), traces)?;
            oracle.failed(1, harsh)?;
            if shown {
                // Its event may be taken later than the client hears of the end.
                oracle.shown(1)?;
            }
            oracle.finish().map(|_| oracle.unseen())
        };
        assert_eq!(ends(Origin::Remote, true), Ok(0));
        assert_eq!(ends(Origin::Transport, false), Ok(1), "nobody can know");
        let fault = ends(Origin::Remote, false).expect_err("the server knows");
        assert!(fault.what.starts_with("I-03"), "{fault}");
    }
}
