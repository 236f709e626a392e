//! Client and server over a simulated network, with the runtime, the sockets and the clock of the simulation.
//!
//! Between each side and its socket lies a [`FaultStream`], because the simulated network delivers a
//! write as it was made: short reads and writes come from there. The network holds messages back, and connections are
//! dropped, crash or fail at any byte. The `h2` crate takes part as either side.

mod bodies;
mod book;
mod course;
mod delivery;
mod dials;
mod frames;
mod h2_peer;
mod handles;
mod interims;
mod leftovers;
mod lull;
mod plan;
mod pool_client;
mod pool_plan;
mod races;
mod raddle_client;
mod raddle_server;
mod request;
mod socket;
mod tap;
mod verdicts;
mod weather;

use std::{cell::Cell, net::Ipv4Addr, time::UNIX_EPOCH};

use raddle_core::Role;
use raddle_io::BoxError;
use tokio::time::timeout;
use turmoil::net::{TcpListener, TcpStream};

use self::{
    book::Book,
    plan::{Cut, Plan, millis},
    request::{Answer, Fate},
    socket::Socket,
    weather::{CLIENT, SERVERS},
};
use crate::{
    faulty::{Clog, FaultStream},
    outcome::{Fault, Outcome},
    runner,
    tape::Tape,
    trace::Trace,
};

/// The port that the server listens on.
const PORT: u16 = 80;
/// Milliseconds of the simulation's clock in which a run has to come to its end.
const END_MAX: u64 = 600_000;
/// Connections that a server ends, by a drain or without a word.
const ENDED_MAX: u32 = 8;
/// Milliseconds in which a server answers that can be reached at all.
const DIAL_MAX: u64 = 10_000;
/// Who talks to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    /// Our client and our server.
    Both,
    /// Our client and a server of the `h2` crate.
    OurClient,
    /// A client of the `h2` crate and our server.
    OurServer,
    /// Our pool and one to three of our servers.
    Pool,
}

impl Pairing {
    /// Every pairing there is.
    pub const ALL: [Self; 4] = [Self::Both, Self::OurClient, Self::OurServer, Self::Pool];
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

/// How the pool of a run is set up.
#[cfg(test)]
pub(crate) fn pool_configured(tape: &mut Tape) -> raddle_io::PoolConfig {
    Plan::draw(tape).pool.config()
}

/// As [`run`], by a tape, with what happens in `trace`.
pub(crate) fn attempt(
    tape: &mut Tape,
    trace: &mut Trace,
    pairing: Pairing,
) -> Result<Outcome, Fault> {
    let mut plan = Plan::draw(tape);
    plan.pooled = pairing == Pairing::Pool;
    spare_h2(&mut plan, pairing);
    trace.tell_options(|| plan.options());
    let book = Book::new(plan, trace.clone());
    let (low, high) = book.plan.latency;
    let mut sim = turmoil::Builder::new()
        .rng_seed(tape.below(u64::MAX))
        // Any moment will do that is always the same.
        .epoch(UNIX_EPOCH + millis(1_000_000_000_000))
        .simulation_duration(millis(2 * END_MAX))
        .tick_duration(millis(book.plan.tick))
        .min_message_latency(millis(low))
        .max_message_latency(millis(high))
        .tcp_capacity(book.plan.socket_messages)
        .build();
    let servers = match pairing {
        Pairing::Pool => book.plan.pool.servers as usize,
        _ => 1,
    };
    for &host in &SERVERS[..servers] {
        // A host may start several times, each time with choices of its own.
        let starts = Cell::new(tape.below(u64::MAX));
        let at_server = book.clone();
        sim.host(host, move || {
            starts.set(starts.get().wrapping_add(1));
            let tape = Tape::from_seed(starts.get());
            listen(at_server.clone(), pairing, host, tape)
        });
    }
    sim.client(CLIENT, connect(book.clone(), pairing, tape.fork()));
    let end = weather::drive(&mut sim, &book, servers);
    // What the tasks of the simulation do when they are dropped belongs to no run.
    let outcome = book.close(end);
    *trace = book.trace();
    drop(sim);
    outcome
}

/// Keeps away from what the `h2` crate (0.4.20) is known to do, which would be found again and again.
fn spare_h2(plan: &mut Plan, pairing: Pairing) {
    if matches!(pairing, Pairing::Both | Pairing::Pool) {
        return;
    }
    // Many small DATA frames that wait to be read count as abuse.
    for request in &mut plan.requests {
        request.part_max = request.part_max.max(1_000);
    }
    plan.h2_client = pairing == Pairing::OurServer;
    for request in &mut plan.requests {
        // Nobody there has enough of an answer.
        if plan.h2_client && request.down_fate == Fate::Stays {
            request.down_fate = Fate::Ends;
        }
    }
    plan.h2_server = pairing == Pairing::OurClient;
    // It waits for ever for a socket to shut down.
    plan.client_style.stays_open &= !plan.h2_client;
    plan.server_style.stays_open &= !plan.h2_server;
    // It never notices that nothing comes any more; small sockets of the simulation lose the news of an end, too.
    if plan.h2_client {
        plan.socket_messages = 1_024;
    }
    if let Some(Cut::WritesWait(role, _)) = plan.cut
        && (role == Role::Client) == plan.h2_client
    {
        // Nor that nobody takes what it writes.
        plan.cut = None;
        plan.style(role).stands_still_after = None;
    }
    if plan.h2_client && matches!(plan.cut, Some(Cut::SocketWedges(..) | Cut::Partition(..))) {
        plan.cut = None;
        plan.client_style.wedges_after = None;
        plan.server_style.wedges_after = None;
    }
    if let Some(Cut::WritesFail(role, after)) = plan.cut
        && (role == Role::Client) == plan.h2_client
    {
        // It need not read what had arrived.
        plan.cut = Some(Cut::SocketFails(role, after));
        plan.style(role).writes_fail_after = None;
        plan.style(role).fails_after = Some(after);
    }
    if pairing == Pairing::OurClient {
        for request in &mut plan.requests {
            // It reads the whole before it echoes.
            request.waits &= request.answer != Answer::Echo;
        }
        // Trailers that were on their way for a request that it refused are taken as a fault of the connection, contrary
        // to RFC 9113 §5.1.
        plan.client.concurrent_streams_assumed = plan.server.concurrent_streams_max;
        // When its settings lower the window under a body that is on its way, it does not give back all of its credit.
        plan.server.stream_window_bytes = plan.server.stream_window_bytes.max(65_535);
    }
}

async fn listen(
    book: Book,
    pairing: Pairing,
    host: &'static str,
    mut tape: Tape,
) -> turmoil::Result {
    book.starts(host);
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    let mut drops = 0;
    loop {
        let (socket, _) = listener.accept().await?;
        // The first host is the one that crashes.
        let fuse = if host == SERVERS[0] {
            book.server_fuse()
        } else {
            book.other_fuse()
        };
        let io = FaultStream::new(socket, book.style(false), tape.fork(), fuse);
        let served = serve(io, book.clone(), pairing);
        match book.plan.cut {
            // If each was dropped, nothing might ever be done.
            Some(Cut::ServerDrops(after)) if drops < ENDED_MAX => {
                drops += 1;
                let book = book.clone();
                tokio::spawn(async move {
                    if timeout(millis(after), served).await.is_err() {
                        book.note(format_args!("the server's connection was dropped"));
                        book.mark("cut");
                        book.server_left();
                    }
                });
            }
            _ => drop(tokio::spawn(served)),
        }
    }
}

async fn serve(io: FaultStream<TcpStream>, book: Book, pairing: Pairing) {
    let book = book.of_connection();
    let Some(io) = socket::accepted(io, &book).await else {
        return;
    };
    match pairing {
        Pairing::Both | Pairing::OurServer | Pairing::Pool => raddle_server::run(io, book).await,
        Pairing::OurClient => h2_peer::run_server(io, book).await,
    }
}

async fn connect(book: Book, pairing: Pairing, mut tape: Tape) -> turmoil::Result {
    book.starts(CLIENT);
    if pairing == Pairing::Pool {
        return pool_client::run(book, tape).await;
    }
    let book = book.of_connection();
    let mut dialled = dial(SERVERS[0], &book, tape.fork(), Clog::default()).await;
    if dialled.is_err() && book.may_dial_again() {
        dialled = dial(SERVERS[0], &book, tape.fork(), Clog::default()).await;
    }
    let socket = match dialled {
        Ok(socket) => socket,
        Err(error) => {
            book.note(format_args!("no connection: {error}"));
            return match book.plan.cut {
                // Nobody answers for a host that is down or cut off, and TLS needs a socket that works.
                Some(_) => Ok(()),
                None => Err("the server cannot be reached".into()),
            };
        }
    };
    match pairing {
        Pairing::OurServer => h2_peer::run_client(socket, book.clone()).await,
        _ => raddle_client::run(socket, book.clone()).await,
    }
    book.nothing_is_in_use().await;
    Ok(())
}

/// Opens a connection to `host`.
async fn dial(host: &str, book: &Book, tape: Tape, clog: Clog) -> Result<Socket, BoxError> {
    let dialled = async {
        let socket = TcpStream::connect((host, PORT)).await?;
        let fuse = book.other_fuse();
        let io = FaultStream::new(socket, book.style(true), tape, fuse).clogged(clog);
        Ok::<_, BoxError>(socket::dialled(io, host, book).await?)
    };
    timeout(millis(DIAL_MAX), dialled).await?
}
