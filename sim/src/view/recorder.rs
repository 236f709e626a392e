//! Fills a recording while a connection runs.

use std::collections::BTreeMap;

use raddle_core::{Role, Waiting};

use super::{
    event::{Ended, Event, FaultKind, Frame, Header, Passage, Recording, What},
    ledger::{Ledger, WINDOW_INITIAL},
    wire::{Item, Reader},
};
use crate::oracle::Way;

/// Takes what is seen of a connection at one end or at both, and makes events of it.
///
/// Bytes are enough for frames and windows. What requests wait for and what applications do has to be told besides.
/// Moments are nanoseconds since the beginning, of any clock that does not go back.
#[derive(Clone, Debug)]
pub struct Recorder {
    events: Vec<Event>,
    client: Watch,
    server: Watch,
    /// What each request waits for at each end.
    waits: BTreeMap<(bool, u64), Waiting>,
    /// Streams of requests.
    streams: BTreeMap<u64, u32>,
}

/// What passes one end.
#[derive(Clone, Debug)]
struct Watch {
    sent: Track,
    received: Track,
    ledger: Ledger,
    /// Whether anything has passed.
    begun: bool,
}

/// One direction, as seen at one end.
#[derive(Clone, Debug)]
struct Track {
    reader: Reader,
    /// Frames so far.
    frames: u64,
}

impl Track {
    fn new(preface: bool) -> Self {
        Self {
            reader: Reader::new(preface),
            frames: 0,
        }
    }
}

impl Watch {
    fn new(role: Role) -> Self {
        Self {
            sent: Track::new(role == Role::Client),
            received: Track::new(role == Role::Server),
            ledger: Ledger::default(),
            begun: false,
        }
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder {
    /// A recorder at the beginning of a connection.
    #[must_use]
    pub fn new() -> Self {
        Self {
            events: Vec::new(),
            client: Watch::new(Role::Client),
            server: Watch::new(Role::Server),
            waits: BTreeMap::new(),
            streams: BTreeMap::new(),
        }
    }

    /// Bytes that `side` sent or received, in any pieces.
    pub fn bytes(&mut self, at: u64, side: Role, passage: Passage, bytes: &[u8]) {
        let watch = match side {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        };
        let track = match passage {
            Passage::Sent => &mut watch.sent,
            Passage::Received => &mut watch.received,
        };
        if !std::mem::replace(&mut watch.begun, true) {
            let (stream, window) = (0, WINDOW_INITIAL);
            let what = What::Window {
                side,
                stream,
                window,
            };
            self.events.push(Event { at, what });
        }
        for item in track.reader.feed(bytes) {
            let (head, payload) = match item {
                Item::Preface => {
                    let what = What::Preface { side, passage };
                    self.events.push(Event { at, what });
                    continue;
                }
                Item::Frame(head, payload) => (head, payload),
            };
            let frame = Frame {
                side,
                passage,
                number: track.frames,
                head,
                payload,
            };
            track.frames += 1;
            let changed = watch.ledger.pass(&frame);
            let what = What::Frame(frame);
            self.events.push(Event { at, what });
            for (stream, window) in changed {
                let what = What::Window {
                    side,
                    stream,
                    window,
                };
                self.events.push(Event { at, what });
            }
        }
    }

    /// What `request` waits for at `side`, and its stream once it has one. Told again and again, it records changes.
    pub fn waits(&mut self, at: u64, side: Role, request: u64, stream: Option<u32>, for_: Waiting) {
        if let Some(stream) = stream
            && self.streams.insert(request, stream).is_none()
        {
            self.push(at, What::Stream { request, stream });
        }
        if self.waits.insert((side == Role::Client, request), for_) != Some(for_) {
            let cause = format!("{for_:?}");
            self.push(
                at,
                What::Wait {
                    side,
                    request,
                    cause,
                },
            );
        }
    }

    /// The requests that `side` waited with and that are not in `alive` have ended there.
    pub fn ended_but(&mut self, at: u64, side: Role, alive: impl Fn(u64) -> bool) {
        let gone: Vec<_> = self
            .waits
            .iter()
            .filter(|((client, n), waiting)| {
                *client == (side == Role::Client) && **waiting != Waiting::Nothing && !alive(*n)
            })
            .map(|((_, n), _)| *n)
            .collect();
        for n in gone {
            self.waits(at, side, n, None, Waiting::Nothing);
        }
    }

    /// An application did or was told something, by a line as the simulator writes it: `Client: #3 opens`.
    pub(crate) fn note(&mut self, at: u64, line: &str) {
        let sides = [("Client: ", Role::Client), ("Server: ", Role::Server)];
        let found = sides.into_iter().find_map(|(name, side)| {
            let rest = line.strip_prefix(name)?;
            Some((side, rest))
        });
        let (side, rest) = found.map_or((None, line), |(side, rest)| (Some(side), rest));
        let numbered = rest.strip_prefix('#').and_then(|rest| {
            let (number, rest) = rest.split_once(' ')?;
            Some((number.parse().ok()?, rest))
        });
        let (request, text) = numbered.map_or((None, rest), |(n, rest)| (Some(n), rest));
        let outcome = match (request, text) {
            (Some(_), "finished" | "is complete") => Some(Ended::Finished),
            (Some(_), text) if text.starts_with("failed: ") => Some(Ended::Failed),
            (Some(_), text) if text.starts_with("is not taken: ") => Some(Ended::Failed),
            (None, text) if text.starts_with("closed, ") => Some(Ended::Closed),
            _ => None,
        };
        self.app(at, side, request, outcome, text);
    }

    /// The transport misbehaves until the moment `until`, in one direction or in both.
    pub fn fault(&mut self, at: u64, until: u64, kind: FaultKind, way: Option<Way>, text: &str) {
        let text = text.to_owned();
        self.push(
            at,
            What::Fault {
                kind,
                way,
                until,
                text,
            },
        );
    }

    /// An application did or was told something.
    pub fn app(
        &mut self,
        at: u64,
        side: Option<Role>,
        request: Option<u64>,
        outcome: Option<Ended>,
        text: &str,
    ) {
        let text = text.to_owned();
        self.push(
            at,
            What::App {
                side,
                request,
                outcome,
                text,
            },
        );
    }

    /// The recording.
    #[must_use]
    pub fn finish(mut self, header: Header) -> Recording {
        // Hosts of a simulated network take turns, each a little ahead of the others.
        self.events.sort_by_key(|event| event.at);
        Recording {
            header,
            events: self.events,
        }
    }

    fn push(&mut self, at: u64, what: What) {
        self.events.push(Event { at, what });
    }
}
