//! What a client has decided about a request of its own.

use bytes::Bytes;

use super::{Message, Oracle};
use crate::outcome::Fault;

impl Oracle {
    /// Whether the client has given request `n` up.
    pub(crate) fn has_given_up(&self, n: u64) -> bool {
        let record = self.requests.get(&n);
        record.is_some_and(|record| record.gave_up)
    }

    /// Whether the head of the response to request `n` has come.
    #[must_use]
    pub fn has_head(&self, n: u64) -> bool {
        let record = self.requests.get(&n);
        record.is_some_and(|record| record.head)
    }

    /// The client keeps the body and the trailers of request `n`: its message is its head alone.
    ///
    /// # Errors
    /// When something of them has arrived.
    pub fn withheld(&mut self, n: u64) -> Result<(), Fault> {
        let record = self.record(n)?;
        if record.up.arrived > 0 || record.up.trailers {
            return Err(Fault::of(n, "I-04: arrived before it was asked for"));
        }
        record.up.message = Some(Message {
            body: Bytes::new(),
            trailers: None,
        });
        Ok(())
    }
}
