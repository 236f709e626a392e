//! What one end may send, worked out from the frames that pass it and from nothing else (RFC 9113 §6.9).

use std::collections::BTreeMap;

use crate::view::event::{Frame, Passage};

/// Every window before SETTINGS or WINDOW_UPDATE change it (RFC 9113 §6.9.2).
pub(super) const WINDOW_INITIAL: i64 = 65_535;
const END_STREAM: u8 = 0x1;
const SETTINGS_INITIAL_WINDOW_SIZE: u16 = 0x4;

#[derive(Clone, Debug)]
pub(super) struct Ledger {
    /// What the peer's settings give a new stream.
    initial: i64,
    connection: i64,
    streams: BTreeMap<u32, Stream>,
}

#[derive(Clone, Debug)]
struct Stream {
    window: i64,
    sent_all: bool,
    received_all: bool,
}

impl Default for Ledger {
    fn default() -> Self {
        Self {
            initial: WINDOW_INITIAL,
            connection: WINDOW_INITIAL,
            streams: BTreeMap::new(),
        }
    }
}

impl Ledger {
    /// Takes a frame that passed; answers with the windows that it changed, by stream, 0 for the connection.
    pub(super) fn pass(&mut self, frame: &Frame) -> Vec<(u32, i64)> {
        let id = frame.stream();
        let mut changed = Vec::new();
        match (frame.name(), frame.passage) {
            ("HEADERS", _) if !self.streams.contains_key(&id) => {
                let stream = Stream {
                    window: self.initial,
                    sent_all: false,
                    received_all: false,
                };
                self.streams.insert(id, stream);
                changed.push((id, self.initial));
            }
            ("DATA", Passage::Sent) => {
                let length = i64::from(frame.length());
                self.add(0, -length, &mut changed);
                self.add(id, -length, &mut changed);
            }
            ("WINDOW_UPDATE", Passage::Received) => {
                let increment = frame
                    .payload
                    .first_chunk()
                    .map(|word| u32::from_be_bytes(*word));
                let increment = increment.unwrap_or_default() & 0x7fff_ffff;
                self.add(id, i64::from(increment), &mut changed);
            }
            ("SETTINGS", Passage::Received) => self.settings(&frame.payload, &mut changed),
            _ => {}
        }
        self.end(frame);
        changed
    }

    fn add(&mut self, id: u32, bytes: i64, changed: &mut Vec<(u32, i64)>) {
        let window = match id {
            0 => &mut self.connection,
            _ => match self.streams.get_mut(&id).filter(|stream| !stream.is_over()) {
                Some(stream) => &mut stream.window,
                None => return,
            },
        };
        if bytes != 0 {
            *window += bytes;
            changed.push((id, *window));
        }
    }

    // RFC 9113 §6.9.2: a new initial size moves the windows of all streams by the difference.
    fn settings(&mut self, payload: &[u8], changed: &mut Vec<(u32, i64)>) {
        for entry in payload.as_chunks::<6>().0 {
            let [a, b, value @ ..] = *entry;
            if u16::from_be_bytes([a, b]) != SETTINGS_INITIAL_WINDOW_SIZE {
                continue;
            }
            let initial = i64::from(u32::from_be_bytes(value));
            let difference = initial - std::mem::replace(&mut self.initial, initial);
            for id in self.streams.keys().copied().collect::<Vec<_>>() {
                self.add(id, difference, changed);
            }
        }
    }

    fn end(&mut self, frame: &Frame) {
        let Some(stream) = self.streams.get_mut(&frame.stream()) else {
            return;
        };
        if frame.name() == "RST_STREAM" {
            (stream.sent_all, stream.received_all) = (true, true);
        }
        if matches!(frame.name(), "DATA" | "HEADERS") && frame.flag(END_STREAM) {
            match frame.passage {
                Passage::Sent => stream.sent_all = true,
                Passage::Received => stream.received_all = true,
            }
        }
    }
}

impl Stream {
    /// Nothing more can be sent or announced on it.
    fn is_over(&self) -> bool {
        self.sent_all && self.received_all
    }
}

#[cfg(test)]
mod tests {
    use raddle_core::Role;

    use super::*;

    fn frame(passage: Passage, kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Frame {
        let length = payload.len() as u8;
        Frame {
            side: Role::Client,
            passage,
            number: 0,
            head: [0, 0, length, kind, flags, 0, 0, 0, stream],
            payload: payload.to_vec(),
        }
    }

    #[test]
    fn windows_follow_the_frames() {
        let mut ledger = Ledger::default();
        let mut pass = |passage, kind, flags, stream, payload: &[u8]| {
            ledger.pass(&frame(passage, kind, flags, stream, payload))
        };
        use Passage::{Received, Sent};
        assert_eq!(pass(Sent, 1, 4, 1, b"x"), [(1, 65_535)]);
        assert_eq!(pass(Sent, 0, 0, 1, &[0; 35]), [(0, 65_500), (1, 65_500)]);
        assert_eq!(pass(Received, 0, 0, 1, &[0; 9]), [], "the peer's matter");
        assert_eq!(pass(Received, 8, 0, 0, &[0, 0, 0, 5]), [(0, 65_505)]);
        // Down to 10: what is sent already stays spent, so that the window becomes negative.
        let ten = [0, 4, 0, 0, 0, 10];
        assert_eq!(pass(Received, 4, 0, 0, &ten), [(1, -25)]);
        assert_eq!(pass(Sent, 1, 4, 3, b"x"), [(3, 10)]);
        assert_eq!(pass(Received, 8, 0, 1, &[0, 0, 0, 30]), [(1, 5)]);
        assert_eq!(pass(Received, 3, 0, 1, &[0; 4]), []);
        assert_eq!(pass(Received, 8, 0, 1, &[0, 0, 0, 30]), [], "it is over");
    }
}
