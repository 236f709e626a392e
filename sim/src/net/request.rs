//! What one request of a run is going to be, and its answer.

use std::sync::OnceLock;

use crate::{
    oracle::{Message, Way},
    tape::Tape,
};

#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) n: u64,
    /// Milliseconds before it is made.
    pub(super) pause: u64,
    pub(super) up: usize,
    pub(super) up_trailers: bool,
    pub(super) answer: Answer,
    /// Milliseconds until the server answers.
    pub(super) delay: u64,
    pub(super) interims: u64,
    /// Milliseconds after which the client gives it up.
    pub(super) give_up: Option<u64>,
    /// Whether the client waits for the connection to have room before it makes the request.
    pub(super) polite: bool,
    /// The most bytes of one part of a body.
    pub(super) part_max: usize,
    /// Whether the sender of a body pauses between two parts.
    pub(super) slow: bool,
    /// Whether the task that makes it leaves its answer to another one.
    pub(super) handed_over: bool,
    /// Whether a client of the pool makes a tunnel of it (RFC 8441), which waits for the server's SETTINGS.
    pub(super) tunnel: bool,
    /// Whom it should have gone to, when that is somebody else.
    pub(super) misdirected: Option<Wanted>,
    /// Which half of its answer the client drops as soon as it has it.
    pub(super) drops: Option<Half>,
    /// Milliseconds for which the client keeps a place before it makes the request.
    pub(super) dawdle: u64,
    /// Whether what the client has wakers and bodies do calls the connection.
    pub(super) calls_back: bool,
    /// Whether the client takes interim responses as they come.
    pub(super) watches: bool,
    /// Whether the client's body has nothing to give before the answer has begun.
    pub(super) waits: bool,
    /// Whether a server that takes requests one by one gives its answer in one piece.
    pub(super) full: bool,
    /// Whether both messages say how long they are.
    pub(super) tells_length: bool,
    /// What becomes of the client's body, and of the server's.
    pub(super) up_fate: Fate,
    pub(super) down_fate: Fate,
    /// What the client sends, once that is made.
    up_message: OnceLock<Message>,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// With its last byte.
    Ends,
    /// It fails after so many bytes.
    Fails(usize),
    /// It has nothing more to give, and does not end.
    Stays,
}

/// Who is to have a request instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Another server: status 421.
    Another,
    /// One that is asked in HTTP/1.1: a reset with HTTP_1_1_REQUIRED.
    Http1,
}

/// A half of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    Head,
    Body,
}

/// What the server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It reads the request and answers with a body of this length.
    Sized(usize, bool),
    /// It sends the request's own content back as it comes.
    Echo,
    /// It answers with a body of this length and does not read the request.
    Unread(usize),
    /// It fails.
    Fail,
    /// It does not answer, until nobody wants an answer any more.
    Never,
}

impl Answer {
    /// Whether nothing is answered before the request is whole.
    pub(super) fn reads(self) -> bool {
        matches!(self, Self::Sized(..))
    }
}

impl Request {
    pub(super) fn draw(tape: &mut Tape, n: u64, body_max: usize, resets: bool) -> Self {
        let post = tape.chance(1, 2);
        let answer = match tape.below(if resets { 10 } else { 8 }) {
            0..4 => Answer::Sized(tape.size(body_max), tape.chance(1, 4)),
            4..7 => Answer::Echo,
            7 => Answer::Unread(tape.size(body_max)),
            _ => Answer::Fail,
        };
        Self {
            n,
            pause: if tape.chance(1, 3) { tape.below(50) } else { 0 },
            up: if post { tape.size(body_max) } else { 0 },
            up_trailers: post && tape.chance(1, 4),
            answer,
            delay: if tape.chance(1, 3) {
                tape.below(100)
            } else {
                0
            },
            interims: if tape.chance(1, 6) { tape.below(4) } else { 0 },
            give_up: (resets && tape.chance(1, 6)).then(|| tape.below(400)),
            polite: tape.chance(1, 2),
            part_max: 1 + tape.size(100_000).max(body_max / 200),
            slow: tape.chance(1, 4),
            handed_over: tape.chance(1, 8),
            tunnel: false,
            misdirected: None,
            drops: None,
            dawdle: 0,
            calls_back: false,
            watches: false,
            waits: false,
            full: false,
            tells_length: false,
            up_fate: Fate::Ends,
            down_fate: Fate::Ends,
            up_message: OnceLock::new(),
        }
    }

    /// Gives it something unusual, sometimes, another end of its bodies for one.
    pub(super) fn trouble(&mut self, tape: &mut Tape, accepts: bool) {
        self.calls_back = tape.chance(1, 4);
        match (tape.below(8), self.answer) {
            (0, _) if self.polite => self.dawdle = 1 + tape.below(100),
            (1, _) => self.drops = Some(Half::Body),
            (2, _) => self.drops = Some(Half::Head),
            (3, Answer::Fail) => self.misdirected = Some(Wanted::Http1),
            (3, _) => self.misdirected = Some(Wanted::Another),
            (5, _) if self.up > 0 => self.up_fate = Fate::Fails(tape.index(self.up)),
            (6, _) => {
                let len = match self.answer {
                    Answer::Sized(len, _) | Answer::Unread(len) => len,
                    Answer::Echo => self.up,
                    Answer::Fail | Answer::Never => 0,
                };
                self.down_fate = Fate::Fails(tape.index(len));
            }
            // Who takes requests one by one is not told of one that is given up.
            (7, _) if self.give_up.is_some() && !accepts => self.answer = Answer::Never,
            (4 | 7, Answer::Unread(_)) if self.up > 0 => self.up_fate = Fate::Stays,
            _ => {}
        }
    }

    /// Lets its two messages depend on each other, or never end.
    pub(super) fn deepen(&mut self, tape: &mut Tape) {
        match (tape.below(6), self.answer) {
            (0 | 1, Answer::Echo | Answer::Unread(_)) => self.waits = true,
            (2, Answer::Sized(..) | Answer::Unread(_)) if self.down_fate == Fate::Ends => {
                // Who listens to it has enough at some time.
                (self.down_fate, self.drops) = (Fate::Stays, Some(Half::Body));
            }
            (3 | 4, Answer::Sized(..) | Answer::Unread(_)) => self.full = true,
            _ => {}
        }
    }

    /// Makes a tunnel of it. There are no trailers there.
    pub(super) fn dig(&mut self) {
        self.tunnel = true;
        self.up_trailers = false;
        if let Answer::Sized(_, trailers) = &mut self.answer {
            *trailers = false;
        }
    }

    /// Whether it may end badly although the network is well.
    pub(super) fn may_fail(&self) -> bool {
        self.give_up.is_some()
            || self.answer == Answer::Fail
            || self.drops == Some(Half::Body)
            || [self.up_fate, self.down_fate] != [Fate::Ends; 2]
    }

    /// What the head of the request or of its answer says of the length of the body, if it says so.
    pub(super) fn length(&self, way: Way) -> Option<usize> {
        let down = match self.answer {
            Answer::Sized(len, _) | Answer::Unread(len) => Some(len),
            Answer::Echo | Answer::Fail | Answer::Never => None,
        };
        // A tunnel has none.
        let tells = self.tells_length && !self.tunnel;
        tells.then(|| match way {
            Way::Up => (self.up > 0).then_some(self.up),
            Way::Down => down,
        })?
    }

    /// The status of its answer.
    pub(super) fn status(&self) -> u16 {
        match self.misdirected {
            Some(Wanted::Another) => 421,
            _ => 200,
        }
    }

    /// What the client sends.
    pub(super) fn up(&self) -> Message {
        let make = || Message::stamped(2 * self.n, self.up, self.up_trailers);
        self.up_message.get_or_init(make).clone()
    }

    /// What the server sends; `None` when it fails.
    pub(super) fn down(&self) -> Option<Message> {
        let stamp = 2 * self.n + 1;
        match self.answer {
            Answer::Sized(len, trailers) => Some(Message::stamped(stamp, len, trailers)),
            Answer::Unread(len) => Some(Message::stamped(stamp, len, false)),
            Answer::Echo => Some(self.up()),
            Answer::Fail | Answer::Never => None,
        }
    }
}
