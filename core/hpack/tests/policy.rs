//! How a field is represented for each choice of indexing.

mod common;

use bytes::BytesMut;
use common::{Fields, complete, unlimited};
use raddle_hpack::{Decoder, Encoder, Indexing};

/// A representation, by the bits of its first octet (RFC 7541 §6).
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Indexed,
    Inserted,
    Literal,
    Never,
}

/// Encodes one field and tells how.
fn encode(encoder: &mut Encoder, name: &str, value: &[u8], indexing: Indexing) -> Seen {
    let mut out = BytesMut::new();
    encoder.begin(&mut out);
    let at = out.len();
    encoder.field(name.as_bytes(), value, indexing, &mut out);
    match out[at] {
        0x80.. => Seen::Indexed,
        0x40.. => Seen::Inserted,
        0x10..=0x1f => Seen::Never,
        _ => Seen::Literal,
    }
}

#[test]
fn auto_decides_by_name() {
    for (name, value, seen) in [
        (":method", "GET", Seen::Indexed),
        (":path", "/", Seen::Indexed),
        (":path", "/some/path", Seen::Literal),
        (":authority", "example.com", Seen::Inserted),
        ("age", "1", Seen::Literal),
        ("content-length", "1", Seen::Literal),
        ("etag", "\"a\"", Seen::Literal),
        ("if-modified-since", "a date", Seen::Literal),
        ("if-none-match", "\"a\"", Seen::Literal),
        ("location", "/", Seen::Literal),
        ("set-cookie", "a=b", Seen::Literal),
        ("authorization", "Basic YTpi", Seen::Never),
        ("authorization", "", Seen::Never),
        ("proxy-authorization", "Basic YTpi", Seen::Never),
        ("cookie", "0123456789012345678", Seen::Never),
        ("cookie", "01234567890123456789", Seen::Inserted),
        ("user-agent", "raddle", Seen::Inserted),
        ("x-custom", "value", Seen::Inserted),
        ("x-custom", "", Seen::Inserted),
    ] {
        let mut encoder = Encoder::new(4096);
        let got = encode(&mut encoder, name, value.as_bytes(), Indexing::Auto);
        assert_eq!(got, seen, "{name}: {value}");
        let again = encode(&mut encoder, name, value.as_bytes(), Indexing::Auto);
        let expected = if seen == Seen::Inserted {
            Seen::Indexed
        } else {
            seen
        };
        assert_eq!(again, expected, "{name}: {value} again");
    }
}

#[test]
fn auto_keeps_a_large_field_out_of_the_table() {
    let mut encoder = Encoder::new(4096);
    // 3/4 of the table, less 32 octets and the name.
    let mut value = vec![b'x'; 3072 - 32 - 5];
    assert_eq!(
        encode(&mut encoder, "large", &value, Indexing::Auto),
        Seen::Inserted
    );
    value.push(b'x');
    assert_eq!(
        encode(&mut encoder, "large", &value, Indexing::Auto),
        Seen::Literal
    );
    assert_eq!(
        encode(&mut encoder, "large", &value, Indexing::Index),
        Seen::Inserted
    );
}

#[test]
fn a_field_larger_than_the_table_leaves_it_alone() {
    let mut encoder = Encoder::new(4096);
    let large = vec![b'x'; 4096 - 32 - 5 + 1];
    assert_eq!(
        encode(&mut encoder, "a", b"b", Indexing::Index),
        Seen::Inserted
    );
    assert_eq!(
        encode(&mut encoder, "large", &large, Indexing::Index),
        Seen::Literal
    );
    assert_eq!(encoder.table_size(), 34);
    let exact = &large[1..];
    assert_eq!(
        encode(&mut encoder, "large", exact, Indexing::Index),
        Seen::Inserted
    );
    assert_eq!(encoder.table_size(), 4096);
}

#[test]
fn explicit_choices() {
    let mut encoder = Encoder::new(4096);
    assert_eq!(
        encode(&mut encoder, ":path", b"/a", Indexing::Skip),
        Seen::Literal
    );
    assert_eq!(
        encode(&mut encoder, ":path", b"/a", Indexing::Index),
        Seen::Inserted
    );
    assert_eq!(
        encode(&mut encoder, ":path", b"/a", Indexing::Skip),
        Seen::Indexed
    );
    // Never is never a reference, not even to the static table.
    assert_eq!(
        encode(&mut encoder, ":path", b"/a", Indexing::Never),
        Seen::Never
    );
    assert_eq!(
        encode(&mut encoder, ":method", b"GET", Indexing::Never),
        Seen::Never
    );
    assert_eq!(
        encode(&mut encoder, "x-a", b"secret", Indexing::Never),
        Seen::Never
    );
    assert_eq!(
        encode(&mut encoder, "x-a", b"secret", Indexing::Skip),
        Seen::Literal
    );
}

#[test]
fn a_proxy_hands_the_sensitive_mark_on() {
    let mut first = Encoder::new(4096);
    let mut wire = BytesMut::new();
    first.begin(&mut wire);
    first.field(b"x-token", b"secret", Indexing::Never, &mut wire);
    first.field(b"x-open", b"value", Indexing::Auto, &mut wire);
    let received = complete(&mut Decoder::new(unlimited()), &wire);
    assert_eq!(received.sensitive, [true, false]);

    let mut second = Encoder::new(4096);
    let mut wire = BytesMut::new();
    second.begin(&mut wire);
    for ((name, value), sensitive) in received.list.iter().zip(&received.sensitive) {
        let indexing = if *sensitive {
            Indexing::Never
        } else {
            Indexing::Auto
        };
        second.field(name, value, indexing, &mut wire);
    }
    let forwarded: Fields = complete(&mut Decoder::new(unlimited()), &wire);
    assert_eq!(forwarded, received);
}

/// RFC 7541 §6.2.1: a literal takes its name from wherever in the table it is.
#[test]
fn a_name_is_referred_to_at_every_place_of_the_table() {
    let mut encoder = Encoder::new(4096);
    let mut decoder = Decoder::new(unlimited());
    for n in 0..20 {
        let name = format!("name-{n}");
        let fields: [(&[u8], &[u8]); 1] = [(name.as_bytes(), b"value")];
        let wire = common::encode(&mut encoder, &fields, Indexing::Index);
        let _ = complete(&mut decoder, &wire);
    }
    for n in 0..20 {
        let name = format!("name-{n}");
        let fields: [(&[u8], &[u8]); 1] = [(name.as_bytes(), b"~")];
        let wire = common::encode(&mut encoder, &fields, Indexing::Skip);
        // The index has 4 bits in the first octet and 7 in the next.
        assert_eq!(wire[..], [0x0f, 62 + 19 - n - 15, 1, b'~']);
        let got = complete(&mut decoder, &wire);
        assert_eq!(got.list, [(name.into_bytes(), b"~".to_vec())]);
    }
}

#[test]
fn an_encoder_finds_nearly_every_entry_of_a_large_table() {
    // The search gives up after a few slots.
    let mut encoder = Encoder::new(65_536);
    encoder.set_peer_table_size(65_536);
    let fields: Vec<String> = (0..1500).map(|n| format!("x-{n}")).collect();
    for name in &fields {
        assert_eq!(
            encode(&mut encoder, name, b"v", Indexing::Index),
            Seen::Inserted
        );
    }
    let found = fields
        .iter()
        .filter(|name| encode(&mut encoder, name, b"v", Indexing::Skip) == Seen::Indexed)
        .count();
    assert!(found >= 1450, "{found} of 1500");
}

/// What an encoder gives back when nobody uses it is made again, and no field is sent in another way for it.
#[test]
fn a_shrunk_encoder_finds_what_it_found() {
    let (mut kept, mut shrunk) = (Encoder::new(4096), Encoder::new(4096));
    for round in 0..200 {
        let id = format!("{round:0>20}");
        let lists: [(&str, &str); 4] = [
            (":authority", "example.com"),
            ("x-name", "value"),
            ("x-request-id", &id),
            ("x-other", if round % 7 < 3 { "one" } else { "two" }),
        ];
        let block = |encoder: &mut Encoder| {
            let mut out = BytesMut::new();
            encoder.begin(&mut out);
            for (name, value) in lists {
                encoder.field(name.as_bytes(), value.as_bytes(), Indexing::Auto, &mut out);
            }
            out
        };
        assert_eq!(block(&mut kept), block(&mut shrunk), "round {round}");
        if round % 5 == 0 {
            let before = shrunk.memory_footprint();
            shrunk.shrink();
            assert!(shrunk.memory_footprint() < before.min(4_096));
            // Twice in a row is as good as once.
            shrunk.shrink();
        }
    }
    assert!(kept.table_size() > 3_900, "the table is full");
    assert_eq!(kept.table_fingerprint(), shrunk.table_fingerprint());
}

#[test]
fn strings_take_the_shorter_of_both_codings() {
    // Five bits for each octet, and more than eight; short, and longer than what is staged.
    // The length itself takes up to three octets with its prefix of seven bits (RFC 7541 §5.1).
    for (len, length_octets) in [(10_usize, 1), (126, 1), (127, 2), (1_000, 3)] {
        // Before it stand the kind of the literal, and the name with its length.
        let head = 1 + 2 + length_octets;
        for (octet, at_most) in [(b'a', head + (len * 5).div_ceil(8)), (b'~', head + len)] {
            let value = vec![octet; len];
            let mut out = BytesMut::new();
            let mut encoder = Encoder::new(4096);
            encoder.begin(&mut out);
            encoder.field(b"a", &value, Indexing::Skip, &mut out);
            assert!(out.len() <= at_most, "{} for {len} of {octet}", out.len());
            let got = complete(&mut Decoder::new(unlimited()), &out);
            assert_eq!(got.list, [(b"a".to_vec(), value)]);
        }
    }
}

/// What is compared is compared in full, also where hashes, lengths and ends are alike.
#[test]
fn fields_that_differ_in_one_octet_are_told_apart() {
    for len in [3, 7, 8, 12, 16, 17, 24, 40] {
        for at in 0..len {
            let first = vec![b'a'; len];
            let mut second = first.clone();
            second[at] = b'b';
            let texts = [first, second];
            let pairs = [[0, 0], [0, 1], [1, 0], [1, 1]];
            let mut encoder = Encoder::new(4096);
            let mut decoder = Decoder::new(unlimited());
            for round in 0..3 {
                for pair in pairs {
                    let (name, value) = (&texts[pair[0]], &texts[pair[1]]);
                    let mut out = BytesMut::new();
                    encoder.begin(&mut out);
                    encoder.field(name, value, Indexing::Auto, &mut out);
                    let got = complete(&mut decoder, &out);
                    assert_eq!(got.list, [(name.clone(), value.clone())], "at {at}");
                    assert!(round == 0 || out.len() == 1, "each is in the table");
                }
            }
        }
    }
}

/// Room for a long string is made for what it takes, not for a multiple.
#[test]
fn long_strings_take_the_room_that_they_need() {
    let value = vec![b'a'; 16_000];
    let mut out = BytesMut::new();
    let mut encoder = Encoder::new(4096);
    encoder.begin(&mut out);
    for _ in 0..2 {
        encoder.field(b"name", &value, Indexing::Skip, &mut out);
    }
    assert!(out.len() > 20_000 && out.capacity() < 2 * out.len());
}

/// RFC 7541 Appendix A: what the table of everybody has takes one octet, with every value that it has.
#[test]
fn every_field_of_the_static_table_is_one_octet() {
    for index in 1..=61_u8 {
        let wire = [0x80 | index];
        let field = complete(&mut Decoder::new(unlimited()), &wire)
            .list
            .remove(0);
        let mut out = BytesMut::new();
        let mut encoder = Encoder::new(4096);
        encoder.begin(&mut out);
        encoder.field(&field.0, &field.1, Indexing::Skip, &mut out);
        assert_eq!(out[..], wire, "{field:?}");
    }
}

#[test]
fn what_finds_names_is_counted_beside_what_finds_fields() {
    let footprint = |name: &dyn Fn(usize) -> &'static str| {
        let mut encoder = Encoder::new(4096);
        for n in 0..30 {
            let value = format!("{n:08}");
            let how = encode(&mut encoder, name(n), value.as_bytes(), Indexing::Index);
            assert_eq!(how, Seen::Inserted);
        }
        encoder.memory_footprint()
    };
    // As long as each other; only the second is in no static table.
    let (of_static, of_own) = (footprint(&|_| "server"), footprint(&|_| "x-name"));
    assert!(of_own >= of_static + 256, "{of_static} and {of_own}");
}
