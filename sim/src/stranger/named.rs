//! Which race it is that the peer makes, by what it sends.

use raddle_core::Role;

use super::{World, wrong::PUSH_PROMISE};
use crate::wire::{Frame, Line, kind, rules::find};

/// Fields of connections of HTTP/1.1 (RFC 9113 §8.2.2).
const OF_CONNECTIONS: [&[u8]; 5] = [
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"transfer-encoding",
    b"upgrade",
];

impl World<'_> {
    /// Counts what frames are that have to cost their stream or the connection.
    pub(super) fn name_wrong(&mut self, frames: &[Frame]) {
        self.marks.hit("wrong frame");
        let [first, ..] = frames else { return };
        // Who judges frames one by one looks at the last.
        let last = &frames[frames.len() - 1];
        let in_a_block = first.kind == kind::HEADERS && !first.ends_headers();
        if in_a_block && (last.kind != kind::CONTINUATION || last.stream != first.stream) {
            return self.marks.hit("E04");
        }
        let len = last.payload.len();
        if len > self.frame_max() {
            self.marks.hit("H06");
        }
        match last.kind {
            kind::GOAWAY if last.stream != 0 || len < 8 => self.marks.hit("G14"),
            kind::SETTINGS => self.name_settings(frames),
            kind::WINDOW_UPDATE if frames.len() > 1 => {
                self.marks.hit(if last.stream == 0 { "C06" } else { "C05" });
            }
            kind::WINDOW_UPDATE if len == 4 && last.word(0) == 0 => self.marks.hit("C09"),
            PUSH_PROMISE => self.marks.hit("S11"),
            kind::PING if last.stream != 0 || len != 8 => self.marks.hit("F11"),
            kind::DATA | kind::HEADERS => self.name_message(last),
            _ => {}
        }
        // RFC 9113 §5.1: a request that waits has no number, and what names the next one is on an idle stream.
        let idle = last.stream > 0 && last.stream == self.idle_stream();
        if idle && self.conn.waiting() > 0 {
            self.marks.hit("B08");
        }
    }

    fn name_settings(&mut self, frames: &[Frame]) {
        let last = &frames[frames.len() - 1];
        let len = last.payload.len();
        if last.stream != 0 || !len.is_multiple_of(6) || last.is_ack() {
            return self.marks.hit("D12");
        }
        if frames.iter().any(|frame| frame.kind == kind::WINDOW_UPDATE) {
            return self.marks.hit("C07");
        }
        match last.payload.get(1) {
            Some(2 | 8) => self.marks.hit("D10"),
            Some(4) => self.marks.hit("D08"),
            Some(5) => self.marks.hit("D07"),
            _ => {}
        }
    }

    fn name_message(&mut self, frame: &Frame) {
        let Some(stream) = self.peer.streams.get(&frame.stream) else {
            return;
        };
        match (stream.end, stream.head) {
            (true, _) => self.marks.hit("B20"),
            (_, false) if frame.kind == kind::DATA => self.marks.hit("S03"),
            _ => {}
        }
    }

    /// Counts what is wrong with a block that cannot be decoded.
    pub(super) fn name_broken(&mut self, what: &str) {
        self.marks.hit(match what {
            "a table size that is due is missing" => "E06",
            what if what.contains("table size") => "E05",
            _ => "E08",
        });
    }

    /// Counts what is wrong with a list, or odd about one that is good.
    pub(super) fn name_list(&mut self, good: bool, lines: &[Line], trailers: bool) {
        let count = |name: &[u8]| lines.iter().filter(|line| line.name == name).count();
        let pseudo = lines.iter().any(|line| line.name.starts_with(b":"));
        if good {
            // HEAD, 204 and 304 are judged by their streams; here it is enough that there is a length.
            let bare = matches!(find(lines, b":status"), Some(b"204" | b"304"));
            if bare && find(lines, b"content-length").is_some() {
                self.marks.hit("S07");
            }
            if count(b"cookie") > 1 {
                self.marks.hit("S14");
            }
            return;
        }
        if trailers && pseudo {
            self.marks.hit("S05");
        }
        let answer = self.role == Role::Client && !trailers;
        if answer && count(b":status") != 1 {
            self.marks.hit("S08");
        }
        if lines.iter().any(smuggles) {
            self.marks.hit("S09");
        }
    }
}

/// What another server behind this one may read otherwise (RFC 9113 §8.2.1 and §8.2.2).
fn smuggles(line: &Line) -> bool {
    let (name, value) = (&line.name[..], &line.value[..]);
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    name.iter().any(u8::is_ascii_uppercase)
        || OF_CONNECTIONS.contains(&name)
        || (name == b"te" && value != b"trailers")
        || value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n'))
        || blank(value.first())
        || blank(value.last())
}
