//! What a recording consists of.

use raddle_core::{Role, describe_frame};

use crate::{
    oracle::Way,
    outcome::{Fault, Outcome},
};

/// One connection's course: what is known of it as a whole, and what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// What is known of it as a whole.
    pub header: Header,
    /// What happened, in order; moments never go back.
    pub events: Vec<Event>,
}

/// What is known of a recording as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The seed of a simulated run.
    pub seed: Option<u64>,
    /// The tier of a simulated run; `None` for a live connection.
    pub tier: Option<u8>,
    /// Whether nothing was wrong.
    pub good: bool,
    /// How it ended, or what was wrong, for people.
    pub verdict: String,
    /// The command that repeats it, when there is one.
    pub replay: Option<String>,
    /// The ends at which it was recorded.
    pub sides: Vec<Role>,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, in nanoseconds since the beginning of the recording.
    pub at: u64,
    /// What.
    pub what: What,
}

/// The kinds of things that happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The client preface passed (RFC 9113 §3.4).
    Preface {
        /// The end at which it was seen.
        side: Role,
        /// Whether that end sent it.
        passage: Passage,
    },
    /// A frame passed.
    Frame(Frame),
    /// What `side` may send has changed.
    Window {
        /// The end that may send.
        side: Role,
        /// The stream, or 0 for the connection.
        stream: u32,
        /// Bytes; a change of the peer's settings can make it negative (RFC 9113 §6.9.2).
        window: i64,
    },
    /// A request has got its stream.
    Stream {
        /// The number that the application gave it.
        request: u64,
        /// The stream's identifier.
        stream: u32,
    },
    /// What a request waits for has changed.
    Wait {
        /// The end that waits.
        side: Role,
        /// The request.
        request: u64,
        /// The name of the cause in [`Waiting`](raddle_core::Waiting); "Nothing" once it has ended.
        cause: String,
    },
    /// The transport misbehaves for a while, or at one moment.
    Fault {
        /// How.
        kind: FaultKind,
        /// The direction that suffers, when it is only one.
        way: Option<Way>,
        /// Nanoseconds since the beginning; the moment itself for what does not last.
        until: u64,
        /// More, for people.
        text: String,
    },
    /// An application did something, or was told something.
    App {
        /// The end whose application it is.
        side: Option<Role>,
        /// The request that it was about.
        request: Option<u64>,
        /// How the request or the connection ended, if it did.
        outcome: Option<Ended>,
        /// What, for people.
        text: String,
    },
}

/// Whether an end sent or received something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It was cut into the output.
    Sent,
    /// Its last byte has arrived.
    Received,
}

/// A frame, as one end saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The end.
    pub side: Role,
    /// Whether it sent or received the frame.
    pub passage: Passage,
    /// Frames before it in the same direction, by which the sending and the arrival of one frame belong together.
    pub number: u64,
    /// The nine bytes in front (RFC 9113 §4.1).
    pub head: [u8; 9],
    /// The payload, or its beginning.
    pub payload: Vec<u8>,
}

/// How a transport misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Nothing moves.
    Stall,
    /// What is sent takes longer than usual.
    Delay,
    /// It breaks, and loses what is on its way.
    Cut,
    /// An end is told that it failed.
    Reset,
}

/// How something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// A request, well.
    Finished,
    /// A request, badly.
    Failed,
    /// The connection.
    Closed,
}

impl Header {
    /// The header of a simulated run, recorded at both ends.
    #[must_use]
    pub fn simulated(
        seed: Option<u64>,
        tier: u8,
        result: &Result<Outcome, Fault>,
        replay: Option<String>,
    ) -> Self {
        let verdict = match result {
            Ok(outcome) => {
                let ends = outcome.ends;
                let failed = ends.never + ends.if_idempotent + ends.safe;
                format!(
                    "ran well: {} requests completed, {failed} failed as they may",
                    ends.completed
                )
            }
            // Without the lines of the trace, which is here in full.
            Err(fault) => {
                let request = fault.request.map(|n| format!("request #{n}: "));
                format!("{}{}", request.unwrap_or_default(), fault.what)
            }
        };
        Self {
            seed,
            tier: Some(tier),
            good: result.is_ok(),
            verdict,
            replay,
            sides: vec![Role::Client, Role::Server],
        }
    }
}

impl Frame {
    /// The length of the payload, in bytes, whether or not all of it is here.
    #[must_use]
    pub fn length(&self) -> u32 {
        u32::from_be_bytes([0, self.head[0], self.head[1], self.head[2]])
    }

    /// The number of its type.
    #[must_use]
    pub fn kind(&self) -> u8 {
        self.head[3]
    }

    /// Its flags.
    #[must_use]
    pub fn flags(&self) -> u8 {
        self.head[4]
    }

    /// Its stream, 0 for the connection.
    #[must_use]
    pub fn stream(&self) -> u32 {
        let [.., a, b, c, d] = self.head;
        u32::from_be_bytes([a, b, c, d]) & 0x7fff_ffff
    }

    /// The end that sent it, wherever it was seen.
    #[must_use]
    pub fn sender(&self) -> Role {
        match self.passage {
            Passage::Sent => self.side,
            Passage::Received => !self.side,
        }
    }

    /// The name of its type; "UNKNOWN" for one that RFC 9113 and RFC 9218 do not have.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.kind() {
            0x0 => "DATA",
            0x1 => "HEADERS",
            0x2 => "PRIORITY",
            0x3 => "RST_STREAM",
            0x4 => "SETTINGS",
            0x5 => "PUSH_PROMISE",
            0x6 => "PING",
            0x7 => "GOAWAY",
            0x8 => "WINDOW_UPDATE",
            0x9 => "CONTINUATION",
            0x10 => "PRIORITY_UPDATE",
            _ => "UNKNOWN",
        }
    }

    /// Whether it has the flag of bit `bit` and its type gives that bit a meaning.
    pub(super) fn flag(&self, bit: u8) -> bool {
        self.flag_names().any(|(b, _)| b == bit)
    }

    /// The flags that are set and have a name, with their bits.
    pub fn flag_names(&self) -> impl Iterator<Item = (u8, &'static str)> {
        let flags = self.flags();
        let known: &[(u8, &str)] = match self.kind() {
            0x0 => &[(0x1, "END_STREAM"), (0x8, "PADDED")],
            0x1 => &[
                (0x1, "END_STREAM"),
                (0x4, "END_HEADERS"),
                (0x8, "PADDED"),
                (0x20, "PRIORITY"),
            ],
            0x4 | 0x6 => &[(0x1, "ACK")],
            0x5 => &[(0x4, "END_HEADERS"), (0x8, "PADDED")],
            0x9 => &[(0x4, "END_HEADERS")],
            _ => &[],
        };
        known
            .iter()
            .copied()
            .filter(move |(bit, _)| flags & bit != 0)
    }

    /// The fields of its payload, for people; may have several lines.
    #[must_use]
    pub fn fields(&self) -> String {
        let text = describe_frame(&self.head, &self.payload).to_string();
        // The first line repeats the head, and the second one the flags, which both are here by themselves.
        let lines = text.lines().skip(1).map(str::trim);
        let lines: Vec<_> = lines.filter(|line| !line.starts_with(';')).collect();
        lines.join("\n")
    }
}
