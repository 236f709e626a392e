//! HPACK alone: the codec against libnghttp2's, on the lists of W1's requests and answers, or on those that browsers sent.
//!
//! `--stories` is a folder of the public collection hpack-test-case, in which each story is what one connection carried.
//! The decoders read what raddle's encoder wrote, all of them the same bytes. The `h2` crate shows its codec only
//! together with its frames and header maps, which would be another comparison: it is not here.

use std::{fs, path::Path};

use bytes::BytesMut;
use cpu_time::ThreadTime;
use serde_json::Value;

use raddle_hpack::{Decoder, DecoderConfig, Encoder, Indexing, Sink, Verdict};

use crate::{
    Engine, Options, measured,
    report::{print_ratio, spread},
    workload::{Seen, Texts, WORKLOADS},
};

/// Requests and answers of a round; each is a block.
const MESSAGES: usize = 5_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Direction {
    Encode,
    Decode,
}

/// A field section.
type List = Vec<(String, String)>;

/// Field sections in one direction.
struct Lists {
    what: &'static str,
    /// Those of each connection, which has a codec of its own.
    connections: Vec<Vec<List>>,
    fields: usize,
    /// Bytes of names and values.
    bytes: usize,
}

/// What one connection's encoder made.
#[derive(Default)]
struct Blocks {
    bytes: BytesMut,
    /// Where each block ends.
    ends: Vec<usize>,
}

impl Lists {
    fn new(what: &'static str, connections: Vec<Vec<List>>) -> Self {
        let fields = || connections.iter().flatten().flatten();
        let bytes = fields().map(|(name, value)| name.len() + value.len()).sum();
        Self {
            what,
            fields: fields().count(),
            bytes,
            connections,
        }
    }

    fn blocks(&self) -> usize {
        self.connections.iter().map(Vec::len).sum()
    }

    /// The stories of a folder.
    fn stories(folder: &Path) -> Self {
        let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        let mut paths: Vec<_> = entries
            .map(|entry| entry.expect("an entry").path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "json")
            })
            .collect();
        paths.sort();
        assert!(!paths.is_empty(), "{}: no stories", folder.display());
        Self::new("stories", paths.iter().map(|path| story(path)).collect())
    }

    fn of_w1() -> [Self; 2] {
        let get = WORKLOADS.iter().find(|workload| workload.name == "W1");
        let workload = get.expect("the first");
        let texts = Texts::new(workload);
        let owned = |list: Vec<(&str, &str)>| {
            let owned = list.into_iter();
            owned
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect()
        };
        let requests = (0..MESSAGES).map(|n| owned(workload.request(&texts, n)));
        let responses = (0..MESSAGES).map(|n| owned(workload.response(&texts, n)));
        [
            Self::new("W1 requests", vec![requests.collect()]),
            Self::new("W1 responses", vec![responses.collect()]),
        ]
    }
}

/// The field sections of a story: each of its cases has one, as objects of one member.
fn story(path: &Path) -> Vec<List> {
    let text = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let story: Value = serde_json::from_slice(&text).expect("a story is JSON");
    let members = |list: &Value| -> List {
        let fields = list["headers"].as_array().expect("a list of fields");
        let members = fields.iter().filter_map(Value::as_object).flatten();
        members
            .map(|(name, value)| {
                let value = value.as_str().expect("a value is text");
                (name.clone(), value.to_owned())
            })
            .collect()
    };
    let cases = story["cases"].as_array().expect("a story has cases");
    cases.iter().map(members).collect()
}

impl Sink for Seen {
    fn field(&mut self, name: &[u8], value: &[u8], _sensitive: bool) {
        Seen::field(self, name, value);
    }
}

/// Encodes the lists of a connection with one encoder.
fn encode(lists: &[List], out: &mut Blocks) {
    let mut encoder = Encoder::new(4_096);
    for list in lists {
        encoder.begin(&mut out.bytes);
        for (name, value) in list {
            let (name, value) = (name.as_bytes(), value.as_bytes());
            encoder.field(name, value, Indexing::Auto, &mut out.bytes);
        }
        out.ends.push(out.bytes.len());
    }
}

fn decode(blocks: &Blocks, seen: &mut Seen) {
    let mut decoder = Decoder::new(DecoderConfig::default());
    let mut start = 0;
    for &end in &blocks.ends {
        let block = &blocks.bytes[start..end];
        decoder.decode(block, seen).expect("fields");
        let verdict = decoder.finish().expect("a whole block");
        assert_eq!(verdict, Verdict::Complete, "within the limits");
        start = end;
    }
}

/// Nanoseconds per field and bytes of the blocks, for one round of one codec.
fn round(
    engine: Engine,
    direction: Direction,
    lists: &Lists,
    blocks: &[Blocks],
) -> Option<(f64, usize)> {
    let mut out: Vec<Blocks> = blocks.iter().map(Blocks::room_for).collect();
    let mut seen = Seen::default();
    let start = ThreadTime::now();
    match (engine, direction) {
        (Engine::Raddle, Direction::Encode) => measured(|| {
            let pairs = lists.connections.iter().zip(&mut out);
            pairs.for_each(|(lists, out)| encode(lists, out));
        }),
        (Engine::Raddle, Direction::Decode) => measured(|| {
            blocks.iter().for_each(|blocks| decode(blocks, &mut seen));
        }),
        #[cfg(feature = "nghttp2")]
        (Engine::Nghttp2, Direction::Encode) => {
            let mut nvs = Vec::with_capacity(64);
            measured(|| {
                for (lists, out) in lists.connections.iter().zip(&mut out) {
                    crate::nghttp2::hpack::encode(lists, &mut nvs, &mut out.bytes);
                }
            });
        }
        #[cfg(feature = "nghttp2")]
        (Engine::Nghttp2, Direction::Decode) => measured(|| {
            for blocks in blocks {
                crate::nghttp2::hpack::decode(&blocks.bytes, &blocks.ends, &mut seen);
            }
        }),
        (Engine::H2 | Engine::Script, _) => return None,
    }
    let nanos = start.elapsed().as_nanos() as f64 / lists.fields as f64;
    if direction == Direction::Decode {
        assert_eq!(seen.fields as usize, lists.fields, "every field came out");
    }
    Some((nanos, out.iter().map(|blocks| blocks.bytes.len()).sum()))
}

impl Blocks {
    /// Memory for blocks that are about as long as these.
    fn room_for(like: &Self) -> Self {
        Self {
            bytes: BytesMut::with_capacity(2 * like.bytes.len()),
            ends: Vec::with_capacity(like.ends.len()),
        }
    }
}

pub(crate) fn print(engines: &[Engine], options: &Options) {
    let all_lists = match &options.stories {
        Some(folder) => vec![Lists::stories(folder)],
        None => Vec::from(Lists::of_w1()),
    };
    for lists in all_lists {
        let mut blocks = Vec::new();
        for connection in &lists.connections {
            let mut out = Blocks::default();
            encode(connection, &mut out);
            blocks.push(out);
        }
        for direction in [Direction::Encode, Direction::Decode] {
            if options.direction.is_some_and(|only| only != direction) {
                continue;
            }
            println!(
                "HPACK {direction:?} {}, {} fields of a round",
                lists.what, lists.fields
            );
            let mut all: Vec<(Engine, Vec<f64>, usize)> = Vec::new();
            for _ in 0..options.rounds {
                for &engine in engines {
                    let one = round(engine, direction, &lists, &blocks);
                    let Some((nanos, bytes)) = one else {
                        continue;
                    };
                    match all.iter_mut().find(|(known, ..)| *known == engine) {
                        Some((_, rounds, _)) => rounds.push(nanos),
                        None => all.push((engine, vec![nanos], bytes)),
                    }
                }
            }
            for (engine, nanos, bytes) in &all {
                let (median, min, max) = spread(nanos.iter().copied());
                let name = engine.name();
                let each = *bytes as f64 / lists.blocks() as f64;
                let ratio = *bytes as f64 / lists.bytes as f64;
                println!(
                    "  {name:10} {median:>7.1} ns/field {min:.1}..{max:.1} {each:>8.1} bytes/block, \
                     {ratio:.4} of the text"
                );
            }
            if let [(ours, our_nanos, _), others @ ..] = &all[..] {
                for (theirs, nanos, _) in others {
                    print_ratio(ours.name(), our_nanos, theirs.name(), nanos);
                }
            }
            println!();
        }
    }
}
