//! Bounds, to the last of what they let pass and the first of what they do not.

use raddle_core::{Lifecycle, Role};

use super::{
    World,
    wrong::{
        Answer::{Connection, Stream},
        BOUND, FLOW, FRAME_MAX, Place,
    },
};
use crate::{
    outcome::Fault,
    wire::{Frame, kind},
};

/// The largest window (RFC 9113 §6.9.1).
const WINDOW_MAX: i64 = 0x7fff_ffff;

impl World<'_> {
    /// What costs more than any honest peer asks for.
    pub(super) fn without_bound(&mut self) -> Result<(), Fault> {
        let mut frames = Vec::new();
        match self.tape.below(4) {
            0 => {
                // As many as there may be, and one more.
                let entry = [0xee, 0xee, 0, 0, 0, 0];
                let most = self.bounds.entries as usize;
                self.let_pass(&[Frame::new(kind::SETTINGS, 0, 0, &entry.repeat(most))])?;
                frames.push(Frame::new(kind::SETTINGS, 0, 0, &entry.repeat(most + 1)));
            }
            1 if self.role == Role::Client => return self.inform_for_ever(),
            choice => {
                let Some(id) = self.some_place_for_a_block() else {
                    return Ok(());
                };
                let (count, part) = match choice {
                    1 => (40, Vec::new()),
                    2 => (1, b"\x00\x01a\x01b".to_vec()),
                    // A field that does not end.
                    _ => (1, vec![0; 1]),
                };
                let mut begin = self.peer.writer.begin(self.tape.lane("tables"));
                if choice > 2 {
                    begin.extend_from_slice(b"\x00\x7f\xff\xff\x07");
                }
                frames.push(Frame::new(kind::HEADERS, 0, id, &begin));
                let part = Frame::new(kind::CONTINUATION, 0, id, &part);
                if choice > 2 {
                    let most = (4 * self.bounds.list_bytes as usize).max(FRAME_MAX);
                    let mut left = most - begin.len();
                    while left > 0 {
                        let part = vec![0; left.min(FRAME_MAX)];
                        left -= part.len();
                        frames.push(Frame::new(kind::CONTINUATION, 0, id, &part));
                    }
                    self.let_pass(&frames)?;
                    frames.clear();
                }
                if choice == 2 {
                    frames.extend(vec![part.clone(); self.bounds.continuations as usize]);
                    self.let_pass(&frames)?;
                    frames.clear();
                }
                frames.extend(vec![part; count]);
            }
        }
        self.judge_wrong(&frames, Connection(BOUND))
    }

    /// What is within a bound costs nothing.
    fn let_pass(&mut self, frames: &[Frame]) -> Result<(), Fault> {
        frames.iter().for_each(|frame| self.deliver(frame));
        self.turn()?;
        match self.conn.lifecycle() {
            Lifecycle::Closing | Lifecycle::Closed => Err(Fault::run(format!(
                "I-28: ends for {} frames that are within its bounds: {:?}",
                frames.len(),
                self.conn.error()
            ))),
            _ => Ok(()),
        }
    }

    /// Interim responses, one after the other.
    fn inform_for_ever(&mut self) -> Result<(), Fault> {
        let id = self.stream_at(Place::Live);
        let Some(id) = id.filter(|id| !self.peer.streams[id].head) else {
            return Ok(());
        };
        // As many as there may be, and then one more.
        let heard = |world: &Self| {
            let mut streams = world.app.streams.values();
            streams
                .find(|live| live.id == Some(id))
                .map(|live| live.interims)
        };
        let Some(before) = heard(self) else {
            return Ok(());
        };
        let most = u32::from(self.bounds.interims);
        for _ in before..most {
            let block = self.block(b"\x08\x03103");
            self.deliver(&Frame::new(kind::HEADERS, 4, id, &block));
            self.turn()?;
        }
        if heard(self) != Some(most.max(before)) {
            return Err(Fault::run(format!(
                "I-28: of {most} interim responses that may come on stream {id} the application has heard {:?}",
                heard(self)
            )));
        }
        let block = self.block(b"\x08\x03103");
        self.judge_wrong(&[Frame::new(kind::HEADERS, 4, id, &block)], Stream(&[11]))
    }

    /// A window of `room` becomes the largest that there is, which it may be. What the engine sends for that it gets again.
    fn widen_by(&mut self, stream: u32, mut room: i64) -> Result<(), Fault> {
        while room < WINDOW_MAX {
            let increment = (WINDOW_MAX - room) as u32;
            let update = Frame::new(kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes());
            self.let_pass(&[update])?;
            let (of_stream, of_all) = self.observer.rooms(stream);
            room = if stream == 0 { of_all } else { of_stream };
            if stream > 0 && !self.observer.lacks_end(stream) {
                break;
            }
        }
        Ok(())
    }

    /// A window that becomes larger than 31 bits (RFC 9113 §6.9.1 and §6.9.2).
    pub(super) fn overflow(&mut self) -> Result<(), Fault> {
        let Some(id) = self.stream_at(Place::Live) else {
            return Ok(());
        };
        let most = |stream| Frame::new(kind::WINDOW_UPDATE, 0, stream, &[0x7f, 255, 255, 255]);
        let one = |stream| Frame::new(kind::WINDOW_UPDATE, 0, stream, &[0, 0, 0, 1]);
        let base = |value: u32| {
            let payload = [&[0, 4][..], &value.to_be_bytes()].concat();
            Frame::new(kind::SETTINGS, 0, 0, &payload)
        };
        let (frames, answer) = match self.tape.below(3) {
            0 => {
                let (_, room) = self.observer.rooms(id);
                self.widen_by(0, room)?;
                (vec![one(0)], Connection(&[FLOW]))
            }
            1 if self.observer.lacks_end(id) && self.tape.chance(1, 2) => {
                let (room, _) = self.observer.rooms(id);
                self.widen_by(id, room)?;
                if !self.observer.lacks_end(id) {
                    return Ok(());
                }
                (vec![one(id)], Stream(&[FLOW]))
            }
            1 if self.observer.lacks_end(id) => (vec![most(id), most(id)], Stream(&[FLOW])),
            _ if self.observer.lacks_end(id) => {
                let (room, _) = self.observer.rooms(id);
                let spent = self.observer.base() - room;
                let more = (0x7fff_ffff + spent).clamp(1, 0x7fff_ffff) as u32;
                let update = Frame::new(kind::WINDOW_UPDATE, 0, id, &more.to_be_bytes());
                (
                    vec![base(0), update, base(0x7fff_ffff)],
                    Connection(&[FLOW]),
                )
            }
            _ => return Ok(()),
        };
        self.judge_wrong(&frames, answer)
    }
}
