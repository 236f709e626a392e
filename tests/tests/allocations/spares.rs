//! What is left of large messages once they are sent.

use bytes::Bytes;
use raddle_core::{Config, Then};

use crate::pair::Pair;

/// Bytes of the sending end after 100 large uploads that were written in small pieces. What their buffers took at their
/// largest is more than a hundred times that.
const AFTER_UPLOADS_BYTES_MAX: i64 = 80_000;

const STREAMS: usize = 100;
const BODY_BYTES: usize = 65_000;
const PIECE_BYTES: usize = 200;

#[test]
fn bodies_that_are_sent_leave_no_buffers_behind() {
    let mut pair = Pair::new(Config::default());
    let uploads = pair.open_uploads(STREAMS);
    let piece = Bytes::from(vec![7; PIECE_BYTES]);
    // All of them wait at once, so that each has a buffer of its own.
    for &(up, _) in &uploads {
        for sent in (PIECE_BYTES..=BODY_BYTES).step_by(PIECE_BYTES) {
            let then = if sent == BODY_BYTES {
                Then::End
            } else {
                Then::More
            };
            let mut piece = piece.clone();
            pair.client
                .connection
                .send_data(up, &mut piece, then)
                .unwrap();
            assert!(piece.is_empty(), "the buffer takes a piece");
        }
    }
    pair.settle();
    for &(_, down) in &uploads {
        pair.server
            .connection
            .send_data(down, &mut Bytes::new(), Then::End)
            .unwrap();
    }
    pair.settle();
    assert_eq!(pair.received(), STREAMS * BODY_BYTES);
    assert_eq!(pair.client_ended(), STREAMS);
    let held = pair.drop_client();
    println!("{held} bytes after {STREAMS} uploads");
    assert!(
        held <= AFTER_UPLOADS_BYTES_MAX,
        "{held} bytes after {STREAMS} uploads"
    );
}
