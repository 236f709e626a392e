//! The races that simulation has to meet: two things that happen in either order, or at once.
//!
//! Each has marks that its world hits when it comes to pass. A campaign of any length has to hit them all: one that is
//! never hit says that the simulation tests less than it seems to.

use crate::outcome::Marks;

/// A race, and what stands for it.
#[derive(Clone, Copy, Debug)]
pub struct Race {
    /// Its short name.
    pub id: &'static str,
    /// What happens at once.
    pub what: &'static str,
    /// The mark that is hit when it comes to pass.
    pub mark: &'static str,
}

impl Race {
    /// How often it came to pass.
    #[must_use]
    pub fn hits(&self, marks: &Marks) -> u64 {
        marks.count(self.mark)
    }
}

const fn race(id: &'static str, mark: &'static str, what: &'static str) -> Race {
    Race { id, what, mark }
}

/// Races between engines.
const ENGINES: &[Race] = &[
    race(
        "B02",
        "reset by client",
        "a client resets while the answer is on its way",
    ),
    race(
        "B05",
        "reset by server",
        "a server resets while the request is on its way",
    ),
    race(
        "B03",
        "stop sending",
        "a whole answer, and a reset that stops the upload",
    ),
    race("B15", "burst", "frames on streams that have been forgotten"),
    race("C19", "discard", "a body is dropped while it arrives"),
    race("F01", "ping", "a PING among everything else"),
    race("F02", "stall", "one way stands still, the other goes on"),
    race(
        "G01",
        "opened while closing",
        "a request comes behind the end of a connection",
    ),
    race(
        "G05",
        "goaway by peer",
        "GOAWAY in steps, with streams open above and below",
    ),
    race(
        "G11",
        "drain by server",
        "a server drains with streams open",
    ),
    race(
        "G12",
        "drain by client",
        "a client drains with streams open",
    ),
    race("H01", "cut", "the transport ends at any byte"),
    race(
        "H09",
        "close",
        "one side ends the connection with streams open",
    ),
    race(
        "P15",
        "queue full",
        "a request comes when the line for a stream is full",
    ),
    race("S01", "interim", "interim answers before the final one"),
    race("S04", "trailers", "trailers behind a body"),
    race("E04", "violation", "a peer breaks a rule with streams open"),
    race(
        "X01",
        "events full",
        "more happens at once than events are kept",
    ),
];

/// Races of clients and servers over a network.
const NETWORK: &[Race] = &[
    race(
        "H01",
        "cut",
        "the transport ends in the middle of exchanges",
    ),
    race(
        "G11",
        "drain by server",
        "a server drains while requests are under way",
    ),
    race("F06", "hold", "the network holds everything back"),
    race("P13", "crash", "the server's host dies"),
    race(
        "B02",
        "reset by client",
        "a client resets while the answer is on its way",
    ),
    race(
        "B05",
        "reset by server",
        "a server resets while the request is on its way",
    ),
];

/// The races of a tier.
#[must_use]
pub fn of_tier(tier: u8) -> Vec<Race> {
    match tier {
        0 => ENGINES.to_vec(),
        _ => NETWORK.to_vec(),
    }
}
