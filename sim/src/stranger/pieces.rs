//! Bodies of the peer's: large and small pieces mixed, several at once, each byte another than its neighbours.

use raddle_core::StreamHandle;

use super::World;
use crate::{
    outcome::Fault,
    wire::{Frame, kind},
};

/// Sizes around those at which engines begin to copy, to share and to cut.
const SIZES: [usize; 12] = [
    1, 10, 63, 64, 500, 1_000, 1_023, 1_024, 1_025, 1_100, 3_000, 16_000,
];

/// The byte of a body at `at`. Neighbours are different, and so are pieces of any length in use.
fn byte(id: u32, at: usize) -> u8 {
    (at as u32)
        .wrapping_mul(31)
        .wrapping_add((at / 251) as u32)
        .wrapping_add(id) as u8
}

impl World<'_> {
    /// The next `len` bytes of the body on a stream.
    pub(super) fn write_body(&mut self, id: u32, len: usize, payload: &mut Vec<u8>) {
        let stream = self.peer.streams.entry(id).or_default();
        payload.extend((stream.body..stream.body + len).map(|at| byte(id, at)));
        stream.body += len;
    }

    /// I-04: what is told of a body is what comes next in it, and no more at once than a frame may bring.
    pub(super) fn hear_data(&mut self, stream: StreamHandle, data: &[u8]) -> Result<(), Fault> {
        self.app.tally.heard += data.len() as u64;
        let Some(live) = self.app.streams.get_mut(&stream) else {
            return Err(Fault::run("I-01: data behind the end"));
        };
        let begin = live.heard;
        live.heard += data.len();
        let Some(id) = self.conn.stream_id(stream).map(|id| id.to_u32()) else {
            return Ok(());
        };
        if data.len() > self.frame_max() {
            return Err(Fault::run(format!(
                "I-17: {} bytes of a body at once, where a frame may have {}",
                data.len(),
                self.frame_max()
            )));
        }
        let other = (begin..).zip(data).find(|&(at, &got)| got != byte(id, at));
        match other {
            Some((at, _)) if !self.broken => Err(Fault::run(format!(
                "I-04: another byte than was sent, on stream {id} at {at}"
            ))),
            _ => Ok(()),
        }
    }

    /// Several frames of a body in a row, on one stream or two in turns.
    pub(super) fn send_pieces(&mut self) {
        let takes = |world: &mut Self| {
            world.some_stream(|stream| stream.head && !stream.end && stream.left.is_none())
        };
        let both = [takes(self), takes(self)];
        for _ in 0..self.tape.between(2, 12) {
            let Some(id) = both[self.tape.index(2)] else {
                return;
            };
            let stream = &self.peer.streams[&id];
            let room = stream.window.min(self.peer.window).max(0) as usize;
            let len = self.tape.pick(&SIZES).min(room);
            let end = self.tape.chance(1, 12);
            if stream.end || stream.over || (len == 0 && !end) {
                continue;
            }
            let mut payload = Vec::with_capacity(len);
            self.write_body(id, len, &mut payload);
            self.peer.spend(id, len as u64);
            self.deliver(&Frame::new(kind::DATA, u8::from(end), id, &payload));
            self.tape.lane("pieces");
            self.finish_half(id, end);
        }
    }
}
