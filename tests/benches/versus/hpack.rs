//! HPACK alone: the codec against libnghttp2's, on the lists of W1's requests and answers.
//!
//! The decoders read what raddle's encoder wrote, all of them the same bytes. The `h2` crate shows its codec only
//! together with its frames and header maps, which would be another comparison: it is not here.

use bytes::BytesMut;
use cpu_time::ThreadTime;
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

/// The lists of one direction of a connection.
struct Lists {
    what: &'static str,
    lists: Vec<Vec<(String, String)>>,
    fields: usize,
}

impl Lists {
    fn new(what: &'static str, lists: impl Iterator<Item = Vec<(String, String)>>) -> Self {
        let lists: Vec<_> = lists.collect();
        let fields = lists.iter().map(Vec::len).sum();
        Self {
            what,
            lists,
            fields,
        }
    }

    fn both() -> [Self; 2] {
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
            Self::new("requests", requests),
            Self::new("responses", responses),
        ]
    }
}

impl Sink for Seen {
    fn field(&mut self, name: &[u8], value: &[u8], _sensitive: bool) {
        Seen::field(self, name, value);
    }
}

/// Encodes every list with one encoder; answers the blocks.
fn encode(lists: &Lists, out: &mut BytesMut, ends: &mut Vec<usize>) {
    let mut encoder = Encoder::new(4_096);
    for list in &lists.lists {
        encoder.begin(out);
        for (name, value) in list {
            encoder.field(name.as_bytes(), value.as_bytes(), Indexing::Auto, out);
        }
        ends.push(out.len());
    }
}

fn decode(blocks: &[u8], ends: &[usize]) -> Seen {
    let mut decoder = Decoder::new(DecoderConfig::default());
    let mut seen = Seen::default();
    let mut start = 0;
    for &end in ends {
        decoder
            .decode(&blocks[start..end], &mut seen)
            .expect("fields");
        let verdict = decoder.finish().expect("a whole block");
        assert_eq!(verdict, Verdict::Complete, "within the limits");
        start = end;
    }
    seen
}

/// Nanoseconds per field and bytes of the blocks, for one round of one codec.
fn round(
    engine: Engine,
    direction: Direction,
    lists: &Lists,
    (blocks, ends): (&[u8], &[usize]),
) -> Option<(f64, usize)> {
    let mut out = BytesMut::with_capacity(1 << 22);
    let mut new_ends = Vec::with_capacity(lists.lists.len());
    let start = ThreadTime::now();
    let seen = match (engine, direction) {
        (Engine::Raddle, Direction::Encode) => {
            measured(|| encode(lists, &mut out, &mut new_ends));
            None
        }
        (Engine::Raddle, Direction::Decode) => Some(measured(|| decode(blocks, ends))),
        #[cfg(feature = "nghttp2")]
        (Engine::Nghttp2, Direction::Encode) => {
            let mut nvs = Vec::with_capacity(32);
            measured(|| crate::nghttp2::hpack::encode(&lists.lists, &mut nvs, &mut out));
            None
        }
        #[cfg(feature = "nghttp2")]
        (Engine::Nghttp2, Direction::Decode) => {
            Some(measured(|| crate::nghttp2::hpack::decode(blocks, ends)))
        }
        (Engine::H2 | Engine::Script, _) => return None,
    };
    let nanos = start.elapsed().as_nanos() as f64 / lists.fields as f64;
    if let Some(seen) = seen {
        assert_eq!(seen.fields as usize, lists.fields, "every field came out");
    }
    Some((nanos, out.len()))
}

pub(crate) fn print(engines: &[Engine], options: &Options) {
    for lists in Lists::both() {
        let (mut blocks, mut ends) = (BytesMut::new(), Vec::new());
        encode(&lists, &mut blocks, &mut ends);
        for direction in [Direction::Encode, Direction::Decode] {
            if options.direction.is_some_and(|only| only != direction) {
                continue;
            }
            println!(
                "HPACK {direction:?} W1 {}, {} fields of a round",
                lists.what, lists.fields
            );
            let mut all: Vec<(Engine, Vec<f64>, usize)> = Vec::new();
            for _ in 0..options.rounds {
                for &engine in engines {
                    let one = round(engine, direction, &lists, (&blocks, &ends));
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
                let each = *bytes as f64 / lists.lists.len() as f64;
                println!(
                    "  {name:10} {median:>7.1} ns/field {min:.1}..{max:.1} {each:>8.1} bytes/block"
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
