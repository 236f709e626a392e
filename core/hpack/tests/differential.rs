//! Other decoders judge the same blocks the same way, but for four known
//! differences:
//!
//! 1. loona-hpack accepts size updates between fields, which RFC 7541 §4.2
//!    forbids.
//! 2. loona-hpack rejects a block of size updates alone, which is valid.
//! 3. h2 judges what fields contain while decoding them: such blocks are
//!    decoding errors there and fields here, for a layer above to judge.
//! 4. Both accept any number of size updates at the start of a block, of which
//!    RFC 7541 §4.2 never needs more than two.

mod common;
#[path = "common/generate.rs"]
mod generate;

use std::io::Cursor;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use common::{Field, Fields, block, unlimited};
use futures_core::Stream;
use generate::{Random, damage};
use h2::frame::Frame;
use raddle_hpack::{DecodeError, Decoder};

/// Whether a block holds size updates and nothing else.
fn only_size_updates(wire: &[u8], fields: &Fields) -> bool {
    !wire.is_empty() && fields.list.is_empty()
}

#[test]
fn loona_agrees() {
    let mut random = Random(1);
    let (mut valid, mut invalid, mut lax, mut strict) = (0, 0, 0, 0);
    for _ in 0..300 {
        let mut ours = Decoder::new(unlimited());
        let mut theirs = loona_hpack::Decoder::new();
        theirs.set_max_allowed_table_size(4096);
        for entries in 0..4 {
            let mut wire = generate::block(&mut random, entries * 2);
            if random.below(3) == 0 {
                damage(&mut random, &mut wire);
            }
            let verdict = block(&mut ours, &wire);
            let judged = theirs.decode(&wire);
            match (verdict, judged) {
                (Ok((fields, _)), Err(_)) if only_size_updates(&wire, &fields) => strict += 1,
                (Ok((fields, _)), Ok(list)) => {
                    assert_eq!(fields.list, list, "{wire:02x?}");
                    valid += 1;
                    continue;
                }
                (Err(DecodeError::SizeUpdateMisplaced), _) => lax += 1,
                (Err(_), Err(_)) => invalid += 1,
                (ours, theirs) => panic!("{ours:?}\n{theirs:?}\n{wire:02x?}"),
            }
            // Either of the two has given up on this connection.
            break;
        }
    }
    println!("valid {valid}, invalid {invalid}, loona lax {lax}, loona strict {strict}");
    assert!(valid > 100 && invalid > 50 && lax > 10);
}

type Codec = h2::Codec<Cursor<Vec<u8>>, Cursor<Bytes>>;

/// A codec that reads `blocks`, each as a HEADERS frame on a stream of its own.
fn codec(blocks: &[Vec<u8>]) -> Codec {
    let mut wire = Vec::new();
    for (n, block) in blocks.iter().enumerate() {
        let length = (block.len() as u32).to_be_bytes();
        wire.extend_from_slice(&length[1..]);
        // HEADERS with END_HEADERS.
        wire.extend_from_slice(&[0x01, 0x04]);
        wire.extend_from_slice(&(2 * n as u32 + 1).to_be_bytes());
        wire.extend_from_slice(block);
    }
    Codec::new(Cursor::new(wire))
}

/// Size updates at the start of a valid block.
fn leading_updates(mut wire: &[u8]) -> usize {
    let mut count = 0;
    while let [first @ 0x20..=0x3f, rest @ ..] = wire {
        count += 1;
        wire = rest;
        let mut more = *first == 0x3f;
        while let ([octet, rest @ ..], true) = (wire, more) {
            more = octet & 0x80 != 0;
            wire = rest;
        }
    }
    count
}

/// What h2 makes of a block.
enum Judged {
    Fields(Vec<Field>),
    /// The fields are no valid section, though the block decodes.
    Malformed,
    Invalid,
}

fn judge(codec: &mut Codec) -> Judged {
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready(Some(read)) = Pin::new(codec).poll_next(&mut context) else {
        panic!("a frame was fed");
    };
    match read {
        Ok(Frame::Headers(headers)) => {
            let fields = headers.fields().iter();
            let owned = fields.map(|(n, v)| (n.as_str().into(), v.as_bytes().to_vec()));
            let mut list: Vec<Field> = owned.collect();
            list.sort();
            Judged::Fields(list)
        }
        Ok(frame) => panic!("fed HEADERS, got {frame:?}"),
        // A decoding error ends the connection there, a malformed section resets
        // the stream.
        Err(error) if format!("{error:?}").starts_with("GoAway") => Judged::Invalid,
        Err(_) => Judged::Malformed,
    }
}

/// Whether no rule about names and values is broken by any of the fields.
fn plain(fields: &Fields) -> bool {
    fields.list.iter().all(|(name, value)| {
        let token = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-".contains(b);
        let text = |b: &u8| *b >= 0x20 && *b != 0x7f;
        !name.is_empty() && name.iter().all(token) && value.iter().all(text)
    })
}

#[test]
fn h2_agrees() {
    let mut random = Random(2);
    let (mut valid, mut invalid, mut content) = (0, 0, 0);
    for _ in 0..4000 {
        let blocks: Vec<Vec<u8>> = (0..4)
            .map(|entries| {
                let mut wire = generate::block(&mut random, entries * 2);
                if random.below(3) == 0 {
                    damage(&mut random, &mut wire);
                }
                wire
            })
            .collect();
        let mut ours = Decoder::new(unlimited());
        let mut theirs = codec(&blocks);
        for wire in &blocks {
            match (block(&mut ours, wire), judge(&mut theirs)) {
                (Ok((mut fields, _)), Judged::Fields(list)) => {
                    fields.list.retain(|(name, _)| !name.starts_with(b":"));
                    fields.list.sort();
                    assert_eq!(fields.list, list, "{wire:02x?}");
                    valid += 1;
                }
                (Ok(_), Judged::Malformed) => valid += 1,
                (Err(_), Judged::Invalid) => {
                    invalid += 1;
                    break;
                }
                (Ok((fields, _)), Judged::Invalid) if !plain(&fields) => {
                    content += 1;
                    break;
                }
                (Err(DecodeError::SizeUpdateMisplaced), _) if leading_updates(wire) > 2 => break,
                (ours, Judged::Invalid) => panic!("h2 rejects {wire:02x?}: {ours:?}"),
                (ours, _) => panic!("h2 accepts {wire:02x?}: {ours:?}"),
            }
        }
    }
    println!("valid {valid}, invalid {invalid}, content {content}");
    assert!(valid > 1000 && invalid > 1000);
}
