//! Field lists of the peer's, each with all its fields, and what has to become of it: one that is well-formed is told as
//! it is, and one that is not costs its stream (RFC 9113 §8.1.1).

use raddle_core::{Field, Lifecycle, Priority, RequestHead, Role, StreamHandle};

use super::{World, acts::Kind, known::Stream, pool};
use crate::{
    outcome::Fault,
    trace::note,
    wire::{
        Frame, Line, Urgency, kind,
        rules::{List, content_length, find, well_formed, with_cookie_joined},
    },
};

/// PROTOCOL_ERROR, which a message gets that is malformed; and what a request may get that comes at a bad time.
const MALFORMED: u32 = 1;
const TOO_MUCH: u32 = 11;
const REFUSALS: [u32; 2] = [7, TOO_MUCH];
/// Less than a list that may be too much beside others.
const LIST_SMALL: usize = 1_000;
/// More than a length in 32 bits.
const LENGTH_BITS: u64 = 1 << 32;
/// Fewer fields than a list can be filled up with, and more bytes of lists than all streams bring.
const FIELDS_FEW: u32 = 100;
const LISTS_MANY: usize = 1 << 20;

/// A list that is on its way to the application, as it is to be told; or that nobody may be told of.
#[derive(Debug)]
pub(super) struct Hope {
    id: u32,
    good: bool,
    /// It is a list, and no body of another length than its head says.
    list: bool,
    /// What is in it is not known here.
    any: bool,
    lines: Vec<Line>,
}

impl World<'_> {
    /// Sends a list, sometimes; answers whether it did.
    pub(super) fn peer_lists(&mut self) -> bool {
        if self.broken || !self.tape.lane("lists").chance(1, 6) {
            return false;
        }
        match (self.role, self.tape.below(4)) {
            (_, 0) => self.trail(),
            (_, 1) => self.break_length(),
            (Role::Server, _) => self.open_free(),
            (Role::Client, _) => self.answer_free(),
        }
        self.tape.lane("peer");
        true
    }

    /// Draws whether something about the list is wrong, and writes it.
    fn drawn(&mut self, lines: &mut Vec<Line>) -> Vec<u8> {
        let tape = self.tape.lane("lists");
        if tape.chance(1, 2) {
            for _ in 0..tape.pick(&[1, 1, 2]) {
                if !lines.is_empty() {
                    pool::spoil(tape, lines);
                }
            }
            pool::keep_to_http(lines);
        }
        self.fill_list(lines);
        self.peer.writer.write(self.tape.lane("tables"), lines)
    }

    /// Makes a list as large as it may be, or a little less or more, by its fields or by its bytes.
    fn fill_list(&mut self, lines: &mut Vec<Line>) {
        let tape = self.tape.lane("list sizes");
        if !tape.chance(1, 10) {
            return;
        }
        let less = tape.pick(&[1, 0, 2]);
        if tape.chance(1, 2) {
            let most = self.bounds.fields as usize + 1 - less;
            while self.bounds.fields < FIELDS_FEW && lines.len() < most {
                lines.push(Line::new("x-m", "v"));
            }
            return;
        }
        let most = self.bounds.list_bytes as usize + 1 - less;
        let head = size(lines) + size(&[Line::new("x-m", "")]);
        let Some(room) = most.checked_sub(head) else {
            return;
        };
        lines.push(Line::new("x-m", vec![b'm'; room]));
        let tape = self.tape.lane("behind a large list");
        if less == 0 && tape.chance(1, 2) {
            // RFC 9113 §4.3: nobody has a use for what follows, and the table follows it all the same.
            let more = tape.pick(&[0, most / 2, most * 3 / 4]);
            lines.push(Line::new("x-m", vec![b'm'; more]));
            for n in 0..tape.between(1, 4) {
                lines.push(Line::new("x-behind", n.to_string()));
            }
        }
    }

    /// There may be no room for a list beside those of others.
    fn note_large(&mut self, id: u32, lines: &[Line]) {
        if self.bounds.lists < LISTS_MANY && size(lines) > LIST_SMALL {
            self.peer.refused.insert(id);
        }
    }

    /// Whether the engine takes lists of this size (RFC 9113 §10.5.1).
    fn is_within(&self, lines: &[Line]) -> bool {
        lines.len() <= self.bounds.fields as usize && size(lines) <= self.bounds.list_bytes as usize
    }

    fn hope(&mut self, id: u32, good: bool, lines: Vec<Line>) {
        if !good {
            self.peer.refused.insert(id);
            self.marks.hit("malformed list");
        }
        let lines = match self.role {
            Role::Server if self.bounds.joins => with_cookie_joined(&lines),
            _ => lines,
        };
        let list = !lines.is_empty() || good;
        self.hopes.push(Hope {
            id,
            good,
            list,
            any: false,
            lines,
        });
    }

    /// A list is sent that is well-formed, whatever is in it.
    pub(super) fn hope_for_any(&mut self, id: u32) {
        self.hopes.push(Hope {
            id,
            good: true,
            list: true,
            any: true,
            lines: Vec::new(),
        });
    }

    fn open_free(&mut self) {
        if self.peer.engine_left || self.peer.next > 0x7fff_ffff {
            return;
        }
        let id = self.peer.next;
        self.peer.next += 2;
        let list = List::Request {
            extended: self.tunnels,
            odd: self.bounds.odd,
        };
        let tape = self.tape.lane("lists");
        // Some ask for what they were never offered.
        let extended = tape.chance(1, 4) || self.tunnels;
        let mut lines = pool::request(tape, extended);
        let block = self.drawn(&mut lines);
        let tunnel = find(&lines, b":method") == Some(b"CONNECT");
        let left = content_length(&lines).filter(|_| !tunnel);
        let end = self.tape.lane("lists").chance(1, 4);
        let good =
            well_formed(&lines, list) && self.is_within(&lines) && !(end && left.unwrap_or(0) > 0);
        self.send_block(id, &block, end);
        self.note_large(id, &lines);
        self.name_list(good, &lines, false);
        self.hope(id, good, lines);
        let stream = Stream {
            window: self.peer.base(),
            head: true,
            end,
            left,
            tunnel,
            over: !good,
            ..Stream::default()
        };
        self.peer.streams.insert(id, stream);
    }

    fn answer_free(&mut self) {
        let Some(id) = self.some_stream(|stream| !stream.head) else {
            return;
        };
        // What it has done with the stream meanwhile, the peer may not have seen.
        let Some(asked) = self.app.kind(id).filter(|_| !self.app.is_reset(id)) else {
            return;
        };
        if !self.peer.informs(id) {
            return;
        }
        let mut lines = pool::response(self.tape.lane("lists"));
        let block = self.drawn(&mut lines);
        let end = self.tape.lane("lists").chance(1, 3);
        let status = find(&lines, b":status").unwrap_or_default();
        let interim = status.first() == Some(&b'1');
        let empty = asked == Kind::Head || matches!(status, b"204" | b"304");
        let tunnel = asked.is_tunnel() && status.first() == Some(&b'2');
        let left = match () {
            () if tunnel => None,
            () if empty => Some(0),
            () => content_length(&lines),
        };
        let fits = match interim {
            true => !end,
            false => !(end && left.unwrap_or(0) > 0),
        };
        let good = well_formed(
            &lines,
            List::Response {
                odd: self.bounds.odd,
            },
        ) && self.is_within(&lines)
            && fits;
        self.send_block(id, &block, end);
        self.note_large(id, &lines);
        self.name_list(good, &lines, false);
        if interim && end {
            self.marks.hit("S02");
        }
        self.hope(id, good, lines);
        let stream = self.peer.streams.entry(id).or_default();
        stream.over |= !good;
        if good && !interim {
            stream.head = true;
            (stream.left, stream.tunnel) = (left, tunnel);
            self.finish_half(id, end);
        }
    }

    /// Trailers, or what would be some.
    fn trail(&mut self) {
        let Some(id) = self.some_stream(|stream| stream.head && !stream.end) else {
            return;
        };
        if self.app.kind(id).is_none() || self.app.is_reset(id) {
            return;
        }
        let (left, tunnel) = {
            let stream = &self.peer.streams[&id];
            (stream.left, stream.tunnel)
        };
        // Whether it is a tunnel already, the server decides.
        if tunnel && self.role == Role::Server {
            return;
        }
        let mut lines = pool::trailers(self.tape.lane("lists"));
        let block = self.drawn(&mut lines);
        let end = !self.tape.lane("lists").chance(1, 8);
        let good = end
            && !tunnel
            && left.unwrap_or(0) == 0
            && self.is_within(&lines)
            && well_formed(
                &lines,
                List::Trailers {
                    odd: self.bounds.odd,
                },
            );
        self.send_block(id, &block, end);
        self.note_large(id, &lines);
        self.name_list(good, &lines, true);
        if !(good && self.app.discards(id)) {
            self.hope(id, good, lines);
        }
        self.finish_half(id, true);
        if let Some(stream) = self.peer.streams.get_mut(&id) {
            stream.over |= !good;
        }
    }

    /// A body that ends too early, or goes on for too long.
    fn break_length(&mut self) {
        let Some(id) = self.some_stream(|stream| stream.head && !stream.end) else {
            return;
        };
        let Some(left) = self.peer.streams[&id]
            .left
            .filter(|_| !self.app.is_reset(id))
        else {
            return;
        };
        let more = self.tape.pick(&[1, 100]);
        let len = match left {
            1.. if self.tape.chance(1, 2) => self.tape.below(left.min(LENGTH_BITS)),
            // What is left of it in fewer bits.
            LENGTH_BITS.. => left % LENGTH_BITS,
            _ => left + more,
        };
        if !self.peer.has_room(id, len) {
            return;
        }
        note!(self.trace, "peer: {} bytes where {} are due", len, left);
        self.marks.hit("S06");
        let payload = vec![7; len as usize];
        self.peer.spend(id, len);
        self.deliver(&Frame::new(kind::DATA, 1, id, &payload));
        self.hope(id, false, Vec::new());
        if let Some(stream) = self.peer.streams.get_mut(&id) {
            stream.over = true;
        }
    }

    /// The list that has just been sent on a stream, for a failure.
    pub(super) fn hope_text(&self, id: u32) -> String {
        let hope = self.hopes.iter().find(|hope| hope.id == id);
        hope.map(|hope| text(&hope.lines)).unwrap_or_default()
    }

    /// The application is told of a list.
    pub(super) fn hear_list<'f>(
        &mut self,
        stream: StreamHandle,
        fields: impl Iterator<Item = Field<'f>>,
    ) -> Result<(), Fault> {
        let id = self.conn.stream_id(stream).map(|id| id.to_u32());
        let at = self
            .hopes
            .iter()
            .position(|hope| Some(hope.id) == id && hope.list);
        let Some(hope) = at.map(|at| self.hopes.remove(at)) else {
            return Ok(());
        };
        if self.marks.count("malformed list") > 0 && hope.good {
            // What was bad in one list is not in the next.
            self.marks.hit("E07");
        }
        if hope.any {
            return Ok(());
        }
        if !hope.good {
            return Err(Fault::run(format!(
                "I-28: hands out what is malformed: {}",
                text(&hope.lines)
            )));
        }
        let heard: Vec<Line> = fields
            .map(|field| Line {
                name: field.name.to_vec(),
                value: field.value.to_vec(),
                sensitive: field.sensitive,
            })
            .collect();
        if heard != hope.lines {
            return Err(Fault::run(format!(
                "I-31: tells {}, where {} was sent",
                text(&heard),
                text(&hope.lines)
            )));
        }
        Ok(())
    }

    /// How urgent a request says that it is, where that can be read (RFC 9218 §5).
    pub(super) fn hear_urgency(&mut self, stream: StreamHandle, id: u32, head: &RequestHead) {
        let fields = head.fields().filter(|field| field.name == b"priority");
        let values: Vec<&[u8]> = fields.map(|field| field.value).collect();
        let known = |value: &&[u8]| pool::URGENCIES.contains(value);
        if !values.is_empty() && values.iter().all(known) {
            let urgency = Urgency::parse(&values.join(&b", "[..]));
            self.observer.urge(id, urgency, true);
        } else if !values.is_empty() {
            // Who cannot tell what was asked for goes by what it knows.
            self.conn.prioritize(stream, Priority::default());
            self.observer.urge(id, Urgency::parse(b"u=3"), false);
        }
    }

    /// Every list has been told by now, or has cost its stream.
    pub(super) fn judge_lists(&mut self) -> Result<(), Fault> {
        let hopes = std::mem::take(&mut self.hopes);
        if self.conn.lifecycle() >= Lifecycle::Closing || !self.input.is_empty() {
            return Ok(());
        }
        for hope in hopes.into_iter().filter(|hope| !hope.any) {
            let reset = self.peer.resets.get(&hope.id).copied();
            let refused = reset.is_some_and(|code| REFUSALS.contains(&code));
            if hope.good && reset == Some(TOO_MUCH) && self.bounds.lists >= LISTS_MANY {
                return Err(Fault::run(format!(
                    "I-28: stream {} is too much, which is within all bounds: {}",
                    hope.id,
                    text(&hope.lines)
                )));
            }
            // A request above the last stream of a GOAWAY is nobody's.
            if refused || self.observer.has_left_behind(hope.id) {
                continue;
            }
            let crowded = self.bounds.lists < LISTS_MANY && self.app.crowded.contains(&hope.id);
            let what = match (hope.good, reset) {
                (false, Some(MALFORMED)) | (true, Some(_)) => continue,
                // The peer's own RST_STREAM came before ours went out.
                (true, None) if crowded && self.peer.said.contains_key(&hope.id) => continue,
                (false, _) => "I-28: lets pass what is malformed",
                (true, None) => "I-04: does not tell",
            };
            return Err(Fault::run(format!(
                "{what}, on stream {}, by {reset:?}: {}",
                hope.id,
                text(&hope.lines)
            )));
        }
        Ok(())
    }
}

/// As RFC 9113 §10.5.1 counts it.
fn size(lines: &[Line]) -> usize {
    let line = |line: &Line| line.name.len() + line.value.len() + 32;
    lines.iter().map(line).sum()
}

pub(super) fn text(lines: &[Line]) -> String {
    let line = |line: &Line| {
        let sensitive = if line.sensitive { " (sensitive)" } else { "" };
        format!(
            "{}: {}{sensitive}",
            line.name.escape_ascii(),
            line.value.escape_ascii()
        )
    };
    format!("{:?}", lines.iter().map(line).collect::<Vec<_>>())
}
