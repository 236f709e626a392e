//! Limits of streams, and what is given up.

use crate::*;

/// A server that takes at most `limit` requests at a time, and counts what it has processed.
struct Limited {
    limit: usize,
    /// Requests in progress, oldest first.
    open: VecDeque<u32>,
    refused: usize,
}

impl Limited {
    /// What it says to these frames.
    fn hear(&mut self, frames: &[Frame], processed: &mut Vec<u32>) -> Vec<u8> {
        let mut says = Vec::new();
        for frame in frames.iter().filter(|frame| frame.kind == kind::HEADERS) {
            if self.open.len() >= self.limit {
                self.refused += 1;
                let code = ErrorCode::REFUSED_STREAM.to_u32();
                says.extend(wire::rst_stream(frame.stream, code));
            } else {
                processed.push(frame.stream);
                self.open.push_back(frame.stream);
            }
        }
        says
    }
}

// Bursts ahead of the peer's SETTINGS were refused and lost; limits that moved stopped the queue.
#[test]
fn the_peers_limit_may_come_late_and_move_and_no_request_is_lost_or_sent_twice() {
    for first in [1, 10, 100] {
        let mut hand = Hand::fresh(Role::Client);
        let mut peer = Limited {
            limit: first,
            open: VecDeque::new(),
            refused: 0,
        };
        // By handle: which request it is for.
        let mut asked = BTreeMap::new();
        let (mut processed, mut answered) = (Vec::new(), [0; 300]);
        let ask = |hand: &mut Hand, asked: &mut BTreeMap<_, _>, n: usize| {
            let stream = hand.end.connection.open(get("/"), Then::End).unwrap();
            asked.insert(stream, n);
        };
        for n in 0..300 {
            ask(&mut hand, &mut asked, n);
        }
        for round in 0.. {
            let frames = hand.frames();
            let says = peer.hear(&frames, &mut processed);
            match round {
                // The limit is a round trip late.
                0 => drop(hand.says(wire::settings(&[(3, first as u32)]))),
                5 => {
                    peer.limit = 0;
                    hand.says(wire::settings(&[(3, 0)]));
                }
                8 => {
                    peer.limit = 7;
                    hand.says(wire::settings(&[(3, 7)]));
                }
                _ => {}
            }
            hand.says(says);
            for id in peer.open.drain(..) {
                hand.says(wire::headers(id, OK, true));
            }
            for event in hand.events() {
                match event {
                    Event::Finished { stream } => answered[asked[&stream]] += 1,
                    Event::Failed { stream, error } => {
                        assert_eq!(error.retry, Retry::Safe);
                        let n = asked[&stream];
                        ask(&mut hand, &mut asked, n);
                    }
                    _ => {}
                }
            }
            if answered.iter().all(|&count| count > 0) {
                break;
            }
            assert!(round < 400, "{answered:?}");
        }
        assert_eq!(answered, [1; 300]);
        assert_eq!(processed.len(), 300, "each is processed once");
        // Only the burst before the first SETTINGS could be refused, and it is a cautious one.
        assert_eq!(peer.refused, 100 - first);
    }
}

/// What a cut run came to.
#[derive(Debug, PartialEq, Eq)]
enum Cut {
    /// Before anything was on the wire: nothing ever is.
    Unsent,
    /// In the middle: both sides know of it.
    Reset,
    /// Behind the end: nothing is cut.
    Finished,
}

/// An exchange with bodies both ways, one side of which gives it up when `at` bytes have reached the server, or the client.
fn cut(at: usize, at_server: bool, gives_up: Role) -> Option<Cut> {
    let mut pair = Pair::new(Config::default(), Config::default());
    pair.settle();
    let Pair { client, server, .. } = &mut pair;
    let stream = client.connection.open(post("/"), Then::More).unwrap();
    let mut body = Bytes::from_static(&[7; 40]);
    let given = client.connection.send_data(stream, &mut body, Then::End);
    given.unwrap();
    let mut served = None;
    let reset = |client: &mut End, server: &mut End, served: Option<StreamHandle>| {
        let side = match gives_up {
            Role::Client => Some((&mut *client, stream)),
            Role::Server => served.map(|served| (&mut *server, served)),
        };
        let Some((side, stream)) = side else { return };
        side.connection.reset(stream, ErrorCode::CANCEL);
    };
    if at == 0 && at_server {
        reset(client, server, None);
    }
    let up = client.output();
    if at_server && at > up.len() {
        return None;
    }
    for (n, byte) in up.iter().enumerate() {
        server.input(&[*byte]);
        served = served.or(requests(&server.events).first().copied());
        if at_server && n + 1 == at {
            reset(client, server, served);
        }
    }
    if let Some(served) = served {
        // Refused where the stream is gone.
        let head = ResponseHead::new(200).finish();
        let _ = server.connection.respond(served, head, Then::More);
        let mut body = Bytes::from_static(&[8; 40]);
        let _ = server.connection.send_data(served, &mut body, Then::End);
    }
    let down = server.output();
    if !at_server && at >= down.len() {
        return None;
    }
    for (n, byte) in down.iter().enumerate() {
        if !at_server && n == at {
            reset(client, server, served);
        }
        client.input(&[*byte]);
    }
    pair.settle();
    Some(judge(pair, stream, served))
}

/// Asserts that both sides are well and have nothing left, and tells what became of the stream.
fn judge(mut pair: Pair, stream: StreamHandle, served: Option<StreamHandle>) -> Cut {
    for end in [&mut pair.client, &mut pair.server] {
        // What was delivered is read, or was given up.
        let told = end.take_events();
        for event in &told {
            if let Event::Data { stream, data, .. } = event {
                end.connection.release(*stream, data.len());
            }
        }
        end.events = told;
        assert_eq!(end.connection.error(), None);
    }
    pair.settle();
    for end in [&pair.client, &pair.server] {
        let audit = end.connection.audit();
        assert_eq!([audit.live, audit.counted], [0, 0], "{audit:?}");
        assert_eq!(audit.held, 0);
    }
    assert_eq!(pair.client.connection.openable(), 100, "no place is lost");
    let ended = |end: &End, stream| {
        let ends = end.events.iter().filter_map(move |event| match event {
            Event::Finished { stream: other } if *other == stream => Some(true),
            Event::Failed { stream: other, .. } if *other == stream => Some(false),
            _ => None,
        });
        ends.collect::<Vec<_>>()
    };
    let here = ended(&pair.client, stream);
    assert_eq!(here.len(), 1, "one outcome");
    let cut = match (here[0], served) {
        (true, _) => Cut::Finished,
        (false, None) => Cut::Unsent,
        (false, Some(_)) => Cut::Reset,
    };
    if let Some(served) = served {
        assert_eq!(ended(&pair.server, served).len(), 1, "one outcome");
    }
    let sent = pair.client.connection.stats().streams_opened;
    assert_eq!(sent > 0, cut != Cut::Unsent, "{cut:?}");
    // HPACK is in step, and the connection serves on.
    let next = pair
        .client
        .connection
        .open(get("/next"), Then::End)
        .unwrap();
    pair.settle();
    let served = requests(&pair.server.take_events());
    answer(&mut pair.server.connection, *served.last().unwrap());
    pair.settle();
    let told = pair.client.take_events();
    assert!(told.contains(&Event::Finished { stream: next }));
    cut
}

// Cancels that did not reach the peer, or freed a place that was still taken.
#[test]
fn an_exchange_that_is_given_up_at_any_byte_leaves_both_sides_alike() {
    let mut seen = Vec::new();
    for gives_up in [Role::Client, Role::Server] {
        for at_server in [true, false] {
            for at in 0.. {
                let Some(cut) = cut(at, at_server, gives_up) else {
                    assert!(at > 50, "{at} bytes are no exchange");
                    break;
                };
                seen.push(cut);
            }
        }
    }
    for kind in [Cut::Unsent, Cut::Reset, Cut::Finished] {
        assert!(seen.contains(&kind), "{kind:?} was not met");
    }
}

// Resets were counted over the life of a connection, the application's own among them, until it was taken for an attack.
#[test]
fn a_million_streams_that_either_side_gives_up_over_days_end_nothing() {
    const CANCELS: u32 = 1_000_000;
    /// What a client asks for in one breath: by then so many are a matter of seconds, without optimisation, too.
    const BATCH: u32 = 50;
    let minute = Duration::from_secs(60).as_nanos() as u64;
    let mut server = End::established(Role::Server).connection;
    let (mut inbox, mut out) = (BytesMut::new(), Transmit::new());
    // `GET https://?/` by the static table.
    let mut asks = wire::frame(kind::HEADERS, 0x5, 1, &[0x82, 0x87, 0x84]);
    let mut resets = wire::rst_stream(1, ErrorCode::CANCEL.to_u32());
    let ok = ResponseHead::new(200).finish();
    let mut now = 0;
    for first in (0..CANCELS).step_by(BATCH as usize) {
        // Two weeks in all.
        now += minute;
        let ids = (first..first + BATCH).map(|n| (2 * n + 1).to_be_bytes());
        for id in ids.clone() {
            asks[5..9].copy_from_slice(&id);
            inbox.extend_from_slice(&asks);
        }
        server.handle_input(&mut inbox, Timestamp(now));
        for (n, id) in ids.enumerate() {
            let Some(Event::Request { stream, .. }) = server.poll_event() else {
                panic!("no request after {first} and {n}: {:?}", server.error());
            };
            match n % 2 {
                0 => server.respond(stream, ok.clone(), Then::More).unwrap(),
                _ => server.reset(stream, ErrorCode::CANCEL),
            }
            resets[5..9].copy_from_slice(&id);
            if n % 2 == 0 {
                inbox.extend_from_slice(&resets);
            }
        }
        server.handle_input(&mut inbox, Timestamp(now));
        for _ in 0..BATCH {
            assert!(matches!(server.poll_event(), Some(Event::Failed { .. })));
        }
        assert_eq!(server.poll_event(), None);
        server.poll_transmit(&mut out, Timestamp(now));
        out.advance(out.remaining());
    }
    assert_eq!(server.error(), None);
    assert_eq!(server.audit().live, 0);
}

// What was still under way for streams that we had given up was held against the peer.
#[test]
fn thousands_of_answers_to_requests_that_were_given_up_at_once_end_nothing() {
    const REQUESTS: u32 = 2_000;
    let config = Config {
        open_queue_max: REQUESTS as usize,
        ..Config::default()
    };
    for limit in [None, Some((3, REQUESTS))] {
        let mut hand = Hand::under(Role::Client, config.clone());
        hand.says(wire::settings(limit.as_slice()));
        let asked: Vec<_> = (0..REQUESTS)
            .map(|_| hand.end.connection.open(get("/"), Then::End).unwrap())
            .collect();
        hand.frames();
        for stream in asked {
            hand.end.connection.reset(stream, ErrorCode::CANCEL);
        }
        let sent = hand.frames();
        let kept = hand.open(Then::End);
        hand.events();
        // Half a second later come the answers to all of them, long after the last was forgotten.
        hand.end.now = Timestamp(500_000_000);
        let late = (0..REQUESTS).flat_map(|n| {
            let id = 2 * n + 1;
            let head = wire::headers(id, OK, false);
            let trailers = wire::headers(id, &[("a", "b")], true);
            [head, wire::data(id, &[7; 100], false), trailers].concat()
        });
        hand.says(late.collect::<Vec<u8>>());
        hand.says(wire::pongs(&sent));
        hand.frames();
        hand.lives();
        let id = hand.end.connection.stream_id(kept).unwrap().to_u32();
        hand.says(wire::headers(id, OK, true));
        assert_eq!(hand.outcome(kept), Some(Ok(())));
    }
}

// What came for streams that had been forgotten ended connections, and remembering them all took the memory.
#[test]
fn frames_for_streams_that_are_long_forgotten_end_nothing_on_either_side() {
    let mut hand = Hand::server();
    for n in 0..20_000u32 {
        let id = 2 * n + 1;
        let stream = hand.request(id, Then::More);
        hand.cancel(stream);
        hand.events();
        // What a client says that has not heard of it yet, and of one that was ten thousand streams ago.
        for late in [Some(id), id.checked_sub(20_000)].into_iter().flatten() {
            hand.says(wire::data(late, b"late", false));
            hand.says(wire::window_update(late, 10));
            hand.says(wire::rst_stream(late, ErrorCode::CANCEL.to_u32()));
        }
        assert_eq!(hand.end.connection.error(), None, "after {n}");
        hand.end.now = hand.end.now.after(Duration::from_millis(100));
        hand.frames();
    }
    let table = hand.end.connection.memory_footprint().table;
    assert!(table < 16 * 1024, "{table} bytes to remember them");
    hand.lives();
}

/// Frames that a peer has on their way to a stream when it hears that the stream was reset.
fn late(role: Role, id: u32) -> Vec<u8> {
    let head = match role {
        Role::Client => wire::headers(id, OK, false),
        Role::Server => Vec::new(),
    };
    let trailers = wire::headers(id, &[("a", "b")], true);
    [head, wire::data(id, &[7; 100], false), trailers].concat()
}

// Streams that were still remembered when their last frames came hid what happened to the others.
#[test]
fn a_storm_of_resets_over_half_a_second_is_absorbed_with_nothing_remembered() {
    /// A millisecond apart, so that five hundred streams lie between the reset of one and the last that is heard of it. Twice
    /// what is remembered of streams that have gone: of those that the late frames are for there is nothing.
    const STREAMS: u32 = 5_000;
    const ROUND_TRIP: u32 = 500;
    for role in [Role::Client, Role::Server] {
        let config = Config {
            keep_reset_slots: false,
            ..fixed(65_535, 65_535)
        };
        let mut hand = Hand::under(role, config);
        let (mut spent, mut returned) = (0, 0);
        let mut table = 0;
        for n in 0..STREAMS + ROUND_TRIP {
            hand.end.now = Timestamp(u64::from(n) * 1_000_000);
            if n < STREAMS {
                let stream = match role {
                    Role::Client => hand.open(Then::End),
                    Role::Server => hand.request(2 * n + 1, Then::More),
                };
                hand.end.connection.reset(stream, ErrorCode::CANCEL);
            }
            if let Some(gone) = n.checked_sub(ROUND_TRIP) {
                hand.says(late(role, 2 * gone + 1));
                spent += 100;
            }
            let frames = hand.frames();
            returned += granted(&frames);
            hand.says(wire::pongs(&frames));
            hand.events();
            assert_eq!(hand.end.connection.error(), None, "{role:?} after {n}");
            assert!(
                spent - returned <= 40_000,
                "{role:?}: credit is not given back"
            );
            table = table.max(hand.end.connection.memory_footprint().table);
        }
        assert!(table < 16 * 1024, "{role:?}: {table} bytes");
        assert_eq!(hand.end.connection.audit().live, 0);
        hand.lives();
    }
}
