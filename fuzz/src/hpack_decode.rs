//! Any bytes as header blocks, judged as loona-hpack and h2 judge them, but for five differences:
//!
//! 1. loona-hpack takes size updates between fields, which RFC 7541 §4.2 forbids.
//! 2. loona-hpack refuses a block of size updates alone, which is valid.
//! 3. Both take any number of size updates at the start of a block, of which RFC 7541 §4.2 never needs more than two.
//! 4. h2 judges names and values while it decodes: what is no field of HTTP is a decoding error there, and a field for
//!    a layer above to judge here.
//! 5. Both refuse integers of more than five octets, whatever their value, and here they may have six, which is what 32 bits
//!    take. RFC 7541 §5.1 leaves that limit to each.
//!
//! The first byte of the input cuts the rest into blocks of one connection: `fuzz/smoke hpack_decode 60` runs it for a
//! minute.

use std::{
    io::Cursor,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use futures_core::Stream;
use h2::frame::Frame;
use raddle_hpack::{DecodeError, Decoder, DecoderConfig, Sink};

/// Octets of the longest integer that the other two take, its prefix included.
const INTEGER_OCTETS: usize = 5;

/// The fields of a block.
#[derive(Debug, Default, PartialEq, Eq)]
struct Fields(Vec<(Vec<u8>, Vec<u8>)>);

impl Sink for Fields {
    fn field(&mut self, name: &[u8], value: &[u8], _: bool) {
        self.0.push((name.to_vec(), value.to_vec()));
    }
}

fn decoder() -> Decoder {
    Decoder::new(DecoderConfig {
        table_size_max: 4_096,
        list_size_max: u32::MAX,
        fields_max: u32::MAX,
        string_len_max: u32::MAX,
    })
}

/// One block in pieces of `cut` bytes.
fn decode(decoder: &mut Decoder, block: &[u8], cut: usize) -> Result<Fields, DecodeError> {
    let mut fields = Fields::default();
    for piece in block.chunks(cut) {
        decoder.decode(piece, &mut fields)?;
    }
    let _ = decoder.finish()?;
    Ok(fields)
}

/// loona-hpack's verdict on a block, until it has given up or may have gone another way.
struct Loona(Option<loona_hpack::Decoder<'static>>);

impl Loona {
    fn new() -> Self {
        let mut decoder = loona_hpack::Decoder::new();
        decoder.set_max_allowed_table_size(4_096);
        Self(Some(decoder))
    }

    fn compare(&mut self, block: &[u8], ours: &Result<Fields, DecodeError>) {
        let Some(decoder) = &mut self.0 else {
            return;
        };
        match (ours, decoder.decode(block)) {
            (Ok(fields), Ok(list)) => {
                assert_eq!(fields.0, list, "loona-hpack reads other fields");
                return;
            }
            // The second difference, and the fifth.
            (Ok(fields), Err(error)) => {
                let updates_alone = fields.0.is_empty() && !block.is_empty();
                let known = updates_alone || longest_integer(block) > INTEGER_OCTETS;
                assert!(known, "loona-hpack: {error:?}");
            }
            // The first and the third.
            (Err(DecodeError::SizeUpdateMisplaced), _) | (Err(_), Err(_)) => {}
            (Err(error), Ok(list)) => panic!("{error:?}, but loona-hpack reads {list:?}"),
        }
        self.0 = None;
    }
}

/// What h2 makes of a block.
enum Judged {
    /// The fields but for pseudo-fields, in the order of their bytes.
    Fields(Vec<(Vec<u8>, Vec<u8>)>),
    /// They are no header section, though the block decodes.
    Malformed,
    Invalid,
}

/// h2's verdict on blocks, each as a HEADERS frame on a stream of its own.
struct Theirs(Option<h2::Codec<Cursor<Vec<u8>>, Cursor<Bytes>>>);

impl Theirs {
    fn new(blocks: &[&[u8]]) -> Self {
        let mut wire = Vec::new();
        for (n, block) in blocks.iter().enumerate() {
            let length = (block.len() as u32).to_be_bytes();
            wire.extend_from_slice(&length[1..]);
            // HEADERS with END_HEADERS.
            wire.extend_from_slice(&[0x01, 0x04]);
            wire.extend_from_slice(&(2 * n as u32 + 1).to_be_bytes());
            wire.extend_from_slice(block);
        }
        Self(Some(h2::Codec::new(Cursor::new(wire))))
    }

    /// Judges the next block.
    fn judge(&mut self) -> Option<Judged> {
        let codec = Pin::new(self.0.as_mut()?);
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(Some(read)) = codec.poll_next(&mut context) else {
            panic!("h2 was fed a frame for every block");
        };
        Some(match read {
            Ok(Frame::Headers(headers)) => {
                let fields = headers.fields().iter();
                let owned = fields.map(|(n, v)| (n.as_str().into(), v.as_bytes().to_vec()));
                let mut list: Vec<(Vec<u8>, Vec<u8>)> = owned.collect();
                list.sort();
                Judged::Fields(list)
            }
            Ok(frame) => panic!("h2 was fed HEADERS and read {frame:?}"),
            // A decoding error ends the connection there, a malformed section resets the stream.
            Err(error) if format!("{error:?}").starts_with("GoAway") => Judged::Invalid,
            Err(_) => Judged::Malformed,
        })
    }

    fn compare(&mut self, block: &[u8], ours: &Result<Fields, DecodeError>) {
        let Some(judged) = self.judge() else {
            return;
        };
        match (ours, judged) {
            (Ok(fields), Judged::Fields(list)) => {
                let mut fields = fields.0.clone();
                fields.retain(|(name, _)| !name.starts_with(b":"));
                fields.sort();
                assert_eq!(fields, list, "h2 reads other fields");
                return;
            }
            (Ok(_), Judged::Malformed) => return,
            (Err(_), Judged::Invalid) => {}
            // The fourth difference, and the fifth.
            (Ok(fields), Judged::Invalid) => {
                let known = !plain(fields) || longest_integer(block) > INTEGER_OCTETS;
                assert!(known, "h2 refuses {fields:?}");
            }
            // The third.
            (Err(DecodeError::SizeUpdateMisplaced), _) if leading_updates(block) > 2 => {}
            (Err(error), _) => panic!("{error:?}, but h2 reads the block"),
        }
        self.0 = None;
    }
}

/// Whether every name and value is one of HTTP.
fn plain(fields: &Fields) -> bool {
    fields.0.iter().all(|(name, value)| {
        let token = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
        let text = |b: &u8| *b >= 0x20 && *b != 0x7f;
        !name.is_empty() && name.iter().all(token) && value.iter().all(text)
    })
}

/// Size updates at the start of a block.
fn leading_updates(mut block: &[u8]) -> usize {
    let mut count = 0;
    while let [first @ 0x20..=0x3f, rest @ ..] = block {
        count += 1;
        block = rest;
        let mut more = *first == 0x3f;
        while let ([octet, rest @ ..], true) = (block, more) {
            more = octet & 0x80 != 0;
            block = rest;
        }
    }
    count
}

/// Octets of the longest integer in a block that decodes (RFC 7541 §5.1, §6).
fn longest_integer(mut block: &[u8]) -> usize {
    let mut longest = 0;
    while let [first, ..] = block {
        let (mask, is_literal) = match first {
            0x80.. => (0x7f, false),
            0x40.. => (0x3f, true),
            0x20.. => (0x1f, false),
            _ => (0x0f, true),
        };
        let index = integer(&mut block, mask, &mut longest);
        let strings = usize::from(is_literal) + usize::from(is_literal && index == 0);
        for _ in 0..strings {
            let len = integer(&mut block, 0x7f, &mut longest);
            block = block.get(len..).unwrap_or_default();
        }
    }
    longest
}

/// Takes an integer off the front, and takes account of its length.
fn integer(block: &mut &[u8], mask: u8, longest: &mut usize) -> usize {
    let Some((&first, mut rest)) = block.split_first() else {
        return 0;
    };
    let mut value = usize::from(first & mask);
    if first & mask == mask {
        let mut shift = 0;
        while let Some((&octet, tail)) = rest.split_first() {
            rest = tail;
            value += usize::from(octet & 0x7f) << shift;
            shift += 7;
            if octet & 0x80 == 0 {
                break;
            }
        }
    }
    *longest = (*longest).max(block.len() - rest.len());
    *block = rest;
    value
}

/// Runs one input.
///
/// # Panics
/// When the decoders disagree beyond the five differences, or a cut changes anything.
pub fn run(data: &[u8]) {
    let Some((&len, data)) = data.split_first() else {
        return;
    };
    let blocks: Vec<_> = data.chunks(usize::from(len).max(1)).collect();
    let (mut ours, mut cut) = (decoder(), decoder());
    let (mut loona, mut theirs) = (Loona::new(), Theirs::new(&blocks));
    for block in blocks {
        let verdict = decode(&mut ours, block, block.len());
        assert_eq!(verdict, decode(&mut cut, block, 1), "cut into single bytes");
        assert_eq!(ours.table_fingerprint(), cut.table_fingerprint());
        loona.compare(block, &verdict);
        theirs.compare(block, &verdict);
        if verdict.is_err() {
            return;
        }
    }
}
