//! What the test files share.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs;
use std::path::PathBuf;

use bytes::BytesMut;
use raddle_hpack::{DecodeError, Decoder, DecoderConfig, Encoder, Indexing, Sink, Verdict};
use serde_json::Value;

/// Name and value.
pub(crate) type Field = (Vec<u8>, Vec<u8>);

/// Keeps what a decoder produces.
#[derive(Debug, Default, PartialEq, Eq, Clone)]
pub(crate) struct Fields {
    pub(crate) list: Vec<Field>,
    pub(crate) sensitive: Vec<bool>,
}

impl Sink for Fields {
    fn field(&mut self, name: &[u8], value: &[u8], sensitive: bool) {
        self.list.push((name.to_vec(), value.to_vec()));
        self.sensitive.push(sensitive);
    }
}

/// Limits that no test reaches by accident.
pub(crate) fn unlimited() -> DecoderConfig {
    DecoderConfig {
        table_size_max: 4096,
        list_size_max: u32::MAX,
        fields_max: u32::MAX,
        string_len_max: u32::MAX,
    }
}

/// Decodes one block given in one piece.
pub(crate) fn block(decoder: &mut Decoder, wire: &[u8]) -> Result<(Fields, Verdict), DecodeError> {
    pieces(decoder, [wire])
}

/// Decodes one block given in pieces.
pub(crate) fn pieces<'a>(
    decoder: &mut Decoder,
    parts: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(Fields, Verdict), DecodeError> {
    let mut fields = Fields::default();
    for part in parts {
        decoder.decode(part, &mut fields)?;
    }
    let verdict = decoder.finish()?;
    Ok((fields, verdict))
}

/// Decodes one block that must be valid and within the limits.
pub(crate) fn complete(decoder: &mut Decoder, wire: &[u8]) -> Fields {
    let (fields, verdict) = block(decoder, wire).expect("valid block");
    assert_eq!(verdict, Verdict::Complete);
    fields
}

/// Encodes one block.
pub(crate) fn encode(
    encoder: &mut Encoder,
    fields: &[(&[u8], &[u8])],
    indexing: Indexing,
) -> BytesMut {
    let mut out = BytesMut::new();
    encoder.begin(&mut out);
    for (name, value) in fields {
        encoder.field(name, value, indexing, &mut out);
    }
    out
}

/// Octets written in hexadecimal, blanks ignored.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|b| !b.is_ascii_whitespace())
        .map(|b| char::from(b).to_digit(16).expect("hexadecimal") as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

/// One block of a story.
pub(crate) struct Case {
    pub(crate) table_size: Option<u32>,
    pub(crate) wire: Vec<u8>,
    pub(crate) fields: Vec<Field>,
}

/// One story: the blocks of one connection.
pub(crate) struct Story {
    pub(crate) path: PathBuf,
    pub(crate) cases: Vec<Case>,
}

/// The folder of the public HPACK vectors, when the checkout has it.
pub(crate) fn vectors() -> Option<PathBuf> {
    let root = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/vectors/hpack-test-case"
    );
    let root = PathBuf::from(root);
    if root.is_dir() {
        return Some(root);
    }
    println!("skipped: no hpack-test-case folder");
    None
}

/// The stories of one folder, in the order of their names.
pub(crate) fn stories(root: &std::path::Path, folder: &str) -> Vec<Story> {
    let mut paths: Vec<PathBuf> = fs::read_dir(root.join(folder))
        .expect("vectors folder")
        .map(|entry| entry.expect("folder entry").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "json"))
        .collect();
    paths.sort();
    paths.into_iter().map(story).collect()
}

fn story(path: PathBuf) -> Story {
    let text = fs::read_to_string(&path).expect("story");
    let json: Value = serde_json::from_str(&text).expect("JSON");
    let cases = json["cases"].as_array().expect("cases").iter().map(case);
    Story {
        cases: cases.collect(),
        path,
    }
}

fn case(json: &Value) -> Case {
    let octets = |value: &Value| value.as_str().expect("string").as_bytes().to_vec();
    let fields = json["headers"].as_array().expect("headers").iter();
    Case {
        table_size: json["header_table_size"].as_u64().map(|n| n as u32),
        wire: json["wire"].as_str().map(hex).unwrap_or_default(),
        fields: fields
            .flat_map(|object| object.as_object().expect("object"))
            .map(|(name, value)| (name.as_bytes().to_vec(), octets(value)))
            .collect(),
    }
}
