//! Deadlines, and that they take effect when nothing can be written.

use core::time::Duration;

use bytes::{Buf, Bytes};

use super::pair::Pair;
use super::{get, post};
use crate::{
    Config, Connection, ErrorCode, Event, Lifecycle, Role, StreamHandle, Then, Timestamp, Transmit,
    Violation, Waiting,
};

fn seconds(seconds: u64) -> Timestamp {
    Timestamp(seconds * 1_000_000_000)
}

/// Lets the deadlines up to `until` pass, with nothing written.
fn pass(connection: &mut Connection, until: Timestamp) {
    while let Some(due) = connection.poll_timeout().filter(|&due| due <= until) {
        connection.handle_timeout(due);
        connection.check();
    }
}

/// A client whose transport has taken nothing of an upload of 64 KiB.
fn stuck(config: Config) -> (Connection, Transmit) {
    let mut pair = Pair::new(config, Config::default());
    pair.settle();
    let mut connection = pair.client.connection;
    let stream = connection.open(post("/"), Then::More).unwrap();
    let mut body = Bytes::from(std::vec![7; 60_000]);
    connection.send_data(stream, &mut body, Then::End).unwrap();
    let mut out = Transmit::new();
    connection.poll_transmit(&mut out, seconds(0));
    assert!(out.remaining() > 50_000);
    connection.handle_transport_blocked(&out, seconds(0));
    (connection, out)
}

fn without_keep_alive() -> Config {
    Config {
        keep_alive_interval: None,
        ..Config::default()
    }
}

#[test]
fn a_transport_that_takes_nothing_is_dead_after_the_write_timeout() {
    let (mut connection, out) = stuck(without_keep_alive());
    pass(&mut connection, Timestamp(29_999_999_999));
    assert_eq!(connection.lifecycle(), Lifecycle::Open);
    pass(&mut connection, seconds(30));
    assert_eq!(
        connection.error().and_then(|error| error.violation),
        Some(Violation::WriteTimeout)
    );
    assert!(out.remaining() > 0);
    pass(&mut connection, seconds(31));
    assert_eq!(connection.lifecycle(), Lifecycle::Closed);
    assert_eq!(connection.poll_timeout(), None);
}

#[test]
fn a_transport_that_takes_a_kibibyte_lives_and_one_that_takes_crumbs_does_not() {
    let (mut connection, mut out) = stuck(without_keep_alive());
    for now in (20..=400).step_by(20).map(seconds) {
        out.advance(1_024);
        connection.handle_transport_blocked(&out, now);
        pass(&mut connection, now);
    }
    assert_eq!(connection.lifecycle(), Lifecycle::Open);
    for now in (401..=430).map(seconds) {
        out.advance(1);
        connection.handle_transport_blocked(&out, now);
        pass(&mut connection, now);
    }
    assert_eq!(connection.lifecycle(), Lifecycle::Closing);
}

#[test]
fn what_was_written_in_time_leaves_no_deadline() {
    let (mut connection, mut out) = stuck(without_keep_alive());
    out.advance(out.remaining());
    connection.poll_transmit(&mut out, seconds(1));
    pass(&mut connection, seconds(1_000));
    assert_eq!(connection.lifecycle(), Lifecycle::Open);
}

#[test]
fn what_a_transport_keeps_for_itself_is_not_written() {
    for flushed in [false, true] {
        let (mut connection, mut out) = stuck(without_keep_alive());
        out.advance(out.remaining());
        connection.handle_transport_unflushed(&out, seconds(0));
        // Whatever the driver is woken for.
        for now in (1..=29).map(seconds) {
            connection.poll_transmit(&mut out, now);
            connection.handle_transport_unflushed(&out, now);
            pass(&mut connection, now);
        }
        if flushed {
            connection.handle_transport_flushed(&out, seconds(29));
        }
        pass(&mut connection, seconds(30));
        let error = connection.error().and_then(|error| error.violation);
        assert_eq!(error, (!flushed).then_some(Violation::WriteTimeout));
    }
}

#[test]
fn the_keep_alive_ends_a_connection_whose_ping_cannot_be_written() {
    let (mut connection, _) = stuck(Config {
        write_timeout: Duration::from_secs(1_000),
        ..Config::default()
    });
    pass(&mut connection, seconds(40));
    assert_eq!(
        connection.error().and_then(|error| error.violation),
        Some(Violation::PingTimeout)
    );
}

#[test]
fn the_answer_to_a_ping_is_due_from_when_the_transport_has_taken_it() {
    let (mut connection, mut out) = stuck(Config::default());
    // A path of 200 bytes per second, on which the PING stands behind five minutes of an upload.
    let mut taken = 0;
    while out.remaining() > 0 {
        out.advance(out.remaining().min(1_024));
        taken += 5;
        connection.poll_transmit(&mut out, seconds(taken));
        connection.handle_transport_blocked(&out, seconds(taken));
        pass(&mut connection, seconds(taken));
        assert_eq!(connection.lifecycle(), Lifecycle::Open, "after {taken} s");
    }
    assert!(taken > 290);
    pass(&mut connection, seconds(taken + 9));
    assert_eq!(connection.lifecycle(), Lifecycle::Open);
    pass(&mut connection, seconds(taken + 10));
    let error = connection.error().and_then(|error| error.violation);
    assert_eq!(error, Some(Violation::PingTimeout));
}

#[test]
fn a_connection_that_is_over_closes_in_time_whether_or_not_it_can_write() {
    for take in [0, 1] {
        let (mut connection, mut out) = stuck(Config::default());
        connection.close(ErrorCode::INTERNAL_ERROR, Bytes::new());
        connection.poll_transmit(&mut out, seconds(5));
        out.advance(take);
        connection.poll_transmit(&mut out, Timestamp(5_500_000_000));
        assert_eq!(connection.lifecycle(), Lifecycle::Closing);
        pass(&mut connection, seconds(6));
        assert_eq!(connection.lifecycle(), Lifecycle::Closed);
    }
}

#[test]
fn a_slow_reader_gets_the_end_of_what_was_whole() {
    let (mut connection, mut out) = stuck(Config::default());
    connection.close(ErrorCode::NO_ERROR, Bytes::new());
    let mut now = seconds(5);
    connection.poll_transmit(&mut out, now);
    while out.remaining() > 0 {
        assert_eq!(connection.lifecycle(), Lifecycle::Closing);
        out.advance(out.remaining().min(1_500));
        now = now.after(Duration::from_millis(900));
        connection.poll_transmit(&mut out, now);
        pass(&mut connection, now);
    }
    assert_eq!(connection.lifecycle(), Lifecycle::Closed);
}

#[test]
fn a_servers_connection_without_streams_drains_itself() {
    let mut pair = Pair::established();
    let idle = Config::default().idle_timeout.unwrap();
    pair.now = pair.now.after(idle - Duration::from_secs(10));
    pass(&mut pair.server.connection, pair.now);
    // A request starts the wait anew when it ends.
    let stream = pair.client.connection.open(get("/"), Then::End).unwrap();
    pair.settle();
    pair.now = pair.now.after(Duration::from_secs(5));
    pair.client.connection.reset(stream, ErrorCode::CANCEL);
    pair.settle();
    let ended = pair.now;
    pair.now = ended.after(idle - Duration::from_nanos(1));
    pass(&mut pair.server.connection, pair.now);
    pair.settle();
    assert_eq!(pair.server.connection.lifecycle(), Lifecycle::Open);
    pair.now = ended.after(idle);
    pass(&mut pair.server.connection, pair.now);
    pair.settle();
    assert_eq!(pair.server.connection.lifecycle(), Lifecycle::Draining);
    assert!(
        pair.client
            .take_events()
            .contains(&Event::Closed { error: None })
    );
}

#[test]
fn a_clients_connection_without_streams_stays() {
    let mut pair = Pair::established();
    pass(&mut pair.client.connection, seconds(1_000_000));
    assert_eq!(pair.client.connection.role(), Role::Client);
    assert_eq!(pair.client.connection.lifecycle(), Lifecycle::Open);
}

/// A client with an upload of 60,000 bytes to a server whose stream window is 20,000, of which it releases nothing.
fn held_back() -> (Pair, StreamHandle) {
    let narrow = Config {
        stream_window_bytes: 20_000,
        ..Config::default()
    };
    let mut pair = Pair::new(without_keep_alive(), narrow);
    pair.settle();
    let client = &mut pair.client.connection;
    let stream = client.open(post("/"), Then::More).unwrap();
    let mut body = Bytes::from(std::vec![7; 60_000]);
    client.send_data(stream, &mut body, Then::End).unwrap();
    pair.settle();
    assert_eq!(
        pair.client.connection.explain(stream),
        Waiting::StreamWindow
    );
    (pair, stream)
}

/// Passes time on the client, with the credit of so many bytes returned by the server each second; after how many
/// seconds the stream was reset, if it was within half an hour.
fn seconds_to_reset(mut pair: Pair, stream: StreamHandle, bytes: usize) -> Option<u64> {
    let upload = pair
        .server
        .take_events()
        .iter()
        .find_map(|event| match event {
            Event::Request { stream, .. } => Some(*stream),
            _ => None,
        });
    for second in 1..1_800 {
        pair.now = seconds(second);
        pass(&mut pair.client.connection, pair.now);
        pair.server.connection.release(upload.unwrap(), bytes);
        pair.settle();
        let ended = pair
            .client
            .take_events()
            .into_iter()
            .find_map(|event| match event {
                Event::Failed {
                    stream: failed,
                    error,
                } if failed == stream => Some(error),
                _ => None,
            });
        if let Some(error) = ended {
            assert_eq!(error.violation, Some(Violation::StreamStalled));
            assert_eq!(pair.client.connection.lifecycle(), Lifecycle::Open);
            return Some(second);
        }
    }
    None
}

#[test]
fn a_message_that_the_peer_holds_back_is_given_up_after_the_stall_timeout() {
    let (pair, stream) = held_back();
    let reset = seconds_to_reset(pair, stream, 0).unwrap();
    assert!((300..=450).contains(&reset), "after {reset} s");
}

#[test]
fn data_given_while_the_window_is_closed_begins_a_deadline() {
    let closed = Config {
        stream_window_bytes: 0,
        ..Config::default()
    };
    let mut pair = Pair::new(without_keep_alive(), closed);
    pair.settle();
    let stream = pair.client.connection.open(post("/"), Then::More).unwrap();
    pair.settle();
    let client = &mut pair.client.connection;
    assert_eq!(
        (client.poll_timeout(), client.wants_deadline()),
        (None, false)
    );
    let mut body = Bytes::from_static(b"late");
    client.send_data(stream, &mut body, Then::End).unwrap();
    assert!(!client.wants_transmit(), "there is no window for it");
    assert!(client.wants_deadline());
    assert!(pair.client.output(seconds(9)).is_empty());
    let client = &mut pair.client.connection;
    let half = Config::default().stall_timeout.unwrap() / 2;
    assert_eq!(client.poll_timeout(), Some(seconds(9).after(half)));
    assert!(!client.wants_deadline());
}

#[test]
fn a_window_opened_byte_by_byte_does_not_count_as_progress() {
    let (pair, stream) = held_back();
    let reset = seconds_to_reset(pair, stream, 1).unwrap();
    assert!((300..=450).contains(&reset), "after {reset} s");
}

#[test]
fn a_slow_reader_of_a_kibibyte_every_two_minutes_is_not_given_up() {
    let (pair, stream) = held_back();
    assert_eq!(seconds_to_reset(pair, stream, 10), None);
}

#[test]
fn a_transport_that_has_everything_is_not_blocked() {
    let (mut connection, mut out) = stuck(without_keep_alive());
    out.advance(out.remaining());
    connection.handle_transport_blocked(&out, seconds(1));
    pass(&mut connection, seconds(1_000));
    assert_eq!(connection.lifecycle(), Lifecycle::Open);
    // Nor does it keep a connection that is over.
    connection.close(ErrorCode::NO_ERROR, Bytes::new());
    connection.poll_transmit(&mut out, seconds(1_001));
    out.advance(out.remaining());
    connection.handle_transport_blocked(&out, seconds(1_001));
    assert_eq!(connection.poll_timeout(), None);
}

#[test]
fn a_keep_alive_counts_from_the_last_thing_heard() {
    let mut pair = Pair::established();
    pair.client.connection.open(get("/"), Then::End).unwrap();
    pair.settle();
    pair.now = seconds(20);
    pair.server.connection.ping();
    pair.settle();
    pass(&mut pair.client.connection, Timestamp(49_999_999_999));
    assert!(pair.client.output(pair.now).is_empty());
    pass(&mut pair.client.connection, seconds(50));
    let ping = pair.client.output(seconds(50));
    assert_eq!(ping[..5], [0, 0, 8, 6, 0]);
}

#[test]
fn of_streams_that_the_connection_holds_back_only_those_with_something_to_say_are_given_up() {
    let narrow = Config {
        stream_window_bytes: 1 << 20,
        connection_window_bytes: 65_535,
        connection_window_bytes_max: 0,
        ..Config::default()
    };
    let mut pair = Pair::new(without_keep_alive(), narrow);
    pair.settle();
    let upload = |pair: &mut Pair, bytes: usize| {
        let client = &mut pair.client.connection;
        let stream = client.open(post("/"), Then::More).unwrap();
        let mut body = Bytes::from(std::vec![7; bytes]);
        client.send_data(stream, &mut body, Then::More).unwrap();
        pair.settle();
        stream
    };
    let silent = upload(&mut pair, 65_535);
    let held = upload(&mut pair, 1);
    pass(&mut pair.client.connection, seconds(1_000));
    let failed = pair
        .client
        .take_events()
        .into_iter()
        .filter_map(|event| match event {
            Event::Failed { stream, .. } => Some(stream),
            _ => None,
        });
    assert_eq!(failed.collect::<std::vec::Vec<_>>(), [held]);
    assert_ne!(pair.client.connection.explain(silent), Waiting::Nothing);
}

#[test]
fn a_server_whose_client_has_said_goaway_and_stays_is_idle_too() {
    let mut pair = Pair::established();
    let goaway = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    pair.server.input(&goaway, pair.now);
    pair.server.output(pair.now);
    let idle = Config::default().idle_timeout.unwrap();
    pass(&mut pair.server.connection, pair.now.after(idle));
    assert!(pair.server.connection.wants_transmit(), "it drains");
}

#[test]
fn the_answer_to_one_ping_is_none_to_the_keep_alive() {
    let mut pair = Pair::established();
    let client = &mut pair.client;
    client.connection.open(get("/"), Then::End).unwrap();
    client.output(pair.now);
    client.connection.ping();
    let first = client.output(seconds(25));
    let at = first
        .windows(5)
        .position(|head| head == [0, 0, 8, 6, 0])
        .unwrap();
    let mut pong = first[at..at + 17].to_vec();
    pong[4] = 1;
    pass(&mut client.connection, seconds(30));
    client.output(seconds(30));
    client.input(&pong, seconds(31));
    // It is life all the same: what is owed is owed from then on.
    pass(&mut client.connection, Timestamp(40_999_999_999));
    assert_eq!(client.connection.error(), None);
    pass(&mut client.connection, seconds(41));
    let error = client.connection.error().and_then(|error| error.violation);
    assert_eq!(error, Some(Violation::PingTimeout));
}

#[test]
fn a_stall_timeout_of_nothing_ends_streams_and_not_time() {
    let (mut connection, _) = stuck(Config {
        stall_timeout: Some(Duration::ZERO),
        write_timeout: Duration::from_secs(1),
        ..without_keep_alive()
    });
    connection.handle_timeout(seconds(2));
    assert!(connection.error().is_some());
}
