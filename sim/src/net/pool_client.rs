//! Our pool: it makes the requests of the plan on as many connections as it likes.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use raddle_core::{ErrorCode, Origin, Role};
use raddle_io::{Client, Connect, Dialing, Error, Kind, OnInformational, Pool, Protocol, Target};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tower_service::Service;

use super::{
    bodies::Parts,
    book::{Book, LAST},
    plan::{Cut, millis},
    raddle_client::{failed, in_time, read},
    request::Request,
    weather,
};
use crate::{oracle::Way, outcome::Fault, tape::Tape};

/// Milliseconds after which everything that may go wrong has gone wrong, and what it has broken has been noticed.
const HEALED: u64 = 12_000;
/// How often the last request is tried, each time after this many milliseconds: also when each of the connections that
/// are ended ends under one of them.
const TRIES: u64 = super::ENDED_MAX as u64 + 4;
const PAUSE: u64 = 2_000;

/// Milliseconds in which a connection ends that nobody wants any more when it is there.
const LATE_MAX: u64 = 60_000;
/// How often somebody looks whether they have, in milliseconds.
const LOOK_EVERY: u64 = 100;

/// Opens the pool's connections over the simulated network.
struct Dialer {
    book: Book,
    tape: Mutex<Tape>,
    /// Whether a connection was dialed: the first one alone is dropped, else nothing might ever end.
    dialed: AtomicBool,
}

impl Connect for Dialer {
    fn connect(&self, target: Target) -> Dialing {
        let book = self.book.clone();
        let mut tape = self.tape.lock().expect("nobody panics here").fork();
        let first = !self.dialed.swap(true, Ordering::Relaxed);
        Box::pin(async move {
            let mut dial = Dial {
                era: book.dial_begins(target.host()),
                host: target.host().to_owned(),
                opened: false,
                book: book.clone(),
            };
            not_at_all(&book, &mut tape).await?;
            let opened = open(&book, tape, &target, first, dial.era).await;
            dial.opened = opened.is_ok();
            opened
        })
    }
}

/// Fails, or has no end, as connectors of one's own may.
async fn not_at_all(book: &Book, tape: &mut Tape) -> Result<(), Error> {
    tape.lane("dials");
    let fails = tape.chance(book.dials_fail(), 100);
    let hangs = tape.chance(1, 4);
    tape.lane("main");
    match (fails, hangs) {
        (false, _) => Ok(()),
        (true, false) => Err(Error::connect("it was to fail")),
        (true, true) => std::future::pending().await,
    }
}

/// A dial that is under way, which the pool may give up.
struct Dial {
    era: u32,
    host: String,
    opened: bool,
    book: Book,
}

impl Drop for Dial {
    fn drop(&mut self) {
        self.book.dial_ends(&self.host, self.era, self.opened);
    }
}

async fn open(
    book: &Book,
    tape: Tape,
    target: &Target,
    first: bool,
    era: u32,
) -> Result<Client, Error> {
    book.note(format_args!("the pool dials {target}"));
    let book = book.clone().of_connection();
    let clog = book.add_clog();
    let socket = super::dial(target.host(), &book, tape, clog).await;
    let socket = socket.map_err(Error::connect)?;
    let (client, driver) = raddle_io::connect(socket, book.plan.client.clone()).await?;
    let watched = book.clone();
    let dropped = match book.plan.cut {
        Some(Cut::ClientDrops(after)) if first => Some(millis(after)),
        _ => None,
    };
    let host = target.host().to_owned();
    tokio::spawn(async move {
        let late = watched.is_late(era).then(|| millis(LATE_MAX));
        let limit = dropped.or(late).unwrap_or(Duration::from_secs(86_400));
        let end = timeout(limit, driver).await;
        if let Ok(end) = &end {
            watched.has_its_end(Role::Client, end);
        }
        match &end {
            Ok(Err(error)) => {
                watched.accused("the pool", error.violation());
                watched.connection_failed(error);
            }
            Err(_) if dropped.is_none() && late.is_some() => {
                watched.fault(Fault::run("I-16: what was dialed before the drain is kept"));
            }
            _ => {}
        }
        watched.note(format_args!("a connection of the pool's ends: {end:?}"));
        watched.has_ended(&host);
    });
    Ok(client)
}

pub(super) async fn run(book: Book, mut tape: Tape) -> turmoil::Result {
    tokio::spawn(weather::swizzle(book.clone(), tape.fork()));
    let dialer = Dialer {
        book: book.clone(),
        tape: Mutex::new(tape),
        dialed: AtomicBool::new(false),
    };
    let pool = Pool::new(dialer, book.plan.pool.config());
    if let Some((Role::Client, after)) = book.plan.drain {
        let (pool, book) = (pool.clone(), book.clone());
        tokio::spawn(async move {
            sleep(millis(after)).await;
            book.note(format_args!("the pool drains"));
            book.mark("drain by client");
            book.pool_drains();
            pool.drain();
        });
    }
    let mut workers = JoinSet::new();
    for worker in 0..book.plan.workers {
        workers.spawn(work(pool.clone(), worker, book.clone()));
    }
    while workers.join_next().await.is_some() {}
    book.has_delivered(pool.stats());
    last(&pool, &book).await;
    idle(&pool, &book).await;
    let stats = pool.stats();
    book.note(format_args!("{stats:?}"));
    if stats.connections as u64 > book.plan.pool.servers * book.plan.pool.connections_max as u64 {
        book.fault(Fault::run(format!(
            "I-17: more connections than may be: {stats:?}"
        )));
    }
    if stats.resent > 0 {
        book.mark("sent again by the pool");
    }
    if stats.opened > 1 {
        book.mark("several connections");
    }
    book.client_is_done();
    drop(pool);
    no_connection_stays(&book).await;
    book.nothing_is_in_use().await;
    Ok(())
}

/// I-16: without the pool its connections end.
async fn no_connection_stays(book: &Book) {
    for _ in 0..LATE_MAX / LOOK_EVERY {
        if book.connections() == 0 {
            return;
        }
        sleep(millis(LOOK_EVERY)).await;
    }
    book.fault(Fault::run(format!(
        "I-16: {} connections are left behind the pool",
        book.connections()
    )));
}

/// What nobody uses is let go.
async fn idle(pool: &Pool, book: &Book) {
    let idle_max = book.plan.pool.idle_max;
    // What has broken may take its time to be noticed.
    if book.disturbed() || idle_max > 10_000 {
        return;
    }
    sleep(millis(2 * idle_max + 1_000)).await;
    let stats = pool.stats();
    book.mark("idle");
    if stats.connections + stats.streams > 0 {
        book.fault(Fault::run(format!("I-16: what is idle stays: {stats:?}")));
    }
}

/// I-03: when all is well again, the pool is, too.
async fn last(pool: &Pool, book: &Book) {
    // What lasts is what it is.
    book.dials_succeed();
    if book.is_broken_for_good() {
        return;
    }
    if book.disturbed() {
        sleep(millis(HEALED)).await;
    }
    let mut why = String::new();
    for _ in 0..TRIES {
        let head =
            http::Request::get(format!("http://server{LAST}")).body(raddle_io::RecvBody::empty());
        let answer = pool.clone().call(head.expect("the head is plain"));
        match timeout(millis(PAUSE * 5), answer).await {
            // It has no such request, and says so by a reset.
            Ok(Ok(_)) => return,
            Ok(Err(error)) if is_unknown_there(&error) => return,
            Ok(Err(error)) => why = error.to_string(),
            Err(_) => why = "no answer in time".into(),
        }
        sleep(millis(PAUSE)).await;
    }
    book.fault(Fault::run(format!(
        "I-03: all is well again, but not for the pool: {why}"
    )));
}

/// Whether a server has said that it has no such request.
fn is_unknown_there(error: &Error) -> bool {
    matches!(
        error.kind(),
        Kind::Stream(error) if error.origin == Origin::Remote && error.code == ErrorCode::INTERNAL_ERROR
    )
}

/// Makes every request whose turn is with this worker.
async fn work(pool: Pool, worker: usize, book: Book) {
    let mine = |request: &&Request| request.n as usize % book.plan.workers == worker;
    for request in book.plan.requests.iter().filter(mine) {
        sleep(millis(request.pause)).await;
        let n = request.n;
        book.tell(n, "is made", |oracle| oracle.register(n, request.up()));
        in_time(request, exchange(pool.clone(), request, &book), &book).await;
    }
}

async fn exchange(mut pool: Pool, request: &Request, book: &Book) {
    let n = request.n;
    let host = book.host_of(n);
    let mut body = Parts::new(request.up(), Way::Up, request).counted(book);
    let head = http::Request::builder()
        .method(if body.is_empty() { "GET" } else { "POST" })
        .uri(format!("http://{host}/{n}"));
    let head = match request.tunnel {
        true => head
            .method("CONNECT")
            .extension(Protocol("echo".to_owned())),
        false => head,
    };
    let head = match request.length(Way::Up) {
        Some(length) => head.header("content-length", length),
        None => head,
    };
    let head = match request.watches {
        true => head.extension(interims_to(n, book)),
        false => head,
    };
    let has_body = !body.is_empty();
    let asked = book.asks(n, has_body, body.touched(), pool.stats());
    book.asks_the_pool(host);
    let gate = request.waits.then(|| body.gate());
    let answer = pool.call(head.body(body).expect("the head is plain")).await;
    drop(gate);
    match answer {
        Ok(response) => read(n, response, book).await,
        Err(error) => {
            book.not_sent_again(&error, has_body);
            book.owes_a_reason(&asked, &error, pool.stats());
            failed(n, &error, book);
        }
    }
}

/// Has the interim responses to request `n` told as they come.
fn interims_to(n: u64, book: &Book) -> OnInformational {
    let book = book.clone();
    OnInformational::new(move |head| book.interim(n, &head))
}
