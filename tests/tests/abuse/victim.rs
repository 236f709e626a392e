//! One engine under attack, and what the attack costs it.

use std::{cell::Cell, collections::BTreeSet, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use raddle_core::{
    Config, Connection, Event, Input, Lifecycle, Role, Stats, StreamHandle, Then, Timestamp,
    Transmit, Violation,
};
use raddle_tests::{
    engine::{get, post},
    wire,
};

use crate::peaks;

pub(crate) const ROLES: [Role; 2] = [Role::Client, Role::Server];
pub(crate) const OK: &[(&str, &str)] = &[(":status", "200")];
pub(crate) const KIB: usize = 1_024;

/// What the application does with requests and bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum App {
    /// Reads everything at once, and gives up its work on a stream that it is told the end of.
    Prompt,
    /// Reads nothing, and gives up its work on a stream that it is told the end of.
    Unread,
    /// Reads nothing, and works on, whoever has given a request up. It keeps the places of what it works on.
    Hoards,
}

/// An engine behind its handshake, its peer, and the worst that was seen of it.
pub(crate) struct Victim {
    pub(crate) connection: Connection,
    pub(crate) now: Timestamp,
    pub(crate) app: App,
    /// Whether the peer takes our output off the wire. When it does not, nothing leaves [`Victim::out`].
    pub(crate) reads: bool,
    pub(crate) events: Vec<Event>,
    /// Requests that the application works on. Only [`Victim::let_go`] takes one out, which is for the application to do.
    pub(crate) working: BTreeSet<StreamHandle>,
    /// Bodies that the application has not read.
    pub(crate) unread: Vec<(StreamHandle, Bytes)>,
    pub(crate) unread_bytes: usize,
    pub(crate) out: Transmit,
    pub(crate) inbox: BytesMut,
    pub(crate) calm: Calm,
    /// Bytes from the peer since the handshake.
    pub(crate) wire: u64,
    pub(crate) peak: Peak,
    /// What the whole of the attack is held to.
    pub(crate) judge: Cell<Judge>,
    /// Which victim of its test it is, and how often it was looked at.
    look: peaks::Look,
}

/// What is asserted at the end of a victim.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Judge {
    /// All six, within these bounds, up to the last moment; and that nothing is left when it has ended.
    Attack(Bounds),
    /// The same, and that it ends by itself, in time.
    Ends(Bounds),
    /// No attack: what is allocated, as it stands.
    Account,
}

/// What stood when the attack began.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Calm {
    pub(crate) live: usize,
    work: u64,
    pub(crate) at: Timestamp,
}

/// The most of each that was ever seen, above what stood before the attack.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Peak {
    /// LIVE: bytes that the connection has allocated, with its output and what the application has not read.
    pub(crate) live: usize,
    /// OUTQ: control frames that are owed and not cut, and answers that the transport does not take.
    pub(crate) owed: usize,
    /// OUTQ: bytes that are cut and that the transport does not take.
    pub(crate) unsent: usize,
    /// ENT: streams in the table.
    pub(crate) streams: usize,
    /// ENT: the same, with those that have left and are remembered.
    pub(crate) entries: usize,
    /// APP: requests that the application works on.
    pub(crate) app: usize,
    /// Octets that literals of one header block had as decoded.
    pub(crate) decoded: u64,
}

/// What an attack may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) live: usize,
    /// OPS: units of work for each byte from the peer, and for each call.
    pub(crate) work_per_byte: u64,
    pub(crate) owed: usize,
    pub(crate) unsent: usize,
    pub(crate) streams: usize,
    pub(crate) app: usize,
    /// TTC: from [`Victim::begin`] to the end.
    pub(crate) close: Duration,
}

/// Streams that have left and are remembered: see `streams/closed.rs` of the core.
pub(crate) const REMEMBERED: usize = 256;

/// What no attack may exceed unless its row says so.
pub(crate) const BOUNDS: Bounds = Bounds {
    live: 64 * KIB,
    work_per_byte: 12,
    // 64, and the one that is too many.
    owed: 65,
    unsent: 32 * KIB,
    streams: 200,
    app: 100,
    close: Duration::from_secs(1),
};

/// The same with room for one header list of the largest size while it grows.
pub(crate) const ONE_LIST: Bounds = Bounds {
    live: 160 * KIB,
    ..BOUNDS
};

impl Victim {
    pub(crate) fn new(role: Role) -> Self {
        Self::under(role, Config::default())
    }

    /// An engine behind the handshake with a peer of all defaults.
    pub(crate) fn under(role: Role, config: Config) -> Self {
        let mut victim = Self::fresh(role, config);
        if role == Role::Server {
            victim.send(wire::PREFACE);
        }
        victim.send(&wire::settings(&[]));
        victim.send(&wire::settings_ack());
        victim.events.clear();
        victim.begin();
        victim
    }

    /// An engine that has heard nothing yet.
    pub(crate) fn fresh(role: Role, config: Config) -> Self {
        Self {
            connection: Connection::new(role, config, Timestamp(0)),
            now: Timestamp(0),
            app: App::Prompt,
            reads: true,
            events: Vec::new(),
            working: BTreeSet::new(),
            unread: Vec::new(),
            unread_bytes: 0,
            out: Transmit::new(),
            inbox: BytesMut::new(),
            calm: Calm::default(),
            wire: 0,
            peak: Peak::default(),
            judge: Cell::new(Judge::Attack(BOUNDS)),
            look: peaks::Look::new(),
        }
    }

    /// What is done to it is no attack, and may cost what it costs.
    pub(crate) fn is_no_attack(&self) {
        self.judge.set(Judge::Account);
    }

    /// A server with a request on stream 1, or a client with one, whose bodies are open in both directions.
    pub(crate) fn with_stream(role: Role) -> (Self, StreamHandle) {
        let mut victim = Self::new(role);
        let stream = victim.stream(1);
        victim.begin();
        (victim, stream)
    }

    /// One more open stream; `id` is the one that it gets.
    pub(crate) fn stream(&mut self, id: u32) -> StreamHandle {
        let stream = if self.connection.role() == Role::Server {
            self.send(&wire::headers(id, wire::POST, false));
            self.last_request()
        } else {
            let stream = self.connection.open(post("/"), Then::More).unwrap();
            self.turn();
            self.send(&wire::headers(id, OK, false));
            stream
        };
        assert_eq!(self.connection.stream_id(stream).unwrap().to_u32(), id);
        stream
    }

    /// Answers the last request, whole.
    pub(crate) fn answer(&mut self) {
        let stream = self.last_request();
        let head = raddle_core::ResponseHead::new(200).finish();
        let answered = self.connection.respond(stream, head, Then::End);
        answered.unwrap();
        self.let_go(stream);
        self.turn();
    }

    /// The application works on this request no longer.
    pub(crate) fn let_go(&mut self, stream: StreamHandle) {
        self.working.remove(&stream);
        self.connection.free_place(stream);
    }

    /// The application wants no more of this stream's body, and drops what it has not read.
    pub(crate) fn discard(&mut self, stream: StreamHandle) {
        self.unread.retain(|(of, _)| *of != stream);
        self.unread_bytes = self.unread.iter().map(|(_, data)| data.len()).sum();
        self.connection.discard(stream);
    }

    /// A client's request on its own.
    pub(crate) fn ask(&mut self) -> StreamHandle {
        let stream = self.connection.open(get("/"), Then::End).unwrap();
        self.turn();
        stream
    }

    pub(crate) fn last_request(&self) -> StreamHandle {
        let request = self.events.iter().rev().find_map(|event| match event {
            Event::Request { stream, .. } => Some(*stream),
            _ => None,
        });
        request.expect("a request arrived")
    }

    /// From here on costs are counted.
    pub(crate) fn begin(&mut self) {
        self.calm = Calm {
            live: self.live_now(),
            work: self.connection.stats().work_units,
            at: self.now,
        };
        self.wire = 0;
        self.peak = Peak::default();
        self.look.begin();
    }

    /// Bytes from the peer; whether the connection lives on.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        self.wire += bytes.len() as u64;
        self.inbox.extend_from_slice(bytes);
        loop {
            let input = self.connection.handle_input(&mut self.inbox, self.now);
            self.observe();
            self.turn();
            match input {
                Input::EventsFull => {}
                // What ends it may have come to light with the output.
                Input::NeedMore { .. } => {
                    return self.connection.lifecycle() < Lifecycle::Closing
                        || self.violation().is_none();
                }
                Input::Closed => {
                    self.inbox.clear();
                    return false;
                }
            }
        }
    }

    /// The same, one byte at a time, with a look at what it cost at the end. Nothing may come of it before.
    pub(crate) fn drip(&mut self, bytes: &[u8]) {
        self.wire += bytes.len() as u64;
        for byte in bytes {
            self.inbox.extend_from_slice(&[*byte]);
            let input = self.connection.handle_input(&mut self.inbox, self.now);
            assert!(matches!(input, Input::NeedMore { .. }));
        }
        self.observe();
        self.turn();
    }

    /// Bytes from the peer that are read while nobody polls.
    pub(crate) fn read_unpolled(&mut self, input: &mut BytesMut) {
        let before = input.len();
        self.connection.handle_input(input, self.now);
        self.wire += (before - input.len()) as u64;
        self.observe();
        self.connection.check();
    }

    /// The same again and again, until the connection ends; answers how often.
    pub(crate) fn flood(&mut self, times: usize, mut act: impl FnMut(usize) -> Vec<u8>) -> usize {
        (0..times).take_while(|&n| self.send(&act(n))).count()
    }

    /// Lets the application and the transport run.
    pub(crate) fn turn(&mut self) {
        loop {
            self.collect();
            let cut = self.connection.poll_transmit(&mut self.out, self.now);
            self.observe();
            if self.reads {
                self.take_output();
            } else if self.out.remaining() > 0 {
                self.connection
                    .handle_transport_blocked(&self.out, self.now);
                break;
            }
            if cut == 0 {
                break;
            }
        }
        self.collect();
        self.connection.check();
    }

    /// The peer reads, and answers PINGs as an honest one does.
    fn take_output(&mut self) {
        let bytes = self.out.copy_to_bytes(self.out.remaining());
        // Most of the time there is none, and most tests need none.
        let (frames, _) = wire::frames(&bytes);
        for frame in frames {
            if frame.kind == wire::kind::PING && frame.flags == 0 {
                let payload = frame.payload.try_into().unwrap();
                self.inbox.extend_from_slice(&wire::ping(payload, true));
                self.connection.handle_input(&mut self.inbox, self.now);
            }
        }
    }

    fn collect(&mut self) {
        while let Some(event) = self.connection.poll_event() {
            match &event {
                Event::Request { stream, .. } => {
                    if self.app == App::Hoards {
                        assert!(self.connection.keep_place(*stream));
                    }
                    self.working.insert(*stream);
                    self.peak.app = self.peak.app.max(self.working.len());
                }
                Event::Data { stream, data, .. } if self.app == App::Prompt => {
                    self.connection.release(*stream, data.len());
                }
                Event::Data { stream, data, .. } => {
                    self.unread_bytes += data.len();
                    self.unread.push((*stream, data.clone()));
                }
                Event::Finished { stream } | Event::Failed { stream, .. }
                    if self.app != App::Hoards =>
                {
                    self.let_go(*stream);
                    self.discard(*stream);
                }
                _ => {}
            }
            if !matches!(event, Event::Data { .. }) {
                self.events.push(event);
            }
        }
    }

    fn observe(&mut self) {
        let gauges = self.connection.gauges();
        let live = self.live();
        let peak = &mut self.peak;
        peak.live = peak.live.max(live);
        peak.owed = peak.owed.max(gauges.owed + self.out.unread());
        peak.unsent = peak.unsent.max(self.out.remaining());
        peak.streams = peak.streams.max(gauges.streams);
        peak.entries = peak.entries.max(gauges.entries);
        peak.app = peak.app.max(self.working.len());
        peak.decoded = peak.decoded.max(gauges.decoded);
        if self.look.is_the_peak(live) {
            self.account();
            peaks::reached();
        }
    }

    /// LIVE, with what stood before the attack.
    pub(crate) fn live_now(&self) -> usize {
        self.connection.memory_footprint().total() + self.out.memory_footprint() + self.unread_bytes
    }

    pub(crate) fn stats(&self) -> Stats {
        self.connection.stats()
    }

    /// Bytes that are cut and that the transport does not take.
    pub(crate) fn unsent(&self) -> usize {
        self.out.remaining()
    }

    /// OPS since the attack began.
    pub(crate) fn work(&self) -> u64 {
        self.stats().work_units - self.calm.work
    }

    /// LIVE now, above what stood before the attack.
    pub(crate) fn live(&self) -> usize {
        self.live_now().saturating_sub(self.calm.live)
    }

    pub(crate) fn violation(&self) -> Option<Violation> {
        self.connection.error().and_then(|error| error.violation)
    }

    /// Lets virtual time pass.
    pub(crate) fn wait(&mut self, time: Duration) {
        let until = self.now.after(time);
        while let Some(due) = self.connection.poll_timeout().filter(|due| *due <= until) {
            self.now = due;
            self.connection.handle_timeout(due);
            self.turn();
        }
        self.now = until;
    }
}
