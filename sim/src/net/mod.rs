//! Client and server over a simulated network, with the runtime, the sockets and the clock of the simulation.
//!
//! Between each side and its socket lies a [`FaultStream`], because the simulated network delivers a
//! write as it was made: short reads and writes come from there. The network holds messages back, and connections are
//! dropped, crash or fail at any byte. The `h2` crate takes part as either side.

mod bodies;
mod book;
mod h2_peer;
mod plan;
mod raddle_client;
mod raddle_server;

use std::{cell::Cell, net::Ipv4Addr, time::UNIX_EPOCH};

use tokio::time::timeout;
use turmoil::{
    Sim,
    net::{TcpListener, TcpStream},
};

use self::{
    book::Book,
    plan::{Cut, Plan, millis},
};
use crate::{
    faulty::{FaultStream, Fuse},
    outcome::{Fault, Outcome},
    runner,
    tape::Tape,
    trace::Trace,
};

/// The port that the server listens on.
const PORT: u16 = 80;
/// Milliseconds of the simulation's clock in which a run has to come to its end.
const END_MAX: u64 = 600_000;
/// Milliseconds in which a server answers that can be reached at all.
const DIAL_MAX: u64 = 10_000;
/// Messages that a simulated socket holds: short writes make many small ones.
const SOCKET_MESSAGES: usize = 1_024;

type Socket = FaultStream<TcpStream>;

/// Who talks to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// Our client and our server.
    Both,
    /// Our client and a server of the `h2` crate.
    OurClient,
    /// A client of the `h2` crate and our server.
    OurServer,
}

impl Pairing {
    /// Every pairing there is.
    pub const ALL: [Self; 3] = [Self::Both, Self::OurClient, Self::OurServer];
}

/// Runs one connection from its beginning to its end by the choices of the seed.
///
/// # Errors
/// The first thing that was wrong, with the end of the trace.
pub fn run(seed: u64, pairing: Pairing) -> Result<Outcome, Fault> {
    runner::run(&mut Tape::from_seed(seed), |tape, trace| {
        attempt(tape, trace, pairing)
    })
}

/// As [`run`], by a tape, with what happens in `trace`.
pub(crate) fn attempt(
    tape: &mut Tape,
    trace: &mut Trace,
    pairing: Pairing,
) -> Result<Outcome, Fault> {
    let mut plan = Plan::draw(tape);
    spare_h2(&mut plan, pairing);
    let book = Book::new(plan, trace.clone());
    let (low, high) = book.plan.latency;
    let mut sim = turmoil::Builder::new()
        .rng_seed(tape.below(u64::MAX))
        // Any moment will do that is always the same.
        .epoch(UNIX_EPOCH + millis(1_000_000_000_000))
        .simulation_duration(millis(END_MAX))
        .tick_duration(millis(book.plan.tick))
        .min_message_latency(millis(low))
        .max_message_latency(millis(high))
        .tcp_capacity(SOCKET_MESSAGES)
        .build();
    // A host may start several times, each time with choices of its own.
    let starts = Cell::new(tape.below(u64::MAX));
    let at_server = book.clone();
    sim.host("server", move || {
        starts.set(starts.get().wrapping_add(1));
        listen(at_server.clone(), pairing, Tape::from_seed(starts.get()))
    });
    sim.client("client", connect(book.clone(), pairing, tape.fork()));
    let end = drive(&mut sim, &book);
    // What the tasks of the simulation do when they are dropped belongs to no run.
    let outcome = book.close(end);
    *trace = book.trace();
    drop(sim);
    outcome
}

/// Keeps away from what the `h2` crate (0.4.20) is known to do, which would be found again and again.
fn spare_h2(plan: &mut Plan, pairing: Pairing) {
    if pairing == Pairing::Both {
        return;
    }
    // Many small DATA frames that wait to be read count as abuse.
    for request in &mut plan.requests {
        request.part_max = request.part_max.max(1_000);
    }
    plan.h2_client = pairing == Pairing::OurServer;
    if pairing == Pairing::OurClient {
        // Trailers that were on their way for a request that it refused are taken as a fault of the connection, contrary
        // to RFC 9113 §5.1.
        plan.client.concurrent_streams_assumed = plan.server.concurrent_streams_max;
        // When its settings lower the window under a body that is on its way, it does not give back all of its credit.
        plan.server.stream_window_bytes = plan.server.stream_window_bytes.max(65_535);
    }
}

/// Steps through the simulation, with the faults of the network on the way.
fn drive(sim: &mut Sim<'_>, book: &Book) -> Result<(), String> {
    let mut held = false;
    let mut crash = match book.plan.cut {
        Some(Cut::ServerCrashes(after)) => Some(millis(after)),
        _ => None,
    };
    loop {
        let now = sim.elapsed();
        let holds = book
            .plan
            .holds
            .iter()
            .any(|&(from, long)| (millis(from)..millis(from + long)).contains(&now));
        if holds != held {
            held = holds;
            book.note(format_args!(
                "{}",
                if held { "nothing passes" } else { "all passes" }
            ));
            if held {
                book.mark("hold");
                sim.hold("client", "server");
            } else {
                sim.release("client", "server");
            }
        }
        if crash.take_if(|at| *at <= now).is_some() {
            book.note(format_args!("the server crashes"));
            book.mark("crash");
            book.server_fuse.blow();
            sim.crash("server");
        }
        match sim.step() {
            Ok(true) => return Ok(()),
            Ok(false) if book.is_faulty() => return Ok(()),
            Ok(false) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

async fn listen(book: Book, pairing: Pairing, mut tape: Tape) -> turmoil::Result {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    loop {
        let (socket, _) = listener.accept().await?;
        let io = FaultStream::new(
            socket,
            book.plan.server_style,
            tape.fork(),
            book.server_fuse.clone(),
        );
        let served = serve(io, book.clone(), pairing);
        match book.plan.cut {
            Some(Cut::ServerDrops(after)) => {
                let book = book.clone();
                tokio::spawn(async move {
                    if timeout(millis(after), served).await.is_err() {
                        book.note(format_args!("the server's connection was dropped"));
                        book.mark("cut");
                    }
                });
            }
            _ => drop(tokio::spawn(served)),
        }
    }
}

async fn serve(io: Socket, book: Book, pairing: Pairing) {
    match pairing {
        Pairing::Both | Pairing::OurServer => raddle_server::run(io, book).await,
        Pairing::OurClient => h2_peer::run_server(io, book).await,
    }
}

async fn connect(book: Book, pairing: Pairing, tape: Tape) -> turmoil::Result {
    let dialled = timeout(millis(DIAL_MAX), TcpStream::connect(("server", PORT))).await;
    let Ok(Ok(socket)) = dialled else {
        book.note(format_args!("no connection: {dialled:?}"));
        return match book.plan.cut {
            // Nobody answers for a host that is down.
            Some(Cut::ServerCrashes(_)) => Ok(()),
            _ => Err("the server cannot be reached".into()),
        };
    };
    let io = FaultStream::new(socket, book.plan.client_style, tape, Fuse::default());
    match pairing {
        Pairing::Both | Pairing::OurClient => raddle_client::run(io, book).await,
        Pairing::OurServer => h2_peer::run_client(io, book).await,
    }
    Ok(())
}
