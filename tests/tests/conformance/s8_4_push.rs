//! RFC 9113 §8.4: server push, which we neither do nor take.

use crate::*;

#[test]
fn a_server_of_ours_opens_no_streams() {
    let mut hand = Hand::server();
    hand.says(wire::settings(&[(2, 1)]));
    let refused = hand.end.connection.open(get("/"), Then::End);
    assert_eq!(refused.unwrap_err().0, OpenError::NotClient);
}

#[test]
fn a_response_on_a_stream_that_was_never_promised_is_an_error() {
    for id in [2, 4] {
        ends(
            Role::Client,
            wire::headers(id, OK, true),
            Violation::IdleStreamFrame,
        );
        ends(
            Role::Client,
            wire::data(id, b"x", true),
            Violation::IdleStreamFrame,
        );
    }
}
