//! What the engine asks of the heap: nothing for streams that are under way, a counted few times for a request, and a
//! stated number of bytes for what is idle. The figures only go down.

mod account;
mod pair;
mod spares;

use bytes::{Buf, Bytes, BytesMut};
use pair::Pair;
use raddle_core::{Config, Connection, ErrorCode, Event, Role, Timestamp, Transmit};
use raddle_tests::{
    counting::{self, Counting},
    wire,
};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of both ends for a small GET and its answer of 100 bytes, for 1,000 of them: a few for memory that many
/// heads share.
const CALLS_PER_1000_GETS_MAX: u64 = 280;
/// Bytes of one end for an open stream with nothing in flight.
const STREAM_BYTES_MAX: i64 = 215;
/// Bytes of one end for a connection without streams, its engine included.
const CONNECTION_BYTES_MAX: i64 = 3_200;

#[test]
fn streams_under_way_allocate_nothing() {
    let mut pair = Pair::new(Config::default());
    let body = Bytes::from(vec![7; 16_384]);
    let uploads = pair.open_uploads(8);
    let round = |pair: &mut Pair| {
        for (at, &(up, down)) in uploads.iter().enumerate() {
            // Large pieces, which are shared, and small ones, which are copied.
            let mut piece = body.slice(..if at % 2 == 0 { body.len() } else { 100 });
            pair.client.send(up, &mut piece.clone());
            pair.server.send(down, &mut piece);
        }
        pair.client.connection.ping();
        pair.server.connection.ping();
        pair.settle();
        pair.repeat_settings();
    };
    for _ in 0..100 {
        round(&mut pair);
    }
    let (before, bytes) = (counting::calls(), pair.received());
    for _ in 0..1_000 {
        round(&mut pair);
    }
    let calls = counting::calls() - before;
    assert_eq!(pair.received() - bytes, 2 * 4 * 1_000 * (16_384 + 100));
    assert_eq!(calls, 0, "allocations in 1,000 rounds of 16 pieces");
}

#[test]
fn a_request_costs_a_counted_few_allocations() {
    let mut pair = Pair::new(Config::default());
    for _ in 0..20 {
        pair.gets(100);
    }
    let before = counting::calls();
    for _ in 0..10 {
        pair.gets(100);
    }
    let calls = counting::calls() - before;
    println!("{calls} allocations for 1,000 requests");
    assert!(
        calls <= CALLS_PER_1000_GETS_MAX,
        "{calls} allocations for 1,000 requests"
    );
}

#[test]
fn ten_thousand_streams_that_nobody_reads_cost_the_window_and_a_stated_part_each() {
    const STREAMS: u32 = 10_000;
    let config = Config {
        concurrent_streams_max: STREAMS,
        ..Config::default()
    };
    let window = i64::from(config.connection_window_bytes);
    let mut server = Connection::new(Role::Server, config, Timestamp(0));
    let mut inbox = BytesMut::from(wire::PREFACE);
    inbox.extend_from_slice(&[wire::settings(&[]), wire::settings_ack()].concat());
    let mut out = Transmit::new();
    // What the application was given and has not read.
    let mut unread = Vec::with_capacity(STREAMS as usize);
    let before = counting::live();
    for n in 0..STREAMS {
        let id = 2 * n + 1;
        inbox.extend_from_slice(&wire::headers(id, wire::POST, false));
        // As much as the connection's window takes, and single frames of it.
        inbox.extend_from_slice(&wire::data(id, &[7; 104], false));
        server.handle_input(&mut inbox, Timestamp(0));
        while let Some(event) = server.poll_event() {
            if let Event::Data { data, .. } = event {
                unread.push(data);
            }
        }
        server.poll_transmit(&mut out, Timestamp(0));
        out.advance(out.remaining());
    }
    assert_eq!((server.error(), unread.len()), (None, STREAMS as usize));
    let cost = counting::live() - before - window;
    println!("{} bytes per stream beside the window", cost / 10_000);
    assert!(
        cost <= i64::from(STREAMS) * STREAM_BYTES_MAX,
        "{cost} bytes"
    );
}

#[test]
fn an_idle_stream_and_an_idle_connection_cost_what_is_stated() {
    let before = counting::live();
    let config = Config {
        concurrent_streams_max: 1_024,
        open_queue_max: 1_024,
        ..Config::default()
    };
    let mut pair = Pair::new(config);
    let engines = counting::live() - before - pair.buffers() as i64;
    let idle = engines / 2 + size_of::<Connection>() as i64;
    println!("{idle} bytes per connection");
    assert!(idle <= CONNECTION_BYTES_MAX, "{idle} bytes per connection");

    let before = counting::live();
    let (client, server) = (pair.footprints().0, pair.footprints().1);
    let streams: Vec<_> = (0..1_024).map(|_| pair.open_get()).collect();
    pair.settle();
    pair.drop_heads();
    let live = counting::live() - before - (streams.capacity() * 8) as i64;
    let (client, server) = (pair.footprints().0 - client, pair.footprints().1 - server);
    println!(
        "{} bytes per stream, by count {} and {}",
        live / 1_024,
        client / 1_024,
        server / 1_024
    );
    assert!(
        live / 2_048 <= STREAM_BYTES_MAX,
        "{} bytes per stream and end",
        live / 2_048
    );

    // All of them, and no more at a time than are no flood.
    for some in streams.chunks(512) {
        for &stream in some {
            pair.client.connection.reset(stream, ErrorCode::CANCEL);
        }
        pair.settle();
    }
    pair.gets(1);
    assert_eq!(pair.client.connection.stats().streams_opened, 1_025);
}
