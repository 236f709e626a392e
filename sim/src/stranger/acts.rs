//! What the engine's application does of itself.

use raddle_core::{
    ErrorCode, Lifecycle, OpenError, RequestHead, ResponseHead, Role, SendError, StreamHandle, Then,
};

use super::{World, app::PINGS_MAX};
use crate::{outcome::Fault, tape::Tape, trace::note, wire::Urgency};

/// The largest frame that every peer takes.
const FRAME_MIN: usize = 16_384;

/// Requests at once, where there are many.
const CROWD: usize = 300;

/// What a request is, as far as it decides about its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Plain,
    /// Its answer has no body.
    Head,
    /// Its answer opens a tunnel.
    Connect,
    /// The same, for a protocol of its own (RFC 8441).
    Extended,
    /// Its head fills a frame, or nearly.
    Long(u8),
}

impl Kind {
    /// As often as they are drawn.
    fn draw(tape: &mut Tape) -> Self {
        match tape.below(16) {
            12 | 13 => Self::Head,
            14 => Self::Connect,
            15 => Self::Extended,
            11 if tape.chance(1, 2) => Self::Long(tape.below(100) as u8),
            _ => Self::Plain,
        }
    }

    /// Whether 2xx makes a tunnel of it.
    pub(super) fn is_tunnel(self) -> bool {
        matches!(self, Self::Connect | Self::Extended)
    }

    pub(super) fn of(method: &[u8]) -> Self {
        match method {
            b"HEAD" => Self::Head,
            b"CONNECT" => Self::Connect,
            _ => Self::Plain,
        }
    }

    fn request(self) -> RequestHead {
        let usual = |method| RequestHead::new(method, b"https", Some(b"a"), b"/").finish();
        match self {
            Self::Plain => usual(b"POST"),
            Self::Head => usual(b"HEAD"),
            Self::Connect => RequestHead::connect(b"a:1").finish(),
            Self::Extended => RequestHead::new(b"CONNECT", b"https", Some(b"a"), b"/")
                .protocol(b"websocket")
                .finish(),
            Self::Long(less) => RequestHead::new(b"POST", b"https", Some(b"a"), b"/")
                // In no code that is shorter.
                .field(b"x-long", &vec![b'~'; FRAME_MIN - usize::from(less)])
                .finish(),
        }
    }
}

impl World<'_> {
    /// The application does something.
    pub(super) fn act(&mut self) -> Result<(), Fault> {
        if self.tape.lane("surface").chance(1, 8) {
            return self.act_rarely();
        }
        if self.tape.lane("offers").chance(1, 12) {
            return self.offer();
        }
        let choice = self.tape.lane("app").below(8);
        let handles: Vec<_> = self.app.streams.keys().copied().collect();
        let some = (!handles.is_empty()).then(|| handles[self.tape.index(handles.len())]);
        match (choice, some) {
            (0..=3, _) if self.role == Role::Client => {
                // Rarely a crowd of them, more than any peer takes at once.
                let crowd = self.tape.lane("crowd").chance(1, 500);
                for _ in 0..if crowd { CROWD } else { 1 } {
                    self.open_one();
                }
            }
            (0..=3, Some(handle)) => {
                let kind = self.app.streams[&handle].kind;
                let body = match kind {
                    Kind::Head => 0,
                    _ => self.tape.size(self.app.body_max),
                };
                let mut head = ResponseHead::new(200);
                if self.tape.lane("app more").chance(1, 6) {
                    // More than some peers take.
                    head = head.field(b"x-more", &[b'v'; 300]);
                }
                let head = head.finish();
                let size = head.list_size();
                let answered = self.conn.respond(handle, head, Then::More);
                if answered == Err(SendError::HeaderListTooLarge) {
                    self.app.too_large = Some((size, self.observer.list_limit()));
                }
                if answered.is_ok() {
                    note!(self, "app: answers, {} bytes", body);
                    if let Some(live) = self.app.streams.get_mut(&handle) {
                        (live.left, live.total) = (Some(body), Some(body));
                    }
                }
            }
            (4, Some(handle)) => self.reset_one(handle),
            (5, _) => self.app.release_all(&mut self.conn),
            (6, _) if self.tape.chance(1, 8) => {
                note!(self, "app: drains");
                self.app.drained = true;
                self.walks = self.walks.max(self.app.streams.len());
                self.conn.drain();
                // What that costs goes with what waited, and not with what passes next.
                self.hear()?;
            }
            (7, some) => self.act_more(some)?,
            _ => {}
        }
        self.fill()
    }

    fn open_one(&mut self) {
        let body = self.tape.lane("app").size(self.app.body_max);
        let kind = Kind::draw(self.tape.lane("lists"));
        let kind = match self.tape.lane("kinds").below(12) {
            10 => Kind::Connect,
            11 => Kind::Head,
            _ => kind,
        };
        self.open_as(kind, body);
    }

    /// Opens a request of this kind, if there is room.
    pub(super) fn open_as(&mut self, kind: Kind, body: usize) {
        let request = kind.request();
        let size = request.list_size();
        match self.conn.open(request, Then::More) {
            Ok(handle) => {
                note!(self, "app: opens {:?}, {} bytes", kind, body);
                self.track(handle, Some(body), kind);
            }
            Err((OpenError::QueueFull, _)) => self.app.tally.unqueued += 1,
            Err((OpenError::HeaderListTooLarge, _)) => {
                self.app.too_large = Some((size, self.observer.list_limit()))
            }
            Err(_) => {}
        }
    }

    /// The application has given an interim response.
    pub(super) fn informed(&mut self, handle: StreamHandle) {
        if let Some(live) = self.app.streams.get_mut(&handle) {
            live.informed = true;
        }
    }

    fn reset_one(&mut self, handle: StreamHandle) {
        let id = self.conn.stream_id(handle).map(|id| id.to_u32());
        let code = self.tape.lane("app more").pick(&[8, 8, 2, 0xbeef, 7]);
        note!(self, "app: resets {:?} with {}", id, code);
        self.conn.reset(handle, ErrorCode::from_u32(code));
        let Some(live) = self.app.streams.get_mut(&handle) else {
            return;
        };
        live.reset = true;
        // RFC 9113 §8.7: nobody has processed what is refused, which an answer belies.
        let answered = live.total.is_some() || live.informed;
        let code = match (code, self.role) {
            (7, Role::Server) if answered => 2,
            _ => code,
        };
        if let Some(id) = id {
            self.app.codes.entry(id).or_insert(code);
        }
    }

    /// What an application does now and then.
    fn act_more(&mut self, some: Option<StreamHandle>) -> Result<(), Fault> {
        match (self.tape.lane("app more").below(5), some) {
            (0, _) => {
                let asked = self.conn.ping();
                if asked.is_none()
                    && self.app.can_ask()
                    && self.conn.lifecycle() < Lifecycle::Closing
                {
                    return Err(Fault::run("I-14: a PING has no room, where few are out"));
                }
                if let Some(id) = asked {
                    note!(self, "app: asks for an answer");
                    self.app.pings.insert(id);
                    self.app.asked += 1;
                }
                if self.app.pings.len() > PINGS_MAX {
                    return Err(Fault::run("I-17: PING upon PING without an answer"));
                }
            }
            (1, Some(handle)) => {
                let head = ResponseHead::new(103).field(b"link", b"</a>").finish();
                if self.role == Role::Server && self.conn.inform(handle, head).is_ok() {
                    note!(self, "app: informs {:?}", self.conn.stream_id(handle));
                    self.informed(handle);
                }
            }
            (2, Some(handle)) => {
                note!(self, "app: discards {:?}", self.conn.stream_id(handle));
                self.conn.discard(handle);
                self.app.taken.remove(&handle);
                self.app.discards.insert(handle);
                self.app.tally.discarded = true;
            }
            (4, Some(handle)) => self.urge(handle),
            (3, Some(handle)) => {
                let live = self.app.streams.get_mut(&handle);
                if let Some(live) = live.filter(|live| live.kind == Kind::Plain) {
                    live.trailers = true;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Another urgency for what it sends, or wants to be sent.
    pub(super) fn urge(&mut self, handle: StreamHandle) {
        let urgency = Urgency {
            level: self.tape.below(8) as u8,
            whole: self.tape.chance(1, 2),
        };
        self.urge_as(handle, urgency);
    }
}
