//! Recordings as lines of JSON.

use std::fmt::Write;

use raddle_core::Role;
use serde_json::{Value, json};

use super::event::{Ended, Event, FaultKind, Frame, Header, Passage, Recording, What};
use crate::oracle::Way;

/// What a recording calls itself.
pub(super) const FORMAT: &str = "raddle-trace";
/// Counts up when a reader of the version before would misunderstand.
pub(super) const VERSION: u64 = 1;

pub(super) fn write(recording: &Recording) -> String {
    let mut text = header(&recording.header).to_string();
    text.push('\n');
    for event in &recording.events {
        // A string takes everything.
        let _ = writeln!(text, "{}", line(event));
    }
    text
}

fn header(header: &Header) -> Value {
    without_nulls(json!({
        "format": FORMAT,
        "version": VERSION,
        // As text: numbers of 64 bits are more than many readers of JSON can hold.
        "seed": header.seed.map(|seed| seed.to_string()),
        "tier": header.tier,
        "good": header.good,
        "verdict": header.verdict,
        "replay": header.replay,
        "sides": header.sides.iter().copied().map(side).collect::<Vec<_>>(),
    }))
}

/// What is not there is left out.
fn without_nulls(mut value: Value) -> Value {
    if let Some(members) = value.as_object_mut() {
        members.retain(|_, member| !member.is_null());
    }
    value
}

fn line(event: &Event) -> Value {
    let mut value = match &event.what {
        What::Preface { side: s, passage } => {
            json!({"kind": "preface", "side": side(*s), "passage": passing(*passage)})
        }
        What::Frame(frame) => of_frame(frame),
        What::Window {
            side: s,
            stream,
            window,
        } => json!({"kind": "window", "side": side(*s), "stream": stream, "window": window}),
        What::Stream { request, stream } => {
            json!({"kind": "stream", "request": request, "stream": stream})
        }
        What::Wait {
            side: s,
            request,
            cause,
        } => json!({"kind": "wait", "side": side(*s), "request": request, "cause": cause}),
        What::Fault {
            kind,
            way,
            until,
            text,
        } => json!({"kind": "fault", "fault": fault(*kind), "way": way.map(direction),
            "until": until, "text": text}),
        What::App {
            side: s,
            request,
            outcome,
            text,
        } => json!({"kind": "app", "side": s.map(side), "request": request,
            "outcome": outcome.map(ended), "text": text}),
    };
    value["at"] = event.at.into();
    without_nulls(value)
}

fn of_frame(frame: &Frame) -> Value {
    let flags: Vec<_> = frame.flag_names().map(|(_, name)| name).collect();
    json!({
        "kind": "frame",
        "side": side(frame.side),
        "passage": passing(frame.passage),
        "number": frame.number,
        "type": frame.name(),
        "flags": flags,
        "stream": frame.stream(),
        "length": frame.length(),
        "fields": frame.fields(),
        "head": hex(&frame.head),
        "payload": hex(&frame.payload),
    })
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn side(role: Role) -> &'static str {
    match role {
        Role::Client => "client",
        Role::Server => "server",
    }
}

pub(super) fn passing(passage: Passage) -> &'static str {
    match passage {
        Passage::Sent => "sent",
        Passage::Received => "received",
    }
}

pub(super) fn fault(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::Stall => "stall",
        FaultKind::Delay => "delay",
        FaultKind::Cut => "cut",
        FaultKind::Reset => "reset",
    }
}

pub(super) fn direction(way: Way) -> &'static str {
    match way {
        Way::Up => "up",
        Way::Down => "down",
    }
}

pub(super) fn ended(ended: Ended) -> &'static str {
    match ended {
        Ended::Finished => "finished",
        Ended::Failed => "failed",
        Ended::Closed => "closed",
    }
}
