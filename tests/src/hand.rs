//! One engine against a peer that is played by hand: frames in, frames out, and what the application hears.

use bytes::Bytes;
use raddle_core::{
    Config, ErrorCode, Event, Input, ResponseHead, Role, StreamError, StreamHandle, Then, Violation,
};

use crate::{
    engine::{End, get, post},
    wire::{self, Frame, GET, POST, kind},
};

/// The fields of a response without a body of known length.
pub const OK: &[(&str, &str)] = &[(":status", "200")];

/// An engine, and everything that it has told so far.
#[derive(Debug)]
pub struct Hand {
    /// The engine.
    pub end: End,
    /// Every event so far.
    pub told: Vec<Event>,
    /// What the last bytes made of the connection.
    pub input: Input,
}

impl Hand {
    /// Takes over an engine.
    #[must_use]
    pub fn over(end: End) -> Self {
        Self {
            end,
            told: Vec::new(),
            input: Input::NeedMore { at_least: 0 },
        }
    }

    /// An engine that has sent and received nothing.
    #[must_use]
    pub fn fresh(role: Role) -> Self {
        Self::over(End::new(role, Config::default()))
    }

    /// An engine past the handshake.
    #[must_use]
    pub fn of(role: Role) -> Self {
        Self::over(End::established(role))
    }

    /// A server past the handshake.
    #[must_use]
    pub fn server() -> Self {
        Self::of(Role::Server)
    }

    /// A client past the handshake.
    #[must_use]
    pub fn client() -> Self {
        Self::of(Role::Client)
    }

    /// As [`of`](Self::of), under `config`.
    #[must_use]
    pub fn under(role: Role, config: Config) -> Self {
        Self::over(End::established_with(role, config))
    }

    /// The peer says these bytes.
    pub fn says(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.input = self.end.input(bytes.as_ref());
        self.told.extend(self.end.take_events());
        self
    }

    /// The frames that the engine has for the peer.
    pub fn frames(&mut self) -> Vec<Frame> {
        let frames = self.end.output_frames();
        self.told.extend(self.end.take_events());
        frames
    }

    /// The events since the last look.
    pub fn events(&mut self) -> Vec<Event> {
        self.told.extend(self.end.take_events());
        std::mem::take(&mut self.told)
    }

    /// How `stream` ended; `None` while it has not.
    pub fn outcome(&mut self, stream: StreamHandle) -> Option<Result<(), StreamError>> {
        self.told.extend(self.end.take_events());
        self.told.iter().find_map(|event| match event {
            Event::Finished { stream: other } if *other == stream => Some(Ok(())),
            Event::Failed {
                stream: other,
                error,
            } if *other == stream => Some(Err(*error)),
            _ => None,
        })
    }

    /// The error that `stream` failed with.
    ///
    /// # Panics
    /// When it has not failed.
    pub fn failure(&mut self, stream: StreamHandle) -> StreamError {
        match self.outcome(stream) {
            Some(Err(error)) => error,
            other => panic!("{other:?}: {:?}", self.told),
        }
    }

    /// Client: sends a GET that is whole, or a POST whose body follows. What went out is forgotten.
    ///
    /// # Panics
    /// When the engine takes no request.
    pub fn open(&mut self, then: Then) -> StreamHandle {
        let head = if then.is_end() { get("/") } else { post("/") };
        let opened = self.end.connection.open(head, then);
        let stream = opened.unwrap_or_else(|(error, _)| panic!("{error}"));
        self.frames();
        stream
    }

    /// Server: the peer sends a GET that is whole, or a POST whose body follows.
    ///
    /// # Panics
    /// When no request arrives.
    pub fn request(&mut self, id: u32, then: Then) -> StreamHandle {
        let fields = if then.is_end() { GET } else { POST };
        self.says(wire::headers(id, fields, then.is_end()));
        match self.told.last() {
            Some(Event::Request { stream, .. }) => *stream,
            other => panic!("no request: {other:?}"),
        }
    }

    /// Server: answers with status 200.
    ///
    /// # Panics
    /// When the engine refuses.
    pub fn respond(&mut self, stream: StreamHandle, then: Then) {
        let head = ResponseHead::new(200).finish();
        self.end.connection.respond(stream, head, then).unwrap();
    }

    /// Gives body bytes, all of which must be taken.
    ///
    /// # Panics
    /// When they are not.
    pub fn send(&mut self, stream: StreamHandle, body: &[u8], then: Then) {
        let mut body = Bytes::copy_from_slice(body);
        let sent = self.end.connection.send_data(stream, &mut body, then);
        sent.unwrap();
        assert!(body.is_empty(), "the buffer took everything");
    }

    /// The engine said GOAWAY because of this violation, and reads no more.
    ///
    /// # Panics
    /// When it did not.
    pub fn ends_with(&mut self, violation: Violation) {
        let error = self.end.connection.error();
        let found = error.and_then(|error| error.violation);
        assert_eq!(found, Some(violation), "{error:?}");
        assert_eq!(self.input, Input::Closed);
        let frames = self.frames();
        let last = frames.last().expect("a frame");
        assert!(last.is(kind::GOAWAY, 0), "{frames:?}");
        assert_eq!(last.number(4), violation.error_code().to_u32());
        let told = self.told.last();
        assert!(matches!(told, Some(Event::Closed { .. })), "{told:?}");
    }

    /// The engine reset `id` because of this violation, once, and the connection goes on.
    ///
    /// # Panics
    /// When it did not.
    pub fn resets(&mut self, id: u32, violation: Violation) {
        let code = violation.error_code();
        assert_eq!(self.resets_sent(), [(id, code.to_u32())]);
        let failed = self.told.iter().find_map(|event| match event {
            Event::Failed { error, .. } => error.violation,
            _ => None,
        });
        assert!(
            failed.is_none_or(|failed| failed == violation),
            "{failed:?}"
        );
        self.lives();
    }

    /// The RST_STREAM frames that the engine sends now, by stream and code.
    pub fn resets_sent(&mut self) -> Vec<(u32, u32)> {
        let frames = self.frames();
        let resets = frames.iter().filter(|frame| frame.kind == kind::RST_STREAM);
        resets
            .map(|frame| (frame.stream, frame.number(0)))
            .collect()
    }

    /// The engine says nothing at all, and the connection goes on.
    ///
    /// # Panics
    /// When it says something.
    pub fn ignores(&mut self) {
        assert_eq!(self.frames(), []);
        self.lives();
    }

    /// The connection has no error, and answers a PING.
    ///
    /// # Panics
    /// When it does not.
    pub fn lives(&mut self) {
        assert_eq!(self.end.connection.error(), None);
        self.says(wire::ping(*b"are you?", false));
        let frames = self.frames();
        let answers = |frame: &Frame| frame.is(kind::PING, 0) && frame.flags == 1;
        assert!(frames.iter().any(answers), "no answer: {frames:?}");
    }

    /// As [`cancel`](Self::cancel), and the peer has seen it.
    pub fn cancel_seen(&mut self, stream: StreamHandle) {
        self.end.connection.reset(stream, ErrorCode::CANCEL);
        let frames = self.frames();
        self.says(wire::pongs(&frames));
    }

    /// Resets a stream as an application that wants it no more, and forgets the frame.
    pub fn cancel(&mut self, stream: StreamHandle) {
        self.end.connection.reset(stream, ErrorCode::CANCEL);
        self.frames();
    }
}

/// The lengths of the DATA frames of one stream among `frames`.
#[must_use]
pub fn data_lengths(frames: &[Frame], stream: u32) -> Vec<usize> {
    let data = frames.iter().filter(|frame| frame.is(kind::DATA, stream));
    data.map(|frame| frame.payload.len()).collect()
}
