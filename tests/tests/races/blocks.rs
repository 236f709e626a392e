//! Header blocks.

use crate::*;

fn part(id: u32, payload: &[u8], last: bool) -> Vec<u8> {
    wire::frame(kind::CONTINUATION, u8::from(last) * 4, id, payload)
}

#[test]
fn e01_refused_blocks_keep_the_table_in_step() {
    let config = Config {
        concurrent_streams_max: 1,
        ..Config::default()
    };
    let mut hand = Hand::under(Role::Server, config);
    let first = hand.request(1, Then::End);
    let entry = [&wire::block(GET)[..], b"\x40\x01k\x01v"].concat();
    hand.says(wire::frame(kind::HEADERS, 5, 3, &entry));
    assert_eq!(hand.resets_sent(), [(3, REFUSED)]);
    hand.respond(first, Then::End);
    hand.frames();
    let reference = [&wire::block(GET)[..], b"\xbe"].concat();
    hand.says(wire::frame(kind::HEADERS, 5, 5, &reference));
    assert!(matches!(hand.told.last(), Some(Event::Request { .. })));
}

#[test]
fn e02_blocks_are_encoded_in_the_order_of_the_wire() {
    let mut pair = Pair::new(Config::default(), Config::default());
    let streams = [(); 20].map(|()| {
        let head = RequestHead::new(b"GET", b"http", Some(b"test"), b"/")
            .field(b"x-same", b"value")
            .finish();
        pair.client.connection.open(head, Then::End).unwrap()
    });
    // Every third is gone before it is encoded, and the table never knew of it.
    for stream in streams.iter().step_by(3) {
        pair.client.connection.reset(*stream, ErrorCode::CANCEL);
    }
    pair.settle();
    let events = pair.server.take_events();
    let requests = events.iter().filter(|event| match event {
        Event::Request { head, .. } => head.fields().all(|field| field.value == b"value"),
        _ => false,
    });
    assert_eq!(requests.count(), 13);
}

#[test]
fn e04_nothing_comes_between_the_parts_of_a_block() {
    for between in [
        wire::data(1, b"x", false),
        wire::headers(5, GET, true),
        wire::ping([0; 8], false),
        wire::frame(0xbe, 0, 3, b""),
        part(1, b"", true),
    ] {
        let (mut hand, _) = asked();
        hand.says(wire::frame(kind::HEADERS, 0, 3, b""));
        hand.says(between)
            .ends_with(Violation::ContinuationExpected);
    }
}

#[test]
fn e05_table_updates_out_of_bounds_or_place_are_errors() {
    let late = [&wire::block(GET)[..], b"\x20"].concat();
    for block in [&b"\x3f\xe2\x1f"[..], &late, b"\x20\x20\x20\x82"] {
        let (mut hand, _) = asked();
        hand.says(wire::frame(kind::HEADERS, 5, 3, block));
        hand.ends_with(Violation::HpackDecodeFailed);
    }
}

#[test]
fn e06_a_smaller_table_that_is_not_confirmed_is_an_error() {
    let config = Config {
        header_table_bytes: 0,
        ..Config::default()
    };
    let mut hand = Hand::under(Role::Server, config);
    hand.says(wire::headers(1, GET, true));
    hand.ends_with(Violation::HpackDecodeFailed);
}

#[test]
fn e07_a_bad_field_does_not_poison_the_next_block() {
    let mut hand = Hand::server();
    let bad = [&wire::block(GET)[..], b"\x40\x01K\x01v"].concat();
    hand.says(wire::frame(kind::HEADERS, 5, 1, &bad));
    hand.resets(1, Violation::FieldNameUppercase);
    hand.request(3, Then::End);
    hand.lives();
}

#[test]
fn e08_indices_and_strings_that_do_not_exist_are_errors() {
    let value = |value: &[u8]| [b"\x00\x01a", value].concat();
    for block in [
        b"\x80".to_vec(),
        b"\xff\x80\x01".to_vec(),
        value(b"\x84\xff\xff\xff\xff"),
        value(b"\x82\x1f\xff"),
        value(b"\x81\x18"),
    ] {
        let (mut hand, _) = asked();
        hand.says(wire::frame(kind::HEADERS, 5, 3, &block));
        hand.ends_with(Violation::HpackDecodeFailed);
    }
}

#[test]
fn e09_an_entry_larger_than_the_table_empties_it() {
    let mut hand = Hand::server();
    let block = [b"\x3f\x01", &wire::block(GET)[..], b"\x40\x01a\x01b"].concat();
    hand.says(wire::frame(kind::HEADERS, 5, 1, &block));
    assert!(matches!(hand.told.last(), Some(Event::Request { .. })));
}

#[test]
fn e10_a_block_byte_by_byte_is_the_same_and_no_more_than_linear() {
    let long = "x".repeat(100);
    let fields = [GET, &[("a", &long[..]); 60]].concat();
    let bytes = wire::headers(1, &fields, true);
    let mut whole = Hand::server();
    let before = whole.end.connection.stats().work_units;
    whole.says(&bytes);
    let at_once = whole.end.connection.stats().work_units - before;
    let mut pieces = Hand::server();
    let before = pieces.end.connection.stats().work_units;
    for byte in &bytes {
        pieces.says([*byte]);
    }
    let in_pieces = pieces.end.connection.stats().work_units - before;
    assert_eq!(whole.events(), pieces.events());
    assert!(in_pieces <= at_once + 2 * bytes.len() as u64);
}

#[test]
fn e11_the_end_inside_a_block_tells_no_part_of_it() {
    let (mut hand, [stream]) = asking::<1>();
    hand.says(wire::frame(kind::HEADERS, 0, 1, &wire::block(OK)));
    transport_ends(&mut hand, TransportEnd::Eof);
    assert_eq!(hand.failure(stream).retry, Retry::IfIdempotent);
    assert_eq!(assert_ends_once(&hand.events()[..1]), 1, "nothing else");
}

#[test]
fn e12_a_block_that_is_not_finished_in_time_ends_the_connection() {
    let (mut hand, _) = asked();
    hand.says(wire::frame(kind::HEADERS, 0, 3, b""));
    let due = hand.end.connection.poll_timeout().unwrap();
    assert_eq!(due, Timestamp(5_000_000_000));
    // A part now and then does not move the deadline.
    hand.end.now = Timestamp(4_999_999_999);
    hand.says(part(3, b"\x82", false));
    hand.end.now = due;
    hand.end.connection.handle_timeout(due);
    hand.says([]).ends_with(Violation::HeaderBlockTimeout);
}
