//! GOAWAY, and connections that die.

use crate::*;

/// How a server ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// As a server that is started anew does it.
    Drain,
    /// At once, with an error.
    Close,
}

/// Requests of two connections, and what their servers have done for each.
#[derive(Default)]
struct Count {
    executed: BTreeMap<Vec<u8>, u32>,
    answered: BTreeMap<Vec<u8>, u32>,
}

impl Count {
    /// What the server's application does: each request that it sees is executed, and answered once it is whole.
    fn serve(&mut self, server: &mut End) {
        for event in server.take_events() {
            let whole = match event {
                Event::Request { stream, head, then } => {
                    *self
                        .executed
                        .entry(head.path().unwrap().to_vec())
                        .or_default() += 1;
                    then.is_end().then_some(stream)
                }
                Event::Data { stream, data, then } => {
                    server.connection.release(stream, data.len());
                    then.is_end().then_some(stream)
                }
                _ => None,
            };
            if let Some(stream) = whole {
                let head = ResponseHead::new(200).finish();
                // Refused where the connection is over.
                let _ = server.connection.respond(stream, head, Then::End);
            }
        }
    }

    /// Sends requests of these paths, half of them with bodies.
    fn ask(client: &mut End, paths: &[Vec<u8>]) -> BTreeMap<StreamHandle, Vec<u8>> {
        let asked = paths.iter().map(|path| {
            let text = std::str::from_utf8(path).unwrap();
            let body = path.last().unwrap() % 2 == 0;
            let (head, then) = match body {
                true => (post(text), Then::More),
                false => (get(text), Then::End),
            };
            let stream = client.connection.open(head, then).unwrap();
            if body {
                let mut bytes = Bytes::from_static(&[7; 20]);
                let sent = client.connection.send_data(stream, &mut bytes, Then::End);
                sent.unwrap();
            }
            (stream, path.clone())
        });
        asked.collect()
    }

    /// What the client hears: answers are counted, and the requests are told that are safe to send again.
    fn hear(&mut self, client: &mut End, asked: &BTreeMap<StreamHandle, Vec<u8>>) -> Vec<Vec<u8>> {
        let mut again = Vec::new();
        for event in client.take_events() {
            match event {
                Event::Finished { stream } => {
                    *self.answered.entry(asked[&stream].clone()).or_default() += 1;
                }
                Event::Failed { stream, error } if error.retry == Retry::Safe => {
                    let path = &asked[&stream];
                    assert_eq!(self.executed.get(path), None, "{path:?} is not safe");
                    again.push(path.clone());
                }
                _ => {}
            }
        }
        again
    }
}

// A restart of the server failed requests that it had never touched, or had them executed twice.
#[test]
fn a_goaway_behind_any_frame_executes_no_request_twice_and_loses_none_that_is_safe() {
    let paths: Vec<_> = (0..6).map(|n| format!("/{n}").into_bytes()).collect();
    for ending in [Ending::Drain, Ending::Close] {
        let mut resent = 0;
        for boundary in 0.. {
            let mut count = Count::default();
            let mut pair = Pair::new(Config::default(), Config::default());
            pair.settle();
            let asked = Count::ask(&mut pair.client, &paths);
            let frames = pair.client.output_frames();
            if boundary > frames.len() {
                assert!(boundary > 9, "six heads and three bodies");
                break;
            }
            for at in 0..=frames.len() {
                if at == boundary {
                    let server = &mut pair.server.connection;
                    match ending {
                        Ending::Drain => server.drain(),
                        Ending::Close => server.close(ErrorCode::INTERNAL_ERROR, Bytes::new()),
                    }
                }
                if let Some(frame) = frames.get(at) {
                    let bytes = wire::frame(frame.kind, frame.flags, frame.stream, &frame.payload);
                    pair.server.input(&bytes);
                    count.serve(&mut pair.server);
                }
            }
            pair.settle();
            count.serve(&mut pair.server);
            pair.settle();
            let end = TransportEnd::Eof;
            pair.client
                .connection
                .handle_transport_end(end, pair.client.now);
            let again = count.hear(&mut pair.client, &asked);
            resent += again.len();
            // To another connection, whose server lives.
            let mut pair = Pair::new(Config::default(), Config::default());
            let asked = Count::ask(&mut pair.client, &again);
            pair.settle();
            count.serve(&mut pair.server);
            pair.settle();
            assert!(count.hear(&mut pair.client, &asked).is_empty());
            for path in &paths {
                let executed = count.executed.get(path).copied().unwrap_or_default();
                let answered = count.answered.get(path).copied().unwrap_or_default();
                assert_eq!(executed, 1, "{ending:?} behind {boundary}: {path:?}");
                assert!(answered == 1 || (answered == 0 && ending == Ending::Close));
                assert!(answered == 1 || !again.contains(path));
            }
        }
        // A drain in two phases serves what is on its way; an end at once leaves it to others.
        assert_eq!(resent > 0, ending == Ending::Close, "{ending:?}");
    }
}

// GOAWAY ended what was in progress, in the direction that it had nothing to do with, too.
#[test]
fn bodies_in_progress_both_ways_go_on_behind_the_goaway_of_either_side() {
    const BODY: usize = 300_000;
    for drains in [Role::Client, Role::Server] {
        let mut pair = Pair::new(Config::default(), Config::default());
        pair.settle();
        let asked: Vec<_> = (0..3)
            .map(|_| pair.client.connection.open(post("/"), Then::More).unwrap())
            .collect();
        pair.settle();
        let served = requests(&pair.server.take_events());
        for &stream in &served {
            let head = ResponseHead::new(200).finish();
            let server = &mut pair.server.connection;
            server.respond(stream, head, Then::More).unwrap();
        }
        let mut rest = [[BODY; 2]; 3];
        let (mut arrived, mut finished) = ([0; 2], [0; 2]);
        for round in 0.. {
            if round == 2 {
                match drains {
                    Role::Client => pair.client.connection.drain(),
                    Role::Server => pair.server.connection.drain(),
                }
            }
            for n in 0..3 {
                give(&mut pair.client, asked[n], &mut rest[n][0]);
                give(&mut pair.server, served[n], &mut rest[n][1]);
            }
            let moved = pair.carry();
            for (at, end) in [&mut pair.server, &mut pair.client].into_iter().enumerate() {
                for event in end.take_events() {
                    match event {
                        Event::Data { stream, data, .. } => {
                            arrived[at] += data.len();
                            end.connection.release(stream, data.len());
                        }
                        Event::Finished { .. } => finished[at] += 1,
                        Event::Failed { error, .. } => panic!("{error}"),
                        _ => {}
                    }
                }
            }
            assert!(round != 2 || arrived[0] < 3 * BODY, "in progress");
            if !moved {
                break;
            }
        }
        assert_eq!((arrived, finished), ([3 * BODY; 2], [3; 2]), "{drains:?}");
        assert_eq!(pair.client.connection.error(), None);
        assert_eq!(pair.server.connection.error(), None);
    }
}

/// Gives as much of a body as the stream takes.
fn give(end: &mut End, stream: StreamHandle, rest: &mut usize) {
    let mut body = Bytes::from(vec![7; *rest]);
    let given = end.connection.send_data(stream, &mut body, Then::End);
    if *rest > 0 {
        *rest -= given.unwrap();
    }
}

const SECOND: u64 = 1_000_000_000;

/// Moves the client's clock, its deadlines kept.
fn pass(end: &mut End, until: u64) {
    while let Some(due) = end.connection.poll_timeout() {
        if due > Timestamp(until) || end.connection.error().is_some() {
            break;
        }
        end.now = due;
        end.connection.handle_timeout(due);
    }
    end.now = Timestamp(until);
}

/// Whether a stream that failed may be sent again.
fn verdict(events: &[Event], stream: StreamHandle) -> Retry {
    let failed = events.iter().find_map(|event| match event {
        Event::Failed {
            stream: other,
            error,
        } if *other == stream => Some(error.retry),
        _ => None,
    });
    failed.expect("it failed")
}

// Requests went on to a connection whose peer had vanished, until somebody ended it by hand.
#[test]
fn a_peer_that_vanishes_at_any_time_gets_no_request_once_it_is_suspect_and_is_dead_in_time() {
    // Which way bytes get lost, and from which second on.
    for (up_lost, gone) in [true, false]
        .into_iter()
        .flat_map(|up| [0, 1, 7, 29, 30, 31, 65].map(|at| (up, at)))
    {
        let mut pair = Pair::new(Config::default(), Config::default());
        pair.settle();
        let held = pair
            .client
            .connection
            .open(get("/held"), Then::End)
            .unwrap();
        pair.settle();
        pair.server.take_events();
        let mut waits = Vec::new();
        let mut died = None;
        for second in 1..=gone + 45 {
            for end in [&mut pair.client, &mut pair.server] {
                pass(end, second * SECOND);
            }
            if pair.client.connection.error().is_some() {
                died = Some(second);
                break;
            }
            let lost = second > gone;
            let asked = pair.client.connection.open(get("/"), Then::End).unwrap();
            let up = pair.client.output();
            let heads = wire::frames(&up).0;
            let sent = heads.iter().any(|frame| frame.kind == kind::HEADERS);
            assert_eq!(sent, second < gone + 30, "{second} of {gone}");
            if !sent {
                assert_eq!(pair.client.connection.openable(), 0);
                assert_eq!(pair.client.connection.explain(asked), Waiting::Liveness);
                waits.push(asked);
            }
            if !(lost && up_lost) {
                pair.server.input(&up);
            }
            for stream in requests(&pair.server.take_events()) {
                answer(&mut pair.server.connection, stream);
            }
            let down = pair.server.output();
            if !lost {
                pair.client.input(&down);
                assert!(
                    pair.client
                        .take_events()
                        .contains(&Event::Finished { stream: asked })
                );
            }
        }
        assert_eq!(died, Some(gone + 40), "vanished after {gone} s");
        let events = pair.client.take_events();
        assert_eq!(verdict(&events, held), Retry::IfIdempotent);
        assert!(!waits.is_empty());
        for stream in waits {
            assert_eq!(verdict(&events, stream), Retry::Safe, "it was never sent");
        }
    }
}

#[test]
fn any_sign_of_life_takes_the_suspicion_away() {
    for sign in [
        wire::ping([0, 0, 0, 0, 0, 0, 0, 1], true),
        wire::data(1, b"late", false),
        wire::settings(&[]),
    ] {
        let mut hand = Hand::client();
        let slow = hand.open(Then::End);
        hand.says(wire::headers(1, OK, false));
        hand.events();
        pass(&mut hand.end, 31 * SECOND);
        let asked = hand.open(Then::End);
        assert_eq!(hand.end.connection.explain(asked), Waiting::Liveness);
        assert_eq!(hand.end.connection.stream_id(asked), None);
        hand.events();
        hand.says(&sign);
        assert!(hand.events().contains(&Event::Openable));
        let frames = hand.frames();
        assert!(
            frames.iter().any(|frame| frame.is(kind::HEADERS, 3)),
            "{frames:?}"
        );
        assert_eq!(hand.outcome(slow), None);
        hand.end.connection.check();
    }
}
