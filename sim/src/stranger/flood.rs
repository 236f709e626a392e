//! Frames that are worth nothing: as many as a defence lets pass at once and after a while, and then more than that.

use raddle_core::{Lifecycle, Role};

use super::{World, known::Stream};
use crate::{
    outcome::Fault,
    wire::{Frame, Line, kind},
};

const SECOND: u64 = 1_000_000_000;

/// What there is too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flood {
    Ping,
    Settings,
    Priority,
    PriorityUpdate,
    Unknown,
    Update,
    GoAway,
    /// Requests that are given up at once.
    Resets,
    /// Requests that are malformed.
    Malformed,
    /// DATA of no bytes, on one stream.
    Empty,
    /// Resets of a stream that is gone.
    Late,
}

impl Flood {
    /// Another one, of those that need nothing.
    fn other(self) -> Option<Self> {
        Some(match self {
            Self::Ping => Self::Settings,
            Self::Settings => Self::Ping,
            Self::Unknown => Self::Update,
            Self::Update => Self::Priority,
            _ => return None,
        })
    }
}

impl World<'_> {
    /// Frames without use, until the engine has had enough of them.
    pub(super) fn flood(&mut self, burst: u32) -> Result<(), Fault> {
        let tape = self.tape.lane("violation");
        let flood = match self.role {
            Role::Client => tape.pick(&[
                Flood::Ping,
                Flood::Settings,
                Flood::Priority,
                Flood::Unknown,
                Flood::Update,
            ]),
            Role::Server => tape.pick(&[
                Flood::Ping,
                Flood::Settings,
                Flood::Priority,
                Flood::PriorityUpdate,
                Flood::Unknown,
                Flood::Update,
                Flood::GoAway,
                Flood::Resets,
                Flood::Malformed,
                Flood::Empty,
                Flood::Late,
            ]),
        };
        self.marks.hit("flood");
        self.open_for(flood)?;
        // What it lets pass at once, it lets pass again as time goes by.
        self.send_many(flood, burst - u32::from(flood == Flood::Late))?;
        if let Some(other) = flood.other() {
            // Each has a measure of its own.
            self.send_many(other, burst)?;
        }
        if self.tape.chance(1, 2) {
            let seconds = self.tape.pick(&[1, 2_000]);
            self.now += u64::from(seconds) * SECOND;
            self.send_many(flood, (self.bounds.refill * seconds).min(burst))?;
        }
        // Not one more than that.
        self.broken = true;
        self.send_many(flood, 1)?;
        if self.peer.next <= 0x7fff_ffff && self.conn.lifecycle() < Lifecycle::Closing {
            return Err(Fault::run(format!(
                "I-28: lets pass: a flood of {flood:?}, of more than {burst}"
            )));
        }
        Ok(())
    }

    /// A stream, for those floods that need one.
    fn open_for(&mut self, flood: Flood) -> Result<(), Fault> {
        if matches!(flood, Flood::Empty | Flood::Late) {
            self.request(false)?;
        }
        if flood == Flood::Late {
            let id = self.peer.next - 2;
            // The first one is none too many.
            self.deliver(&Frame::new(kind::RST_STREAM, 0, id, &[0, 0, 0, 8]));
            self.turn()?;
        }
        Ok(())
    }

    pub(super) fn request(&mut self, spoilt: bool) -> Result<(), Fault> {
        let id = self.peer.next;
        self.peer.next += 2;
        let mut lines = [(":method", "PUT"), (":scheme", "https"), (":path", "/")]
            .map(|(name, value)| Line::new(name, value))
            .to_vec();
        if spoilt {
            lines.push(Line::new("connection", "close"));
            self.peer.refused.insert(id);
        }
        let block = self.peer.writer.write(self.tape.lane("tables"), &lines);
        self.tape.lane("violation");
        self.deliver(&Frame::new(kind::HEADERS, 4, id, &block));
        let stream = Stream {
            window: self.peer.base,
            head: true,
            over: spoilt,
            ..Stream::default()
        };
        self.peer.streams.insert(id, stream);
        self.turn()
    }

    fn send_many(&mut self, flood: Flood, count: u32) -> Result<(), Fault> {
        for _ in 0..count {
            let opens = matches!(flood, Flood::Resets | Flood::Malformed);
            let used_up = opens && self.peer.next > 0x7fff_ffff;
            if self.conn.lifecycle() >= Lifecycle::Closing || used_up {
                return Ok(());
            }
            let last = self.peer.next.saturating_sub(2);
            let frame = match flood {
                Flood::Ping => Frame::new(kind::PING, 0, 0, &[1; 8]),
                Flood::Settings => Frame::new(kind::SETTINGS, 0, 0, &[]),
                Flood::Priority => Frame::new(2, 0, 5, &[0; 5]),
                Flood::PriorityUpdate => Frame::new(kind::PRIORITY_UPDATE, 0, 0, b"\0\0\0\x05u=1"),
                Flood::Unknown => Frame::new(0x42, 0xff, 5, b"unknown"),
                Flood::Update => Frame::new(kind::WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]),
                Flood::GoAway => Frame::new(kind::GOAWAY, 0, 0, &[0; 8]),
                Flood::Resets => {
                    self.request(false)?;
                    Frame::new(kind::RST_STREAM, 0, self.peer.next - 2, &[0, 0, 0, 8])
                }
                Flood::Malformed => {
                    self.request(true)?;
                    continue;
                }
                Flood::Empty => Frame::new(kind::DATA, 0, last, &[]),
                Flood::Late => Frame::new(kind::RST_STREAM, 0, last, &[0, 0, 0, 8]),
            };
            self.deliver(&frame);
            self.turn()?;
        }
        Ok(())
    }
}
