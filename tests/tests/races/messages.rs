//! Messages.

use crate::*;

/// What becomes of a response that is said by these frames: the violation that ended it, if one did.
fn answer(frames: &[Vec<u8>]) -> Option<Violation> {
    let mut hand = Hand::client();
    let stream = hand.open(Then::End);
    hand.says(frames.concat());
    match hand.outcome(stream).expect("an outcome") {
        Ok(()) => None,
        Err(error) => error.violation,
    }
}

fn head(fields: &[(&str, &str)], end: bool) -> Vec<u8> {
    wire::headers(1, fields, end)
}

const HINTS: &[(&str, &str)] = &[(":status", "103")];
const TRAILERS: &[(&str, &str)] = &[("sum", "1")];

#[test]
fn s01_interims_come_in_order_and_are_counted() {
    let mut hand = Hand::client();
    let stream = hand.open(Then::End);
    hand.events();
    let said = (0..16).map(|n| {
        let (status, link) = (100 + 3 * (n % 2), n.to_string());
        (u16::try_from(status).unwrap(), link)
    });
    let said: Vec<_> = said.chain([(200, "last".to_owned())]).collect();
    let frames = said.iter().map(|(status, link)| {
        let fields = [(":status", &*status.to_string()), ("link", link)];
        head(&fields, *status == 200)
    });
    hand.says(frames.collect::<Vec<_>>().concat());
    let told: Vec<_> = hand
        .events()
        .iter()
        .filter_map(|event| match event {
            Event::Interim { head, .. } | Event::Response { head, .. } => {
                let link = head.fields().next().unwrap().value;
                Some((head.status(), String::from_utf8(link.to_vec()).unwrap()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(told, said, "{stream:?}");
    assert_eq!(
        answer(&[head(HINTS, false).repeat(17)]),
        Some(Violation::TooManyInformational)
    );
}

#[test]
fn s02_an_interim_does_not_end_and_is_not_101() {
    assert_eq!(
        answer(&[head(HINTS, true)]),
        Some(Violation::InformationalEndsStream)
    );
    assert_eq!(
        answer(&[head(&[(":status", "101")], false)]),
        Some(Violation::SwitchingProtocols)
    );
}

#[test]
fn s03_a_body_does_not_come_before_the_final_head() {
    let body = wire::data(1, b"x", true);
    let early = Some(Violation::DataBeforeHeaders);
    assert_eq!(answer(&[Vec::new(), body.clone()]), early);
    assert_eq!(answer(&[head(HINTS, false), body]), early);
}

#[test]
fn s04_trailers_end_the_stream_and_come_once() {
    assert_eq!(
        answer(&[head(OK, false), head(TRAILERS, false)]),
        Some(Violation::TrailersWithoutEndStream)
    );
    let mut hand = Hand::client();
    hand.open(Then::More);
    hand.says([head(OK, false), head(TRAILERS, true), head(TRAILERS, true)].concat());
    hand.resets(1, Violation::StreamClosedFrame);
}

#[test]
fn s05_trailers_have_no_pseudo_fields() {
    assert_eq!(
        answer(&[head(OK, false), head(&[(":status", "200")], true)]),
        Some(Violation::PseudoFieldInTrailers)
    );
}

#[test]
fn s06_content_length_is_what_comes() {
    let with = |length: &str, end| head(&[(":status", "200"), ("content-length", length)], end);
    let body = |len: usize| wire::data(1, &vec![0; len], true);
    let mismatch = Some(Violation::ContentLengthMismatch);
    let invalid = Some(Violation::ContentLengthInvalid);
    assert_eq!(answer(&[with("3", false), body(3)]), None);
    assert_eq!(answer(&[with("3", false), body(2)]), mismatch);
    assert_eq!(answer(&[with("3", false), body(4)]), mismatch);
    assert_eq!(answer(&[with("3", true)]), mismatch);
    assert_eq!(answer(&[with("+3", false)]), invalid);
    let twice = [
        (":status", "200"),
        ("content-length", "1"),
        ("content-length", "2"),
    ];
    assert_eq!(answer(&[head(&twice, false)]), invalid);
}

#[test]
fn s07_answers_without_content_may_name_a_length() {
    let fields = [(":status", "304"), ("content-length", "10")];
    assert_eq!(answer(&[head(&fields, true)]), None);
    let mut hand = Hand::client();
    let request = RequestHead::new(b"HEAD", b"http", Some(b"test"), b"/").finish();
    let stream = hand.end.connection.open(request, Then::End).unwrap();
    hand.frames();
    hand.says(head(&[(":status", "200"), ("content-length", "10")], true));
    assert_eq!(hand.outcome(stream), Some(Ok(())));
}

#[test]
fn s08_there_is_one_status_in_front() {
    assert_eq!(
        answer(&[head(TRAILERS, true)]),
        Some(Violation::PseudoFieldMissing)
    );
    assert_eq!(
        answer(&[head(&[(":status", "200"), (":status", "200")], true)]),
        Some(Violation::PseudoFieldDuplicate)
    );
    let late = [(":status", "200"), ("a", "b"), (":status", "200")];
    assert_eq!(
        answer(&[head(&late, true)]),
        Some(Violation::PseudoFieldAfterRegular)
    );
}

#[test]
fn s09_fields_that_could_smuggle_are_malformed() {
    use Violation as V;
    for (name, value, violation) in [
        ("Upper", "x", V::FieldNameUppercase),
        ("a b", "x", V::FieldNameInvalid),
        ("a", "b\0", V::FieldValueInvalid),
        ("a", "b\r\nc: d", V::FieldValueInvalid),
        ("a", " b", V::FieldValueInvalid),
        ("a", "b ", V::FieldValueInvalid),
        ("connection", "close", V::ConnectionSpecificField),
        ("transfer-encoding", "chunked", V::ConnectionSpecificField),
    ] {
        let fields = [OK, &[(name, value)]].concat();
        assert_eq!(answer(&[head(&fields, true)]), Some(violation), "{name}");
    }
}

#[test]
fn s10_a_body_that_is_whole_by_its_length_ends_with_end_stream_only() {
    let mut hand = Hand::client();
    let stream = hand.open(Then::End);
    hand.says(head(&[(":status", "200"), ("content-length", "1")], false));
    hand.says(wire::data(1, b"x", false));
    assert_eq!(hand.outcome(stream), None);
    hand.says(head(TRAILERS, true));
    assert_eq!(hand.outcome(stream), Some(Ok(())));
}

#[test]
fn s11_a_promise_ends_the_connection() {
    let (mut hand, [_]) = asking::<1>();
    let payload = [&[0, 0, 0, 2][..], &wire::block(GET)].concat();
    hand.says(wire::frame(kind::PUSH_PROMISE, 4, 1, &payload));
    hand.ends_with(Violation::PushPromiseReceived);
}

/// A client whose request expects 100 (RFC 9110 §10.1.1), in a window of nothing. The body has been given and waits.
fn expecting() -> (Hand, StreamHandle) {
    let mut hand = Hand::client();
    hand.says(wire::settings(&[(4, 0)]));
    let request = RequestHead::new(b"POST", b"http", Some(b"test"), b"/")
        .field(b"expect", b"100-continue")
        .finish();
    let stream = hand.end.connection.open(request, Then::More).unwrap();
    assert_eq!(kinds(&hand.frames()).last(), Some(&kind::HEADERS));
    hand.send(stream, b"the body", Then::End);
    assert_eq!(hand.frames(), []);
    (hand, stream)
}

#[test]
fn s12_a_final_answer_instead_of_100_leaves_the_body_unsent() {
    let refused = head(&[(":status", "417")], true);
    let room = wire::window_update(1, 1_000);
    // The application takes the answer for what it is. What it had given goes nowhere, also when there is room.
    let (mut hand, stream) = expecting();
    hand.says(&refused);
    hand.end.connection.reset(stream, ErrorCode::CANCEL);
    hand.says(&room);
    let frames = hand.frames();
    assert_eq!(kinds(&frames), [kind::RST_STREAM]);
    assert_eq!((frames[0].stream, frames[0].number(0)), (1, CANCEL));
    // The answer was told before; the stream is what was given up.
    assert_eq!(hand.failure(stream).retry, Retry::Never);
    // Or the server says that it wants none of it (RFC 9113 §8.1): that is a whole answer, and no failure.
    let (mut hand, stream) = expecting();
    hand.says([&refused[..], &wire::rst_stream(1, 0), &room].concat());
    hand.ignores();
    assert_eq!(hand.outcome(stream), Some(Ok(())));
    // With 100 it goes as soon as there is room.
    let (mut hand, stream) = expecting();
    hand.says([&head(&[(":status", "100")], false)[..], &room].concat());
    assert_eq!(data_lengths(&hand.frames(), 1), [8]);
    hand.says(head(OK, true));
    assert_eq!(hand.outcome(stream), Some(Ok(())));
}

#[test]
fn s13_a_tunnel_closes_one_half_at_a_time() {
    let mut hand = Hand::client();
    let request = RequestHead::connect(b"test:443").finish();
    let stream = hand.end.connection.open(request, Then::More).unwrap();
    hand.frames();
    hand.says([head(OK, false), wire::data(1, b"down", true)].concat());
    assert_eq!(hand.outcome(stream), None);
    hand.send(stream, b"up", Then::End);
    assert_eq!(hand.end.output(), wire::data(1, b"up", true));
    assert_eq!(hand.outcome(stream), Some(Ok(())));
}

#[test]
fn s14_crumbs_of_cookies_are_one_cookie() {
    let mut hand = Hand::server();
    let fields = [GET, &[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2")]].concat();
    hand.says(wire::headers(1, &fields, true));
    let Some(Event::Request { head, .. }) = hand.events().pop() else {
        panic!("no request")
    };
    let cookies = head.fields().filter(|field| field.name == b"cookie");
    let values: Vec<_> = cookies.map(|field| field.value.to_vec()).collect();
    assert_eq!(values, [b"a=1; b=2".to_vec()]);
}
