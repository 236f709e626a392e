//! Recordings of simulated runs, and the forms that they are written in.

use std::collections::{BTreeMap, BTreeSet};

use raddle_core::Role;
use raddle_sim::{
    campaign::{Profile, World},
    outcome::{Fault, Outcome},
    tape::Tape,
    trace::Trace,
    view::{self, Event, Format, Header, Passage, Recorder, Recording, What},
};

const WORLD: World = World::Engines(Profile::Safety);

fn record(seed: u64) -> (Result<Outcome, Fault>, Recorder) {
    view::record(WORLD, &mut Tape::from_seed(seed))
}

fn recording(seed: u64) -> Recording {
    let (result, recorder) = record(seed);
    let replay = format!("sim replay --seed {seed}");
    recorder.finish(Header::simulated(Some(seed), 0, &result, Some(replay)))
}

fn text(recording: &Recording, format: Format) -> String {
    String::from_utf8(view::export(recording, format)).expect("this form is text")
}

// A picture must not change what it shows.
#[test]
fn a_run_of_any_world_takes_the_same_course_when_it_is_recorded() {
    for world in World::of_tier(0) {
        for seed in 0..10 {
            let alone = world.run(&mut Tape::from_seed(seed)).expect("a good seed");
            let (recorded, _) = view::record(world, &mut Tape::from_seed(seed));
            assert_eq!(recorded.expect("good"), alone, "seed {seed} as {world}");
        }
    }
}

#[test]
fn every_world_is_recorded_with_its_frames_waits_and_ends() {
    for world in World::of_tier(0) {
        let mut kinds = BTreeSet::new();
        let mut ended = 0;
        for seed in 0..20 {
            let (result, recorder) = view::record(world, &mut Tape::from_seed(seed));
            let events = recorder
                .finish(Header::simulated(None, 0, &result, None))
                .events;
            for side in [Role::Client, Role::Server] {
                let sent = frames(&events, side, Passage::Sent);
                assert!(!sent.is_empty(), "seed {seed} as {world}: {side:?} is mute");
                let received = frames(&events, !side, Passage::Received);
                assert!(sent.starts_with(&received), "seed {seed} as {world}");
            }
            let first = events.iter().find_map(|event| match &event.what {
                What::App { text, .. } => Some(text),
                _ => None,
            });
            let first = first.expect("the options");
            assert!(first.starts_with("options: "), "{first}");
            ended += events.iter().filter(|event| is_end(&event.what)).count();
            kinds.extend(events.iter().map(|event| kind(&event.what)));
        }
        for known in ["app", "frame", "stream", "wait", "window"] {
            assert!(kinds.contains(known), "{world} has no {known}");
        }
        assert!(ended > 20, "{world}: {ended} ends");
    }
}

fn is_end(what: &What) -> bool {
    matches!(
        what,
        What::App {
            outcome: Some(_),
            ..
        }
    )
}

#[test]
fn what_is_written_is_read_back() {
    let mut kinds = BTreeSet::new();
    for seed in 0..12 {
        let recording = recording(seed);
        kinds.extend(recording.events.iter().map(|event| kind(&event.what)));
        let read = Recording::parse(&text(&recording, Format::Jsonl)).expect("its own form");
        assert_eq!(read, recording, "seed {seed}");
    }
    let all = [
        "app", "fault", "frame", "preface", "stream", "wait", "window",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), all);
}

fn kind(what: &What) -> &'static str {
    match what {
        What::Preface { .. } => "preface",
        What::Frame(_) => "frame",
        What::Window { .. } => "window",
        What::Stream { .. } => "stream",
        What::Wait { .. } => "wait",
        What::Fault { .. } => "fault",
        What::App { .. } => "app",
    }
}

#[test]
fn what_is_not_a_recording_is_refused_with_its_line() {
    let good = text(&recording(1), Format::Jsonl);
    let (header, events) = good.split_once('\n').expect("a header");
    // Half a byte too little.
    let odd = events.replacen("\"head\":\"00", "\"head\":\"0", 1);
    let frame = events
        .lines()
        .position(|line| line.contains("\"head\""))
        .expect("a frame");
    for (bad, line) in [
        (String::new(), 1),
        ("{}".to_owned(), 1),
        (header.replace("\"version\":1", "\"version\":2"), 1),
        (format!("{header}\nno JSON"), 2),
        (format!("{header}\n{{\"kind\":\"window\"}}"), 2),
        (format!("{header}\n{odd}"), frame + 2),
    ] {
        let malformed = Recording::parse(&bad).expect_err("this is malformed");
        assert_eq!(malformed.line, line, "{malformed}");
    }
    // But a later version may have more kinds.
    let more = format!("{header}\n{{\"at\":1,\"kind\":\"moon phase\"}}");
    let read = Recording::parse(&more).expect("a kind that is not known");
    assert!(read.events.is_empty());
}

/// Frames that `side` saw pass as `passage`.
fn frames(events: &[Event], side: Role, passage: Passage) -> Vec<[u8; 9]> {
    let frames = events.iter().filter_map(|event| match &event.what {
        What::Frame(frame) if frame.side == side && frame.passage == passage => Some(frame),
        _ => None,
    });
    let numbered = frames.enumerate().map(|(n, frame)| {
        assert_eq!(frame.number, n as u64, "numbers count up");
        frame.head
    });
    numbered.collect()
}

#[test]
fn every_frame_that_arrives_is_the_one_that_was_sent() {
    let mut arrived = 0;
    for seed in 0..60 {
        let events = recording(seed).events;
        assert!(events.is_sorted_by_key(|event| event.at), "seed {seed}");
        for side in [Role::Client, Role::Server] {
            let sent = frames(&events, side, Passage::Sent);
            let received = frames(&events, !side, Passage::Received);
            assert!(sent.starts_with(&received), "seed {seed}, from {side:?}");
            arrived += received.len();
        }
    }
    assert!(arrived > 1_000, "{arrived} frames are too few to say so");
}

// The windows are worked out from frames alone; that no engine sends beyond them holds the two against each other.
#[test]
fn no_data_is_sent_beyond_a_window() {
    let mut data = 0;
    for seed in 0..60 {
        let mut windows = BTreeMap::new();
        for event in recording(seed).events {
            match event.what {
                What::Window {
                    side,
                    stream,
                    window,
                } => {
                    windows.insert((side == Role::Client, stream), window);
                }
                What::Frame(frame) if frame.name() == "DATA" && frame.passage == Passage::Sent => {
                    for stream in [0, frame.stream()] {
                        let window = windows[&(frame.side == Role::Client, stream)];
                        let length = i64::from(frame.length());
                        assert!(length <= window.max(0), "seed {seed}: {length} of {window}");
                    }
                    data += 1;
                }
                _ => {}
            }
        }
    }
    assert!(data > 500, "{data} frames of DATA are too few to say so");
}

#[test]
fn the_page_is_one_file_that_no_text_can_break() {
    let mut recording = recording(1);
    let hostile = "</script><script>alert(1)</script> {{script}} \u{2028}";
    recording.header.verdict = hostile.to_owned();
    let page = text(&recording, Format::Html);
    assert_eq!(page.matches("</script>").count(), 2, "the page's own");
    assert!(!page.contains("alert(1)</script>"));
    assert!(
        page.contains("{{script}}"),
        "what was recorded is left alone"
    );
    for outside in ["http://", "https://", " src=", "@import", "url("] {
        assert!(!page.contains(outside), "the page asks for {outside}");
    }
    let trace = page.split_once("id=\"trace\">\n").expect("the trace").1;
    let trace = trace.split_once("</script>").expect("its end").0;
    assert_eq!(Recording::parse(trace).expect("the same form"), recording);
}

#[test]
fn the_text_names_the_seed_and_the_command_and_has_a_line_for_each_event() {
    let recording = recording(5);
    let text = text(&recording, Format::Text);
    assert!(text.starts_with("seed 5: ran well"), "{text:.60}");
    assert!(text.contains("to repeat: sim replay --seed 5\n"));
    assert!(text.lines().count() >= recording.events.len() + 2);
}

#[test]
fn a_verdict_that_is_bad_names_the_request_and_what_was_wrong() {
    let fault = Fault::of(3, "never ended\nclient is Open").with_trace(&Trace::default());
    let header = Header::simulated(Some(9), 0, &Err(fault), None);
    assert!(!header.good);
    assert_eq!(header.verdict, "request #3: never ended\nclient is Open");
    let recording = Recording {
        header,
        events: Vec::new(),
    };
    assert!(text(&recording, Format::Text).starts_with("seed 9: request #3: never ended\n"));
    // Every form takes a recording in which nothing happened.
    for format in Format::ALL {
        assert!(!view::export(&recording, format).is_empty(), "{format:?}");
    }
}
