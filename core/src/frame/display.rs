//! Frames for people to read, in the form of `nghttp -v`.
//!
//! This is for looking at a connection from outside, where both directions pass as bytes. It judges nothing: a frame
//! that breaks a rule is shown as far as it can be read.

use alloc::vec::Vec;
use core::fmt;

use super::{Flags, HEAD_LEN, Head, Kind, PREFACE, PRIORITY_LEN, settings};
use crate::id::{ErrorCode, StreamId};
use crate::wire;

/// How many bytes of a payload a [`FrameLog`] keeps: enough for 40 settings, and for what debug data is worth reading.
const KEPT_BYTES_MAX: usize = 240;

/// One frame, as text.
///
/// [`Display`](fmt::Display) writes a line with the kind, length, flags and stream, and below it, indented by two
/// spaces, the names of the flags and the fields of the payload. DATA and header blocks show their length only. It never
/// fails, whatever the bytes are.
#[derive(Clone, Copy, Debug)]
pub struct FrameDump<'a> {
    head: Head,
    payload: &'a [u8],
}

/// Describes one frame: its 9 bytes of head (RFC 9113 §4.1) and its payload, or as much of that as is at hand.
///
/// ```
/// let head = [0, 0, 4, 3, 0, 0, 0, 0, 5];
/// assert_eq!(
///     raddle_core::describe_frame(&head, &[0, 0, 0, 8]).to_string(),
///     "RST_STREAM frame <length=4, flags=0x00, stream_id=5>\n  (error_code=CANCEL(0x08))",
/// );
/// ```
#[must_use]
pub fn describe_frame<'a>(head: &[u8; HEAD_LEN], payload: &'a [u8]) -> FrameDump<'a> {
    FrameDump {
        head: Head::read(head),
        payload,
    }
}

/// Describes the frames of one direction of a connection, from its bytes as they pass.
///
/// It keeps at most one head and the beginning of one payload, whatever passes.
#[derive(Clone, Debug, Default)]
pub struct FrameLog {
    /// The beginning of a frame, or of the client preface.
    kept: Vec<u8>,
    /// Bytes of a described payload that are still to pass.
    skip: usize,
    /// Whether the first bytes have passed, which may be the client preface (RFC 9113 §3.4).
    begun: bool,
}

impl FrameLog {
    /// A log at the beginning of a connection.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Passes `bytes`, and calls `each` with every frame as soon as it can be described; a frame of much payload can be
    /// before the whole of it has passed. The client preface is stepped over.
    pub fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(FrameDump<'_>)) {
        loop {
            let gone = self.skip.min(bytes.len());
            self.skip -= gone;
            bytes = &bytes[gone..];
            let want = self.wanted();
            let taken = (want - self.kept.len()).min(bytes.len());
            self.kept.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.kept.len() < want {
                return;
            }
            // A head alone may ask for a payload next; the preface, for more of itself.
            if self.wanted() > want {
                continue;
            }
            if self.begun {
                let (head, payload) = self.kept.split_at(HEAD_LEN);
                let head = Head::read(head);
                self.skip = head.len as usize - payload.len();
                each(FrameDump { head, payload });
            }
            self.begun = true;
            self.kept.clear();
        }
    }

    /// How many bytes are to be kept before anything can be said.
    fn wanted(&mut self) -> usize {
        if !self.begun {
            if self.kept.len() < HEAD_LEN || PREFACE.starts_with(&self.kept) {
                return if self.kept.len() < HEAD_LEN {
                    HEAD_LEN
                } else {
                    PREFACE.len()
                };
            }
            self.begun = true;
        }
        if self.kept.len() < HEAD_LEN {
            return HEAD_LEN;
        }
        HEAD_LEN + (Head::read(&self.kept).len as usize).min(KEPT_BYTES_MAX)
    }
}

/// Names of the flags that mean something on a kind.
fn flag_names(kind: Kind) -> &'static [(Flags, &'static str)] {
    const ACK: (Flags, &str) = (Flags::ACK, "ACK");
    const END_STREAM: (Flags, &str) = (Flags::END_STREAM, "END_STREAM");
    const END_HEADERS: (Flags, &str) = (Flags::END_HEADERS, "END_HEADERS");
    const PADDED: (Flags, &str) = (Flags::PADDED, "PADDED");
    const PRIORITY: (Flags, &str) = (Flags::PRIORITY, "PRIORITY");
    match kind {
        Kind::Data => &[END_STREAM, PADDED],
        Kind::Headers => &[END_STREAM, END_HEADERS, PADDED, PRIORITY],
        Kind::Settings | Kind::Ping => &[ACK],
        Kind::PushPromise => &[END_HEADERS, PADDED],
        Kind::Continuation => &[END_HEADERS],
        _ => &[],
    }
}

const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Data => "DATA",
        Kind::Headers => "HEADERS",
        Kind::Priority => "PRIORITY",
        Kind::RstStream => "RST_STREAM",
        Kind::Settings => "SETTINGS",
        Kind::PushPromise => "PUSH_PROMISE",
        Kind::Ping => "PING",
        Kind::GoAway => "GOAWAY",
        Kind::WindowUpdate => "WINDOW_UPDATE",
        Kind::Continuation => "CONTINUATION",
        Kind::PriorityUpdate => "PRIORITY_UPDATE",
        Kind::Unknown(_) => "unknown",
    }
}

const fn setting_name(id: u16) -> &'static str {
    match id {
        0x1 => "SETTINGS_HEADER_TABLE_SIZE",
        0x2 => "SETTINGS_ENABLE_PUSH",
        0x3 => "SETTINGS_MAX_CONCURRENT_STREAMS",
        0x4 => "SETTINGS_INITIAL_WINDOW_SIZE",
        0x5 => "SETTINGS_MAX_FRAME_SIZE",
        0x6 => "SETTINGS_MAX_HEADER_LIST_SIZE",
        0x8 => "SETTINGS_ENABLE_CONNECT_PROTOCOL",
        0x9 => "SETTINGS_NO_RFC7540_PRIORITIES",
        _ => "UNKNOWN",
    }
}

impl fmt::Display for FrameDump<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Head {
            len,
            kind,
            flags,
            stream,
        } = self.head;
        f.write_str(kind_name(kind))?;
        if let Kind::Unknown(number) = kind {
            write!(f, "(0x{number:02x})")?;
        }
        write!(
            f,
            " frame <length={len}, flags=0x{:02x}, stream_id={stream}>",
            flags.0
        )?;
        let mut lead = "\n  ; ";
        for (flag, name) in flag_names(kind) {
            if flags.contains(*flag) {
                write!(f, "{lead}{name}")?;
                lead = " | ";
            }
        }
        // `None` says that a field lies behind the end of the payload.
        self.fields(f)
            .unwrap_or_else(|| f.write_str("\n  (cut short)"))
    }
}

impl FrameDump<'_> {
    fn fields(&self, f: &mut fmt::Formatter<'_>) -> Option<fmt::Result> {
        let payload = self.payload;
        Some(match self.head.kind {
            Kind::Data | Kind::Headers | Kind::PushPromise => return self.padded(f),
            Kind::Priority => priority(f, "\n  (", payload)?.and_then(|()| f.write_str(")")),
            Kind::RstStream => write!(f, "\n  (error_code={})", Code(number(payload, 0)?)),
            Kind::Settings => self.settings(f),
            Kind::Ping => {
                let opaque = u64::from_be_bytes(*payload.first_chunk()?);
                write!(f, "\n  (opaque_data={opaque:016x})")
            }
            Kind::GoAway => {
                let last = StreamId::from_u32(number(payload, 0)?);
                let code = Code(number(payload, 4)?);
                let shown = payload[8..].escape_ascii();
                let len = (self.head.len as usize).saturating_sub(8);
                let more = if len > payload.len() - 8 { "..." } else { "" };
                write!(
                    f,
                    "\n  (last_stream_id={last}, error_code={code}, opaque_data({len})=[{shown}{more}])"
                )
            }
            Kind::WindowUpdate => {
                let increment = number(payload, 0)? & StreamId::MAX.to_u32();
                write!(f, "\n  (window_size_increment={increment})")
            }
            Kind::Continuation => write!(f, "\n  (block={})", self.head.len),
            Kind::PriorityUpdate => {
                let prioritized = StreamId::from_u32(number(payload, 0)?);
                let value = payload[4..].escape_ascii();
                write!(
                    f,
                    "\n  (prioritized_stream_id={prioritized}, priority_field_value=[{value}])"
                )
            }
            Kind::Unknown(_) => Ok(()),
        })
    }

    /// The kinds that may be padded: the fields in front, and how much is left for content.
    fn padded(&self, f: &mut fmt::Formatter<'_>) -> Option<fmt::Result> {
        let Head {
            len, kind, flags, ..
        } = self.head;
        let mut payload = self.payload;
        let mut pad = 0;
        let mut front = 0;
        if flags.contains(Flags::PADDED) {
            let (first, rest) = payload.split_first()?;
            pad = u32::from(*first);
            payload = rest;
            front += 1;
        }
        let mut result = write!(f, "\n  (padlen={pad}");
        if kind == Kind::Headers && flags.contains(Flags::PRIORITY) {
            result = result.and(priority(f, ", ", payload)?);
            front += PRIORITY_LEN as u32;
        }
        if kind == Kind::PushPromise {
            let promised = StreamId::from_u32(number(payload, 0)?);
            result = result.and(write!(f, ", promised_stream_id={promised}"));
            front += 4;
        }
        let name = if kind == Kind::Data { "data" } else { "block" };
        let content = len.checked_sub(front + pad)?;
        Some(result.and(write!(f, ", {name}={content})")))
    }

    fn settings(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.head.len as usize / settings::ENTRY_LEN;
        write!(f, "\n  (niv={count})")?;
        let entries = self.payload.chunks_exact(settings::ENTRY_LEN);
        let hidden = count.saturating_sub(entries.len());
        for entry in entries {
            let (id, value) = (wire::u16(entry), wire::u32(&entry[2..]));
            write!(f, "\n  [{}(0x{id:02x}):{value}]", setting_name(id))?;
        }
        if hidden > 0 {
            write!(f, "\n  [and {hidden} more]")?;
        }
        Ok(())
    }
}

fn priority(f: &mut fmt::Formatter<'_>, lead: &str, payload: &[u8]) -> Option<fmt::Result> {
    let word = number(payload, 0)?;
    let weight = u32::from(*payload.get(4)?) + 1;
    let dependency = StreamId::from_u32(word);
    let exclusive = word >> 31;
    Some(write!(
        f,
        "{lead}dep_stream_id={dependency}, weight={weight}, exclusive={exclusive}"
    ))
}

/// The four bytes at `at`, if they are there.
fn number(payload: &[u8], at: usize) -> Option<u32> {
    payload.get(at..at + 4).map(wire::u32)
}

/// An error code by name and number.
struct Code(u32);

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = ErrorCode::from_u32(self.0).name().unwrap_or("UNKNOWN");
        write!(f, "{name}(0x{:02x})", self.0)
    }
}
