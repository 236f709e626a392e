//! Recordings as qlog, in its form of JSON text sequences (RFC 7464).
//!
//! qlog has no events for HTTP/2. Those here are made after the ones that it has for HTTP/3, under a name of our own.

use serde_json::{Value, json};

use super::{
    event::{Event, Frame, Passage, Recording, What},
    json,
};

/// Stands in front of each text of a sequence.
const SEPARATOR: char = '\u{1e}';
const FILE_SCHEMA: &str = "urn:ietf:params:qlog:file:sequential";
/// The name of the events here.
const EVENT_SCHEMA: &str = "urn:raddle:qlog:events:http2";

pub(super) fn write(recording: &Recording) -> String {
    let mut text = record(&header(recording));
    for event in &recording.events {
        text += &record(&line(event));
    }
    text
}

fn record(value: &Value) -> String {
    format!("{SEPARATOR}{value}\n")
}

fn header(recording: &Recording) -> Value {
    let header = &recording.header;
    let seed = header.seed.map(|seed| seed.to_string());
    // One end, or the two of them and so what is between them.
    let vantage = match header.sides[..] {
        [side] => json::side(side),
        _ => "network",
    };
    json!({
        "file_schema": FILE_SCHEMA,
        "serialization_format": "application/qlog+json-seq",
        "title": header.verdict,
        "trace": {
            "event_schemas": [EVENT_SCHEMA],
            "vantage_point": {"type": vantage, "flow": "client"},
            "common_fields": {
                "time_format": "relative_to_epoch",
                "reference_time": {"clock_type": "monotonic", "epoch": "unknown"},
            },
            "raddle": {"seed": seed, "tier": header.tier, "replay": header.replay, "good": header.good},
        },
    })
}

fn line(event: &Event) -> Value {
    let (name, group, data) = match &event.what {
        What::Preface { side, passage } => {
            let data = json!({"frame_type": "preface"});
            (frame_event(*passage), Some(*side), data)
        }
        What::Frame(frame) => (
            frame_event(frame.passage),
            Some(frame.side),
            of_frame(frame),
        ),
        What::Window {
            side,
            stream,
            window,
        } => {
            let data = json!({"stream_id": stream, "send_window": window});
            ("window_updated", Some(*side), data)
        }
        What::Stream { request, stream } => {
            let data = json!({"request": request, "stream_id": stream});
            ("stream_assigned", None, data)
        }
        What::Wait {
            side,
            request,
            cause,
        } => {
            let data = json!({"request": request, "cause": cause});
            ("stream_waits", Some(*side), data)
        }
        What::Fault {
            kind,
            way,
            until,
            text,
        } => {
            let data = json!({"fault": json::fault(*kind), "way": way.map(json::direction),
                "until": milliseconds(*until), "text": text});
            ("transport_fault", None, data)
        }
        What::App {
            side,
            request,
            outcome,
            text,
        } => {
            let data =
                json!({"request": request, "text": text, "outcome": outcome.map(json::ended)});
            ("application", *side, data)
        }
    };
    let mut value = json!({
        "time": milliseconds(event.at),
        "name": format!("http2:{name}"),
        "data": data,
    });
    if let Some(side) = group {
        // The two ends of one connection stand in one trace.
        value["group_id"] = json::side(side).into();
    }
    value
}

fn frame_event(passage: Passage) -> &'static str {
    match passage {
        Passage::Sent => "frame_created",
        Passage::Received => "frame_parsed",
    }
}

fn of_frame(frame: &Frame) -> Value {
    let flags: Vec<_> = frame.flag_names().map(|(_, name)| name).collect();
    json!({
        "stream_id": frame.stream(),
        "length": frame.length(),
        "frame": {
            "frame_type": frame.name().to_lowercase(),
            "frame_type_bytes": frame.kind(),
            "flags": flags,
            "fields": frame.fields(),
        },
        "raw": {
            "length": u64::from(frame.length()) + 9,
            "payload_length": frame.length(),
            "data": json::hex(&frame.payload),
        },
    })
}

fn milliseconds(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}
