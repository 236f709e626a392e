//! I-05: how what arrives is cut makes no difference.
//!
//! Some runs are made once more, in which engines get the same bytes at the same moments in crumbs, and have to take the
//! same course to the last event.

use bytes::BytesMut;
use raddle_core::{Connection, Input, Timestamp};

/// Bytes of one crumb after the other, over and over. Frames have heads of 9 bytes.
const SIZES: [usize; 8] = [1, 2, 1, 7, 9, 3, 40, 1_000];

/// Lets `conn` read `input`, in crumbs if asked for.
pub(crate) fn read(
    conn: &mut Connection,
    input: &mut BytesMut,
    now: Timestamp,
    crumbs: bool,
) -> Input {
    if !crumbs {
        return conn.handle_input(input, now);
    }
    let mut rest = input.split();
    let mut sizes = SIZES.iter().cycle();
    loop {
        let size = sizes.next().map_or(1, |&size| size).min(rest.len());
        input.extend_from_slice(&rest.split_to(size));
        let verdict = conn.handle_input(input, now);
        if rest.is_empty() || !matches!(verdict, Input::NeedMore { .. }) {
            input.extend_from_slice(&rest);
            return verdict;
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Buf;
    use raddle_core::{Config, RequestHead, Role, Then, Transmit};

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
            let verdict = read(&mut server, &mut input, Timestamp(0), crumbs);
            assert_eq!(input[..], [0, 0, 50, 0, 0]);
            let events: Vec<_> = std::iter::from_fn(|| server.poll_event()).collect();
            (format!("{events:?}"), format!("{verdict:?}"))
        };
        assert_eq!(hears(true), hears(false));
        assert!(hears(true).0.contains("/3"));
    }
}
