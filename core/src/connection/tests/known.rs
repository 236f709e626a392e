//! Header blocks that come again mean what they would mean if each were the first.

use std::{format, string::String, vec, vec::Vec};

use bytes::BytesMut;
use raddle_hpack::{Encoder, Indexing};

use super::{
    by_hand::{OK, head, open, ready, seconds},
    pair::End,
};
use crate::{Config, ErrorCode, Event, Fields, ResponseHead, Role, Then, drawn::Draw};

impl Draw {
    /// A request, one of few, now and then with a field that no other has or with one that makes it malformed.
    fn request(&mut self) -> (Vec<(String, String)>, bool) {
        let path = format!("/{}", self.below(2));
        let mut list: Vec<(String, String)> = [
            (":method", "GET"),
            (":scheme", "https"),
            (":authority", "a"),
            (":path", &path),
            ("accept", "text/html"),
        ]
        .map(|(name, value)| (name.into(), value.into()))
        .into();
        let well = match self.below(8) {
            0 => {
                let value = format!("{:0>9}", self.below(1_000_000));
                list.push(("x-only".into(), value));
                true
            }
            1 => {
                list.push(("connection".into(), "close".into()));
                false
            }
            _ => true,
        };
        (list, well)
    }
}

fn block(encoder: &mut Encoder, list: &[(String, String)], indexing: Indexing) -> BytesMut {
    let mut out = BytesMut::new();
    encoder.begin(&mut out);
    for (name, value) in list {
        encoder.field(name.as_bytes(), value.as_bytes(), indexing, &mut out);
    }
    out
}

/// What a server makes of a request that comes on `stream`: the fields of its head, or that it was refused.
fn heard(server: &mut End, stream: u32, block: &[u8]) -> Option<Fields> {
    // Slowly enough for malformed requests to be no flood.
    let now = seconds(u64::from(stream));
    assert!(
        server.connection.error().is_none(),
        "{:?}",
        server.connection.error()
    );
    server.input(&head(stream, block, true), now);
    let asked = server
        .take_events()
        .into_iter()
        .find_map(|event| match event {
            Event::Request { stream, head, .. } => Some((stream, head)),
            _ => None,
        });
    let fields = asked.map(|(stream, head)| {
        let answer = ResponseHead::new(204).finish();
        server
            .connection
            .respond(stream, answer, Then::End)
            .unwrap();
        head.as_fields().clone()
    });
    server.output(now);
    server.take_events();
    fields
}

#[test]
fn a_request_that_comes_again_is_the_same_request() {
    let (mut again, mut refused) = (0, 0);
    for seed in 0..30 {
        let mut draw = Draw(seed);
        let mut server = ready(Role::Server, Config::default(), &[]);
        let mut encoder = Encoder::new(4_096);
        let indexing = [Indexing::Auto, Indexing::Index, Indexing::Skip][seed as usize % 3];
        let mut request = draw.request();
        for round in 0..200 {
            if draw.below(4) == 0 {
                request = draw.request();
            }
            if draw.below(20) == 0 {
                encoder.set_peer_table_size(draw.below(4_097) as u32);
            }
            let (list, well) = &request;
            let block = block(&mut encoder, list, indexing);
            let before = server.connection.known.found;
            let got = heard(&mut server, 2 * round + 1, &block);
            let expected: Fields = list
                .iter()
                .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
                .collect();
            assert_eq!(
                got,
                well.then_some(expected),
                "seed {seed}, request {round}"
            );
            let [_, decoder] = server.connection.audit_tables();
            assert_eq!(decoder, encoder.table_fingerprint());
            let found = server.connection.known.found > before;
            again += u32::from(found);
            refused += u32::from(found && !well);
        }
    }
    assert!(again > 1_000 && refused > 50, "{again}, {refused}");
}

/// The same octets are another request once something has entered the table.
#[test]
fn a_block_means_what_the_table_makes_of_it() {
    let mut server = ready(Role::Server, Config::default(), &[]);
    // None of these enters the table.
    let get = &[0x82, 0x87, 0x84, 0x01, 0x01, b'a'][..];
    let inserted = |value: &[u8]| [get, b"\x40\x03x-a\x01", value].concat();
    let again = [get, &[0xbe]].concat();
    let mut id = 1;
    for value in [b"1", b"2", b"3"] {
        for block in [&inserted(value), &again, &again, &again, &again] {
            let fields = heard(&mut server, id, block).expect("it is well-formed");
            assert_eq!(fields.find(b"x-a"), Some(&value[..]), "stream {id}");
            id += 2;
        }
    }
    assert!(server.connection.known.found > 3);
}

#[test]
fn what_no_hop_may_index_is_not_kept() {
    let mut server = ready(Role::Server, Config::default(), &[]);
    let mut encoder = Encoder::new(4_096);
    let list = Draw(0).request().0;
    for round in 0..10 {
        let mut block = block(&mut encoder, &list, Indexing::Auto);
        encoder.field(b"x-token", b"secret", Indexing::Never, &mut block);
        assert!(heard(&mut server, 2 * round + 1, &block).is_some());
    }
    assert_eq!(server.connection.known.found, 0);
    assert_eq!(server.connection.known.memory_footprint(), 0);
}

/// Whatever a peer sends again and again, a connection keeps little of it.
#[test]
fn long_blocks_and_long_lists_are_not_kept() {
    let mut server = ready(Role::Server, Config::default(), &[]);
    let get = &[0x82, 0x87, 0x84, 0x01, 0x01, b'a'][..];
    let long_block = [get, b"\x00\x03x-l\x7f\xad\x01", &[b'v'; 300]].concat();
    let entry = [get, b"\x40\x03x-e\x7f\xa1\x07", &[b'v'; 1_056]].concat();
    let long_list = [get, &[0xbe]].concat();
    let mut blocks = vec![long_block; 10];
    blocks.push(entry);
    blocks.extend(vec![long_list; 10]);
    for (at, block) in blocks.iter().enumerate() {
        let fields = heard(&mut server, 2 * at as u32 + 1, block).expect("it is well-formed");
        assert!(fields.len() == 5, "{at}");
        assert_eq!(server.connection.known.memory_footprint(), 0, "{at}");
    }
    for at in 21..31 {
        assert!(heard(&mut server, 2 * at + 1, get).is_some());
    }
    let kept = server.connection.known.memory_footprint();
    assert!((1..1_000).contains(&kept), "{kept} bytes");
}

/// What is left of a list that is too large is not what it would be taken for the next time.
#[test]
fn a_list_that_is_too_large_is_too_large_each_time() {
    let config = Config {
        header_list_bytes_max: 300,
        ..Config::default()
    };
    let mut server = ready(Role::Server, config, &[]);
    let get = &[0x82, 0x87, 0x84, 0x01, 0x01, b'a'][..];
    let block = [get, b"\x00\x03x-l\x7f\x49", &[b'v'; 200]].concat();
    for at in 0..10 {
        assert_eq!(heard(&mut server, 2 * at + 1, &block), None, "{at}");
    }
}

/// The octets alone do not say what a section is.
#[test]
fn the_block_of_a_response_is_not_good_for_trailers() {
    let mut client = ready(Role::Client, Config::default(), &[]);
    for round in 0..10 {
        let now = seconds(round);
        open(&mut client, now);
        let id = 2 * round as u32 + 1;
        client.input(&head(id, OK, true), now);
        let events = client.take_events();
        assert!(matches!(
            &events[..],
            [Event::Response { .. }, Event::Finished { .. }]
        ));
    }
    assert!(client.connection.known.found > 5);
    for round in 10..20 {
        let now = seconds(round);
        open(&mut client, now);
        let id = 2 * round as u32 + 1;
        client.input(&head(id, OK, false), now);
        client.input(&head(id, OK, true), now);
        let events = client.take_events();
        let Some(Event::Failed { error, .. }) = events.last() else {
            panic!("{events:?}");
        };
        assert_eq!(error.code, ErrorCode::PROTOCOL_ERROR);
        client.output(now);
    }
}
