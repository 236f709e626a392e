//! The engine's account of its memory against the allocator's.

use bytes::Bytes;
use raddle_core::{Config, RequestHead, ResponseHead, Then};

use crate::pair::{GET, NO_STREAMS, NO_WINDOWS, Pair};

/// What may be missing of the account for a connection: the words that shared buffers keep about themselves.
const CONNECTION_BYTES_APART_MAX: i64 = 160;
/// And for a stream that has something to send.
const STREAM_BYTES_APART_MAX: i64 = 40;

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
