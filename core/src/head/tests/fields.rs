//! Field lists, and where decoded blocks go.

use alloc::format;
use alloc::vec;

use raddle_hpack::{Decoder, DecoderConfig, Encoder, Indexing, Sink, Verdict};

use super::*;

#[test]
fn lists_keep_order_repetitions_and_sensitivity() {
    let mut builder = Fields::builder();
    builder.push(b"a", b"1", false);
    builder.push(b"b", b"", true);
    builder.push(b"a", b"2", false);
    let fields = builder.finish();
    let got: Vec<_> = fields
        .iter()
        .map(|field| (field.name, field.value, field.sensitive))
        .collect();
    assert_eq!(
        got,
        [
            (&b"a"[..], &b"1"[..], false),
            (b"b", b"", true),
            (b"a", b"2", false)
        ]
    );
    assert_eq!((fields.len(), fields.is_empty()), (3, false));
    assert_eq!(fields.find(b"a"), Some(&b"1"[..]));
    assert_eq!(fields.find(b"A"), None);
    // RFC 9113 §10.5.1: 32 bytes for each field, besides names and values.
    assert_eq!(fields.list_size(), 3 * 32 + 3 + 2);
    assert_eq!(format!("{fields:?}"), "[a: 1, b: (sensitive), a: 2]");
}

#[test]
fn lists_are_equal_field_by_field() {
    let of = |fields: &[(&[u8], &[u8], bool)]| {
        let mut builder = Fields::builder();
        for (name, value, sensitive) in fields {
            builder.push(name, value, *sensitive);
        }
        builder.finish()
    };
    assert_eq!(of(&[(b"a", b"bc", false)]), of(&[(b"a", b"bc", false)]));
    assert_ne!(of(&[(b"a", b"bc", false)]), of(&[(b"ab", b"c", false)]));
    assert_ne!(of(&[(b"a", b"b", false)]), of(&[(b"a", b"b", true)]));
    assert_ne!(of(&[(b"a", b"b", false)]), of(&[]));
    assert_eq!(of(&[]), Fields::new());
    assert_eq!((Fields::new().len(), Fields::new().list_size()), (0, 0));
}

#[test]
fn shares_of_a_list_copy_nothing() {
    let fields = list(&[("name", "value"), ("empty", "")]);
    for field in &fields {
        let (name, value) = (fields.name_bytes(&field), fields.value_bytes(&field));
        assert_eq!((&name[..], &value[..]), (field.name, field.value));
        assert_eq!(name.as_ptr(), field.name.as_ptr());
        if !value.is_empty() {
            assert_eq!(value.as_ptr(), field.value.as_ptr());
        }
    }
}

// A name of more than 16 bits cannot be written down: the message that has it is refused, not cut.
#[test]
fn a_name_too_long_is_never_valid() {
    for slab in [0, 1 << 20] {
        for (len, good) in [(65_535, true), (65_536, false), (70_000, false)] {
            let mut builder = FieldsBuilder::with_slab_bytes(slab);
            builder.push(&vec![b'x'; len], b"value", false);
            builder.push(b"next", b"1", false);
            let fields = builder.finish();
            assert_eq!(fields.find(b"next"), Some(&b"1"[..]));
            let want = (!good).then_some(Violation::FieldNameInvalid);
            assert_eq!(
                check_trailers(&fields, Oddities::Refuse).err(),
                want,
                "{len}"
            );
            // The same in front of others.
            builder.push(b"next", b"1", false);
            builder.insert(0, &vec![b'x'; len], b"value");
            let fields = builder.finish();
            let values = fields.iter().map(|field| field.value);
            let inserted: &[u8] = if good { b"value" } else { b"" };
            assert!(values.eq([inserted, b"1"]), "{len}");
            assert_eq!(check_trailers(&fields, Oddities::Refuse).err(), want);
        }
    }
}

#[test]
fn one_piece_of_memory_serves_many_lists() {
    let mut builder = FieldsBuilder::with_slab_bytes(4096);
    let mut build = |n: usize| {
        let n = format!("{n}");
        builder.push(b"x-number", n.as_bytes(), false);
        builder.push(b"x-text", &[b'x'; 80], false);
        let fields = builder.finish();
        assert_eq!(fields.find(b"x-number"), Some(n.as_bytes()));
        fields
    };
    let at = |fields: &Fields| fields.iter().next().map(|field| field.name.as_ptr().addr());
    // Lists that live together lie one behind the other.
    let lists: Vec<_> = (0..30).map(&mut build).collect();
    let places: Vec<_> = lists.iter().filter_map(at).collect();
    assert!(places.is_sorted() && places[29] - places[0] < 4096);
    for (n, fields) in lists.iter().enumerate() {
        assert_eq!(fields.find(b"x-number"), Some(format!("{n}").as_bytes()));
    }
    drop(lists);
    // Lists that are dropped before the next is built go around in the same piece.
    let places: Vec<_> = (0..1000).filter_map(|n| at(&build(n))).collect();
    let lowest = places.iter().min().expect("a thousand lists");
    assert!(places.iter().all(|place| place - lowest < 4096));
}

#[test]
fn a_sink_takes_what_the_decoder_gives() {
    let head = RequestHead::new(b"GET", b"https", Some(b"example.com"), b"/")
        .sensitive_field(b"authorization", b"Bearer 0123")
        .field(b"accept", b"*/*")
        .finish();
    let mut encoder = Encoder::new(4096);
    let mut decoder = Decoder::new(DecoderConfig::default());
    let mut sink = BlockSink::new(Oddities::Refuse);
    // A block that was given up leaves nothing in the next one.
    sink.field(b"left", b"over", false);
    let _ = sink.finish(false);
    for _ in 0..3 {
        let mut block = bytes::BytesMut::new();
        encoder.begin(&mut block);
        for field in head.all() {
            let indexing = if field.sensitive {
                Indexing::Never
            } else {
                Indexing::Auto
            };
            encoder.field(field.name, field.value, indexing, &mut block);
        }
        assert_eq!(decoder.decode(&block, &mut sink), Ok(()));
        assert_eq!(decoder.finish(), Ok(Verdict::Complete));
        // Equality includes the sensitive bit: it survives the way over the wire.
        assert_eq!(
            parse_request(sink.finish(false), &Rules::default()),
            Ok(head.clone())
        );
    }
    assert!(sink.finish(false).fields.is_empty());
}

#[test]
fn a_builder_that_was_cleared_starts_anew() {
    let mut builder = FieldsBuilder::default();
    builder.push(b"old", b"1", false);
    builder.clear();
    assert!(builder.finish().is_empty());
    builder.push(b"old", b"1", false);
    builder.clear();
    builder.push(b"new", b"2", true);
    let fields = builder.finish();
    assert_eq!(fields, {
        let mut builder = Fields::builder();
        builder.push(b"new", b"2", true);
        builder.finish()
    });
    assert_eq!(format!("{:?}", fields.iter()), "[new: (sensitive)]");
}

// A list keeps the piece of memory alive that it lies in, so that large ones get their own.
#[test]
fn a_sink_keeps_little_of_large_blocks() {
    let mut sink = BlockSink::new(Oddities::Refuse);
    let mut take = |bytes: usize| {
        sink.field(b"name", &vec![b'x'; bytes - 10], false);
        let list = sink.finish(false).fields;
        assert_eq!(list.bytes(), bytes);
        (sink.produced(), sink.memory_footprint())
    };
    let (produced, (free, given)) = take(110);
    assert_eq!((produced, given), (1, 110));
    assert!(free >= 1_024 - 110);
    let (produced, (_, given)) = take(600);
    assert_eq!((produced, given), (2, 110), "apart");
    let (produced, (free, _)) = take(20_000);
    assert_eq!(produced, 3);
    assert!(free <= 4_096, "{free} bytes are kept");

    // Nothing is taken away from a block that is under way, and everything behind it.
    sink.field(b"name", b"value", false);
    sink.shrink();
    assert_eq!(sink.finish(false).fields, list(&[("name", "value")]));
    assert_ne!(sink.memory_footprint(), (0, 0));
    sink.shrink();
    assert_eq!(sink.memory_footprint(), (0, 0));
}

#[test]
fn a_builder_takes_at_most_twice_what_its_list_has() {
    let mut builder = FieldsBuilder::with_slab_bytes(0);
    let mut bytes = 0;
    for n in 0..100 {
        let (name, value) = (vec![b'n'; 100], vec![b'v'; 7 * n]);
        builder.push(&name, &value, false);
        bytes += 6 + name.len() + value.len();
        assert_eq!(builder.bytes(), bytes);
        let (room, _) = builder.memory_footprint();
        assert!(room <= 2 * bytes, "{room} for {bytes}");
    }
}

/// Asserts that a section is judged as its list is as a whole. Answers as what, by its first field, and whether it is good.
fn same_verdict(section: Section, first: &str, oddities: Oddities) -> (usize, bool) {
    let whole = Section::from(section.fields.clone());
    let text = format!("{:?}", section.fields);
    match first {
        ":status" => {
            let got = parse_response(section, oddities);
            let want = parse_response(whole, oddities);
            let facts = |head: &ResponseHead| (head.content_length(), head.has_priority());
            let facts = |head: &Result<ResponseHead, _>| head.as_ref().map(facts).map_err(|v| *v);
            assert_eq!(facts(&got), facts(&want), "{text}");
            (0, want.is_ok())
        }
        ":path" => {
            let rules = Rules {
                oddities,
                ..EVERYTHING
            };
            let want = parse_request(whole, &rules);
            assert_eq!(parse_request(section, &rules), want, "{text}");
            (1, want.is_ok())
        }
        _ => {
            let want = parse_trailers(whole, oddities);
            assert_eq!(parse_trailers(section, oddities), want, "{text}");
            (2, want.is_ok())
        }
    }
}

// What is plain is noted in the table, and not judged when it comes from there. The verdicts are those of a list that is
// judged as a whole, whichever fields stand in front, and each time.
#[test]
fn fields_from_the_table_are_judged_as_those_in_full() {
    let fields: [(&str, &str); 14] = [
        (":status", "200"),
        (":path", "/"),
        ("accept", "text/html"),
        ("x-long-name-of-a-field", "v"),
        ("te", "trailers"),
        ("te", "gzip"),
        ("host", "example.com"),
        ("priority", "u=1"),
        ("content-length", "1"),
        ("content-length", "2"),
        ("upgrade", "h2c"),
        ("Upper", "1"),
        ("padded", " 1"),
        ("control", "a\0b"),
    ];
    for oddities in [Oddities::Refuse, Oddities::Forward] {
        let mut encoder = Encoder::new(4096);
        let mut decoder = Decoder::new(DecoderConfig::default());
        let mut sink = BlockSink::new(oddities);
        let mut verdicts = vec![0; 3];
        // All lists of three of them, twice each: the second time all is in the table.
        for n in 0..2 * fields.len().pow(3) {
            let (a, rest) = (n / 2 % 14, n / 2 / 14);
            let list = [a, rest % 14, rest / 14].map(|at| fields[at]);
            let mut block = bytes::BytesMut::new();
            encoder.begin(&mut block);
            // A request has to be whole for its regular fields to be looked at.
            let rest = if list[0].0 == ":path" { &GET[..3] } else { &[] };
            for (name, value) in rest.iter().chain(&list) {
                encoder.field(
                    name.as_bytes(),
                    value.as_bytes(),
                    Indexing::Index,
                    &mut block,
                );
            }
            assert_eq!(decoder.decode(&block, &mut sink), Ok(()));
            assert_eq!(decoder.finish(), Ok(Verdict::Complete));
            let section = sink.finish(false);
            let (kind, good) = same_verdict(section, list[0].0, oddities);
            verdicts[kind] += usize::from(good);
        }
        assert!(verdicts.iter().all(|&count| count > 0), "{verdicts:?}");
    }
}

// However a list came together, its head is that of a list that is judged as a whole.
#[test]
fn heads_of_a_builder_are_those_of_its_list() {
    let usual = list(&[("accept", "*/*"), ("content-length", "7"), ("x-odd", "1")]);
    let pieces: [&[(&str, &str)]; 9] = [
        &[],
        &[("accept-language", "en")],
        &[("priority", "u=1"), ("te", "trailers")],
        &[("te", "gzip")],
        &[("content-length", "8")],
        &[("host", "example.com")],
        &[("Upper", "1")],
        &[(":path", "/")],
        &[("x-bad", "a\nb")],
    ];
    let mut builder = FieldsBuilder::with_slab_bytes(100);
    let push = |builder: &mut FieldsBuilder, fields: &[(&str, &str)]| {
        for (name, value) in fields {
            builder.push(name.as_bytes(), value.as_bytes(), false);
        }
    };
    let mut good = 0;
    for (first, last) in pieces.iter().flat_map(|a| pieces.map(|b| (*a, b))) {
        for times in 0..3 {
            let rest = |builder: &mut FieldsBuilder| {
                push(builder, first);
                (0..times).for_each(|_| builder.append(&usual));
                // A list of what may be wrong, too.
                builder.append(&list(last));
            };
            push(&mut builder, &GET);
            rest(&mut builder);
            let request = builder.finish_request();
            let whole = RequestHead::from_fields(request.as_fields().clone());
            let copied: Fields = (whole.all().map(|field| (field.name, field.value))).collect();
            assert_eq!(request.as_fields(), &copied);
            let facts = |head: &RequestHead| {
                let length = head.content_length();
                (head.violation(), length, head.has_priority())
            };
            assert_eq!(facts(&request), facts(&whole), "{request:?}");
            good += usize::from(whole.violation().is_none());

            push(&mut builder, &[(":status", "200")]);
            rest(&mut builder);
            let response = builder.finish_response();
            let whole = ResponseHead::from_fields(response.as_fields().clone());
            let facts = |head: &ResponseHead| {
                let length = head.content_length();
                (head.violation(), length, head.has_priority())
            };
            assert_eq!(facts(&response), facts(&whole), "{response:?}");
        }
    }
    assert!(good > 20, "{good} are without fault");
    // A field that has no room in a list spoils this one and not the next.
    builder.append(&usual);
    builder.push(&vec![b'x'; 70_000], b"value", false);
    let violation = builder.finish_request().violation();
    assert_eq!(violation, Some(Violation::PseudoFieldMissing));
    push(&mut builder, &[(":status", "200")]);
    builder.push(&vec![b'x'; 70_000], b"value", false);
    let violation = builder.finish_response().violation();
    assert_eq!(violation, Some(Violation::FieldNameInvalid));
    push(&mut builder, &[(":status", "200")]);
    assert_eq!(builder.finish_response().violation(), None);
}

/// A list that was appended to another is looked at when that is appended to a head.
#[test]
fn what_follows_from_a_field_follows_from_it_two_lists_away() {
    for (name, value) in [("content-length", "5"), ("te", "gzip"), ("upgrade", "h2c")] {
        let inner = list(&[("accept", "any"), (name, value)]);
        let mut builder = Fields::builder();
        builder.append(&inner);
        let outer = builder.finish();
        builder.push(b":status", b"200", false);
        builder.append(&outer);
        let head = builder.finish_response();
        let whole = response(&[(":status", "200"), ("accept", "any"), (name, value)]);
        assert_eq!(head.violation(), whole.as_ref().err().copied(), "{name}");
        let length = whole.ok().and_then(|head| head.content_length());
        assert_eq!(head.content_length(), length, "{name}");
    }
    // And of one without fields nothing does: a pseudo-field behind it is in front.
    let mut builder = Fields::builder();
    builder.append(&Fields::new());
    builder.push(b":status", b"200", false);
    assert_eq!(builder.finish_response().violation(), None);
}
