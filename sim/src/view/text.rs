//! Recordings as lines for people.

use std::fmt::Write;

use super::{
    event::{Event, Passage, Recording, What},
    json,
};

pub(super) fn write(recording: &Recording) -> String {
    let header = &recording.header;
    let mut text = String::new();
    if let Some(seed) = header.seed {
        text += &format!("seed {seed}: ");
    }
    text += &format!("{}\n", header.verdict);
    if let Some(replay) = &header.replay {
        text += &format!("to repeat: {replay}\n");
    }
    for event in &recording.events {
        // A string takes everything.
        let _ = writeln!(text, "{:>16} {}", moment(event.at), line(event));
    }
    text
}

/// Nanoseconds as milliseconds, to the last digit.
fn moment(at: u64) -> String {
    format!("{}.{:06} ms", at / 1_000_000, at % 1_000_000)
}

fn line(event: &Event) -> String {
    let of = |way: Option<_>| way.map_or("both ways", json::direction);
    match &event.what {
        What::Preface { side, passage } => {
            format!(
                "{} {} the preface",
                json::side(*side),
                json::passing(*passage)
            )
        }
        What::Frame(frame) => {
            let side = json::side(frame.side);
            let arrow = match frame.passage {
                Passage::Sent => "-->",
                Passage::Received => "<--",
            };
            let flags: Vec<_> = frame.flag_names().map(|(_, name)| name).collect();
            format!(
                "{side} {arrow} {} stream {} length {} [{}] {}",
                frame.name(),
                frame.stream(),
                frame.length(),
                flags.join(" "),
                frame.fields().replace('\n', " ")
            )
        }
        What::Window {
            side,
            stream: 0,
            window,
        } => format!("{} window of the connection {window}", json::side(*side)),
        What::Window {
            side,
            stream,
            window,
        } => format!("{} window of stream {stream} {window}", json::side(*side)),
        What::Stream { request, stream } => format!("#{request} is stream {stream}"),
        What::Wait {
            side,
            request,
            cause,
        } => format!("{} #{request} waits for {cause}", json::side(*side)),
        What::Fault {
            kind,
            way,
            until,
            text,
        } => format!(
            "{} {} until {}: {text}",
            json::fault(*kind),
            of(*way),
            moment(*until)
        ),
        What::App {
            side,
            request,
            outcome,
            text,
        } => {
            let side = side.map_or("", json::side);
            let request = request.map_or(String::new(), |n| format!("#{n} "));
            let outcome = outcome.map_or(String::new(), |o| format!(" ({})", json::ended(o)));
            format!("{side} {request}{text}{outcome}")
        }
    }
}
