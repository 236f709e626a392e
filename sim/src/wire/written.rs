//! How much of what one end sends its transport has taken, and which header blocks are not taken whole.

use std::collections::VecDeque;

use super::{Passing, frame::PREFACE, kind};

/// Bytes before the payload of a frame (RFC 9113 §4.1).
const HEAD: u64 = 9;

/// The frames of a header block, as a stretch of all that is sent.
#[derive(Debug)]
struct Block {
    stream: u32,
    begin: u64,
    end: u64,
    frames: u32,
    /// It opens its stream.
    opens: bool,
}

#[derive(Debug)]
pub(super) struct Written {
    /// Bytes that were sent, and those of them that the transport has taken.
    sent: u64,
    taken: u64,
    /// Blocks that it has not taken to their last byte.
    blocks: VecDeque<Block>,
    /// The newest stream of which there was one.
    newest: u32,
}

impl Written {
    pub(super) fn new(client: bool) -> Self {
        Self {
            sent: if client { PREFACE.len() as u64 } else { 0 },
            taken: 0,
            blocks: VecDeque::new(),
            newest: 0,
        }
    }

    /// A frame is sent.
    pub(super) fn note(&mut self, frame: &Passing<'_>) {
        let begin = self.sent;
        self.sent += HEAD + frame.payload.len() as u64;
        match (frame.kind, self.blocks.back_mut()) {
            (kind::HEADERS, _) => {
                self.blocks.push_back(Block {
                    stream: frame.stream,
                    begin,
                    end: self.sent,
                    frames: 1,
                    opens: frame.stream > self.newest,
                });
                self.newest = self.newest.max(frame.stream);
            }
            (kind::CONTINUATION, Some(block)) => {
                block.end = self.sent;
                block.frames += 1;
            }
            _ => {}
        }
    }

    /// All but so many bytes are taken.
    pub(super) fn left(&mut self, bytes: usize) {
        self.taken = self.sent.saturating_sub(bytes as u64);
        let taken = self.taken;
        while self
            .blocks
            .pop_front_if(|block| block.end <= taken)
            .is_some()
        {}
    }

    /// Whether the transport has taken a part of a block that is more than one frame.
    pub(super) fn is_inside_block(&self) -> bool {
        let first = self.blocks.front();
        first.is_some_and(|block| block.frames > 1 && block.begin < self.taken)
    }

    /// Whether the transport has not taken all of the block that opens this stream.
    pub(super) fn holds_first(&self, stream: u32) -> bool {
        let mut blocks = self.blocks.iter();
        blocks.any(|block| block.stream == stream && block.opens)
    }

    /// Whether the transport has not taken all of a block of this stream.
    pub(super) fn holds(&self, stream: u32) -> bool {
        self.blocks.iter().any(|block| block.stream == stream)
    }
}
