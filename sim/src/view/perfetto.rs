//! Recordings as events of Chrome's tracing, which Perfetto shows.
//!
//! Each end is a process, each stream a thread of it: frames are instants, what a request waits for are slices, windows
//! are counters. The transport is a third process.

use std::collections::{BTreeMap, BTreeSet};

use raddle_core::Role;
use serde_json::{Value, json};

use super::{
    event::{Event, Frame, Passage, Recording, What},
    json,
};

const TRANSPORT: u32 = 3;
/// Requests without a stream stand behind all streams, which have identifiers of 31 bits.
const NO_STREAM: u64 = 1 << 31;

pub(super) fn write(recording: &Recording) -> String {
    let mut writer = Writer {
        streams: streams(&recording.events),
        events: Vec::new(),
        waits: BTreeMap::new(),
        threads: BTreeSet::new(),
    };
    for event in &recording.events {
        writer.take(event);
    }
    let last = recording.events.last().map_or(0, |event| event.at);
    for thread in writer.waits.keys().copied().collect::<Vec<_>>() {
        writer.end_wait(last, thread);
    }
    writer.name();
    let header = &recording.header;
    json!({
        "displayTimeUnit": "ns",
        "otherData": {
            "seed": header.seed.map(|seed| seed.to_string()),
            "verdict": header.verdict,
            "replay": header.replay,
        },
        "traceEvents": writer.events,
    })
    .to_string()
}

/// The stream of each request that has one.
fn streams(events: &[Event]) -> BTreeMap<u64, u32> {
    let streams = events.iter().filter_map(|event| match event.what {
        What::Stream { request, stream } => Some((request, stream)),
        _ => None,
    });
    streams.collect()
}

fn process(side: Role) -> u32 {
    match side {
        Role::Client => 1,
        Role::Server => 2,
    }
}

/// Microseconds, to the nanosecond.
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1e3
}

struct Writer {
    streams: BTreeMap<u64, u32>,
    events: Vec<Value>,
    /// What each thread waits for, and since when.
    waits: BTreeMap<(u32, u64), (u64, String)>,
    threads: BTreeSet<(u32, u64)>,
}

impl Writer {
    fn take(&mut self, event: &Event) {
        let at = event.at;
        match &event.what {
            What::Preface { side, passage } => {
                let name = format!("preface {}", json::passing(*passage));
                self.instant(at, (process(*side), 0), &name, json!({}));
            }
            What::Frame(frame) => self.frame(at, frame),
            What::Window {
                side,
                stream,
                window,
            } => {
                let name = match stream {
                    0 => "window of the connection".to_owned(),
                    stream => format!("window of stream {stream}"),
                };
                self.events
                    .push(json!({"ph": "C", "name": name, "ts": micros(at),
                    "pid": process(*side), "args": {"bytes": window}}));
            }
            What::Stream { .. } => {}
            What::Wait {
                side,
                request,
                cause,
            } => {
                let thread = (process(*side), self.thread(*request));
                self.end_wait(at, thread);
                if cause != "Nothing" {
                    self.waits.insert(thread, (at, cause.clone()));
                }
            }
            What::Fault {
                kind,
                way,
                until,
                text,
            } => {
                let way = way.map_or("both ways", json::direction);
                self.events.push(json!({"ph": "X", "name": json::fault(*kind), "cat": "fault",
                    "ts": micros(at), "dur": micros(until.saturating_sub(at)), "pid": TRANSPORT, "tid": 0,
                    "args": {"way": way, "text": text}}));
            }
            What::App {
                side,
                request,
                text,
                ..
            } => {
                let process = side.map_or(TRANSPORT, process);
                let thread = request.map_or(0, |request| self.thread(request));
                self.instant(at, (process, thread), text, json!({"request": request}));
            }
        }
    }

    fn frame(&mut self, at: u64, frame: &Frame) {
        let arrow = match frame.passage {
            Passage::Sent => "→",
            Passage::Received => "←",
        };
        let flags: Vec<_> = frame.flag_names().map(|(_, name)| name).collect();
        let args = json!({"length": frame.length(), "flags": flags, "fields": frame.fields(),
            "number": frame.number, "payload": json::hex(&frame.payload)});
        let thread = (process(frame.side), frame.stream().into());
        self.instant(at, thread, &format!("{arrow} {}", frame.name()), args);
    }

    fn thread(&self, request: u64) -> u64 {
        match self.streams.get(&request) {
            Some(&stream) => stream.into(),
            None => NO_STREAM + request,
        }
    }

    fn instant(&mut self, at: u64, thread: (u32, u64), name: &str, args: Value) {
        self.threads.insert(thread);
        self.events
            .push(json!({"ph": "i", "s": "t", "name": name, "ts": micros(at),
            "pid": thread.0, "tid": thread.1, "args": args}));
    }

    fn end_wait(&mut self, at: u64, thread: (u32, u64)) {
        let Some((since, cause)) = self.waits.remove(&thread) else {
            return;
        };
        self.threads.insert(thread);
        self.events.push(
            json!({"ph": "X", "name": format!("waits: {cause}"), "cat": "wait",
            "ts": micros(since), "dur": micros(at - since), "pid": thread.0, "tid": thread.1}),
        );
    }

    fn name(&mut self) {
        for (pid, name) in [(1, "client"), (2, "server"), (TRANSPORT, "transport")] {
            self.events.push(
                json!({"ph": "M", "name": "process_name", "pid": pid, "args": {"name": name}}),
            );
        }
        let requests: BTreeMap<_, _> = self.streams.iter().map(|(n, s)| (*s, *n)).collect();
        for (pid, tid) in &self.threads {
            let request = requests
                .iter()
                .find(|(stream, _)| u64::from(**stream) == *tid);
            let name = match (*tid, request) {
                (0, _) => "connection".to_owned(),
                (NO_STREAM.., _) => format!("no stream, request #{}", tid - NO_STREAM),
                (stream, Some((_, request))) => format!("stream {stream}, request #{request}"),
                (stream, None) => format!("stream {stream}"),
            };
            self.events.push(
                json!({"ph": "M", "name": "thread_name", "pid": pid, "tid": tid,
                "args": {"name": name}}),
            );
        }
    }
}
