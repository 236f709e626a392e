//! RFC 9113 §8.2: fields.

use crate::*;

/// Whether a GET with one more field, by raw bytes, is taken. If not, it costs one stream.
fn taken(name: &[u8], value: &[u8]) -> bool {
    let mut hand = Hand::server();
    let mut block = wire::block(GET);
    block.extend_from_slice(&[0, name.len() as u8]);
    block.extend_from_slice(name);
    block.push(value.len() as u8);
    block.extend_from_slice(value);
    hand.says(wire::frame(kind::HEADERS, 5, 1, &block));
    let taken = heard!(hand.events(), Event::Request { .. });
    let resets = hand.resets_sent();
    assert_eq!(resets, [(1, 1)][usize::from(taken)..]);
    hand.lives();
    taken
}

#[test]
fn names_have_no_uppercase_letters_no_space_and_no_controls() {
    for name in [
        &b"Accept"[..],
        b"X",
        b"a b",
        b" a",
        b"a\0",
        b"a\r",
        b"a\n",
        b"a:b",
        b"",
        b"\x7f",
        b"\x80",
        b"\xff",
    ] {
        assert!(!taken(name, b"x"), "{name:?}");
    }
    for name in [&b"a"[..], b"x-9", b"!#$%&'*+-.^_`|~"] {
        assert!(taken(name, b"x"), "{name:?}");
    }
}

#[test]
fn values_have_no_line_breaks_no_nul_and_no_space_around() {
    for value in [&b"a\0b"[..], b"a\rb", b"a\nb", b" a", b"a ", b"\ta", b"a\t"] {
        assert!(!taken(b"a", value), "{value:?}");
    }
    for value in [&b""[..], b"a b", b"a\tb", b"\x80\xff"] {
        assert!(taken(b"a", value), "{value:?}");
    }
}

#[test]
fn connection_specific_fields_are_malformed_both_ways() {
    for name in [
        "connection",
        "proxy-connection",
        "keep-alive",
        "transfer-encoding",
        "upgrade",
    ] {
        let mut hand = Hand::server();
        hand.says(wire::headers(1, &[GET, &[(name, "x")]].concat(), true));
        hand.resets(1, Violation::ConnectionSpecificField);
        let mut hand = Hand::client();
        hand.open(Then::End);
        hand.says(wire::headers(1, &[OK, &[(name, "x")]].concat(), true));
        hand.resets(1, Violation::ConnectionSpecificField);
        let head = RequestHead::new(b"GET", b"http", Some(b"test"), b"/")
            .field(name.as_bytes(), b"x")
            .finish();
        let refused = hand.end.connection.open(head, Then::End);
        assert_eq!(
            refused.unwrap_err().0,
            OpenError::Malformed(Violation::ConnectionSpecificField)
        );
    }
}

#[test]
fn te_says_trailers_or_nothing() {
    let mut hand = Hand::server();
    hand.says(wire::headers(1, &with(&[("te", "trailers")]), true));
    assert!(heard!(hand.events(), Event::Request { .. }));
    for (id, value) in [(3, "gzip"), (5, "trailers, gzip"), (7, "")] {
        let fields = [GET, &[("te", value)]].concat();
        hand.says(wire::headers(id, &fields, true));
        hand.resets(id, Violation::TeNotTrailers);
    }
}

#[test]
fn crumbs_of_cookies_are_taken() {
    let mut hand = Hand::server();
    hand.says(wire::headers(
        1,
        &with(&[("cookie", "a=1"), ("cookie", "b=2")]),
        true,
    ));
    assert!(heard!(hand.events(), Event::Request { .. }));
}

#[test]
fn a_bad_field_in_one_block_does_not_poison_the_next() {
    let mut hand = Hand::server();
    // The bad field goes into the table, and the next block does not use it.
    let bad = [&wire::block(GET)[..], b"\x40\x01A\x01b"].concat();
    hand.says(wire::frame(kind::HEADERS, 5, 1, &bad));
    hand.resets(1, Violation::FieldNameUppercase);
    hand.request(3, Then::End);
    hand.lives();
}

#[test]
fn we_send_no_uppercase_names() {
    let mut hand = Hand::client();
    let head = RequestHead::new(b"GET", b"http", Some(b"test"), b"/")
        .field(b"Accept", b"*/*")
        .finish();
    let refused = hand.end.connection.open(head, Then::End);
    assert_eq!(
        refused.unwrap_err().0,
        OpenError::Malformed(Violation::FieldNameUppercase)
    );
    let mut hand = Hand::server();
    let stream = hand.request(1, Then::End);
    let head = ResponseHead::new(200).field(b"Server", b"x").finish();
    let refused = hand.end.connection.respond(stream, head, Then::End);
    assert_eq!(
        refused,
        Err(SendError::Malformed(Violation::FieldNameUppercase))
    );
    assert_eq!(hand.frames(), []);
}
