//! Liveness and time.

use bytes::Buf;
use raddle_core::Transmit;

use crate::*;

const SECOND: u64 = 1_000_000_000;

/// Lets time pass up to `until` with nothing read or written.
fn pass(hand: &mut Hand, until: u64) {
    while let Some(due) = hand.end.connection.poll_timeout() {
        if due > Timestamp(until) {
            break;
        }
        hand.end.now = due;
        hand.end.connection.handle_timeout(due);
    }
    hand.end.now = Timestamp(until);
}

#[test]
fn f01_a_ping_is_read_when_nothing_can_be_written_and_answered_first() {
    let (mut hand, [stream]) = asking::<1>();
    hand.says(
        [
            wire::settings(&[(4, WINDOW_MAX)]),
            wire::window_update(0, 1 << 20),
        ]
        .concat(),
    );
    hand.frames();
    let mut out = Transmit::new();
    for _ in 0..2 {
        hand.send(stream, &[0; 60_000], Then::More);
        let (connection, now) = (&mut hand.end.connection, hand.end.now);
        connection.poll_transmit(&mut out, now);
        connection.handle_transport_blocked(&out, now);
    }
    let waits = out.remaining();
    assert!(
        waits >= 64 * 1024,
        "{waits} bytes that the transport does not take"
    );
    // What comes with the PING, and behind it, is heard although not a byte can be written.
    hand.events();
    let answer = [wire::ping([1; 8], false), wire::headers(1, OK, false)];
    hand.says(answer.concat());
    let events = hand.events();
    assert!(matches!(events[..], [Event::Response { .. }]), "{events:?}");
    assert_eq!(hand.end.connection.poll_transmit(&mut out, hand.end.now), 0);
    // The transport takes what there was. Before any more of the body goes the answer.
    out.advance(out.remaining());
    let frames = hand.frames();
    assert_eq!(kinds(&frames[..2]), [kind::PING, kind::DATA]);
    assert_eq!((frames[0].flags, &frames[0].payload[..]), (1, &[1; 8][..]));
}

#[test]
fn f02_a_peer_that_only_sends_is_read_and_given_up_for_its_output() {
    let (mut hand, stream) = asked();
    let answer = ResponseHead::new(200).finish();
    hand.end
        .connection
        .respond(stream, answer, Then::More)
        .unwrap();
    let mut body = Bytes::from(vec![0; 60_000]);
    let sent = hand.end.connection.send_data(stream, &mut body, Then::More);
    sent.unwrap();
    let mut out = Transmit::new();
    let (mut held, mut read) = (0, 0);
    // Thirty of DATA and one PING in a second: nothing that a bucket would end, and it is all read.
    for n in 0..900 {
        hand.end.now = Timestamp(n * SECOND / 30);
        hand.says(wire::data(1, &[1; 100], false));
        if n % 30 == 0 {
            hand.says(wire::ping([2; 8], false));
        }
        for event in hand.events() {
            if let Event::Data { data, .. } = event {
                read += data.len();
                hand.end.connection.release(stream, data.len());
            }
        }
        let connection = &mut hand.end.connection;
        connection.poll_transmit(&mut out, hand.end.now);
        connection.handle_transport_blocked(&out, hand.end.now);
        held = held.max(bytes::Buf::remaining(&out));
    }
    assert_eq!(read, 90_000, "whether we can write or not");
    assert!((60_000..61_000).contains(&held), "{held} bytes wait");
    // The deadline began with the first byte that was not taken, and nothing that the peer sends moves it.
    assert_eq!(hand.end.connection.error(), None);
    pass(&mut hand, 30 * SECOND);
    hand.says([]).ends_with(Violation::WriteTimeout);
    assert_eq!(hand.failure(stream).origin, Origin::Transport);
}

#[test]
fn f03_the_deadline_of_a_ping_runs_also_when_it_cannot_be_written() {
    let (mut hand, [stream]) = asking::<1>();
    pass(&mut hand, 30 * SECOND);
    // The PING is due, and nobody takes it.
    pass(&mut hand, 40 * SECOND);
    hand.says([]).ends_with(Violation::PingTimeout);
    assert_eq!(hand.failure(stream).retry, Retry::IfIdempotent);
}

#[test]
fn f06_a_ping_of_the_callers_finds_a_peer_that_has_gone_without_a_stream() {
    for role in [Role::Client, Role::Server] {
        let config = Config {
            idle_timeout: None,
            ..Config::default()
        };
        let mut hand = Hand::under(role, config);
        hand.end.connection.ping().expect("it goes out");
        assert_eq!(kinds(&hand.frames()), [kind::PING]);
        let due = hand.end.connection.poll_timeout().expect("it has its time");
        assert_eq!(due, Timestamp(10 * SECOND));
        // Whoever speaks lives.
        hand.end.now = Timestamp(4 * SECOND);
        hand.says(wire::ping([7; 8], false)).frames();
        pass(&mut hand, 14 * SECOND - 1);
        assert_eq!(hand.end.connection.error(), None);
        pass(&mut hand, 14 * SECOND);
        hand.says([]).ends_with(Violation::PingTimeout);
    }
    // Who answers has nothing to fear.
    let mut hand = Hand::client();
    hand.end.connection.ping().expect("it goes out");
    let payload = hand.frames()[0].payload.clone().try_into().unwrap();
    hand.says(wire::ping(payload, true));
    assert_eq!(hand.end.connection.poll_timeout(), None);
}

#[test]
fn f04_an_answer_on_the_deadline_counts_when_it_is_read_first() {
    let (mut hand, [_]) = asking::<1>();
    pass(&mut hand, 30 * SECOND);
    let frames = hand.frames();
    assert_eq!(kinds(&frames), [kind::PING]);
    hand.end.now = Timestamp(40 * SECOND);
    let payload = frames[0].payload.clone().try_into().unwrap();
    hand.says(wire::ping(payload, true));
    hand.end.connection.handle_timeout(hand.end.now);
    hand.lives();
}

#[test]
fn f05_a_cancel_in_the_moment_of_completion_has_one_outcome_and_no_reset() {
    let mut hand = Hand::client();
    let stream = hand.open(Then::End);
    hand.says(wire::headers(1, OK, true));
    hand.end.connection.reset(stream, ErrorCode::CANCEL);
    assert_eq!(hand.resets_sent(), []);
    assert_eq!(hand.outcome(stream), Some(Ok(())));
}

#[test]
fn f06_a_black_hole_gives_each_stream_its_verdict() {
    let mut hand = Hand::client();
    hand.says(wire::settings(&[(3, 2)]));
    let [answered, sent] = [(); 2].map(|()| hand.open(Then::End));
    let waits = hand.end.connection.open(get("/"), Then::End).unwrap();
    hand.says(wire::headers(1, OK, false));
    hand.frames();
    pass(&mut hand, 100 * SECOND);
    assert_eq!(hand.failure(answered).retry, Retry::Never);
    assert_eq!(hand.failure(sent).retry, Retry::IfIdempotent);
    assert_eq!(hand.failure(waits).retry, Retry::Safe);
}

/// One end with a wire of a thousand bytes behind it, which only its peer empties.
struct Choked {
    out: Transmit,
    wire: Vec<u8>,
}

impl Choked {
    const WIRE: usize = 1_000;

    /// Cuts frames, and puts on the wire what there is room for. Answers whether something was left.
    fn write(&mut self, end: &mut End) -> bool {
        end.connection.poll_transmit(&mut self.out, end.now);
        let room = (Self::WIRE - self.wire.len()).min(self.out.remaining());
        self.wire.extend_from_slice(&self.out.copy_to_bytes(room));
        let blocked = self.out.has_remaining();
        if blocked {
            end.connection.handle_transport_blocked(&self.out, end.now);
        }
        blocked
    }
}

#[test]
fn f07_ends_that_cannot_write_still_read() {
    let mut pair = Pair::new(Config::default(), Config::default());
    let stream = pair.client.connection.open(post("/"), Then::More).unwrap();
    pair.settle();
    let events = pair.server.take_events();
    let other = events.iter().find_map(|event| match event {
        Event::Request { stream, .. } => Some(*stream),
        _ => None,
    });
    let other = other.unwrap();
    let head = ResponseHead::new(200).finish();
    let Pair { client, server, .. } = &mut pair;
    server.connection.respond(other, head, Then::More).unwrap();
    let mut body = Bytes::from(vec![0; 60_000]);
    server
        .connection
        .send_data(other, &mut body.clone(), Then::End)
        .unwrap();
    client
        .connection
        .send_data(stream, &mut body, Then::End)
        .unwrap();
    let [mut up, mut down] = [(); 2].map(|()| Choked {
        out: Transmit::new(),
        wire: Vec::new(),
    });
    let (mut both, mut finished, mut rounds) = (0, false, 0);
    while !finished {
        rounds += 1;
        assert!(rounds < 100, "no end");
        // Neither end has read when both have filled what there was.
        let blocked = [up.write(client), down.write(server)];
        both += u32::from(blocked == [true, true]);
        if blocked == [true, true] {
            let full = [up.wire.len(), down.wire.len()];
            assert_eq!(full, [Choked::WIRE; 2], "neither can write");
        }
        client.input(&std::mem::take(&mut down.wire));
        server.input(&std::mem::take(&mut up.wire));
        for (end, stream) in [(&mut *client, stream), (&mut *server, other)] {
            for event in end.take_events() {
                match event {
                    Event::Data { data, .. } => end.connection.release(stream, data.len()),
                    Event::Finished { .. } => finished = true,
                    Event::Failed { error, .. } => panic!("{error}"),
                    _ => {}
                }
            }
        }
    }
    assert!(both > 50, "both were blocked in {both} rounds of {rounds}");
    assert_eq!(client.connection.stats().data_bytes_received, 60_000);
    assert_eq!(server.connection.stats().data_bytes_received, 60_000);
}

#[test]
fn f09_after_a_jump_of_the_clock_what_is_readable_is_read_first() {
    let (mut hand, [stream]) = asking::<1>();
    hand.end.now = Timestamp(3_600 * SECOND);
    hand.says(wire::headers(1, OK, false));
    hand.end.connection.handle_timeout(hand.end.now);
    // The peer was just heard of, so that there is nothing to ask.
    assert_eq!(hand.frames(), []);
    assert_eq!(hand.outcome(stream), None);
    hand.lives();
}

#[test]
fn f10_cancelled_streams_keep_their_slots_until_a_silent_server_proves_to_live() {
    let mut hand = Hand::client();
    hand.says(wire::settings(&[(3, 100)]));
    hand.events();
    // Each gets a moment, and is given up: a server that has vanished hears of a hundred, and not of a thousand.
    let mut sent = Vec::new();
    let mut asked = 0;
    for _ in 0..1_000 {
        let stream = hand.end.connection.open(get("/"), Then::End).unwrap();
        sent.extend(hand.frames());
        hand.end.connection.reset(stream, ErrorCode::CANCEL);
        sent.extend(hand.frames());
        asked += 1;
    }
    let count = |kind: u8| sent.iter().filter(|frame| frame.kind == kind).count();
    assert_eq!(asked, 1_000);
    assert_eq!([count(kind::HEADERS), count(kind::RST_STREAM)], [100, 100]);
    assert_eq!(count(kind::PING), 1);
    assert_eq!(hand.end.connection.openable(), 0);
    let waits = hand.end.connection.open(get("/"), Then::End).unwrap();
    assert_eq!(hand.end.connection.explain(waits), Waiting::Slot);
    // A sign of life frees them all.
    hand.events();
    hand.says(wire::pongs(&sent));
    let ids: Vec<u32> = hand.frames().iter().map(|frame| frame.stream).collect();
    assert_eq!(ids, [201]);
    assert_eq!(hand.end.connection.openable(), 99);
    assert!(hand.events().contains(&Event::Openable));
}

#[test]
fn f10_a_server_that_is_gone_is_found_out_although_nothing_waits() {
    let mut hand = Hand::client();
    hand.says(wire::settings(&[(3, 1)]));
    let stream = hand.open(Then::End);
    hand.cancel(stream);
    pass(&mut hand, 29 * SECOND);
    assert_eq!(hand.end.connection.openable(), 0);
    pass(&mut hand, 40 * SECOND);
    hand.says([]).ends_with(Violation::PingTimeout);
}

#[test]
fn f11_answers_that_nobody_asked_for_are_ignored_and_wrong_pings_are_errors() {
    let (mut hand, [_]) = asking::<1>();
    hand.end.connection.ping().unwrap();
    hand.frames();
    hand.says(wire::ping([0xee; 8], true));
    assert_eq!(hand.events(), []);
    hand.lives();
    hand.says(wire::frame(kind::PING, 0, 1, &[0; 8]));
    hand.ends_with(Violation::PingOnStream);
    let (mut hand, [_]) = asking::<1>();
    hand.says(wire::frame(kind::PING, 0, 0, &[0; 4]));
    hand.ends_with(Violation::PingFrameSize);
}

#[test]
fn f12_a_goaway_that_cannot_be_written_is_dropped_in_time() {
    let (mut hand, stream) = asked();
    let connection = &mut hand.end.connection;
    connection.close(ErrorCode::INTERNAL_ERROR, Bytes::new());
    let mut out = Transmit::new();
    connection.poll_transmit(&mut out, hand.end.now);
    connection.handle_transport_blocked(&out, hand.end.now);
    assert_eq!(connection.lifecycle(), Lifecycle::Closing);
    pass(&mut hand, 2 * SECOND);
    assert_eq!(hand.end.connection.lifecycle(), Lifecycle::Closed);
    assert!(hand.outcome(stream).is_some());
}
