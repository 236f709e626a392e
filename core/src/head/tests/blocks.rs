//! What is kept of lists that were written makes no difference to what is read.

use std::{format, string::String, vec::Vec};

use bytes::BytesMut;
use raddle_hpack::{Decoder, DecoderConfig, Encoder, Indexing, Sink, Verdict};

use super::*;
use crate::{drawn::Draw, planted::Plants};

impl Draw {
    /// A list of some shape in which single fields vary, now and then in their length, and may be sensitive.
    fn list(&mut self) -> Vec<(String, String, bool)> {
        let shape = self.below(3);
        let mut list = Vec::new();
        for n in 0..shape * 3 + 2 {
            let name = match (shape, n) {
                (_, 0) => ":path".into(),
                (2, 1) => "authorization".into(),
                (1, 4) => "content-type".into(),
                _ => format!("x-{shape}-{n}"),
            };
            let value = match self.below(12) {
                0 => format!("{}", self.below(1_000)),
                1 => format!("{:08}", self.below(1_000)),
                2 => "y".repeat(self.below(150) as usize),
                _ => format!("value of {n}"),
            };
            list.push((name, value, self.below(60) == 0));
        }
        if self.below(10) == 0 {
            list.pop();
        }
        list
    }
}

fn fields(list: &[(String, String, bool)]) -> Fields {
    let mut builder = Fields::builder();
    for (name, value, sensitive) in list {
        builder.push(name.as_bytes(), value.as_bytes(), *sensitive);
    }
    builder.finish()
}

/// The octets that an encoder which remembers no list writes.
fn plain(encoder: &mut Encoder, list: &[(String, String, bool)]) -> BytesMut {
    let mut out = BytesMut::new();
    encoder.begin(&mut out);
    for (name, value, sensitive) in list {
        let indexing = match sensitive {
            true => Indexing::Never,
            false => Indexing::Auto,
        };
        encoder.field(name.as_bytes(), value.as_bytes(), indexing, &mut out);
    }
    out
}

/// What comes out of a block.
#[derive(Default)]
struct Read(Vec<(String, String, bool)>);

impl Sink for Read {
    fn field(&mut self, name: &[u8], value: &[u8], sensitive: bool) {
        let text = |text: &[u8]| String::from_utf8(text.to_vec()).unwrap();
        self.0.push((text(name), text(value), sensitive));
    }
}

fn read(decoder: &mut Decoder, block: &[u8]) -> Vec<(String, String, bool)> {
    let mut sink = Read::default();
    decoder.decode(block, &mut sink).unwrap();
    assert_eq!(decoder.finish(), Ok(Verdict::Complete));
    // Of those, the names are known to be never indexed without anybody's asking.
    let auto = |name: &str| name == "authorization";
    let fields = sink.0.into_iter();
    let fields = fields.map(|(name, value, never)| {
        let never = never && !auto(&name);
        (name, value, never)
    });
    fields.collect()
}

#[test]
fn blocks_say_what_the_lists_do() {
    let (mut whole, mut octets, mut octets_plain) = (0, 0, 0);
    for seed in 0..40 {
        let mut draw = Draw(seed);
        let table = [4_096, 300, 0][draw.below(3) as usize];
        let (mut blocks, mut encoder) = (BlockEncoder::new(4_096), Encoder::new(4_096));
        let mut decoder = Decoder::new(DecoderConfig::default());
        blocks.set_peer_table_size(table);
        encoder.set_peer_table_size(table);
        let mut list = draw.list();
        for round in 0..400 {
            // Mostly the same again, as applications do.
            if draw.below(8) == 0 {
                list = draw.list();
            }
            match draw.below(150) {
                0 => {
                    let size = draw.below(4_097) as u32;
                    blocks.set_peer_table_size(size);
                    encoder.set_peer_table_size(size);
                }
                1 => {
                    blocks.shrink();
                    encoder.shrink();
                }
                _ => {}
            }
            let mut out = BytesMut::new();
            let end = draw.below(5) == 0;
            blocks.write(&fields(&list), end, Plants::default(), &mut out);
            let mut expected = list.clone();
            for (name, _, sensitive) in &mut expected {
                *sensitive &= name != "authorization";
            }
            assert_eq!(
                read(&mut decoder, &out),
                expected,
                "seed {seed}, list {round}"
            );
            assert_eq!(decoder.table_fingerprint(), blocks.table_fingerprint());
            whole += usize::from(blocks.knows_whole());
            octets += out.len();
            octets_plain += plain(&mut encoder, &list).len();
        }
    }
    assert!(whole > 1_000, "{whole} lists were kept whole");
    // An entry that is known is found also where a search goes by it.
    assert!(
        octets <= octets_plain,
        "{octets} octets instead of {octets_plain}"
    );
}

/// Also when it is a literal that no table takes, so that nothing else tells this list from the one before.
#[test]
fn a_field_that_changes_is_written_as_it_is_now() {
    let mut blocks = BlockEncoder::new(4_096);
    let mut decoder = Decoder::new(DecoderConfig::default());
    for round in 0..200 {
        let path = format!("/{:04}", round / 25);
        let list = [(":method", "GET"), (":path", &path), ("accept", "any")];
        let list = list.map(|(name, value)| (name.into(), value.into(), false));
        let mut out = BytesMut::new();
        blocks.write(&fields(&list), false, Plants::default(), &mut out);
        assert_eq!(read(&mut decoder, &out), list, "list {round}");
    }
    assert!(blocks.knows_whole());
    blocks.shrink();
    assert!(blocks.kept().is_empty());
}

#[test]
fn what_is_sensitive_is_not_kept() {
    let secret = "a secret that nobody else may see";
    let list = fields(&[
        (":path".into(), "/".into(), false),
        ("authorization".into(), secret.into(), false),
        ("x-token".into(), secret.into(), true),
    ]);
    let mut blocks = BlockEncoder::new(4_096);
    for _ in 0..100 {
        blocks.write(&list, false, Plants::default(), &mut BytesMut::new());
    }
    let kept = blocks.kept();
    assert!(
        kept.iter()
            .any(|text| text.windows(5).any(|part| part == b":path"))
    );
    let holds = |text: &Vec<u8>| text.windows(8).any(|part| part == b"a secret");
    assert!(!kept.iter().any(holds));
}

/// Memory is bounded, also for long lists and lists of many fields.
#[test]
fn long_lists_are_not_kept() {
    let long = fields(&[(":path".into(), "/".repeat(3_000), false)]);
    let mut blocks = BlockEncoder::new(0);
    for _ in 0..100 {
        blocks.write(&long, false, Plants::default(), &mut BytesMut::new());
    }
    assert!(blocks.kept().is_empty());
}
