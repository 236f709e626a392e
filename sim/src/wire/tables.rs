//! I-12: after every header block, the dynamic tables of the encoder and of the decoder that reads it are alike.
//!
//! The observer's own decoder is between them: what the encoder has after its latest block, and what the peer's decoder
//! has after the same block, is what that one had.

use raddle_core::{Connection, Lifecycle};

use super::{Observer, hpack::Decoder, messages::Messages, observer::wrong};
use crate::outcome::Fault;

/// Digests of tables, and how far the blocks of the other direction were read.
#[derive(Debug)]
pub(super) struct Tables {
    /// After no block, and after each that was sent.
    sent: Vec<u64>,
    /// Blocks that were read.
    read: usize,
    /// A block was read in part.
    inside: bool,
    /// Blocks that had been read at the last look.
    seen: usize,
}

impl Tables {
    pub(super) fn push(&mut self, digest: u64) {
        self.sent.push(digest);
    }
}

impl Messages {
    /// A frame of a header block is read.
    pub(super) fn block_read(&mut self, ends: bool) {
        if let Some(tables) = &mut self.tables {
            tables.inside = !ends;
            tables.read += usize::from(ends);
        }
    }
}

impl Observer {
    /// Follows the tables from here on, which costs a look at each entry for each block.
    pub(crate) fn follow_tables(&mut self) {
        self.messages.tables = Some(Tables {
            sent: vec![Decoder::new().digest()],
            read: 0,
            inside: false,
            seen: 0,
        });
    }

    /// I-12, after `conn` has written. One that is over has let go of its tables.
    ///
    /// # Errors
    /// When its encoder has other entries than were sent.
    pub(crate) fn encoder_agrees(&self, conn: &Connection) -> Result<(), Fault> {
        let sent = self.messages.tables.as_ref();
        match sent.and_then(|tables| tables.sent.last()) {
            Some(&digest) if self.block.is_none() && conn.lifecycle() < Lifecycle::Closing => {
                let [encoder, _] = conn.audit_tables();
                agree("encoder", encoder, digest, self.messages.blocks_sent())
            }
            _ => Ok(()),
        }
    }

    /// I-12, after `conn`, which this one observes, has read what `peer` observes the sending of.
    ///
    /// # Errors
    /// When its decoder has other entries than were sent with the blocks that it has read.
    pub(crate) fn decoder_agrees(&mut self, conn: &Connection, peer: &Self) -> Result<(), Fault> {
        let (Some(own), Some(theirs)) = (&mut self.messages.tables, &peer.messages.tables) else {
            return Ok(());
        };
        if own.inside || own.seen == own.read || conn.lifecycle() >= Lifecycle::Closing {
            return Ok(());
        }
        own.seen = own.read;
        let digest = theirs.sent.get(own.read).copied();
        let digest = digest.ok_or_else(|| wrong("I-12: a block is read that was never sent"))?;
        let [_, decoder] = conn.audit_tables();
        agree("decoder", decoder, digest, own.read)
    }
}

impl Messages {
    fn blocks_sent(&self) -> usize {
        let tables = self.tables.as_ref();
        tables.map_or(0, |tables| tables.sent.len() - 1)
    }
}

fn agree(whose: &str, digest: u64, sent: u64, blocks: usize) -> Result<(), Fault> {
    if digest == sent {
        return Ok(());
    }
    Err(wrong(format!(
        "I-12: after {blocks} blocks the table of the {whose} has other entries than were sent"
    )))
}

#[cfg(test)]
mod tests {
    use bytes::{Buf, BytesMut};
    use raddle_core::{Config, RequestHead, Role, Then, Timestamp, Transmit};

    use super::*;
    use crate::wire::{Frame, kind};

    fn end(role: Role) -> (Connection, Observer) {
        let mut observer = Observer::new(role == Role::Client);
        observer.follow_tables();
        (
            Connection::new(role, Config::default(), Timestamp(0)),
            observer,
        )
    }

    fn write(conn: &mut Connection) -> Vec<u8> {
        let mut out = Transmit::new();
        conn.poll_transmit(&mut out, Timestamp(0));
        out.copy_to_bytes(out.remaining()).to_vec()
    }

    /// A request that fills the tables, and both ends once the server has read it.
    fn exchange() -> ((Connection, Observer), (Connection, Observer)) {
        let (mut client, mut server) = (end(Role::Client), end(Role::Server));
        let head = RequestHead::new(b"GET", b"https", Some(b"simulated"), b"/a");
        let head = head.field(b"x-a", b"some value").finish();
        let opened = client.0.open(head, Then::End);
        opened.map_err(|(error, _)| error).expect("there is room");
        let bytes = write(&mut client.0);
        client
            .1
            .sent(&bytes, None)
            .expect("nothing is wrong with it");
        server.1.arrived(&bytes);
        server
            .0
            .handle_input(&mut BytesMut::from(&bytes[..]), Timestamp(0));
        server.1.read(bytes.len());
        (client, server)
    }

    #[test]
    fn tables_are_alike_after_a_block() {
        let ((client, sent), (server, mut read)) = exchange();
        sent.encoder_agrees(&client).expect("it is what was sent");
        read.decoder_agrees(&server, &sent)
            .expect("and what was read");
        assert_eq!(sent.messages.blocks_sent(), 1);
        assert_ne!(
            Some(&client.audit_tables()[0]),
            sent.messages.tables.as_ref().and_then(|t| t.sent.first())
        );
    }

    #[test]
    fn an_entry_that_only_one_of_them_has_is_found() {
        let ((client, mut sent), (server, mut read)) = exchange();
        // A field that is added to the table, and the encoder knows nothing of it.
        let block = Frame::new(kind::HEADERS, 5, 3, b"\x82\x84\x87\x40\x01a\x01b");
        let mut forged = Vec::new();
        block.write(&mut forged);
        // What it judges of the request is another matter.
        let _ = sent.sent(&forged, None);
        let fault = sent.encoder_agrees(&client).expect_err("one entry more");
        assert!(fault.what.contains("I-12"), "{fault}");
        read.arrived(&forged);
        read.read(forged.len());
        let fault = read
            .decoder_agrees(&server, &sent)
            .expect_err("one entry less");
        assert!(fault.what.contains("decoder"), "{fault}");
    }
}
