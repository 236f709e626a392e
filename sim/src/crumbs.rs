//! I-05: how what arrives is cut makes no difference, and neither does how what leaves is.
//!
//! Some runs are made once more, in which engines get the same bytes at the same moments in crumbs, and transports take the
//! same bytes of them in crumbs, in each of the ways in which one can. They have to take the same course to the last event.

use std::io::IoSlice;

use bytes::{Buf, BytesMut};
use raddle_core::{Connection, Input, Timestamp, Transmit};

use crate::outcome::Fault;

/// Bytes of one crumb after the other, over and over. Frames have heads of 9 bytes.
const SIZES: [usize; 8] = [1, 2, 1, 7, 9, 3, 40, 1_000];

/// Lets `conn` read `input`, in crumbs if asked for. Of the input so many bytes were `offered` before, and are not new.
pub(crate) fn read(
    conn: &mut Connection,
    input: &mut BytesMut,
    offered: &mut usize,
    now: Timestamp,
    crumbs: bool,
) -> Input {
    let verdict = match crumbs {
        false => conn.handle_input(input, now),
        true => in_crumbs(conn, input, *offered, now),
    };
    *offered = match verdict {
        Input::NeedMore { .. } => input.len(),
        Input::EventsFull | Input::Closed => 0,
    };
    verdict
}

fn in_crumbs(conn: &mut Connection, input: &mut BytesMut, offered: usize, now: Timestamp) -> Input {
    let mut rest = input.split();
    let mut old = offered;
    let mut sizes = SIZES.iter().cycle();
    loop {
        let size = sizes
            .next()
            .map_or(1, |&size| size)
            .max(std::mem::take(&mut old))
            .min(rest.len());
        input.extend_from_slice(&rest.split_to(size));
        let verdict = conn.handle_input(input, now);
        if rest.is_empty() || !matches!(verdict, Input::NeedMore { .. }) {
            input.extend_from_slice(&rest);
            return verdict;
        }
    }
}

/// Lets a transport take `len` bytes off the front of `out`, in crumbs if asked for.
pub(crate) fn take(out: &mut Transmit, len: usize, crumbs: bool, mut put: impl FnMut(&[u8])) {
    let mut left = len;
    let mut sizes = SIZES.iter().cycle().enumerate();
    while left > 0 {
        let (n, size) = match crumbs {
            true => sizes.next().map_or((0, left), |(n, &size)| (n, size)),
            false => (0, left),
        };
        let size = size.min(left);
        left -= match n % 3 {
            0 => {
                let some = out.chunk().len().min(size);
                put(&out.chunk()[..some]);
                out.advance(some);
                some
            }
            1 => {
                put(&out.copy_to_bytes(size));
                size
            }
            _ => {
                let mut slices = [IoSlice::new(&[]); 4];
                let filled = out.chunks_vectored(&mut slices);
                let mut some = 0;
                for slice in &slices[..filled] {
                    let part = slice.len().min(size - some);
                    put(&slice[..part]);
                    some += part;
                }
                out.advance(some);
                some
            }
        };
    }
}

/// What an engine tells of itself, but for the work that a call costs.
fn state(conn: &Connection) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut stats = conn.stats();
    stats.work_units = 0;
    let lifecycle = conn.lifecycle();
    // What is over waits for nothing.
    let due = conn.poll_timeout();
    let waits = (conn.waiting(), conn.openable(), conn.wants_transmit());
    (
        stats,
        lifecycle,
        due,
        waits,
        conn.audit().window,
        conn.receive_window(),
    )
}

/// I-05: a loop around an engine may turn more often than it need: it offers once more what it could not read on, or nothing
/// at all, asks for output when there is none, and looks at the clock before anything is due. Nothing comes of that.
///
/// # Errors
/// What does, of an engine that had nothing more to do.
pub(crate) fn again(
    conn: &mut Connection,
    input: &mut BytesMut,
    out: &mut Transmit,
    now: Timestamp,
) -> Result<(), Fault> {
    if out.remaining() == 0 {
        // It hears that all was taken, if it has not.
        conn.poll_transmit(out, now);
    }
    // A deadline that follows from what was just taken of it begins with its next call. What it tells and counts does not.
    let counted = (conn.stats().frames_received, input.len(), out.remaining());
    conn.handle_input(input, now);
    if counted != (conn.stats().frames_received, input.len(), out.remaining()) {
        return Err(Fault::run(format!(
            "I-05: {:?} reads on what it has read",
            conn.role()
        )));
    }
    let before = (state(conn), input.len(), out.remaining());
    conn.handle_input(input, now);
    if conn.poll_timeout().is_none_or(|due| due > now) {
        conn.handle_timeout(now);
    }
    let told = conn.poll_event();
    // A full one is counted each time.
    if out.remaining() == 0 {
        conn.poll_transmit(out, now);
    }
    let after = (state(conn), input.len(), out.remaining());
    if told.is_none() && after == before {
        return Ok(());
    }
    Err(Fault::run(format!(
        "I-05: {:?} is offered what it was offered before, and {before:?} becomes {after:?}, with {told:?}",
        conn.role()
    )))
}

#[cfg(test)]
mod tests {
    use raddle_core::{Config, RequestHead, Role, Then};

    use super::*;

    #[test]
    fn crumbs_are_the_same_bytes_in_the_same_order() {
        let mut client = Connection::new(Role::Client, Config::default(), Timestamp(0));
        for path in ["/1", "/2", "/3"] {
            let head = RequestHead::new(b"GET", b"https", Some(b"a"), path.as_bytes()).finish();
            let opened = client.open(head, Then::End);
            opened.map_err(|(error, _)| error).expect("there is room");
        }
        let mut out = Transmit::new();
        client.poll_transmit(&mut out, Timestamp(0));
        let mut bytes = out.copy_to_bytes(out.remaining()).to_vec();
        // The beginning of a frame stays in the input, whole.
        bytes.extend_from_slice(&[0, 0, 50, 0, 0]);
        let hears = |crumbs| {
            let mut server = Connection::new(Role::Server, Config::default(), Timestamp(0));
            let mut input = BytesMut::from(&bytes[..]);
            let verdict = read(&mut server, &mut input, &mut 0, Timestamp(0), crumbs);
            assert_eq!(input[..], [0, 0, 50, 0, 0]);
            let events: Vec<_> = std::iter::from_fn(|| server.poll_event()).collect();
            (format!("{events:?}"), format!("{verdict:?}"))
        };
        assert_eq!(hears(true), hears(false));
        assert!(hears(true).0.contains("/3"));
    }

    #[test]
    fn what_a_transport_takes_in_crumbs_are_the_same_bytes_too() {
        let takes = |crumbs| {
            let config = Config {
                send_buffer_bytes: 1 << 20,
                ..Config::default()
            };
            let mut client = Connection::new(Role::Client, config, Timestamp(0));
            let head = RequestHead::new(b"POST", b"https", Some(b"a"), b"/").finish();
            let opened = client.open(head, Then::More).map_err(|(error, _)| error);
            let stream = opened.expect("there is room");
            let body: Vec<_> = (0..60_000_u32).flat_map(u32::to_be_bytes).collect();
            let mut body = bytes::Bytes::from(body);
            let sent = client.send_data(stream, &mut body, Then::End);
            sent.expect("the stream is open");
            let mut out = Transmit::new();
            client.poll_transmit(&mut out, Timestamp(0));
            let mut bytes = Vec::new();
            let all = out.remaining();
            take(&mut out, all - 10, crumbs, |part| {
                bytes.extend_from_slice(part)
            });
            assert_eq!((bytes.len(), out.remaining()), (all - 10, 10));
            bytes
        };
        let whole = takes(false);
        assert!(whole.len() > 65_000, "the connection's window");
        assert!(takes(true) == whole);
    }
}
