//! Flow control: deadlocks, starvation, windows that are too small or cost too much.

use crate::path::Path;
use crate::*;

const MIB: u32 = 1 << 20;

// Credit that was handed to requests which wait for a slot stopped those that had one.
#[test]
fn uploads_that_wait_for_a_slot_hold_no_window() {
    let ten = Config {
        concurrent_streams_max: 10,
        ..fixed(65_535, 65_535)
    };
    let mut pair = Pair::new(Config::default(), ten);
    pair.settle();
    let Pair { client, server, .. } = &mut pair;
    let streams: Vec<_> = (0..1_000)
        .map(|_| {
            let stream = client.connection.open(post("/"), Then::More).unwrap();
            let mut body = Bytes::from_static(&[7; 10_240]);
            let sent = client.connection.send_data(stream, &mut body, Then::End);
            assert_eq!(sent, Ok(10_240));
            stream
        })
        .collect();
    let (mut window, mut finished) = (65_535, 0);
    while finished < streams.len() {
        let up = client.output();
        let sent = data_bytes(&wire::frames(&up).0);
        assert!(sent > 0, "a round trip in which nothing moves");
        window -= sent;
        for &stream in &streams {
            let waiting = client.connection.explain(stream);
            let held = matches!(waiting, Waiting::ConnectionWindow | Waiting::Transport);
            assert!(!held || window == 0, "{waiting:?} with {window} bytes free");
        }
        server.input(&up);
        for event in server.take_events() {
            if let Event::Data { stream, data, then } = event {
                server.connection.release(stream, data.len());
                if then.is_end() {
                    answer(&mut server.connection, stream);
                }
            }
        }
        let down = server.output();
        window += granted(&wire::frames(&down).0);
        client.input(&down);
        let ended = |event: &Event| matches!(event, Event::Finished { .. });
        finished += client.take_events().into_iter().filter(ended).count();
    }
}

// A byte that was kept for a silent body stopped everybody, where the peer renews a window only when it is used up.
#[test]
fn a_silent_upload_keeps_no_byte_of_the_window_to_itself() {
    for silent in 1..=5 {
        let mut hand = Hand::client();
        hand.says(wire::settings(&[(4, MIB)]));
        let first = hand.open(Then::More);
        hand.send(first, b"begun", Then::More);
        for _ in 1..silent {
            hand.open(Then::More);
        }
        let busy = hand.open(Then::More);
        let id = 2 * silent + 1;
        let sent = |hand: &mut Hand, id| data_lengths(&hand.frames(), id).iter().sum::<usize>();
        // Part of it went with the heads.
        hand.send(busy, &[7; 65_530], Then::More);
        assert_eq!(sent(&mut hand, id), 65_530);
        hand.says(wire::window_update(0, 65_535));
        // The first upload waits for this answer, and the end of the other for what it says then.
        hand.says(wire::headers(id, OK, false));
        hand.send(first, b"goes on", Then::End);
        assert_eq!(sent(&mut hand, 1), 7);
        hand.send(busy, &[7; 65_528], Then::End);
        assert_eq!(sent(&mut hand, id), 65_528);
        hand.says(wire::headers(1, OK, true));
        hand.says(wire::data(id, b"", true));
        assert_eq!(hand.outcome(first), Some(Ok(())));
        assert_eq!(hand.outcome(busy), Some(Ok(())));
    }
}

// One reader that stopped took the connection's window with it, and nobody could tell who.
#[test]
fn a_tiny_request_passes_beside_all_the_unread_streams_that_the_windows_allow() {
    let ours = Config::default();
    let profiles = [
        (
            "raddle",
            ours.stream_window_bytes,
            ours.connection_window_bytes,
        ),
        ("client of hyper", 2 * MIB, 5 * MIB),
        ("server of hyper", MIB, MIB),
        ("client of Go", 4 * MIB, 1 << 30),
        ("server of Go", MIB, MIB),
        ("nghttp2", 65_535, 65_535),
        ("Pingora", 8 * MIB, 8 * MIB),
    ];
    for (name, stream, connection) in profiles {
        // Those that share the window evenly survive none, ours three.
        let survived = (connection / stream - 1).min(3);
        assert!(name != "raddle" || survived == 3);
        for unread in [survived, survived + 1] {
            let stops = unread > survived && unread * stream == connection;
            let mut pair = Pair::new(Config::default(), fixed(stream, connection));
            pair.settle();
            for _ in 0..unread {
                fill(&mut pair, stream as usize);
            }
            let full = requests(&pair.server.take_events());
            let tiny = pair.client.connection.open(post("/"), Then::More).unwrap();
            let mut body = Bytes::from_static(b"x");
            let client = &mut pair.client.connection;
            client.send_data(tiny, &mut body, Then::End).unwrap();
            // Up, and the answer down.
            pair.carry();
            let events = pair.server.take_events();
            let served = requests(&events)[0];
            let whole = |event: &Event| matches!(event, Event::Data { stream, then, .. } if *stream == served && then.is_end());
            assert_eq!(events.iter().any(whole), !stops, "{name}, {unread} unread");
            let server = &mut pair.server.connection;
            if stops {
                assert_eq!(server.explain(served), Waiting::OtherReaders, "{name}");
                let holders: Vec<_> = server.holders().map(|(stream, _)| stream).collect();
                assert_eq!(holders, full, "{name}");
                continue;
            }
            answer(server, served);
            pair.carry();
            let events = pair.client.take_events();
            assert!(events.contains(&Event::Finished { stream: tiny }), "{name}");
        }
    }
}

/// An upload of so many bytes that nobody reads.
fn fill(pair: &mut Pair, bytes: usize) {
    let stream = pair.client.connection.open(post("/"), Then::More).unwrap();
    let mut body = Bytes::from(vec![7; bytes]);
    while !body.is_empty() {
        let client = &mut pair.client.connection;
        client.send_data(stream, &mut body, Then::More).unwrap();
        assert!(pair.carry(), "{} bytes do not fit", body.len());
    }
    pair.settle();
}

// Windows that were too small for the path made a fast line slow; windows that were large enough cost memory for ever.
#[test]
fn one_stream_fills_a_long_fast_path_after_ten_round_trips_and_its_window_shrinks_again() {
    /// A gigabit per second, in one step.
    const LINE: usize = 1_250_000;
    /// A stream has a quarter of it, which is twice what is on the way at once.
    const BUDGET: u32 = 128 * MIB;
    let config = Config {
        connection_window_bytes_max: BUDGET,
        ..Config::default()
    };
    // 100 ms there and back.
    let mut path = Path::new(5, config);
    for _ in 0..100 {
        path.step(LINE);
    }
    let before = path.arrived;
    for _ in 0..50 {
        path.step(LINE);
    }
    let share = (path.arrived - before) as f64 / (50 * LINE) as f64;
    assert!(share >= 0.9, "{share} of the line");
    // A reader that stops holds no more than its stream's part of the budget.
    path.reads = false;
    for _ in 0..50 {
        path.step(LINE);
    }
    let held = path.unread();
    assert!(held <= u64::from(BUDGET / 4), "{held} bytes");
    let window = path.server.connection.receive_window();
    assert!(window <= BUDGET, "{window}");
    // One that goes on at a hundredth of the line has what it has read taken off its window, and not filled up again.
    path.pace = LINE / 100;
    let unread: Vec<u64> = (0..4)
        .map(|_| {
            for _ in 0..1_500 {
                path.step(LINE);
            }
            path.unread()
        })
        .collect();
    assert!(unread.is_sorted_by(|a, b| a >= b), "{unread:?}");
    assert!(unread[3] <= u64::from(MIB), "{unread:?} bytes");
    let window = path.server.connection.receive_window();
    assert!(window <= 4 * MIB, "{window} for a slow reader");
    let held = path.unread();
    path.pace = 0;
    // Little traffic needs little window, either.
    path.reads = true;
    path.server
        .connection
        .release(request_of(&path), held as usize);
    for _ in 0..3_000 {
        path.step(32 * 1024);
    }
    let window = path.server.connection.receive_window();
    assert!(window <= 4 * MIB, "{window} for 320 KiB in a round trip");
    assert_eq!(path.unread(), 0);
}

// By default one stream carries what most paths have, and no more than its part of what a connection may hold: whoever
// stops reading would otherwise hold more, beside as many others as the process has connections.
#[test]
fn one_stream_carries_a_hundred_megabits_over_a_long_path_by_default_and_holds_two_mebibytes() {
    /// Megabits per second, the steps of the path each way, and the share of the line that is used.
    const PATHS: [(usize, usize, f64); 4] = [
        (50, 5, 0.98),
        (100, 5, 0.9),
        (200, 2, 0.98),
        (1_000, 5, 0.13),
    ];
    for (megabits, steps, least) in PATHS {
        let line = megabits * 1_000_000 / 8 / 100;
        let mut path = Path::new(steps, Config::default());
        // Ten round trips, and ten more that count.
        for _ in 0..20 * steps {
            path.step(line);
        }
        let before = path.arrived;
        for _ in 0..20 * steps {
            path.step(line);
        }
        let share = (path.arrived - before) as f64 / (20 * steps * line) as f64;
        assert!(share >= least, "{share} of {megabits} Mbit/s");
        path.reads = false;
        for _ in 0..40 * steps {
            path.step(line);
        }
        let unread = path.unread();
        assert!(unread <= u64::from(2 * MIB), "{unread} bytes");
    }
}

/// The server's handle of the upload.
fn request_of(path: &Path) -> StreamHandle {
    let mut holders = path.server.connection.holders();
    holders.next().expect("bytes are held").0
}

// Small messages cost a node each, and whoever sent many of them was taken for an attacker.
#[test]
fn single_bytes_on_three_hundred_streams_cost_a_slow_reader_little_and_end_nothing() {
    let config = Config {
        concurrent_streams_max: 300,
        ..Config::default()
    };
    let mut end = End::established_with(Role::Server, config);
    for n in 0..300 {
        end.input(&wire::headers(2 * n + 1, POST, false));
    }
    end.take_events();
    let connection = &mut end.connection;
    let before = connection.memory_footprint().total();
    let (mut inbox, mut unread) = (BytesMut::new(), VecDeque::new());
    let (mut sent, mut read) = (0, 0);
    while read < 30_000 {
        if inbox.is_empty() && sent < 30_000 {
            for n in 0..300 {
                inbox.extend_from_slice(&wire::data(2 * n + 1, b"x", false));
            }
            sent += 300;
        }
        // A third of what comes is looked at, and read much later.
        assert_ne!(connection.handle_input(&mut inbox, end.now), Input::Closed);
        for _ in 0..100 {
            if let Some(Event::Data { stream, data, .. }) = connection.poll_event() {
                unread.push_back((stream, data.len()));
            }
        }
        while unread.len() > 10_000 || (sent == 30_000 && !unread.is_empty()) {
            let (stream, bytes) = unread.pop_front().unwrap();
            connection.release(stream, bytes);
            read += bytes;
        }
        let grown = connection.memory_footprint().total().saturating_sub(before);
        assert!(
            grown < 64 * 1024,
            "{grown} bytes for {} that wait",
            unread.len()
        );
    }
    connection.check();
    assert_eq!(end.connection.error(), None);
    assert!(!end.output_frames().iter().any(|f| f.kind == kind::GOAWAY));
}

// Bodies were copied on their way to the socket.
#[test]
fn the_bytes_of_a_body_go_out_as_they_were_given() {
    let (mut client, mut out) = (Hand::client(), Transmit::new());
    let stream = client.open(Then::More);
    let body = Bytes::from(vec![7; 60_000]);
    let connection = &mut client.end.connection;
    let sent = connection.send_data(stream, &mut body.clone(), Then::End);
    assert_eq!(sent, Ok(60_000));
    connection.poll_transmit(&mut out, Timestamp(0));
    let lies_in = |part: &&[u8]| body.as_ptr_range().contains(&part.as_ptr());
    let shared: Vec<_> = out.parts().filter(lies_in).collect();
    assert_eq!(shared.iter().map(|part| part.len()).sum::<usize>(), 60_000);
    // Four frames: their heads stand beside the body, and the parts are one vectored write.
    assert_eq!(out.parts().count(), 8);
    assert_eq!(out.remaining(), 60_000 + 4 * 9);
}
