//! Rarer freedoms of the peer, drawn from a lane of their own so that tapes from before them go on as they did.

use raddle_core::Role;

use super::World;
use crate::wire::{Frame, kind};

/// The largest window, and the largest that the peer lets a stream begin with.
const WINDOW_MAX: u32 = 0x7fff_ffff;
const BASE_MAX: u32 = 100_000;
/// An error code that no document defines.
const CODE_UNKNOWN: u32 = 0xbeef;

impl World<'_> {
    /// Does one of them, sometimes; answers whether it did.
    pub(super) fn peer_more(&mut self) -> bool {
        if !self.tape.lane("peer more").chance(1, 12) {
            return false;
        }
        match self.tape.below(3) {
            0 if self.role == Role::Client => self.send_setting(3, 0),
            1 => self.reset_unknown(),
            _ => self.widen(),
        }
        true
    }

    fn send_setting(&mut self, id: u16, value: u32) {
        let payload = [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
        self.deliver(&Frame::new(kind::SETTINGS, 0, 0, &payload));
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
        let fits = self.some_stream(|stream| !stream.over);
        let Some(id) = fits.filter(|&id| self.observer.is_fresh(id)) else {
            return;
        };
        self.send_setting(4, BASE_MAX);
        let increment = (WINDOW_MAX - BASE_MAX).to_be_bytes();
        self.deliver(&Frame::new(kind::WINDOW_UPDATE, 0, id, &increment));
    }
}
