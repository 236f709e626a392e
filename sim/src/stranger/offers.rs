//! Field lists that the application offers, good and bad: a message that its peer would have to refuse does not leave.

use bytes::Bytes;
use raddle_core::{
    ErrorCode, Fields, OpenError, RequestHead, ResponseHead, Role, SendError, StreamHandle, Then,
};

use super::{World, acts::Kind, app::BODY_MAX, pool};
use crate::{
    outcome::Fault,
    trace::note,
    wire::{
        Line,
        rules::{List, content_length, find, well_formed},
    },
};

fn fields(lines: &[Line]) -> Fields {
    let mut builder = Fields::builder();
    for line in lines {
        builder.push(&line.name, &line.value, line.sensitive);
    }
    builder.finish()
}

impl World<'_> {
    /// The application offers a list that was drawn.
    pub(super) fn offer(&mut self) -> Result<(), Fault> {
        let handles: Vec<_> = self.app.streams.keys().copied().collect();
        let tape = self.tape.lane("offers");
        let some = (!handles.is_empty()).then(|| handles[tape.index(handles.len())]);
        match (self.role, some, tape.below(3)) {
            (_, Some(handle), 0) => self.offer_trailers(handle),
            (Role::Client, ..) => self.offer_request(),
            (Role::Server, Some(handle), _) => self.offer_response(handle),
            _ => Ok(()),
        }
    }

    fn spoil_some(&mut self, lines: &mut Vec<Line>) {
        let tape = self.tape.lane("offers");
        if tape.chance(1, 2) {
            for _ in 0..tape.pick(&[1, 1, 2]) {
                if !lines.is_empty() {
                    pool::spoil(tape, lines);
                }
            }
            pool::keep_to_http(lines);
        }
    }

    fn judge_offer(
        &self,
        lines: &[Line],
        good: bool,
        got: &dyn std::fmt::Debug,
        taken: Option<bool>,
    ) -> Result<(), Fault> {
        match taken {
            Some(taken) if taken != good => Err(Fault::run(format!(
                "I-28: an application offers {}, which is well-formed: {good}, and gets {got:?}",
                super::lists::text(lines)
            ))),
            _ => Ok(()),
        }
    }

    fn offer_request(&mut self) -> Result<(), Fault> {
        let mut lines = pool::request(self.tape.lane("offers"), true);
        self.spoil_some(&mut lines);
        let end = self.tape.chance(1, 4);
        let connect = find(&lines, b":method") == Some(b"CONNECT");
        let length = content_length(&lines).filter(|_| !connect).unwrap_or(0);
        let list = List::Request {
            extended: true,
            odd: self.bounds.odd,
        };
        let good = well_formed(&lines, list) && !(end && length > 0);
        let got = self.conn.open(
            RequestHead::from_fields(fields(&lines)),
            if end { Then::End } else { Then::More },
        );
        let got = got.map_err(|(error, _)| error);
        let taken = match &got {
            Ok(_) => Some(true),
            Err(OpenError::Malformed(_)) => Some(false),
            // A good one for what the peer does not take.
            Err(OpenError::ConnectProtocolDisabled) => {
                let asks = find(&lines, b":protocol").is_some();
                Some(asks && self.conn.takes_extended_connect() != Some(true))
            }
            Err(OpenError::QueueFull) => {
                self.app.tally.unqueued += 1;
                None
            }
            Err(_) => None,
        };
        self.judge_offer(&lines, good, &got, taken)?;
        let Ok(handle) = got else { return Ok(()) };
        note!(self, "app: opens what was drawn, {} bytes", length);
        let kind = Kind::of(find(&lines, b":method").unwrap_or_default());
        let told = !connect && content_length(&lines).is_some();
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        self.track(handle, (!end).then_some(length.min(BODY_MAX)), kind);
        if told && !end {
            self.offer_other_lengths(handle, length)?;
        }
        self.give_up_if_endless(handle, length);
        self.fill()
    }

    /// More than a head has told of, or an end too early: neither is taken (RFC 9113 §8.1.1).
    fn offer_other_lengths(&mut self, handle: StreamHandle, length: usize) -> Result<(), Fault> {
        let most = length.min(BODY_MAX);
        let more = Bytes::from(vec![7; most + 1]);
        for (part, then) in [(more, Then::More), (Bytes::new(), Then::End)] {
            let fits = match then {
                Then::More => length > most,
                Then::End => length == 0,
            };
            if fits {
                continue;
            }
            let mut left = part.clone();
            let got = self.conn.send_data(handle, &mut left, then);
            let refused = matches!(got, Err(SendError::Malformed(_) | SendError::Gone));
            if !refused || left != part {
                return Err(Fault::run(format!(
                    "I-28: {} bytes and {then:?} where {length} are due get {got:?}",
                    part.len()
                )));
            }
        }
        Ok(())
    }

    /// Nobody waits for the end of a body that is longer than all others.
    fn give_up_if_endless(&mut self, handle: StreamHandle, length: usize) {
        if length <= BODY_MAX {
            return;
        }
        self.conn.reset(handle, ErrorCode::CANCEL);
        if let Some(live) = self.app.streams.get_mut(&handle) {
            live.reset = true;
        }
        if let Some(id) = self.conn.stream_id(handle) {
            self.app.codes.entry(id.to_u32()).or_insert(8);
        }
    }

    fn offer_response(&mut self, handle: StreamHandle) -> Result<(), Fault> {
        let mut lines = pool::response(self.tape.lane("offers"));
        self.spoil_some(&mut lines);
        let Some(live) = self.app.streams.get(&handle) else {
            return Ok(());
        };
        let kind = live.kind;
        let status = find(&lines, b":status").unwrap_or_default().to_vec();
        let interim = status.first() == Some(&b'1');
        let tunnel = kind.is_tunnel() && status.first() == Some(&b'2');
        let length = content_length(&lines);
        // RFC 9110 §8.6.
        let bare = interim || status == b"204" || tunnel;
        let fits = !(bare && lines.iter().any(|line| line.name == b"content-length"));
        let good = well_formed(
            &lines,
            List::Response {
                odd: self.bounds.odd,
            },
        ) && fits;
        let head = ResponseHead::from_fields(fields(&lines));
        let informs = self.tape.chance(1, 4);
        let none = kind == Kind::Head || status == b"304" || bare;
        let got = match informs {
            true => self.conn.inform(handle, head),
            false => self.conn.respond(handle, head, Then::More),
        };
        if informs && got.is_ok() {
            self.informed(handle);
        }
        let taken = match got {
            Ok(()) => Some(true),
            Err(SendError::Malformed(_)) => Some(false),
            // Each in its place.
            Err(SendError::OutOfOrder | SendError::Gone | SendError::HeaderListTooLarge) => None,
        };
        self.judge_offer(
            &lines,
            good && informs == interim,
            &got,
            taken.filter(|&taken| taken || !good),
        )?;
        if got.is_err() || informs {
            return Ok(());
        }
        note!(self, "app: answers as was drawn");
        let length = usize::try_from(length.filter(|_| !none).unwrap_or(0)).unwrap_or(usize::MAX);
        let body = length.min(BODY_MAX);
        if let Some(live) = self.app.streams.get_mut(&handle) {
            (live.left, live.total) = (Some(body), Some(body));
        }
        let priorities = lines.iter().filter(|line| line.name == b"priority");
        let priorities: Vec<_> = priorities.map(|line| &line.value[..]).collect();
        if let Some(id) = self
            .conn
            .stream_id(handle)
            .filter(|_| !priorities.is_empty())
        {
            self.observer
                .urge_more(id.to_u32(), &priorities.join(&b", "[..]));
        }
        self.give_up_if_endless(handle, length);
        self.fill()
    }

    fn offer_trailers(&mut self, handle: StreamHandle) -> Result<(), Fault> {
        let mut lines = pool::trailers(self.tape.lane("offers"));
        if self.tape.chance(1, 6) {
            lines.push(Line::new("content-length", "0"));
        }
        self.spoil_some(&mut lines);
        let Some(live) = self.app.streams.get(&handle) else {
            return Ok(());
        };
        let (left, tunnel) = (live.left, live.kind.is_tunnel());
        // RFC 9110 §6.5.1: none that frames the message.
        let framing = lines.iter().any(|line| line.name == b"content-length");
        let good = well_formed(
            &lines,
            List::Trailers {
                odd: self.bounds.odd,
            },
        ) && !framing;
        let got = self.conn.send_trailers(handle, fields(&lines));
        let taken = match got {
            Ok(()) => Some(true),
            // Of whose body a part is missing that its head has told of.
            Err(SendError::Malformed(_)) if tunnel || left != Some(0) => None,
            Err(SendError::Malformed(_)) => Some(false),
            Err(SendError::OutOfOrder | SendError::Gone | SendError::HeaderListTooLarge) => None,
        };
        // RFC 9113 §8.5: a tunnel has none, and what a client asks to be one may be one at once.
        let fits = left.is_some() && !(tunnel && self.role == Role::Client);
        self.judge_offer(&lines, good && fits, &got, taken)?;
        if got.is_ok() {
            note!(self, "app: trailers as were drawn");
            if let Some(live) = self.app.streams.get_mut(&handle) {
                live.total = Some(live.given());
                live.left = None;
            }
        }
        Ok(())
    }
}
