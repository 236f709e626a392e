//! Every cause that holds a stream, made once, and named by `explain`.

use std::vec;

use bytes::Bytes;

use super::pair::Pair;
use super::{get, post};
use crate::{
    Config, Connection, Event, ResponseHead, StreamHandle, Then, Timestamp, Transmit, Waiting,
};

/// A pair whose server has the given windows and allows so many streams.
fn pair(stream_window: u32, connection_window: u32, streams: u32) -> Pair {
    let config = Config {
        stream_window_bytes: stream_window,
        connection_window_bytes: connection_window,
        concurrent_streams_max: streams,
        ..Config::default()
    };
    let mut pair = Pair::new(Config::default(), config);
    pair.settle();
    pair.server.take_events();
    pair
}

/// Opens an upload that has given `bytes` and goes on.
fn upload(pair: &mut Pair, bytes: usize) -> StreamHandle {
    let client = &mut pair.client.connection;
    let stream = client.open(post("/"), Then::More).unwrap();
    client
        .send_data(stream, &mut Bytes::from(vec![0; bytes]), Then::More)
        .unwrap();
    stream
}

fn requests(pair: &mut Pair) -> vec::Vec<StreamHandle> {
    let events = pair.server.take_events().into_iter();
    let requests = events.filter_map(|event| match event {
        Event::Request { stream, .. } => Some(stream),
        _ => None,
    });
    requests.collect()
}

#[test]
fn a_request_beyond_the_peers_limit_waits_for_a_slot() {
    let mut pair = pair(70_000, 1 << 20, 1);
    let first = pair.client.connection.open(get("/"), Then::End).unwrap();
    let second = pair.client.connection.open(get("/"), Then::End).unwrap();
    pair.settle();
    assert_eq!(pair.client.connection.explain(second), Waiting::Slot);
    assert_eq!(pair.client.connection.explain(first), Waiting::Peer);
}

#[test]
fn an_upload_waits_for_the_window_of_its_stream() {
    let mut pair = pair(20_000, 1 << 20, 100);
    let stream = upload(&mut pair, 30_000);
    pair.settle();
    assert_eq!(
        pair.client.connection.explain(stream),
        Waiting::StreamWindow
    );
}

#[test]
fn an_upload_waits_for_the_window_of_the_connection_and_its_reader_for_the_others() {
    let mut pair = pair(60_000, 65_535, 100);
    let first = upload(&mut pair, 60_000);
    pair.settle();
    let second = upload(&mut pair, 60_000);
    pair.settle();
    let third = upload(&mut pair, 10);
    pair.settle();
    assert_eq!(pair.client.connection.explain(first), Waiting::Peer);
    assert_eq!(
        pair.client.connection.explain(second),
        Waiting::ConnectionWindow
    );
    assert_eq!(
        pair.client.connection.explain(third),
        Waiting::ConnectionWindow
    );
    let served = requests(&mut pair);
    let server = &pair.server.connection;
    assert_eq!(server.explain(served[0]), Waiting::Reader);
    assert_eq!(server.explain(served[1]), Waiting::Reader);
    assert_eq!(server.explain(served[2]), Waiting::OtherReaders);
    let holders: vec::Vec<_> = server.holders().collect();
    assert_eq!(holders, [(served[0], 60_000), (served[1], 5_535)]);
}

#[test]
fn what_can_be_cut_waits_for_the_transport() {
    let mut pair = pair(70_000, 1 << 20, 100);
    let first = upload(&mut pair, 64 * 1024);
    let second = upload(&mut pair, 64 * 1024);
    let client = &mut pair.client.connection;
    assert_eq!(client.explain(first), Waiting::Transport, "not bound yet");
    // The output is full before the second has had its turn.
    let mut out = Transmit::new();
    client.poll_transmit(&mut out, Timestamp(0));
    client.handle_transport_blocked(&out, Timestamp(0));
    let waits = [client.explain(first), client.explain(second)];
    assert!(waits.contains(&Waiting::Transport), "{waits:?}");
    let third = client.open(get("/"), Then::End).unwrap();
    client.poll_transmit(&mut out, Timestamp(0));
    assert_eq!(client.explain(third), Waiting::Transport);
}

#[test]
fn a_full_stream_waits_for_its_reader_and_then_for_the_peer() {
    let mut pair = pair(20_000, 1 << 20, 100);
    upload(&mut pair, 20_000);
    pair.settle();
    let served = requests(&mut pair)[0];
    assert_eq!(pair.server.connection.explain(served), Waiting::Reader);
    pair.server.connection.release(served, 20_000);
    pair.settle();
    assert_eq!(pair.server.connection.explain(served), Waiting::Peer);
}

#[test]
fn a_request_waits_for_the_answer_the_answer_for_its_writer_and_then_for_nothing() {
    let mut pair = pair(70_000, 1 << 20, 100);
    let stream = pair.client.connection.open(get("/"), Then::End).unwrap();
    pair.settle();
    let served = requests(&mut pair)[0];
    assert_eq!(pair.client.connection.explain(stream), Waiting::Peer);
    assert_eq!(pair.server.connection.explain(served), Waiting::Writer);
    let head = ResponseHead::new(204).finish();
    pair.server
        .connection
        .respond(served, head, Then::End)
        .unwrap();
    assert_eq!(pair.server.connection.explain(served), Waiting::Transport);
    pair.settle();
    assert_eq!(pair.client.connection.explain(stream), Waiting::Nothing);
    assert_eq!(pair.server.connection.explain(served), Waiting::Nothing);
}

#[test]
fn the_last_frame_of_a_message_waits_for_the_transport() {
    let mut pair = pair(70_000, 1 << 20, 100);
    for _ in 0..2 {
        upload(&mut pair, 10);
    }
    pair.settle();
    let served = requests(&mut pair);
    let server = &mut pair.server.connection;
    for &stream in &served {
        let head = ResponseHead::new(200).finish();
        server.respond(stream, head, Then::More).unwrap();
    }
    pair.settle();
    let server = &mut pair.server.connection;
    let fields = crate::head::Fields::default();
    server.send_trailers(served[0], fields).unwrap();
    server
        .send_data(served[1], &mut Bytes::new(), Then::End)
        .unwrap();
    assert_eq!(server.explain(served[0]), Waiting::Transport);
    assert_eq!(server.explain(served[1]), Waiting::Transport);
}

#[test]
fn readers_hold_nobody_while_windows_are_open_or_everything_was_released() {
    let mut pair = pair(65_535, 65_535, 100);
    upload(&mut pair, 10);
    upload(&mut pair, 0);
    pair.settle();
    let served = requests(&mut pair);
    let server = &mut pair.server.connection;
    assert_eq!(server.explain(served[0]), Waiting::Peer, "10 bytes are out");
    assert_eq!(server.explain(served[1]), Waiting::Peer);
    upload(&mut pair, 65_525);
    pair.settle();
    let large = requests(&mut pair)[0];
    let server = &mut pair.server.connection;
    assert_eq!(server.explain(served[1]), Waiting::OtherReaders);
    server.release(large, 65_525);
    server.release(served[0], 10);
    // The window is closed until the update is cut, but no reader's doing is that any more.
    assert_eq!(server.explain(served[1]), Waiting::Peer);
}

#[test]
fn a_request_waits_while_nobody_knows_whether_the_peer_lives() {
    let mut pair = pair(70_000, 1 << 20, 100);
    let client = &mut pair.client.connection;
    let first = client.open(get("/"), Then::End).unwrap();
    pair.settle();
    let client = &mut pair.client.connection;
    pair.now = client.poll_timeout().unwrap();
    client.handle_timeout(pair.now);
    let second = client.open(get("/"), Then::End).unwrap();
    assert_eq!(client.explain(first), Waiting::Peer);
    assert_eq!(client.explain(second), Waiting::Liveness);
    // The PING is answered, and the request goes out.
    pair.settle();
    assert_eq!(pair.client.connection.explain(second), Waiting::Peer);
}

/// A client that has heard nothing for so long that it has asked whether anybody is there.
fn suspicious() -> (Pair, StreamHandle) {
    let mut pair = pair(70_000, 1 << 20, 100);
    let client = &mut pair.client.connection;
    client.open(get("/"), Then::End).unwrap();
    pair.settle();
    let client = &mut pair.client.connection;
    let due = client.poll_timeout().unwrap();
    client.handle_timeout(due);
    let stream = client.open(get("/"), Then::End).unwrap();
    (pair, stream)
}

/// Makes this cause hold a stream, the client's or the server's, and nothing else.
fn inject(cause: Waiting) -> (Connection, StreamHandle) {
    let mut pair = match cause {
        Waiting::Slot => pair(70_000, 1 << 20, 0),
        Waiting::StreamWindow | Waiting::Reader => pair(20_000, 1 << 20, 100),
        Waiting::ConnectionWindow | Waiting::OtherReaders => pair(65_535, 65_535, 100),
        _ => pair(70_000, 1 << 20, 100),
    };
    let stream = match cause {
        Waiting::Liveness => {
            let (pair, stream) = suspicious();
            return (pair.client.connection, stream);
        }
        // What is read by nobody, and what is given behind it.
        Waiting::Reader | Waiting::StreamWindow => upload(&mut pair, 20_001),
        Waiting::ConnectionWindow | Waiting::OtherReaders => {
            upload(&mut pair, 65_535);
            pair.settle();
            upload(&mut pair, 1)
        }
        Waiting::Transport => {
            let stream = upload(&mut pair, 10);
            return (pair.client.connection, stream);
        }
        Waiting::Writer | Waiting::Peer | Waiting::Slot | Waiting::Nothing => {
            pair.client.connection.open(get("/"), Then::End).unwrap()
        }
    };
    pair.settle();
    let served = requests(&mut pair).pop();
    match cause {
        Waiting::Reader | Waiting::OtherReaders | Waiting::Writer => {
            (pair.server.connection, served.unwrap())
        }
        Waiting::Nothing => {
            let head = ResponseHead::new(204).finish();
            let server = &mut pair.server.connection;
            server.respond(served.unwrap(), head, Then::End).unwrap();
            pair.settle();
            (pair.client.connection, stream)
        }
        _ => (pair.client.connection, stream),
    }
}

/// The next cause. A new one has no place here until it is written, and without a place this does not compile.
fn after(cause: Waiting) -> Option<Waiting> {
    match cause {
        Waiting::Nothing => Some(Waiting::Slot),
        Waiting::Slot => Some(Waiting::Liveness),
        Waiting::Liveness => Some(Waiting::StreamWindow),
        Waiting::StreamWindow => Some(Waiting::ConnectionWindow),
        Waiting::ConnectionWindow => Some(Waiting::Transport),
        Waiting::Transport => Some(Waiting::Reader),
        Waiting::Reader => Some(Waiting::OtherReaders),
        Waiting::OtherReaders => Some(Waiting::Writer),
        Waiting::Writer => Some(Waiting::Peer),
        Waiting::Peer => None,
    }
}

#[test]
fn every_cause_is_named_when_it_is_injected() {
    let all = core::iter::successors(Some(Waiting::Nothing), |&cause| after(cause));
    let mut causes = 0;
    for cause in all {
        let (connection, stream) = inject(cause);
        assert_eq!(connection.explain(stream), cause);
        causes += 1;
    }
    assert_eq!(causes, 10);
}
