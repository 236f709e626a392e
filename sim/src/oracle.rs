//! Knows what was sent, and so what may be received.

mod client;
mod message;
mod proven;

use std::collections::BTreeMap;

use raddle_core::Retry;

pub use self::message::Message;
pub(crate) use self::proven::Traces;
use crate::outcome::Fault;

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// A request, to the server.
    Up,
    /// A response, to the client.
    Down,
}

/// How the requests of a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// Both messages arrived whole.
    pub completed: u64,
    /// Failed with [`Retry::Never`].
    pub never: u64,
    /// Failed with [`Retry::IfIdempotent`].
    pub if_idempotent: u64,
    /// Failed with [`Retry::Safe`].
    pub safe: u64,
}

/// Follows every request from its registration to its one end. What is told to it has to be told in the order in which it
/// happened. Each method fails with what is wrong about it.
#[derive(Debug, Default)]
pub struct Oracle {
    requests: BTreeMap<u64, Record>,
    ends: Ends,
}

#[derive(Debug)]
struct Record {
    up: Direction,
    down: Direction,
    /// The server's application was shown the request, and has not declared that it did nothing with it.
    seen: bool,
    /// The server's application was shown the request.
    shown: bool,
    /// The client has the response's head.
    head: bool,
    /// The client gave the request up.
    gave_up: bool,
    /// What has ended it was said by the server.
    by_server: bool,
    end: Option<End>,
    /// The server's stream has ended.
    server_ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Complete,
    Failed(Retry),
}

#[derive(Debug, Default)]
struct Direction {
    /// What the sender sends, once that is known.
    message: Option<Message>,
    /// Bytes of its body that have arrived.
    arrived: usize,
    /// Whether its trailers have arrived.
    trailers: bool,
    /// Whether its receiver was told that it is whole.
    whole: bool,
    /// The receiver wants no more of it, so that it need not become whole.
    unwanted: bool,
}

impl Direction {
    fn data(&mut self, data: &[u8]) -> Result<(), String> {
        if self.whole {
            return Err("data arrived after the end of the message".into());
        }
        if self.trailers {
            return Err("data arrived after the trailers".into());
        }
        let message = self.message.as_ref().ok_or("data without a message")?;
        let rest = &message.body[self.arrived..];
        if !rest.starts_with(data) {
            let same = rest.iter().zip(data).take_while(|(a, b)| a == b).count();
            return Err(format!(
                "the body differs from byte {} on, {} bytes were sent in all",
                self.arrived + same,
                message.body.len()
            ));
        }
        self.arrived += data.len();
        Ok(())
    }

    fn trailers(&mut self, value: &[u8]) -> Result<(), String> {
        if self.trailers || self.whole {
            return Err("trailers arrived after the end of the message".into());
        }
        self.trailers = true;
        let sent = self.message.as_ref().and_then(|m| m.trailers.as_deref());
        if sent != Some(value) {
            return Err(format!("trailers are {value:?}, but were sent as {sent:?}"));
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        if std::mem::replace(&mut self.whole, true) {
            return Err("the message ended twice".into());
        }
        let message = self.message.as_ref().ok_or("an end without a message")?;
        if self.unwanted {
            return Ok(());
        }
        if self.arrived != message.body.len() {
            return Err(format!(
                "the message counts as whole with {} of {} bytes",
                self.arrived,
                message.body.len()
            ));
        }
        if self.trailers != message.trailers.is_some() {
            return Err("the message counts as whole without its trailers".into());
        }
        Ok(())
    }
}

impl Oracle {
    /// Request `n` is made, with the content `message`.
    ///
    /// # Errors
    /// When there is one of this number already.
    pub fn register(&mut self, n: u64, message: Message) -> Result<(), Fault> {
        let record = Record {
            up: Direction {
                message: Some(message),
                ..Direction::default()
            },
            down: Direction::default(),
            seen: false,
            shown: false,
            head: false,
            gave_up: false,
            by_server: false,
            end: None,
            server_ended: false,
        };
        match self.requests.insert(n, record) {
            None => Ok(()),
            Some(_) => Err(Fault::of(n, "registered twice")),
        }
    }

    /// The server's application is shown request `n`.
    ///
    /// # Errors
    /// When nobody made it, it was shown before, or the client was told that nobody would see it.
    pub fn shown(&mut self, n: u64) -> Result<(), Fault> {
        let record = self.record(n)?;
        if std::mem::replace(&mut record.shown, true) {
            return Err(Fault::of(
                n,
                "I-01: shown to the server's application twice",
            ));
        }
        if record.end == Some(End::Failed(Retry::Safe)) {
            return Err(Fault::of(
                n,
                "I-02: shown to the server's application after the verdict that it was not",
            ));
        }
        record.seen = true;
        Ok(())
    }

    /// The server's application declares that it did nothing with request `n`, so that [`Retry::Safe`] is right for it.
    ///
    /// # Errors
    /// When it was not shown.
    pub fn declined(&mut self, n: u64) -> Result<(), Fault> {
        let record = self.record(n)?;
        if !std::mem::replace(&mut record.seen, false) {
            return Err(Fault::of(n, "declined, but was not shown"));
        }
        Ok(())
    }

    /// The server answers request `n` with the content `message`.
    ///
    /// # Errors
    /// When it was not shown, or is answered already.
    pub fn answered(&mut self, n: u64, message: Message) -> Result<(), Fault> {
        let record = self.record(n)?;
        if !record.seen {
            return Err(Fault::of(n, "answered, but was not shown"));
        }
        match record.down.message.replace(message) {
            None => Ok(()),
            Some(_) => Err(Fault::of(n, "answered twice")),
        }
    }

    /// The head of the response to request `n` arrives; its interim responses do not count.
    ///
    /// # Errors
    /// When it was not answered, or the head was there before.
    pub fn head(&mut self, n: u64) -> Result<(), Fault> {
        let record = self.open_record(n, Way::Down)?;
        if record.down.message.is_none() {
            return Err(Fault::of(n, "I-31: a response without an answer"));
        }
        if std::mem::replace(&mut record.head, true) {
            return Err(Fault::of(n, "I-01: two heads of its response"));
        }
        Ok(())
    }

    /// Part of a body arrives.
    ///
    /// # Errors
    /// When it is not what was sent at this point, or nothing may arrive any more.
    pub fn data(&mut self, n: u64, way: Way, data: &[u8]) -> Result<(), Fault> {
        self.direction(n, way)?
            .data(data)
            .map_err(|what| Fault::of(n, format!("I-04: {way:?}: {what}")))
    }

    /// Trailers arrive; `value` is that of their one field.
    ///
    /// # Errors
    /// When they are not what was sent, or nothing may arrive any more.
    pub fn trailers(&mut self, n: u64, way: Way, value: &[u8]) -> Result<(), Fault> {
        self.direction(n, way)?
            .trailers(value)
            .map_err(|what| Fault::of(n, format!("I-04: {way:?}: {what}")))
    }

    /// A receiver is told that its message is whole.
    ///
    /// # Errors
    /// When it is not.
    pub fn whole(&mut self, n: u64, way: Way) -> Result<(), Fault> {
        self.direction(n, way)?
            .end()
            .map_err(|what| Fault::of(n, format!("I-04: {way:?}: {what}")))
    }

    /// A receiver wants no more of its message, so that the rest of it need not arrive.
    ///
    /// # Errors
    /// When there is no such request.
    pub fn unwanted(&mut self, n: u64, way: Way) -> Result<(), Fault> {
        let record = self.record(n)?;
        match way {
            Way::Up => record.up.unwanted = true,
            Way::Down => record.down.unwanted = true,
        }
        Ok(())
    }

    /// The client gives request `n` up, so that no verdict is too harsh for it.
    ///
    /// # Errors
    /// When there is no such request.
    pub fn gave_up(&mut self, n: u64) -> Result<(), Fault> {
        self.record(n)?.gave_up = true;
        Ok(())
    }

    /// Request `n` ends well.
    ///
    /// # Errors
    /// When it has ended before, or its response is not whole.
    pub fn complete(&mut self, n: u64) -> Result<(), Fault> {
        let record = self.end(n, End::Complete)?;
        if !record.head || !(record.down.whole || record.down.unwanted) {
            return Err(Fault::of(n, "I-04: complete without a whole response"));
        }
        self.ends.completed += 1;
        Ok(())
    }

    /// Request `n` ends badly, with this verdict on sending it again.
    ///
    /// # Errors
    /// When it has ended before, or the verdict is wrong.
    pub fn failed(&mut self, n: u64, verdict: Retry) -> Result<(), Fault> {
        let record = self.end(n, End::Failed(verdict))?;
        if verdict == Retry::Safe && record.seen {
            return Err(Fault::of(
                n,
                "I-02: safe to send again by the verdict, but the server's application saw it",
            ));
        }
        if verdict != Retry::Never && record.head {
            return Err(Fault::of(
                n,
                "I-02: may be sent again, but its response was there",
            ));
        }
        if verdict == Retry::Never && !record.head && !record.gave_up {
            return Err(Fault::of(
                n,
                "I-03: never to be sent again by the verdict, but there was no response and nobody gave it up",
            ));
        }
        match verdict {
            Retry::Never => self.ends.never += 1,
            Retry::IfIdempotent => self.ends.if_idempotent += 1,
            Retry::Safe => self.ends.safe += 1,
        }
        Ok(())
    }

    /// The server's side of request `n` ends, `well` or badly.
    ///
    /// # Errors
    /// When it has ended before, was never shown, or ends well without its request being whole.
    pub fn server_ended(&mut self, n: u64, well: bool) -> Result<(), Fault> {
        let record = self.record(n)?;
        if !record.shown {
            return Err(Fault::of(n, "I-01: ended on the server, but was not shown"));
        }
        if well && !record.up.whole && !record.up.unwanted {
            return Err(Fault::of(
                n,
                "I-04: ended well on the server, but is not whole",
            ));
        }
        if std::mem::replace(&mut record.server_ended, true) {
            return Err(Fault::of(n, "I-01: ended twice on the server"));
        }
        Ok(())
    }

    /// Requests that have not ended for the client.
    pub fn unended(&self) -> impl Iterator<Item = u64> + '_ {
        self.requests
            .iter()
            .filter(|(_, record)| record.end.is_none())
            .map(|(&n, _)| n)
    }

    /// Whether a request has not ended for the client.
    pub(crate) fn is_open(&self) -> bool {
        let ends = self.ends;
        let ended = ends.completed + ends.never + ends.if_idempotent + ends.safe;
        self.requests.len() as u64 > ended
    }

    /// Requests that were shown to the server and have not ended there.
    pub fn unended_on_server(&self) -> impl Iterator<Item = u64> + '_ {
        self.requests
            .iter()
            .filter(|(_, record)| record.shown && !record.server_ended)
            .map(|(&n, _)| n)
    }

    /// How the requests ended so far.
    #[must_use]
    pub fn ends(&self) -> Ends {
        self.ends
    }

    /// The run is over.
    ///
    /// # Errors
    /// When a request has not ended, or nobody was shown one of which the server has said what it came to.
    pub fn finish(&self) -> Result<Ends, Fault> {
        self.judge_unseen()?;
        match self.unended().next() {
            None => Ok(self.ends),
            Some(n) => Err(Fault::of(n, "I-01: never ended")),
        }
    }

    fn record(&mut self, n: u64) -> Result<&mut Record, Fault> {
        self.requests
            .get_mut(&n)
            .ok_or_else(|| Fault::of(n, "I-31: nobody made this request"))
    }

    /// The record, unless its receiver has been told that there is nothing more.
    fn open_record(&mut self, n: u64, way: Way) -> Result<&mut Record, Fault> {
        let record = self.record(n)?;
        let ended = match way {
            Way::Up => record.server_ended,
            Way::Down => record.end.is_some(),
        };
        if ended {
            return Err(Fault::of(
                n,
                format!("I-01: {way:?}: something came after its end"),
            ));
        }
        Ok(record)
    }

    fn direction(&mut self, n: u64, way: Way) -> Result<&mut Direction, Fault> {
        let record = self.open_record(n, way)?;
        let begun = match way {
            Way::Up => record.shown,
            Way::Down => record.head,
        };
        if !begun {
            return Err(Fault::of(
                n,
                format!("I-04: {way:?}: content before the head"),
            ));
        }
        Ok(match way {
            Way::Up => &mut record.up,
            Way::Down => &mut record.down,
        })
    }

    fn end(&mut self, n: u64, end: End) -> Result<&Record, Fault> {
        let record = self.record(n)?;
        match record.end.replace(end) {
            None => Ok(record),
            Some(before) => Err(Fault::of(
                n,
                format!("I-01: ended twice: {before:?}, {end:?}"),
            )),
        }
    }
}
