//! Recordings in the forms of other programs.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use raddle_core::Role;
use raddle_sim::{
    campaign::{Profile, World},
    tape::Tape,
    view::{self, Format, Frame, Header, Passage, Recording, What},
};
use serde_json::Value;

fn recording(seed: u64) -> Recording {
    let world = World::Engines(Profile::Safety);
    let (result, recorder) = view::record(world, &mut Tape::from_seed(seed));
    let replay = format!("sim replay --seed {seed}");
    recorder.finish(Header::simulated(Some(seed), 0, &result, Some(replay)))
}

/// Frames that `side` sent and received, in order.
fn seen_by(recording: &Recording, side: Role) -> Vec<&Frame> {
    let frames = recording
        .events
        .iter()
        .filter_map(|event| match &event.what {
            What::Frame(frame) if frame.side == side => Some(frame),
            _ => None,
        });
    frames.collect()
}

fn text(recording: &Recording, format: Format) -> String {
    String::from_utf8(view::export(recording, format)).expect("this form is text")
}

/// The blocks of a capture: their types, and what is in them.
fn blocks(mut bytes: &[u8]) -> Vec<(u32, &[u8])> {
    let word = |bytes: &[u8]| u32::from_le_bytes(*bytes.first_chunk().expect("a word"));
    let mut blocks = Vec::new();
    while !bytes.is_empty() {
        let length = word(&bytes[4..]) as usize;
        assert_eq!(length % 4, 0, "blocks are aligned");
        let (block, rest) = bytes.split_at(length);
        assert_eq!(word(&block[length - 4..]) as usize, length, "told twice");
        blocks.push((word(block), &block[8..length - 4]));
        bytes = rest;
    }
    blocks
}

#[test]
fn a_capture_holds_every_byte_that_the_client_saw_and_in_order() {
    for seed in 0..40 {
        let recording = recording(seed);
        let bytes = view::export(&recording, Format::Pcapng);
        let blocks = blocks(&bytes);
        assert_eq!((blocks[0].0, blocks[1].0), (0x0a0d_0d0a, 1));
        let mut streams = [Vec::new(), Vec::new()];
        for (kind, block) in &blocks[2..] {
            assert_eq!(*kind, 6, "packets follow");
            let packet = &block[20..];
            let total = u16::from_be_bytes([packet[16], packet[17]]) as usize;
            let tcp = &packet[34..14 + total];
            let from_server = tcp[..2] == [0, 80];
            let stream = &mut streams[usize::from(from_server)];
            // Behind SYN, which counts as one.
            let at = u32::from_be_bytes(*tcp[4..].first_chunk().expect("a number"));
            let syn = tcp[13] & 2 != 0;
            assert_eq!(at as usize, if syn { 0 } else { stream.len() + 1 });
            stream.extend_from_slice(&tcp[20..]);
        }
        let wire = |passage| {
            let frames = seen_by(&recording, Role::Client);
            let frames = frames
                .into_iter()
                .filter(move |frame| frame.passage == passage);
            frames.flat_map(|frame| {
                let mut bytes = [&frame.head[..], &frame.payload].concat();
                bytes.resize(9 + frame.length() as usize, 0);
                bytes
            })
        };
        let preface = *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        let preface = preface.into_iter().filter(|_| !streams[0].is_empty());
        assert!(
            preface
                .chain(wire(Passage::Sent))
                .eq(streams[0].iter().copied())
        );
        assert!(wire(Passage::Received).eq(streams[1].iter().copied()));
    }
}

/// What `tshark` prints of the capture in `path`, by these arguments; `None` where it is not installed.
fn tshark(path: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("tshark")
        .arg("-r")
        .arg(path)
        .args(["-d", "tcp.port==80,http2"])
        .args([
            "-o",
            "tcp.check_checksum:TRUE",
            "-o",
            "ip.check_checksum:TRUE",
        ])
        .args(arguments)
        .stdin(Stdio::null())
        .output();
    let Ok(output) = output else {
        // Past the capture of the test harness: what was not tested has to be seen.
        let _ = writeln!(std::io::stdout().lock(), "skipped: there is no tshark");
        return None;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "tshark: {errors}");
    Some(String::from_utf8(output.stdout).expect("fields are text"))
}

#[test]
fn wireshark_reads_the_same_frames_and_finds_nothing_wrong() {
    let mut fields = 0;
    for seed in [1, 2, 8, 78] {
        let recording = recording(seed);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("seed-{seed}.pcapng"));
        fs::write(&path, view::export(&recording, Format::Pcapng)).expect("it is written");
        let each = [
            "-T",
            "fields",
            "-E",
            "occurrence=a",
            "-e",
            "http2.type",
            "-e",
            "http2.streamid",
        ];
        let Some(told) = tshark(&path, &each) else {
            return;
        };
        let mut read = Vec::new();
        for line in told.lines() {
            let (kinds, streams) = line.split_once('\t').expect("two fields");
            let numbers = |text: &str| text.split(',').filter_map(|n| n.parse().ok()).collect();
            let (kinds, streams): (Vec<u32>, Vec<u32>) = (numbers(kinds), numbers(streams));
            read.extend(kinds.into_iter().zip(streams));
        }
        // Of the packet with the preface Wireshark gives a stream too, but no type.
        let frames = seen_by(&recording, Role::Client).into_iter();
        let frames: Vec<_> = frames
            .map(|frame| (u32::from(frame.kind()), frame.stream()))
            .collect();
        assert_eq!(read, frames, "seed {seed}");
        let wrong = "tcp.checksum.status==0 || ip.checksum.status==0 || _ws.malformed || tcp.analysis.flags";
        assert_eq!(
            tshark(&path, &["-Y", wrong]),
            Some(String::new()),
            "seed {seed}"
        );
        // Header blocks are whole, so that HPACK can follow them.
        let paths = tshark(
            &path,
            &[
                "-T",
                "fields",
                "-e",
                "http2.headers.path",
                "-Y",
                "http2.headers.path",
            ],
        );
        fields += paths.map_or(0, |paths| {
            paths.lines().filter(|path| path.starts_with('/')).count()
        });
    }
    assert!(
        fields > 10,
        "{fields} paths of requests are too few to say so"
    );
}

#[test]
fn qlog_has_a_record_for_each_event() {
    for seed in 0..20 {
        let recording = recording(seed);
        let text = text(&recording, Format::Qlog);
        let records: Vec<Value> = text
            .split_inclusive('\n')
            .map(|record| {
                let json = record.strip_prefix('\u{1e}').expect("a separator");
                json.parse().expect("JSON")
            })
            .collect();
        let (header, events) = records.split_first().expect("a header");
        assert_eq!(
            header["file_schema"],
            "urn:ietf:params:qlog:file:sequential"
        );
        assert_eq!(header["trace"]["raddle"]["seed"], seed.to_string());
        assert_eq!(events.len(), recording.events.len());
        for (event, told) in recording.events.iter().zip(events) {
            assert_eq!(told["time"].as_f64(), Some(event.at as f64 / 1e6));
            if let What::Frame(frame) = &event.what {
                let name = match frame.passage {
                    Passage::Sent => "http2:frame_created",
                    Passage::Received => "http2:frame_parsed",
                };
                assert_eq!(told["name"], name);
                let data = &told["data"];
                assert_eq!(data["stream_id"], frame.stream());
                assert_eq!(data["frame"]["frame_type"], frame.name().to_lowercase());
            }
        }
    }
}

#[test]
fn perfetto_gets_every_frame_and_slices_that_do_not_overlap() {
    for seed in 0..20 {
        let recording = recording(seed);
        let trace: Value = text(&recording, Format::Perfetto).parse().expect("JSON");
        let events = trace["traceEvents"].as_array().expect("events");
        let has_payload = |event: &&Value| event["args"]["payload"].is_string();
        let frames = recording.events.iter();
        let frames = frames
            .filter(|event| matches!(event.what, What::Frame(_)))
            .count();
        assert_eq!(
            events.iter().filter(has_payload).count(),
            frames,
            "seed {seed}"
        );
        let mut until = BTreeMap::new();
        for wait in events.iter().filter(|event| event["cat"] == "wait") {
            let (from, long) = (wait["ts"].as_f64(), wait["dur"].as_f64());
            let (from, long) = (from.expect("a moment"), long.expect("a duration"));
            let thread = (wait["pid"].as_u64(), wait["tid"].as_u64());
            let before = until.insert(thread, from + long).unwrap_or(0.0);
            // By a rounding of microseconds at most.
            assert!(before <= from + 1e-3, "seed {seed}: {wait}");
        }
        let named = events.iter().filter(|event| event["name"] == "thread_name");
        let named: Vec<_> = named
            .map(|event| (event["pid"].as_u64(), event["tid"].as_u64()))
            .collect();
        assert!(
            until.keys().all(|thread| named.contains(thread)),
            "seed {seed}"
        );
    }
}

#[test]
fn the_first_of_several_connections_is_recorded() {
    for profile in [Profile::Pool, Profile::Proxy] {
        let world = World::Engines(profile);
        for seed in 0..5 {
            let (result, recorder) = view::record(world, &mut Tape::from_seed(seed));
            let plain = world.run(&mut Tape::from_seed(seed)).expect("it runs well");
            assert_eq!(
                result.as_ref().ok(),
                Some(&plain),
                "{profile:?}, seed {seed}: a recording changes nothing"
            );
            let recording = recorder.finish(Header::simulated(Some(seed), 0, &result, None));
            for side in [Role::Client, Role::Server] {
                let frames = seen_by(&recording, side);
                assert!(frames.len() > 5, "{profile:?}, seed {seed}: {frames:?}");
            }
            for format in Format::ALL {
                assert!(!view::export(&recording, format).is_empty());
            }
        }
    }
}
