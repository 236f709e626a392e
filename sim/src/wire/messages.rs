//! The header blocks that one end sends: what is in them (I-12), and the order of the parts of a message.

use bytes::Bytes;

use super::{
    Passing,
    by_id::ById,
    hpack::{Block, Decoder},
    observer::wrong,
    tables::Tables,
};
use crate::outcome::Fault;

const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;

/// How far the message on a stream has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Nothing,
    Head,
    Trailers,
}

#[derive(Debug)]
pub(super) struct Messages {
    client: bool,
    decoder: Decoder,
    /// The tables after each block, when they are wanted.
    pub(super) tables: Option<Tables>,
    /// What the peer lets the table be, and the smallest that it was since the last block.
    table_max: usize,
    table_smallest: Option<usize>,
    /// The block that is on its way, and whether its HEADERS ends the stream.
    block: Vec<u8>,
    ends: bool,
    phases: ById<Phase>,
    /// What applications have sent, in order, as lines. Judged only when somebody tells.
    expected: Vec<(u32, Bytes)>,
    told: bool,
    lines: Vec<u8>,
    /// The largest list that the peer has ever taken, and whether it takes CONNECT with a protocol.
    pub(super) list_max: u32,
    pub(super) takes_protocols: bool,
    begun: bool,
    /// Blocks that were compared with what was sent.
    pub(super) compared: u64,
}

impl Messages {
    pub(super) fn new(client: bool) -> Self {
        Self {
            client,
            decoder: Decoder::new(),
            tables: None,
            table_max: 4_096,
            table_smallest: None,
            block: Vec::new(),
            ends: false,
            phases: ById::default(),
            expected: Vec::new(),
            told: false,
            lines: Vec::new(),
            list_max: u32::MAX,
            takes_protocols: false,
            begun: false,
            compared: 0,
        }
    }

    /// The peer sets the size of the table.
    pub(super) fn limit_table(&mut self, size: u32) {
        let size = size as usize;
        self.table_max = size;
        self.table_smallest = Some(self.table_smallest.map_or(size, |s| s.min(size)));
    }

    /// The application sends a head or trailers.
    pub(super) fn expect(&mut self, stream: u32, lines: Bytes) {
        self.told = true;
        self.expected.push((stream, lines));
    }

    /// The stream has ended: whatever it has not sent is not sent any more.
    pub(super) fn forget(&mut self, stream: u32) {
        self.expected.retain(|&(id, _)| id != stream);
    }

    /// The size that the encoder has announced last, once there was a block.
    pub(super) fn table_size(&self) -> Option<usize> {
        self.begun.then(|| self.decoder.size_max())
    }

    /// Bytes of the encoder's table.
    pub(super) fn table_bytes(&self) -> usize {
        self.decoder.size()
    }

    /// DATA is sent.
    pub(super) fn judge_data(&self, stream: u32) -> Result<(), Fault> {
        match self.phases.get(stream) {
            Some(Phase::Head) => Ok(()),
            phase => Err(wrong(format!("I-07: DATA in a message that has {phase:?}"))),
        }
    }

    /// HEADERS or CONTINUATION is sent.
    pub(super) fn judge(&mut self, frame: &Passing<'_>, begins: bool) -> Result<(), Fault> {
        let mut part = frame.payload;
        if begins {
            self.block.clear();
            self.ends = frame.ends_stream();
            if frame.flags & PADDED != 0 {
                let padding = part.first().map_or(0, |&len| usize::from(len));
                let end = part.len().saturating_sub(padding);
                part = part.get(1..end).unwrap_or_default();
            }
            if frame.flags & PRIORITY != 0 {
                part = part.get(5..).unwrap_or_default();
            }
        }
        if begins && frame.ends_headers() {
            return self.judge_block(frame.stream, part);
        }
        self.block.extend_from_slice(part);
        if frame.ends_headers() {
            let block = std::mem::take(&mut self.block);
            self.judge_block(frame.stream, &block)?;
            self.block = block;
        }
        Ok(())
    }

    /// Whether the final head of a message was sent.
    pub(super) fn has_head(&self, stream: u32) -> bool {
        let phase = self.phases.get(stream);
        phase.is_some_and(|phase| !matches!(phase, Phase::Nothing))
    }

    fn judge_block(&mut self, stream: u32, block: &[u8]) -> Result<(), Fault> {
        self.lines.clear();
        self.begun = true;
        let told_before = self.decoder.size_max();
        let found = self
            .decoder
            .decode(block, &mut self.lines)
            .map_err(|what| wrong(format!("I-12: {what}, in {block:02x?}")))?;
        if let Some(tables) = &mut self.tables {
            tables.push(self.decoder.digest());
        }
        // RFC 7541 §4.2: of several sizes between two blocks the smallest is announced.
        if let Some(smallest) = self.table_smallest.take()
            && smallest < told_before
            && found.smallest.is_none_or(|told| told > smallest)
        {
            return Err(wrong(format!(
                "I-12: a table size of {smallest} was never announced, but {:?}",
                found.smallest
            )));
        }
        if self.decoder.size_max() > self.table_max {
            return Err(wrong("I-12: a larger table than the peer has"));
        }
        if found.size > self.list_max as usize {
            return Err(wrong("I-09: a list larger than the peer takes"));
        }
        // RFC 8441 §4.
        let protocol = self.client && self.lines.windows(10).any(|part| part == b":protocol:");
        if protocol && !self.takes_protocols {
            return Err(wrong("I-09: a protocol that the peer has not asked for"));
        }
        self.judge_order(stream, found)?;
        if !self.told {
            return Ok(());
        }
        let at = self.expected.iter().position(|&(id, _)| id == stream);
        let sent = at.map(|at| self.expected.remove(at).1);
        if sent.as_deref() != Some(&self.lines[..]) {
            let text = |lines: &[u8]| String::from_utf8_lossy(lines).into_owned();
            return Err(wrong(format!(
                "I-12: a block of {:?}, where {:?} was sent",
                text(&self.lines),
                sent.as_deref().map(text)
            )));
        }
        self.compared += 1;
        Ok(())
    }

    /// RFC 9113 §8.1 and §8.3: heads, of which interim ones may come first; then trailers, which end the message.
    fn judge_order(&mut self, stream: u32, block: Block) -> Result<(), Fault> {
        let pseudo = block.pseudo;
        if block.mixed {
            return Err(wrong("I-07: a pseudo-field behind others"));
        }
        let interim = !self.client && self.lines.starts_with(b":status: 1");
        let phase = self.phases.or_default(stream);
        *phase = match (*phase, pseudo > 0) {
            (Phase::Nothing, true) if interim && !self.ends => Phase::Nothing,
            (Phase::Nothing, true) if !interim => Phase::Head,
            (Phase::Head, false) if self.ends => Phase::Trailers,
            (before, _) => {
                return Err(wrong(format!(
                    "I-07: a block of {pseudo} pseudo-fields, after {before:?}, end: {}",
                    self.ends
                )));
            }
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Frame, kind};

    fn judged(client: bool, blocks: &[(&[u8], u8)], expected: &str) -> Result<(), Fault> {
        let mut messages = Messages::new(client);
        messages.expect(1, Bytes::copy_from_slice(expected.as_bytes()));
        blocks.iter().try_for_each(|&(block, flags)| {
            messages.judge(&Frame::new(kind::HEADERS, flags, 1, block).passing(), true)
        })
    }

    #[test]
    fn a_block_of_what_was_sent_passes_and_no_other() {
        let get = ":method: GET\n:path: /\n";
        judged(true, &[(&[0x82, 0x84], 5)], get).expect("what was sent");
        let fault = judged(true, &[(&[0x83, 0x84], 5)], get).expect_err("another method");
        assert!(fault.what.contains("I-12"), "{fault}");
        let fault = judged(true, &[(&[0x82, 0xbe], 5)], get).expect_err("no such entry");
        assert!(fault.what.contains("I-12"), "{fault}");
    }

    #[test]
    fn messages_have_their_parts_in_order() {
        let ok = ":status: 200\n";
        for blocks in [
            &[(&[0x88][..], 4), (&[0x88][..], 5)][..],
            &[(&[0x88], 4), (b"\x00\x01a\x01b", 4)],
            &[(b"\x08\x03103", 5)],
            &[(b"\x00\x01a\x01b\x88", 4)],
        ] {
            assert!(judged(false, blocks, ok).is_err(), "{blocks:02x?}");
        }
    }
}
