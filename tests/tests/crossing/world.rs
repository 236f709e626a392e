//! Two engines with applications, and a wire on which bytes can wait.

use std::collections::BTreeMap;

use bytes::Bytes;
use raddle_core::{
    Config, ErrorCode, Event, Lifecycle, ResponseHead, Role, StreamHandle, Then, TransportEnd,
};
use raddle_tests::{
    engine::{End, get, post},
    wire::{self, kind},
};

/// Both windows of both ends: what the protocol starts with.
pub(crate) const WINDOW: u32 = 65_535;
/// What each end has sent on stream A and the other has not given back.
const UNREAD: usize = 20_000;
/// What a probe sends each way: more than a window.
const PROBE: usize = 70_000;

/// Bytes of DATA in one direction, against what the other side granted for the connection.
#[derive(Debug, Default)]
struct Account {
    sent: usize,
    granted: usize,
    /// What has arrived of a frame that is cut.
    part: Vec<u8>,
}

pub(crate) struct World {
    pub(crate) client: End,
    pub(crate) server: End,
    /// Bytes on their way to the server.
    pub(crate) up: Vec<u8>,
    /// Bytes on their way to the client.
    pub(crate) down: Vec<u8>,
    /// Everything that each end told.
    pub(crate) client_told: Vec<Event>,
    pub(crate) server_told: Vec<Event>,
    /// The client's requests by path.
    pub(crate) requests: BTreeMap<String, StreamHandle>,
    /// What the server's application saw.
    pub(crate) seen: BTreeMap<String, StreamHandle>,
    /// The request whose body and answer are under way, and the one that nobody has answered.
    pub(crate) a: (StreamHandle, StreamHandle),
    pub(crate) b: (StreamHandle, StreamHandle),
    /// Whether somebody ended the connection.
    pub(crate) cut_off: bool,
    /// Whether the engines' own SETTINGS are acknowledged.
    established: bool,
    /// By direction of the DATA; the bytes in part are those of the other direction, which grant it.
    sent_up: Account,
    sent_down: Account,
    /// The transport was shut by this end, and the other is to hear of it behind the bytes that wait.
    shut_up: bool,
    shut_down: bool,
}

impl World {
    pub(crate) fn new() -> Self {
        let config = Config {
            stream_window_bytes: WINDOW,
            connection_window_bytes: WINDOW,
            ..Config::default()
        };
        let nobody = End::new(Role::Server, config.clone());
        let mut client = End::new(Role::Client, config.clone());
        let head = (post("/a"), get("/b"));
        let a = client.connection.open(head.0, Then::More).unwrap();
        let b = client.connection.open(head.1, Then::End).unwrap();
        let mut world = Self {
            client,
            server: nobody,
            up: Vec::new(),
            down: Vec::new(),
            client_told: Vec::new(),
            server_told: Vec::new(),
            requests: BTreeMap::from([("/a".to_owned(), a), ("/b".to_owned(), b)]),
            seen: BTreeMap::new(),
            a: (a, a),
            b: (b, b),
            cut_off: false,
            established: false,
            sent_up: Account::default(),
            sent_down: Account::default(),
            shut_up: false,
            shut_down: false,
        };
        world.settle();
        world.established = true;
        world.a.1 = world.seen["/a"];
        world.b.1 = world.seen["/b"];
        world.respond(world.a.1, Then::More);
        world.send_up(world.a.0, UNREAD, Then::More);
        world.send_down(world.a.1, UNREAD, Then::More);
        world.settle();
        world
    }

    /// Client: opens a stream, if the engine takes one.
    pub(crate) fn open(&mut self, path: &str, then: Then) -> Option<StreamHandle> {
        let head = match then {
            Then::End => get(path),
            Then::More => post(path),
        };
        let stream = self.client.connection.open(head, then).ok()?;
        self.requests.insert(path.to_owned(), stream);
        Some(stream)
    }

    // Applications may be late: what they say to a stream that has ended is refused, and that is all.

    pub(crate) fn send_up(&mut self, stream: StreamHandle, len: usize, then: Then) {
        let mut body = Bytes::from(vec![7; len]);
        let _ = self.client.connection.send_data(stream, &mut body, then);
    }

    pub(crate) fn send_down(&mut self, stream: StreamHandle, len: usize, then: Then) {
        let mut body = Bytes::from(vec![8; len]);
        let _ = self.server.connection.send_data(stream, &mut body, then);
    }

    pub(crate) fn respond(&mut self, stream: StreamHandle, then: Then) {
        let head = ResponseHead::new(200).finish();
        let _ = self.server.connection.respond(stream, head, then);
    }

    /// Puts SETTINGS on the wire that the sending engine does not know of. They only lower what it announced, or go
    /// back to that, so that it cannot tell the difference; their acknowledgements are taken off the wire.
    pub(crate) fn settings_up(&mut self, entries: &[(u16, u32)]) {
        self.flush();
        self.up.extend(wire::settings(entries));
    }

    pub(crate) fn settings_down(&mut self, entries: &[(u16, u32)]) {
        self.flush();
        self.down.extend(wire::settings(entries));
    }

    /// One end goes away: what it has written arrives, and what was on its way to it is lost.
    pub(crate) fn client_goes(&mut self) {
        self.flush();
        (self.cut_off, self.shut_up) = (true, true);
        self.down.clear();
        transport_ends(&mut self.client, TransportEnd::Failed);
    }

    pub(crate) fn server_goes(&mut self) {
        self.flush();
        (self.cut_off, self.shut_down) = (true, true);
        self.up.clear();
        transport_ends(&mut self.server, TransportEnd::Failed);
    }

    /// The network goes away, with everything on it.
    pub(crate) fn network_fails(&mut self) {
        self.cut_off = true;
        self.up.clear();
        self.down.clear();
        transport_ends(&mut self.client, TransportEnd::Failed);
        transport_ends(&mut self.server, TransportEnd::Failed);
    }

    /// Puts what both engines have to say on the wire.
    pub(crate) fn flush(&mut self) {
        for (end, queue, account, shut) in [
            (
                &mut self.client,
                &mut self.up,
                &mut self.sent_up,
                &mut self.shut_up,
            ),
            (
                &mut self.server,
                &mut self.down,
                &mut self.sent_down,
                &mut self.shut_down,
            ),
        ] {
            let bytes = end.output();
            let (frames, _) = wire::frames(&bytes);
            if bytes.starts_with(wire::PREFACE) {
                queue.extend_from_slice(wire::PREFACE);
            }
            for frame in frames {
                if self.established && frame.is(kind::SETTINGS, 0) {
                    // The engine at the other end has not sent what this acknowledges.
                    continue;
                }
                if frame.kind == kind::DATA {
                    account.sent += frame.payload.len();
                    assert!(
                        account.sent <= account.granted + WINDOW as usize,
                        "more than the connection's window: {account:?}"
                    );
                }
                queue.extend(wire::frame(
                    frame.kind,
                    frame.flags,
                    frame.stream,
                    &frame.payload,
                ));
            }
            // An engine that is done drops its transport.
            *shut |= end.connection.lifecycle() == Lifecycle::Closed;
        }
        self.hear();
    }

    /// Lets the first bytes on the way to the server arrive.
    pub(crate) fn deliver_up(&mut self, len: usize) {
        let rest = self.up.split_off(len);
        let bytes = std::mem::replace(&mut self.up, rest);
        self.sent_down.note(&bytes);
        arrive(&mut self.server, &bytes);
        self.hear();
    }

    /// Lets the first bytes on the way to the client arrive.
    pub(crate) fn deliver_down(&mut self, len: usize) {
        let rest = self.down.split_off(len);
        let bytes = std::mem::replace(&mut self.down, rest);
        self.sent_up.note(&bytes);
        arrive(&mut self.client, &bytes);
        self.hear();
    }

    /// Lets one frame arrive at each end in turn, and what is said to it join the others.
    pub(crate) fn deliver_in_turns(&mut self) {
        while !self.up.is_empty() || !self.down.is_empty() {
            self.deliver_up(self.sent_down.rest_of_frame(&self.up));
            self.flush();
            self.deliver_down(self.sent_up.rest_of_frame(&self.down));
            self.flush();
        }
    }

    /// Lets everything arrive until nobody has anything to say.
    pub(crate) fn settle(&mut self) {
        loop {
            self.flush();
            if self.up.is_empty() && self.down.is_empty() {
                if std::mem::take(&mut self.shut_up) {
                    transport_ends(&mut self.server, TransportEnd::Eof);
                    // A server that goes on for a client that may read still finds that this one does not.
                    if self.client.connection.lifecycle() == Lifecycle::Closed {
                        self.server.output();
                        transport_ends(&mut self.server, TransportEnd::Failed);
                    }
                } else if std::mem::take(&mut self.shut_down) {
                    transport_ends(&mut self.client, TransportEnd::Eof);
                } else {
                    return;
                }
                self.hear();
                if self.both_gone() {
                    return;
                }
            }
            self.deliver_up(self.up.len());
            self.deliver_down(self.down.len());
        }
    }

    fn both_gone(&self) -> bool {
        let gone = |end: &End| end.connection.lifecycle() == Lifecycle::Closed;
        gone(&self.client) && gone(&self.server)
    }

    /// Collects what was told.
    fn hear(&mut self) {
        self.client_told.extend(self.client.take_events());
        for event in self.server.take_events() {
            if let Event::Request { stream, head, .. } = &event {
                let path = String::from_utf8(head.path().unwrap().to_vec()).unwrap();
                let twice = self.seen.insert(path, *stream);
                assert_eq!(twice, None, "a request arrived twice");
            }
            self.server_told.push(event);
        }
    }

    /// Both applications bring everything to its end, and then the client leaves.
    pub(crate) fn finish(&mut self) {
        if !self.cut_off {
            self.settings_up(&[(4, WINDOW)]);
            self.settings_down(&[(3, 100), (4, WINDOW)]);
            self.settle();
        }
        self.finish_messages();
        let open = |end: &End| end.connection.lifecycle() == Lifecycle::Open;
        if open(&self.client) && open(&self.server) {
            self.probe();
        }
        self.client.connection.drain();
        self.settle();
    }

    fn finish_messages(&mut self) {
        // A request that waited for its turn arrives when another has ended.
        for _ in 0..3 {
            for stream in self.requests.values().copied().collect::<Vec<_>>() {
                self.send_up(stream, 0, Then::End);
                self.client.connection.discard(stream);
            }
            for stream in self.seen.values().copied().collect::<Vec<_>>() {
                self.respond(stream, Then::End);
                self.send_down(stream, 0, Then::End);
                self.server.connection.discard(stream);
            }
            self.settle();
        }
    }

    /// Sends more than a window each way: credit that was lost would stop them.
    fn probe(&mut self) {
        let stream = self.open("/probe", Then::More).expect("a stream");
        self.settle();
        let other = self.seen["/probe"];
        self.respond(other, Then::More);
        let connection = |end: &End, stream| end.connection.writable(stream);
        let (mut up, mut down) = (PROBE, PROBE);
        while up + down > 0 {
            let step = up.min(connection(&self.client, stream));
            let back = down.min(connection(&self.server, other));
            assert!(step + back > 0, "stuck with {up} and {down} bytes to go");
            (up, down) = (up - step, down - back);
            let then = |rest| if rest == 0 { Then::End } else { Then::More };
            self.send_up(stream, step, then(up));
            self.send_down(other, back, then(down));
            self.settle();
            self.client.connection.release(stream, back);
            self.server.connection.release(other, step);
            self.settle();
        }
    }

    /// Cancels at the client.
    pub(crate) fn client_resets(&mut self, stream: StreamHandle, code: ErrorCode) {
        self.client.connection.reset(stream, code);
    }

    /// Cancels at the server.
    pub(crate) fn server_resets(&mut self, stream: StreamHandle, code: ErrorCode) {
        self.server.connection.reset(stream, code);
    }
}

fn transport_ends(end: &mut End, how: TransportEnd) {
    end.connection.handle_transport_end(how, end.now);
    end.connection.check();
}

fn arrive(end: &mut End, bytes: &[u8]) {
    if end.connection.lifecycle() != Lifecycle::Closed {
        end.input(bytes);
    }
}

impl Account {
    /// Counts what arriving frames grant for the connection.
    fn note(&mut self, bytes: &[u8]) {
        self.part.extend_from_slice(bytes);
        let (frames, left) = wire::frames(&self.part);
        let updates = frames
            .iter()
            .filter(|frame| frame.is(kind::WINDOW_UPDATE, 0));
        self.granted += updates.map(|frame| frame.number(0) as usize).sum::<usize>();
        self.part.drain(..self.part.len() - left);
    }

    /// How many of the bytes that wait belong to the first frame.
    fn rest_of_frame(&self, waiting: &[u8]) -> usize {
        let (frames, _) = wire::frames(&[&self.part, waiting].concat());
        let whole = frames.first().map(|frame| 9 + frame.payload.len());
        whole.map_or(waiting.len(), |whole| whole - self.part.len())
    }
}
