//! Recordings off their lines of JSON.

use std::fmt;

use raddle_core::Role;
use serde_json::Value;

use super::{
    event::{Ended, Event, FaultKind, Frame, Header, Passage, Recording, What},
    json,
};
use crate::oracle::Way;

/// What is wrong with the text of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for Malformed {}

impl Recording {
    /// Reads what [`export`](super::export) wrote as [`Jsonl`](super::Format::Jsonl). Members and kinds of events that
    /// are not known are passed over, as a later version of the form may have more of them.
    ///
    /// # Errors
    /// When it is no recording, and where.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut values = text.lines().enumerate().map(|(at, line)| {
            let malformed = |what| Malformed { line: at + 1, what };
            let value: Value = line
                .parse()
                .map_err(|error: serde_json::Error| malformed(error.to_string()))?;
            Ok((at + 1, value))
        });
        let (_, first) = values.next().unwrap_or_else(|| {
            let what = "there is no header".to_owned();
            Err(Malformed { line: 1, what })
        })?;
        let header = header(&first).map_err(|what| Malformed { line: 1, what })?;
        let mut events = Vec::new();
        for value in values {
            let (line, value) = value?;
            events.extend(event(&value).map_err(|what| Malformed { line, what })?);
        }
        Ok(Self { header, events })
    }
}

fn header(value: &Value) -> Result<Header, String> {
    if value["format"] != json::FORMAT || value["version"] != json::VERSION {
        return Err(format!("not {} of version {}", json::FORMAT, json::VERSION));
    }
    let seed = value["seed"].as_str();
    let sides = value["sides"].as_array().ok_or("no `sides`")?;
    Ok(Header {
        seed: seed
            .map(str::parse)
            .transpose()
            .map_err(|_| "a bad `seed`")?,
        tier: value["tier"].as_u64().map(|tier| tier as u8),
        good: value["good"].as_bool().ok_or("no `good`")?,
        verdict: text(value, "verdict")?.to_owned(),
        replay: value["replay"].as_str().map(str::to_owned),
        sides: sides
            .iter()
            .map(|name| one_of(name, "sides", &ROLES, json::side))
            .collect::<Result<_, _>>()?,
    })
}

/// The event of one line, `None` when its kind is not known.
fn event(value: &Value) -> Result<Option<Event>, String> {
    let at = number(value, "at")?;
    let side = || one_of(&value["side"], "side", &ROLES, json::side);
    let passage = || one_of(&value["passage"], "passage", &PASSAGES, json::passing);
    let what = match text(value, "kind")? {
        "preface" => What::Preface {
            side: side()?,
            passage: passage()?,
        },
        "frame" => What::Frame(Frame {
            side: side()?,
            passage: passage()?,
            number: number(value, "number")?,
            head: bytes(value, "head")?
                .try_into()
                .map_err(|_| "`head` is not of 9 bytes")?,
            payload: bytes(value, "payload")?,
        }),
        "window" => What::Window {
            side: side()?,
            stream: number(value, "stream")? as u32,
            window: value["window"].as_i64().ok_or("no `window`")?,
        },
        "stream" => What::Stream {
            request: number(value, "request")?,
            stream: number(value, "stream")? as u32,
        },
        "wait" => What::Wait {
            side: side()?,
            request: number(value, "request")?,
            cause: text(value, "cause")?.to_owned(),
        },
        "fault" => What::Fault {
            kind: one_of(&value["fault"], "fault", &FAULTS, json::fault)?,
            way: maybe(&value["way"], "way", &WAYS, json::direction)?,
            until: number(value, "until")?,
            text: text(value, "text")?.to_owned(),
        },
        "app" => What::App {
            side: maybe(&value["side"], "side", &ROLES, json::side)?,
            request: value["request"].as_u64(),
            outcome: maybe(&value["outcome"], "outcome", &ENDS, json::ended)?,
            text: text(value, "text")?.to_owned(),
        },
        _ => return Ok(None),
    };
    Ok(Some(Event { at, what }))
}

const ROLES: [Role; 2] = [Role::Client, Role::Server];
const PASSAGES: [Passage; 2] = [Passage::Sent, Passage::Received];
const WAYS: [Way; 2] = [Way::Up, Way::Down];
const ENDS: [Ended; 3] = [Ended::Finished, Ended::Failed, Ended::Closed];
const FAULTS: [FaultKind; 4] = [
    FaultKind::Stall,
    FaultKind::Delay,
    FaultKind::Cut,
    FaultKind::Reset,
];

fn one_of<T: Copy>(
    value: &Value,
    member: &str,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Result<T, String> {
    let found = all.iter().find(|one| value == name(**one));
    found.copied().ok_or_else(|| format!("a bad `{member}`"))
}

fn maybe<T: Copy>(
    value: &Value,
    member: &str,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Result<Option<T>, String> {
    match value {
        Value::Null => Ok(None),
        value => one_of(value, member, all, name).map(Some),
    }
}

fn number(value: &Value, member: &str) -> Result<u64, String> {
    value[member]
        .as_u64()
        .ok_or_else(|| format!("no `{member}`"))
}

fn text<'v>(value: &'v Value, member: &str) -> Result<&'v str, String> {
    value[member]
        .as_str()
        .ok_or_else(|| format!("no `{member}`"))
}

fn bytes(value: &Value, member: &str) -> Result<Vec<u8>, String> {
    let digits = text(value, member)?.as_bytes();
    let pairs = digits.as_chunks::<2>();
    let byte = |pair: &[u8; 2]| {
        let text = std::str::from_utf8(pair).ok()?;
        u8::from_str_radix(text, 16).ok()
    };
    let bytes: Option<Vec<_>> = pairs.0.iter().map(byte).collect();
    bytes
        .filter(|_| pairs.1.is_empty())
        .ok_or_else(|| format!("`{member}` is not hexadecimal"))
}
