//! Every order in which threads can meet at the write lock and in the line for a stream, by loom.

use std::{future::poll_fn, task::Poll};

use loom::{
    future::block_on,
    model::Builder,
    sync::{Arc, Mutex},
    thread,
};

#[path = "../src/permits.rs"]
#[allow(dead_code, reason = "each model uses its part")]
mod permits;
#[path = "support/loom_sync.rs"]
mod sync;
#[path = "../src/turn.rs"]
#[allow(dead_code, reason = "each model uses its part")]
mod turn;

use permits::Permits;
use turn::Turn;

/// Runs a model in every order with up to three switches that nobody asked for, which is where such bugs show.
fn every_order(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// A connection whose frames are all alike.
struct Shared {
    /// Frames that the engine has for the transport.
    wants: Mutex<u32>,
    writer: Turn<Writer>,
    transport: Mutex<Transport>,
}

#[derive(Default)]
struct Writer {
    out: u32,
    written: u32,
}

/// Takes everything once it is ready, and wakes the driver then if it was found not to be.
#[derive(Default)]
struct Transport {
    ready: bool,
    wakes: bool,
}

impl Shared {
    fn new(ready: bool) -> Arc<Self> {
        let transport = Transport {
            ready,
            wakes: false,
        };
        Arc::new(Self {
            wants: Mutex::new(0),
            writer: Turn::new(Writer::default()),
            transport: Mutex::new(transport),
        })
    }

    fn wants(&self) -> bool {
        *self.wants.lock().unwrap() > 0
    }

    fn send(&self) {
        *self.wants.lock().unwrap() += 1;
        self.flush();
    }

    fn flush(&self) {
        let work = |writer: &mut Writer| {
            loop {
                writer.out += std::mem::take(&mut *self.wants.lock().unwrap());
                if writer.out == 0 {
                    return;
                }
                let mut transport = self.transport.lock().unwrap();
                if !transport.ready {
                    transport.wakes = true;
                    return;
                }
                writer.written += std::mem::take(&mut writer.out);
            }
        };
        self.writer.work(work);
    }

    /// The transport has room, and the system wakes the driver.
    fn becomes_ready(&self) {
        let mut transport = self.transport.lock().unwrap();
        transport.ready = true;
        let wakes = std::mem::take(&mut transport.wakes);
        drop(transport);
        if wakes {
            self.flush();
        }
    }

    fn is_flushed(&self) -> bool {
        let done = |writer: &mut Writer| writer.out == 0;
        self.writer.is_done(|| self.wants(), done, || self.flush())
    }

    fn written(&self) -> u32 {
        self.writer.look(|writer| writer.written, || ())
    }
}

#[test]
fn what_two_send_at_once_is_written() {
    every_order(|| {
        let shared = Shared::new(true);
        let other = Arc::clone(&shared);
        let sending = thread::spawn(move || other.send());
        shared.send();
        sending.join().unwrap();
        assert_eq!(shared.written(), 2);
    });
}

#[test]
fn what_a_full_transport_has_not_taken_is_written_when_it_has_room() {
    every_order(|| {
        let shared = Shared::new(false);
        let other = Arc::clone(&shared);
        let system = thread::spawn(move || other.becomes_ready());
        shared.send();
        system.join().unwrap();
        assert_eq!(shared.written(), 1);
    });
}

#[test]
fn a_look_at_the_writer_loses_nobody() {
    every_order(|| {
        let shared = Shared::new(true);
        let other = Arc::clone(&shared);
        let sending = thread::spawn(move || other.send());
        shared.is_flushed();
        sending.join().unwrap();
        assert_eq!(shared.written(), 1);
    });
}

#[test]
fn a_transport_is_not_closed_over_what_it_has_not_taken() {
    every_order(|| {
        let shared = Shared::new(false);
        // The engine has its last words, and does not make more.
        *shared.wants.lock().unwrap() = 1;
        let other = Arc::clone(&shared);
        let flushing = thread::spawn(move || other.flush());
        assert!(!shared.is_flushed());
        flushing.join().unwrap();
    });
}

/// The line for the one stream of a connection.
#[derive(Default)]
struct Line(Mutex<Permits>);

impl Line {
    /// Changes the line and wakes whose turn has come, as a command does.
    fn command(&self, change: impl FnOnce(&mut Permits)) {
        let mut permits = self.0.lock().unwrap();
        change(&mut permits);
        let due: Vec<_> = permits.due(1).collect();
        drop(permits);
        due.into_iter().for_each(std::task::Waker::wake);
    }

    /// Waits for a permit and gives it back.
    fn pass(&self) {
        let mut ticket = None;
        block_on(poll_fn(|cx| {
            let mut permits = self.0.lock().unwrap();
            match permits.acquire(&mut ticket, 1, cx.waker()) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        }));
        self.command(Permits::settle);
    }

    /// Asks once and goes away again.
    fn ask_and_leave(&self) {
        let mut ticket = None;
        let given = block_on(poll_fn(|cx| {
            let mut permits = self.0.lock().unwrap();
            Poll::Ready(permits.acquire(&mut ticket, 1, cx.waker()))
        }));
        self.command(|permits| match ticket {
            _ if given => permits.settle(),
            Some(ticket) => permits.leave(ticket),
            None => unreachable!("it is in line"),
        });
    }
}

#[test]
fn a_permit_passes_on_to_everyone_in_line() {
    every_order(|| {
        let line = Arc::new(Line::default());
        let other = Arc::clone(&line);
        let passing = thread::spawn(move || other.pass());
        line.pass();
        passing.join().unwrap();
        assert!(line.0.lock().unwrap().try_acquire(1));
    });
}

#[test]
fn who_leaves_the_line_takes_no_permit_with_it() {
    every_order(|| {
        let line = Arc::new(Line::default());
        assert!(line.0.lock().unwrap().try_acquire(1));
        let (first, second) = (Arc::clone(&line), Arc::clone(&line));
        let leaving = thread::spawn(move || first.ask_and_leave());
        let passing = thread::spawn(move || second.pass());
        line.command(Permits::settle);
        leaving.join().unwrap();
        passing.join().unwrap();
        assert!(line.0.lock().unwrap().try_acquire(1));
    });
}
