//! Memory that an engine holds for a connection with streams that wait for their answer. Counted by the allocator,
//! while the engine runs: scripts, wires and the values of fields are not in it.

use std::rc::Rc;

use raddle_tests::counting::Allocated;

use crate::{
    Engine,
    drive::{Asks, End},
    h2_ends,
    raddle_ends::{Client, Server},
    script::{ScriptClient, ScriptServer},
    wire::Wire,
    workload::{Answer, Side, Texts, WORKLOADS, Workload},
};

/// Streams at a time: a round number, and one that fills a table which grows by doubling.
const STREAMS: [usize; 2] = [10_000, 16_384];
/// Requests whose streams have ended before the connection idles.
const BEFORE_IDLE: usize = 1_000;

/// What an engine holds, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    /// With one stream that waits.
    connection: i64,
    /// For each stream more.
    stream: f64,
}

impl Held {
    pub(crate) fn new(with_one: i64, with_all: i64, streams: usize) -> Self {
        Self {
            connection: with_one,
            stream: (with_all - with_one) as f64 / (streams - 1) as f64,
        }
    }
}

/// W1's request on so many streams, answered or not.
fn workload(streams: usize, answer: Answer) -> &'static Workload {
    let get = WORKLOADS.iter().find(|workload| workload.name == "W1");
    let mut workload = get.expect("the first").clone();
    workload.streams = streams;
    workload.answer = answer;
    Box::leak(Box::new(workload))
}

/// How much more is held after `work`.
fn grown<T>(work: impl FnOnce() -> T) -> (T, i64) {
    let before = Allocated::now();
    let result = work();
    (result, Allocated::now().since(before).held)
}

/// Two ends, of which one is counted.
struct Counted<C, S> {
    client: Box<C>,
    server: Box<S>,
    side: Side,
    held: i64,
    up: Wire,
    down: Wire,
}

impl<C: Asks, S: End> Counted<C, S> {
    fn new(side: Side, client: impl FnOnce() -> C, server: impl FnOnce() -> S) -> Self {
        let (client, of_client) = grown(|| Box::new(client()));
        let (server, of_server) = grown(|| Box::new(server()));
        let held = if side == Side::Client {
            of_client
        } else {
            of_server
        };
        Self {
            client,
            server,
            side,
            held,
            up: Wire::new(),
            down: Wire::new(),
        }
    }

    /// Goes on until nobody has anything more to say.
    fn settle(&mut self) {
        loop {
            let before = (self.up.carried, self.down.carried);
            let client = grown(|| self.client.output(&mut self.up)).1;
            let server = grown(|| self.server.input(&mut self.up)).1;
            let server = server + grown(|| self.server.output(&mut self.down)).1;
            let client = client + grown(|| self.client.input(&mut self.down)).1;
            self.held += if self.side == Side::Client {
                client
            } else {
                server
            };
            if (self.up.carried, self.down.carried) == before {
                return;
            }
        }
    }

    fn ask(&mut self, requests: usize) {
        self.held += grown(|| self.client.ask(requests)).1 * i64::from(self.side == Side::Client);
        self.settle();
    }

    fn let_go(&mut self) {
        let (client, server) = (
            grown(|| self.client.let_go()).1,
            grown(|| self.server.let_go()).1,
        );
        self.held += if self.side == Side::Client {
            client
        } else {
            server
        };
    }

    fn waiting(mut self, streams: usize, let_go: bool) -> Held {
        self.client.prepare(streams);
        self.ask(1);
        if let_go {
            self.let_go();
        }
        let one = self.held;
        self.ask(streams - 1);
        if let_go {
            self.let_go();
        }
        let sent = self.up.carried;
        assert!(sent as usize > streams * 20, "all requests have gone up");
        Held::new(one, self.held, streams)
    }

    fn idle(mut self, let_go: bool) -> i64 {
        self.client.prepare(BEFORE_IDLE);
        self.server.prepare(BEFORE_IDLE);
        self.ask(BEFORE_IDLE);
        assert!(self.client.is_done(), "every request has ended");
        if let_go {
            self.let_go();
        }
        self.held
    }
}

/// A client of an engine against a script.
fn client<C: Asks>(
    workload: &'static Workload,
    make: impl FnOnce(&'static Workload, Rc<Texts>) -> C,
) -> Counted<C, ScriptServer> {
    let texts = Rc::new(Texts::new(workload));
    let for_client = Rc::clone(&texts);
    Counted::new(
        Side::Client,
        move || make(workload, for_client),
        || ScriptServer::new(workload, texts),
    )
}

/// A server of an engine against a script.
fn server<S: End>(
    workload: &'static Workload,
    make: impl FnOnce(&'static Workload, Rc<Texts>) -> S,
) -> Counted<ScriptClient, S> {
    let texts = Rc::new(Texts::new(workload));
    let for_server = Rc::clone(&texts);
    Counted::new(
        Side::Server,
        || ScriptClient::new(workload, texts),
        move || make(workload, for_server),
    )
}

const SEND_BUFFER: usize = 64 * 1024;

fn raddle_client(workload: &'static Workload) -> Counted<Client, ScriptServer> {
    client(workload, |workload, texts| {
        Client::new(workload, texts, SEND_BUFFER)
    })
}

fn raddle_server(workload: &'static Workload) -> Counted<ScriptClient, Server> {
    server(workload, |workload, texts| {
        Server::new(workload, texts, SEND_BUFFER)
    })
}

fn held(engine: Engine, side: Side, streams: usize) -> Option<Held> {
    let workload = workload(streams, Answer::Never);
    Some(match (engine, side) {
        (Engine::Raddle, Side::Client) => raddle_client(workload).waiting(streams, true),
        (Engine::Raddle, _) => raddle_server(workload).waiting(streams, true),
        (Engine::H2, Side::Client) => h2_ends::client_held(workload),
        (Engine::H2, _) => h2_ends::server_held(workload),
        #[cfg(feature = "nghttp2")]
        (Engine::Nghttp2, Side::Client) => {
            client(workload, crate::nghttp2::Ends::client).waiting(streams, true)
        }
        #[cfg(feature = "nghttp2")]
        (Engine::Nghttp2, _) => {
            server(workload, crate::nghttp2::Ends::server).waiting(streams, true)
        }
        (Engine::Script, _) => return None,
    })
}

/// After many requests, with and without the buffers of the loop around the engine.
fn idle(engine: Engine, side: Side) -> Option<(i64, i64)> {
    let workload = workload(100, Answer::Body(100));
    let both = |of: &dyn Fn(bool) -> i64| Some((of(true), of(false)));
    match (engine, side) {
        (Engine::Raddle, Side::Client) => both(&|let_go| raddle_client(workload).idle(let_go)),
        (Engine::Raddle, _) => both(&|let_go| raddle_server(workload).idle(let_go)),
        #[cfg(feature = "nghttp2")]
        (Engine::Nghttp2, Side::Client) => {
            both(&|let_go| client(workload, crate::nghttp2::Ends::client).idle(let_go))
        }
        #[cfg(feature = "nghttp2")]
        (Engine::Nghttp2, _) => {
            both(&|let_go| server(workload, crate::nghttp2::Ends::server).idle(let_go))
        }
        // Its tasks and those of the script are not told apart while both run.
        (Engine::H2 | Engine::Script, _) => None,
    }
}

pub(crate) fn print(engines: &[Engine]) {
    println!("Bytes held, streams that wait for their answer");
    println!(
        "  {:10} {:8} {:>14} {:>14} {:>16} {:>14} {:>16}",
        "engine", "side", "stream/10000", "stream/16384", "connection+1", "idle", "idle+buffers"
    );
    for side in [Side::Client, Side::Server] {
        for &engine in engines {
            let [Some(some), Some(full)] = STREAMS.map(|streams| held(engine, side, streams))
            else {
                continue;
            };
            let (bare, buffered) = idle(engine, side).map_or(("-".into(), "-".into()), |held| {
                (held.0.to_string(), held.1.to_string())
            });
            println!(
                "  {:10} {:8} {:>14.0} {:>14.0} {:>16} {bare:>14} {buffered:>16}",
                engine.name(),
                format!("{side:?}").to_lowercase(),
                some.stream,
                full.stream,
                some.connection,
            );
        }
    }
}
