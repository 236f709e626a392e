//! Recordings of connections, and pictures of them.
//!
//! A [`Recorder`] takes what passes the ends of a connection, and makes a [`Recording`]: frames, windows, what requests
//! wait for, what the transport and the applications did, each with its moment. The form in which recordings are kept is
//! described in `docs/trace-format.md`; [`export`] turns them into that form and into others, one of which is a page for
//! a browser.

mod event;
mod html;
mod json;
mod ledger;
mod parse;
mod pcapng;
mod perfetto;
mod qlog;
mod recorder;
mod text;
mod wire;

use crate::{
    campaign::World,
    outcome::{Fault, Outcome},
    runner,
    tape::Tape,
    trace::Trace,
};

pub use self::{
    event::{Ended, Event, FaultKind, Frame, Header, Passage, Recording, What},
    parse::Malformed,
    recorder::Recorder,
};

/// Runs `tape` from its beginning as `world`, and records it. Of several connections the first one is
/// recorded, and of a pool over a simulated network the client's end of it.
pub fn record(world: World, tape: &mut Tape) -> (Result<Outcome, Fault>, Recorder) {
    tape.rewind();
    let mut trace = Trace::keeping(0);
    trace.recorder = Some(Box::default());
    let result = runner::once(tape, &mut trace, |tape, trace| world.attempt(tape, trace));
    (result, *trace.recorder.unwrap_or_default())
}

/// A form in which a recording can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One line for each event, for people.
    Text,
    /// The form of `docs/trace-format.md`, which [`Recording::parse`] reads.
    Jsonl,
    /// A page for a browser, which needs nothing else.
    Html,
    /// A capture of made-up packets, for Wireshark: `tshark -d tcp.port==80,http2 -r FILE`.
    Pcapng,
    /// qlog in JSON text sequences, with events of HTTP/2.
    Qlog,
    /// Events of Chrome's tracing, for Perfetto.
    Perfetto,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Text,
        Self::Jsonl,
        Self::Html,
        Self::Pcapng,
        Self::Qlog,
        Self::Perfetto,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Jsonl => "jsonl",
            Self::Html => "html",
            Self::Pcapng => "pcapng",
            Self::Qlog => "qlog",
            Self::Perfetto => "perfetto",
        }
    }
}

/// Writes `recording` in the form `format`.
#[must_use]
pub fn export(recording: &Recording, format: Format) -> Vec<u8> {
    match format {
        Format::Text => text::write(recording).into_bytes(),
        Format::Jsonl => json::write(recording).into_bytes(),
        Format::Html => html::write(recording).into_bytes(),
        Format::Pcapng => pcapng::write(recording),
        Format::Qlog => qlog::write(recording).into_bytes(),
        Format::Perfetto => perfetto::write(recording).into_bytes(),
    }
}
