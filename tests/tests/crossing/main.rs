//! What a client does while the server does something else: 24 actions of one against 24 of the other, on streams that
//! are in use, in every order on the wire and with the bytes cut at every frame. Nothing is drawn by lot.
//!
//! Whatever crosses, the same must hold. Every stream ends exactly once at each end. No request is called safe to send
//! again that the server's application saw. Nobody sends more than it was granted, and what was granted is all there
//! when everything was read. Neither end accuses the other. And the two ends agree about each request, or differ in a
//! way that a crossing explains.

mod actions;
mod oracle;
mod world;

use actions::{CLIENT, SERVER};
use raddle_tests::wire;
use world::World;

/// Which bytes are where when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// The client acts, some of its bytes arrive, then the server acts; the client's bytes arrive first.
    ClientFirst,
    /// The same with the ends changed.
    ServerFirst,
    /// Both act, and their frames arrive in turns.
    Interleaved,
}

/// Where the bytes of whoever is first are cut: after so many frames, and in the middle of the next when `inside`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cut {
    frames: usize,
    inside: bool,
}

/// No action makes more frames at once that differ from each other.
const FRAMES_MAX: usize = 6;
/// How much of a frame arrives when it is cut inside: its head and a little more.
const INSIDE: usize = 10;

/// Runs one cell; `false` when there is no such cut.
fn run(client: usize, server: usize, order: Order, cut: Cut) -> bool {
    let mut world = World::new();
    let then: fn(&mut World) = match order {
        Order::ServerFirst => {
            (SERVER[server].act)(&mut world);
            world.flush();
            CLIENT[client].act
        }
        Order::ClientFirst => {
            (CLIENT[client].act)(&mut world);
            world.flush();
            SERVER[server].act
        }
        Order::Interleaved => {
            (CLIENT[client].act)(&mut world);
            (SERVER[server].act)(&mut world);
            world.flush();
            |_: &mut World| ()
        }
    };
    let is_up = order != Order::ServerFirst;
    let waiting = if is_up { &world.up } else { &world.down };
    let (frames, _) = wire::frames(waiting);
    let Some(part) = length(&frames, cut) else {
        return false;
    };
    if is_up {
        world.deliver_up(part);
    } else {
        world.deliver_down(part);
    }
    then(&mut world);
    world.flush();
    if order == Order::Interleaved {
        world.deliver_in_turns();
    }
    world.settle();
    world.finish();
    oracle::judge(world);
    true
}

/// The bytes in front of a cut; `None` when there are not so many.
fn length(frames: &[wire::Frame], cut: Cut) -> Option<usize> {
    let len = |frame: &wire::Frame| 9 + frame.payload.len();
    let whole: usize = frames.get(..cut.frames)?.iter().map(len).sum();
    if !cut.inside {
        return Some(whole);
    }
    let next = len(frames.get(cut.frames)?);
    Some(whole + INSIDE.min(next - 1))
}

/// Every cell of one order; answers how many there are.
fn all(order: Order) -> usize {
    let mut cells = 0;
    for (c, client) in CLIENT.iter().enumerate() {
        for (s, server) in SERVER.iter().enumerate() {
            for frames in 0..=FRAMES_MAX {
                for inside in [false, true] {
                    let cut = Cut { frames, inside };
                    let cell = || run(c, s, order, cut);
                    match std::panic::catch_unwind(cell) {
                        Ok(ran) => cells += usize::from(ran),
                        Err(_) => panic!(
                            "client: {}; server: {}; {order:?}, {cut:?}",
                            client.name, server.name
                        ),
                    }
                }
            }
        }
    }
    println!("{order:?}: {cells} cells");
    // Each pair of actions has at least the cut in front of everything.
    assert!(cells > CLIENT.len() * SERVER.len());
    cells
}

#[test]
fn the_clients_bytes_arrive_first() {
    all(Order::ClientFirst);
}

#[test]
fn the_servers_bytes_arrive_first() {
    all(Order::ServerFirst);
}

#[test]
fn frames_arrive_in_turns() {
    all(Order::Interleaved);
}

#[test]
fn there_are_as_many_actions_as_the_matrix_promises() {
    assert_eq!((CLIENT.len(), SERVER.len()), (24, 24));
    let names: std::collections::BTreeSet<_> = CLIENT.iter().map(|action| action.name).collect();
    assert_eq!(names.len(), 24);
    let names: std::collections::BTreeSet<_> = SERVER.iter().map(|action| action.name).collect();
    assert_eq!(names.len(), 24);
}
