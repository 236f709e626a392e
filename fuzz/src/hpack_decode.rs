//! Any bytes as header blocks, judged as loona-hpack judges them, but for three differences that RFC 7541 §4.2 explains:
//! loona takes size updates between fields and any number of them, and refuses a block of size updates alone.
//!
//! The first byte of the input cuts the rest into blocks of one connection: `fuzz/smoke hpack_decode 60` runs it for a
//! minute.

use raddle_hpack::{DecodeError, Decoder, DecoderConfig, Sink};

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

/// Runs one input.
///
/// # Panics
/// When the decoders disagree beyond the three differences, or a cut changes anything.
pub fn run(data: &[u8]) {
    let Some((&len, data)) = data.split_first() else {
        return;
    };
    let (mut ours, mut cut) = (decoder(), decoder());
    let mut theirs = loona_hpack::Decoder::new();
    theirs.set_max_allowed_table_size(4_096);
    for block in data.chunks(usize::from(len).max(1)) {
        let verdict = decode(&mut ours, block, block.len());
        assert_eq!(verdict, decode(&mut cut, block, 1), "cut into single bytes");
        assert_eq!(ours.table_fingerprint(), cut.table_fingerprint());
        match (verdict, theirs.decode(block)) {
            (Ok(fields), Ok(list)) => assert_eq!(fields.0, list),
            // A block of size updates alone.
            (Ok(fields), Err(_)) => {
                assert!(fields.0.is_empty());
                return;
            }
            // Size updates where none may be, or too many, or one that was due and did not come.
            (
                Err(DecodeError::SizeUpdateMisplaced | DecodeError::SizeUpdateMissing),
                Ok(_) | Err(_),
            ) => return,
            (Err(_), Err(_)) => return,
            (Err(error), Ok(list)) => panic!("{error:?}, but they read {list:?}"),
        }
    }
}
