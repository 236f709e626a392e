//! What happens to the network and to hosts while a simulation goes on.

use std::time::Duration;

use turmoil::Sim;

use super::{
    END_MAX,
    book::Book,
    lull::Lull,
    plan::{Cut, millis},
};
use crate::tape::Tape;

/// Hosts of servers: the first, and those that only a pool talks to.
pub(super) const SERVERS: [&str; 3] = ["server", "server1", "server2"];
/// The host of the client.
pub(super) const CLIENT: &str = "client";

/// What is to come.
struct Weather<'b> {
    book: &'b Book,
    servers: usize,
    held: bool,
    cut_off: bool,
    crash: Option<Duration>,
    bounce: Option<Duration>,
}

/// Steps through the simulation, with the faults of the network on the way.
pub(super) fn drive(sim: &mut Sim<'_>, book: &Book, servers: usize) -> Result<(), String> {
    let crash = match book.plan.cut {
        Some(Cut::ServerCrashes(after)) => Some(millis(after)),
        _ => None,
    };
    let mut weather = Weather {
        book,
        servers,
        held: false,
        cut_off: false,
        crash,
        bounce: None,
    };
    let mut lull = Lull::new(millis(book.plan.tick));
    loop {
        weather.change(sim);
        match sim.step() {
            Ok(true) => return Ok(()),
            Ok(false) if book.is_faulty() => return Ok(()),
            Ok(false) => {}
            Err(error) => return Err(error.to_string()),
        }
        let now = weather.now(sim);
        if now > millis(END_MAX) {
            return Err(format!("I-21: not at its end after {now:?}"));
        }
        lull.pass(sim, book, weather.held, weather.next(now) - now);
    }
}

impl Weather<'_> {
    /// The moment that it is for hosts.
    fn now(&self, sim: &Sim<'_>) -> Duration {
        self.book.reached(sim.elapsed())
    }

    /// When something changes next, behind `now`.
    fn next(&self, now: Duration) -> Duration {
        let plan = &self.book.plan;
        let partition = match plan.cut {
            Some(Cut::Partition(at, long)) => Some((at, long)),
            _ => None,
        };
        let during = plan.holds.iter().copied().chain(partition);
        during
            .flat_map(|(at, long)| [millis(at), millis(at + long)])
            .chain(self.crash)
            .chain(self.bounce)
            .filter(|at| *at > now)
            .min()
            .unwrap_or(Duration::MAX)
    }

    fn change(&mut self, sim: &mut Sim<'_>) {
        let now = self.now(sim);
        let during = |from: u64, long: u64| (millis(from)..millis(from + long)).contains(&now);
        let servers = &SERVERS[..self.servers];
        let held = self
            .book
            .plan
            .holds
            .iter()
            .any(|&(at, long)| during(at, long));
        if held != std::mem::replace(&mut self.held, held) {
            self.told("hold", held, "nothing passes", "all passes");
            for &server in servers {
                match held {
                    true => sim.hold(CLIENT, server),
                    false => sim.release(CLIENT, server),
                }
            }
        }
        let cut_off =
            matches!(self.book.plan.cut, Some(Cut::Partition(at, long)) if during(at, long));
        if cut_off != std::mem::replace(&mut self.cut_off, cut_off) {
            self.told(
                "partition",
                cut_off,
                "what is sent is lost",
                "nothing is lost any more",
            );
            match cut_off {
                true => sim.partition(CLIENT, SERVERS[0]),
                false => sim.repair(CLIENT, SERVERS[0]),
            }
        }
        if self.crash.take_if(|at| *at <= now).is_some() {
            self.told("crash", true, "the server crashes", "");
            self.book.runtime_ends();
            self.book.server_fuse().blow();
            self.book.stops(SERVERS[0]);
            sim.crash(SERVERS[0]);
            self.bounce = self.book.plan.bounce.map(|after| now + millis(after));
        }
        if self.bounce.take_if(|at| *at <= now).is_some() {
            self.told("bounce", true, "the server starts again", "");
            self.book.new_server_fuse();
            sim.bounce(SERVERS[0]);
        }
    }

    fn told(&self, mark: &'static str, begins: bool, begin: &str, end: &str) {
        self.book
            .note(format_args!("{}", if begins { begin } else { end }));
        if begins {
            self.book.mark(mark);
        }
    }
}

/// Stalls a random subset of the pool's connections one by one, and releases them one by one in another order.
pub(super) async fn swizzle(book: Book, mut tape: Tape) {
    let Some((at, gap)) = book.plan.pool.swizzle else {
        return;
    };
    tokio::time::sleep(millis(at)).await;
    let mut clogs = book.clogs();
    shuffle(&mut clogs, &mut tape);
    clogs.truncate(1 + tape.index(clogs.len().max(1)));
    for stalled in [true, false] {
        for (number, clog) in &clogs {
            book.note(format_args!("connection {number} is stalled: {stalled}"));
            clog.set(stalled);
            tokio::time::sleep(millis(gap)).await;
        }
        if stalled && clogs.len() > 1 {
            book.all_stalled();
        }
        shuffle(&mut clogs, &mut tape);
    }
}

fn shuffle<T>(items: &mut [T], tape: &mut Tape) {
    for at in (1..items.len()).rev() {
        items.swap(at, tape.index(at + 1));
    }
}
