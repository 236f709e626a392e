//! RFC 9113 §8.6: what became of Upgrade.

use crate::*;

#[test]
fn the_status_101_does_not_exist() {
    let mut hand = Hand::client();
    hand.open(Then::End);
    hand.says(wire::headers(1, &[(":status", "101")], false));
    hand.resets(1, Violation::SwitchingProtocols);
}

#[test]
fn we_do_not_send_it_either() {
    let mut hand = Hand::server();
    let stream = hand.request(1, Then::End);
    let head = ResponseHead::new(101).finish();
    let refused = hand.end.connection.inform(stream, head);
    assert_eq!(
        refused,
        Err(SendError::Malformed(Violation::SwitchingProtocols))
    );
}
