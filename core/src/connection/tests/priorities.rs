//! RFC 9218 on the wire: the field, the frame, and the setting.

use std::vec::Vec;

use bytes::{BufMut, BytesMut};

use super::{
    by_hand::settings,
    pair::{End, Pair},
};
use crate::{
    Config, Event, Lifecycle, Priority, RequestHead, Role, StreamHandle, Then, Timestamp,
    frame::encode, id::StreamId,
};

const NOW: Timestamp = Timestamp(0);

fn request(priority: &[&str]) -> RequestHead {
    let head = RequestHead::new(b"GET", b"https", Some(b"example.org"), b"/");
    let with =
        |head: crate::RequestHeadBuilder, value: &&str| head.field(b"priority", value.as_bytes());
    priority.iter().fold(head, with).finish()
}

fn update(stream: u32, value: &str) -> Vec<u8> {
    let mut frame = BytesMut::new();
    encode::priority_update(&mut frame, StreamId::from_u32(stream), value.as_bytes());
    frame.to_vec()
}

fn requests(end: &mut End) -> Vec<StreamHandle> {
    let events = end.take_events().into_iter();
    let requests = events.filter_map(|event| match event {
        Event::Request { stream, .. } => Some(stream),
        _ => None,
    });
    requests.collect()
}

fn priority_of(end: &End, stream: StreamHandle) -> (u8, bool) {
    let priority = end.connection.priority(stream).unwrap();
    (priority.urgency, priority.incremental)
}

// RFC 9218 §5
#[test]
fn the_priority_field_of_a_request_is_followed() {
    let mut pair = Pair::established();
    for value in [
        &["u=1, i"][..],
        &["i"],
        &["u=1", "i"],
        &["u=1", "u=6", "x"],
        &["?"],
        &[],
    ] {
        pair.client
            .connection
            .open(request(value), Then::End)
            .unwrap();
    }
    pair.settle();
    let requests = requests(&mut pair.server);
    let found: Vec<_> = requests
        .iter()
        .map(|&stream| priority_of(&pair.server, stream))
        .collect();
    assert_eq!(
        found,
        [
            (1, true),
            (3, true),
            (1, true),
            (6, false),
            (3, false),
            (3, false)
        ]
    );
}

// RFC 9218 §7.1
#[test]
fn an_update_is_followed_before_while_and_after_its_stream_is_open() {
    let mut pair = Pair::established();
    let server = &mut pair.server;
    server.input(&update(1, "u=0"), NOW);
    server.input(&update(3, "u=2, i"), NOW);
    server.input(&update(3, "u=5"), NOW);
    for priority in ["u=7", "u=7", "u=7"] {
        pair.client
            .connection
            .open(request(&[priority]), Then::End)
            .unwrap();
    }
    pair.settle();
    let server = &mut pair.server;
    let streams = requests(server);
    assert_eq!(
        priority_of(server, streams[0]),
        (0, false),
        "it counts more than the field"
    );
    assert_eq!(
        priority_of(server, streams[1]),
        (5, false),
        "the last one counts"
    );
    assert_eq!(priority_of(server, streams[2]), (7, false));
    server.input(&update(5, "i"), NOW);
    assert_eq!(
        priority_of(server, streams[2]),
        (3, true),
        "it replaces what was before"
    );
    server.input(&update(5, "u=\""), NOW);
    assert_eq!(
        priority_of(server, streams[2]),
        (3, true),
        "what cannot be read is ignored"
    );
    server
        .connection
        .reset(streams[0], crate::ErrorCode::CANCEL);
    pair.settle();
    pair.server.input(&update(1, "u=1"), NOW);
    assert_eq!(pair.server.connection.lifecycle(), Lifecycle::Open);
}

#[test]
fn updates_for_streams_that_never_open_take_a_bounded_place() {
    let mut pair = Pair::established();
    for stream in (1..1_000).step_by(2) {
        pair.server.input(&update(stream, "u=1"), NOW);
    }
    assert_eq!(pair.server.connection.lifecycle(), Lifecycle::Open);
    assert_eq!(pair.server.connection.early_len(), 32);
    for _ in 0..40 {
        pair.client
            .connection
            .open(request(&[]), Then::End)
            .unwrap();
    }
    pair.settle();
    let streams = requests(&mut pair.server);
    assert_eq!(
        priority_of(&pair.server, streams[0]),
        (3, false),
        "the oldest went"
    );
}

// RFC 9218 §2.1.1
#[test]
fn a_client_tells_a_server_that_goes_by_it_and_no_other() {
    let urgent = Priority {
        urgency: 1,
        incremental: true,
    };
    let mut pair = Pair::established();
    let sent = pair
        .client
        .connection
        .open(request(&[]), Then::End)
        .unwrap();
    pair.settle();
    let served = requests(&mut pair.server)[0];
    pair.client.connection.prioritize(sent, urgent);
    let waiting = pair
        .client
        .connection
        .open(request(&[]), Then::End)
        .unwrap();
    pair.client.connection.prioritize(waiting, urgent);
    pair.client.connection.prioritize(waiting, urgent);
    let bytes = pair.client.output(NOW);
    let updates = bytes.windows(6).filter(|window| window == b"u=1, i");
    assert_eq!(updates.count(), 2, "each is told once");
    pair.server.input(&bytes, NOW);
    assert_eq!(priority_of(&pair.server, served), (1, true));
    let later = requests(&mut pair.server)[0];
    assert_eq!(priority_of(&pair.server, later), (1, true));

    let mut client = End::new(Role::Client, Config::default());
    let stream = client.connection.open(request(&[]), Then::More).unwrap();
    let mut settings = BytesMut::new();
    settings.put_slice(&[0, 0, 0, 4, 0, 0, 0, 0, 0]);
    client.input(&settings, NOW);
    client.output(NOW);
    client.connection.prioritize(stream, urgent);
    assert!(
        client.output(NOW).is_empty(),
        "a server that says nothing gets no frame"
    );
}

#[test]
fn what_was_said_before_the_servers_settings_is_told_behind_them() {
    for (entry, told) in [((9, 1), 2), ((9, 0), 0), ((3, 100), 0)] {
        let mut client = End::new(Role::Client, Config::default());
        let [urgent, _, waiting] = [(); 3].map(|()| {
            let opened = client.connection.open(request(&[]), Then::More);
            client.output(NOW);
            opened.unwrap()
        });
        let priority = Priority {
            urgency: 1,
            incremental: true,
        };
        for stream in [urgent, waiting] {
            client.connection.prioritize(stream, priority);
        }
        assert!(client.output(NOW).is_empty());
        client.input(&settings(&[entry]), NOW);
        let bytes = client.output(NOW);
        let updates = bytes.windows(6).filter(|window| window == b"u=1, i");
        assert_eq!(updates.count(), told, "{entry:?}");
    }
}
