//! The page of a recording in a real browser.

mod browser;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use browser::Browser;
use raddle_core::Role;
use raddle_sim::{
    campaign::{Profile, World},
    tape::Tape,
    view::{self, Ended, FaultKind, Format, Frame, Header, Passage, Recording, What},
};
use serde_json::{Value, json};

/// Where pages and pictures are written.
fn folder() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

fn record(seed: u64) -> Recording {
    let world = World::Engines(Profile::Safety);
    let (result, recorder) = view::record(world, &mut Tape::from_seed(seed));
    let replay =
        format!("cargo run -p raddle-sim --bin sim -- replay --tier 0 --as {world} --seed {seed}");
    recorder.finish(Header::simulated(Some(seed), 0, &result, Some(replay)))
}

fn sent(recording: &Recording) -> Vec<&Frame> {
    let frames = recording
        .events
        .iter()
        .filter_map(|event| match &event.what {
            What::Frame(frame) if frame.passage == Passage::Sent => Some(frame),
            _ => None,
        });
    frames.collect()
}

/// The requests that ended as `ended` for the client.
fn ended(recording: &Recording, ended: Ended) -> BTreeSet<u64> {
    let events = recording
        .events
        .iter()
        .filter_map(|event| match event.what {
            What::App {
                side: Some(Role::Client),
                request,
                outcome,
                ..
            } if outcome == Some(ended) => request,
            _ => None,
        });
    events.collect()
}

/// The first run in which there is something of everything to be seen.
fn telling() -> Recording {
    let of_interest = |recording: &Recording| {
        let stalls = recording.events.iter().any(|event| {
            matches!(
                event.what,
                What::Fault {
                    kind: FaultKind::Stall,
                    ..
                }
            )
        });
        let causes = recording
            .events
            .iter()
            .filter_map(|event| match &event.what {
                What::Wait { cause, .. } => Some(cause.as_str()),
                _ => None,
            });
        let causes: BTreeSet<_> = causes.collect();
        let streams: BTreeSet<_> = sent(recording).iter().map(|frame| frame.stream()).collect();
        stalls
            && causes.len() >= 5
            && streams.len() > 4
            && (80..600).contains(&sent(recording).len())
            && !ended(recording, Ended::Failed).is_empty()
    };
    (0..5_000)
        .map(record)
        .find(of_interest)
        .expect("one run of so many is of interest")
}

/// Opens the page of `recording` in a browser; `None` where there is none.
fn open(recording: &Recording, name: &str) -> Option<Browser> {
    let browser = Browser::start()?;
    let path: PathBuf = folder().join(format!("{name}.html"));
    fs::write(&path, view::export(recording, Format::Html)).expect("the page is written");
    browser.open(&format!("file://{}", path.display()));
    Some(browser)
}

fn assert_quiet(browser: &Browser) {
    let console = browser.console();
    assert!(console.is_empty(), "on the console: {console:#?}");
}

#[test]
fn the_page_tells_what_the_run_was_and_complains_of_nothing() {
    let recording = telling();
    let Some(browser) = open(&recording, "timeline") else {
        return;
    };
    let header = &recording.header;
    assert_eq!(browser.text("#verdict"), header.verdict);
    assert_eq!(Some(browser.text("#replay")), header.replay);
    let facts = browser.text("#facts");
    let seed = header.seed.expect("a seed");
    assert!(facts.contains(&seed.to_string()), "{facts}");
    let frames = browser.run("return timeline.model.frames.length");
    assert_eq!(frames, sent(&recording).len());
    browser.run(
        "timeline.choose({ frame: timeline.model.frames.find((frame) => frame.type === 'DATA') })",
    );
    let light = browser.screenshot();
    fs::write(folder().join("timeline.png"), &light).expect("the picture is written");
    browser.press("#theme");
    assert_eq!(
        browser.run("return document.documentElement.dataset.theme"),
        "dark"
    );
    let dark = browser.screenshot();
    fs::write(folder().join("timeline-dark.png"), &dark).expect("the picture is written");
    assert!(light.starts_with(b"\x89PNG") && light != dark);
    // The page itself is no resource of the page.
    let fetched = browser.run("return performance.getEntriesByType('resource').length");
    assert_eq!(fetched, 0, "the network is asked for nothing");
    assert_quiet(&browser);
}

#[test]
fn a_click_on_a_frame_shows_that_frame() {
    let recording = telling();
    let Some(browser) = open(&recording, "click") else {
        return;
    };
    // By order no two frames stand at one place.
    browser.press("#by-order");
    let frames = sent(&recording);
    for index in [0, frames.len() / 3, frames.len() / 2, frames.len() - 1] {
        let point = browser.run(&format!(
            "const {{ picture, model }} = timeline, frame = model.frames[{index}];
             timeline.choose({{}});
             timeline.view(frame.place.order - 8, frame.place.order + 8);
             timeline.scrollBy(picture.lanes.indexOf(frame.lane) * 42 - picture.scroll);
             const box = document.querySelector('#lanes').getBoundingClientRect();
             const point = picture.pointOf(frame);
             return [box.left + point.x, box.top + point.y]"
        ));
        let at = |n: usize| point[n].as_f64().expect("a number of pixels");
        browser.click(at(0), at(1));
        let frame = frames[index];
        assert_eq!(browser.text("#detail h2"), frame.name());
        let detail = browser.text("#detail");
        let sender = if frame.sender() == Role::Client {
            "client"
        } else {
            "server"
        };
        assert!(
            detail.contains(&format!("from {sender}, frame {} of", frame.number)),
            "frame {index}: {detail}"
        );
        assert!(
            detail.contains(&format!("stream {}", frame.stream())),
            "{detail}"
        );
        for line in frame.fields().lines() {
            assert!(detail.contains(line), "no {line} in {detail}");
        }
    }
    browser.key("\u{e00c}");
    assert_eq!(browser.text("#detail h2"), "How to read this");
    assert_quiet(&browser);
}

#[test]
fn a_filter_hides_all_other_lanes() {
    let recording = telling();
    let Some(browser) = open(&recording, "filter") else {
        return;
    };
    let shown = "return timeline.picture.lanes.map((lane) => lane.stream)";
    let all = browser.run(shown);
    browser.fill("#filter", "3 5");
    assert_eq!(browser.run(shown), json!([3, 5]));
    // What the picture shows in its second lane is what a click there finds.
    let top = browser.run("return document.querySelector('#lanes').getBoundingClientRect().top");
    let top = top.as_f64().expect("a number of pixels");
    browser.click(30.0, top + 30.0 + 42.0 + 21.0);
    assert!(browser.text("#detail h2").starts_with("stream 5"));
    browser.click(30.0, top + 30.0 + 2.0 * 42.0 + 21.0);
    assert_eq!(
        browser.text("#detail h2"),
        "How to read this",
        "no third lane"
    );
    browser.fill("#filter", "failed");
    let failed = browser.run("return timeline.picture.lanes.map((lane) => lane.request)");
    let failed: Option<BTreeSet<_>> = failed
        .as_array()
        .and_then(|all| all.iter().map(Value::as_u64).collect());
    assert_eq!(failed, Some(ended(&recording, Ended::Failed)));
    browser.fill("#filter", "");
    assert_eq!(browser.run(shown), all);
    // A kind of frames that is hidden is found by no click.
    let count = "let n = 0; const { picture } = timeline;
        for (const lane of picture.lanes) picture.eachFrame(lane, (f) => { n += f.type === 'HEADERS'; });
        return n";
    browser.press("#fit");
    assert!(browser.run(count).as_u64() > Some(0));
    browser.press("#legend button");
    assert_eq!(browser.run(count), 0);
    assert_quiet(&browser);
}

#[test]
fn wheel_drag_and_keys_move_through_time() {
    let recording = telling();
    let Some(browser) = open(&recording, "move") else {
        return;
    };
    let view = || {
        let view = browser.run("const { from, to } = timeline.picture; return [from, to]");
        let at = |n: usize| view[n].as_f64().expect("a value of the scale");
        (at(0), at(1))
    };
    let all = view();
    browser.wheel(700, 400, -400);
    let near = view();
    assert!(
        near.0 > all.0 && near.1 < all.1,
        "the wheel zooms in: {near:?}"
    );
    browser.drag((700, 400), (600, 400));
    let later = view();
    assert!(
        later.0 > near.0 && later.1 > near.1,
        "a drag moves: {later:?}"
    );
    browser.key("\u{e012}");
    assert!(view().0 < later.0, "an arrow moves back");
    browser.key("+");
    let zoomed = view();
    assert!(zoomed.1 - zoomed.0 < later.1 - later.0, "plus zooms in");
    browser.key("0");
    assert_eq!(view(), all, "zero shows everything");
    browser.key("n");
    let first = browser.text("#detail h2");
    assert_eq!(
        first,
        sent(&recording)[0].name(),
        "the first frame of the connection"
    );
    assert_quiet(&browser);
}

// A live connection is seen from one end: what it received has no moment at which it was sent.
#[test]
fn a_recording_of_one_end_is_shown_too() {
    let mut recording = telling();
    recording.events.retain(|event| match &event.what {
        What::Frame(Frame { side, .. })
        | What::Preface { side, .. }
        | What::Window { side, .. }
        | What::Wait { side, .. } => *side == Role::Client,
        What::App { side, .. } => *side == Some(Role::Client),
        What::Stream { .. } | What::Fault { .. } => true,
    });
    recording.header = Header {
        seed: None,
        tier: None,
        good: false,
        verdict: "the peer was gone\nand said nothing".to_owned(),
        replay: None,
        sides: vec![Role::Client],
    };
    let frames = recording.events.iter();
    let frames = frames.filter(|event| matches!(event.what, What::Frame(_)));
    let frames = frames.count();
    let Some(browser) = open(&recording, "one-end") else {
        return;
    };
    assert_eq!(browser.run("return timeline.model.frames.length"), frames);
    assert_eq!(browser.text("#verdict"), "the peer was gone");
    assert!(browser.text("#detail").contains("and said nothing"));
    assert_eq!(browser.text("#replay-line"), "");
    assert!(
        !browser.text("header").contains("null"),
        "what is not there is not told"
    );
    browser.run(
        "const { frames } = timeline.model;
         timeline.choose({ frame: frames.find(({ sender }) => sender === 'server') })",
    );
    let detail = browser.text("#detail");
    assert!(detail.contains("sent not seen"), "{detail}");
    browser.press("#by-time");
    let picture = browser.screenshot();
    fs::write(folder().join("timeline-one-end.png"), picture).expect("the picture is written");
    assert_quiet(&browser);
}

// What a page of tens of thousands of frames costs is printed, and bounded far above what was ever seen.
#[test]
fn ten_thousand_frames_are_drawn() {
    let mut recording = telling();
    let once = recording.events.clone();
    let span = once.last().map_or(0, |event| event.at) + 1;
    let frames = sent(&recording).len() as u64;
    for round in 1..=10_000 / frames {
        recording
            .events
            .extend(once.iter().cloned().map(|mut event| {
                event.at += round * span;
                match &mut event.what {
                    What::Frame(frame) => frame.number += round * 100_000,
                    What::Fault { until, .. } => *until += round * span,
                    _ => {}
                }
                event
            }));
    }
    let Some(browser) = open(&recording, "many") else {
        return;
    };
    // Before pixels are read back, of which a browser complains.
    assert_quiet(&browser);
    let drawn = browser.run(
        "const { picture, model } = timeline;
         const took = (work) => {
           const begun = performance.now();
           // Reading a pixel back waits for what the browser has put off.
           for (let n = 0; n < 10; n += 1) {
             work();
             for (const canvas of document.querySelectorAll('canvas')) canvas.getContext('2d').getImageData(0, 0, 1, 1);
           }
           return (performance.now() - begun) / 10;
         };
         const all = [model.frames.length, took(() => picture.drawLanes()), took(() => picture.drawWindows())];
         timeline.zoom(1 / 20);
         return [...all, took(() => { timeline.pan(.1); picture.draw(); })]",
    );
    println!(
        "{} frames are drawn in {} ms, windows in {} ms; a twentieth of both in {} ms",
        drawn[0], drawn[1], drawn[2], drawn[3]
    );
    assert!(drawn[0].as_u64() >= Some(10_000));
    assert!((1..4).all(|n| drawn[n].as_f64() < Some(2_000.0)));
}
