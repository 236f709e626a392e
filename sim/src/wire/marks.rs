//! Races that show on the wire: what one end has sent and read when the next frame comes.

use std::sync::OnceLock;

use super::{Observer, Passing, by_id::ById, kind};
use crate::{outcome::Marks, races};

const PADDED: u8 = 8;
/// Changes of the initial window that are more than a few.
const BASES: u32 = 8;

/// The races of one run, one bit each, by letter and number.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen([u32; 26]);

/// What the ends of a pair tell of themselves, which no frame says.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    /// The newest stream in each place of the end's table.
    newest: Vec<u32>,
    /// The place of each stream.
    places: ById<usize>,
    /// Nothing more can be written.
    write_failed: bool,
}

/// Where the bit of a race is.
fn place(id: &str) -> Option<(usize, u32)> {
    let (letter, number) = id.as_bytes().split_first()?;
    let number = number
        .iter()
        .fold(0, |n, digit| n * 10 + u32::from(digit - b'0'));
    Some((usize::from(letter - b'A'), 1 << number))
}

impl Seen {
    pub(crate) fn hit(&mut self, id: &'static str) {
        if let Some((letter, bit)) = place(id) {
            self.0[letter] |= bit;
        }
    }

    fn hit_if(&mut self, id: &'static str, yes: bool) {
        if yes {
            self.hit(id);
        }
    }

    /// Counts what was seen as one hit each.
    pub(crate) fn count(&self, marks: &mut Marks) {
        static PLACES: OnceLock<Vec<(&str, usize, u32)>> = OnceLock::new();
        let places = PLACES.get_or_init(|| {
            let placed = |race: &races::Race| place(race.id).map(|(at, bit)| (race.id, at, bit));
            races::ALL.iter().filter_map(placed).collect()
        });
        for &(id, letter, bit) in places {
            if self.0[letter] & bit != 0 {
                marks.hit(id);
            }
        }
    }
}

impl Observer {
    /// All but so many bytes of what was sent are with the transport.
    pub(crate) fn left(&mut self, bytes: usize) {
        self.written.left(bytes);
    }

    /// Whether the transport has not taken all of a header block of this stream.
    pub(crate) fn holds_block(&self, id: u32) -> bool {
        self.written.holds(id)
    }

    /// Whether the transport has not taken all of the block that opens this stream of a client's.
    pub(crate) fn holds_first_block(&self, stream: u32) -> bool {
        self.written.holds_first(stream)
    }

    /// The end has failed to write, and may have more to read.
    pub(crate) fn write_fails(&mut self) {
        self.seats.write_failed = true;
    }

    /// A stream has got this place in the end's table.
    pub(crate) fn seat(&mut self, id: u32, place: usize) {
        let newest = &mut self.seats.newest;
        newest.resize(newest.len().max(place + 1), 0);
        newest[place] = newest[place].max(id);
        *self.seats.places.or_default(id) = place;
    }

    /// Whether another stream, which is open, has the place of this one.
    fn seat_is_taken(&self, id: u32) -> bool {
        let place = self.seats.places.get(id);
        let newest = place.and_then(|&place| self.seats.newest.get(place));
        newest.is_some_and(|&next| {
            next > id && self.streams.get(next).is_some_and(|next| !next.is_closed())
        })
    }

    /// A frame is read, whose effect is still to come.
    pub(super) fn mark_taken(&mut self, frame: &Passing<'_>) {
        self.note_taken(frame);
        let id = frame.stream;
        let mut seen = self.seen;
        match frame.kind {
            kind::GOAWAY => self.mark_goaway(frame, &mut seen),
            kind::SETTINGS if !frame.is_ack() => {
                self.bases += frame.settings().filter(|(id, _)| *id == 4).count() as u32;
                self.mark_settings(frame, &mut seen);
            }
            kind::PING => {
                let waits = self
                    .streams
                    .values()
                    .any(|stream| stream.given > stream.data);
                seen.hit_if("F01", !frame.is_ack() && waits);
            }
            _ => {}
        }
        if id > 0
            && let Some(stream) = self.streams.get(id)
        {
            let code = frame.word(0);
            seen.hit_if("B22", stream.sent_reset && self.seat_is_taken(id));
            match frame.kind {
                kind::RST_STREAM => {
                    seen.hit_if("B01", stream.sent_end && !stream.got_end);
                    seen.hit_if("B02", stream.sent_reset);
                    seen.hit_if("B03", stream.got_end && !stream.sent_end && code == 0);
                    seen.hit_if("B05", !stream.got_end && code != 0);
                    seen.hit_if("B06", stream.got_end && code != 0);
                    seen.hit_if("B16", stream.is_closed());
                    seen.hit_if("B17", self.client && code == 7 && !stream.got_head);
                    seen.hit_if("B18", self.client && code == 7 && stream.got_head);
                    seen.hit_if("B19", code > 0xd);
                    seen.hit_if("C14", stream.given > stream.data);
                }
                kind::DATA | kind::HEADERS => {
                    let end = frame.ends_stream();
                    seen.hit_if("B02", stream.sent_reset && end);
                    seen.hit_if("B04", self.client && end && !stream.sent_end);
                    seen.hit_if("B13", stream.sent_reset && frame.kind == kind::HEADERS);
                    seen.hit_if("E01", stream.sent_reset && frame.kind == kind::HEADERS);
                    seen.hit_if("B14", stream.sent_reset && frame.kind == kind::DATA);
                    let lowered = !self.acknowledged && self.announced < 65_535;
                    seen.hit_if("C18", lowered && frame.kind == kind::DATA);
                    seen.hit_if("C10", frame.kind == kind::DATA && frame.flags & PADDED != 0);
                    seen.hit_if("S04", stream.got_head && frame.kind == kind::HEADERS && end);
                }
                kind::WINDOW_UPDATE => {
                    let room = self.window_base + stream.offset;
                    seen.hit_if("C08", stream.is_closed() || stream.sent_end);
                    seen.hit_if("C22", room + i64::from(code) == 0x7fff_ffff);
                    seen.hit_if("C16", room == 0);
                }
                _ => {}
            }
        } else if id > 0 && !self.client && frame.kind == kind::DATA {
            seen.hit_if("C20", self.goaway_sent.is_some_and(|last| id > last));
        }
        if id == 0 && frame.kind == kind::WINDOW_UPDATE {
            self.mark_window(&mut seen);
        }
        if !self.client && frame.kind == kind::HEADERS {
            // RFC 9113 §6.8: a request that has crossed our GOAWAY.
            seen.hit_if("C20", self.goaway_sent.is_some_and(|last| id > last));
        }
        self.seen = seen;
    }

    /// The window of the connection is opened.
    fn mark_window(&self, seen: &mut Seen) {
        let waiters = self.fairness.waiting();
        seen.hit_if("C15", waiters > 1 && self.window == 0);
        seen.hit_if("C13", waiters > 0 && self.window == 0);
    }

    fn mark_goaway(&self, frame: &Passing<'_>, seen: &mut super::Seen) {
        let last = frame.word(0);
        let is_open = |stream: &super::observer::Stream| !stream.is_closed() && stream.head;
        let mut above = self.streams.iter().filter(|&(id, _)| id > last);
        if !self.client {
            return;
        }
        seen.hit_if("G08", self.seats.write_failed && self.open > 0);
        seen.hit_if("G09", self.written.is_inside_block());
        seen.hit_if("G03", above.any(|(_, stream)| is_open(stream)));
        seen.hit_if("G04", self.streams.get(last).is_some_and(is_open));
        seen.hit_if(
            "G05",
            self.goaway_received.is_some_and(|before| last < before),
        );
        seen.hit_if(
            "G06",
            self.goaway_received.is_some_and(|before| last > before),
        );
        seen.hit_if("G07", frame.word(4) != 0 && self.open > 0);
        seen.hit_if("G11", self.open == 0);
        seen.hit_if("G13", last > self.highest);
        seen.hit_if("G15", frame.payload.len() > 8);
    }

    fn mark_settings(&self, frame: &Passing<'_>, seen: &mut super::Seen) {
        let mut ids = Vec::new();
        let waits = |stream: &super::observer::Stream| stream.given > stream.data;
        for (id, value) in frame.settings() {
            seen.hit_if("D06", ids.contains(&id));
            match id {
                3 => {
                    seen.hit_if("D01", self.client && value < self.open);
                    seen.hit_if("D02", self.client && value == 0);
                    let before = self.streams_max;
                    seen.hit_if(
                        "D03",
                        self.client && before.is_some_and(|b| b < value && b <= self.open),
                    );
                    seen.hit_if("D04", self.client && before.is_none() && value < self.open);
                }
                4 => {
                    let base = i64::from(value);
                    let mut of = self.streams.values();
                    let (low, high) = (base < self.window_base, base > self.window_base);
                    seen.hit_if(
                        "C01",
                        low && of.any(|s| !s.is_closed() && base + s.offset < 0),
                    );
                    let blocked =
                        |s: &super::observer::Stream| waits(s) && self.window_base + s.offset <= 0;
                    seen.hit_if("C03", high && self.streams.values().any(blocked));
                    seen.hit_if("C04", ids.contains(&4));
                    seen.hit_if("D17", self.bases > BASES && self.open > 0);
                }
                5 => seen.hit_if("C21", (value as usize) < self.frame_max),
                1 => seen.hit_if("D15", self.open > 0),
                _ => {}
            }
            ids.push(id);
        }
        seen.hit_if("D05", self.streams_max.is_some() && !ids.contains(&3));
        seen.hit_if("D09", ids.iter().filter(|&&id| id == 1).count() > 1);
    }

    /// A frame is sent, whose effect is still to come.
    pub(super) fn mark_sent(&mut self, frame: &Passing<'_>) {
        self.note_sent(frame);
        self.written.note(frame);
        let id = frame.stream;
        let mut seen = self.seen;
        if frame.kind == kind::GOAWAY {
            seen.hit_if("G12", self.client && self.open > 0);
        }
        if frame.kind == kind::HEADERS {
            seen.hit_if("P12", self.client && id == 0x7fff_ffff);
        }
        if let Some(stream) = self.streams.get(id).filter(|_| id > 0) {
            let room = self.window_base + stream.offset;
            match frame.kind {
                kind::RST_STREAM => {
                    let waits = stream.given > stream.data;
                    seen.hit_if("B10", waits && room.min(self.window) <= 0);
                }
                kind::DATA => {
                    let empty = frame.payload.is_empty() && frame.ends_stream();
                    seen.hit_if("C02", empty && room.min(self.window) <= 0);
                }
                kind::HEADERS => seen.hit_if("E02", self.open > 1),
                _ => {}
            }
        } else if frame.kind == kind::HEADERS {
            seen.hit_if("E02", self.open > 0);
            seen.hit_if(
                "H08",
                self.client && self.goaway_received.is_none() && !self.greeted,
            );
        }
        self.seen = seen;
    }
}
