//! The engine's account of its memory against the allocator's.

use bytes::Bytes;
use raddle_core::{Config, RequestHead, ResponseHead, Then};
use raddle_tests::counting;

use crate::{
    pair::{GET, NO_STREAMS, NO_WINDOWS, Pair},
    spares::upload_in_pieces,
};

/// What may be missing of the account for a connection: the words that shared buffers keep about themselves.
const CONNECTION_BYTES_APART_MAX: i64 = 160;
/// And for a stream that has something to send.
const STREAM_BYTES_APART_MAX: i64 = 40;

/// Bytes of the table for each stream, once there are some: those of an entry, of an identifier, and a quarter.
const STREAM_BYTES_MAX: usize = 240;
/// Allocations of both ends and of the test, most of them for heads.
const CALLS_PER_2100_STREAMS_MAX: u64 = 320;

/// The value of a field that is most of its list.
const LONG: &str =
    "a value that makes the list that it is in a hundred bytes long, or nearly so, give or take";

/// Asserts that what both ends tell of is what comes back when they go. So many streams have something to send.
fn assert_accounted(streams: i64, mut pair: Pair) {
    pair.drop_heads();
    let told = [&pair.client, &pair.server].map(|end| end.connection.memory_footprint());
    for (told, freed) in told.iter().zip(pair.end()) {
        let apart = freed - told.total() as i64;
        let apart_max = CONNECTION_BYTES_APART_MAX + streams * STREAM_BYTES_APART_MAX;
        assert!(
            (0..=apart_max).contains(&apart),
            "{freed} bytes were held, and {} told of: {told:?}",
            told.total()
        );
    }
}

#[test]
fn what_ended_streams_leave() {
    assert_accounted(0, Pair::new(Config::default()));
    let mut pair = Pair::new(Config::default());
    for _ in 0..40 {
        pair.gets(10);
    }
    assert_accounted(0, pair);
    let mut pair = Pair::new(Config::default());
    for _ in 0..4 {
        pair.gets(100);
    }
    assert_accounted(0, pair);
}

#[test]
fn streams_and_what_they_have_to_send() {
    let mut pair = Pair::new(Config::default());
    pair.open_uploads(100);
    assert_accounted(100, pair);

    let mut pair = Pair::new(Config::default());
    let streams = pair.open_uploads(100);
    pair.client.input(NO_WINDOWS);
    pair.server.input(NO_WINDOWS);
    for &(up, down) in &streams {
        for len in [1_000, 100, 150, 2_000, 3_000, 50] {
            pair.client.send(up, &mut Bytes::from(vec![7; len]));
            pair.server.send(down, &mut Bytes::from(vec![7; len]));
        }
    }
    pair.settle();
    assert_accounted(100, pair);
}

#[test]
fn heads_and_trailers_that_wait() {
    let config = Config {
        concurrent_streams_assumed: 0,
        ..Config::default()
    };
    let mut pair = Pair::new(config);
    pair.client.input(NO_STREAMS);
    for _ in 0..100 {
        let head = RequestHead::from_fields(pair.client.fields(&GET));
        let trailers = pair.client.fields(&[("name", LONG)]);
        let client = &mut pair.client.connection;
        let stream = client.open(head, Then::More).unwrap();
        client.send_trailers(stream, trailers).unwrap();
    }
    assert_accounted(100, pair);

    let mut pair = Pair::new(Config::default());
    for (_, down) in pair.open_requests(100) {
        let mut head = |status| {
            ResponseHead::from_fields(pair.server.fields(&[(":status", status), ("name", LONG)]))
        };
        let (interim, last) = (head("103"), head("200"));
        let server = &mut pair.server.connection;
        server.inform(down, interim.clone()).unwrap();
        server.respond(down, last, Then::More).unwrap();
    }
    assert_accounted(100, pair);
}

#[test]
fn boxes_that_wait_for_the_next_message() {
    assert_accounted(0, upload_in_pieces(200));
}

#[test]
fn a_body_that_is_given_byte_by_byte_costs_its_bytes() {
    let mut pair = Pair::new(Config::default());
    pair.client.input(NO_WINDOWS);
    let (up, _) = pair.open_uploads(1)[0];
    let before = pair.footprints().0;
    for _ in 0..10_000 {
        pair.client.send(up, &mut Bytes::from_static(b"x"));
    }
    let grown = pair.footprints().0 - before;
    assert!(
        (10_000..=20_000).contains(&grown),
        "{grown} bytes for 10,000"
    );
}

#[test]
fn the_table_of_streams_has_a_quarter_of_room_at_most_and_is_seldom_moved() {
    let config = Config {
        concurrent_streams_max: 10_000,
        open_queue_max: 10_000,
        ..Config::default()
    };
    let mut pair = Pair::new(config);
    let before = counting::calls();
    for streams in 1..=2_100 {
        pair.open_get();
        pair.settle();
        let table = pair.server.connection.memory_footprint().table;
        if streams >= 100 {
            assert!(
                table / streams <= STREAM_BYTES_MAX,
                "{table} bytes for {streams}"
            );
        }
    }
    let calls = counting::calls() - before;
    println!("{calls} allocations for 2,100 streams");
    assert!(calls <= CALLS_PER_2100_STREAMS_MAX, "{calls} allocations");
}
