//! Rarer freedoms of the peer, drawn from a lane of their own so that tapes from before them go on as they did.

use raddle_core::{Lifecycle, Role};

use super::World;
use crate::{
    outcome::Fault,
    wire::{Frame, kind},
};

/// The largest window, and the largest that the peer lets a stream begin with.
const WINDOW_MAX: u32 = 0x7fff_ffff;
pub(super) const BASE_MAX: u32 = 100_000;
/// Windows that open by a little, by less than a turn, by more, and by two of the longest.
pub(super) const SIZES_OF_GRANTS: [u32; 8] =
    [5_000, 1, 100, 16_384, 20_000, 40_000, 70_000, 140_000];
/// A kind of frame that nobody goes by any more.
const PRIORITY: u8 = 2;
/// Frames of the kind that a defence counts.
const IDLE_MAX: u32 = 20;
/// Settings of extensions: some, and the first of many. So many are kept of all.
const EXTENSIONS: [u16; 4] = [0xee00, 0x7, 0xa, 0x10];
const MANY: u16 = 0xf000;
const KEPT: usize = 16;
/// An error code that no document defines.
const CODE_UNKNOWN: u32 = 0xbeef;

impl World<'_> {
    /// Does one of them, sometimes; answers whether it did.
    pub(super) fn peer_more(&mut self) -> Result<bool, Fault> {
        if !self.tape.lane("peer more").chance(1, 12) {
            return Ok(false);
        }
        match self.tape.below(8) {
            0 if self.role == Role::Client => self.send_setting(3, 0),
            1 => self.reset_unknown(),
            2 => self.send_extension(),
            7 if self.role == Role::Server => self.send_urgency(),
            3 if self.peer.idle < IDLE_MAX => self.answer_nothing()?,
            4 if self.peer.idle < IDLE_MAX => self.look_back(),
            5 => {
                let size = self.tape.pick(&[16_384, 26_384]);
                self.send_setting(5, size);
            }
            _ => self.widen(),
        }
        Ok(true)
    }

    fn send_setting(&mut self, id: u16, value: u32) {
        let payload = [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
        self.deliver(&Frame::new(kind::SETTINGS, 0, 0, &payload));
    }

    /// A setting that only an extension knows (RFC 9113 §5.5).
    fn send_extension(&mut self) {
        let id = self.tape.pick(&EXTENSIONS);
        let value = self.tape.below(3) as u32;
        let many = self.tape.lane("extensions").chance(1, 4);
        let (first, count) = match many {
            true => (
                MANY + self.tape.below(8) as u16,
                self.tape.between(1, 16) as u16,
            ),
            false => (id, 1),
        };
        let mut payload = Vec::new();
        for id in first..first + count {
            payload.extend_from_slice(&id.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
            if self.peer.extensions.len() < KEPT || self.peer.extensions.contains_key(&id) {
                self.peer.extensions.insert(id, value);
            }
        }
        self.deliver(&Frame::new(kind::SETTINGS, 0, 0, &payload));
    }

    /// I-14: what an extension has set is told as it was set last.
    pub(super) fn judge_extensions(&self) -> Result<(), Fault> {
        if self.peer.extensions.is_empty() {
            return Ok(());
        }
        let many = MANY..MANY + 24;
        for id in EXTENSIONS.into_iter().chain(many) {
            let value = self.peer.extensions.get(&id).copied();
            let told = self.conn.peer_setting(id);
            if told != value {
                return Err(Fault::run(format!(
                    "I-14: setting {id:x} is {value:?}, and is told as {told:?}"
                )));
            }
        }
        Ok(())
    }

    /// An answer to what was never asked.
    fn answer_nothing(&mut self) -> Result<(), Fault> {
        self.peer.idle += 1;
        if self.observer.is_acknowledged() && self.tape.lane("acks").chance(1, 3) {
            return self.acknowledge_nothing();
        }
        self.tape.lane("peer more");
        self.marks.hit("F11");
        match self.tape.chance(1, 2) {
            true => self.deliver(&Frame::new(kind::PING, 1, 0, &[0xee; 8])),
            false => self.deliver(&Frame::new(kind::PING, 1, 0, &[0; 8])),
        }
        Ok(())
    }

    /// D13: SETTINGS are acknowledged that nobody has sent. It is counted, and nothing else changes.
    fn acknowledge_nothing(&mut self) -> Result<(), Fault> {
        self.turn()?;
        if self.conn.lifecycle() >= Lifecycle::Closing {
            return Ok(());
        }
        self.marks.hit("D13");
        let state = |world: &Self| {
            let audit = world.conn.audit();
            let windows = (audit.window, audit.held, world.conn.receive_window());
            (windows, world.conn.openable(), world.conn.lifecycle())
        };
        let before = (state(self), self.conn.stats().defences.settings);
        self.deliver(&Frame::new(kind::SETTINGS, 1, 0, &[]));
        self.turn()?;
        let after = (state(self), self.conn.stats().defences.settings);
        if after != (before.0, before.1 + 1) {
            return Err(Fault::run(format!(
                "I-14: SETTINGS that nobody sent are acknowledged: {before:?} becomes {after:?}"
            )));
        }
        Ok(())
    }

    /// Something about a stream that has ended, which nobody minds.
    fn look_back(&mut self) {
        self.peer.idle += 1;
        let found = self
            .peer
            .streams
            .iter()
            .rev()
            .find(|(_, stream)| stream.over);
        let Some((&id, _)) = found else { return };
        match self.tape.chance(1, 2) {
            true => self.deliver(&Frame::new(kind::WINDOW_UPDATE, 0, id, &[0, 0, 0, 9])),
            false => self.deliver(&Frame::new(PRIORITY, 0, id, &[0, 0, 0, 0, 9])),
        }
    }

    /// How urgent a request is, or one that is still to come (RFC 9218 §7.1).
    fn send_urgency(&mut self) {
        let id = match self.tape.chance(1, 2) {
            true => self.some_stream(|_| true),
            false => Some(self.peer.next).filter(|next| *next <= WINDOW_MAX),
        };
        let Some(id) = id else { return };
        let text = self.tape.pick(&["u=0", "u=7", "u=2, i", "u=3"]);
        let payload = [&id.to_be_bytes()[..], text.as_bytes()].concat();
        self.deliver(&Frame::new(kind::PRIORITY_UPDATE, 0, 0, &payload));
        // The last word counts, also about one that comes later.
        while self.tape.lane("urgency").chance(1, 2) {
            let later = 2 * self.tape.pick(&[0, 0, 1, 5]);
            let id = id.saturating_add(later).min(WINDOW_MAX);
            self.update_urgency(id);
        }
        self.tape.lane("peer more");
    }

    fn reset_unknown(&mut self) {
        let Some(id) = self.some_stream(|stream| !stream.over) else {
            return;
        };
        self.peer.said.insert(id, CODE_UNKNOWN);
        let code = CODE_UNKNOWN.to_be_bytes();
        self.deliver(&Frame::new(kind::RST_STREAM, 0, id, &code));
        if let Some(stream) = self.peer.streams.get_mut(&id) {
            stream.over = true;
        }
    }

    /// The window of a stream becomes the largest that there is. What was not used of it is not given again, and no
    /// stream begins with more: so it never overflows.
    fn widen(&mut self) {
        let fits = self.some_stream(|stream| !stream.over && !stream.wide);
        let Some(id) = fits.filter(|&id| self.observer.is_fresh(id)) else {
            return;
        };
        if let Some(stream) = self.peer.streams.get_mut(&id) {
            stream.wide = true;
        }
        self.send_setting(4, BASE_MAX);
        let increment = (WINDOW_MAX - BASE_MAX).to_be_bytes();
        self.deliver(&Frame::new(kind::WINDOW_UPDATE, 0, id, &increment));
    }
}
