//! RFC 9113 §8.5: CONNECT.

use crate::*;

const CONNECT: &[(&str, &str)] = &[(":method", "CONNECT"), (":authority", "test:443")];

#[test]
fn a_tunnel_carries_data_both_ways_and_half_closes() {
    let mut hand = Hand::server();
    hand.says(wire::headers(1, CONNECT, false));
    let events = hand.events();
    let [Event::Request { stream, head, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    let stream = *stream;
    assert_eq!((head.scheme(), head.path()), (None, None));
    hand.respond(stream, Then::More);
    hand.send(stream, b"down", Then::More);
    hand.says(wire::data(1, b"up", true));
    assert_eq!(body_bytes(&hand.events()), 2);
    assert_eq!(hand.frames().len(), 2);
    hand.send(stream, b"still open", Then::End);
    hand.frames();
    assert_eq!(hand.outcome(stream), Some(Ok(())));
}

#[test]
fn connect_has_an_authority_and_neither_scheme_nor_path() {
    for fields in [
        &[(":method", "CONNECT")][..],
        &[
            (":method", "CONNECT"),
            (":authority", "test:443"),
            (":path", "/"),
        ],
        &[
            (":method", "CONNECT"),
            (":authority", "test:443"),
            (":scheme", "http"),
        ],
    ] {
        let mut hand = Hand::server();
        hand.says(wire::headers(1, fields, false));
        assert_eq!(hand.resets_sent(), [(1, 1)], "{fields:?}");
        assert_eq!(hand.events(), []);
    }
    for authority in ["test", "test:", ":443", ""] {
        let mut hand = Hand::server();
        let fields = [(":method", "CONNECT"), (":authority", authority)];
        hand.says(wire::headers(1, &fields, false));
        hand.resets(1, Violation::AuthorityInvalid);
    }
}

#[test]
fn a_client_of_ours_makes_tunnels_of_the_same_shape() {
    let mut hand = Hand::client();
    let head = RequestHead::connect(b"test:443").finish();
    let stream = hand.end.connection.open(head, Then::More).unwrap();
    hand.frames();
    hand.says(wire::headers(1, OK, false));
    hand.says(wire::data(1, b"down", true));
    hand.send(stream, b"up", Then::End);
    hand.frames();
    assert_eq!(hand.outcome(stream), Some(Ok(())));
}

// Behind bytes that a window holds back they would leave when it is a tunnel.
#[test]
fn what_may_become_a_tunnel_gets_no_trailers() {
    let mut hand = Hand::client();
    hand.says(wire::settings(&[(4, 0)]));
    let head = RequestHead::connect(b"test:443").finish();
    let stream = hand.end.connection.open(head, Then::More).unwrap();
    hand.send(stream, b"up", Then::More);
    let fields = Fields::from_iter([(&b"a"[..], &b"b"[..])]);
    let refused = Err(SendError::Malformed(Violation::TunnelFieldSection));
    assert_eq!(hand.end.connection.send_trailers(stream, fields), refused);
    hand.frames();
    hand.says(wire::headers(1, OK, false));
    hand.says(wire::window_update(1, 100));
    let sent: Vec<_> = hand.frames().iter().map(|frame| frame.kind).collect();
    assert_eq!(sent, [kind::DATA]);
}

#[test]
fn a_tunnel_carries_no_fields_either_way() {
    let trailers = wire::headers(1, &[("a", "b")], true);
    let fields = || Fields::from_iter([(&b"a"[..], &b"b"[..])]);
    let refused = Err(SendError::Malformed(Violation::TunnelFieldSection));
    let mut hand = Hand::client();
    let head = RequestHead::connect(b"test:443").finish();
    let stream = hand.end.connection.open(head, Then::More).unwrap();
    hand.frames();
    hand.says(wire::headers(1, OK, false));
    assert_eq!(hand.end.connection.send_trailers(stream, fields()), refused);
    hand.says(&trailers)
        .resets(1, Violation::TunnelFieldSection);

    let mut hand = Hand::server();
    hand.says(wire::headers(1, CONNECT, false));
    let Some(Event::Request { stream, .. }) = hand.events().pop() else {
        panic!("no request")
    };
    hand.respond(stream, Then::More);
    hand.frames();
    assert_eq!(hand.end.connection.send_trailers(stream, fields()), refused);
    hand.says(&trailers)
        .resets(1, Violation::TunnelFieldSection);
}

#[test]
fn a_connect_that_is_refused_is_a_message_like_any_other() {
    let mut hand = Hand::client();
    let head = RequestHead::connect(b"test:443").finish();
    let stream = hand.end.connection.open(head, Then::End).unwrap();
    hand.frames();
    hand.says(wire::headers(1, &[(":status", "407")], false));
    hand.says(wire::headers(1, &[("a", "b")], true));
    assert_eq!(hand.outcome(stream), Some(Ok(())));
}
