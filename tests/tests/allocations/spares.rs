//! What is left of large messages once they are sent.

use bytes::Bytes;
use raddle_core::{Config, ResponseHead, Then};

use crate::pair::Pair;

const STREAMS: usize = 100;
const BODY_BYTES: usize = 60_000;
const INTERIMS: usize = 8;

/// Bytes of the end that has sent the bodies. The buffers in which small pieces are gathered were 100 times as large.
const CLIENT_BYTES_MAX: i64 = 95_000;
/// Bytes of the end that has sent interim heads.
const SERVER_BYTES_MAX: i64 = 50_000;

/// Streams that all have something to send at once, so that each has a box of its own, and are then done with it.
pub(crate) fn upload_in_pieces(piece_bytes: usize) -> Pair {
    let mut pair = Pair::new(Config::default());
    let uploads = pair.open_requests(STREAMS);
    let piece = Bytes::from(vec![7; piece_bytes]);
    for &(up, _) in &uploads {
        for sent in (piece_bytes..=BODY_BYTES).step_by(piece_bytes) {
            let then = match sent {
                BODY_BYTES => Then::End,
                _ => Then::More,
            };
            let client = &mut pair.client.connection;
            let mut piece = piece.clone();
            client.send_data(up, &mut piece, then).unwrap();
            assert!(piece.is_empty(), "the buffer takes a piece");
        }
    }
    for &(_, down) in &uploads {
        let server = &mut pair.server.connection;
        for _ in 0..INTERIMS {
            server
                .inform(down, ResponseHead::new(103).finish())
                .unwrap();
        }
        let head = ResponseHead::new(200).finish();
        server.respond(down, head, Then::End).unwrap();
    }
    pair.settle();
    assert_eq!(pair.received(), STREAMS * BODY_BYTES);
    assert_eq!(pair.client_ended(), STREAMS);
    pair
}

#[test]
fn what_is_sent_leaves_no_buffers_behind() {
    // Pieces that are gathered into one, and pieces that are kept as they are.
    for piece_bytes in [200, 300] {
        let [client, server] = upload_in_pieces(piece_bytes).end();
        println!("{client} and {server} bytes after {STREAMS} streams");
        assert!(client <= CLIENT_BYTES_MAX, "{client} bytes");
        assert!(server <= SERVER_BYTES_MAX, "{server} bytes");
    }
}
