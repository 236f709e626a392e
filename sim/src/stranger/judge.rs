//! What holds when the engine has nothing more to do at this moment.

use raddle_core::{Lifecycle, Role, StreamHandle, Waiting};

use super::World;
use crate::{
    outcome::Fault,
    wire::{Frame, kind},
};

/// What the engine has told its application of the connection, and what it has said to its peer.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) ready: u32,
    pub(super) draining: u32,
    pub(super) openable: bool,
    /// The code that `Closed` has named, if any.
    pub(super) closed: Option<Option<u32>>,
    /// The code of the last GOAWAY.
    pub(super) goaway: Option<u32>,
    /// Streams could be opened when it was at rest last.
    pub(super) could_open: bool,
    /// The window of the connection that it announces, and the most that this may become.
    pub(super) windows: (u32, u32),
}

impl World<'_> {
    pub(super) fn judge_rest(&mut self) -> Result<(), Fault> {
        self.app.asked_before = self.app.asked;
        self.judge_told()?;
        if self.conn.lifecycle() >= Lifecycle::Closing || self.broken {
            return Ok(());
        }
        let window = self.conn.audit().window;
        let known = self.peer.window_to_come();
        if self.input.is_empty() && window != known {
            return Err(Fault::run(format!(
                "I-10: the engine counts a window of {window}, the peer one of {known}"
            )));
        }
        let (least, most) = self.told.windows;
        let receives = self.conn.receive_window();
        if !(least..=most).contains(&receives) {
            return Err(Fault::run(format!(
                "I-15: a window of {receives}, where {least} to {most} are allowed"
            )));
        }
        let table = self.bounds.settings[0].1 as usize;
        if self.observer.table_size().is_some_and(|size| size > table) {
            return Err(Fault::run(format!(
                "I-15: an HPACK table of more than the {table} bytes that it may have"
            )));
        }
        self.judge_extensions()?;
        self.judge_peer_told()?;
        self.judge_windows()?;
        self.judge_openable()?;
        self.judge_held_lists()?;
        self.judge_room()?;
        self.judge_progress()?;
        self.judge_told_urgencies()?;
        self.judge_waiting()
    }

    /// What is told of the connection is told once, and agrees with what the peer hears.
    fn judge_told(&mut self) -> Result<(), Fault> {
        let told = &mut self.told;
        if told.ready > 1 || told.draining > 1 {
            return Err(Fault::run(format!("I-01: told twice: {told:?}")));
        }
        if let (Some(closed), Some(goaway), None) = (told.closed, told.goaway, self.app.closed) {
            let said = self.peer.reason;
            if closed.unwrap_or(0) != goaway && closed.unwrap_or(0) != said {
                return Err(Fault::run(format!(
                    "I-29: closed by {closed:?}, and GOAWAY says {goaway}; the peer said {said}"
                )));
            }
        }
        if told.closed == Some(None) && self.peer.reason != 0 && self.app.closed.is_none() {
            return Err(Fault::run(
                "I-29: closed without the reason that the peer gave",
            ));
        }
        // I-22: who waits for room hears of it.
        let could = std::mem::replace(&mut told.could_open, self.conn.openable() > 0);
        let hears = std::mem::take(&mut told.openable);
        if !could && told.could_open && told.ready > 0 && !hears && !self.fresh {
            return Err(Fault::run(
                "I-22: streams may be opened, and nobody hears of it",
            ));
        }
        self.fresh = told.ready == 0;
        Ok(())
    }

    /// What the engine tells of its peer is what that has said.
    fn judge_peer_told(&mut self) -> Result<(), Fault> {
        if !self.input.is_empty() || self.bounds.flood.is_some() {
            return Ok(());
        }
        let takes = self.conn.takes_extended_connect();
        if takes != self.observer.takes_protocols() {
            return Err(Fault::run(format!(
                "I-14: extended CONNECT is told as {takes:?}, where the peer says {:?}",
                self.observer.takes_protocols()
            )));
        }
        if let Some((size, limit)) = self.app.too_large.take()
            && size <= limit
        {
            return Err(Fault::run(format!(
                "I-28: a list of {size} bytes is too large, where the peer takes {limit}"
            )));
        }
        let told = self.conn.peer_goaway();
        let told = told.map(|told| (told.last.to_u32(), told.code.to_u32(), told.debug.len()));
        if told != self.peer.goaway_said || (told.is_some() && self.told.draining != 1) {
            return Err(Fault::run(format!(
                "I-14: GOAWAY is told as {told:?} and {} times, where the peer said {:?}",
                self.told.draining, self.peer.goaway_said
            )));
        }
        Ok(())
    }

    /// I-20: no more streams at once than were announced, and as many again that have ended and are not read.
    fn judge_room(&self) -> Result<(), Fault> {
        let max = self.bounds.streams;
        if self.role == Role::Client {
            return Ok(());
        }
        let ended = |(handle, bytes): &(&StreamHandle, &usize)| {
            **bytes > 0 && !self.app.streams.contains_key(handle)
        };
        let unread = self.app.taken.iter().filter(ended).count();
        let open = self.app.streams.len();
        if open > max || open + unread > 2 * max {
            return Err(Fault::run(format!(
                "I-20: {open} streams and {unread} unread, where {max} are allowed"
            )));
        }
        Ok(())
    }

    /// What a stream is said to wait for is what it waits for.
    fn judge_waiting(&self) -> Result<(), Fault> {
        for (&handle, live) in self.app.streams.iter().filter(|(_, live)| !live.reset()) {
            let waiting = self.conn.explain(handle);
            let unsent = live.id.and_then(|id| {
                let (sent, _) = self.observer.unfinished(id)?;
                (self.observer.has_head(id) && sent < live.given()).then_some(id)
            });
            let wanted = match unsent.map(|id| self.observer.rooms(id)) {
                Some((..=0, _)) => Some(Waiting::StreamWindow),
                Some(_) => Some(Waiting::ConnectionWindow),
                None => self.waits_to_read(handle, live),
            };
            // Everything that can be cut was cut, and the transport has taken it.
            if waiting == Waiting::Transport || wanted.is_some_and(|wanted| wanted != waiting) {
                return Err(Fault::run(format!(
                    "stream {:?} is said to wait for {waiting:?}, and waits for {wanted:?}",
                    live.id
                )));
            }
        }
        Ok(())
    }

    /// I-17: behind as much as may wait, nothing more of any stream is cut. What began before that ends: a head in several
    /// frames, and one behind another of its stream.
    pub(super) fn judge_full(&self, before: usize, frames: &[Frame]) -> Result<(), Fault> {
        let (mut at, mut last) = (before, 0);
        for frame in frames {
            let is_stream = matches!(frame.kind, kind::DATA | kind::HEADERS)
                || (frame.kind == kind::WINDOW_UPDATE && frame.stream > 0);
            if is_stream && at >= self.bounds.output && frame.stream != last {
                return Err(Fault::run(format!(
                    "I-17: {} is cut behind {at} bytes of output",
                    super::short::Short(frame)
                )));
            }
            at += 9 + frame.payload.len();
            last = frame.stream;
        }
        Ok(())
    }

    /// An honest peer is not accused, and what the engine says agrees with what it was told to be.
    pub(super) fn accept(&mut self, frame: &Frame) -> Result<(), Fault> {
        if frame.kind == kind::GOAWAY && self.judge_closed(frame)? {
            return Ok(());
        }
        if frame.kind == kind::PING && !frame.is_ack() {
            return self.judge_pings();
        }
        let code = match frame.kind {
            kind::GOAWAY => frame.word(4),
            kind::RST_STREAM => frame.word(0),
            kind::SETTINGS if !frame.is_ack() => return self.judge_announced(frame),
            _ => return Ok(()),
        };
        match frame.kind {
            kind::RST_STREAM => {
                self.peer.resets.entry(frame.stream).or_insert(code);
                self.judge_reset(frame.stream, code)?;
            }
            _ => {
                self.judge_goaway(frame.word(0), code)?;
                self.told.goaway = Some(code);
            }
        }
        if frame.kind == kind::GOAWAY
            && let Some(violation) = self.conn.error().and_then(|error| error.violation)
            && frame.payload[8..] != *format!("{violation} ({})", violation.section()).as_bytes()
        {
            return Err(Fault::run(format!(
                "I-29: ends for {violation}, and GOAWAY does not say so: {}",
                String::from_utf8_lossy(&frame.payload[8..])
            )));
        }
        let refused = frame.kind == kind::RST_STREAM && self.peer.refused.contains(&frame.stream);
        if !self.broken
            && !refused
            && (matches!(code, 1 | 3 | 5 | 6 | 9 | 11) || (frame.kind == kind::GOAWAY && code != 0))
        {
            let debug = String::from_utf8_lossy(frame.payload.get(8..).unwrap_or_default());
            return Err(Fault::run(format!(
                "accuses an honest peer: {} {debug}{}",
                super::short::Short(frame),
                self.hope_text(frame.stream)
            )));
        }
        Ok(())
    }

    /// What SETTINGS announce, with what goes without saying, is what the engine was told.
    fn judge_announced(&self, frame: &Frame) -> Result<(), Fault> {
        for &(id, wanted) in &self.bounds.settings {
            let said = frame.settings().filter(|&(said, _)| said == id).last();
            let default = match id {
                1 => 4_096,
                2 => 1,
                4 => 65_535,
                5 => 16_384,
                8 => 0,
                _ => u32::MAX,
            };
            let value = said.map_or(default, |(_, value)| value);
            if value != wanted {
                return Err(Fault::run(format!(
                    "I-14: setting {id} is announced as {value}, and is {wanted}"
                )));
            }
        }
        Ok(())
    }

    /// The code is the application's, where that has given one; and nobody is refused for want of room who has some.
    fn judge_reset(&self, id: u32, code: u32) -> Result<(), Fault> {
        if let Some(&given) = self.app.codes.get(&id)
            && given != code
            && !self.peer.refused.contains(&id)
        {
            return Err(Fault::run(format!(
                "I-13: stream {id} is reset with {code}, where the application said {given}"
            )));
        }
        let open = self.peer.streams.iter();
        let open = open
            .filter(|(_, stream)| !stream.over || stream.uncredited > 0)
            .count();
        let may = open + self.app.streams.len() + self.app.taken.len();
        let own = self.app.codes.get(&id) == Some(&7);
        if self.role == Role::Server
            && code == 7
            && !own
            && !self.broken
            && !self.peer.refused.contains(&id)
            && may < self.bounds.streams
        {
            return Err(Fault::run(format!(
                "I-03: stream {id} is refused, of {may}"
            )));
        }
        Ok(())
    }

    fn judge_goaway(&self, last: u32, code: u32) -> Result<(), Fault> {
        const ALL: u32 = 0x7fff_ffff;
        if self.role == Role::Client || self.broken {
            return Ok(());
        }
        if last != ALL && last >= self.peer.next {
            return Err(Fault::run(format!(
                "I-13: GOAWAY names stream {last}, which was never opened"
            )));
        }
        // RFC 9113 §6.8: nobody's request is lost that is on its way.
        let first = self.told.goaway.is_none();
        let asks = self.app.can_ask();
        if code == 0 && first && asks && last != ALL && self.conn.lifecycle() == Lifecycle::Draining
        {
            return Err(Fault::run("I-13: a drain names its last stream at once"));
        }
        if code == 0 && first && !self.app.drained && !self.app.streams.is_empty() {
            return Err(Fault::run("I-27: drains as idle while it is used"));
        }
        Ok(())
    }
}
