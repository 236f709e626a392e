//! The public vectors of http2jp/hpack-test-case: blocks made by other encoders
//! decode to the fields they were made from, and our own blocks are as small as
//! those of nghttp2.

mod common;

use bytes::BytesMut;
use common::{complete, stories, unlimited, vectors};
use raddle_hpack::{Decoder, Encoder, Indexing};

#[test]
fn stories_of_every_encoder_decode() {
    let Some(root) = vectors() else { return };
    let mut folders: Vec<String> = std::fs::read_dir(&root)
        .expect("vectors folder")
        .map(|entry| entry.expect("folder entry"))
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().expect("UTF-8 name"))
        .filter(|name| name != "raw-data")
        .collect();
    folders.sort();
    assert!(!folders.is_empty());
    for folder in folders {
        let mut blocks = 0;
        for story in stories(&root, &folder) {
            let mut decoder = Decoder::new(unlimited());
            for (at, case) in story.cases.iter().enumerate() {
                if let Some(size) = case.table_size {
                    decoder.set_table_size_max(size);
                }
                let fields = complete(&mut decoder, &case.wire);
                assert_eq!(fields.list, case.fields, "{:?} case {at}", story.path);
                blocks += 1;
            }
        }
        println!("{folder}: {blocks} blocks");
    }
}

#[test]
fn raw_data_round_trips_as_small_as_nghttp2() {
    let Some(root) = vectors() else { return };
    let theirs: usize = stories(&root, "nghttp2")
        .iter()
        .flat_map(|story| &story.cases)
        .map(|case| case.wire.len())
        .sum();
    let (mut ours, mut raw) = (0, 0);
    for story in stories(&root, "raw-data") {
        let mut encoder = Encoder::new(4096);
        let mut decoder = Decoder::new(unlimited());
        for case in &story.cases {
            let mut out = BytesMut::new();
            encoder.begin(&mut out);
            for (name, value) in &case.fields {
                encoder.field(name, value, Indexing::Auto, &mut out);
                raw += name.len() + value.len();
            }
            ours += out.len();
            let fields = complete(&mut decoder, &out);
            assert_eq!(fields.list, case.fields, "{:?}", story.path);
            assert_eq!(decoder.table_fingerprint(), encoder.table_fingerprint());
            assert_eq!(decoder.table_size(), encoder.table_size());
        }
    }
    let ratio = |wire: usize| wire as f64 / raw as f64;
    println!(
        "raw {raw}; nghttp2 {theirs} ({:.4}); this {ours} ({:.4})",
        ratio(theirs),
        ratio(ours)
    );
    assert!(ours as f64 <= theirs as f64 * 1.02);
}
