//! The engine against itself and against bytes written by hand.

mod accounts;
mod by_hand;
mod commands;
mod deadlines;
mod explain;
mod goaways;
mod heads;
mod honest;
mod idle;
mod joined;
mod known;
mod moments;
mod normal;
mod pair;
mod places;
mod priorities;
mod schedule;
mod slots;
mod states;
mod strikes;
mod stumbles;
mod unpaid;
mod windows;

use crate::RequestHead;

fn get(path: &str) -> RequestHead {
    RequestHead::new(b"GET", b"https", Some(b"example.org"), path.as_bytes()).finish()
}

fn post(path: &str) -> RequestHead {
    RequestHead::new(b"POST", b"https", Some(b"example.org"), path.as_bytes()).finish()
}
