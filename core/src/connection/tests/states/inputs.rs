//! Everything that can happen to a stream: the peer's frames, the caller's commands, and the end of it all.

use std::{format, string::String, vec::Vec};

use super::{NOW, Subject, id, setups::body};
use crate::{
    ErrorCode, Event, Fields, ResponseHead, Role, SendError, Then, TransportEnd,
    connection::tests::{get, post},
};

pub(super) const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
pub(super) const SETTINGS_ACK: &[u8] = &[0, 0, 0, 4, 1, 0, 0, 0, 0];
pub(super) const PREFACE_AND_SETTINGS: &[u8] =
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// One thing that can happen.
pub(super) struct Input {
    pub(super) name: &'static str,
    /// Whom it concerns; `None` for both.
    pub(super) role: Option<Role>,
    /// Does it; says how a command was refused.
    pub(super) act: fn(&mut Subject) -> String,
}

const BOTH: Option<Role> = None;
const CLIENT: Option<Role> = Some(Role::Client);
const SERVER: Option<Role> = Some(Role::Server);

const fn on(name: &'static str, role: Option<Role>, act: fn(&mut Subject) -> String) -> Input {
    Input { name, role, act }
}

/// Everything.
pub(super) const ALL: &[Input] = &[
    on("HEADERS (head)", BOTH, |s| head(s, 4, b"")),
    on("HEADERS (head)+END", BOTH, |s| head(s, 5, b"")),
    on("HEADERS (interim)", CLIENT, |s| {
        says(s, 1, 4, b"\x08\x03103")
    }),
    on("HEADERS (trailers)+END", BOTH, |s| says(s, 1, 5, TRAILERS)),
    on("HEADERS (malformed)", BOTH, |s| {
        head(s, 5, b"\x00\x01A\x01b")
    }),
    on("DATA", BOTH, |s| says(s, 0, 0, b"data")),
    on("DATA+END", BOTH, |s| says(s, 0, 1, b"data")),
    on("RST_STREAM CANCEL", BOTH, |s| says(s, 3, 0, &[0, 0, 0, 8])),
    on("RST_STREAM NO_ERROR", BOTH, |s| says(s, 3, 0, &[0; 4])),
    on("RST_STREAM REFUSED_STREAM", BOTH, |s| {
        says(s, 3, 0, &[0, 0, 0, 7])
    }),
    on("WINDOW_UPDATE", BOTH, |s| says(s, 8, 0, &[0, 0, 0, 1])),
    on("WINDOW_UPDATE 0", BOTH, |s| says(s, 8, 0, &[0; 4])),
    on("PRIORITY", BOTH, |s| says(s, 2, 0, &[0; 5])),
    on("PUSH_PROMISE", BOTH, |s| {
        says(s, 5, 4, b"\x00\x00\x00\x02\x82")
    }),
    on("GOAWAY 0", BOTH, |s| on_connection(s, &[0; 8])),
    on("GOAWAY 2^31-1", BOTH, |s| {
        on_connection(s, b"\x7f\xff\xff\xff\0\0\0\0")
    }),
    on("end of the transport", BOTH, |s| {
        s.end
            .connection
            .handle_transport_end(TransportEnd::Eof, NOW);
        String::new()
    }),
    on("open", CLIENT, |s| open(s, Then::More)),
    on("open+End", CLIENT, |s| open(s, Then::End)),
    on("inform", SERVER, |s| {
        let head = ResponseHead::new(103).finish();
        command(s, |s| {
            s.end
                .connection
                .inform(s.stream.ok_or(SendError::Gone)?, head)
        })
    }),
    on("respond", SERVER, |s| respond(s, Then::More)),
    on("respond+End", SERVER, |s| respond(s, Then::End)),
    on("send_data", BOTH, |s| send(s, Then::More)),
    on("send_data+End", BOTH, |s| send(s, Then::End)),
    on("send_trailers", BOTH, |s| {
        let fields = Fields::from_iter([(&b"a"[..], &b"b"[..])]);
        command(s, |s| {
            let stream = s.stream.ok_or(SendError::Gone)?;
            s.end.connection.send_trailers(stream, fields)
        })
    }),
    on("release", BOTH, |s| {
        on_stream(s, |s, stream| s.end.connection.release(stream, 4))
    }),
    on("discard", BOTH, |s| {
        on_stream(s, |s, stream| s.end.connection.discard(stream))
    }),
    on("reset CANCEL", BOTH, |s| reset(s, ErrorCode::CANCEL)),
    on("reset NO_ERROR", BOTH, |s| reset(s, ErrorCode::NO_ERROR)),
    on("drain", BOTH, |s| {
        s.end.connection.drain();
        String::new()
    }),
    on("close", BOTH, |s| {
        s.end
            .connection
            .close(ErrorCode::NO_ERROR, bytes::Bytes::new());
        String::new()
    }),
];

const TRAILERS: &[u8] = b"\x00\x01a\x01b";

/// The bytes of a frame.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = std::vec![0, 0, payload.len() as u8, kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn says(subject: &mut Subject, kind: u8, flags: u8, payload: &[u8]) -> String {
    let bytes = frame(kind, flags, id(subject).to_u32(), payload);
    subject.end.input(&bytes, NOW);
    // A request makes the stream.
    if subject.stream.is_none() {
        subject.stream = subject.end.events.iter().find_map(|event| match event {
            Event::Request { stream, .. } => Some(*stream),
            _ => None,
        });
    }
    String::new()
}

fn on_connection(subject: &mut Subject, goaway: &[u8]) -> String {
    subject.end.input(&frame(7, 0, 0, goaway), NOW);
    String::new()
}

/// The head that the peer of this role sends, and more fields behind it.
fn head(subject: &mut Subject, flags: u8, more: &[u8]) -> String {
    let block: &[u8] = match subject.end.connection.role() {
        Role::Client => b"\x88",
        Role::Server => b"\x83\x87\x84\x41\x04test",
    };
    says(subject, 1, flags, &[block, more].concat())
}

/// Carries out a command; says how it was refused.
fn command(
    subject: &mut Subject,
    act: impl FnOnce(&mut Subject) -> Result<(), SendError>,
) -> String {
    match act(subject) {
        Ok(()) => String::new(),
        Err(error) => format!("refused: {error:?}"),
    }
}

fn on_stream(subject: &mut Subject, act: impl FnOnce(&mut Subject, crate::StreamHandle)) -> String {
    if let Some(stream) = subject.stream {
        act(subject, stream);
    }
    String::new()
}

fn open(subject: &mut Subject, then: Then) -> String {
    if subject.stream.is_some() {
        return String::from("another stream");
    }
    let head = if then.is_end() { get("/") } else { post("/") };
    subject.stream = Some(subject.end.connection.open(head, then).unwrap());
    String::new()
}

pub(super) fn respond(subject: &mut Subject, then: Then) -> String {
    let head = ResponseHead::new(200).finish();
    command(subject, |s| {
        let stream = s.stream.ok_or(SendError::Gone)?;
        s.end.connection.respond(stream, head, then)
    })
}

fn send(subject: &mut Subject, then: Then) -> String {
    command(subject, |s| {
        let stream = s.stream.ok_or(SendError::Gone)?;
        let sent = s.end.connection.send_data(stream, &mut body(), then);
        sent.map(|_| ())
    })
}

fn reset(subject: &mut Subject, code: ErrorCode) -> String {
    on_stream(subject, |s, stream| s.end.connection.reset(stream, code))
}
