//! RFC 9113 §8.1.1: messages that must not be taken for whole ones.

use crate::*;

/// A response with this content-length, and then this many bytes in as many frames as given.
fn answered(length: &str, pieces: &[usize]) -> Hand {
    let mut hand = Hand::client();
    hand.open(Then::End);
    let fields = [(":status", "200"), ("content-length", length)];
    hand.says(wire::headers(1, &fields, pieces.is_empty()));
    for (n, &len) in pieces.iter().enumerate() {
        hand.says(wire::data(1, &vec![0; len], n + 1 == pieces.len()));
    }
    hand
}

#[test]
fn a_body_is_as_long_as_its_head_says() {
    for pieces in [&[5][..], &[2, 3], &[5, 0], &[0, 5], &[1; 5]] {
        let mut hand = answered("5", pieces);
        assert!(heard!(hand.events(), Event::Finished { .. }), "{pieces:?}");
    }
    for pieces in [&[4][..], &[6], &[2, 2], &[5, 1], &[]] {
        let mut hand = answered("5", pieces);
        hand.resets(1, Violation::ContentLengthMismatch);
    }
}

#[test]
fn a_body_that_is_whole_by_its_length_goes_on_until_end_stream() {
    let mut hand = Hand::client();
    let stream = hand.open(Then::End);
    let fields = [(":status", "200"), ("content-length", "2")];
    hand.says(wire::headers(1, &fields, false));
    hand.says(wire::data(1, b"ab", false));
    assert_eq!(hand.outcome(stream), None);
    hand.says(wire::headers(1, &[("sum", "1")], true));
    assert_eq!(hand.outcome(stream), Some(Ok(())));
    assert!(heard!(hand.events(), Event::Trailers { .. }));
}

#[test]
fn lengths_that_are_no_number_are_malformed() {
    for length in [
        "",
        "-1",
        "+1",
        "1 ",
        "0x1",
        "1.0",
        "5, 6",
        "99999999999999999999",
    ] {
        let mut hand = Hand::server();
        hand.says(wire::headers(1, &with(&[]), true));
        hand.events();
        let fields = [GET, &[("content-length", length)]].concat();
        hand.says(wire::headers(3, &fields, true));
        let frames = hand.frames();
        let reset = frames.iter().find(|frame| frame.is(kind::RST_STREAM, 3));
        assert_eq!(reset.unwrap().number(0), 1, "{length:?}");
    }
}

#[test]
fn lengths_that_differ_are_malformed() {
    let mut hand = Hand::server();
    let fields = with(&[("content-length", "1"), ("content-length", "2")]);
    hand.says(wire::headers(1, &fields, false));
    hand.resets(1, Violation::ContentLengthInvalid);
}

#[test]
fn responses_without_content_may_name_a_length() {
    for (method, status) in [(&b"HEAD"[..], "200"), (b"GET", "304")] {
        let mut hand = Hand::client();
        let head = RequestHead::new(method, b"http", Some(b"test"), b"/").finish();
        let stream = hand.end.connection.open(head, Then::End).unwrap();
        hand.frames();
        let fields = [(":status", status), ("content-length", "1000")];
        hand.says(wire::headers(1, &fields, true));
        assert_eq!(hand.outcome(stream), Some(Ok(())));
    }
}

#[test]
fn responses_without_content_have_none() {
    for (method, status) in [(&b"HEAD"[..], "200"), (b"GET", "204"), (b"GET", "304")] {
        let mut hand = Hand::client();
        let head = RequestHead::new(method, b"http", Some(b"test"), b"/").finish();
        hand.end.connection.open(head, Then::End).unwrap();
        hand.frames();
        hand.says(wire::headers(1, &[(":status", status)], false));
        hand.says(wire::data(1, b"x", true));
        hand.resets(1, Violation::ContentLengthMismatch);
    }
}

#[test]
fn a_malformed_request_never_reaches_the_application() {
    let mut hand = Hand::server();
    hand.says(wire::headers(1, &GET[..2], true));
    hand.resets(1, Violation::PseudoFieldMissing);
    assert_eq!(hand.events(), []);
}

#[test]
fn we_send_nothing_malformed() {
    let mut hand = Hand::client();
    let short = RequestHead::new(b"POST", b"http", Some(b"test"), b"/")
        .field(b"content-length", b"5")
        .finish();
    let refused = hand.end.connection.open(short.clone(), Then::End);
    assert_eq!(
        refused.unwrap_err().0,
        OpenError::Malformed(Violation::ContentLengthMismatch)
    );
    let stream = hand.end.connection.open(short, Then::More).unwrap();
    let mut long = Bytes::from_static(b"123456");
    let refused = hand.end.connection.send_data(stream, &mut long, Then::End);
    assert_eq!(
        refused,
        Err(SendError::Malformed(Violation::ContentLengthMismatch))
    );
    assert_eq!(long.len(), 6, "nothing was taken");
    hand.send(stream, b"12345", Then::End);
    assert_eq!(hand.frames().len(), 2);
}
