//! One engine under attack, and what the attack costs it.

use std::{cell::Cell, collections::BTreeSet, mem, time::Duration};

use bytes::{Buf, BytesMut};
use raddle_core::{
    Config, Connection, Event, Input, Lifecycle, Role, Stats, StreamHandle, Then, Timestamp,
    Transmit, Violation,
};
use raddle_tests::{
    engine::{get, post},
    wire,
};

use raddle_tests::counting;

pub(crate) const ROLES: [Role; 2] = [Role::Client, Role::Server];
pub(crate) const OK: &[(&str, &str)] = &[(":status", "200")];
const KIB: usize = 1_024;

/// What the application does with requests and bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum App {
    /// Reads everything at once, and ends its work when a stream ends.
    Prompt,
    /// Reads nothing, and ends its work when a stream ends.
    Unread,
    /// Reads nothing, and lets go of nothing either.
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
    /// Requests that the application works on.
    pub(crate) working: BTreeSet<StreamHandle>,
    pub(crate) out: Transmit,
    inbox: BytesMut,
    calm: Calm,
    /// Bytes from the peer since the handshake.
    pub(crate) wire: u64,
    pub(crate) peak: Peak,
    /// Whether somebody has looked at what it cost.
    judged: Cell<bool>,
}

/// Who has said nothing of what an attack cost is held to the usual bounds. What the engine says that it has allocated is
/// held against the allocator, whatever state the attack has left it in.
impl Drop for Victim {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.judge();
            self.account();
        }
    }
}

/// What stood when the attack began.
#[derive(Clone, Copy, Debug, Default)]
struct Calm {
    live: usize,
    work: u64,
}

/// The most of each that was ever seen, above what stood before the attack.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Peak {
    /// LIVE: bytes that the connection has allocated.
    pub(crate) live: usize,
    /// OUTQ: frames that are owed and not cut.
    pub(crate) owed: usize,
    /// OUTQ: bytes that are cut and that the transport does not take.
    pub(crate) unsent: usize,
    /// ENT: entries of the stream table.
    pub(crate) entries: usize,
    /// APP: requests that the application works on.
    pub(crate) app: usize,
}

/// What an attack may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) live: usize,
    /// OPS: units of work for each byte from the peer, and for each call.
    pub(crate) work_per_byte: u64,
    pub(crate) owed: usize,
    pub(crate) unsent: usize,
    pub(crate) entries: usize,
    pub(crate) app: usize,
    /// TTC: from the fault to the end.
    pub(crate) close: Duration,
}

/// What no attack may exceed unless its row says so.
pub(crate) const BOUNDS: Bounds = Bounds {
    live: 64 * KIB,
    work_per_byte: 12,
    owed: 64,
    unsent: 32 * KIB,
    entries: 200,
    app: 100,
    close: Duration::from_secs(1),
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
            out: Transmit::new(),
            inbox: BytesMut::new(),
            calm: Calm::default(),
            wire: 0,
            peak: Peak::default(),
            judged: Cell::new(false),
        }
    }

    /// What is done to it is no attack, and may cost what it costs.
    pub(crate) fn is_no_attack(&self) {
        self.judged.set(true);
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
        self.turn();
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
            live: self.connection.memory_footprint().total(),
            work: self.connection.stats().work_units,
        };
        self.wire = 0;
        self.peak = Peak::default();
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
                Input::NeedMore { .. } => return true,
                Input::Closed => {
                    self.inbox.clear();
                    return false;
                }
            }
        }
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
                    self.working.insert(*stream);
                }
                Event::Data { stream, data, .. } if self.app == App::Prompt => {
                    self.connection.release(*stream, data.len());
                }
                Event::Finished { stream } | Event::Failed { stream, .. } => {
                    self.working.remove(stream);
                    if self.app != App::Hoards {
                        self.connection.discard(*stream);
                    }
                }
                _ => {}
            }
            // Bodies would be the application's; what they hold is not the engine's any more.
            if !matches!(event, Event::Data { .. }) {
                self.events.push(event);
            }
        }
    }

    fn observe(&mut self) {
        let gauges = self.connection.gauges();
        let live = self.connection.memory_footprint().total();
        let peak = &mut self.peak;
        peak.live = peak.live.max(live.saturating_sub(self.calm.live));
        peak.owed = peak.owed.max(gauges.owed);
        peak.unsent = peak.unsent.max(self.out.remaining());
        peak.entries = peak.entries.max(gauges.entries);
        peak.app = peak.app.max(self.working.len());
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
        let live = self.connection.memory_footprint().total();
        live.saturating_sub(self.calm.live)
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

    /// Asserts that the attack ended the connection for this reason, within the bounds.
    pub(crate) fn assert_killed(self, violation: Violation, bounds: Bounds) {
        assert_eq!(self.violation(), Some(violation));
        let error = self.connection.error().unwrap();
        assert_eq!(error.code, violation.error_code());
        self.assert_ended(bounds);
    }

    /// Asserts that the connection is over within the bounds, whether or not anybody reads.
    pub(crate) fn assert_ended(mut self, bounds: Bounds) {
        self.assert_within(bounds);
        let before = self.now;
        // A peer that reads nothing more is the worst.
        self.reads = false;
        self.turn();
        while self.connection.lifecycle() < Lifecycle::Closed {
            let due = self.connection.poll_timeout();
            self.now = due.expect("an ending connection has a deadline");
            self.connection.handle_timeout(self.now);
            self.turn();
        }
        assert!(self.now.since(before) <= bounds.close, "TTC");
        assert!(!self.send(&wire::ping([0; 8], false)), "after the end");
        assert_eq!(self.connection.gauges().entries, 0, "ENT after the end");
    }

    /// Asserts that the connection lives, within the bounds.
    pub(crate) fn assert_alive(&self, bounds: Bounds) {
        assert_eq!(self.connection.error(), None);
        assert!(self.connection.lifecycle() < Lifecycle::Closing);
        self.assert_within(bounds);
    }

    fn judge(&self) {
        if !self.judged.get() {
            self.assert_within(BOUNDS);
        }
    }

    pub(crate) fn assert_within(&self, bounds: Bounds) {
        self.judged.set(true);
        let peak = self.peak;
        assert!(peak.live <= bounds.live, "LIVE: {peak:?}");
        assert!(peak.owed <= bounds.owed, "OUTQ, frames: {peak:?}");
        assert!(peak.unsent <= bounds.unsent, "OUTQ, bytes: {peak:?}");
        assert!(peak.entries <= bounds.entries, "ENT: {peak:?}");
        assert!(peak.app <= bounds.app, "APP: {peak:?}");
        let (work, wire) = (self.work(), self.wire);
        assert!(
            work <= wire * bounds.work_per_byte + KIB as u64,
            "OPS: {work} units for {wire} bytes"
        );
    }

    /// Asserts that the engine's account of its memory is the allocator's, within a tenth: that is what comes back when
    /// the connection goes. Leaves another one in its place.
    fn account(&mut self) {
        drop(mem::take(&mut self.events));
        drop((mem::take(&mut self.inbox), mem::take(&mut self.out)));
        let other = Connection::new(Role::Client, Config::default(), self.now);
        let connection = mem::replace(&mut self.connection, other);
        let told = connection.memory_footprint();
        // Heads that wait lie in memory of the caller's, which has room to spare.
        let theirs = 256 * connection.waiting();
        let before = counting::live();
        drop(connection);
        let freed = before - counting::live();
        let apart = (told.total() as i64 - freed).unsigned_abs();
        assert!(
            apart <= freed.unsigned_abs() / 10 + 64 + theirs as u64,
            "{freed} bytes were allocated, {} were told of: {told:?}",
            told.total()
        );
    }
}
